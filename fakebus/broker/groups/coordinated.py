"""What consumer, share and streams groups have in common: the coordinator says who has what.

Their members join, stay and leave by heartbeats, and go from epoch to epoch with them (KIP-848).
What a member has, and how it comes to it, is each type's own matter.
"""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.group import GroupDescription, MemberDescription, ModernMember
from fakebus.broker.groups.history import LEFT, GroupHistory
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.sessions import Session
from fakebus.broker.topics import Topic, Topics
from fakebus.clock import Clock, Timer
from fakebus.errors import BrokerError, ErrorCode
from fakebus.storage.interface import OffsetRow

logger = logging.getLogger("fakebus.broker.groups")


@dataclass(slots=True, eq=False, kw_only=True)
class CoordinatedMember:
    """One client, as the group knows it."""

    member_id: str
    session: Session
    """Passes when nothing was heard of the member for too long."""
    instance_id: str | None = None
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    session_timeout_ms: int = 0
    rebalance_timeout_ms: int = -1
    epoch: int = 0
    previous_epoch: int = 0
    """The member may come with it once more: the answer with the new one may have been lost."""
    connection: object | None = None
    """The connection of its last heartbeat."""
    timer: Timer | None = field(default=None, compare=False)
    """Runs while it has to do something, such as to give up what others are to have."""

    def advance(self, epoch: int) -> None:
        """Go on to an epoch, or stay in it."""
        self.previous_epoch, self.epoch = self.epoch, epoch

    def stop_timers(self) -> None:
        """Do not wait for the member any more."""
        self.session.cancel()
        self.stop_timer()

    def stop_timer(self) -> None:
        """Do not wait any more for what it has to do."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


Member = TypeVar("Member", bound=CoordinatedMember)
Target = TypeVar("Target")


class CoordinatedGroup(ABC, Generic[Member, Target]):
    """One group whose members are given what they have.

    Args:
        group_id: the group's name.
        topics: the topics that there are.
        now_ms: the time, in milliseconds since the epoch.
    """

    group_type: str
    protocol_type: str
    keeps_commits = True
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
        self.members: dict[str, Member] = {}
        self.targets: dict[str, Target] = {}
        """What each member is to have, by member id."""
        self._topics = topics

    @property
    @abstractmethod
    def state(self) -> str:
        """The state, as clients are told it."""

    @property
    @abstractmethod
    def assignor(self) -> str:
        """The name of what makes the target assignment."""

    @property
    def is_empty(self) -> bool:
        """Whether the group has no members."""
        return not self.members

    def is_reconciled(self, member: Member) -> bool:
        """Whether a member has what the target assignment gives it."""
        return True

    def remove(self, member_id: str) -> Member | None:
        """Forget a member; return it, ``None`` if there was none."""
        self.targets.pop(member_id, None)
        member = self.members.pop(member_id, None)
        if member is not None:
            member.stop_timers()
        return member

    # -- topics --

    def topic_changed(self, topic: Topic) -> None:
        """Notice that a topic was created, has grown or is deleted."""
        self.topics_changed = self.topics_changed or self.is_subscribed_to(topic.name)

    @abstractmethod
    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member reads the topic."""

    def known(self, names: Iterable[str]) -> Iterator[Topic]:
        """Yield those of some topics that exist, by name."""
        return filter(None, map(self._topics.get, sorted(names)))

    def digest_of(self, names: Iterable[str]) -> str:
        """Return a text that changes with topics and with their sizes."""
        facts = [
            (topic.name, str(topic.topic_id), len(topic.partitions)) for topic in self.known(names)
        ]
        return blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()

    # -- offsets --

    def touch(self, member_id: str) -> None:
        """Do nothing: a commit does not keep a session, only heartbeats do."""

    def check_fetch(self, member_id: str | None, member_epoch: int) -> ErrorCode:
        """Return why somebody may not know the group's offsets, NONE if it may."""
        if member_id is None and member_epoch < 0:
            return ErrorCode.NONE
        member = self.members.get(member_id or "")
        if member is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE if member_epoch == member.epoch else self.stale(member)

    def stale(self, member: Member) -> ErrorCode:
        """Return what a member is told whose epoch is not the one that it has."""
        return ErrorCode.STALE_MEMBER_EPOCH

    def offset_ages_from(self, row: OffsetRow) -> int | None:
        """Return the time from which an offset's retention counts; ``None`` if it does not."""
        return None if self.is_subscribed_to(row.topic) else row.commit_timestamp_ms

    # -- as others see it --

    def describe(self) -> GroupDescription:
        """Return the group as administrators see it."""
        return GroupDescription(
            group_id=self.group_id,
            group_type=self.group_type,
            state=self.state,
            protocol_type=self.protocol_type,
            protocol_name=self.assignor,
            generation_id=self.epoch,
            assignment_epoch=self.assignment_epoch,
            members=tuple(map(self.describe_member, self.members.values())),
            since_ms=self.state_since_ms,
        )

    def describe_member(self, member: Member) -> MemberDescription:
        """Return a member as administrators see it."""
        return MemberDescription(
            member_id=member.member_id,
            group_instance_id=member.instance_id,
            client_id=member.client_id,
            client_host=member.client_host,
            modern=self._describe_share(member),
            is_missing=not self.is_reconciled(member),
            silent_ms=member.session.silent_ms,
            session_timeout_ms=member.session_timeout_ms,
            rebalance_timeout_ms=max(0, member.rebalance_timeout_ms),
        )

    @abstractmethod
    def _describe_share(self, member: Member) -> ModernMember:
        """Return what a member reads and has."""


Group = TypeVar("Group", bound=CoordinatedGroup[Any, Any])


class CoordinatedType(ABC, Generic[Group]):
    """Coordinator of the groups of one of these types.

    Args:
        config: the broker's configs.
        clock: where time and timers come from.
        topics: the topics that there are.
        journal: stores groups.
        history: is told what becomes of members and groups.
    """

    def __init__(
        self,
        config: BrokerConfig,
        clock: Clock,
        topics: Topics,
        journal: GroupJournal,
        history: GroupHistory,
    ) -> None:
        self._config = config
        self._clock = clock
        self._topics = topics
        self._journal = journal
        self._history = history

    @abstractmethod
    def save(self, group: Group) -> None:
        """Store a group as it is now."""

    # -- epochs --

    def look_at_topics(self, group: Group, digest: str, reason: str) -> None:
        """Let a group go to its next epoch if there is a reason, or if its topics have changed.

        Args:
            group: the group.
            digest: what the topics are like that its members read.
            reason: why it goes on anyway; empty if only other topics are a reason.
        """
        group.topics_changed = False
        if digest != group.topics_digest and not reason:
            reason = "its topics have changed"
        group.topics_digest = digest
        if reason:
            self.next_epoch(group, reason)

    def next_epoch(self, group: Group, reason: str) -> None:
        """Let a group go to its next epoch, and tell why."""
        group.epoch += 1
        logger.info("group %s goes to epoch %d: %s", group.group_id, group.epoch, reason)
        self._history.note("rebalancing", group.group_id, "", "", reason)

    def rebalance(self, group: Group, reason: str) -> None:
        """Let what there is be given out anew."""
        self.next_epoch(group, reason)
        self.save(group)

    # -- time --

    def session(self, group: Group, member_id: str) -> Session:
        """Return a session that is not running yet."""
        return Session(
            self._clock, partial(self.remove, group, (member_id,), "its session timed out")
        )

    def expect(self, group: Group, member: CoordinatedMember, reason: str) -> None:
        """Remove a member that does not do what it has to within its rebalance timeout.

        Args:
            group: the group.
            member: its member.
            reason: what is said of it then. Of two things that it has to do, the first counts.
        """
        if member.timer is None:
            member.timer = self._clock.call_later(
                member.rebalance_timeout_ms / 1000,
                partial(self.remove, group, (member.member_id,), reason),
            )

    # -- members --

    def remove(self, group: Group, member_ids: Iterable[str], reason: str) -> None:
        """Take members out of the group and let the others have what was theirs."""
        gone = [each for each in map(group.remove, tuple(member_ids)) if each is not None]
        for member in gone:
            who = group.group_id, member.client_id, member.member_id
            logger.info("group %s: member %s is removed: %s", who[0], who[2], reason)
            self._history.note("left" if reason == LEFT else "expelled", *who, reason)
            self._let_go(group, member)
        if gone and self._goes_on(group):
            names = ", ".join(member.member_id for member in gone)
            self.next_epoch(group, f"{names} was removed: {reason}")
            self.save(group)

    def _let_go(self, group: Group, member: CoordinatedMember) -> None:
        """Do what else is to be done when a member is gone."""

    def _goes_on(self, group: Group) -> bool:
        """Look at a group that has lost members; return whether it still is of this type."""
        return True

    def remove_all(self, group: Group, reason: str) -> None:
        """Take all members out of the group, so that it is empty."""
        self.remove(group, group.members, reason)

    def remove_connected(self, group: Group, connection: object) -> None:
        """Take out the members whose last heartbeat came through a connection, now closed.

        Static members stay: to be away for a while is what they are for.
        """
        gone = [
            member.member_id
            for member in group.members.values()
            if member.connection is connection and member.instance_id is None
        ]
        self.remove(group, gone, "its connection was closed")

    def unload(self, group: Group, successor: object) -> None:
        """Stop what runs in a group in whose place the stored one has come, or none."""
        for member in group.members.values():
            member.stop_timers()

    def abandon(self, group: Group, error: ErrorCode) -> None:
        """Stop everything about a group that is deleted or unloaded."""
        self.unload(group, None)


def unknown_member(group_id: str, member_id: str) -> BrokerError:
    """Return what is said to a client that is no member."""
    return BrokerError(
        ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {group_id}."
    )


def fenced_member(kind: str, epoch: int, member: CoordinatedMember) -> BrokerError:
    """Return what is said to a member that comes with an epoch that it does not have.

    Args:
        kind: the type of the group.
        epoch: what it has come with.
        member: as the group knows it.
    """
    relation = "greater" if epoch > member.epoch else "smaller"
    return BrokerError(
        ErrorCode.FENCED_MEMBER_EPOCH,
        f"The {kind} group member has a {relation} member epoch ({epoch}) than the one known by "
        f"the group coordinator ({member.epoch}). The member must abandon all its partitions and "
        "rejoin.",
    )
