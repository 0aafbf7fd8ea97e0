"""The types of groups; all but the classic one are loaded for the first group of theirs."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.classic.coordinator import ClassicCoordinator
from fakebus.broker.groups.group import CLASSIC, CONSUMER, SHARE, STREAMS
from fakebus.broker.groups.heartbeats import HeartbeatFunction, answered_when_stored
from fakebus.broker.groups.history import GroupHistory
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.registry import GroupRegistry
from fakebus.broker.groups.requests import ConsumerHeartbeat, HeartbeatResult
from fakebus.broker.topics import Topics
from fakebus.clock import Clock
from fakebus.storage.interface import OffsetStore

if TYPE_CHECKING:
    from fakebus.broker.groups.consumer.classic_members import ClassicMembers
    from fakebus.broker.groups.consumer.heartbeats import ConsumerGroups
    from fakebus.broker.groups.share.coordinator import ShareCoordinator
    from fakebus.broker.groups.streams.coordinator import StreamsCoordinator
    from fakebus.broker.groups.streams.requests import StreamsHeartbeat, StreamsResult


class GroupTypes:
    """Coordinators of the types of groups.

    Args:
        config: the broker's configs.
        clock: where time and timers come from.
        topics: the topics that there are.
        storage: where groups and offsets are kept.
        journal: stores groups.
        history: is told what becomes of them.
    """

    def __init__(
        self,
        config: BrokerConfig,
        clock: Clock,
        topics: Topics,
        storage: OffsetStore,
        journal: GroupJournal,
        history: GroupHistory,
    ) -> None:
        self._config = config
        self._clock = clock
        self._topics = topics
        self._told = journal, history
        self.classic = ClassicCoordinator(config, clock, journal, history)
        self.groups = GroupRegistry(
            config,
            clock,
            storage,
            journal,
            {
                CLASSIC: lambda: self.classic,
                CONSUMER: lambda: self.consumer.coordinator,
                SHARE: lambda: self.share,
                STREAMS: lambda: self.streams,
            },
        )

    def door(self, group_type: str) -> ClassicCoordinator | ClassicMembers | None:
        """Return who answers members that speak the classic protocol in a group of a type."""
        if group_type == CONSUMER:
            return self.consumer.classic_members
        return self.classic if group_type == CLASSIC else None

    @cached_property
    def consumer(self) -> ConsumerGroups:
        """Consumer groups."""
        from fakebus.broker.groups.consumer.heartbeats import ConsumerGroups

        return ConsumerGroups(
            self._config, self._clock, self._topics, *self._told, self.groups, self.classic
        )

    @cached_property
    def share(self) -> ShareCoordinator:
        """The coordinator of share groups."""
        from fakebus.broker.groups.share.coordinator import ShareCoordinator

        return ShareCoordinator(self._config, self._clock, self._topics, *self._told)

    @cached_property
    def streams(self) -> StreamsCoordinator:
        """The coordinator of streams groups."""
        from fakebus.broker.groups.streams.coordinator import StreamsCoordinator

        return StreamsCoordinator(self._config, self._clock, self._topics, *self._told)

    @cached_property
    def consumer_heartbeat(self) -> HeartbeatFunction[ConsumerHeartbeat, HeartbeatResult]:
        """What lets a client become, stay or cease to be a member of a consumer group."""
        api, handle = "ConsumerGroupHeartbeat", self.consumer.heartbeat
        return answered_when_stored(api, handle, HeartbeatResult.refused, *self._told)

    @cached_property
    def share_heartbeat(self) -> HeartbeatFunction[ConsumerHeartbeat, HeartbeatResult]:
        """What lets a client become, stay or cease to be a member of a share group."""
        handle = partial(self.share.heartbeat, self.groups)
        return answered_when_stored(
            "ShareGroupHeartbeat", handle, HeartbeatResult.refused, *self._told
        )

    @cached_property
    def streams_heartbeat(self) -> HeartbeatFunction[StreamsHeartbeat, StreamsResult]:
        """What lets a client become, stay or cease to be a member of a streams group."""
        from fakebus.broker.groups.streams.requests import StreamsResult

        handle = partial(self.streams.heartbeat, self.groups)
        return answered_when_stored(
            "StreamsGroupHeartbeat", handle, StreamsResult.refused, *self._told
        )
