"""A share group: its members, and the partitions that each reads (KIP-932)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fakebus.broker.groups.coordinated import CoordinatedGroup, CoordinatedMember
from fakebus.broker.groups.group import SHARE, ModernMember
from fakebus.broker.groups.requests import OffsetCommit
from fakebus.broker.groups.sessions import Session
from fakebus.broker.groups.share.assignor import assign
from fakebus.broker.groups.stored import pack, unpacked
from fakebus.errors import ErrorCode
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicIdPartition, TopicPartition

_GROUP_FIELDS = ("epoch", "assignment_epoch", "assigned_at_ms", "topics_digest", "state_since_ms")
_MEMBER_FIELDS = (
    *("member_id", "rack_id", "client_id", "client_host", "session_timeout_ms"),
    *("epoch", "previous_epoch"),
)

LONGEST_MEMBER_ID = 36
"""Characters of a UUID, which is what clients make up; a longer one is refused."""


@dataclass(slots=True, eq=False, kw_only=True)
class ShareMember(CoordinatedMember):
    """One share consumer, as the group knows it."""

    topics: frozenset[str] = frozenset()
    assigned: frozenset[TopicIdPartition] = frozenset()
    is_told: bool = True
    """Whether its client knows what it is assigned."""


class ShareGroup(CoordinatedGroup[ShareMember, frozenset[TopicIdPartition]]):
    """One group whose members read partitions together."""

    group_type = protocol_type = SHARE
    assignor = "simple"

    @property
    def state(self) -> str:
        """The state, as clients are told it."""
        return "Stable" if self.members else "Empty"

    # -- topics --

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member reads the topic."""
        return any(topic in member.topics for member in self.members.values())

    def _names_read(self) -> frozenset[str]:
        return frozenset[str]().union(*(member.topics for member in self.members.values()))

    def digest_topics(self) -> str:
        """Return a text that changes with the topics that members read and with their sizes."""
        return self.digest_of(self._names_read())

    def assign(self, now_ms: int) -> None:
        """Make the target assignment for the present epoch.

        Args:
            now_ms: the time, in milliseconds since the epoch.
        """
        self.targets = assign(
            {
                member.member_id: frozenset(each.topic_id for each in self.known(member.topics))
                for member in self.members.values()
            },
            {each.topic_id: len(each.partitions) for each in self.known(self._names_read())},
            self.targets,
        )
        self.assignment_epoch, self.assigned_at_ms = self.epoch, now_ms

    # -- offsets, which are not committed as those of other groups are --

    keeps_commits = False

    def check_commit(self, commit: OffsetCommit) -> ErrorCode:
        """Refuse commits: members acknowledge records instead."""
        return ErrorCode.GROUP_ID_NOT_FOUND

    def check_offset(self, commit: OffsetCommit, place: TopicPartition) -> ErrorCode:
        """Refuse commits."""
        return ErrorCode.GROUP_ID_NOT_FOUND

    def check_fetch(self, member_id: str | None, member_epoch: int) -> ErrorCode:
        """Let everybody fetch offsets, of which the group has none that were committed."""
        return ErrorCode.NONE

    def offset_ages_from(self, row: OffsetRow) -> int | None:
        """Return that offsets stay until the group or the topic is deleted."""
        return None

    # -- as others see it, and storage --

    def _describe_share(self, member: ShareMember) -> ModernMember:
        return ModernMember(
            epoch=member.epoch,
            rack_id=member.rack_id,
            named_topics=member.topics,
            regex="",
            topics=member.topics,
            owned=self._topics.named(member.assigned),
            target=self._topics.named(self.targets.get(member.member_id, ())),
        )

    def encode(self) -> bytes:
        """Return the group's snapshot.

        What members read is not kept: it follows from their topics.
        """
        fields = {name: getattr(self, name) for name in _GROUP_FIELDS}
        members = [
            {name: getattr(member, name) for name in _MEMBER_FIELDS}
            | {"topics": sorted(member.topics)}
            for member in self.members.values()
        ]
        return pack(SHARE, fields | {"members": members})

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
            for each in fields["members"]:
                self.members[each["member_id"]] = ShareMember(
                    **{name: each[name] for name in _MEMBER_FIELDS},
                    session=new_session(each["member_id"]),
                    topics=frozenset(each["topics"]),
                )
        assigned_at_ms = self.assigned_at_ms
        self.assign(assigned_at_ms)
        for member in self.members.values():
            member.assigned = self.targets.get(member.member_id, frozenset())
            # It may have had something else, or have heard of nothing yet.
            member.is_told = False
        # Topics may have changed without the group having heard of it.
        self.topics_changed = True
