"""Walk along the links of records, and what is told of it.

What comes out is what ``fakebus flow --json`` prints and ``/_fakebus/v1/flow`` answers.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from fakebus.broker.turns import Slices
from fakebus.lineage.causes import Causes
from fakebus.lineage.flow_json import told_edge, told_record
from fakebus.lineage.group_states import GroupStates
from fakebus.lineage.known_clients import KnownClients
from fakebus.lineage.links import HINTED, Link
from fakebus.lineage.place import Place
from fakebus.lineage.records import Records
from fakebus.real_time import monotonic

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
_UNKNOWN = -1
"""How much was left out where nobody has counted."""


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
    causes.begin()
    cut = Counter[str]()
    places, links = await _walk(causes, starts, depth, unseen, most_edges, cut)
    await records.load(places)
    told: dict[Place, dict[str, Any]] = {}
    moments: dict[Place, tuple[int, int, Place]] = {}
    # Those that were asked for and what follows surely from them come first.
    slices = Slices()
    for place in places:
        # What others have asked before takes no waiting, and still its time.
        await slices.keep()
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
        cut["records' states in groups"] += len(places) - MOST_STATES
    links.sort(key=lambda link: (*moments[link.effect], link.rank))
    return {
        "records": [told[place] for place in sorted(told, key=lambda place: moments[place])],
        "edges": [told_edge(link, told) for link in links],
        "left_out": [
            what if count == _UNKNOWN else f"{count} {what}"
            for what, count in {**causes.cut, **cut}.items()
            if count
        ],
    }


async def _walk(
    causes: Causes,
    starts: Iterable[Place],
    depth: int | None,
    unseen: Mapping[tuple[str, int], int],
    most_edges: int | None,
    cut: Counter[str],
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
    until, slices = monotonic() + WALK_S, Slices()
    while waiting:
        if monotonic() > until or len(links) >= most:
            late = f"what was not found within {WALK_S:g} s"
            cut[beyond if len(links) >= most else late] = _UNKNOWN
            break
        place = waiting.popleft()
        for link in [*await causes.of(place), *await causes.effects(place)]:
            await slices.keep()
            other = link.cause if link.effect == place else link.effect
            if not is_seen(other, unseen):
                continue
            if other not in places and len(places) >= MOST_RECORDS:
                cut[f"links to records beyond the first {MOST_RECORDS}"] += 1
                continue
            if len(links) >= most and (link.cause, link.effect) not in links:
                cut[beyond] = _UNKNOWN
                continue
            places[other] = None
            links[link.cause, link.effect] = link
            is_followed = link.rank == 1 or link.rivals < MOST_FOLLOWED
            if other in distances or not is_followed or link.evidence == HINTED:
                continue
            unlikely += link.rank > 1
            if link.rank > 1 and unlikely > MOST_UNLIKELY and not most_edges:
                cut[f"what lies behind unlikely causes{more}"] = _UNKNOWN
            else:
                distances[other] = distances[place] + 1
                if depth is None or distances[other] < depth:
                    waiting.append(other)
    return [*distances, *(place for place in places if place not in distances)], list(
        links.values()
    )


def is_seen(place: Place, unseen: Mapping[tuple[str, int], int]) -> bool:
    """Whether a record lies before what is left out, which is given by partition."""
    return place.offset < unseen.get(place[:2], place.offset + 1)
