"""Writing and reading records for tests, inside the bus's own event loop."""

from __future__ import annotations

import asyncio
from typing import Any

from fakebus.broker.broker import Broker
from fakebus.broker.topics import Topic
from fakebus.records.builder import build_batch
from fakebus.records.partitioner import consistent
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord
from fakebus.testing.events import Event, Headers, Match, encode, header_pairs, mismatches
from fakebus.testing.marks import Mark
from fakebus.types import TopicPartition

_READ_BYTES = 4 * 1024 * 1024
_SHOWN_EVENTS = 5


class _Bell:
    """Rings when a log has grown."""

    def __init__(self) -> None:
        self.rung = asyncio.Event()

    def log_appended(self, size_bytes: int) -> None:
        self.rung.set()

    def log_changed(self) -> None:
        self.rung.set()

    def topic_changed(self, topic: Topic) -> None:
        self.rung.set()


class Observer:
    """Looks at one bus from a mark on.

    Args:
        broker: the bus.
        mark: where the test began.
    """

    def __init__(self, broker: Broker, mark: Mark) -> None:
        self._broker = broker
        self._mark = mark
        self._round_robin = 0

    async def _topic(self, name: str) -> Topic:
        topic = self._broker.topics.get(name)
        return topic or await self._broker.auto_create(name, allowed=True)

    async def publish(
        self,
        topic_name: str,
        value: Any,
        key: Any,
        headers: Headers | None,
        partition: int | None,
        timestamp_ms: int | None,
    ) -> Event:
        """Write one record and return it as it was stored."""
        topic = await self._topic(topic_name)
        key_bytes, value_bytes, pairs = encode(key), encode(value), header_pairs(headers)
        if partition is None:
            partition = self._choose_partition(key_bytes, len(topic.partitions))
        record = NewRecord(
            key=key_bytes,
            value=value_bytes,
            headers=tuple(pairs),
            timestamp_ms=self._broker.clock.now_ms() if timestamp_ms is None else timestamp_ms,
        )
        stored = await self._broker.produce(
            TopicPartition(topic_name, partition), build_batch([record])
        )
        return Event(
            topic=topic_name,
            partition=partition,
            offset=stored.base_offset,
            timestamp_ms=record.timestamp_ms,
            key=key_bytes,
            value=value_bytes,
            headers=tuple(pairs),
        )

    def _choose_partition(self, key: bytes | None, partitions: int) -> int:
        if key is not None:
            return consistent(key, partitions)
        self._round_robin += 1
        return (self._round_robin - 1) % partitions

    async def events(self, topic_name: str) -> list[Event]:
        """Return the records since the mark, in the order of time, partition and offset."""
        topic = self._broker.topics.get(topic_name)
        found: list[Event] = []
        if topic is None:
            return found
        for log in topic.partitions:
            offset = max(self._mark.end_of(topic, log), log.log_start_offset)
            while offset < log.high_watermark:
                batches = await log.read(offset, log.high_watermark, _READ_BYTES)
                if not batches:
                    break
                for batch in batches:
                    found += [
                        Event(
                            topic=topic_name,
                            partition=log.topic_partition.partition,
                            offset=record.offset,
                            timestamp_ms=record.timestamp,
                            key=record.key,
                            value=record.value,
                            headers=tuple(record.headers),
                        )
                        for record in read_records(batch.data)
                        if record.offset >= offset
                    ]
                offset = batches[-1].last_offset + 1
        found.sort(key=lambda event: (event.timestamp_ms, event.partition, event.offset))
        return found

    async def _wait_for(self, topic_name: str, match: Match | None, timeout: float) -> Event | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            bell = _Bell()
            topic = self._broker.topics.get(topic_name)
            logs = topic.partitions if topic is not None else ()
            self._broker.topics.on_changed.append(bell.topic_changed)
            for log in logs:
                log.add_waiter(bell)
            try:
                for event in await self.events(topic_name):
                    if not mismatches(event, match):
                        return event
                left = deadline - loop.time()
                if left <= 0:
                    return None
                await asyncio.wait_for(bell.rung.wait(), left)
            except TimeoutError:
                return None
            finally:
                self._broker.topics.on_changed.remove(bell.topic_changed)
                for log in logs:
                    log.remove_waiter(bell)

    async def expect(self, topic_name: str, match: Match | None, timeout: float) -> Event:
        """Wait for a matching record; AssertionError when none comes."""
        event = await self._wait_for(topic_name, match, timeout)
        if event is None:
            raise AssertionError(await self._report(topic_name, match, timeout))
        return event

    async def expect_none(self, topic_name: str, match: Match | None, within: float) -> None:
        """Make sure that no matching record comes; AssertionError when one does."""
        event = await self._wait_for(topic_name, match, within)
        if event is not None:
            raise AssertionError(f"expected no such event on {topic_name}, but there is {event}")

    async def _report(self, topic_name: str, match: Match | None, timeout: float) -> str:
        lines = [f"no matching event came to {topic_name} within {timeout:g} s"]
        if match is not None and not callable(match):
            lines.append(f"wanted: {match!r}")
        if self._broker.topics.get(topic_name) is None:
            known = ", ".join(sorted(t.name for t in self._broker.topics)) or "none"
            lines.append(f"there is no topic of that name; topics: {known}")
            return "\n".join(lines)
        events = await self.events(topic_name)
        if not events:
            lines.append("nothing was written to it since the test began")
        nearest = sorted(events, key=lambda event: len(mismatches(event, match)))
        for event in nearest[:_SHOWN_EVENTS]:
            lines.append(f"  {event}")
            lines += [f"      {problem}" for problem in mismatches(event, match)]
        if len(events) > _SHOWN_EVENTS:
            lines.append(f"  … and {len(events) - _SHOWN_EVENTS} more")
        return "\n".join(lines)
