"""Reading topics of any Kafka from beginning to end, without leaving a trace in it."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fakebus.cli.client import ClientError, Connection, text_of
from fakebus.fixture_files.recording import SourceRecord, SourceTopic

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

_SILENCE_S = 10.0
"""How long a partition that should have records may give none."""
_PATIENCE_S = 0.05
"""How long one call waits for as many messages as it may return."""


def matching_topics(connection: Connection, patterns: Sequence[str]) -> list[str]:
    """Return the topics that match any of the patterns; internal ones only by their names.

    Raises:
        ClientError: a pattern matches nothing.
    """
    names = connection.topic_names()
    found: dict[str, None] = {}
    for pattern in patterns:
        matched = [
            name
            for name in names
            if fnmatch.fnmatchcase(name, pattern) and (not name.startswith("_") or pattern == name)
        ]
        if not matched:
            raise ClientError(f"no topic matches {pattern!r}; there are {', '.join(names)}")
        found.update(dict.fromkeys(matched))
    return sorted(found)


def read_topics(
    connection: Connection, names: Sequence[str], since_ms: int | None = None
) -> list[SourceTopic]:
    """Return topics with all their records, up to where they ended at the beginning.

    Args:
        connection: the cluster.
        names: the topics.
        since_ms: leave out what is older, in milliseconds since the epoch.

    Raises:
        ClientError: the cluster does not answer.
    """
    if not names:
        return []
    partitions = {name: connection.partition_count(name) for name in names}
    consumer = connection.consumer(
        {
            "group.id": "fakebus-reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            # The end of a partition is told by an empty answer, so that waiting is lost time.
            "fetch.wait.max.ms": 10,
        }
    )
    try:
        records = _read(consumer, partitions, since_ms)
    finally:
        consumer.close()
    configs = _own_configs(connection, names)
    return [
        SourceTopic(
            name=name, partitions=partitions[name], config=configs[name], records=records[name]
        )
        for name in names
    ]


def _read(
    consumer: Consumer, partitions: Mapping[str, int], since_ms: int | None
) -> dict[str, list[SourceRecord]]:
    from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

    start = OFFSET_BEGINNING if since_ms is None else since_ms
    assigned = [
        TopicPartition(name, index, start)
        for name, count in partitions.items()
        for index in range(count)
    ]
    try:
        if since_ms is not None:
            assigned = consumer.offsets_for_times(assigned, timeout=10)
        consumer.assign(assigned)
    except KafkaException as error:
        raise ClientError(f"cannot read {', '.join(partitions)}: {text_of(error)}") from None
    unfinished = {(each.topic, each.partition) for each in assigned}
    records: dict[str, list[SourceRecord]] = {name: [] for name in partitions}
    heard = time.monotonic()
    while unfinished:
        for message in consumer.consume(1000, timeout=_PATIENCE_S):
            heard = time.monotonic()
            name = message.topic() or ""
            problem = message.error()
            if problem is None:
                records[name].append(_record(message))
            elif problem.code() == KafkaError._PARTITION_EOF:
                unfinished.discard((name, message.partition() or 0))
            else:
                raise ClientError(f"cannot read {name}: {problem.str()}")
        if time.monotonic() - heard > _SILENCE_S:
            silent = ", ".join(sorted({name for name, _ in unfinished}))
            raise ClientError(f"cannot read {silent}: nothing came for {_SILENCE_S:g} s")
    return records


def _record(message: Message) -> SourceRecord:
    headers: Any = message.headers() or ()
    return SourceRecord(
        message.partition() or 0,
        message.offset() or 0,
        message.timestamp()[1],
        message.key(),
        message.value(),
        tuple(headers),
    )


def _own_configs(connection: Connection, names: Sequence[str]) -> dict[str, dict[str, str]]:
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        ConfigResource,
        ConfigSource,
        ResourceType,
    )

    resources = {ConfigResource(ResourceType.TOPIC, name): name for name in names}
    futures = connection.admin.describe_configs(list(resources), request_timeout=10)
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    found = {}
    for resource, name in resources.items():
        entries = connection.result(futures[resource], f"cannot read the configs of {name}")
        found[name] = {key: entry.value for key, entry in entries.items() if entry.source == own}
    return found
