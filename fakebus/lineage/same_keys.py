"""Records with one key that were written shortly after each other: a hint, and no more.

Keys are not kept for it. Which records were written around a moment is noted anyhow; these are
read when somebody asks, and only where they are few.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from fakebus.lineage.known import Known
from fakebus.lineage.place import Place
from fakebus.lineage.records import Records
from fakebus.storage.lineage_interface import NoteRow

WRITTEN = ("produced", "seeded", "replayed")
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
        self._chunks: dict[int, list[NoteRow]] = {}
        self._offsets: dict[int, Mapping[bytes | None, list[int]]] = {}
        """Where which keys are, by the number of the note."""

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
        near = [
            other
            for other in await self._written(note, way)
            if other.topic != place.topic
            and wanted(other)
            and ((other.at_ms, other.seq) > (note.at_ms, note.seq)) == (way > 0)
        ]
        await self._look_at(near)
        return [
            Place(other.topic, other.partition, offset)
            for other in near
            for offset in self._offsets[other.seq].get(record.key, ())
        ]

    async def _written(self, note: NoteRow, way: int) -> list[NoteRow]:
        """Return notes of what was written shortly before or after another note, in order."""
        found: list[NoteRow] = []
        for number in range(note.seq // _CHUNK, note.seq // _CHUNK + way * _MOST_CHUNKS, way):
            if number not in self._chunks:
                seqs = number * _CHUNK, (number + 1) * _CHUNK - 1
                rows = await self._notes.notes_of_clients(None, seqs, WRITTEN, _CHUNK)
                self._chunks[number] = rows[::-1]
            chunk = self._chunks[number]
            found += [
                other
                for other in chunk
                if self._is_near(other, note) and other.last - other.first < MOST_AT_ONCE
            ]
            if chunk and not self._is_near(chunk[-1 if way > 0 else 0], note):
                break
        return sorted(found)

    def _is_near(self, other: NoteRow, note: NoteRow) -> bool:
        apart = max(other.at_ms - note.until_ms, note.at_ms - other.until_ms)
        return apart <= self._window_ms

    async def _look_at(self, notes: Sequence[NoteRow]) -> None:
        new = {
            note.seq: [
                Place(note.topic, note.partition, n) for n in range(note.first, note.last + 1)
            ]
            for note in notes
            if note.seq not in self._offsets
        }
        await self._records.load(place for places in new.values() for place in places)
        for seq, places in new.items():
            keys: dict[bytes | None, list[int]] = defaultdict(list)
            for place in places:
                record = await self._records.read(place)
                if record is not None:
                    keys[record.key].append(place.offset)
            self._offsets[seq] = keys
