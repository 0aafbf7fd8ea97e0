"""Single records, by their places."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from fakebus.broker.tail import LogCursor
from fakebus.broker.topics import Topics
from fakebus.lineage.place import Place
from fakebus.lineage.ranking import NOTHING, Contents, contents_of
from fakebus.records.record import Record
from fakebus.types import TopicPartition

Decode = Callable[[str, bytes | None], Awaitable[object]]
"""Returns what the value of a topic's record stands for."""
_LARGEST_VALUE = 64 * 1024
"""Values above this are not compared."""
_GAP = 20
"""Offsets between two records that are read in one go."""
_NOWHERE = Place("\uffff", -1, -1)
"""A place behind all others."""


class Records(Protocol):
    """Records, as far as their causes depend on them."""

    def ever_was(self, place: Place) -> bool:
        """Whether a topic that exists has, or had, a record there."""

    async def read(self, place: Place) -> Record | None:
        """Return a record, ``None`` if it is gone or never was."""

    async def load(self, places: Iterable[Place]) -> None:
        """Read records in one go, as far as that is possible."""

    async def contents(self, places: Iterable[Place]) -> dict[Place, Contents]:
        """Return what is compared of records; nothing of those that are gone."""


class LogRecords:
    """Reader of single records in the logs of a bus, for the time of one question.

    Args:
        topics: the broker's topics.
        decode: understands values.
    """

    def __init__(self, topics: Topics, decode: Decode) -> None:
        self._topics = topics
        self._decode = decode
        self._read: dict[Place, Record | None] = {}
        self._contents: dict[Place, Contents] = {}

    def ever_was(self, place: Place) -> bool:
        """Whether a topic that exists has, or had, a record there."""
        log = self._topics.logs.get(TopicPartition(place.topic, place.partition))
        return log is not None and place.offset < log.high_watermark

    async def read(self, place: Place) -> Record | None:
        """Return a record, ``None`` if it is gone or never was."""
        if place not in self._read:
            log = self._topics.logs.get(TopicPartition(place.topic, place.partition))
            records = []
            if log is not None and log.log_start_offset <= place.offset < log.high_watermark:
                cursor = LogCursor(log, place.offset, end=place.offset + 1)
                records = await cursor.records(1)
            is_there = bool(records) and records[0].offset == place.offset
            self._read[place] = records[0] if is_there else None
        return self._read[place]

    async def contents(self, places: Iterable[Place]) -> dict[Place, Contents]:
        """Return what is compared of records; nothing of those that are gone."""
        wanted = list(places)
        await self.load(place for place in wanted if place not in self._contents)
        for place in wanted:
            if place not in self._contents:
                self._contents[place] = await self._contents_at(place)
        return {place: self._contents[place] for place in wanted}

    async def load(self, places: Iterable[Place]) -> None:
        """Read records that lie close together in one go."""
        run: list[Place] = []
        for place in [*sorted({each for each in places if each not in self._read}), _NOWHERE]:
            if run and (place[:2] != run[0][:2] or place.offset - run[-1].offset > _GAP):
                await self._read_run(run)
                run = []
            run.append(place)

    async def _read_run(self, run: Sequence[Place]) -> None:
        topic, partition, first = run[0]
        log = self._topics.logs.get(TopicPartition(topic, partition))
        self._read.update(dict.fromkeys(run))
        if log is None or len(run) == 1:
            self._read.pop(run[0], None)
            return
        cursor = LogCursor(log, max(first, log.log_start_offset), end=run[-1].offset + 1)
        while records := await cursor.records():
            for record in records:
                self._read[Place(topic, partition, record.offset)] = record

    async def _contents_at(self, place: Place) -> Contents:
        record = await self.read(place)
        if record is None:
            return NOTHING
        if record.value is not None and len(record.value) > _LARGEST_VALUE:
            return Contents(record.key, frozenset())
        return contents_of(record.key, await self._decode(place.topic, record.value))
