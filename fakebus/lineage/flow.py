"""Flow of a record: what caused it, what it caused, and what became of each step in each group.

What comes out is what ``fakebus flow --json`` prints and ``/_fakebus/v1/flow`` answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from fakebus.broker.broker import Broker
from fakebus.broker.fetching import IsolationLevel
from fakebus.lineage.causes import MOST_RIVALS, Causes
from fakebus.lineage.flow_json import told_edge, told_record
from fakebus.lineage.group_states import GroupStates, Refusal
from fakebus.lineage.header_rules import bounded
from fakebus.lineage.history import NEWEST
from fakebus.lineage.identities import Identities
from fakebus.lineage.known_clients import KnownClients
from fakebus.lineage.known_notes import KnownNotes
from fakebus.lineage.lineage import Lineage
from fakebus.lineage.links import HINTED, Link
from fakebus.lineage.place import FlowError, Place, asked_place
from fakebus.lineage.records import Decode, LogRecords, Records
from fakebus.lineage.same_keys import WRITTEN
from fakebus.real_time import monotonic
from fakebus.wording import nearest

MOST_RECORDS = 1000
"""Records of one answer."""
MOST_EDGES = 1000
"""Edges of an answer, if not asked for more; all of one record are among them."""
MOST_EDGES_ASKED = 10_000
MOST_FOLLOWED = 20
"""Possible causes of one record that are all followed."""
MOST_UNLIKELY = 50
"""Of all possible causes but the likeliest ones: how many are followed where not asked for more."""
WALK_S = 5.0
"""For how long records are followed."""
MOST_STATES = 200
"""Records whose state in each group is told."""
MOST_FOUND = 50
"""Records whose flows are told when they are looked for by an id."""
MOST_NOTES = 20_000
"""Notes that are looked at for what a service has written."""
_CATCH_UP_S = 2.0
_FAR_BEHIND = 5000
_FAR_BEHIND_S = 0.02
"""How long to wait for what is known of records where that cannot be all of them soon."""
_UNKNOWN = -1
"""How much was left out where nobody has counted."""
FOUND_BY = ("identity", "trace", "correlation", "request", "reply", "cause")
"""Kinds of ids by which records are looked for."""


class Flows:
    """Flows of the records of a bus.

    Args:
        broker: the bus.
        lineage: knows what clients did.
        identities: knows what records say of themselves.
        decode: understands values.
        refusal: tells what a group cannot read.
        window_ms: for how long a committed record may still be a cause.
    """

    def __init__(
        self,
        broker: Broker,
        lineage: Lineage,
        identities: Identities,
        decode: Decode,
        refusal: Refusal,
        window_ms: int,
    ) -> None:
        self._broker = broker
        self._lineage = lineage
        self._store = lineage.store
        self._identities = identities
        self._decode = decode
        self._refusal = refusal
        self._window_ms = window_ms

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
        unseen, behind = await self._unseen(as_of_ms)
        await self._check(place)
        if as_of_ms is not None and not _is_seen(place, unseen):
            raise FlowError(f"{place} was not there yet at that time")
        answered = self._answer(str(place), [place], depth, unseen, as_of_ms, most_edges)
        return {**await answered, "behind": behind}

    async def of_records(
        self,
        asked: str,
        places: Iterable[Place],
        depth: int | None = None,
        as_of_ms: int | None = None,
        most_edges: int | None = None,
    ) -> dict[str, Any]:
        """Return the flows of several records, such as those that a text was found in."""
        unseen, behind = await self._unseen(as_of_ms)
        found = dict.fromkeys(places)
        if as_of_ms is not None:
            found = dict.fromkeys(place for place in found if _is_seen(place, unseen))
        answered = self._answer(asked, list(found), depth, unseen, as_of_ms, most_edges)
        return {**await answered, "behind": behind}

    async def _unseen(self, as_of_ms: int | None) -> tuple[Mapping[tuple[str, int], int], int]:
        """Catch up; return from where on partitions are left out, and how much is not known."""
        known, behind = await self._catch_up()
        if as_of_ms is None:
            return known, behind
        unseen = dict(known)
        for log in [log for topic in self._broker.topics for log in topic.partitions]:
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
        states = GroupStates(self._broker, KnownNotes(self._store), clients, self._refusal)
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

        Of a record both is to be known: who wrote it, and what it says.
        """
        is_far = self._identities.behind > _FAR_BEHIND
        is_complete = await self._identities.catch_up(_FAR_BEHIND_S if is_far else _CATCH_UP_S)
        unseen, behind = self._identities.unseen(), self._identities.behind
        await self._lineage.settle()
        return (unseen, behind) if is_complete else ({}, max(behind, 1))

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

    async def _answer(
        self,
        asked: str,
        starts: list[Place],
        depth: int | None,
        unseen: Mapping[tuple[str, int], int],
        as_of_ms: int | None,
        most_edges: int | None,
    ) -> dict[str, Any]:
        records = self._records()
        clients = KnownClients(self._lineage.clients, self._broker.clock.now_ms())
        known = KnownNotes(self._store, as_of_ms)
        causes = Causes(known, clients, records, self._window_ms)
        states = GroupStates(self._broker, known, clients, self._refusal)
        flow = await answer(starts, depth, causes, records, clients, states, unseen, most_edges)
        if as_of_ms is not None:
            flow["as_of_ms"] = as_of_ms
        return {**flow, "asked": asked}


async def answer(
    starts: Iterable[Place],
    depth: int | None,
    causes: Causes,
    records: Records,
    clients: KnownClients | None = None,
    states: GroupStates | None = None,
    unseen: Mapping[tuple[str, int], int] = MappingProxyType({}),
    most_edges: int | None = None,
) -> dict[str, Any]:
    """Return records, edges and what was left out of the flows of some records.

    Args:
        starts: the records.
        depth: how many steps away from them; all when left out.
        causes: knows the links.
        records: knows what is in them.
        clients: who wrote them, where that can be known.
        states: what became of them in groups, where that can be known.
        unseen: from where on partitions are left out.
        most_edges: how many edges are told, the nearest first.
    """
    places, links = await _walk(causes, starts, depth, unseen, most_edges)
    await records.load(places)
    told: dict[Place, dict[str, Any]] = {}
    moments: dict[Place, tuple[int, int, Place]] = {}
    # Those that were asked for and what follows surely from them come first.
    for place in places:
        record, note = await records.read(place), await causes.written(place)
        part = await records.transaction_at(place)
        if note is not None and (record is None if part is None else states and states.is_past):
            # What stands in the log says how a transaction ended, and not when.
            then = await causes.transactions.part_of(note)
            part = part._replace(state=then.state) if part and then else then or part
        groups = []
        if states is not None and len(told) < MOST_STATES:
            groups = await states.of(place, record, part, note)
        who = clients.told(note.client) if clients is not None and note is not None else {}
        told[place] = told_record(
            place, record, note, who, groups, part, causes.not_found.get(place, {})
        )
        at_ms, seq = (note.at_ms, note.seq) if note else (told[place]["timestamp_ms"], 0)
        moments[place] = (at_ms, seq, place)
    if states is not None and len(places) > MOST_STATES:
        causes.cut["records' states in groups"] += len(places) - MOST_STATES
    links.sort(key=lambda link: (*moments[link.effect], link.rank))
    return {
        "records": [told[place] for place in sorted(told, key=lambda place: moments[place])],
        "edges": [told_edge(link, told) for link in links],
        "left_out": [
            what if count == _UNKNOWN else f"{count} {what}"
            for what, count in causes.cut.items()
            if count
        ],
    }


async def _walk(
    causes: Causes,
    starts: Iterable[Place],
    depth: int | None,
    unseen: Mapping[tuple[str, int], int],
    most_edges: int | None,
) -> tuple[list[Place], list[Link]]:
    """Return the records of flows, and their links.

    Of many possible causes all are told, but only the likeliest one is followed: the flows of the
    others are those of other records. What is only hinted is told, and not followed.
    """
    most, unlikely = min(most_edges or MOST_EDGES, MOST_EDGES_ASKED), 0
    more = "" if most_edges else f", asked for by edges={MOST_EDGES_ASKED}"
    beyond = f"edges beyond the first {most}{more}"
    distances = dict.fromkeys(starts, 0)
    places = dict.fromkeys(distances)
    links: dict[tuple[Place, Place], Link] = {}
    waiting = deque(distances if depth != 0 else ())
    until = monotonic() + WALK_S
    while waiting:
        if monotonic() > until or len(links) >= most:
            late = f"what was not found within {WALK_S:g} s"
            causes.cut[beyond if len(links) >= most else late] = _UNKNOWN
            break
        place = waiting.popleft()
        for link in [*await causes.of(place), *await causes.effects(place)]:
            other = link.cause if link.effect == place else link.effect
            if not _is_seen(other, unseen):
                continue
            if other not in places and len(places) >= MOST_RECORDS:
                causes.cut[f"links to records beyond the first {MOST_RECORDS}"] += 1
                continue
            if len(links) >= most and (link.cause, link.effect) not in links:
                causes.cut[beyond] = _UNKNOWN
                continue
            places[other] = None
            links[link.cause, link.effect] = link
            is_followed = link.rank == 1 or link.rivals < MOST_FOLLOWED
            if other in distances or not is_followed or link.evidence == HINTED:
                continue
            unlikely += link.rank > 1
            if link.rank > 1 and unlikely > MOST_UNLIKELY and not most_edges:
                causes.cut[f"what lies behind unlikely causes{more}"] = _UNKNOWN
            else:
                distances[other] = distances[place] + 1
                if depth is None or distances[other] < depth:
                    waiting.append(other)
    return [*distances, *(place for place in places if place not in distances)], list(
        links.values()
    )


def _is_seen(place: Place, unseen: Mapping[tuple[str, int], int]) -> bool:
    return place.offset < unseen.get(place[:2], place.offset + 1)
