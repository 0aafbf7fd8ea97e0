"""A share group: its members, and the partitions that each reads (KIP-932)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from fakebus.broker.groups.group import (
    SHARE,
    GroupDescription,
    MemberDescription,
    ModernMember,
)
from fakebus.broker.groups.requests import OffsetCommit
from fakebus.broker.groups.sessions import Session
from fakebus.broker.groups.share.assignor import assign
from fakebus.broker.topics import Topic, Topics
from fakebus.errors import ErrorCode, StorageError
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicIdPartition, TopicPartition

ASSIGNOR = "simple"
_VERSION = 1
_GROUP_FIELDS = ("epoch", "assignment_epoch", "assigned_at_ms", "topics_digest", "state_since_ms")
_MEMBER_FIELDS = (
    *("member_id", "rack_id", "client_id", "client_host", "session_timeout_ms"),
    *("epoch", "previous_epoch"),
)


@dataclass(slots=True, eq=False, kw_only=True)
class ShareMember:
    """One share consumer, as the group knows it."""

    member_id: str
    session: Session
    """Passes when nothing was heard of the member for too long."""
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    session_timeout_ms: int = 0
    topics: frozenset[str] = frozenset()
    epoch: int = 0
    previous_epoch: int = 0
    """The member may come with it once more: the answer with the new one may have been lost."""
    assigned: frozenset[TopicIdPartition] = frozenset()
    connection: object | None = None
    """The connection of its last heartbeat."""


class ShareGroup:
    """One group whose members read partitions together.

    Args:
        group_id: the group's name.
        topics: the topics that there are.
        now_ms: the time, in milliseconds since the epoch.
    """

    group_type = SHARE
    tells_its_topics = True

    def __init__(self, group_id: str, topics: Topics, now_ms: int) -> None:
        self.group_id = group_id
        self.epoch = 1
        self.assignment_epoch = 0
        """The epoch that the target assignment was made for."""
        self.assigned_at_ms = 0
        self.topics_digest = ""
        """What the topics that members read were like when the epoch moved last."""
        self.topics_changed = False
        """Whether that has to be looked at again."""
        self.state_since_ms = now_ms
        self.members: dict[str, ShareMember] = {}
        self.targets: dict[str, frozenset[TopicIdPartition]] = {}
        """What each member is to read, by member id."""
        self._topics = topics

    @property
    def is_empty(self) -> bool:
        """Whether the group has no members."""
        return not self.members

    def remove(self, member_id: str) -> ShareMember | None:
        """Forget a member; return it, ``None`` if there was none."""
        self.targets.pop(member_id, None)
        member = self.members.pop(member_id, None)
        if member is not None:
            member.session.cancel()
        return member

    # -- topics --

    def topic_changed(self, topic: Topic) -> None:
        """Notice that a topic was created, has grown or is deleted."""
        self.topics_changed = self.topics_changed or self.is_subscribed_to(topic.name)

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member reads the topic."""
        return any(topic in member.topics for member in self.members.values())

    def _known(self, names: frozenset[str]) -> Iterator[Topic]:
        return filter(None, map(self._topics.get, sorted(names)))

    def _topics_read(self) -> Iterator[Topic]:
        names = frozenset[str]().union(*(member.topics for member in self.members.values()))
        return self._known(names)

    def digest_topics(self) -> str:
        """Return a text that changes with the topics that members read and with their sizes."""
        facts = [
            (each.name, str(each.topic_id), len(each.partitions)) for each in self._topics_read()
        ]
        return blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()

    def assign(self, now_ms: int) -> None:
        """Make the target assignment for the present epoch.

        Args:
            now_ms: the time, in milliseconds since the epoch.
        """
        self.targets = assign(
            {
                member.member_id: frozenset(each.topic_id for each in self._known(member.topics))
                for member in self.members.values()
            },
            {each.topic_id: len(each.partitions) for each in self._topics_read()},
            self.targets,
        )
        self.assignment_epoch, self.assigned_at_ms = self.epoch, now_ms

    # -- offsets, which are not committed as those of other groups are --

    def check_commit(self, commit: OffsetCommit) -> ErrorCode:
        """Refuse commits: members acknowledge records instead."""
        return ErrorCode.GROUP_ID_NOT_FOUND

    def check_offset(self, commit: OffsetCommit, place: TopicPartition) -> ErrorCode:
        """Refuse commits."""
        return ErrorCode.GROUP_ID_NOT_FOUND

    def check_fetch(self, member_id: str | None, member_epoch: int) -> ErrorCode:
        """Refuse OffsetFetch, which the group has nothing for."""
        return ErrorCode.GROUP_ID_NOT_FOUND

    def touch(self, member_id: str) -> None:
        """Do nothing: only heartbeats keep a session."""

    def offset_ages_from(self, row: OffsetRow) -> int | None:
        """Return that offsets stay until the group or the topic is deleted."""
        return None

    # -- as others see it, and storage --

    def describe(self) -> GroupDescription:
        """Return the group as administrators see it."""
        return GroupDescription(
            group_id=self.group_id,
            group_type=SHARE,
            state="Stable" if self.members else "Empty",
            protocol_type=SHARE,
            protocol_name=ASSIGNOR,
            generation_id=self.epoch,
            assignment_epoch=self.assignment_epoch,
            members=tuple(map(self._describe, self.members.values())),
            since_ms=self.state_since_ms,
        )

    def _describe(self, member: ShareMember) -> MemberDescription:
        return MemberDescription(
            member_id=member.member_id,
            group_instance_id=None,
            client_id=member.client_id,
            client_host=member.client_host,
            modern=ModernMember(
                epoch=member.epoch,
                rack_id=member.rack_id,
                named_topics=member.topics,
                regex="",
                topics=member.topics,
                owned=self._topics.named(member.assigned),
                target=self._topics.named(self.targets.get(member.member_id, ())),
            ),
            silent_ms=member.session.silent_ms,
            session_timeout_ms=member.session_timeout_ms,
        )

    def encode(self) -> bytes:
        """Return the group's snapshot: JSON, so that a look into the data file explains it.

        What members read is not kept: it follows from their topics.
        """
        fields = {"version": _VERSION, "type": SHARE}
        fields |= {name: getattr(self, name) for name in _GROUP_FIELDS}
        members = [
            {name: getattr(member, name) for name in _MEMBER_FIELDS}
            | {"topics": sorted(member.topics)}
            for member in self.members.values()
        ]
        return json.dumps(fields | {"members": members}, separators=(",", ":")).encode()

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
        try:
            fields = json.loads(snapshot)
            if fields["version"] != _VERSION:
                raise ValueError(f"its version is {fields['version']}")
            for name in _GROUP_FIELDS:
                setattr(self, name, fields[name])
            for each in fields["members"]:
                self.members[each["member_id"]] = ShareMember(
                    **{name: each[name] for name in _MEMBER_FIELDS},
                    session=new_session(each["member_id"]),
                    topics=frozenset(each["topics"]),
                )
        except (KeyError, TypeError, ValueError) as error:
            raise StorageError(
                f"the stored state of group {self.group_id} cannot be read: {error}"
            ) from error
        assigned_at_ms = self.assigned_at_ms
        self.assign(assigned_at_ms)
        for member in self.members.values():
            member.assigned = self.targets.get(member.member_id, frozenset())
        # Topics may have changed without the group having heard of it.
        self.topics_changed = True
