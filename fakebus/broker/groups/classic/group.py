"""A classic consumer group: its members and what follows from them.

The state machine is driven from outside (:mod:`fakebus.broker.groups.classic.rebalance`); this
module answers questions about the group and keeps its parts consistent. Names and rules
are those of Kafka's ``ClassicGroup``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum
from typing import NamedTuple
from uuid import uuid4

from fakebus.broker.groups.classic.member import GroupMember
from fakebus.broker.groups.group import CLASSIC, GroupDescription
from fakebus.broker.groups.requests import (
    MAX_GROUP_BYTES,
    UNKNOWN_MEMBER_ID,
    GroupProtocol,
    JoinedMember,
    JoinRequest,
    JoinResult,
    OffsetCommit,
    size_of,
)
from fakebus.clock import Timer
from fakebus.errors import ErrorCode
from fakebus.protocol.consumer_protocol import CONSUMER_PROTOCOL_TYPE, subscribed_topics
from fakebus.protocol.errors import DecodeError
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicPartition

_LAST_GENERATION = 2**31 - 1


class GroupState(Enum):
    """State of a group in its rebalance; the value is the name that clients are told."""

    EMPTY = "Empty"
    """No members; there may be committed offsets."""
    PREPARING_REBALANCE = "PreparingRebalance"
    """Members are to join; JoinGroup requests wait until all have, or the time is up."""
    COMPLETING_REBALANCE = "CompletingRebalance"
    """The members are fixed; SyncGroup requests wait for the leader's assignment."""
    STABLE = "Stable"
    """Every member can get its assignment."""
    DEAD = "Dead"
    """The group is deleted; nothing may change any more."""


PREDECESSORS = {
    GroupState.EMPTY: frozenset({GroupState.PREPARING_REBALANCE}),
    GroupState.PREPARING_REBALANCE: frozenset(
        {GroupState.EMPTY, GroupState.COMPLETING_REBALANCE, GroupState.STABLE}
    ),
    GroupState.COMPLETING_REBALANCE: frozenset({GroupState.PREPARING_REBALANCE}),
    GroupState.STABLE: frozenset({GroupState.COMPLETING_REBALANCE}),
    GroupState.DEAD: frozenset(GroupState),
}
"""For each state, the states that it may follow."""


class PendingMember(NamedTuple):
    """A client that was given a member id and has not come back with it yet."""

    timer: Timer
    timeout_ms: int
    connection: object | None


class ClassicGroup:
    """One group whose members share out their partitions among themselves.

    Args:
        group_id: the group's name.
        now_ms: the time, in milliseconds since the epoch.
    """

    def __init__(self, group_id: str, now_ms: int) -> None:
        self.group_id = group_id
        self.state = GroupState.EMPTY
        self.previous_state = GroupState.DEAD
        self.state_timestamp_ms = now_ms
        self.generation_id = 0
        self.protocol_type: str | None = None
        """``None`` while nobody has ever joined: offsets were committed from outside."""
        self.protocol_name: str | None = None
        self.leader_id: str | None = None
        self.members: dict[str, GroupMember] = {}
        self.static_members: dict[str, str] = {}
        """Member ids by group.instance.id."""
        self.pending_members: dict[str, PendingMember] = {}
        self.pending_sync: set[str] = set()
        """Members that have not sent SyncGroup in this generation."""
        self.subscribed_topics: frozenset[str] | None = None
        """``None`` when they are not known."""
        self.new_member_added = False
        """Whether somebody came while the first rebalance was being delayed."""
        self.join_timer: Timer | None = None
        self.sync_timer: Timer | None = None

    # -- states --

    @property
    def is_empty(self) -> bool:
        """Whether the group is in state Empty."""
        return self.state is GroupState.EMPTY

    @property
    def group_type(self) -> str:
        """The type, as clients are told it."""
        return CLASSIC

    @property
    def can_rebalance(self) -> bool:
        """Whether a rebalance can begin now."""
        return self.state in PREDECESSORS[GroupState.PREPARING_REBALANCE]

    def transition_to(self, state: GroupState, now_ms: int) -> None:
        """Change the state.

        Raises:
            RuntimeError: the new state cannot follow the present one.
        """
        if self.state not in PREDECESSORS[state]:
            raise RuntimeError(
                f"group {self.group_id} cannot go from {self.state.value} to {state.value}"
            )
        self.previous_state, self.state = self.state, state
        self.state_timestamp_ms = now_ms

    def next_generation(self, now_ms: int) -> None:
        """End the join phase: fix the members and choose their protocol."""
        # 0 stands for a group that never had members.
        self.generation_id = 1 if self.generation_id == _LAST_GENERATION else self.generation_id + 1
        self.pending_sync.clear()
        if self.members:
            self.protocol_name = self.select_protocol()
            self.transition_to(GroupState.COMPLETING_REBALANCE, now_ms)
        else:
            self.protocol_name = None
            self.transition_to(GroupState.EMPTY, now_ms)
        self.update_subscribed_topics()

    # -- members --

    @staticmethod
    def new_member_id(client_id: str, group_instance_id: str | None) -> str:
        """Return an id that nobody has had, in Kafka's form."""
        return f"{client_id if group_instance_id is None else group_instance_id}-{uuid4()}"

    def is_leader(self, member_id: str) -> bool:
        """Whether this member assigns the partitions."""
        return self.leader_id == member_id

    def check_member(self, member_id: str, group_instance_id: str | None) -> ErrorCode:
        """Return what is wrong with the ids in a member's request, NONE if nothing is."""
        if group_instance_id is not None:
            known = self.static_members.get(group_instance_id)
            if known is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if known != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
        if member_id not in self.members:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE

    def check_commit(self, commit: OffsetCommit) -> ErrorCode:
        """Return why the group does not take a commit, NONE if it does."""
        if self.is_empty and commit.generation_id < 0:
            # An administrator, or a consumer that assigns its partitions itself.
            return ErrorCode.NONE
        if commit.generation_id >= 0 or commit.member_id or commit.group_instance_id is not None:
            error = self.check_member(commit.member_id, commit.group_instance_id)
            if error is not ErrorCode.NONE:
                return error
            if commit.generation_id != self.generation_id:
                return ErrorCode.ILLEGAL_GENERATION
        elif not self.is_empty and not commit.transactional:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if self.state is GroupState.COMPLETING_REBALANCE and not commit.transactional:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def check_offset(self, commit: OffsetCommit, place: TopicPartition) -> ErrorCode:
        """Let a commit that is taken speak of any partition."""
        return ErrorCode.NONE

    def check_fetch(self, member_id: str | None, member_epoch: int) -> ErrorCode:
        """Let everybody know the offsets."""
        return ErrorCode.NONE

    def touch(self, member_id: str) -> None:
        """Restart a member's session: something was heard of it; it need not be one."""
        member = self.members.get(member_id)
        if member is not None:
            member.touch()

    def add(self, member: GroupMember, protocol_type: str) -> None:
        """Take in a member; the first one becomes the leader."""
        if not self.members:
            self.protocol_type = protocol_type
        if member.group_instance_id is not None:
            self.static_members[member.group_instance_id] = member.member_id
        if self.leader_id is None:
            self.leader_id = member.member_id
        self.members[member.member_id] = member
        self._drop_pending(member.member_id)

    def remove(self, member_id: str) -> None:
        """Forget a member, pending or not; the leadership passes on."""
        member = self.members.pop(member_id, None)
        if member is not None:
            member.session.cancel()
            if member.group_instance_id is not None:
                self.static_members.pop(member.group_instance_id, None)
        if self.is_leader(member_id):
            self.leader_id = next(iter(self.members), None)
        self._drop_pending(member_id)
        self.pending_sync.discard(member_id)

    def replace_static(self, old: GroupMember, new: GroupMember) -> None:
        """Put a static member's new incarnation in the place of the old one."""
        old.session.cancel()
        del self.members[old.member_id]
        self.members[new.member_id] = new
        if new.group_instance_id is not None:
            self.static_members[new.group_instance_id] = new.member_id
        if self.is_leader(old.member_id):
            self.leader_id = new.member_id
        if old.member_id in self.pending_sync:
            # The old one will never sync; it is the new one that still has to.
            self.pending_sync.remove(old.member_id)
            self.pending_sync.add(new.member_id)

    def _drop_pending(self, member_id: str) -> None:
        pending = self.pending_members.pop(member_id, None)
        if pending is not None:
            pending.timer.cancel()

    def elect_joined_leader(self) -> bool:
        """Make sure that the leader has rejoined; return whether there is such a leader."""
        leader = self.members.get(self.leader_id or UNKNOWN_MEMBER_ID)
        if leader is not None and leader.awaiting_join is not None:
            return True
        for member in self.members.values():
            if member.awaiting_join is not None:
                self.leader_id = member.member_id
                return True
        return False

    @property
    def has_all_members_joined(self) -> bool:
        """Whether nobody has to be waited for any more in the join phase."""
        return not self.pending_members and all(
            member.awaiting_join is not None for member in self.members.values()
        )

    @property
    def rebalance_timeout_ms(self) -> int:
        """The longest time that a member wants to be waited for."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    # -- protocols --

    def supports_protocols(self, protocol_type: str, protocols: tuple[GroupProtocol, ...]) -> bool:
        """Whether a client with these protocols can be a member."""
        if self.is_empty:
            return bool(protocol_type and protocols)
        return self.protocol_type == protocol_type and bool(self._common_to(protocols))

    def _common_to(self, protocols: Iterable[GroupProtocol]) -> set[str]:
        """Return the names of those protocols that all members support."""
        names = {protocol.name for protocol in protocols}
        for member in self.members.values():
            names.intersection_update(protocol.name for protocol in member.protocols)
        return names

    def select_protocol(self) -> str:
        """Return the protocol that most members prefer among those that all support.

        Of two with as many votes, the one that the earlier member voted for.
        """
        members = list(self.members.values())
        candidates = self._common_to(members[0].protocols)
        votes = Counter(
            next(protocol.name for protocol in member.protocols if protocol.name in candidates)
            for member in self.members.values()
        )
        return votes.most_common(1)[0][0]

    def has_room_for(self, request: JoinRequest) -> bool:
        """Whether the group can still be kept when a member has what the request brings."""
        others = sum(
            member.size_bytes
            for member in self.members.values()
            if member.member_id != request.member_id
        )
        return others + size_of(request.protocols) <= MAX_GROUP_BYTES

    def join_result(self, member: GroupMember) -> JoinResult:
        """Return what a member is told about the present generation."""
        members: tuple[JoinedMember, ...] = ()
        if self.is_leader(member.member_id):
            members = tuple(
                JoinedMember(m.member_id, m.group_instance_id, m.metadata(self.protocol_name))
                for m in self.members.values()
            )
        return JoinResult(
            member_id=member.member_id,
            generation_id=self.generation_id,
            protocol_type=self.protocol_type,
            protocol_name=self.protocol_name,
            leader=self.leader_id or "",
            members=members,
        )

    # -- subscriptions --

    @property
    def uses_consumer_protocol(self) -> bool:
        """Whether the members' metadata are subscriptions."""
        return self.protocol_type == CONSUMER_PROTOCOL_TYPE

    keeps_commits = True

    @property
    def tells_its_topics(self) -> bool:
        """Whether the broker can know what the members read."""
        return self.is_empty or self.uses_consumer_protocol

    def update_subscribed_topics(self) -> None:
        """Read the subscriptions again after members or protocol have changed."""
        self.subscribed_topics = None
        if self.uses_consumer_protocol:
            with suppress(DecodeError):
                self.subscribed_topics = frozenset(
                    topic
                    for member in self.members.values()
                    for topic in subscribed_topics(member.metadata(self.protocol_name))
                )

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member reads the topic, as far as the broker can tell.

        A group of consumers whose subscriptions cannot be read counts as subscribed to
        everything.
        """
        if self.subscribed_topics is None:
            return self.uses_consumer_protocol
        return topic in self.subscribed_topics

    def offset_ages_from(self, row: OffsetRow) -> int | None:
        """Return the time from which an offset's retention counts; ``None`` if it does not.

        The rules of KIP-211 and KIP-496: the offsets of a group that had members count from
        the moment it became empty; those of a group that never had any from their commit; those
        of a stable group of consumers also from their commit, but only for topics that no member
        subscribes to any more.
        """
        if self.is_subscribed_to(row.topic):
            return None
        if self.protocol_type is None:
            return row.commit_timestamp_ms
        if self.is_empty:
            return self.state_timestamp_ms
        if self.state is GroupState.STABLE and self.subscribed_topics is not None:
            return row.commit_timestamp_ms
        return None

    # -- as others see it --

    def describe(self) -> GroupDescription:
        """Return the group as administrators see it.

        As in Kafka, the protocol and the members' metadata are shown for stable groups only:
        during a rebalance they may be about to change.
        """
        protocol_name = self.protocol_name if self.state is GroupState.STABLE else None
        return GroupDescription(
            group_id=self.group_id,
            group_type=CLASSIC,
            state=self.state.value,
            protocol_type=self.protocol_type or "",
            protocol_name=protocol_name or "",
            generation_id=self.generation_id,
            members=tuple(
                member.describe(protocol_name, is_missing=self._is_missing(member))
                for member in self.members.values()
            ),
            since_ms=self.state_timestamp_ms,
        )

    def _is_missing(self, member: GroupMember) -> bool:
        if self.state is GroupState.PREPARING_REBALANCE:
            return member.awaiting_join is None
        return (
            self.state is GroupState.COMPLETING_REBALANCE and member.member_id in self.pending_sync
        )
