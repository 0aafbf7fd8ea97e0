"""A fault: which requests it is for, and what becomes of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from random import random
from types import TracebackType
from typing import NamedTuple, Self

from fakebus.errors import ErrorCode
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.wording import counted

logger = logging.getLogger("fakebus.broker")

KAFKA = "kafka"
HTTP = "http"
_STATUSES = range(400, 600)
"""Of HTTP, that say what went wrong."""
_HANDSHAKES = frozenset(
    codec.api_name(key)
    for key in (ApiKey.API_VERSIONS, ApiKey.SASL_HANDSHAKE, ApiKey.SASL_AUTHENTICATE)
)
"""Requests that a fault is for only if it names their API."""

Names = Callable[[], Collection[str]]
"""Returns the names that a request carries; asked only if a fault wants to know."""


class Fail(NamedTuple):
    """Effect: an error instead of carrying the request out."""

    error: ErrorCode
    status: int = 500
    """How HTTP says it."""
    partial: bool = False
    """Whether only the fault's topic fails, and the rest of the request is carried out."""
    partition: int | None = None
    """The only one of the topic that fails."""


class Delay(NamedTuple):
    """Effect: an answer that comes later, on the machine's clock."""

    seconds: float


class Throttle(NamedTuple):
    """Effect: an answer that says how long to wait, and a connection that is silent for so long."""

    seconds: float


class Disconnect(NamedTuple):
    """Effect: a connection that breaks instead of an answer."""

    before: bool
    """Whether the request is not carried out either."""


class Corrupt(NamedTuple):
    """Effect: a fetched batch with a flipped bit, which its checksum does not bear out."""


class Duplicate(NamedTuple):
    """Effect: a batch that is written twice, as by a producer that lost the first answer."""


class StorageFull(NamedTuple):
    """Effect: writes that fail as if there were no room on the disk, whoever they are for."""


Effect = Fail | Delay | Throttle | Disconnect | Corrupt | Duplicate | StorageFull
EFFECT_NAMES: dict[type[Effect], str] = {
    Fail: "fail",
    Delay: "delay",
    Throttle: "throttle",
    Disconnect: "disconnect",
    Corrupt: "corrupt",
    Duplicate: "duplicate",
    StorageFull: "storage_full",
}


class Api(NamedTuple):
    """Kind of request of one front end."""

    front_end: str
    name: str


@dataclass(slots=True, eq=False, kw_only=True)
class Fault:
    """One thing that goes wrong; ends with ``with``, with :meth:`remove`, or with the test."""

    number: int
    """By which it is named in the process."""
    description: str
    effect: Effect
    api: Api | None
    topic: str | None
    group: str | None
    client_id: str | None
    count: int | None
    """How often it happens; ``None`` for always."""
    probability: float
    since_ms: int
    """When it was added."""
    until_s: float | None
    """When it ends, on the monotonic clock; ``None`` if it does not end by itself."""
    remove_from: list[Fault] = field(repr=False)
    fired: int = 0
    """How often it has happened."""

    @property
    def left(self) -> int | None:
        """How often it may still happen; ``None`` for always."""
        return None if self.count is None else max(0, self.count - self.fired)

    def remove(self) -> None:
        """Let it not happen any more; does nothing when it is removed already."""
        if self in self.remove_from:
            self.remove_from.remove(self)
            happened = counted(self.fired, "time")
            logger.info("fault %d is over (%s); it happened %s", self.number, self, happened)

    def __str__(self) -> str:
        """Return what goes wrong, for people."""
        return self.description

    def __enter__(self) -> Self:
        """Return the fault, which is in force already."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the fault."""
        self.remove()

    def is_for(self, api: Api, client_id: str, topics: Names, groups: Names) -> bool:
        """Whether it happens to this request."""
        if isinstance(self.effect, StorageFull):
            return False
        if self.api is None:
            if api.front_end != KAFKA or api.name in _HANDSHAKES:
                return False
        elif self.api != api:
            return False
        return (
            (self.client_id is None or self.client_id == client_id)
            and (self.topic is None or self.topic in topics())
            and (self.group is None or self.group in groups())
            and self.is_drawn()
        )

    def is_drawn(self) -> bool:
        """Whether it happens this time, by its probability."""
        return self.probability >= 1 or random() < self.probability  # noqa: S311 - no secret


def error_named(name: str) -> ErrorCode:
    """Return Kafka's error of a name; LookupError if there is none."""
    found = ErrorCode.__members__.get(name, ErrorCode.NONE)
    if found is ErrorCode.NONE:
        raise LookupError(f"Kafka has no error {name!r}; names are like 'NOT_LEADER_OR_FOLLOWER'")
    return found


def status_named(text: str) -> int:
    """Return the status of HTTP of these digits; LookupError if it says that all is well."""
    if len(text) > 3 or int(text) not in _STATUSES:
        raise LookupError(f"HTTP has no status {text[:80]!r} for what goes wrong; say 400 to 599")
    return int(text)
