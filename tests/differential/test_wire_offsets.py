"""ListOffsets, OffsetForLeaderEpoch and DeleteRecords beside a real Kafka."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from fakebus.records.codecs import Codec
from tests.differential.fetch_cases import fetch
from tests.differential.offset_cases import delete_records, list_offsets
from tests.differential.produce_cases import DAY, NOW, batch, produce, timed
from tests.differential.sides import Side, Sides

pytestmark = pytest.mark.kafka

SPECIAL = [*range(-8, 0), -(2**63)]
NAMES = ["unknown-topic", "", "bad name", "a" * 250]


def log_of(side: Side, name: str) -> str:
    """Return a topic whose partition holds one of several kinds of logs."""
    topic = side.new_topic(
        **({"message_timestamp_type": "LogAppendTime"} if name == "log append time" else {})
    )
    batches = {
        "empty": [],
        "in order": [timed(NOW, NOW + 5), timed(NOW + 10, NOW + 20, NOW + 20), timed(NOW + 30)],
        "out of order": [
            timed(NOW + 50, NOW + 10, NOW + 60, NOW + 20),
            timed(NOW, NOW + 70, NOW + 5),
            timed(NOW + 70, NOW + 70),
            timed(NOW + 15),
        ],
        "compressed": [
            timed(NOW, NOW + 50, NOW + 10, codec=Codec.GZIP),
            timed(NOW + 50, NOW + 60, codec=Codec.LZ4),
        ],
        "without timestamps": [timed(-1, -1), timed(-1)],
        "at the epoch": [timed(0, 0, 1), timed(2)],
        "log append time": [timed(NOW, NOW + 5), timed(NOW)],
    }[name]
    for data in batches:
        produce(side, topic, data)
    return topic


LOGS = [
    "empty",
    "in order",
    "out of order",
    "compressed",
    "without timestamps",
    "at the epoch",
    "log append time",
]


@pytest.mark.parametrize("version", range(1, 12))
@pytest.mark.parametrize("name", ["empty", "in order", "out of order"])
def test_special_timestamps(sides: Sides, version: int, name: str) -> None:
    def scenario(side: Side) -> Any:
        return list_offsets(side, log_of(side, name), *SPECIAL, version=version)

    sides.compare(scenario)


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("version", [1, 11])
def test_offsets_by_time(sides: Sides, name: str, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = log_of(side, name)
        times = [0, 1, 2, 3, NOW - DAY, *range(NOW, NOW + 75, 5), NOW + 71, 2**62]
        if name == "log append time":
            times = [0, NOW - DAY, 2**62]
        elif name != "without timestamps":
            # There Kafka says 0, which fakebus does not: nothing there has a newest timestamp.
            times.append(-3)
        answers = list_offsets(side, topic, *times, version=version)
        if name == "log append time":
            for answer in answers:
                for partition in answer["topics"][0]["partitions"]:
                    if partition["timestamp"] > 0:
                        partition["timestamp"] = "now"
        return answers

    sides.compare(scenario)


@pytest.mark.parametrize("name", ["in order", "out of order", "compressed"])
@pytest.mark.parametrize("before", [1, 2, 4, -1])
def test_offsets_by_time_after_records_were_deleted(sides: Sides, name: str, before: int) -> None:
    def scenario(side: Side) -> Any:
        topic = log_of(side, name)
        delete_records(side, topic, before)
        times = [0, *range(NOW, NOW + 75, 5), -6, -5, -4, -2, -1]
        if before != -1:
            # Kafka still finds the newest timestamp among what is deleted, but not yet gone.
            times.append(-3)
        return list_offsets(side, topic, *times, version=11)

    sides.compare(scenario)


@pytest.mark.parametrize("isolation_level", [-1, 0, 1, 2])
@pytest.mark.parametrize("version", [2, 7, 11])
def test_isolation_levels(sides: Sides, isolation_level: int, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = log_of(side, "in order")
        return list_offsets(
            side, topic, -1, -2, NOW + 10, version=version, isolation_level=isolation_level
        )

    sides.compare(scenario)


@pytest.mark.parametrize("epoch", [-2, -1, 0, 1, 7])
@pytest.mark.parametrize("version", [4, 7, 11])
def test_leader_epochs_are_checked(sides: Sides, epoch: int, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = log_of(side, "in order")
        return list_offsets(
            side, topic, -1, -2, NOW + 10, version=version, current_leader_epoch=epoch
        )

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(1, 12))
@pytest.mark.parametrize("partition", [-1, 1])
def test_partitions_that_do_not_exist(sides: Sides, version: int, partition: int) -> None:
    def scenario(side: Side) -> Any:
        topic = log_of(side, "in order")
        return [
            list_offsets(side, topic, -1, -5, NOW, version=version, partition_index=partition),
            [list_offsets(side, name, -1, NOW, version=version) for name in NAMES],
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [1, 5, 11])
def test_a_partition_named_twice(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = log_of(side, "in order")
        asked = ListOffsetsTopic(
            name=topic,
            partitions=[
                ListOffsetsPartition(partition_index=0, timestamp=timestamp)
                for timestamp in (-1, -2)
            ],
        )
        first = side.ask(
            ApiKey.LIST_OFFSETS, version, ListOffsetsRequest(topics=[asked], timeout_ms=1000)
        )
        again = side.ask(
            ApiKey.LIST_OFFSETS,
            version,
            ListOffsetsRequest(
                topics=[
                    ListOffsetsTopic(name=topic, partitions=[partition])
                    for partition in asked.partitions
                ],
                timeout_ms=1000,
            ),
        )
        return first, again

    sides.compare(scenario)


@pytest.mark.parametrize("replica_id", [-2, -1, 0, 5])
def test_replica_ids(sides: Sides, replica_id: int) -> None:
    def scenario(side: Side) -> Any:
        topic = log_of(side, "in order")
        asked = ListOffsetsTopic(
            name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)]
        )
        return side.ask(
            ApiKey.LIST_OFFSETS, 7, ListOffsetsRequest(replica_id=replica_id, topics=[asked])
        )

    sides.compare(scenario)


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("current", [-1, 0, 1])
def test_ends_of_leader_epochs(sides: Sides, version: int, current: int) -> None:
    def scenario(side: Side) -> Any:
        topic = log_of(side, "in order")
        empty = side.new_topic()
        return [
            side.ask(
                ApiKey.OFFSET_FOR_LEADER_EPOCH,
                version,
                OffsetForLeaderEpochRequest(
                    replica_id=-1,
                    topics=[
                        OffsetForLeaderTopic(
                            topic=name,
                            partitions=[
                                OffsetForLeaderPartition(
                                    partition=partition,
                                    current_leader_epoch=current,
                                    leader_epoch=epoch,
                                )
                            ],
                        )
                    ],
                ),
            )
            for name in (topic, empty, *NAMES)
            for partition in (-1, 0, 1)
            for epoch in (-2, -1, 0, 1, 9)
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 5, 6, 7, 2**62])
def test_deleting_records(sides: Sides, version: int, offset: int) -> None:
    def scenario(side: Side) -> Any:
        topic = log_of(side, "in order")
        return [
            delete_records(side, topic, 2, version=version),
            delete_records(side, topic, offset, version=version),
            fetch(side, topic, 4),
            list_offsets(side, topic, -1, -2, -4),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("policy", ["compact", "delete", "compact,delete"])
def test_deleting_records_by_cleanup_policy(sides: Sides, policy: str) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(cleanup_policy=policy)
        produce(side, topic, batch(b"x", b"y"))
        return [delete_records(side, topic, offset) for offset in (1, -1, 9)]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_deleting_records_of_what_does_not_exist(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = log_of(side, "in order")
        return [
            delete_records(side, topic, 1, 1, version=version),
            delete_records(side, topic, 1, version=version, first_partition=-1),
            [delete_records(side, name, 0, version=version) for name in NAMES],
        ]

    sides.compare(scenario)
