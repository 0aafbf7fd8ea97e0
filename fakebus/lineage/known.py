"""What causes are found from: notes, identities and clients, be it a bus that tells them or not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from fakebus.storage.lineage_interface import IdentityRow, NoteRow

FORMER = "\0"
"""What the name of a topic ends with that was deleted before there was another of its name."""


def is_former_name(topic: str) -> bool:
    """Whether a name stands for a topic that was there before the one that has its name now."""
    return topic.endswith(FORMER)


class Clients(Protocol):
    """Clients, as far as causes depend on them."""

    def of_process(self, client: int) -> Sequence[int]:
        """Return the clients of a client's process, itself included."""

    def of_group(self, group: str) -> Collection[int]:
        """Return the clients that are, or were, members of a group."""

    def completed(self, note: NoteRow) -> NoteRow:
        """Return a note with what became known later: which client it was, and of which group."""

    def late_topics(self, client: int) -> Collection[str]:
        """Return the topics that a client writes to also when it has committed all it was sent."""

    def is_behind(self, client: int) -> bool:
        """Whether its process works at what it has committed while it commits more."""

    def is_unsure(self, client: int) -> bool:
        """Whether its process has written when it had committed more than it had written."""


class Known(Protocol):
    """Store of lineage, as far as causes depend on it."""

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

    async def is_former(self, topic: str, note: NoteRow) -> bool:
        """Whether the topic that had a name when something was noted was deleted, and made anew."""

    async def with_identity(
        self, kinds: Sequence[str], value: bytes, most: int
    ) -> list[IdentityRow]:
        """Return what has a value, newest first."""

    async def put_aside(
        self, topic: str, partition: int, offset: int, most: int
    ) -> list[IdentityRow]:
        """Return what says that it is a copy of a record, newest first."""

    async def identities_of(self, topic: str, partition: int, offset: int) -> list[IdentityRow]:
        """Return what is known of one record."""
