"""What every group is and every type of group does, whatever its members speak."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from fakebus.broker.groups.requests import OffsetCommit
from fakebus.errors import ErrorCode
from fakebus.protocol.consumer_protocol import assigned_partitions, subscribed_topics
from fakebus.protocol.errors import DecodeError
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicPartition

CLASSIC = "classic"
"""The type of the groups whose members assign partitions among themselves.

Also of a group that has nothing but offsets, which were committed from outside.
"""

CONSUMER = "consumer"
"""The type of the groups whose partitions the coordinator shares out (KIP-848)."""

SHARE = "share"
"""The type of the groups whose members take records of the same partitions (KIP-932)."""

STREAMS = "streams"
"""The type of the groups whose members run the tasks of a Streams application (KIP-1071)."""

SHARE_STATE_PREFIX = "share:"
"""Begins the metadata of the offsets of share groups: what is known of records in flight."""


class ModernMember(NamedTuple):
    """Member whose partitions the coordinator gives out itself."""

    epoch: int
    rack_id: str | None
    named_topics: frozenset[str]
    regex: str
    topics: frozenset[str]
    """The topics that it names, and those that its regular expression matches."""
    owned: tuple[TopicPartition, ...]
    target: tuple[TopicPartition, ...]
    is_classic: bool = False
    """Whether it speaks the classic protocol all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDescription:
    """A member of a group."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes = b""
    """What it joined with for the group's protocol; empty unless a classic group is stable."""
    assignment: bytes = b""
    modern: ModernMember | None = None
    """Unless the group is a classic one."""
    is_missing: bool = field(default=False, compare=False)
    """Whether a rebalance under way waits for it."""
    silent_ms: int = field(default=0, compare=False)
    """How long ago something was heard of it."""
    session_timeout_ms: int = field(default=0, compare=False)
    rebalance_timeout_ms: int = field(default=0, compare=False)
    """As consumers send their max.poll.interval.ms."""

    @property
    def topics(self) -> frozenset[str] | None:
        """The topics that it reads, ``None`` if the broker cannot know."""
        if self.modern is not None:
            return self.modern.topics
        if self.metadata:
            with suppress(DecodeError):
                return frozenset(subscribed_topics(self.metadata))
        return None

    @property
    def partitions(self) -> tuple[TopicPartition, ...]:
        """The partitions that it owns."""
        if self.modern is not None:
            return self.modern.owned
        return tuple(assigned_partitions(self.assignment))


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDescription:
    """A group and its members."""

    group_id: str
    group_type: str
    state: str
    protocol_type: str
    protocol_name: str
    """Or the assignor, in a consumer group."""
    generation_id: int
    """Or the group's epoch, in a consumer group."""
    assignment_epoch: int = 0
    members: tuple[MemberDescription, ...]
    since_ms: int = field(default=0, compare=False)
    """Since when it is in its state."""


class Group(Protocol):
    """A group as the coordinator of all types sees it."""

    group_id: str

    @property
    def group_type(self) -> str:
        """The type, as clients are told it."""

    @property
    def is_empty(self) -> bool:
        """Whether the group has no members and no rebalance is under way."""

    def check_commit(self, commit: OffsetCommit) -> ErrorCode:
        """Return why the group does not take a commit, NONE if it does."""

    def check_offset(self, commit: OffsetCommit, place: TopicPartition) -> ErrorCode:
        """Return why a commit that the group takes may not speak of one partition."""

    def check_fetch(self, member_id: str | None, member_epoch: int) -> ErrorCode:
        """Return why somebody may not know the group's offsets, NONE if it may."""

    def touch(self, member_id: str) -> None:
        """Restart a member's session: something was heard of it; it need not be one."""

    @property
    def keeps_commits(self) -> bool:
        """Whether its offsets are those that clients commit."""

    @property
    def tells_its_topics(self) -> bool:
        """Whether the broker can know what the members read."""

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member reads the topic, as far as the broker can tell."""

    def offset_ages_from(self, row: OffsetRow) -> int | None:
        """Return the time from which an offset's retention counts; ``None`` if it does not."""

    def describe(self) -> GroupDescription:
        """Return the group as administrators see it."""


G = TypeVar("G")


class GroupType(Protocol, Generic[G]):
    """Coordinator of the groups of one type."""

    def new_group(self, group_id: str) -> G:
        """Return a group without members."""

    def load(self, group_id: str, snapshot: bytes | None) -> G:
        """Return a stored group, whose members have their session timeout to call.

        Raises:
            StorageError: the snapshot cannot be read.
        """

    def save(self, group: G) -> None:
        """Store a group as it is now: JSON with its ``type``."""

    def rebalance(self, group: G, reason: str) -> None:
        """Let the members share out their partitions anew."""

    def remove(self, group: G, member_ids: Iterable[str], reason: str) -> None:
        """Take members out of the group and let the others share their partitions."""

    def remove_all(self, group: G, reason: str) -> None:
        """Take all members out of the group, so that it is empty."""

    def remove_connected(self, group: G, connection: object) -> None:
        """Take out the members that joined last through a connection, now closed."""

    def unload(self, group: G, successor: object) -> None:
        """Stop what runs in a group in whose place the stored one has come, or none."""

    def abandon(self, group: G, error: ErrorCode) -> None:
        """Stop everything about a group that is deleted or unloaded."""
