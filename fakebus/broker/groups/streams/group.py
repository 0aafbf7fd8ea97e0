"""A streams group: its topology, its members, and the tasks that each has (KIP-1071)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fakebus.broker.groups.coordinated import CoordinatedGroup, CoordinatedMember
from fakebus.broker.groups.group import STREAMS, ModernMember
from fakebus.broker.groups.requests import OffsetCommit
from fakebus.broker.groups.sessions import Session
from fakebus.broker.groups.stored import pack, unpacked
from fakebus.broker.groups.streams.assignor import NO_TASKS, TaskShare, assign_tasks
from fakebus.broker.groups.streams.requests import Endpoint, EndpointTopics
from fakebus.broker.groups.streams.topology import (
    ConfiguredTopology,
    TaskId,
    Topology,
    configure,
)
from fakebus.broker.topics import Topic, Topics
from fakebus.errors import ErrorCode
from fakebus.types import TopicPartition

_GROUP_FIELDS = (
    *("epoch", "assignment_epoch", "assigned_at_ms", "topics_digest", "state_since_ms"),
    "endpoint_epoch",
)
_MEMBER_FIELDS = (
    *("member_id", "rack_id", "client_id", "client_host", "session_timeout_ms", "process_id"),
    *("rebalance_timeout_ms", "epoch", "previous_epoch"),
)


@dataclass(slots=True, eq=False, kw_only=True)
class StreamsMember(CoordinatedMember):
    """One thread of a Streams application, as the group knows it."""

    process_id: str = ""
    endpoint: Endpoint | None = None
    tags: tuple[tuple[str, str], ...] = ()
    tasks: TaskShare = NO_TASKS
    revoking: TaskShare = NO_TASKS
    """What it is to give up, and runs until it says that it does not."""
    is_settled: bool = True
    """Whether it has all of its share that it can have in its epoch."""


class StreamsGroup(CoordinatedGroup[StreamsMember, TaskShare]):
    """One application of Kafka Streams; the digest of its topics is that of its tasks.

    Args:
        group_id: the group's name.
        topics: the topics that there are.
        now_ms: the time, in milliseconds since the epoch.
    """

    group_type = protocol_type = STREAMS
    assignor = "sticky"

    def __init__(self, group_id: str, topics: Topics, now_ms: int) -> None:
        super().__init__(group_id, topics, now_ms)
        self.assignment_epoch = 1
        self.delayed_until_ms = 0
        """Until when a new group waits for more members."""
        self.topics_changed = True
        self.endpoint_epoch = 0
        """How often the tasks of members with endpoints have changed."""
        self.replicas: int | None = None
        """How many standby tasks each task with state was to have at the last heartbeat."""
        self.shut_down_by = ""
        self.topology: Topology | None = None
        self.configured = ConfiguredTopology()

    # -- states --

    @property
    def state(self) -> str:
        """The state, as clients are told it."""
        if not self.members:
            return "Empty"
        if self.topology is None or not self.configured.is_ready:
            return "NotReady"
        if self.epoch > self.assignment_epoch:
            return "Assigning"
        if all(map(self.is_reconciled, self.members.values())):
            return "Stable"
        return "Reconciling"

    def is_reconciled(self, member: StreamsMember) -> bool:
        """Whether a member has what the target assignment gives it."""
        is_current = member.epoch == self.assignment_epoch
        return is_current and member.is_settled and not any(member.revoking)

    # -- topics and tasks --

    def size_of(self, name: str) -> int | None:
        """Return the number of partitions of a topic, ``None`` if there is none."""
        topic = self._topics.get(name)
        return None if topic is None else len(topic.partitions)

    def _own_topics(self) -> frozenset[str]:
        if self.topology is None:
            return frozenset()
        internal = {topic.name for topic in self.topology.internal_topics()}
        return self.topology.source_topics | internal

    def topic_changed(self, topic: Topic) -> None:
        """Notice that a topic was created, has grown or is deleted."""
        self.topics_changed = self.topics_changed or topic.name in self._own_topics()

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether the application reads the topic."""
        return bool(self.members) and topic in self._sources()

    def _sources(self) -> frozenset[str]:
        subtopologies = () if self.topology is None else self.topology.subtopologies
        return frozenset(name for each in subtopologies for name in each.sources)

    def configure(self) -> str:
        """Find out anew which tasks there are; return a text that changes with them."""
        self.topics_changed = False
        if self.topology is not None:
            self.configured = configure(self.topology, self.size_of)
        return json.dumps(sorted(self.configured.tasks.items()))

    def assign(self, replicas: int, now_ms: int) -> None:
        """Make the target assignment for the present epoch.

        Args:
            replicas: how many standby tasks each task with state has.
            now_ms: the time, in milliseconds since the epoch.
        """
        subtopologies = () if self.topology is None else self.topology.subtopologies
        self.targets = assign_tasks(
            {each.member_id: each.process_id for each in self.members.values()},
            [TaskId(name, n) for name, size in self.configured.tasks.items() for n in range(size)],
            frozenset(each.subtopology_id for each in subtopologies if each.changelogs),
            replicas,
            self.targets,
        )
        self.assignment_epoch = self.epoch
        if self.configured.is_ready:
            self.assigned_at_ms = now_ms

    def partitions_of(self, tasks: frozenset[TaskId]) -> dict[str, list[int]]:
        """Return the partitions of source topics that tasks read, by topic."""
        found: dict[str, list[int]] = {}
        by_id = {each.subtopology_id: each for each in getattr(self.topology, "subtopologies", ())}
        for task in sorted(tasks):
            for name in by_id[task.subtopology_id].sources if task.subtopology_id in by_id else ():
                if task.partition < (self.size_of(name) or 0):
                    found.setdefault(name, []).append(task.partition)
        return found

    def endpoints(self) -> Iterator[EndpointTopics]:
        """Yield what members have at their endpoints."""
        for member in self.members.values():
            if member.endpoint is not None:
                active, standby = map(self.partitions_of, member.tasks)
                yield EndpointTopics(member.endpoint, active, standby)

    # -- members --

    def reconcile(self, member: StreamsMember, owned: TaskShare | None) -> None:
        """Move a member towards its share, one heartbeat at a time.

        First it gives up what it is not to run, and stays in its epoch until it has said so; then
        it gets what nobody has any more. As in Kafka, what it has just given up and is to have
        after all it gets with its next heartbeat.

        Args:
            member: the member.
            owned: the tasks that it says that it has; ``None`` if it says nothing of it.
        """
        waits = any(member.revoking)
        if (waits and _has(owned, member.revoking)) or self.is_reconciled(member):
            return
        target = self.targets.get(member.member_id, NO_TASKS)
        kept, lost = member.tasks.both(target), member.tasks.without(target)
        if any(lost) and _has(owned, lost):
            member.advance(member.epoch + waits)
            member.tasks, member.revoking, member.is_settled = kept, lost, False
            return
        missing = target.without(kept)
        free = missing.without(self._held_from(member))
        member.tasks, member.revoking = kept.joined(free), NO_TASKS
        member.is_settled = free == missing
        member.advance(self.assignment_epoch)

    def _held_from(self, member: StreamsMember) -> TaskShare:
        """Return what a member cannot get yet: a state is in one place of a process at a time."""
        active: set[TaskId] = set()
        of_process: set[TaskId] = set()
        copies: set[TaskId] = set()
        for each in self.members.values():
            held = each.tasks.joined(each.revoking)
            active |= held.active
            if each.process_id == member.process_id:
                of_process |= held.active
                copies |= held.standby
        return TaskShare(frozenset(active | copies), frozenset(of_process | copies))

    # -- offsets --

    def check_commit(self, commit: OffsetCommit) -> ErrorCode:
        """Return why the group does not take a commit, NONE if it does."""
        if commit.generation_id < 0 and (not self.members or commit.transactional):
            # An administrator, or a producer that says nothing of its group.
            return ErrorCode.NONE
        knows = commit.knows_member_epochs or commit.transactional
        if not knows and commit.member_id in self.members:
            return ErrorCode.UNSUPPORTED_VERSION
        return self.check_fetch(commit.member_id, commit.generation_id)

    def check_offset(self, commit: OffsetCommit, place: TopicPartition) -> ErrorCode:
        """Take what a commit says of each partition."""
        return ErrorCode.NONE

    # -- as others see it, and storage --

    def _describe_share(self, member: StreamsMember) -> ModernMember:
        sources = self._sources()
        owned = member.tasks.active | member.revoking.active
        target = self.targets.get(member.member_id, NO_TASKS).active
        return ModernMember(
            epoch=member.epoch,
            rack_id=member.rack_id,
            named_topics=sources,
            regex="",
            topics=sources,
            owned=_places(self.partitions_of(owned)),
            target=_places(self.partitions_of(target)),
        )

    def encode(self) -> bytes:
        """Return the group's snapshot."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in _GROUP_FIELDS}
        fields["replicas"] = self.replicas
        fields["topology"] = None if self.topology is None else self.topology.encode()
        fields["members"] = [
            {name: getattr(member, name) for name in _MEMBER_FIELDS}
            | {
                "endpoint": member.endpoint,
                "tags": member.tags,
                "tasks": list(map(sorted, member.tasks)),
                "target": list(map(sorted, self.targets.get(member.member_id, NO_TASKS))),
                "revoking": sorted(member.revoking.active),
                "revoking_standby": sorted(member.revoking.standby),
            }
            for member in self.members.values()
        ]
        return pack(STREAMS, fields)

    def decode(self, snapshot: bytes | None, new_session: Callable[[str], Session]) -> None:
        """Fill a new group with what a snapshot shows.

        Args:
            snapshot: what :meth:`encode` returned; ``None`` for a group without members.
            new_session: makes the members' sessions, which are not running yet.

        Raises:
            StorageError: the snapshot cannot be read.
        """
        if snapshot is None:
            return
        with unpacked(self.group_id, snapshot) as fields:
            for name in _GROUP_FIELDS:
                setattr(self, name, fields[name])
            # Files of before it was stored do not have it.
            self.replicas = fields.get("replicas")
            if fields["topology"] is not None:
                self.topology = Topology.decode(fields["topology"])
            for each in fields["members"]:
                member = StreamsMember(
                    **{name: each[name] for name in _MEMBER_FIELDS},
                    session=new_session(each["member_id"]),
                    endpoint=each["endpoint"] and Endpoint(*each["endpoint"]),
                    tags=tuple(map(tuple, each["tags"])),
                    tasks=_share(each["tasks"]),
                    # Files of before copies were given up, too, have only the first.
                    revoking=_share([each["revoking"], each.get("revoking_standby", [])]),
                )
                self.members[member.member_id] = member
                self.targets[member.member_id] = _share(each["target"])
                member.is_settled = member.tasks == self.targets[member.member_id]
        self.configure()
        # Topics may have changed without the group having heard of it.
        self.topics_changed = True


def _has(owned: TaskShare | None, tasks: TaskShare) -> bool:
    """Return whether a member has any of these tasks, as far as it has said."""
    return owned is None or any(owned.both(tasks))


def _tasks(rows: list[list[Any]]) -> frozenset[TaskId]:
    return frozenset(TaskId(str(name), int(partition)) for name, partition in rows)


def _share(rows: list[list[list[Any]]]) -> TaskShare:
    active, standby = map(_tasks, rows)
    return TaskShare(active, standby)


def _places(partitions: dict[str, list[int]]) -> tuple[TopicPartition, ...]:
    return tuple(TopicPartition(name, n) for name, ns in partitions.items() for n in ns)
