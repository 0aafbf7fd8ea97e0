"""Records with one key that were written shortly after each other: a hint, and no more.

Keys are not kept for it. Which records were written around a moment is noted anyhow; these are
read when somebody asks, and only where they are few.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from operator import itemgetter

from fakebus.broker.verbs import WRITTEN
from fakebus.lineage.known import Known
from fakebus.lineage.place import Place
from fakebus.lineage.records import Records
from fakebus.storage.lineage_interface import NoteRow

MOST_SAME = 100
"""Records with the key of another one that are told, the nearest in time."""
_CHUNK = 256
_MOST_CHUNKS = 4
"""Notes that are looked at in each direction, in chunks."""
MOST_AT_ONCE = 200
"""Records of one note; what is written in bulk is not looked through."""


class SameKeys:
    """Finder of records with the same key, for the time of one question.

    Args:
        notes: of what was written when.
        records: what is in the records.
        window_ms: how long after each other they were written at most.
    """

    def __init__(self, notes: Known, records: Records, window_ms: int) -> None:
        self._notes = notes
        self._records = records
        self._window_ms = window_ms
        self._chunks: dict[int, _Chunk] = {}

    async def before(self, place: Place, note: NoteRow) -> list[Place]:
        """Return records of other topics that were written before one, the newest first.

        Args:
            place: of the record.
            note: of who wrote it.
        """
        return (await self._around(place, note, -1))[::-1]

    async def after(
        self, place: Place, note: NoteRow, wanted: Callable[[NoteRow], bool]
    ) -> list[Place]:
        """Return the first records of other topics that were written after one.

        Args:
            place: of the record.
            note: of who wrote it.
            wanted: says whose notes are looked at.
        """
        return (await self._around(place, note, 1, wanted))[:MOST_SAME]

    async def _around(
        self, place: Place, note: NoteRow, way: int, wanted: Callable[[NoteRow], bool] = bool
    ) -> list[Place]:
        """Return records with the same key on one side of another one, in their order."""
        record = await self._records.read(place)
        if record is None or not record.key:
            return []
        since_ms, until_ms = note.at_ms - self._window_ms, note.until_ms + self._window_ms
        found: list[tuple[NoteRow, Sequence[int]]] = []
        for number in range(note.seq // _CHUNK, note.seq // _CHUNK + way * _MOST_CHUNKS, way):
            if number not in self._chunks:
                seqs = number * _CHUNK, (number + 1) * _CHUNK - 1
                rows = await self._notes.notes_of_clients(None, seqs, WRITTEN, _CHUNK)
                self._chunks[number] = _Chunk(rows[::-1])
            chunk = self._chunks[number]
            await chunk.look_at(self._records, (since_ms, until_ms), place.topic, way, wanted)
            found += [
                (other, offsets)
                for other, offsets in chunk.with_key(record.key)
                if other.topic != place.topic
                and since_ms <= other.until_ms
                and other.at_ms <= until_ms
                and ((other.at_ms, other.seq) > (note.at_ms, note.seq)) == (way > 0)
                and wanted(other)
            ]
            if chunk.is_edge(since_ms, until_ms, way):
                break
        found.sort(key=itemgetter(0))
        return [
            Place(other.topic, other.partition, offset)
            for other, offsets in found
            for offset in offsets
        ]


class _Chunk:
    """Notes of what was written, one after the other, and the keys that are in some of them.

    Args:
        notes: oldest first.
    """

    def __init__(self, notes: Sequence[NoteRow]) -> None:
        self._notes = notes
        self._since = list(accumulate((note.at_ms for note in notes), max))
        self._until = list(accumulate((note.until_ms for note in notes), max))
        self._seen: set[int] = set()
        self._looked: set[tuple[int, int, str, int]] = set()
        """Between which places was looked already, from which topic, and which way."""
        self._by_key: dict[bytes | None, dict[NoteRow, list[int]]] = {}

    def is_edge(self, since_ms: int, until_ms: int, way: int) -> bool:
        """Whether what lies beyond them is not of a time any more."""
        if not self._notes:
            return False
        last = self._notes[-1 if way > 0 else 0]
        return last.until_ms < since_ms or until_ms < last.at_ms

    def with_key(self, key: bytes) -> Iterable[tuple[NoteRow, Sequence[int]]]:
        """Return the notes that were looked at and have a key, and its offsets in each."""
        return self._by_key.get(key, {}).items()

    async def look_at(
        self,
        records: Records,
        times: tuple[int, int],
        topic: str,
        way: int,
        wanted: Callable[[NoteRow], bool],
    ) -> None:
        """Read what was written to other topics between two times.

        What was written in bulk is not looked through, nor what is not wanted.
        """
        begin, end = bisect_left(self._until, times[0]), bisect_right(self._since, times[1])
        if (looked := (begin, end, topic, way)) in self._looked:
            return
        self._looked.add(looked)
        new = [
            note
            for note in self._notes[begin:end]
            if note.seq not in self._seen
            and note.topic != topic
            and note.last - note.first < MOST_AT_ONCE
            and wanted(note)
        ]
        self._seen.update(note.seq for note in new)
        places = [
            (note, [Place(note.topic, note.partition, n) for n in range(note.first, note.last + 1)])
            for note in new
        ]
        await records.load(place for _, some in places for place in some)
        for note, some in places:
            for place in some:
                record = await records.read(place)
                if record is not None:
                    keys = self._by_key.setdefault(record.key, {})
                    keys.setdefault(note, []).append(place.offset)
