"""Consumers of compacted topics: the newest value of each key, at its old offset."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients.python.client import Client, Message, Partition, read, wait_until

pytestmark = pytest.mark.clients

START_MS = 1_600_000_000_000
SEGMENT_MS = 60_000


def write(client: Client, topic: str, *records: tuple[bytes, bytes | None, int]) -> None:
    """Write key, value and timestamp of each, in batches of their own."""
    producer = client.producer()
    for key, value, timestamp_ms in records:
        producer.send(topic, value, key=key, partition=0, timestamp_ms=timestamp_ms)()
    producer.close()


@pytest.fixture
def compacted(client: Client, new_topic: Callable[..., str]) -> str:
    """A topic with ten offsets in two segments, the first of which has been compacted."""
    topic = new_topic(
        cleanup_policy="compact", segment_ms=str(SEGMENT_MS), min_cleanable_dirty_ratio="0.01"
    )
    first = [(b"k%d" % (number % 3), b"%d" % number, START_MS + number) for number in range(7)]
    gone = (b"k0", None, START_MS + 7)
    active = [(b"k1", b"%d" % number, START_MS + 2 * SEGMENT_MS) for number in (8, 9)]
    write(client, topic, *first, gone, *active)

    def first_is_gone() -> bool:
        consumer = client.consumer(None, reset="earliest")
        consumer.assign({Partition(topic, 0): 0})
        found: list[Message] = []

        def something_is_read() -> bool:
            found.extend(consumer.poll(0.2))
            return bool(found)

        wait_until(something_is_read, "something is read")
        consumer.close()
        return found[0].offset > 0

    wait_until(first_is_gone, "the topic is compacted")
    return topic


def test_newest_value_of_each_key_and_the_active_segment_are_left(
    client: Client, compacted: str
) -> None:
    consumer = client.consumer(None, reset="earliest")
    consumer.assign({Partition(compacted, 0): 0})
    found = [(m.offset, m.key, m.value, m.timestamp_ms) for m in read(consumer, 5)]
    assert found == [
        (4, b"k1", b"4", START_MS + 4),
        (5, b"k2", b"5", START_MS + 5),
        (7, b"k0", None, START_MS + 7),
        (8, b"k1", b"8", START_MS + 2 * SEGMENT_MS),
        (9, b"k1", b"9", START_MS + 2 * SEGMENT_MS),
    ]
    assert consumer.bounds(Partition(compacted, 0)) == (0, 10)
    consumer.close()


def test_a_gap_is_passed_and_times_are_found_behind_it(client: Client, compacted: str) -> None:
    consumer = client.consumer(None, reset="earliest")
    consumer.assign({Partition(compacted, 0): 6})
    assert [message.offset for message in read(consumer, 3)] == [7, 8, 9]
    assert consumer.offset_for_time(Partition(compacted, 0), START_MS + 6) == 7
    assert consumer.offset_for_time(Partition(compacted, 0), START_MS + 2) == 4
    consumer.close()
