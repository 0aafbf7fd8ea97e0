"""What a handler of a route of the REST Proxy is called with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fakebus.broker.activity import Origin
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.topics import Topic
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.errors import BrokerError
from fakebus.web.admin.call import AdminCall
from fakebus.web.connection import origin_of
from fakebus.web.errors import RequestError
from fakebus.web.rest.producing import Producing

if TYPE_CHECKING:
    from fakebus.web.rest.consumers import Consumers

PARTITION_NOT_FOUND = 40402
MOST_PARTITIONS = 10_000
"""Partitions that a body may name."""


@dataclass(frozen=True, slots=True)
class RestCall(AdminCall):
    """Call of a route of the REST Proxy."""

    consumers: Consumers
    producing: Producing
    topic_not_found: int = 40401
    partition_not_found: int = PARTITION_NOT_FOUND

    @property
    def origin(self) -> Origin:
        """Who has sent the request."""
        return origin_of(self.request, "rest", self.bus.broker.activity)

    @property
    def cluster(self) -> EmbeddedCluster:
        """The bus as a cluster, on behalf of the client."""
        return EmbeddedCluster(self.bus, self.origin)

    def topic(self, name: str | None = None) -> Topic:
        """Return the topic of a name, or that of the path.

        Raises:
            RequestError: 40401, there is none.
        """
        name = self.path("topic") if name is None else name
        topic = self.bus.broker.topics.get(name)
        if topic is None:
            raise RequestError(
                404, f"Topic {name[:300]} not found", error_code=self.topic_not_found
            )
        return topic

    async def topic_to_write(self) -> Topic:
        """Return the topic of the path, created as for any producer if the bus does that.

        Raises:
            RequestError: 40401, there is none.
        """
        if self.bus.broker.topics.get(self.path("topic")) is None:
            with suppress(BrokerError):
                await self.bus.broker.topic_admin.auto_create(self.path("topic"), allowed=True)
        return self.topic()

    def log(self) -> PartitionLog:
        """Return the log of the path's partition.

        Raises:
            RequestError: 404, 40401 or 40402: its number is none, or there is no such.
        """
        topic, text = self.topic(), self.path("partition")
        if not text.isascii() or not text.isdigit():
            raise RequestError(404, f"HTTP 404 Not Found: {text[:80]!r} is no partition")
        return partition_of(topic, int(text[:10]), self.partition_not_found)


def partition_of(topic: Topic, number: int, error_code: int = PARTITION_NOT_FOUND) -> PartitionLog:
    """Return the log of a partition; RequestError 404 if there is none."""
    log = topic.partition(number) if number >= 0 else None
    if log is None:
        text = f"Partition {number} not found; {topic.name} has {len(topic.partitions)}"
        raise RequestError(404, text, error_code=error_code)
    return log


def field(
    body: Mapping[str, Any], name: str, kind: type, *, error_code: int = 0, required: bool = False
) -> Any:
    """Return a field of a body, ``None`` if it is not there or null.

    Raises:
        RequestError: 422 with the code, it has another type, or is missing and required.
    """
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        words = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}
        raise RequestError(422, f"{name} must be {words[kind]}", error_code=error_code)
    return value


def objects(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a field of a body that is a list of objects; RequestError 422 if it is none."""
    found = field(body, name, list, required=True)
    if len(found) > MOST_PARTITIONS or not all(isinstance(each, dict) for each in found):
        raise RequestError(422, f"{name} must be at most {MOST_PARTITIONS} objects")
    return list(found)
