"""Produce beside a real Kafka: which batches are taken, and what the answers hold."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from fakebus.records.batch import TimestampType
from fakebus.records.codecs import Codec
from tests.differential.produce_cases import (
    DAY,
    NOW,
    batch,
    patched,
    produce,
    produce_request,
    timed,
)
from tests.differential.sides import Side, Sides, attempts

pytestmark = pytest.mark.kafka

VERSIONS = range(3, 14)


def broken_crc() -> bytearray:
    data = batch(b"x")
    data[20] ^= 1
    return data


def longer_than_said() -> bytearray:
    return batch(b"x") + b"\0\0\0"


def raw_record(body: bytes) -> bytearray:
    """A batch of one record whose bytes are given."""
    data = batch(b"x")
    del data[61:]
    data += body
    struct.pack_into(">i", data, 8, len(data) - 12)
    return patched(data, 61 - 4, ">i", 1)


# Null instead of records: Kafka fails, fails to log that, and never answers; it is left out.
BATCHES: dict[str, Callable[[], Any]] = {
    "empty": lambda: b"",
    "shorter than a header": lambda: batch(b"x")[:40],
    "just longer than the overhead": lambda: batch(b"x")[:13],
    "magic and no more": lambda: batch(b"x")[:17],
    "cut off": lambda: batch(b"x" * 100)[:-10],
    "two batches": lambda: batch(b"x") + batch(b"y"),
    "trailing bytes": longer_than_said,
    "trailing half batch": lambda: batch(b"x") + batch(b"y")[:70],
    "wrong CRC": broken_crc,
    "magic 0": lambda: patched(batch(b"x"), 16, ">b", 0),
    "magic 1": lambda: patched(batch(b"x"), 16, ">b", 1),
    "magic 3": lambda: patched(batch(b"x"), 16, ">b", 3),
    "magic -1": lambda: patched(batch(b"x"), 16, ">b", -1),
    "length 0": lambda: patched(batch(b"x"), 8, ">i", 0),
    "length -1": lambda: patched(batch(b"x"), 8, ">i", -1),
    "length 30": lambda: patched(batch(b"x"), 8, ">i", 30),
    "count 0": lambda: patched(batch(b"x"), 57, ">i", 0),
    "count -1": lambda: patched(batch(b"x"), 57, ">i", -1),
    "count too large": lambda: patched(batch(b"x"), 57, ">i", 2),
    "count and delta too large": lambda: patched(patched(batch(b"x"), 57, ">i", 2), 23, ">i", 1),
    "count and delta too small": lambda: patched(
        patched(batch(b"x", b"y"), 57, ">i", 1), 23, ">i", 0
    ),
    "last offset delta too large": lambda: patched(batch(b"x"), 23, ">i", 5),
    "last offset delta -1": lambda: patched(batch(b"x"), 23, ">i", -1),
    "base offset 5": lambda: patched(batch(b"x"), 0, ">q", 5),
    "leader epoch 7": lambda: patched(batch(b"x"), 12, ">i", 7),
    "control": lambda: batch(b"x", control=True),
    "transactional without a producer": lambda: batch(b"x", transactional=True),
    "log append time": lambda: batch(b"x", timestamp_type=TimestampType.LOG_APPEND_TIME),
    "delete horizon": lambda: patched(batch(b"x"), 21, ">h", 0x40),
    "unknown attributes": lambda: patched(batch(b"x"), 21, ">h", 0x4080),
    "codec 5": lambda: patched(batch(b"x"), 21, ">h", 5),
    "codec 7": lambda: patched(batch(b"x"), 21, ">h", 7),
    "gzip": lambda: batch(b"x" * 200, codec=Codec.GZIP),
    "snappy": lambda: batch(b"x" * 200, codec=Codec.SNAPPY),
    "lz4": lambda: batch(b"x" * 200, codec=Codec.LZ4),
    "zstd": lambda: batch(b"x" * 200, codec=Codec.ZSTD),
    "not gzip": lambda: patched(batch(b"x" * 50), 21, ">h", 1),
    "not snappy": lambda: patched(batch(b"x" * 50), 21, ">h", 2),
    "not lz4": lambda: patched(batch(b"x" * 50), 21, ">h", 3),
    "not zstd": lambda: patched(batch(b"x" * 50), 21, ">h", 4),
    "records are garbage": lambda: raw_record(b"\xff" * 20),
    "record longer than the batch": lambda: raw_record(b"\x7e\0\0\0\1\1\0"),
    "record with wrong offset delta": lambda: raw_record(b"\x0e\0\0\x06\1\1\0\0"),
    "record without value and key": lambda: raw_record(b"\x0c\0\0\0\1\1\0"),
    "record with negative headers": lambda: raw_record(b"\x0c\0\0\0\1\1\1"),
    "record with bytes behind it": lambda: raw_record(b"\x0c\0\0\0\1\1\0\0\0"),
    "null key": lambda: batch(b"x", key=None),
    "without a timestamp": lambda: batch(b"x", at=-1),
    "timestamp -2": lambda: batch(b"x", at=-2),
    "timestamp 0": lambda: batch(b"x", at=0),
    "in two hours": lambda: batch(b"x", at=NOW + 7_200_000),
    "tomorrow": lambda: batch(b"x", at=NOW + DAY),
    "a year ago": lambda: batch(b"x", at=NOW - 365 * DAY),
    "record older than the base timestamp": lambda: timed(NOW, NOW - 5),
    "only the second from tomorrow": lambda: timed(NOW, NOW + DAY),
    "max timestamp is a lie": lambda: patched(batch(b"x"), 35, ">q", NOW + 60_000),
    "max timestamp lies too far ahead": lambda: patched(batch(b"x"), 35, ">q", NOW + DAY),
    "max timestamp before the base": lambda: patched(batch(b"x"), 35, ">q", 5),
    "producer without epoch": lambda: batch(b"x", producer_id=9, base_sequence=0),
    "producer without sequence": lambda: batch(b"x", producer_id=9, producer_epoch=0),
    "sequence without producer": lambda: batch(b"x", base_sequence=3, producer_epoch=0),
    "too large": lambda: batch(b"x" * 1_048_589),
    "just fits": lambda: batch(b"x" * 1_048_510),
}

TOPICS: dict[str, dict[str, str]] = {
    "plain": {},
    "compact": {"cleanup_policy": "compact"},
    "log append time": {"message_timestamp_type": "LogAppendTime"},
    "old or new refused": {
        "message_timestamp_before_max_ms": str(30 * DAY),
        "message_timestamp_after_max_ms": "1000",
    },
    "gzip": {"compression_type": "gzip"},
    "uncompressed": {"compression_type": "uncompressed"},
}


def end_of(side: Side, topic: str) -> Any:
    """What a reader finds: the batches, and the offsets."""
    from tests.differential.fetch_cases import fetch

    return fetch(side, topic, 0)


# fakebus decodes records only for topics whose configs demand it; others store what they get.
NOT_DECODED = {
    "count and delta too large",
    "count and delta too small",
    "not gzip",
    "not snappy",
    "not lz4",
    "not zstd",
    "record longer than the batch",
    "record with wrong offset delta",
    "record with negative headers",
    "record with bytes behind it",
}
DECODED_IN = {"compact", "gzip", "uncompressed"}
# Kafka computes the newest timestamp anew; fakebus believes the header.
BELIEVED = {
    "timestamp -2",
    "max timestamp is a lie",
    "max timestamp lies too far ahead",
    "max timestamp before the base",
}
# Kafka drops bits without a meaning when it builds a batch anew, and fails to build some.
BUILT_ANEW = {
    ("delete horizon", "gzip"),
    ("unknown attributes", "gzip"),
    ("unknown attributes", "log append time"),
    ("producer without epoch", "gzip"),
}


def is_comparable(name: str, topic_kind: str) -> bool:
    return not (
        (name in NOT_DECODED and topic_kind not in DECODED_IN)
        or (name in BELIEVED and topic_kind != "log append time")
        or (name, topic_kind) in BUILT_ANEW
        # Kafka runs into an unforeseen exception, fakebus into INVALID_RECORD.
        or name == "records are garbage"
    )


@pytest.mark.parametrize(
    ("name", "topic_kind"),
    [(name, kind) for name in BATCHES for kind in TOPICS if is_comparable(name, kind)],
)
def test_a_batch_is_taken_or_refused_alike(sides: Sides, name: str, topic_kind: str) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(**TOPICS[topic_kind])
        answer = produce(side, topic, BATCHES[name]())
        found = end_of(side, topic)
        if "compression_type" in TOPICS[topic_kind]:
            # Compressors differ in their bytes; the attributes tell which one was used.
            for shown, _ in found["responses"][0]["partitions"][0]["records"]:
                del shown["batch_length"]
            records = found["responses"][0]["partitions"][0]["records"]
            records[:] = [shown for shown, _ in records]
        return answer, found

    sides.compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["plain", "zstd", "wrong CRC", "two batches", "null key"])
@pytest.mark.parametrize("topic_kind", ["plain", "compact", "log append time"])
def test_every_version_answers_alike(
    sides: Sides, version: int, name: str, topic_kind: str
) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(**TOPICS[topic_kind])
        data = batch(b"x") if name == "plain" else BATCHES[name]()
        return produce(side, topic, data, version=version), end_of(side, topic)

    sides.compare(scenario)


@pytest.mark.parametrize("version", [0, 1, 2, 14])
def test_versions_that_are_not_served(sides: Sides, version: int) -> None:
    frame = (
        struct.pack(">ihhih", 26, 0, version, 1, -1) + struct.pack(">hii", 1, 100, 0) + b"\0" * 6
    )
    sides.compare(lambda side: side.ask_bytes(frame))


@pytest.mark.parametrize("acks", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("good", [True, False])
@pytest.mark.parametrize("version", [3, 9, 12, 13])
def test_acks(sides: Sides, acks: int, good: bool, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic()
        data = batch(b"x") if good else broken_crc()
        request = produce_request(side, topic, data, acks=acks, version=version)
        if acks == 0:
            side.client.send(ApiKey.PRODUCE, version, request)
            # Whatever happens to the connection, the record is there or not.
            try:
                after = end_of(side, topic)
            except (EOFError, BrokenPipeError):
                after = "closed"
            return after
        return side.ask(ApiKey.PRODUCE, version, request), end_of(side, topic)

    sides.compare(scenario)


@pytest.mark.parametrize("version", VERSIONS)
def test_one_bad_partition_leaves_the_others(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(3)
        pieces = [batch(b"a"), broken_crc(), batch(b"b", b"c"), batch(b"no such partition")]
        return produce(side, topic, *pieces, version=version)

    sides.compare(scenario)


@pytest.mark.parametrize("version", [3, 7, 8, 9, 12])
@pytest.mark.parametrize(
    "name", ["unknown-topic", "", "bad name", "a" * 250, "..", "__consumer_offsets"]
)
@pytest.mark.parametrize("name_of_batch", ["gzip", "wrong CRC", "empty", "magic 1"])
def test_topics_that_cannot_be_written(
    sides: Sides, version: int, name: str, name_of_batch: str
) -> None:
    def scenario(side: Side) -> Any:
        good = side.new_topic()
        wanted = [
            TopicProduceData(
                name=topic,
                partition_data=[PartitionProduceData(index=0, records=BATCHES[name_of_batch]())],
            )
            for topic in (good, name)
        ]
        request = ProduceRequest(acks=-1, timeout_ms=1000, topic_data=wanted)
        answer = side.ask(ApiKey.PRODUCE, version, request)
        if answer != "the connection was closed":
            answer["responses"].sort(key=lambda response: response["name"] == name)
        return answer

    if name == "__consumer_offsets":
        for side in (sides.kafka, sides.bus):
            make_internal_topic(side)
    sides.compare(scenario)


def make_internal_topic(side: Side) -> None:
    from fakebus.protocol.messages import FindCoordinatorRequest

    for _ in attempts():
        found = side.call(
            ApiKey.FIND_COORDINATOR, 4, FindCoordinatorRequest(key_type=0, coordinator_keys=["g"])
        )
        if found.coordinators[0].error_code == 0:
            return
    raise AssertionError("there is no coordinator")


def test_unknown_topic_ids(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic()
        request = produce_request(side, topic, batch(b"x"), version=13)
        for unknown in (uuid4(), type(uuid4())(int=0)):
            request.topic_data.append(
                TopicProduceData(
                    topic_id=unknown,
                    partition_data=[PartitionProduceData(index=0, records=batch(b"x"))],
                )
            )
        answer = side.ask(ApiKey.PRODUCE, 13, request)
        answer["responses"].sort(key=lambda r: r["partition_responses"][0]["error_code"])
        return sorted((r["partition_responses"] for r in answer["responses"]), key=lambda p: str(p))

    sides.compare(scenario)


@pytest.mark.parametrize("version", [3, 9, 13])
def test_no_topics_at_all(sides: Sides, version: int) -> None:
    sides.compare(
        lambda side: side.ask(
            ApiKey.PRODUCE, version, ProduceRequest(acks=-1, timeout_ms=1, topic_data=[])
        )
    )


@pytest.mark.parametrize("version", [3, 9, 12])
def test_a_partition_named_twice(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic()
        request = produce_request(side, topic, batch(b"a"))
        [wanted] = request.topic_data
        wanted.partition_data.append(PartitionProduceData(index=0, records=batch(b"b")))
        first = side.ask(ApiKey.PRODUCE, version, request)
        return first, end_of(side, topic)

    sides.compare(scenario)


STEPS: dict[str, list[tuple[int, int, int]]] = {
    # (epoch, first sequence, records) of each batch that a producer sends
    "in order": [(0, 0, 1), (0, 1, 3), (0, 4, 1)],
    "first is not zero": [(0, 5, 1), (0, 6, 1)],
    "gap": [(0, 0, 1), (0, 2, 1), (0, 1, 1)],
    "duplicate": [(0, 0, 2), (0, 2, 2), (0, 0, 2), (0, 2, 2), (0, 4, 1)],
    "duplicate with another count": [(0, 0, 2), (0, 0, 1), (0, 1, 1), (0, 0, 3)],
    "overlap": [(0, 0, 3), (0, 1, 3), (0, 2, 1)],
    "duplicate of one of five": [*((0, n, 1) for n in range(6)), (0, 1, 1)],
    "older than the last five": [*((0, n, 1) for n in range(6)), (0, 0, 1)],
    "much older": [*((0, n, 1) for n in range(12)), (0, 3, 1), (0, 12, 1)],
    "epoch rises": [(0, 0, 2), (1, 0, 1), (1, 1, 1)],
    "epoch rises with wrong sequence": [(0, 0, 2), (1, 2, 1), (0, 2, 1), (1, 0, 1)],
    "epoch falls": [(3, 0, 1), (2, 1, 1), (2, 0, 1), (3, 1, 1)],
    "same sequence with a new epoch": [(0, 0, 1), (1, 0, 1), (0, 0, 1)],
    "wrap": [(0, 2**31 - 2, 2), (0, 0, 1), (0, 1, 1)],
    "wrap inside a batch": [(0, 2**31 - 2, 4), (0, 2, 1), (0, 2**31 - 2, 4)],
    "gap at the wrap": [(0, 2**31 - 1, 1), (0, 1, 1)],
    "zero again": [(0, 0, 1), (0, 1, 1), (0, 0, 2)],
    "first epoch is high": [(32767, 0, 1), (32767, 1, 1)],
    "first of a high epoch is not zero": [(7, 4, 1)],
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("version", [3, 9, 12])
def test_sequences_of_an_idempotent_producer(sides: Sides, name: str, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic, producer_id = side.new_topic(), side.new_producer_id()
        answers = [
            produce(
                side,
                topic,
                batch(
                    *[b"x"] * count,
                    producer_id=producer_id,
                    producer_epoch=epoch,
                    base_sequence=sequence,
                ),
                version=version,
            )
            for epoch, sequence, count in STEPS[name]
        ]
        return answers, end_of(side, topic)

    sides.compare(scenario)


@pytest.mark.parametrize("topic_kind", ["log append time", "gzip"])
def test_a_duplicate_in_a_topic_that_changes_batches(sides: Sides, topic_kind: str) -> None:
    def scenario(side: Side) -> Any:
        topic, producer_id = side.new_topic(**TOPICS[topic_kind]), side.new_producer_id()
        idempotent = {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": 0}
        return [produce(side, topic, batch(b"x", **idempotent)) for _ in range(2)]

    sides.compare(scenario)


@pytest.mark.parametrize("before", [1, 2, 3])
def test_sequences_after_records_were_deleted(sides: Sides, before: int) -> None:
    def scenario(side: Side) -> Any:
        topic, producer_id = side.new_topic(), side.new_producer_id()

        def send(sequence: int) -> Any:
            idempotent = {"producer_id": producer_id, "producer_epoch": 0}
            return produce(side, topic, batch(b"x", base_sequence=sequence, **idempotent))

        answers = [send(0), send(1), send(2)]
        partition = DeleteRecordsPartition(partition_index=0, offset=before)
        asked = DeleteRecordsTopic(name=topic, partitions=[partition])
        answers.append(
            side.ask(
                ApiKey.DELETE_RECORDS, 2, DeleteRecordsRequest(topics=[asked], timeout_ms=5000)
            )
        )
        return answers, send(0), send(7), send(3), send(8)

    sides.compare(scenario)
