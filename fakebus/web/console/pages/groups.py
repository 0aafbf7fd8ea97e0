"""Consumer groups: who reads what, how far behind, and from where on they read next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set

from fakebus.client.groups import GroupDetails
from fakebus.client.positions import POSITION_HELP, parse_position
from fakebus.cluster.group_offsets import OffsetMove, preview_reset, waiting_since
from fakebus.cluster.interface import Cluster, GroupSummary, NotFoundError
from fakebus.errors import ConfigError
from fakebus.lineage.why.explanation import CAUSES
from fakebus.real_time import monotonic
from fakebus.types import TopicPartition
from fakebus.web.console.addresses import page_url, record_url
from fakebus.web.console.browse import explain, past
from fakebus.web.console.call import Call, Page, Redirect, is_number
from fakebus.web.console.group_work import shared_work, streams_work
from fakebus.web.console.health import is_stuck
from fakebus.web.console.past_progress import PastProgress, past_progress
from fakebus.web.console.rendering import laid_out
from fakebus.web.errors import RequestError

_MAX_ROWS = 500
_WAITING_S = 0.3
"""For how long a page looks how old the records are that wait for groups."""
_PAST_S = 1.0
"""For how long a page looks how groups were."""
_MOST_EVIDENCE = 20_000


async def index(call: Call) -> Page:
    """List groups, those first that are furthest behind."""
    wanted = call.query.text("q").lower()
    groups = [g for g in await call.cluster.groups() if wanted in g.name.lower()]
    groups.sort(key=lambda group: (-(group.lag or 0), group.name))
    stuck = {group.name for group in groups if is_stuck(group)}
    empty = {group.name for group in groups if group.name in stuck and not group.members}
    unread = set() if call.cluster.is_external else await _unread(call, empty)
    then, problem = dict[str, PastProgress](), ""
    try:
        then = await _then(call, groups)
    except ConfigError as error:
        problem = explain(error)
    return Page(
        template="groups.html",
        status=400 if problem else 200,
        values={
            "groups": groups[:_MAX_ROWS],
            "left": max(len(groups) - _MAX_ROWS, 0),
            "stuck": stuck - unread,
            "unread": unread,
            "waiting_s": await _waiting(call.cluster, groups),
            "wanted": call.query.text("q"),
            "as_of": call.query.text("as_of"),
            "then": then,
            "problem": problem,
        },
    )


async def _then(call: Call, groups: Sequence[GroupSummary]) -> dict[str, PastProgress]:
    """Return how groups were at the time that is asked for, as far as there is time for it."""
    found, until = dict[str, PastProgress](), monotonic() + _PAST_S
    moment = past(call.query.text("as_of"), call.cluster.now_ms())
    for group in groups[:_MAX_ROWS] if moment is not None else ():
        details = await call.cluster.find_group(group.name)
        if details is None or moment is None or monotonic() > until:
            continue
        found[group.name] = await past_progress(call.cluster, details, moment.number)
    return found


async def _unread(call: Call, names: Set[str]) -> Set[str]:
    """Return the groups that nobody has read yet: fixtures or a reset have put them somewhere."""
    bus = call.cluster.bus("who has read") if names else None
    if bus is None:
        return set()
    clients = await bus.lineage.list_clients()
    coordinator = bus.broker.group_coordinator
    committed = {
        name
        for name in names
        if any(coordinator.history.commits(name, place) for place in coordinator.offsets(name))
    }
    return names - committed - {name for client in clients for name in client["groups"]}


async def _waiting(cluster: Cluster, groups: Sequence[GroupSummary]) -> dict[str, float]:
    """Return for how many seconds groups have had something to read, as far as that is quick."""
    found, until = {}, monotonic() + _WAITING_S
    for group in groups:
        if not group.lag or monotonic() > until:
            break
        try:
            since = await waiting_since(cluster, await cluster.group(group.name))
        except NotFoundError:
            # It was deleted after the groups were listed.
            continue
        if since:
            found[group.name] = max(cluster.now_ms() - min(since.values()), 0) / 1000
    return found


async def show(call: Call) -> Page:
    """Show a group, and what a reset would change if one is asked for."""
    group = await call.cluster.group(call.query.raw("name"))
    since = await waiting_since(call.cluster, group)
    now_ms = call.cluster.now_ms()
    lags = [each.lag for each in group.partitions if each.lag is not None]
    broker = None if call.cluster.is_external else call.cluster.bus("what members run").broker
    target, moves, problem, then = call.query.text("to"), list[OffsetMove](), "", None
    try:
        moment = past(call.query.text("as_of"), now_ms)
        if moment is not None:
            then = await past_progress(call.cluster, group, moment.number)
        if target:
            moves = await _preview(call, group, target)
    except ConfigError as error:
        problem = explain(error)
    return Page(
        template="group.html",
        status=400 if problem else 200,
        values={
            "group": group,
            "as_of": call.query.text("as_of"),
            "then": then,
            "readers": _readers(group),
            "shared": broker and shared_work(broker, group),
            "streams": broker and streams_work(broker, group),
            "lag": sum(lags) if lags else None,
            "behind_s": {p: max(now_ms - ms, 0) / 1000 for p, ms in since.items()},
            "topics": list(dict.fromkeys(p.topic_partition.topic for p in group.partitions)),
            "target": target,
            "topic": call.query.text("topic"),
            "moves": moves,
            "problem": problem,
            "position_help": POSITION_HELP,
        },
    )


def _readers(group: GroupDetails) -> dict[TopicPartition, list[str]]:
    """Return who reads each partition, which only share groups have several readers of."""
    found: dict[TopicPartition, list[str]] = defaultdict(list)
    for member in group.members:
        for place in member.partitions:
            found[place].append(member.client_id)
    return found


async def why(call: Call) -> Page:
    """Tell why a group does not get on."""
    name = call.query.raw("name")
    found = await call.cluster.why(name)
    if found is None:
        await call.cluster.group(name)  # says which ones there are
        raise RequestError(404, f"there is no group {name!r}")
    evidence = [laid_out(cause["evidence"])[:_MOST_EVIDENCE] for cause in found["causes"]]
    return Page(
        template="why.html",
        values={
            "found": found,
            "evidence": evidence,
            "kinds": len(CAUSES),
            "place_url": record_url,
        },
    )


async def _preview(call: Call, group: GroupDetails, target: str) -> list[OffsetMove]:
    position = parse_position(target, call.cluster.now_ms())
    topic = call.query.text("topic")
    if topic:
        places = list(await call.cluster.ranges([topic]))
    else:
        places = [each.topic_partition for each in group.partitions if each.log is not None]
    return await preview_reset(call.cluster, group.name, dict.fromkeys(places, position))


async def reset(call: Call) -> Redirect:
    """Move the group to the offsets of a preview."""
    name = call.form.raw("name")
    await call.cluster.set_offsets(name, _moves(call))
    return Redirect(url=page_url("group", name=name), done="The group has been moved.")


def _moves(call: Call) -> Mapping[TopicPartition, int]:
    moves = {}
    for text in call.form.all("move"):
        place, _, offset = text.rpartition("@")
        topic, _, partition = place.rpartition("-")
        if not (is_number(partition) and is_number(offset)):
            raise RequestError(400, "the form is broken; load the page again")
        moves[TopicPartition(topic, int(partition))] = int(offset)
    if not moves:
        raise RequestError(400, "nothing is to be moved")
    return moves


async def delete(call: Call) -> Redirect:
    """Delete a group."""
    name = call.form.raw("name")
    if call.form.text("confirm") != name.strip():
        raise RequestError(400, f"nothing was done: type the group's name, {name}, to confirm")
    await call.cluster.delete_group(name)
    return Redirect(url=page_url("groups"), done=f"The group {name} has been deleted.")
