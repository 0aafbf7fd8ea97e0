"""Where the logs of a cluster begin and end, and which offset a position means there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fakebus.client.connection import REQUEST_TIMEOUT_S, ClientError, Connection, NotFoundError
from fakebus.client.positions import Position, PositionKind
from fakebus.real_time import monotonic
from fakebus.types import TopicPartition

_LOOK_AGAIN_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRange:
    """Range of the offsets of one partition."""

    start: int
    """The first offset that is still there."""
    end: int
    """The offset of the next record."""

    @property
    def records(self) -> int:
        """How many offsets there are; compaction and transactions leave fewer records."""
        return self.end - self.start


def partitions_of(connection: Connection, topics: Iterable[str]) -> list[TopicPartition]:
    """Return all partitions of some topics; NotFoundError if there is no such topic."""
    return [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in range(connection.partition_count(topic))
    ]


def partition_of(connection: Connection, topic: str, number: int) -> TopicPartition:
    """Return one partition of a topic; NotFoundError if there is no such topic or partition."""
    count = connection.partition_count(topic)
    if number >= count:
        raise NotFoundError(f"there is no partition {number}: {topic} has {count}")
    return TopicPartition(topic, number)


def _offset_spec() -> Any:
    # Its methods have no types in the library.
    from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

    return OffsetSpec


def list_offsets(
    connection: Connection,
    specs: Mapping[TopicPartition, Any],
    *,
    committed_only: bool = False,
) -> dict[TopicPartition, int]:
    """Ask for one offset in each of some partitions.

    Args:
        connection: the cluster.
        specs: what to ask for, as the library's OffsetSpec.
        committed_only: count the end before the first open transaction.

    Raises:
        ClientError: the cluster refused or did not answer.
    """
    from confluent_kafka import IsolationLevel, KafkaError
    from confluent_kafka import TopicPartition as ClientPartition

    if not specs:
        return {}
    asked = {ClientPartition(*partition): spec for partition, spec in specs.items()}
    isolation = IsolationLevel.READ_COMMITTED if committed_only else IsolationLevel.READ_UNCOMMITTED
    deadline = monotonic() + REQUEST_TIMEOUT_S
    while True:
        futures = connection.admin.list_offsets(
            asked, isolation_level=isolation, request_timeout=REQUEST_TIMEOUT_S
        )
        found = {}
        try:
            for answered, future in futures.items():
                partition = TopicPartition(answered.topic, answered.partition)
                found[partition] = connection.result(future, f"the offsets of {partition}").offset
        except ClientError as error:
            # A partition that was just made needs a moment until it has a leader.
            leaderless = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
            if error.code not in leaderless or monotonic() > deadline:
                raise
            time.sleep(_LOOK_AGAIN_S)
        else:
            return found


def log_ranges(
    connection: Connection, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, LogRange]:
    """Return where some logs begin and end; ClientError if the cluster does not tell."""
    wanted = list(partitions)
    starts = list_offsets(connection, dict.fromkeys(wanted, _offset_spec().earliest()))
    ends = list_offsets(connection, dict.fromkeys(wanted, _offset_spec().latest()))
    return {
        partition: LogRange(start=starts[partition], end=ends[partition]) for partition in wanted
    }


def stable_ends(
    connection: Connection, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return where logs end for consumers that read only what is committed."""
    return list_offsets(
        connection, dict.fromkeys(partitions, _offset_spec().latest()), committed_only=True
    )


def offsets_at(
    connection: Connection, moments: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Return the first offsets with a timestamp of at least some milliseconds, or -1."""
    return list_offsets(
        connection,
        {partition: _offset_spec().for_timestamp(moment) for partition, moment in moments.items()},
    )


def resolve(
    connection: Connection,
    positions: Mapping[TopicPartition, Position],
    ranges: Mapping[TopicPartition, LogRange],
) -> dict[TopicPartition, int]:
    """Return the offsets that positions mean; those outside a log become its nearest end.

    Args:
        connection: the cluster.
        positions: what was asked for.
        ranges: where these logs begin and end.

    Raises:
        ClientError: the cluster does not tell an offset for a point in time.
    """
    moments = offsets_at(
        connection,
        {
            partition: position.number
            for partition, position in positions.items()
            if position.kind is PositionKind.TIME
        },
    )
    return {
        partition: offset_of(position, ranges[partition], moments.get(partition, -1))
        for partition, position in positions.items()
    }


def offset_of(position: Position, log: LogRange, moment: int) -> int:
    """Return the offset that a position means in a log.

    Args:
        position: what was asked for; what lies outside becomes the nearest end.
        log: where the log begins and ends.
        moment: the offset that the log has for a point in time; -1 for none.
    """
    if position.kind is PositionKind.EARLIEST:
        return log.start
    if position.kind is PositionKind.OFFSET:
        return min(max(position.number, log.start), log.end)
    if position.kind is PositionKind.LAST:
        return max(log.end - position.number, log.start)
    # No record is as young as the time asked for: -1, and the end is meant.
    return moment if position.kind is PositionKind.TIME and moment >= 0 else log.end
