"""Flows as far as headers tell, of a cluster that tells nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from fakebus.lineage.candidates import SentRange
from fakebus.lineage.causes import Causes
from fakebus.lineage.flow import FOUND_BY
from fakebus.lineage.flow_walk import answer
from fakebus.lineage.header_rules import IdentityReader, bounded
from fakebus.lineage.place import Place
from fakebus.lineage.ranking import NOTHING, Contents
from fakebus.lineage.records import PartOfTransaction
from fakebus.records.record import Record
from fakebus.storage.lineage_interface import IdentityRow, NoteRow


class HeaderFlows:
    """Flows of the records that it was given.

    Args:
        reader: finds what records say of themselves.
    """

    def __init__(self, reader: IdentityReader) -> None:
        self._reader = reader
        self._records: dict[Place, Record] = {}
        self._by_place: dict[Place, list[IdentityRow]] = {}
        self._by_value: dict[bytes, list[IdentityRow]] = defaultdict(list)

    def add(self, place: Place, record: Record) -> None:
        """Take a record in; they come in the order of time."""
        self._records[place] = record._replace(value=None)
        for kind, value, rule in self._reader.read(place.topic, record):
            row = IdentityRow(kind, value, *place, rule)
            self._by_place.setdefault(place, []).append(row)
            self._by_value[value].append(row)

    def places(self) -> Iterable[Place]:
        """Return where the records are."""
        return self._records

    async def of(
        self,
        asked: str,
        places: Iterable[Place],
        depth: int | None = None,
        most_edges: int | None = None,
    ) -> dict[str, Any]:
        """Return the flows of records; see :class:`fakebus.lineage.flow.Flows`."""
        causes = Causes(self, self, self)
        flow = await answer(list(places), depth, causes, self, most_edges=most_edges)
        return {**flow, "asked": asked, "behind": 0}

    def with_id(self, text: str) -> list[Place]:
        """Return the records that say an id of themselves or have it as their key."""
        value = bounded(text.encode("utf-8", "surrogatepass"))
        rows = [*self._by_value.get(value, ()), *self._by_value.get(value.lower(), ())]
        found = {Place(*row[2:5]) for row in rows if row.kind in FOUND_BY}
        found |= {place for place, record in self._records.items() if record.key == value}
        return sorted(found)

    # -- what Causes asks --

    def of_process(self, client: int) -> Sequence[int]:
        """Return the client: nothing is known of processes."""
        return [client]

    def completed(self, note: NoteRow) -> NoteRow:
        """Return the note: nothing more is known of clients."""
        return note

    def late_topics(self, client: int) -> Sequence[str]:
        """Return nothing: nobody has noted what clients did."""
        return ()

    def is_behind(self, client: int) -> bool:
        """Return that it is not: nobody has noted what clients did."""
        return False

    def is_unsure(self, client: int) -> bool:
        """Return that it is not: nobody has noted what clients did."""
        return False

    def ever_was(self, place: Place) -> bool:
        """Whether there is such a record."""
        return place in self._records

    async def read(self, place: Place) -> Record | None:
        """Return a record."""
        return self._records.get(place)

    async def load(self, places: Iterable[Place]) -> None:
        """Do nothing: they are at hand."""

    async def contents(self, places: Iterable[Place]) -> dict[Place, Contents]:
        """Return nothing: nothing is observed that would have to be compared."""
        return dict.fromkeys(places, NOTHING)

    def of_group(self, group: str) -> Collection[int]:
        """Return nothing: nothing is known of members."""
        return set()

    async def given(self, ranges: Sequence[SentRange]) -> Sequence[SentRange]:
        """Return all: nothing is known of what was sent."""
        return ranges

    async def transaction_at(self, place: Place) -> PartOfTransaction | None:
        """Return nothing: a client library does not tell it."""
        return None

    async def notes_in(
        self, topic: str, partition: int, first: int, last: int, most: int
    ) -> list[NoteRow]:
        """Return nothing: nobody has noted what clients did."""
        return []

    async def is_former(self, topic: str, note: NoteRow) -> bool:
        """Nobody knows."""
        return False

    async def notes_at(
        self, topic: str, partition: int, offset: int, verbs: Sequence[str], most: int
    ) -> list[NoteRow]:
        """Return nothing: nobody has noted what clients did."""
        return []

    async def notes_of_clients(
        self, clients: Sequence[int] | None, seqs: tuple[int, int], verbs: Sequence[str], most: int
    ) -> list[NoteRow]:
        """Return nothing: nobody has noted what clients did."""
        return []

    async def with_identity(
        self, kinds: Sequence[str], value: bytes, most: int
    ) -> list[IdentityRow]:
        """Return what has a value, newest first."""
        found = [row for row in self._by_value.get(value, ()) if row.kind in kinds]
        return found[: -most - 1 : -1]

    async def put_aside(
        self, topic: str, partition: int, offset: int, most: int
    ) -> list[IdentityRow]:
        """Return what says that it is a copy of a record, newest first."""
        value = str(Place(topic, partition, offset)).encode()
        return await self.with_identity(["origin"], value, most)

    async def identities_of(self, topic: str, partition: int, offset: int) -> list[IdentityRow]:
        """Return what a record says of itself."""
        return self._by_place.get(Place(topic, partition, offset), [])
