"""What is stored of records and clients, for the time of one question.

A flow asks the same of records that lie beside each other; so what is known of some hundreds of
offsets is read in one go. Of what was done after the time that is asked for nothing is told, but
who wrote a record: which of them were there is told by their timestamps.

A topic may be deleted, and made anew under its name. A name means the topic that is there, or that
was there last; what was noted of one before it is told of a name that no topic can have.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from fakebus.broker.verbs import WRITTEN
from fakebus.lineage.known import FORMER
from fakebus.storage.lineage_interface import IdentityRow, LineageStore, NoteRow

_WINDOW = 256
"""Offsets of a partition that are read in one go; a power of two, which the store finds soonest."""
_MOST_NOTES = 2000
"""Of a window; where there are more, each record is asked for alone."""
_MOST_COPIES = 500
"""Of the records of a partition; where there are more, each record is asked for alone."""


class _Notes:
    """Notes of one verb in a window of offsets.

    Args:
        notes: oldest first.
    """

    def __init__(self, notes: Iterable[NoteRow]) -> None:
        self._by_first = sorted(notes, key=lambda note: note.first)
        self._firsts = [note.first for note in self._by_first]
        self._lasts = list(accumulate((note.last for note in self._by_first), max))
        """How far each of them reaches, or one before it."""

    def at(self, offset: int) -> Iterator[NoteRow]:
        """Yield the notes whose range holds an offset."""
        for at in range(bisect_right(self._firsts, offset) - 1, -1, -1):
            if self._lasts[at] < offset:
                break
            if self._by_first[at].last >= offset:
                yield self._by_first[at]


class KnownNotes:
    """Reader of notes and identities in windows of offsets.

    Args:
        store: where they are.
        until_ms: the time that is asked for; the present when left out.
    """

    def __init__(self, store: LineageStore, until_ms: int | None = None) -> None:
        self._store = store
        self.until_ms = until_ms
        self.with_identity = store.with_identity
        self._notes: dict[tuple[str, int, int], Mapping[str, _Notes] | None] = {}
        self._copies: dict[tuple[str, int], Mapping[bytes, list[IdentityRow]] | None] = {}
        self._identities: dict[tuple[str, int, int], Mapping[int, list[IdentityRow]]] = {}
        self._ends: dict[str, int] = {}
        """By which note the former topics of a name are gone."""

    async def notes_at(
        self, topic: str, partition: int, offset: int, verbs: Sequence[str], most: int
    ) -> list[NoteRow]:
        """Return the notes of some verbs whose range holds an offset, oldest first."""
        key = topic, partition, offset // _WINDOW
        if key not in self._notes:
            self._notes[key] = await self._notes_of(key)
        notes = self._notes[key]
        if notes is None:
            name = topic.removesuffix(FORMER)
            rows = await self._store.notes_at(name, partition, offset, verbs, most)
            return self._then(await self._of_topic(topic, rows))
        found = [note for verb in verbs if verb in notes for note in notes[verb].at(offset)]
        return sorted(found)[:most]

    async def _notes_of(self, key: tuple[str, int, int]) -> Mapping[str, _Notes] | None:
        topic, partition, window = key
        first, last = window * _WINDOW, (window + 1) * _WINDOW - 1
        name = topic.removesuffix(FORMER)
        rows = await self._store.notes_in(name, partition, first, last, _MOST_NOTES + 1)
        if len(rows) > _MOST_NOTES:
            return None
        found: dict[str, list[NoteRow]] = defaultdict(list)
        for row in self._then(await self._of_topic(topic, rows)):
            found[row.verb].append(row)
        return {verb: _Notes(rows) for verb, rows in found.items()}

    async def notes_in(
        self, topic: str, partition: int, first: int, last: int, most: int
    ) -> list[NoteRow]:
        """Return the notes that concern any of some offsets (both included), oldest first."""
        name = topic.removesuffix(FORMER)
        rows = await self._store.notes_in(name, partition, first, last, most)
        return self._then(await self._of_topic(topic, rows))

    async def notes_of_clients(
        self, clients: Sequence[int] | None, seqs: tuple[int, int], verbs: Sequence[str], most: int
    ) -> list[NoteRow]:
        """Return notes of clients, or of all, between two numbers (both included), newest first."""
        rows = await self._store.notes_of_clients(clients, seqs, verbs, most)
        former = {
            topic: end for topic in {row.topic for row in rows} if (end := await self._end(topic))
        }
        if former:
            rows = [
                row._replace(topic=row.topic + FORMER)
                if row.seq <= former.get(row.topic, 0)
                else row
                for row in rows
            ]
        return self._then(rows)

    async def notes_of_group(
        self, group: str, verbs: Sequence[str], most: int, topic: str = "", partition: int = -1
    ) -> list[NoteRow]:
        """Return the newest notes of a group, of one topic or partition if named, newest first."""
        place = topic, partition
        rows = await self._store.notes_of_group(group, verbs, most, *place, self.until_ms)
        return await self._of_topic(topic, rows) if topic else rows

    async def is_former(self, topic: str, note: NoteRow) -> bool:
        """Whether the topic that had a name when something was noted was deleted, and made anew."""
        return note.seq <= await self._end(topic)

    async def _of_topic(self, topic: str, notes: list[NoteRow]) -> list[NoteRow]:
        """Return those of the notes of a name that are about the topic which is meant."""
        name = topic.removesuffix(FORMER)
        end = await self._end(name)
        if name == topic:
            return [each for each in notes if each.seq > end] if end else notes
        return [each._replace(topic=topic) for each in notes if each.seq <= end]

    async def _end(self, topic: str) -> int:
        """Return by which note those are gone that had a name before; 0 if none had."""
        if topic not in self._ends:
            verbs = "topic created", "topic deleted"
            rows = await self._store.notes_of_topic(topic, verbs, 3) if topic else []
            # A topic that is not there is the last one that was.
            before = rows[1:] if rows and rows[0].verb == "topic deleted" else rows
            ends = (row.seq for row in before if row.verb == "topic deleted")
            self._ends[topic] = next(ends, 0)
        return self._ends[topic]

    def _then(self, notes: list[NoteRow]) -> list[NoteRow]:
        """Return those of some notes that were there at the time that is asked for."""
        until_ms = self.until_ms
        if until_ms is None:
            return notes
        return [each for each in notes if each.at_ms <= until_ms or each.verb in WRITTEN]

    async def put_aside(
        self, topic: str, partition: int, offset: int, most: int
    ) -> list[IdentityRow]:
        """Return what says that it is a copy of a record, newest first."""
        key, value = (topic, partition), f"{topic}[{partition}]@{offset}".encode()
        if key not in self._copies:
            begin = value[: value.rindex(b"@") + 1]
            rows = await self._store.identities_like("origin", begin, _MOST_COPIES + 1)
            found: dict[bytes, list[IdentityRow]] = defaultdict(list)
            for row in rows:
                found[row.value].append(row)
            self._copies[key] = found if len(rows) <= _MOST_COPIES else None
        copies = self._copies[key]
        if copies is None:
            return await self._store.with_identity(["origin"], value, most)
        return list(copies.get(value, ()))

    async def identities_of(self, topic: str, partition: int, offset: int) -> list[IdentityRow]:
        """Return what is known of one record."""
        key = topic, partition, offset // _WINDOW
        if key not in self._identities:
            first = key[2] * _WINDOW
            found: dict[int, list[IdentityRow]] = defaultdict(list)
            for row in await self._store.identities_in(
                topic, partition, first, first + _WINDOW - 1
            ):
                found[row.offset].append(row)
            self._identities[key] = found
        return list(self._identities[key].get(offset, ()))
