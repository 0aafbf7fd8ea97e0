"""From the events of a stream to record batches, a bounded part at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from fakebus.fixture_files.model import FixtureEvent
from fakebus.records.batch import HEADER_SIZE
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord

PART_EVENTS = 5000
PART_BYTES = 8 << 20
"""A part is what is written in one transaction; these bound its size."""

_BATCH_BYTES = 256 << 10
_RECORD_OVERHEAD = 64


def size_of(record: NewRecord) -> int:
    """Return about how many bytes a record takes, not too few."""
    size = _RECORD_OVERHEAD + len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers:
        size += 4 * len(name) + len(value or b"") + 20
    return size


def parts_of(events: Sequence[FixtureEvent]) -> Iterator[Sequence[FixtureEvent]]:
    """Yield the events in order, in parts that one transaction can take."""
    start, size = 0, 0
    for index, event in enumerate(events):
        event_size = size_of(event.record)
        if index > start and (index - start >= PART_EVENTS or size + event_size > PART_BYTES):
            yield events[start:index]
            start, size = index, 0
        size += event_size
    if start < len(events):
        yield events[start:]


class Placed(Protocol):
    """Record to be, with the partition that it is for."""

    @property
    def partition(self) -> int:
        """Which partition."""

    @property
    def record(self) -> NewRecord:
        """The record."""


Event = TypeVar("Event", bound=Placed)


def batches_of(
    events: Iterable[Event], max_message_bytes: int
) -> Iterator[tuple[int, bytearray, list[Event]]]:
    """Yield partition, batch and its events; the order in each partition is kept.

    Args:
        events: a part of a stream.
        max_message_bytes: what the topic takes; a record that is larger comes alone.
    """
    limit = min(_BATCH_BYTES, max_message_bytes)
    by_partition: dict[int, list[Event]] = {}
    for event in events:
        by_partition.setdefault(event.partition, []).append(event)
    for partition, found in by_partition.items():
        start, size = 0, HEADER_SIZE
        for index, event in enumerate(found):
            record_size = size_of(event.record)
            if index > start and size + record_size > limit:
                yield partition, _batch_of(found[start:index]), found[start:index]
                start, size = index, HEADER_SIZE
            size += record_size
        yield partition, _batch_of(found[start:]), found[start:]


def _batch_of(events: Iterable[Placed]) -> bytearray:
    return build_batch([each.record for each in events])
