"""State of a record in each group: whether it was handled, and if not, why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from fakebus.broker.activity import READ_UNCOMMITTED
from fakebus.broker.broker import Broker
from fakebus.broker.groups.group import SHARE, GroupDescription
from fakebus.broker.turns import Slices, in_turns
from fakebus.lineage.clients import THE_BUS
from fakebus.lineage.history import COMMITTED, LOST_TRACK, NEWEST, SENT, SKIPPED
from fakebus.lineage.known_clients import KnownClients
from fakebus.lineage.known_notes import KnownNotes
from fakebus.lineage.notes import IS_WHERE_A_READER_BEGINS
from fakebus.lineage.place import Place
from fakebus.lineage.records import PartOfTransaction
from fakebus.lineage.transactions import holding_back, name_of
from fakebus.records.record import Record
from fakebus.storage.lineage_interface import NoteRow
from fakebus.types import TopicPartition
from fakebus.wording import counted

Refusal = Callable[[Collection[str], Record], Awaitable[str | None]]
"""Returns why a service of these names cannot read a record with its declared schema."""
ReadersOf = Callable[[str], Awaitable[Refusal | None]]
"""Returns what a topic's declared readers refuse; ``None`` if none are declared."""
_ACKNOWLEDGED = "acknowledged"
_PASSED = (COMMITTED, _ACKNOWLEDGED)
_POSITIONED = (*_PASSED, SKIPPED, "found")
_MOST = 1000
_UNTOUCHED = MappingProxyType(
    {
        "state": "waiting",
        "certain": True,
        "member": "",
        "service": "",
        "fetched_at_ms": None,
        "attempts": 0,
        "committed_at_ms": None,
        "reason": "",
    }
)
_ABORTED = MappingProxyType(
    {
        "state": "hidden",
        "reason": "its transaction was aborted: readers of committed records leave it out",
    }
)
_LOST = "notes of the last moments before the bus was killed are lost"
_DOUBTS = {
    "waiting": "{}, as far as is known: " + _LOST,
    "handled": "the group is past it; if it was sent it is not known: " + _LOST,
}
"""What is said of a record where what a group did with it may not have been noted."""


class GroupStates:
    """States of records in groups, for the time of one question.

    Args:
        broker: the bus.
        store: what is known of what clients did.
        clients: the clients.
        readers: tells what the declared readers of a topic cannot read.
    """

    def __init__(
        self, broker: Broker, store: KnownNotes, clients: KnownClients, readers: ReadersOf
    ) -> None:
        self._broker = broker
        self._store = store
        self._clients = clients
        self._readers = readers
        self._refusals: dict[str, Refusal | None] = {}
        self._found: dict[Place, list[dict[str, Any]]] = {}
        self.is_past = store.until_ms is not None
        """Whether the states at an earlier time are told, as far as it was noted."""
        self._losses: list[NoteRow] | None = None
        """When something may have been done that is not noted, as the bus was killed."""
        self._groups: dict[str, list[str]] = {}
        self._positioned: dict[str, frozenset[str]] = {}
        """The groups that have committed something, by topic."""
        self._slices = Slices()
        self._joined: dict[str, list[NoteRow]] = {}
        """When which client became which member, the newest first, by group."""

    async def of(
        self,
        place: Place,
        record: Record | None,
        part: PartOfTransaction | None,
        written: NoteRow | None,
    ) -> list[dict[str, Any]]:
        """Return the state of a record in each group that has, or had, to do with its topic.

        Args:
            place: where it is, or was.
            record: what is there.
            part: its part in a transaction.
            written: the note of who wrote it; ``None`` if that is not known any more.
        """
        if place not in self._found:
            self._found[place] = await self._find(place, record, part, written)
        return self._found[place]

    async def _find(
        self,
        place: Place,
        record: Record | None,
        part: PartOfTransaction | None,
        written: NoteRow | None,
    ) -> list[dict[str, Any]]:
        if place.topic not in self._refusals:
            self._refusals[place.topic] = await self._readers(place.topic)
        lost = await self._lost_after(0 if written is None else written.seq)
        sent = await self._store.notes_at(*place, [SENT], _MOST)
        passed = await self._store.notes_at(*place, [*_PASSED, SKIPPED], _MOST)
        delivered = _Delivered(self._clients, sent)
        by_group = _by_group(passed)
        found = []
        for group in await self._groups_of(place):
            # Of hundreds of groups each takes its time, and none has to wait for the store.
            await self._slices.keep()
            own = delivered.to(group, by_group[group])
            if part is not None and part.state == "aborted":
                own = [each for each in own if each.detail == READ_UNCOMMITTED]
                if not own:
                    found.append({"group": group, **_UNTOUCHED, **_ABORTED})
                    continue
            commits = [self._settled(each, own) for each in by_group[group]]
            unsure = lost is not None and not own and not await self._passed_by(group, place, lost)
            is_known = written is not None and not unsure
            if unsure:
                commits = [each for each in commits if _is_sure(each)]
            is_whole = lost is None and is_known
            state = await self._state(
                group, place, record, own, commits, known=is_known, whole=is_whole
            )
            if unsure and (doubt := _DOUBTS.get(state["state"])):
                state |= {"certain": False, "reason": doubt.format(state["reason"])}
            if self.is_past and part is not None and part.state == "open" and not own:
                state |= {"state": "hidden", "reason": "its transaction was open"}
            if part is not None and own and part.state != "committed":
                state["reason"] += f"; it reads uncommitted, and its transaction is {part.state}"
            found.append({"group": group, **state})
        return found

    async def _lost_after(self, seq: int) -> int | None:
        """Return when notes were lost for the first time after one, by number, if they were."""
        if self._losses is None:
            of_all = (THE_BUS,), (0, NEWEST), (LOST_TRACK,), _MOST
            self._losses = await self._store.notes_of_clients(*of_all)
        return min((loss.seq for loss in self._losses if loss.seq > seq), default=None)

    async def _passed_by(self, group: str, place: Place, seq: int) -> bool:
        """Whether a group had passed a record before a note, and so before notes were lost."""
        where = place.topic, place.partition
        notes = await self._store.notes_of_group(group, (COMMITTED, SKIPPED), _MOST, *where)
        return any(each.seq < seq and each.last >= place.offset for each in notes)

    def _settled(self, passed: NoteRow, sent: Sequence[NoteRow]) -> NoteRow:
        """Return a note of what a group has passed, by what is known now.

        What was committed without having been sent, as it seemed, was committed by a process of
        which it was not known yet that it is the one which was sent it.
        """
        was_sent = any(
            before.seq < passed.seq and passed.client in self._clients.of_process(before.client)
            for before in sent
        )
        is_commit = passed.verb == SKIPPED and was_sent
        return passed._replace(verb=COMMITTED) if is_commit else passed

    async def _groups_of(self, place: Place) -> list[str]:
        topic = place.topic
        if topic not in self._groups:
            coordinator = self._broker.group_coordinator
            now, positioned = set(), set()
            async for each in in_turns(coordinator.list_groups()):
                if any(at.topic == topic for at in coordinator.offsets(each.group_id)):
                    positioned.add(each.group_id)
                if each.group_id in positioned or _subscribers(each, topic):
                    now.add(each.group_id)
            self._positioned[topic] = frozenset(positioned)
            found = set() if self.is_past else set(now)
            for group in (self._clients.groups_reading(topic) | now) - found:
                joined = await self._store.notes_of_group(group, ["joined"], _MOST)
                # Or it had a position there once, without having subscribed.
                if any(topic in note.detail.split(", ") for note in joined) or (
                    await self._store.notes_of_group(group, _POSITIONED, 1, topic)
                ):
                    found.add(group)
            self._groups[topic] = sorted(found)
        passed = await self._store.notes_at(*place, _PASSED, _MOST)
        return sorted({*self._groups[topic], *(note.group for note in passed if note.group)})

    async def _state(
        self,
        group: str,
        place: Place,
        record: Record | None,
        sent: Sequence[NoteRow],
        commits: Sequence[NoteRow],
        *,
        known: bool,
        whole: bool,
    ) -> dict[str, Any]:
        coordinator = self._broker.group_coordinator
        position = TopicPartition(place.topic, place.partition)
        committed = coordinator.committed_offset(group, position)
        if self.is_past:
            newest = await self._store.notes_of_group(group, (COMMITTED, SKIPPED), 1, *position)
            committed = newest[0].last + 1 if newest else None
        # Share groups acknowledge one by one, also behind what they are not done with.
        acknowledged = any(each.verb == _ACKNOWLEDGED for each in commits)
        is_passed = acknowledged or (
            bool(commits) if committed is None else committed > place.offset
        )
        told: dict[str, Any] = {**_UNTOUCHED, "attempts": len(sent)}
        if sent:
            told["fetched_at_ms"] = sent[-1].at_ms
            told["service"] = self._clients.service(sent[-1].client)
            told["member"] = await self._member(group, sent[-1])
        if is_passed:
            self._tell_passed(told, sent, commits, known=known)
            if whole and sent and not commits and self._is_share(group):
                told["state"] = "skipped"
                told["reason"] = (
                    f"given up after {counted(len(sent), 'delivery', 'deliveries')}: no member has "
                    "accepted it"
                )
        refused = None
        if record is not None and (refusal := self._refusals[place.topic]) is not None:
            services = {group, *map(self._clients.service, self._clients.of_group(group))}
            refused = await refusal(services, record)
        if refused is not None and told["state"] != "skipped":
            told["state"] = "unreadable"
            told["reason"] = (
                f"the schema that is declared for {group} cannot read it: {refused}"
                + ("; it was committed all the same" if is_passed else "")
            )
        elif not is_passed:
            self._tell_open(told, group, place, record, sent)
        return told

    def _is_share(self, group: str) -> bool:
        """Whether members of a group acknowledge records one by one."""
        found = self._broker.group_coordinator.get(group)
        return found is not None and found.group_type == SHARE

    async def _member(self, group: str, sent: NoteRow) -> str:
        """Return which member of a group a client was when it was sent records."""
        if group not in self._joined:
            rows = await self._store.notes_of_group(group, ["joined"], _MOST)
            self._joined[group] = [self._clients.completed(each) for each in rows]
        client = self._clients.completed(sent).client
        found = (row for row in self._joined[group] if row.seq < sent.seq and row.client == client)
        return next((row.member for row in found), "")

    def _tell_passed(
        self,
        told: dict[str, Any],
        sent: Sequence[NoteRow],
        commits: Sequence[NoteRow],
        *,
        known: bool,
    ) -> None:
        done = next((each for each in commits if each.verb in _PASSED), None)
        if done is not None:
            told["committed_at_ms"] = done.at_ms
            told["member"] = done.member or told["member"]
            told["service"] = self._clients.service(done.client) or told["service"]
        first = sent[0] if sent else None
        skip = next((each for each in commits if each.verb == SKIPPED), None)
        is_skip = done is None and skip is not None
        if first is not None and not is_skip and (done is None or first.seq < done.seq):
            told["state"] = "handled"
            took = "" if done is None else f" {max(0, done.at_ms - first.at_ms)} ms"
            times = f", at the {counted(len(sent), 'delivery', 'deliveries')}" if sent[1:] else ""
            is_one = done is not None and done.verb == _ACKNOWLEDGED
            how = (done.detail or _ACKNOWLEDGED) if done is not None and is_one else "committed"
            told["reason"] = f"{how}{took} after it was sent{times}"
        elif known or is_skip:
            told["state"] = "skipped"
            how = f": {skip.detail}" if skip is not None and skip.detail else ""
            sent_too = "" if first is not None else " and no member was sent it"
            told["reason"] = f"the group's offset was set past it{sent_too}{how}"
        else:
            told["state"] = "handled"
            told["reason"] = "committed before anything that is remembered"

    def _tell_open(
        self,
        told: dict[str, Any],
        group: str,
        place: Place,
        record: Record | None,
        sent: Sequence[NoteRow],
    ) -> None:
        times = counted(len(sent), "time")
        if self.is_past:
            told["state"] = "fetched" if sent else "waiting"
            told["reason"] = f"sent {times} and not committed" if sent else "not sent yet"
            return
        topic = self._broker.topics.get(place.topic)
        log = topic.partition(place.partition) if topic is not None else None
        description = self._broker.group_coordinator.describe(group)
        if log is None:
            told["state"], told["reason"] = "gone", "the topic was deleted before it was committed"
        elif not sent and log.last_stable_offset <= place.offset < log.high_watermark:
            holder = holding_back(self._broker.transactions, log)
            told["state"], told["reason"] = "hidden", f"it waits for the end of {holder}"
        elif record is None:
            how = "retention or a deletion" if place.offset < log.log_start_offset else "compaction"
            told["state"], told["reason"] = "gone", f"{how} has taken it before it was committed"
        elif sent:
            told["state"] = "fetched"
            told["reason"] = f"sent {times} and not committed"
        else:
            told["state"], told["member"], told["reason"] = _waiting(description, place)
            positioned = self._positioned.get(place.topic, ())
            if told["state"] == "not_subscribed" and group in positioned:
                told["state"] = "waiting"
                told["reason"] = "the group has no member that is subscribed to the topic"


class _Delivered:
    """Notes of who was sent a record, by the groups that it may have been sent for.

    Args:
        clients: the clients.
        sent: the notes, oldest first.
    """

    def __init__(self, clients: KnownClients, sent: Iterable[NoteRow]) -> None:
        self._clients = clients
        self._by_group = _by_group(sent, lambda each: clients.completed(each).group)

    def to(self, group: str, passed: Sequence[NoteRow]) -> list[NoteRow]:
        """Return those by which members of a group were sent the record.

        Args:
            group: the group.
            passed: the notes of its passing the record.
        """
        members = self._clients.of_group(group)
        for each in passed:
            if name_of(each):
                # The producer commits what a consumer beside it was sent, a member or not.
                members = members.union(self._clients.of_process(each.client))
        mine = sorted({*self._by_group[group], *self._by_group[""]})
        committers = {each.client for each in passed if each.verb == COMMITTED}
        return [each for each in mine if each.client in members] or [
            each
            for each in mine
            if any(self._clients.may_be_one(each.client, other) for other in committers)
        ]


def _by_group(
    notes: Iterable[NoteRow], group_of: Callable[[NoteRow], str] = attrgetter("group")
) -> Mapping[str, list[NoteRow]]:
    """Return notes by group, in their order; of a group without any none."""
    found: dict[str, list[NoteRow]] = defaultdict(list)
    for each in notes:
        found[group_of(each)].append(each)
    return found


def _is_sure(passed: NoteRow) -> bool:
    """Whether a note says what is so also where it is not known what the group was sent."""
    return passed.verb != SKIPPED or IS_WHERE_A_READER_BEGINS in passed.detail


def _subscribers(description: GroupDescription, topic: str) -> list[str]:
    """Return the ids of the members that are subscribed to a topic."""
    return [member.member_id for member in description.members if topic in (member.topics or ())]


def _waiting(description: GroupDescription | None, place: Place) -> tuple[str, str, str]:
    """Return state, member and reason of a record that no member of a group was sent."""
    if description is None or not description.members:
        subscribed = description is not None
        state = "waiting" if subscribed else "not_subscribed"
        return state, "", "the group has no member"
    for member in description.members:
        if TopicPartition(place.topic, place.partition) in member.partitions:
            who = member.client_id or member.member_id
            return "waiting", member.member_id, f"{who} owns the partition and was not sent it yet"
    if _subscribers(description, place.topic):
        return "waiting", "", "no member owns the partition yet: the group is rebalancing"
    return "not_subscribed", "", "no member is subscribed to the topic"
