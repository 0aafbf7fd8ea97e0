"""Reading topics of any Kafka from beginning to end, without leaving a trace in it."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fakebus.cli.client import ClientError, Connection, text_of
from fakebus.fixture_files.recording import SourceRecord, SourceTopic

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

_SILENCE_S = 10.0
"""How long a partition that should have records may give none."""


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


def read_topic(connection: Connection, name: str, since_ms: int | None = None) -> SourceTopic:
    """Return a topic with all its records, up to where it ended at the beginning.

    Args:
        connection: the cluster.
        name: the topic.
        since_ms: leave out what is older, in milliseconds since the epoch.

    Raises:
        ClientError: the cluster does not answer.
    """
    partitions = connection.partition_count(name)
    consumer = connection.consumer(
        {
            "group.id": "fakebus-reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    try:
        records = _read(consumer, name, partitions, since_ms)
    finally:
        consumer.close()
    return SourceTopic(
        name=name,
        partitions=partitions,
        config=_own_config(connection, name),
        records=records,
    )


def _read(
    consumer: Consumer, name: str, partitions: int, since_ms: int | None
) -> list[SourceRecord]:
    from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

    assigned = [TopicPartition(name, index, OFFSET_BEGINNING) for index in range(partitions)]
    try:
        if since_ms is not None:
            assigned = consumer.offsets_for_times(
                [TopicPartition(name, index, since_ms) for index in range(partitions)], timeout=10
            )
        consumer.assign(assigned)
    except KafkaException as error:
        raise ClientError(f"cannot read {name}: {text_of(error)}") from None
    unfinished = set(range(partitions))
    records: list[SourceRecord] = []
    heard = time.monotonic()
    while unfinished:
        for message in consumer.consume(1000, timeout=0.5):
            heard = time.monotonic()
            problem = message.error()
            if problem is None:
                records.append(_record(message))
            elif problem.code() == KafkaError._PARTITION_EOF:
                unfinished.discard(message.partition() or 0)
            else:
                raise ClientError(f"cannot read {name}: {problem.str()}")
        if time.monotonic() - heard > _SILENCE_S:
            raise ClientError(f"cannot read {name}: nothing came for {_SILENCE_S:g} s")
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


def _own_config(connection: Connection, name: str) -> dict[str, str]:
    from confluent_kafka.admin import (  # type: ignore[attr-defined]
        ConfigResource,
        ConfigSource,
        ResourceType,
    )

    resource = ConfigResource(ResourceType.TOPIC, name)
    future = connection.admin.describe_configs([resource], request_timeout=10)[resource]
    entries = connection.result(future, f"cannot read the configs of {name}")
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    return {key: entry.value for key, entry in entries.items() if entry.source == own}
