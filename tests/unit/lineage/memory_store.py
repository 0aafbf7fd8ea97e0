"""Store of lineage in lists, as the interface describes it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from fakebus.storage.lineage_interface import ClientRow, IdentityRow, NoteRow


class MemoryLineageStore:
    """Store of lineage in lists."""

    def __init__(self) -> None:
        self.notes: list[NoteRow] = []
        self.clients: dict[int, ClientRow] = {}
        self.identities: list[IdentityRow] = []
        self.positions: dict[tuple[str, int], int] = {}
        self.most_identities = 1 << 30

    def add_notes(self, notes: Sequence[NoteRow], clients: Sequence[ClientRow]) -> None:
        self.notes += notes
        self.clients.update({row.client: row for row in clients})

    def trim_notes(self, most: int, before_ms: int) -> None:
        self.notes = [row for row in self.notes[-most:] if row.until_ms >= before_ms]

    def trim_identities(self, most: int) -> None:
        self.most_identities = most
        del self.identities[:-most]

    def forget_clients(self, clients: Sequence[int]) -> None:
        for client in clients:
            self.clients.pop(client, None)

    def forget_notes_after(self, seq: int, client: int) -> asyncio.Future[None]:
        self.notes = [row for row in self.notes if row.seq <= seq]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def load_clients(self) -> tuple[int, list[ClientRow]]:
        return max((row.seq for row in self.notes), default=0), list(self.clients.values())

    async def notes_at(
        self, topic: str, partition: int, offset: int, verbs: Sequence[str], most: int
    ) -> list[NoteRow]:
        return [
            row
            for row in self.notes
            if (row.topic, row.partition) == (topic, partition)
            and row.first <= offset <= row.last
            and row.verb in verbs
        ][:most]

    async def notes_in(
        self, topic: str, partition: int, first: int, last: int, most: int
    ) -> list[NoteRow]:
        return [
            row
            for row in self.notes
            if (row.topic, row.partition) == (topic, partition)
            and row.first <= last
            and first <= row.last
        ][:most]

    async def notes_of_clients(
        self, clients: Sequence[int] | None, seqs: tuple[int, int], verbs: Sequence[str], most: int
    ) -> list[NoteRow]:
        found = [
            row
            for row in self.notes
            if (clients is None or row.client in clients)
            and seqs[0] <= row.seq <= seqs[1]
            and row.verb in verbs
        ]
        return found[::-1][:most]

    async def notes_of_group(
        self,
        group: str,
        verbs: Sequence[str],
        most: int,
        topic: str = "",
        partition: int = -1,
        until_ms: int | None = None,
    ) -> list[NoteRow]:
        found = [
            row
            for row in self.notes
            if row.group == group
            and row.verb in verbs
            and topic in ("", row.topic)
            and partition in (-1, row.partition)
            and (until_ms is None or row.at_ms <= until_ms)
        ]
        return found[::-1][:most]

    async def notes_of_topic(self, topic: str, verbs: Sequence[str], most: int) -> list[NoteRow]:
        found = [row for row in self.notes if row.topic == topic and row.verb in verbs]
        return found[::-1][:most]

    def add_identities(
        self, rows: Sequence[IdentityRow], positions: Mapping[tuple[str, int], int]
    ) -> None:
        self.identities += rows
        self.positions.update(positions)

    async def identity_positions(self) -> dict[tuple[str, int], int]:
        return dict(self.positions)

    async def with_identity(
        self, kinds: Sequence[str], value: bytes, most: int
    ) -> list[IdentityRow]:
        found = [row for row in self.identities if row.kind in kinds and row.value == value]
        return found[::-1][:most]

    async def identities_like(self, kind: str, begin: bytes, most: int) -> list[IdentityRow]:
        found = [row for row in self.identities if row.kind == kind and row.value.startswith(begin)]
        return found[::-1][:most]

    async def identities_in(
        self, topic: str, partition: int, first: int, last: int
    ) -> list[IdentityRow]:
        return [
            row
            for row in self.identities
            if row[2:4] == (topic, partition) and first <= row.offset <= last
        ]

    def forget_identities_from(self, positions: Mapping[tuple[str, int], int]) -> None:
        for place, offset in positions.items():
            self.identities = [
                row for row in self.identities if row[2:4] != place or row.offset < offset
            ]
            self.positions[place] = min(self.positions.get(place, 0), offset)
