"""The reader's ends: what lies before them is given, however it comes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from confluent_kafka import KafkaError, Message

from fakebus.client.reading import FetchedRecord, Reader
from fakebus.types import TopicPartition

FIRST, SECOND = TopicPartition("orders", 0), TopicPartition("orders", 1)


class Consumer:
    """Consumer of a client library that gives what a test says, in slices."""

    def __init__(self, *slices: Sequence[Message]) -> None:
        self._slices = list(slices)

    def consume(self, most: int, timeout_s: float) -> Sequence[Message]:
        return self._slices.pop(0)


class Connection:
    def __init__(self, *slices: Sequence[Message]) -> None:
        self._slices = slices

    def consumer(self, settings: object) -> Consumer:
        return Consumer(*self._slices)


def record(offset: int, partition: int = 0, **told: object) -> Message:
    about = {"key": b"k", "value": b"v", "timestamp": (1, 5), **told}
    return Message(topic="orders", partition=partition, offset=offset, **about)


def end_of(partition: int) -> Message:
    error = KafkaError(KafkaError._PARTITION_EOF)
    return Message(topic="orders", partition=partition, offset=9, error=error)


def read(ends: dict[TopicPartition, int], *slices: Sequence[Message]) -> list[FetchedRecord]:
    reader = Reader(Connection(*slices))  # type: ignore[arg-type]
    reader.stop_at(ends)
    return [each for found in reader.slices() for each in found]


def offsets(records: list[FetchedRecord]) -> list[tuple[int, int]]:
    return [each[1:3] for each in records]


def test_what_lies_behind_an_end_is_left_out_in_this_slice_and_later_ones() -> None:
    found = read(
        {FIRST: 2, SECOND: 1},
        [record(0), record(1), record(2), record(3)],
        [record(4), record(0, 1), record(1, 1)],
    )
    assert offsets(found) == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize("end", [3, 7])
def test_a_partition_that_ends_sooner_gives_what_came_with_its_end(end: int) -> None:
    # Compaction, or the marker of a transaction, has left nothing at its last offsets.
    assert offsets(read({FIRST: end}, [record(0), record(2), end_of(0)])) == [(0, 0), (0, 2)]


def test_a_record_is_what_the_library_says() -> None:
    told = record(0, headers=[("h", b"1"), ("h", None)])
    bare = record(1, key=None, value=None, timestamp=(0, -1))
    assert read({FIRST: 2}, [told, bare]) == [
        FetchedRecord("orders", 0, 0, 5, b"k", b"v", (("h", b"1"), ("h", None))),
        FetchedRecord("orders", 0, 1, None, None, None, ()),
    ]
