"""What is stored of records and clients, for the time of one question.

A flow asks the same of records that lie beside each other; so what is known of some hundreds of
offsets is read in one go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from fakebus.storage.lineage_interface import IdentityRow, LineageStore, NoteRow

_WINDOW = 256
"""Offsets of a partition that are read in one go; a power of two, which the store finds soonest."""
_MOST_NOTES = 2000
"""Of a window; where there are more, each record is asked for alone."""
_Notes = Mapping[str, Sequence[NoteRow]]


class KnownNotes:
    """Reader of notes and identities in windows of offsets.

    Args:
        store: where they are.
    """

    def __init__(self, store: LineageStore) -> None:
        self._store = store
        self.notes_of_clients = store.notes_of_clients
        self.notes_of_group = store.notes_of_group
        self.notes_in = store.notes_in
        self.with_identity = store.with_identity
        self._notes: dict[tuple[str, int, int], _Notes | None] = {}
        self._identities: dict[tuple[str, int, int], Mapping[int, list[IdentityRow]]] = {}

    async def notes_at(
        self, topic: str, partition: int, offset: int, verbs: Sequence[str], most: int
    ) -> list[NoteRow]:
        """Return the notes of some verbs whose range holds an offset, oldest first."""
        key = topic, partition, offset // _WINDOW
        if key not in self._notes:
            self._notes[key] = await self._notes_of(key)
        notes = self._notes[key]
        if notes is None:
            return await self._store.notes_at(topic, partition, offset, verbs, most)
        found = [
            note
            for verb in verbs
            for note in notes.get(verb, ())
            if note.first <= offset <= note.last
        ]
        return sorted(found)[:most] if len(verbs) > 1 else found[:most]

    async def _notes_of(self, key: tuple[str, int, int]) -> _Notes | None:
        topic, partition, window = key
        first, last = window * _WINDOW, (window + 1) * _WINDOW - 1
        rows = await self._store.notes_in(topic, partition, first, last, _MOST_NOTES + 1)
        if len(rows) > _MOST_NOTES:
            return None
        found: dict[str, list[NoteRow]] = defaultdict(list)
        for row in rows:
            found[row.verb].append(row)
        return found

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
