"""Topics of any Kafka: made, grown, deleted, and what is set on them."""

from __future__ import annotations

import fnmatch
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from fakebus.client.connection import REQUEST_TIMEOUT_S, ClientError, Connection
from fakebus.client.offsets import log_ranges, partitions_of
from fakebus.errors import ConfigError, ErrorCode
from fakebus.real_time import monotonic
from fakebus.wording import counted, nearest

if TYPE_CHECKING:
    from confluent_kafka.admin import ConfigEntry  # type: ignore[attr-defined]

_VISIBLE_S = 15.0
"""How long a change may take to be seen in what the cluster tells of its topics."""
_LOOK_AGAIN_S = 0.05
_MASK = (1 << 64) - 1


class WantedTopic(NamedTuple):
    """Topic that is to be created."""

    name: str
    partitions: int | None = None
    """What the broker's num.partitions says if there is no number."""
    config: Mapping[str, str] = MappingProxyType({})


def create_topics(
    connection: Connection, wanted: Sequence[WantedTopic], *, may_exist: bool = False
) -> None:
    """Create topics and wait until the cluster tells of them.

    Args:
        connection: the cluster.
        wanted: the topics.
        may_exist: whether somebody else may have created them meanwhile.

    Raises:
        ConfigError: the client library takes no such topic.
        ClientError: the cluster refuses one.
    """
    from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

    if not wanted:
        return
    try:
        # -1: the broker's own default, since Kafka 2.4 (KIP-464).
        futures = connection.admin.create_topics(
            [
                NewTopic(
                    topic.name,
                    num_partitions=-1 if topic.partitions is None else topic.partitions,
                    replication_factor=-1,
                    config=dict(topic.config),
                )
                for topic in wanted
            ],
            request_timeout=REQUEST_TIMEOUT_S,
        )
    except (ValueError, OverflowError) as error:
        names = ", ".join(topic.name for topic in wanted)
        raise ConfigError(f"topic {names!r} cannot be created: {error}") from None
    for name, future in futures.items():
        try:
            connection.result(future, f"topic {name!r} is not created")
        except ClientError as error:
            if not may_exist or error.code != ErrorCode.TOPIC_ALREADY_EXISTS.code:
                raise
    missing = {topic.name for topic in wanted}
    _wait_until(connection, missing.issubset, "the new topics do not appear")


def delete_topics(connection: Connection, names: Sequence[str]) -> None:
    """Delete topics and wait until the cluster tells of them no longer.

    Raises:
        ClientError: the cluster refuses one.
    """
    if not names:
        return
    futures = connection.admin.delete_topics(list(names), request_timeout=REQUEST_TIMEOUT_S)
    for name, future in futures.items():
        connection.result(future, f"topic {name!r} is not deleted")
    _wait_until(connection, lambda known: not known & set(names), "the topics are not deleted")


def add_partitions(connection: Connection, topic: str, partitions: int) -> None:
    """Let a topic have so many partitions in all.

    Raises:
        ConfigError: the client library takes no such number.
        ClientError: the cluster refuses it, as when the topic has as many already.
    """
    from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined]

    try:
        futures = connection.admin.create_partitions([NewPartitions(topic, partitions)])
    except (ValueError, OverflowError) as error:
        wanted = counted(partitions, "partition")
        raise ConfigError(f"cannot extend {topic} to {wanted}: {error}") from None
    connection.result(futures[topic], f"cannot extend {topic}")
    connection.refresh()


def empty_topic(connection: Connection, topic: str) -> None:
    """Delete the records of a topic; ClientError if the cluster refuses it."""
    from confluent_kafka import TopicPartition as ClientPartition

    ranges = log_ranges(connection, partitions_of(connection, [topic]))
    ends = [ClientPartition(*place, log.end) for place, log in ranges.items() if log.records]
    for future in connection.admin.delete_records(ends).values() if ends else ():
        connection.result(future, f"the records of {topic} are not deleted")


def _wait_until(
    connection: Connection, condition: Callable[[set[str]], bool], problem: str
) -> None:
    deadline = monotonic() + _VISIBLE_S
    while not condition(set(connection.refresh().topics)):
        if monotonic() > deadline:
            raise ClientError(problem)
        time.sleep(_LOOK_AGAIN_S)


def topic_ids(connection: Connection, names: Iterable[str]) -> dict[str, UUID]:
    """Return the ids of those of some topics that are there; ClientError if it does not tell."""
    from confluent_kafka import TopicCollection

    there = [name for name in names if name in connection.metadata.topics]
    if not there:
        return {}
    ids = {}
    for name, future in connection.admin.describe_topics(TopicCollection(there)).items():
        found = connection.result(future, f"cannot describe {name}").topic_id
        high, low = found.get_most_significant_bits(), found.get_least_significant_bits()
        ids[name] = UUID(int=(high & _MASK) << 64 | low & _MASK)
    return ids


def all_configs(
    connection: Connection, names: Iterable[str], kind: str = "TOPIC"
) -> dict[str, dict[str, ConfigEntry]]:
    """Return all configs of topics, or of brokers by their ids, by name.

    Args:
        connection: the cluster.
        names: whose.
        kind: ``TOPIC`` or ``BROKER``.

    Raises:
        ClientError: the cluster does not tell.
    """
    from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]

    resources = {ConfigResource(ResourceType[kind], name): name for name in names}
    if not resources:
        return {}
    futures = connection.admin.describe_configs(list(resources), request_timeout=REQUEST_TIMEOUT_S)
    found = {}
    for resource, name in resources.items():
        entries = connection.result(futures[resource], f"cannot read the configs of {name}")
        found[name] = dict(sorted(entries.items()))
    return found


def changed_configs(
    connection: Connection, names: Iterable[str]
) -> dict[str, dict[str, ConfigEntry]]:
    """Return the configs of topics that are not Kafka's defaults, wherever they are set."""
    from confluent_kafka.admin import ConfigSource  # type: ignore[attr-defined]

    return {
        name: {
            key: entry
            for key, entry in entries.items()
            if ConfigSource(entry.source) is not ConfigSource.DEFAULT_CONFIG
        }
        for name, entries in all_configs(connection, names).items()
    }


def is_set_on_topic(entry: ConfigEntry) -> bool:
    """Return whether a config is set on the topic, not on the broker."""
    from confluent_kafka.admin import ConfigSource  # type: ignore[attr-defined]

    return ConfigSource(entry.source) is ConfigSource.DYNAMIC_TOPIC_CONFIG


def own_configs(connection: Connection, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the configs that are set on topics; ClientError if the cluster does not tell."""
    return {
        name: {key: str(entry.value) for key, entry in configs.items() if is_set_on_topic(entry)}
        for name, configs in changed_configs(connection, names).items()
    }


def set_configs(
    connection: Connection, topic: str, configs: Mapping[str, str], removed: Iterable[str] = ()
) -> None:
    """Set configs of a topic and take others back to the defaults; the rest stays.

    Raises:
        ClientError: the cluster refuses.
    """
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        AlterConfigOpType,
        ConfigEntry,
        ConfigResource,
        ResourceType,
    )

    changes = [
        ConfigEntry(name, text, incremental_operation=AlterConfigOpType.SET)
        for name, text in configs.items()
    ]
    changes += [
        # The client library wants a value here, too.
        ConfigEntry(name, "", incremental_operation=AlterConfigOpType.DELETE)
        for name in removed
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=changes)
    (future,) = connection.admin.incremental_alter_configs(
        [resource], request_timeout=REQUEST_TIMEOUT_S
    ).values()
    connection.result(future, f"cannot change the configs of {topic}")


class TopicPattern:
    """Pattern of topic names: a name, ``*`` and ``?`` in it, or a regular expression after ``^``.

    Args:
        text: as it was given; internal topics are matched only by their names.

    Raises:
        ConfigError: it is a regular expression that cannot be read.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.is_name = not text.startswith("^") and not any(char in text for char in "*?[")
        try:
            self._matches = re.compile(text if text[:1] == "^" else fnmatch.translate(text))
        except re.error as error:
            column = "" if error.pos is None else f", column {error.pos + 1}"
            raise ConfigError(f"{text!r} is no regular expression{column}: {error.msg}") from None

    def matches(self, name: str) -> bool:
        """Return whether a topic is meant."""
        if name.startswith("_") and name != self.text:
            return False
        return self._matches.fullmatch(name) is not None


def matching_topics(connection: Connection, patterns: Sequence[str]) -> list[str]:
    """Return the topics that match any of the patterns.

    Raises:
        ClientError: a pattern matches nothing.
    """
    names = connection.topic_names()
    found = set[str]()
    for pattern in patterns:
        matched = list(filter(TopicPattern(pattern).matches, names))
        if not matched:
            raise ClientError(f"no topic matches {pattern!r}; {nearest(pattern, names)}")
        found.update(matched)
    return sorted(found)
