"""The groups that exist, in memory and in storage, until they are deleted or expire."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from fakebus.broker.chores import FailureLog
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.classic_group import ClassicGroup
from fakebus.broker.groups.expiry import expired_offsets
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.member import settle
from fakebus.broker.groups.offsets import CommittedOffsets
from fakebus.broker.groups.rebalance import Rebalancer
from fakebus.broker.groups.snapshot import decode_group
from fakebus.broker.groups.states import GroupState
from fakebus.clock import Clock, Timer
from fakebus.errors import ErrorCode
from fakebus.storage.interface import OffsetStore

logger = logging.getLogger("fakebus.broker.groups")

_MS_PER_MINUTE = 60_000


class GroupRegistry:
    """All groups of the broker and their offsets.

    Args:
        config: the broker's configs.
        clock: where time and timers come from.
        storage: where groups and offsets are kept.
    """

    def __init__(self, config: BrokerConfig, clock: Clock, storage: OffsetStore) -> None:
        self.journal = GroupJournal(storage)
        self.rebalancer = Rebalancer(config, clock, self.journal)
        self.offsets = CommittedOffsets(storage)
        self._config = config
        self._clock = clock
        self._storage = storage
        self._groups: dict[str, ClassicGroup] = {}
        self._clean_up_timer: Timer | None = None
        self._failures = FailureLog("the expiry of offsets")

    def get(self, group_id: str) -> ClassicGroup | None:
        """Return the group of that name, or ``None``."""
        return self._groups.get(group_id)

    def get_or_create(self, group_id: str) -> ClassicGroup:
        """Return the group of that name; a new one is empty and not stored yet."""
        group = self._groups.get(group_id)
        if group is None:
            group = self._groups[group_id] = ClassicGroup(group_id, self._clock.now_ms())
        return group

    def __iter__(self) -> Iterator[ClassicGroup]:
        return iter(tuple(self._groups.values()))

    def delete(self, group: ClassicGroup) -> asyncio.Future[ErrorCode]:
        """Delete a group without members and its offsets.

        It is gone at once; a client that joins meanwhile founds a new group. If storage
        fails, the old one is back.

        Returns:
            A future of NONE, or of NOT_COORDINATOR when it could not be deleted.
        """
        deleted: asyncio.Future[ErrorCode] = asyncio.get_running_loop().create_future()
        del self._groups[group.group_id]

        def landed(error: ErrorCode) -> None:
            if error is ErrorCode.NONE:
                self.rebalancer.abandon(group, ErrorCode.UNKNOWN_MEMBER_ID)
            else:
                self._groups.setdefault(group.group_id, group)
            settle(deleted, error)

        self.offsets.delete_group(group.group_id, landed)
        return deleted

    async def load(self) -> None:
        """Restore what storage holds; the members' sessions start anew.

        Raises:
            StorageError: a group's state cannot be read.
        """
        for row in await self._storage.load_groups():
            self.offsets.load(row.group_id, row.offsets)
            group = decode_group(
                row.group_id, row.snapshot, self._clock.now_ms(), self.rebalancer.new_session
            )
            self._groups[group.group_id] = group
            self._resume(group)
        self._plan_clean_up()

    def _resume(self, group: ClassicGroup) -> None:
        for member in group.members.values():
            self.rebalancer.touch(member)
        if group.state is GroupState.COMPLETING_REBALANCE:
            group.pending_sync.update(group.members)
            self.rebalancer.start_sync_timer(group)
        if len(group.members) > self._config.get_int("group.max.size"):
            # The limit was lowered: the last ones to rejoin are turned away.
            self.rebalancer.prepare_rebalance(group, "it is larger than group.max.size")

    def _plan_clean_up(self) -> None:
        interval_ms = self._config.get_int("offsets.retention.check.interval.ms")
        self._clean_up_timer = self._clock.call_later(interval_ms / 1000, self._clean_up)

    def _clean_up(self) -> None:
        self._plan_clean_up()
        retention_ms = self._config.get_int("offsets.retention.minutes") * _MS_PER_MINUTE
        self._failures.begin_run()
        for group in self:
            # What is being committed at this moment must not be deleted after it.
            if not self.offsets.is_changing(group.group_id):
                with self._failures.catch(f"group {group.group_id}"):
                    self._expire(group, retention_ms)

    def _expire(self, group: ClassicGroup, retention_ms: int) -> None:
        expired = expired_offsets(
            group, self.offsets.of_group(group.group_id), self._clock.now_ms(), retention_ms
        )
        if expired.all_expired and group.is_empty:
            logger.info("group %s is deleted: it has neither members nor offsets", group.group_id)
            self.delete(group)
        elif expired.partitions:
            logger.info(
                "%d committed offsets of group %s expire", len(expired.partitions), group.group_id
            )
            self.offsets.delete(group.group_id, expired.partitions)

    def close(self) -> None:
        """Stop all timers and let go of all clients that wait."""
        if self._clean_up_timer is not None:
            self._clean_up_timer.cancel()
        for group in self:
            self.rebalancer.abandon(group, ErrorCode.NOT_COORDINATOR)
        self._groups.clear()
