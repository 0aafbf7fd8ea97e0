"""View of a group of a bus of our own, and why it is stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from fakebus.broker.activity import Origin
from fakebus.broker.broker import Broker
from fakebus.broker.fault import KAFKA, Api, Fault
from fakebus.broker.fetch_positions import FetchStream
from fakebus.broker.fetching import IsolationLevel
from fakebus.broker.groups.group import SHARE, GroupDescription, MemberDescription
from fakebus.broker.groups.history import Search, Whereabouts
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.share_delivery.partition import SharePartition
from fakebus.broker.share_delivery.runs import RecordState
from fakebus.broker.topics import Topics
from fakebus.broker.turns import in_turns
from fakebus.lineage.known_clients import KnownClients
from fakebus.lineage.lineage import Lineage
from fakebus.lineage.transactions import holding_back
from fakebus.lineage.why.cause import SEARCH_MS
from fakebus.lineage.why.explanation import explain
from fakebus.lineage.why.given_records import given_from
from fakebus.lineage.why.view import (
    UNKNOWN,
    GroupEvent,
    GroupView,
    InFlight,
    Member,
    Program,
    Progress,
    Shared,
)
from fakebus.storage.lineage_interface import NoteRow
from fakebus.types import TopicPartition

_PRODUCE = Api(KAFKA, "Produce")
_CONSUMER_APIS = frozenset(
    "ApiVersions Metadata FindCoordinator JoinGroup SyncGroup Heartbeat OffsetFetch ListOffsets "
    "Fetch OffsetCommit LeaveGroup ConsumerGroupHeartbeat ShareGroupHeartbeat ShareFetch "
    "ShareAcknowledge StreamsGroupHeartbeat".split()
)
"""What consumers ask."""
_VERBS = ("was assigned", "left", "expelled", "rebalancing", "commit refused")
_MOST_NOTES = 500


async def explain_group(broker: Broker, lineage: Lineage, name: str) -> dict[str, Any] | None:
    """Return what is the matter with a group of a bus; ``None`` if there is no such group.

    A group that clients have looked for, and could not come to, is one too.
    """
    view = await view_group(broker, lineage, name)
    # Finding out takes long where a group has thousands of partitions.
    return None if view is None else await asyncio.to_thread(explain, view)


async def view_group(broker: Broker, lineage: Lineage, name: str) -> GroupView | None:
    """Return a group as it is now, ``None`` if nobody has ever named it."""
    await lineage.settle()
    joined = await lineage.store.notes_of_group(name, ("joined",), _MOST_NOTES)
    others = await lineage.store.notes_of_group(name, _VERBS, _MOST_NOTES)
    programs = {note.member: _program(lineage, note.client) for note in reversed(joined)}
    events = tuple(_events(sorted((*joined, *others)), programs))
    coordinator = broker.group_coordinator
    described, search = coordinator.describe(name), coordinator.history.search(name)
    if described is None and search is None and not events:
        return None
    found = () if described is None else described.members
    members = tuple(
        _member(each, programs.get(each.member_id) or Program(client_id=each.client_id))
        for each in found
    )
    programs_seen = [member.program for member in members] + [event.program for event in events]
    clients = {program.client_id for program in programs_seen} - {""}
    if search is None and not members:
        # Who has been a member since the bus has started has come here.
        here = {each.origin.client_id for each in broker.activity.newest if each.group == name}
        services = {program.service for program in programs_seen}
        astray = (
            each
            for each in astray_clients(broker)
            if each.client_id in clients - here and _service_of(lineage, each) in services
        )
        search = next(astray, None)
    partitions = [
        await _looked_up(broker, lineage, part)
        async for part in in_turns(_progress(broker, lineage, name, members, clients))
    ]
    return GroupView(
        name=name,
        state="Dead" if described is None else described.state,
        now_ms=broker.clock.now_ms(),
        since_ms=None if described is None else described.since_ms,
        members=members,
        partitions=partitions,
        topics=_TopicSizes(broker.topics),
        events=events,
        missing_topics=broker.activity.missing_topics(),
        faults=(
            *_faults(broker, name, described, partitions),
            *_faults_of_writes(
                broker,
                _writers(lineage, members, joined) if any(map(_waits, partitions)) else {},
            ),
        ),
        search=search,
        given_up=await _given_up(broker, lineage, name),
        **_sharing(broker, described),
    )


async def _given_up(broker: Broker, lineage: Lineage, name: str) -> list[InFlight]:
    """Return what a share group has given up since it accepted a record of the partition last."""
    verbs = "given up", "acknowledged"
    partitions = broker.shares.in_flight(name)
    found, is_over = list[InFlight](), set[TopicPartition]()
    for note in await lineage.store.notes_of_group(name, verbs, _MOST_NOTES):
        place = TopicPartition(note.topic, note.partition)
        if note.verb != "given up":
            if not note.detail:
                is_over.add(place)
        elif place not in is_over and place in partitions:
            # A group that was set back since gets them anew.
            if partitions[place].is_done(note.first):
                count = int(note.detail.split()[1])
                found.append(InFlight(place, note.first, note.last, count))
    return found[::-1]


def _sharing(broker: Broker, described: GroupDescription | None) -> dict[str, Any]:
    """Return what a view says of share groups alone."""
    if described is None or described.group_type != SHARE:
        return {}
    name, shares = described.group_id, broker.shares
    config = shares.config_of(name)
    sessions = (shares.sessions.get(name, each.member_id) for each in described.members)
    lasts_s = config.get_int("share.record.lock.duration.ms") / 1000
    now_s = broker.clock.monotonic()
    return {
        "shares": True,
        "delivery_limit": config.get_int("share.delivery.count.limit"),
        "asked_ms": {
            each.member_id: broker.clock.now_ms() if each.fetch is not None else each.asked_ms
            for each in sessions
            if each is not None
        },
        "in_flight": [
            InFlight(
                delivery.log.topic_partition,
                run.first,
                run.last,
                run.deliveries,
                run.member_id,
                round((now_s - run.due_s + lasts_s) * 1000) if run.member_id else 0,
            )
            for delivery in shares.of_group(name)
            for run in delivery.partition.unfinished_runs()
            if run.deliveries
        ],
    }


def astray_clients(broker: Broker) -> list[Search]:
    """Return the clients that were told where the brokers are and did nothing for a while."""
    done_ms: dict[Whereabouts, int] = {}
    for each in reversed(broker.activity.newest):
        if each.verb != "asked for":
            where = Whereabouts.of(each.origin.client_id, each.origin.peer)
            done_ms.setdefault(where, each.at_ms)
    before_ms = broker.clock.now_ms() - SEARCH_MS
    found = broker.group_coordinator.history.astray(done_ms)
    return [each for each in found if each.since_ms <= before_ms]


def _service_of(lineage: Lineage, search: Search) -> str:
    """Return the service of a client that looks for a group: many call themselves ``rdkafka``."""
    gone = Origin(front_end="kafka", client_id=search.client_id, peer=search.peer, closed=True)
    return lineage.service_of(gone)


async def _looked_up(broker: Broker, lineage: Lineage, part: Progress) -> Progress:
    """Return the progress in a partition with what only stored data tell of it."""
    if part.is_lost:
        return replace(part, lost_by=await _lost_by(lineage, part))
    log = broker.topics.logs.get(part.place)
    if log is None or part.shared is not None or not part.waiting:
        return part
    stream = part.stream or part.last_stream
    reads_committed = stream is not None and stream.reads_committed
    return replace(part, given_from=await given_from(log, part.handled_to, reads_committed))


async def _lost_by(lineage: Lineage, part: Progress) -> str:
    at = 0 if part.committed is None else part.committed
    notes = await lineage.store.notes_at(*part.place, at, ("records deleted",), 1)
    return notes[0].detail if notes else ""


def _program(lineage: Lineage, number: int) -> Program:
    client = lineage.clients.by_number.get(number)
    if client is None:
        return UNKNOWN
    told = lineage.clients.told(client, 0)
    is_idle = told["connected"] and len(told["groups"]) == 1 and not told["produces"]
    return Program(
        **{name: told[name] for name in ("client_id", "service", "process", "address")},
        is_idle=is_idle,
        is_gone=not told["connected"],
    )


def _events(notes: Iterable[NoteRow], programs: Mapping[str, Program]) -> Iterator[GroupEvent]:
    """Yield what notes say of a group; a commit of many partitions is refused once."""
    seen: set[tuple[object, ...]] = set()
    for note in notes:
        program = programs.get(note.member, UNKNOWN)
        key = note.at_ms, note.verb, note.member, note.detail
        if note.verb != "commit refused" or key not in seen:
            detail = note.detail.removeprefix(f"{program.client_id}: ")
            yield GroupEvent(note.at_ms, note.verb, note.member, detail, program)
        seen.add(key)


class _TopicSizes(Mapping[str, int]):
    """Sizes of topics in records; counted when they are asked for, as few need them."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._names = tuple(topic.name for topic in topics if not topic.is_internal)

    def __getitem__(self, name: str) -> int:
        topic = self._topics.get(name)
        if topic is None:
            raise KeyError(name)
        return sum(log.high_watermark - log.log_start_offset for log in topic.partitions)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _member(member: MemberDescription, program: Program) -> Member:
    return Member(
        member_id=member.member_id,
        program=program,
        host=member.client_host,
        topics=member.topics,
        partitions=member.partitions,
        is_missing=member.is_missing,
        silent_ms=member.silent_ms,
        session_timeout_ms=member.session_timeout_ms,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
    )


def _progress(
    broker: Broker,
    lineage: Lineage,
    group: str,
    members: Iterable[Member],
    clients: Collection[str],
) -> Iterator[Progress]:
    coordinator, positions = broker.group_coordinator, broker.activity.positions
    shared = {each.log.topic_partition: each.partition for each in broker.shares.of_group(group)}
    reads_all = broker.shares.isolation(group) is IsolationLevel.READ_UNCOMMITTED
    owners = {place: member for member in members for place in member.partitions}
    offsets = coordinator.offsets(group)

    def is_ours(stream: FetchStream) -> bool:
        return stream.group == group or (not stream.group and stream.client_id in clients)

    for place in sorted({*offsets, *owners}):
        log = broker.topics.logs.get(place)
        if log is None:
            continue
        row, owner, delivery = offsets.get(place), owners.get(place), shared.get(place)
        sees_all = delivery is not None and reads_all
        mine = [
            stream
            for stream in positions.at(place)
            if owner is not None and is_ours(stream) and stream.client_id == owner.client_id
        ]
        yield Progress(
            place=place,
            committed=None if row is None else row.offset,
            start=log.log_start_offset,
            end=log.high_watermark,
            stable_end=log.high_watermark if sees_all else log.last_stable_offset,
            shared=None if delivery is None else _shared(log, delivery),
            transaction=holding_back(broker.transactions, log, lineage.service_of),
            member=owner,
            stream=max(mine, key=lambda stream: stream.asked_ms, default=None),
            last_stream=next(filter(is_ours, reversed(positions.closed(place))), None),
            commits=coordinator.history.commits(group, place),
            beginnings=[each for each in positions.beginnings(place) if is_ours(each.stream)],
        )


def _shared(log: PartitionLog, delivery: SharePartition) -> Shared:
    given_back = sum(
        run.last - run.first + 1
        for run in delivery.unfinished_runs()
        if run.state is RecordState.AVAILABLE
    )
    new = max(log.high_watermark - delivery.end_offset, 0)
    return Shared(delivery.start_offset, delivery.finished, given_back + new)


def _waits(part: Progress) -> bool:
    return part.waiting > 0


def _writers(
    lineage: Lineage, members: Iterable[Member], joined: Iterable[NoteRow]
) -> Mapping[str, set[str]]:
    """Return the client ids in the processes of a group's members, and what each writes to."""
    ids = {member.member_id for member in members}
    known, found = KnownClients(lineage.clients, 0), dict[str, set[str]]()
    for number in {note.client for note in joined if note.member in ids}:
        for each in known.of_process(number):
            told = known.told(each)
            if told.get("produces"):
                found.setdefault(told["client_id"], set()).update(told["produces"])
    return found


def _faults_of_writes(broker: Broker, writers: Mapping[str, set[str]]) -> Iterator[Fault]:
    """Yield the faults that have happened to what a group's services write for what they read."""
    for fault in broker.faults.in_force():
        is_of_writes = fault.api is not None and fault.api == _PRODUCE and fault.group is None
        wanted = (
            topic
            for client_id, topics in writers.items()
            for topic in topics
            if fault.client_id in (None, client_id) and fault.topic in (None, topic)
        )
        if is_of_writes and fault.fired and any(wanted):
            yield fault


def _faults(
    broker: Broker,
    group: str,
    described: GroupDescription | None,
    partitions: Iterable[Progress],
) -> Iterator[Fault]:
    """Yield the faults that may still happen to what the group's clients ask."""
    topics = {part.place.topic for part in partitions}
    clients = {member.client_id for member in described.members} if described else set()
    for fault in broker.faults.in_force():
        is_asked = fault.api is None or (
            fault.api.front_end == KAFKA and fault.api.name in _CONSUMER_APIS
        )
        if (
            is_asked
            and fault.group in (None, group)
            and (fault.topic is None or fault.topic in topics)
            and (fault.client_id is None or fault.client_id in clients)
        ):
            yield fault
