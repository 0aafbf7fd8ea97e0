"""Stories of services, told step by step, and the links that follow from them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from fakebus.lineage.causes import Causes
from fakebus.lineage.header_rules import IdentityReader
from fakebus.lineage.history import SentRange
from fakebus.lineage.known_notes import KnownNotes
from fakebus.lineage.links import Link
from fakebus.lineage.place import Place, parse_place
from fakebus.lineage.ranking import NOTHING, Contents, contents_of
from fakebus.records.record import NewRecord, Record
from fakebus.storage.lineage_interface import IdentityRow, NoteRow
from tests.unit.lineage.memory_store import MemoryLineageStore


class Story:
    """Story in which services write, are sent and commit records, in this order.

    Each service is one process with one client; ``clients`` makes it several.
    """

    def __init__(self, **clients: int) -> None:
        self.store = MemoryLineageStore()
        self.now_ms = 1_000_000
        self.records: dict[Place, Record] = {}
        self._ends: dict[str, int] = {}
        self._numbers: dict[str, int] = dict(clients)
        self._reader = IdentityReader()
        self.late: set[tuple[str, str]] = set()
        """The services that commit first, and the topics that they write to."""

        self.behind: set[str] = set()
        """The services that work at what they have committed while they commit more."""

    def later(self, ms: int) -> None:
        """Let time pass."""
        self.now_ms += ms

    def number(self, service: str) -> int:
        return self._numbers.setdefault(service, len(self._numbers) + 1)

    def _note(
        self, verb: str, service: str, place: Place, last: int | None = None, group: str = ""
    ) -> None:
        self.now_ms += 1
        seq = len(self.store.notes) + 1
        client, last = self.number(service), place.offset if last is None else last
        row = NoteRow(seq, self.now_ms, self.now_ms, verb, client, *place, last, group)
        self.store.add_notes([row], [])

    def writes(
        self,
        service: str,
        topic: str,
        headers: Mapping[str, str | bytes] | None = None,
        *,
        key: bytes | None = None,
        value: Any = None,
        known: bool = True,
        verb: str = "produced",
    ) -> str:
        """Let a service write a record; return its name."""
        place = Place(topic, 0, self._ends.get(topic, 0))
        self._ends[topic] = place.offset + 1
        pairs = [
            (name, text if isinstance(text, bytes) else text.encode())
            for name, text in (headers or {}).items()
        ]
        if known:
            self._note(verb, service, place)
        data = json.dumps(value).encode()
        self.records[place] = Record(place.offset, self.now_ms, key, data, tuple(pairs))
        for kind, told, rule in self._reader.read(topic, NewRecord(key, data, pairs)):
            self.store.add_identities([IdentityRow(kind, told, *place, rule)], {})
        return str(place)

    def sent(self, service: str, *names: str, group: str = "") -> None:
        """Send a service records of one partition, from the first to the last."""
        first, last = self.place(names[0]), self.place(names[-1])
        self._note("fetched", service, first, last.offset, group)

    def commits(self, service: str, *names: str, group: str = "") -> None:
        """Let a service commit what it was sent."""
        first, last = self.place(names[0]), self.place(names[-1])
        self._note("committed", service, first, last.offset, group or service)

    def makes_anew(self, topic: str) -> None:
        """Let a topic be deleted, and another one of its name be made."""
        for verb in ("topic deleted", "topic created"):
            self._note(verb, "admin", Place(topic, -1, -1))
        self.records = {at: each for at, each in self.records.items() if at.topic != topic}
        self._ends.pop(topic, None)

    def place(self, name: str) -> Place:
        found = parse_place(name)
        assert found is not None
        return found

    # -- what Causes asks of clients and records --

    def of_process(self, client: int) -> Sequence[int]:
        """Return all clients whose services share their first word: ``shop``, ``shop producer``."""
        names = {number: name for name, number in self._numbers.items()}
        word = names[client].split()[0]
        return [number for name, number in self._numbers.items() if name.split()[0] == word]

    def of_group(self, group: str) -> Collection[int]:
        return set()

    async def given(self, ranges: Sequence[SentRange]) -> Sequence[SentRange]:
        return ranges

    def completed(self, note: NoteRow) -> NoteRow:
        return note

    def late_topics(self, client: int) -> Sequence[str]:
        return [topic for name, topic in self.late if self.number(name) == client]

    def is_behind(self, client: int) -> bool:
        return any(self.number(name) == client for name in self.behind)

    def is_unsure(self, client: int) -> bool:
        return False

    def ever_was(self, place: Place) -> bool:
        return place in self.records

    async def read(self, place: Place) -> Record | None:
        return self.records.get(place)

    async def load(self, places: Iterable[Place]) -> None:
        """Do nothing: they are at hand."""

    async def contents(self, places: Iterable[Place]) -> dict[Place, Contents]:
        return {
            place: contents_of(
                self.records[place].key, json.loads(self.records[place].value or b"null")
            )
            if place in self.records
            else NOTHING
            for place in places
        }

    @property
    def causes(self) -> Causes:
        """The answers to a new question."""
        return Causes(KnownNotes(self.store), self, self)  # type: ignore[arg-type]

    async def edges(self, *, most: int = 50) -> list[str]:
        """Return all links between the records of the story, each found from both of its ends."""
        causes, effects = self.causes, self.causes
        up = [link for place in self.records for link in await causes.of(place)]
        down = [link for place in self.records for link in await effects.effects(place)]
        assert sorted(map(told, up)) == sorted(map(told, down))
        return sorted(map(told, up))[:most]


def told(link: Link) -> str:
    """Return a link in words."""
    rivals = f" ({link.rank} of {link.rivals + 1})" if link.rivals else ""
    return f"{link.cause} -> {link.effect} {link.evidence} by {link.by}{rivals}"
