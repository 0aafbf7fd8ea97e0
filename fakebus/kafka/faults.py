"""Things that go wrong on purpose, so that tests see how clients take them.

A :class:`Faults` stands between the listener and the handlers. Each fault says which requests
it is for and what happens to them: an error instead of the answer, a delay, or a connection
that breaks before or after the request was carried out. It knows neither sockets nor the
event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from fakebus.clock import Clock
from fakebus.errors import ErrorCode
from fakebus.kafka.api import (
    CloseConnection,
    HandlerFunction,
    HandlerResult,
    PendingResponse,
    RequestContext,
)
from fakebus.kafka.error_responses import error_response
from fakebus.kafka.interception import replace_outcome
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey

_HANDSHAKES = frozenset((ApiKey.API_VERSIONS, ApiKey.SASL_HANDSHAKE, ApiKey.SASL_AUTHENTICATE))
"""Requests that a fault is for only if it names their API."""

Effect = Callable[[HandlerFunction, Any, RequestContext], HandlerResult]


@dataclass(slots=True, eq=False, kw_only=True)
class Fault:
    """One thing that goes wrong; ends with ``with``, with :meth:`remove`, or with the test."""

    description: str
    effect: Effect
    api_key: int | None
    topic: str | None
    group: str | None
    client_id: str | None
    count: int | None
    """How often it happens; ``None`` for always."""
    remove_from: list[Fault] = field(repr=False)
    fired: int = 0
    """How often it has happened."""

    def remove(self) -> None:
        """Let it not happen any more; does nothing when it is removed already."""
        if self in self.remove_from:
            self.remove_from.remove(self)

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

    def is_for(self, request: Any, context: RequestContext) -> bool:
        """Whether it happens to this request."""
        if self.count is not None and self.fired >= self.count:
            return False
        if self.api_key is None:
            if context.api_key in _HANDSHAKES:
                return False
        elif self.api_key != context.api_key:
            return False
        if self.client_id is not None and self.client_id != context.client_id:
            return False
        if self.topic is not None and self.topic not in topics_of(request, context):
            return False
        return self.group is None or self.group in groups_of(request)


class Faults:
    """The faults of one bus.

    They may be added and removed in any thread.

    Args:
        clock: times delays.
        rebalance: lets the members of a group join again; returns whether there is one.
        served: the keys of the APIs that the bus has; requests of others never come.
    """

    def __init__(
        self, clock: Clock, rebalance: Callable[[str], bool], served: Container[int]
    ) -> None:
        self._clock = clock
        self._rebalance = rebalance
        self._served = served
        self._real_name: Callable[[str], str] = str
        self._active: list[Fault] = []
        self._all: list[Fault] = []

    def intercept(
        self, function: HandlerFunction, request: Any, context: RequestContext
    ) -> HandlerResult:
        """Carry out a request, or what happens instead.

        Args:
            function: the handler.
            request: the decoded request.
            context: what the handler gets besides.
        """
        for fault in tuple(self._active):
            if fault.is_for(request, context):
                fault.fired += 1
                return fault.effect(function, request, context)
        return function(request, context)

    def use_names(self, real_name: Callable[[str], str]) -> None:
        """Find topics and groups under other names than those that faults are given.

        Args:
            real_name: returns the name on the bus.
        """
        self._real_name = real_name

    def fail(
        self,
        *,
        api: str,
        error: str,
        topic: str | None = None,
        group: str | None = None,
        client_id: str | None = None,
        count: int | None = 1,
    ) -> Fault:
        """Answer requests with an error, without carrying them out.

        The whole request fails, also for other topics that it names.

        Args:
            api: Kafka's name of the API, as in ``Produce``.
            error: Kafka's name of the error, as in ``NOT_LEADER_OR_FOLLOWER``.
            topic: only requests that name this topic.
            group: only requests of this consumer group.
            client_id: only requests of this client.
            count: how often; ``None`` for always.

        Raises:
            LookupError: there is no such API or error, or the bus does not serve the API.
            ValueError: ``count`` is not above 0.
        """
        api_key, code = self._api_key(api), _error(error)

        def effect(function: HandlerFunction, request: Any, context: RequestContext) -> Any:
            answer = error_response(context.api_key, context.api_version, request, code)
            if getattr(request, "acks", None) == 0:
                raise CloseConnection(f"a Produce request with acks=0 was to fail: {error}")
            if hasattr(answer, "brokers") and hasattr(answer, "controller_id"):
                # Clients drop whom Metadata does not name.
                return _with_brokers(function(request, context), answer)
            return answer

        return self._add(
            f"fail {api} with {error}", effect, api_key, topic, group, client_id, count
        )

    def delay(
        self,
        *,
        seconds: float,
        api: str | None = None,
        topic: str | None = None,
        group: str | None = None,
        client_id: str | None = None,
        count: int | None = 1,
    ) -> Fault:
        """Carry requests out at once, and answer them later.

        Args:
            seconds: how much later, on the machine's clock.
            api: as for :meth:`fail`; any when left out.
            topic: as for :meth:`fail`.
            group: as for :meth:`fail`.
            client_id: as for :meth:`fail`.
            count: as for :meth:`fail`.

        Raises:
            LookupError: there is no such API, or the bus does not serve it.
            ValueError: ``seconds`` is negative, or ``count`` is not above 0.
        """
        if seconds < 0:
            raise ValueError("a delay cannot be negative")

        def effect(
            function: HandlerFunction, request: Any, context: RequestContext
        ) -> HandlerResult:
            def late(outcome: Any, pending: PendingResponse) -> None:
                self._clock.wait(seconds, lambda: pending.ready(outcome))

            return replace_outcome(function(request, context), late)

        what = f"delay {api or 'any request'} by {seconds:g} s"
        return self._add(what, effect, self._optional_key(api), topic, group, client_id, count)

    def disconnect(
        self,
        *,
        api: str | None = None,
        before: bool = False,
        after: bool = False,
        topic: str | None = None,
        group: str | None = None,
        client_id: str | None = None,
        count: int | None = 1,
    ) -> Fault:
        """Close the connection instead of answering.

        Args:
            api: as for :meth:`fail`; any when left out.
            before: close it before the request is carried out.
            after: close it when the request was carried out, in place of its answer.
            topic: as for :meth:`fail`.
            group: as for :meth:`fail`.
            client_id: as for :meth:`fail`.
            count: as for :meth:`fail`.

        Raises:
            LookupError: there is no such API, or the bus does not serve it.
            ValueError: not exactly one of ``before`` and ``after`` is given, or ``count`` is
                not above 0.
        """
        if before == after:
            raise ValueError("say either before=True or after=True")

        def effect(
            function: HandlerFunction, request: Any, context: RequestContext
        ) -> HandlerResult:
            if before:
                raise CloseConnection("a test wants it so")

            def lost(outcome: Any, pending: PendingResponse) -> None:
                pending.ready(CloseConnection("a test wants it so"))

            return replace_outcome(function(request, context), lost)

        what = f"disconnect {'before' if before else 'after'} {api or 'any request'}"
        return self._add(what, effect, self._optional_key(api), topic, group, client_id, count)

    def rebalance(self, group: str) -> None:
        """Let the members of a group join again, now.

        Args:
            group: the consumer group.

        Raises:
            LookupError: there is no such group.
        """
        if not self._rebalance(self._real_name(group)):
            raise LookupError(f"there is no group {group}")

    def _add(
        self,
        description: str,
        effect: Effect,
        api_key: int | None,
        topic: str | None,
        group: str | None,
        client_id: str | None,
        count: int | None,
    ) -> Fault:
        if count is not None and count < 1:
            raise ValueError("count is how often it happens, from 1 on, or None for always")
        wanted = {"topic": topic, "group": group, "client_id": client_id}
        details = [f"{noun} {name}" for noun, name in wanted.items() if name is not None]
        fault = Fault(
            description=", ".join([description, *details]),
            effect=effect,
            api_key=api_key,
            topic=None if topic is None else self._real_name(topic),
            group=None if group is None else self._real_name(group),
            client_id=client_id,
            count=count,
            remove_from=self._active,
        )
        self._active.append(fault)
        self._all.append(fault)
        return fault

    @property
    def never_fired(self) -> list[Fault]:
        """The faults since :meth:`clear` that have not happened."""
        return [fault for fault in self._all if not fault.fired]

    def clear(self) -> None:
        """Remove all faults."""
        self._active.clear()
        self._all.clear()

    def _api_key(self, api: str) -> int:
        wanted = api.replace("_", "").lower()
        for key in ApiKey:
            if codec.api_name(key).lower() == wanted:
                if key not in self._served:
                    raise LookupError(f"fakebus does not serve the API {api}: no client sends it")
                return int(key)
        raise LookupError(f"Kafka has no API {api!r}; names are like 'Produce' and 'OffsetCommit'")

    def _optional_key(self, api: str | None) -> int | None:
        return None if api is None else self._api_key(api)


def _error(name: str) -> ErrorCode:
    found = ErrorCode.__members__.get(name, ErrorCode.NONE)
    if found is ErrorCode.NONE:
        raise LookupError(f"Kafka has no error {name!r}; names are like 'NOT_LEADER_OR_FOLLOWER'")
    return found


async def _with_brokers(result: HandlerResult, answer: Any) -> Any:
    real = await result if isinstance(result, Awaitable) else result
    answer.brokers = getattr(real, "brokers", [])
    return answer


def topics_of(request: Any, context: RequestContext) -> set[str]:
    """Return the topics that a request names, also those that it names by their ids."""
    found: set[str] = set()
    for name in ("topics", "topic_data", "topic_names", "groups"):
        for item in getattr(request, name, None) or ():
            if name == "groups":
                found |= set() if isinstance(item, str) else topics_of(item, context)
            elif isinstance(item, str):
                found.add(item)
            else:
                found |= _names_of(item, context)
    return found


def _names_of(item: Any, context: RequestContext) -> set[str]:
    names = {getattr(item, "name", None), getattr(item, "topic", None)}
    topic_id = getattr(item, "topic_id", None)
    known = context.broker.topics.by_id(topic_id) if isinstance(topic_id, UUID) else None
    if known is not None:
        names.add(known.name)
    return {name for name in names if name}


def groups_of(request: Any) -> set[str]:
    """Return the consumer groups that a request names."""
    found = {getattr(request, "group_id", None)}
    for item in getattr(request, "groups", None) or ():
        found.add(item if isinstance(item, str) else getattr(item, "group_id", None))
    found.update(getattr(request, "groups_names", None) or ())
    if hasattr(request, "coordinator_keys"):
        found |= {getattr(request, "key", None), *(request.coordinator_keys or ())}
    return {name for name in found if name}
