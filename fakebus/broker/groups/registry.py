"""The groups that exist, in memory and in storage, until they are deleted or expire."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from fakebus.broker.chores import FailureLog
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.answers import settle
from fakebus.broker.groups.group import CLASSIC, SHARE, Group, GroupType
from fakebus.broker.groups.offsets import CommittedOffsets
from fakebus.clock import Clock, Timer
from fakebus.errors import ErrorCode
from fakebus.storage.interface import OffsetStore
from fakebus.wording import counted

logger = logging.getLogger("fakebus.broker.groups")

_MS_PER_MINUTE = 60_000


class GroupRegistry:
    """All groups of the broker and their offsets.

    Args:
        config: the broker's configs.
        clock: where time and timers come from.
        storage: where groups and offsets are kept.
        types: the coordinators of the types of groups, by type.
    """

    def __init__(
        self,
        config: BrokerConfig,
        clock: Clock,
        storage: OffsetStore,
        types: Mapping[str, GroupType[Any]],
    ) -> None:
        self.offsets = CommittedOffsets(storage)
        self._config = config
        self._clock = clock
        self._storage = storage
        self._types = types
        self._groups: dict[str, Group] = {}
        self._clean_up_timer: Timer | None = None
        self._failures = FailureLog("the expiry of offsets")

    def get(self, group_id: str) -> Group | None:
        """Return the group of that name, or ``None``."""
        return self._groups.get(group_id)

    def get_or_create(self, group_id: str, group_type: str = CLASSIC) -> Group:
        """Return the group of that name; a new one is empty and not stored yet."""
        group = self._groups.get(group_id)
        if group is None:
            group = self._groups[group_id] = self._types[group_type].new_group(group_id)
        return group

    def replace(self, group: Group) -> None:
        """Put a group in the place of the one of its name, if there is one."""
        self._groups[group.group_id] = group

    def make_way(self, group_id: str, group_type: str) -> None:
        """Let a group without members, if there is one, be of another type from now on.

        Share groups stay what they are, and others become none while they have offsets: those have
        no meaning for the other.
        """
        group = self._groups.get(group_id)
        if group is None or not group.is_empty or group.group_type in (group_type, SHARE):
            return
        if group_type != SHARE or not self.offsets.of_group(group_id):
            self.type_of(group).abandon(group, ErrorCode.UNKNOWN_MEMBER_ID)
            self._groups[group_id] = self._types[group_type].new_group(group_id)

    def type_of(self, group: Group) -> GroupType[Any]:
        """Return the coordinator of a group's type."""
        return self._types[group.group_type]

    def __iter__(self) -> Iterator[Group]:
        return iter(tuple(self._groups.values()))

    def delete(self, group: Group) -> asyncio.Future[ErrorCode]:
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
                self.type_of(group).abandon(group, ErrorCode.UNKNOWN_MEMBER_ID)
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
            group_type = self._types.get(_stored_type(row.snapshot), self._types[CLASSIC])
            self._groups[row.group_id] = group_type.load(row.group_id, row.snapshot)
        self._plan_clean_up()

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

    def _expire(self, group: Group, retention_ms: int) -> None:
        """Forget offsets that are too old (offsets.retention.minutes).

        An offset that was committed with a retention time of its own (OffsetCommit 2 to 4)
        expires at the end of that time, once the group lets it age.
        """
        offsets, expired = self.offsets.of_group(group.group_id), []
        for partition, row in offsets.items():
            since_ms, ends_ms = group.offset_ages_from(row), row.expire_timestamp_ms
            if since_ms is not None and self._clock.now_ms() >= (
                since_ms + retention_ms if ends_ms is None else ends_ms
            ):
                expired.append(partition)
        if len(expired) == len(offsets) and group.is_empty:
            logger.info("group %s is deleted: it has neither members nor offsets", group.group_id)
            self.delete(group)
        elif expired:
            count = counted(len(expired), "committed offset")
            logger.info("group %s: %s expired", group.group_id, count)
            self.offsets.delete(group.group_id, expired)

    def close(self) -> None:
        """Stop all timers and let go of all clients that wait."""
        if self._clean_up_timer is not None:
            self._clean_up_timer.cancel()
        for group in self:
            self.type_of(group).abandon(group, ErrorCode.NOT_COORDINATOR)
        self._groups.clear()


def _stored_type(snapshot: bytes | None) -> str:
    """Return the type that a snapshot names; what cannot be read is the classic type's to tell."""
    try:
        return str(json.loads(snapshot or "{}")["type"])
    except (KeyError, TypeError, ValueError):
        return CLASSIC
