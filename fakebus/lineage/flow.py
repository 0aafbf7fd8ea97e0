"""Flow of a record: what caused it, what it caused, and what became of each step in each group."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from fakebus.broker.broker import Broker
from fakebus.broker.fetching import IsolationLevel
from fakebus.broker.turns import Rounds, SharedWork, in_turns
from fakebus.broker.verbs import WRITTEN
from fakebus.lineage.causes import MOST_RIVALS, Causes
from fakebus.lineage.flow_json import told_record
from fakebus.lineage.flow_walk import answer, is_seen
from fakebus.lineage.group_states import GroupStates, ReadersOf
from fakebus.lineage.header_rules import bounded
from fakebus.lineage.history import NEWEST
from fakebus.lineage.identities import Identities
from fakebus.lineage.known_clients import KnownClients
from fakebus.lineage.known_notes import KnownNotes
from fakebus.lineage.lineage import Lineage
from fakebus.lineage.links import HINTED, Link
from fakebus.lineage.place import FlowError, Place, asked_place
from fakebus.lineage.records import Decode, LogRecords
from fakebus.wording import nearest

MOST_FOUND = 50
"""Records whose flows are told when they are looked for by an id."""
MOST_NOTES = 20_000
"""Notes that are looked at for what a service has written."""
_CATCH_UP_S = 2.0
_FAR_BEHIND_S = 0.02
"""How long to wait for what is known of records where that cannot be all of them soon."""
FOUND_BY = ("identity", "trace", "correlation", "request", "reply", "cause")
"""Kinds of ids by which records are looked for."""


class _Known(NamedTuple):
    """Knowledge that questions about the present, or about a time before, are answered from."""

    causes: Causes
    records: LogRecords
    clients: KnownClients
    states: GroupStates
    unseen: Mapping[tuple[str, int], int]
    behind: int
    as_of_ms: int | None

    async def tell(
        self, asked: str, starts: list[Place], depth: int | None, most_edges: int | None
    ) -> dict[str, Any]:
        """Return the flow of some records."""
        told_of = self.causes, self.records, self.clients, self.states, self.unseen
        flow = await answer(starts, depth, *told_of, most_edges)
        if self.as_of_ms is not None:
            flow["as_of_ms"] = self.as_of_ms
        return {**flow, "asked": asked, "behind": self.behind}


class Flows:
    """Flows of the records of a bus.

    Args:
        broker: the bus.
        lineage: knows what clients did.
        identities: knows what records say of themselves.
        decode: understands values.
        readers: tells who declares to read a topic, and what they cannot read.
        window_ms: for how long a committed record may still be a cause.
    """

    def __init__(
        self,
        broker: Broker,
        lineage: Lineage,
        identities: Identities,
        decode: Decode,
        readers: ReadersOf,
        window_ms: int,
    ) -> None:
        self._broker = broker
        self._lineage = lineage
        self._store = lineage.store
        self._identities = identities
        self._decode = decode
        self._readers = readers
        self._window_ms = window_ms
        self._rounds: Rounds[dict[int | None, _Known]] = Rounds(dict)
        self._catching_up = SharedWork()

    async def of_record(
        self,
        name: str,
        depth: int | None = None,
        as_of_ms: int | None = None,
        most_edges: int | None = None,
    ) -> dict[str, Any]:
        """Return the flow of one record.

        Args:
            name: ``topic[partition]@offset``.
            depth: how many steps away from it; all that are when left out.
            as_of_ms: how it was at a time: what lies in front of the first record with that
                timestamp or a later one, and what was done by then; the present when left out.
            most_edges: how many edges are told, those nearest to it first.

        Raises:
            FlowError: it is no name of a record, or there never was such a record by then.
        """
        place = asked_place(name)

        async def tell(known: _Known) -> dict[str, Any]:
            await self._check(place)
            if as_of_ms is not None and not is_seen(place, known.unseen):
                raise FlowError(f"{place} was not there yet at that time")
            return await known.tell(str(place), [place], depth, most_edges)

        return await self._ask(as_of_ms, tell)

    async def of_records(
        self,
        asked: str,
        places: Iterable[Place],
        depth: int | None = None,
        as_of_ms: int | None = None,
        most_edges: int | None = None,
    ) -> dict[str, Any]:
        """Return the flows of several records, such as those that a text was found in."""
        found = list(dict.fromkeys(places))

        async def tell(known: _Known) -> dict[str, Any]:
            there = [each for each in found if as_of_ms is None or is_seen(each, known.unseen)]
            return await known.tell(asked, there, depth, most_edges)

        return await self._ask(as_of_ms, tell)

    async def _ask(
        self, as_of_ms: int | None, tell: Callable[[_Known], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        """Return what is told from what is known of a time, or of the present."""

        async def answer(known: dict[int | None, _Known]) -> dict[str, Any]:
            if as_of_ms not in known:
                # Of other times little is alike, and each takes its memory.
                known.clear()
                known[as_of_ms] = await self._known(as_of_ms)
            return await tell(known[as_of_ms])

        return await self._rounds.ask(answer)

    async def _known(self, as_of_ms: int | None) -> _Known:
        """Catch up, and return what questions about a time are answered from."""
        unseen, behind = await self._unseen(as_of_ms)
        records, notes = self._records(), KnownNotes(self._store, as_of_ms)
        clients = KnownClients(self._lineage.clients, self._broker.clock.now_ms())
        causes = Causes(notes, clients, records, self._window_ms)
        states = GroupStates(self._broker, notes, clients, self._readers)
        return _Known(causes, records, clients, states, unseen, behind, as_of_ms)

    async def _unseen(self, as_of_ms: int | None) -> tuple[Mapping[tuple[str, int], int], int]:
        """Catch up; return from where on partitions are left out, and how much is not known."""
        known, behind = await self._catch_up()
        if as_of_ms is None:
            return known, behind
        unseen = dict(known)
        async for log in in_turns(log for each in self._broker.topics for log in each.partitions):
            found = await self._broker.find_offset(log, as_of_ms, IsolationLevel.READ_UNCOMMITTED)
            if found.offset >= 0:
                place = log.topic_partition
                unseen[place] = min(found.offset, unseen.get(place, found.offset))
        return unseen, behind

    async def written(self, place: Place, *, groups: bool = False) -> dict[str, Any]:
        """Return what is told of a record in flows: who wrote it, and from where.

        Args:
            place: of a record that is there.
            groups: whether to tell what became of it in each group, too.
        """
        await self._lineage.settle()
        notes = await KnownNotes(self._store).notes_at(*place, WRITTEN, MOST_RIVALS)
        clients = KnownClients(self._lineage.clients, self._broker.clock.now_ms())
        records, note = self._records(), notes[-1] if notes else None
        record, part = await records.read(place), await records.transaction_at(place)
        who = clients.told(note.client) if note else {}
        if not groups:
            return told_record(place, record, note, who, [], part)
        states = GroupStates(self._broker, KnownNotes(self._store), clients, self._readers)
        became = await states.of(place, record, part, note)
        return told_record(place, record, note, who, became, part)

    async def direct_causes(self, places: Iterable[Place]) -> dict[Place, list[Link]]:
        """Return the links to each of some records from its causes, the likeliest first.

        What is only hinted at is left out.
        """
        await self._catch_up()
        clients = KnownClients(self._lineage.clients, self._broker.clock.now_ms())
        causes = Causes(KnownNotes(self._store), clients, self._records(), self._window_ms)
        return {
            place: [link for link in await causes.of(place) if link.evidence != HINTED]
            for place in places
        }

    def _records(self) -> LogRecords:
        return LogRecords(self._broker.topics, self._decode, self._broker.transactions)

    async def written_by(self, service: str, topic: str) -> dict[int, list[tuple[int, int]]]:
        """Return which offsets of a topic a service has written, as far as it is noted.

        Returns:
            First and last offsets, both included, by the number of the partition.
        """
        await self._lineage.settle()
        clients = self._lineage.clients
        own = [n for n, each in clients.by_number.items() if clients.service_of(each) == service]
        notes = await self._store.notes_of_clients(own, (0, NEWEST), WRITTEN, MOST_NOTES)
        found: dict[int, list[tuple[int, int]]] = {}
        for note in notes:
            if note.topic == topic and note.first <= note.last:
                found.setdefault(note.partition, []).append((note.first, note.last))
        return found

    async def with_id(self, text: str) -> list[Place]:
        """Return the records that say an id of themselves, oldest first."""
        await self._catch_up()
        value = bounded(text.encode("utf-8", "surrogatepass"))
        found: dict[Place, None] = {}
        for each in dict.fromkeys((value, value.lower(), value.lower().lstrip(b"0"))):
            rows = await self._store.with_identity(FOUND_BY, each, MOST_FOUND)
            found.update({Place(*row[2:5]): None for row in rows})
        return sorted(found)

    def has_members(self, group: str) -> bool:
        """Whether a client is, or was, a member of a group."""
        clients = self._lineage.clients.by_number.values()
        return any(group in client.facts["groups"] for client in clients)

    async def _catch_up(self) -> tuple[Mapping[tuple[str, int], int], int]:
        """Wait for what is there to be known; return where what is not begins, and how much it is.

        Of a record both is to be known: who wrote it, and what it says. All partitions are looked
        through for that, once for all who ask meanwhile.
        """
        return await self._catching_up.outcome(self._caught_up)

    async def _caught_up(self) -> tuple[Mapping[tuple[str, int], int], int]:
        seen = await self._identities.catch_up(_CATCH_UP_S, _FAR_BEHIND_S)
        behind = (seen or await self._identities.seen()).behind
        await self._lineage.settle()
        return ({}, max(behind, 1)) if seen is None else (seen.unseen, behind)

    async def _check(self, place: Place) -> None:
        """Raise FlowError if a record never was."""
        topic = self._broker.topics.get(place.topic)
        log = None if topic is None else topic.partition(place.partition)
        if log is not None and place.offset < log.high_watermark:
            part = await self._records().transaction_at(place)
            if part is not None and part.is_marker:
                of = f" of {part.transactional_id!r}" if part.transactional_id else ""
                raise FlowError(
                    f"{place} is no record but the marker by which the transaction{of} "
                    f"was {part.state}"
                )
            return
        if await KnownNotes(self._store).notes_at(*place, WRITTEN, 1):
            # It went with its topic.
            return
        if topic is None:
            names = [each.name for each in self._broker.topics]
            raise FlowError(f"there is no topic {place.topic!r}: {nearest(place.topic, names)}")
        if log is None:
            count = len(topic.partitions)
            raise FlowError(
                f"topic {place.topic!r} has no partition {place.partition}: "
                f"its partitions are 0 to {count - 1}"
            )
        end = log.high_watermark
        newest = f"the newest one has offset {end - 1}" if end else "the partition is empty"
        raise FlowError(f"there never was a record {place}: {newest}")
