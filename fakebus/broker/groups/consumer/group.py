"""A consumer group: its members, what each is to have, and what each owns.

The group's epoch moves when members, subscriptions or topics change; the target assignment is made
for an epoch; and each member goes to the epoch of the target by itself, with its heartbeats
(:mod:`fakebus.broker.groups.consumer.reconciliation`). Names and rules are those of Kafka's
``ConsumerGroup``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from uuid import UUID

from fakebus.broker.groups.consumer.assignors import ASSIGNORS, Share, Subscriber
from fakebus.broker.groups.consumer.member import ConsumerMember, Epochs, MemberState
from fakebus.broker.groups.coordinated import CoordinatedGroup
from fakebus.broker.groups.group import CONSUMER, ModernMember
from fakebus.broker.groups.requests import OffsetCommit
from fakebus.broker.topics import Topic, Topics
from fakebus.errors import ErrorCode
from fakebus.protocol.consumer_protocol import CONSUMER_PROTOCOL_TYPE
from fakebus.types import TopicIdPartition, TopicPartition

EMPTY = "Empty"
ASSIGNING = "Assigning"
RECONCILING = "Reconciling"
STABLE = "Stable"


class ConsumerGroup(CoordinatedGroup[ConsumerMember, Share]):
    """One group whose partitions the coordinator shares out.

    Args:
        group_id: the group's name.
        topics: the topics that there are.
        default_assignor: the one that is used if no member prefers one.
        now_ms: the time, in milliseconds since the epoch.
    """

    group_type = CONSUMER
    protocol_type = CONSUMER_PROTOCOL_TYPE

    def __init__(self, group_id: str, topics: Topics, default_assignor: str, now_ms: int) -> None:
        super().__init__(group_id, topics, now_ms)
        self.static_members: dict[str, str] = {}
        """Member ids by group.instance.id."""
        self._owners: dict[TopicIdPartition, str] = {}
        self._default_assignor = default_assignor
        self.sees: Callable[[str], bool] = lambda _: True
        """Tells whether the newest client that was heard of may know of a topic."""
        self._resolved: dict[str, frozenset[str]] = {}

    # -- states --

    @property
    def state(self) -> str:
        """The state, as clients are told it."""
        if not self.members:
            return EMPTY
        if self.epoch > self.assignment_epoch:
            return ASSIGNING
        if all(self.is_reconciled(member) for member in self.members.values()):
            return STABLE
        return RECONCILING

    def is_reconciled(self, member: ConsumerMember) -> bool:
        """Whether a member has what the target assignment gives it."""
        return member.state is MemberState.STABLE and member.epoch == self.assignment_epoch

    # -- members --

    def add(self, member: ConsumerMember) -> None:
        """Take in a member; another of its id, which clients choose themselves, is gone."""
        if self.remove(member.member_id) is not None:
            self.epoch += 1
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static_members[member.instance_id] = member.member_id

    def make_static(self, member: ConsumerMember, instance_id: str) -> None:
        """Give a member an instance id, or another one."""
        self.static_members.pop(member.instance_id or "", None)
        member.instance_id, self.static_members[instance_id] = instance_id, member.member_id

    def remove(self, member_id: str) -> ConsumerMember | None:
        """Forget a member and what it owned; return it, ``None`` if there was none."""
        member = super().remove(member_id)
        if member is not None:
            self.hold(member, {}, {})
            if self.static_members.get(member.instance_id or "") == member_id:
                del self.static_members[member.instance_id or ""]
        return member

    def hold(self, member: ConsumerMember, assigned: Epochs, revoking: Epochs) -> None:
        """Let a member own these partitions, and no others."""
        for place in (*member.assigned, *member.revoking):
            if self._owners.get(place) == member.member_id:
                del self._owners[place]
        member.assigned, member.revoking = assigned, revoking
        self._owners.update(dict.fromkeys((*assigned, *revoking), member.member_id))

    def is_free_for(self, member: ConsumerMember, place: TopicIdPartition) -> bool:
        """Whether no other member owns a partition."""
        return self._owners.get(place, member.member_id) == member.member_id

    def has_free_for(self, member: ConsumerMember) -> bool:
        """Whether a member can get everything that it has not got yet of its share."""
        missing = self.targets.get(member.member_id, frozenset()) - member.assigned.keys()
        return all(self.is_free_for(member, place) for place in missing)

    # -- subscriptions --

    @property
    def classic_members(self) -> list[ConsumerMember]:
        """The members that speak the classic protocol."""
        return [member for member in self.members.values() if member.classic is not None]

    def topic_changed(self, topic: Topic) -> None:
        """Notice that a topic was created, has grown or is deleted."""
        if self._resolved or any(member.regex for member in self.members.values()):
            self._resolved.clear()
            self.topics_changed = True
        elif self.is_subscribed_to(topic.name):
            self.topics_changed = True

    def names_read_by(self, member: ConsumerMember) -> frozenset[str]:
        """Return the topics that a member reads; those that it names need not exist."""
        if not member.regex:
            return member.topics
        return member.topics | self._matching(member.regex)

    def _matching(self, regex: str) -> frozenset[str]:
        found = self._resolved.get(regex)
        if found is None:
            # Few buses need what it loads.
            from fakebus.schemas.json_schema.patterns import matches

            whole = f"^(?:{regex})$"
            found = self._resolved[regex] = frozenset(
                topic.name
                for topic in self._topics
                if not topic.is_internal and matches(whole, topic.name) and self.sees(topic.name)
            )
        return found

    def topics_read_by(self, member: ConsumerMember) -> Iterator[Topic]:
        """Yield the topics that a member reads and that exist."""
        return self.known(self.names_read_by(member))

    def topic_ids_of(self, member: ConsumerMember) -> frozenset[UUID]:
        """Return the ids of the topics that a member reads and that exist."""
        return frozenset(topic.topic_id for topic in self.topics_read_by(member))

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether a member reads the topic."""
        return any(topic in self.names_read_by(member) for member in self.members.values())

    def digest_topics(self) -> str:
        """Return a text that changes with the topics that members read and with their sizes."""
        return self.digest_of(
            frozenset[str]().union(*map(self.names_read_by, self.members.values()))
        )

    # -- the target assignment --

    @property
    def assignor(self) -> str:
        """The assignor that most members prefer."""
        wanted = Counter(each.assignor for each in self.members.values() if each.assignor)
        return wanted.most_common(1)[0][0] if wanted else self._default_assignor

    def assign(self, now_ms: int) -> None:
        """Make the target assignment for the present epoch.

        Args:
            now_ms: the time, in milliseconds since the epoch.
        """
        sizes = {
            topic.topic_id: len(topic.partitions)
            for member in self.members.values()
            for topic in self.topics_read_by(member)
        }
        self.targets = ASSIGNORS[self.assignor](
            [
                Subscriber(
                    member.member_id,
                    member.instance_id,
                    self.topic_ids_of(member),
                    self.targets.get(member.member_id, frozenset()),
                )
                for member in self.members.values()
            ],
            sizes,
        )
        self.assignment_epoch, self.assigned_at_ms = self.epoch, now_ms

    # -- offsets --

    def check_commit(self, commit: OffsetCommit) -> ErrorCode:
        """Return why the group does not take a commit, NONE if it does."""
        if commit.generation_id < 0 and not self.members:
            # An administrator, or a consumer that assigns its partitions itself.
            return ErrorCode.NONE
        if commit.transactional and commit.generation_id < 0 and not commit.member_id:
            return ErrorCode.NONE
        member = self.members.get(commit.member_id)
        if member is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if not commit.knows_member_epochs and member.classic is None:
            return ErrorCode.UNSUPPORTED_VERSION
        if commit.generation_id > member.epoch:
            return self.stale(member)
        return ErrorCode.NONE

    def check_offset(self, commit: OffsetCommit, place: TopicPartition) -> ErrorCode:
        """Return why a commit may not speak of one partition, NONE if it may.

        A member that has gone on to another epoch may still be committing what it owned before
        and owns still.
        """
        member, topic = self.members.get(commit.member_id), self._topics.get(place.topic)
        if member is None or topic is None or commit.generation_id == member.epoch:
            return ErrorCode.NONE
        key = TopicIdPartition(topic.topic_id, place.partition)
        since = member.assigned.get(key, member.revoking.get(key))
        if since is None or commit.generation_id < since:
            return self.stale(member)
        return ErrorCode.NONE

    def stale(self, member: ConsumerMember) -> ErrorCode:
        """Return what a member is told whose epoch is not the one that it has."""
        is_classic = member.classic is not None
        return ErrorCode.ILLEGAL_GENERATION if is_classic else ErrorCode.STALE_MEMBER_EPOCH

    # -- as others see it --

    def _describe_share(self, member: ConsumerMember) -> ModernMember:
        return ModernMember(
            epoch=member.epoch,
            rack_id=member.rack_id,
            named_topics=member.topics,
            regex=member.regex,
            topics=self.names_read_by(member),
            is_classic=member.classic is not None,
            owned=self._topics.named((*member.assigned, *member.revoking)),
            target=self._topics.named(self.targets.get(member.member_id, ())),
        )
