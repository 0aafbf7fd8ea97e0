"""What lineage needs from storage: notes of who did what, identities of records, clients."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class NoteRow(NamedTuple):
    """Note of what a client did to a range of offsets of a partition, or to a group."""

    seq: int
    """The order of all notes; grows over restarts."""
    at_ms: int
    until_ms: int
    """When the last of the merged activities was."""
    verb: str
    client: int
    """The client's row; 0 for the bus itself."""
    topic: str
    """Empty for what concerns no topic."""
    partition: int
    first: int
    last: int
    """Offsets, both of them included, of the records that it concerns; ``first`` is larger when it
    concerns none. A commit concerns those that it has passed: the committed offset is
    ``last + 1``."""
    group: str = ""
    member: str = ""
    detail: str = ""


class ClientRow(NamedTuple):
    """Client as it was seen; one row for what cannot be told apart."""

    client: int
    first_seen_ms: int
    last_seen_ms: int
    facts: Mapping[str, object]
    """What is known of it, as JSON: client_id, front_end, software, address, process…"""


class IdentityRow(NamedTuple):
    """Identity or cause of a record, as one of its headers or fields says it."""

    kind: str
    """``identity``, ``cause``, ``correlation``, ``trace``, ``origin``, ``reply`` or ``key``."""
    value: bytes
    topic: str
    partition: int
    offset: int
    rule: str
    """The header or field that says so."""


class LineageStore(Protocol):
    """Store of lineage; bounded, and apart from the records themselves."""

    def add_notes(self, notes: Sequence[NoteRow], clients: Sequence[ClientRow]) -> None:
        """Enqueue: keep notes, and keep or replace clients; nobody waits for it."""

    def trim_notes(self, most: int, before_ms: int) -> None:
        """Enqueue: forget the oldest notes beyond a number or before a time, some of them."""

    def trim_identities(self, most: int) -> None:
        """Enqueue: forget the oldest identities beyond a number, some of them."""

    def forget_clients(self, clients: Sequence[int]) -> None:
        """Enqueue: forget clients, some at a time."""

    def forget_notes_after(self, seq: int, client: int) -> asyncio.Future[None]:
        """Enqueue: forget the notes and the clients that came later, as a rollback does."""

    async def load_clients(self) -> tuple[int, list[ClientRow]]:
        """Return the highest ``seq`` in use and all clients."""

    async def notes_at(
        self, topic: str, partition: int, offset: int, verbs: Sequence[str], most: int
    ) -> list[NoteRow]:
        """Return the notes of some verbs whose range holds an offset, oldest first."""

    async def notes_in(
        self, topic: str, partition: int, first: int, last: int, most: int
    ) -> list[NoteRow]:
        """Return the notes that concern any of some offsets (both included), oldest first."""

    async def notes_of_clients(
        self, clients: Sequence[int] | None, seqs: tuple[int, int], verbs: Sequence[str], most: int
    ) -> list[NoteRow]:
        """Return notes of clients, or of all, between two numbers (both included), newest first."""

    async def notes_of_group(
        self,
        group: str,
        verbs: Sequence[str],
        most: int,
        topic: str = "",
        partition: int = -1,
        until_ms: int | None = None,
    ) -> list[NoteRow]:
        """Return the newest notes of a group, newest first.

        Args:
            group: the group.
            verbs: of which kinds.
            most: how many at most.
            topic: only of this one, unless empty.
            partition: only of this one, unless negative.
            until_ms: none that is later, in milliseconds since the epoch.
        """

    async def notes_of_topic(self, topic: str, verbs: Sequence[str], most: int) -> list[NoteRow]:
        """Return the newest notes of a topic that concern no records, newest first."""

    def add_identities(
        self, rows: Sequence[IdentityRow], positions: Mapping[tuple[str, int], int]
    ) -> None:
        """Enqueue: keep what records say, and up to where each partition has been looked at."""

    async def identity_positions(self) -> dict[tuple[str, int], int]:
        """Return up to where each partition has been looked at."""

    async def with_identity(
        self, kinds: Sequence[str], value: bytes, most: int
    ) -> list[IdentityRow]:
        """Return what has a value, newest first."""

    async def identities_like(self, kind: str, begin: bytes, most: int) -> list[IdentityRow]:
        """Return what has a value that begins with some bytes, newest first."""

    async def identities_in(
        self, topic: str, partition: int, first: int, last: int
    ) -> list[IdentityRow]:
        """Return what is known of records between two offsets (both included)."""

    def forget_identities_from(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Enqueue: forget what is known of records from an offset on, by partition."""
