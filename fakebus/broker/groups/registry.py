"""The groups that exist, in memory and in storage, until they are deleted or expire."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import compress
from operator import not_
from typing import TYPE_CHECKING, Any

from fakebus.broker.chores import FailureLog
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.answers import settle
from fakebus.broker.groups.group import (
    CLASSIC,
    CONSUMER,
    SHARE,
    SHARE_STATE_PREFIX,
    STREAMS,
    Group,
    GroupType,
)
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.offsets import CommittedOffsets, slices
from fakebus.broker.turns import in_turns
from fakebus.clock import Clock, Timer
from fakebus.errors import ErrorCode, StorageError
from fakebus.storage.interface import OffsetRow, OffsetStore
from fakebus.types import TopicPartition
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.broker.topics import Topics

logger = logging.getLogger("fakebus.broker.groups")

_MS_PER_MINUTE = 60_000
_CHANGES = {(CLASSIC, CONSUMER), (CLASSIC, STREAMS), (CONSUMER, CLASSIC), (STREAMS, CLASSIC)}
"""Types that a group without members may have had, and have from now on."""


class GroupRegistry:
    """All groups of the broker and their offsets.

    Args:
        config: the broker's configs.
        clock: where time and timers come from.
        storage: where groups and offsets are kept.
        journal: stores groups.
        types: what returns the coordinator of a type of groups, by type.
    """

    def __init__(
        self,
        config: BrokerConfig,
        clock: Clock,
        storage: OffsetStore,
        journal: GroupJournal,
        types: Mapping[str, Callable[[], GroupType[Any]]],
    ) -> None:
        self.offsets = CommittedOffsets(storage)
        self._config = config
        self._clock = clock
        self._storage = storage
        self._journal = journal
        self._journal.failed = self._restore_stored
        self.offsets.failed = self.revert
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
            group = self._groups[group_id] = self._types[group_type]().new_group(group_id)
        return group

    def replace(self, group: Group) -> None:
        """Put a group in the place of the one of its name, if there is one."""
        self._groups[group.group_id] = group

    def make_way(self, group_id: str, group_type: str) -> None:
        """Let a group without members, if there is one, be of another type from now on.

        Only a classic group becomes one of another type, or was one: as in Kafka, to make any other
        change a group is deleted.
        """
        group = self._groups.get(group_id)
        if group is not None and group.is_empty and (group.group_type, group_type) in _CHANGES:
            self.type_of(group).abandon(group, ErrorCode.UNKNOWN_MEMBER_ID)
            self._groups[group_id] = self._types[group_type]().new_group(group_id)

    def type_of(self, group: Group) -> GroupType[Any]:
        """Return the coordinator of a group's type."""
        return self._types[group.group_type]()

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
                self._journal.found(group.group_id, None)
                self.type_of(group).abandon(group, ErrorCode.UNKNOWN_MEMBER_ID)
            else:
                self._groups.setdefault(group.group_id, group)
            settle(deleted, error)

        self.offsets.delete_group(group.group_id, landed)
        return deleted

    def revert(self, group_id: str) -> None:
        """Make a group what is stored of it, or nothing, as offsets of it could not be stored.

        A classic group keeps its members, who have no part in that.
        """
        group = self._groups.get(group_id)
        if group is None or self.offsets.is_changing(group_id):
            return
        is_stored = self._journal.stored(group_id) is not None or self.offsets.of_group(group_id)
        if group.group_type != CLASSIC or (group.is_empty and not is_stored):
            self._restore_stored(group_id)

    def _restore_stored(self, group_id: str) -> None:
        """Make a group what is stored of it, or nothing, as its change could not be stored.

        Nobody was told of the change. Members that were there before come with what they know,
        and others join anew, as they do with a coordinator that has loaded the group.
        """
        group = self._groups.get(group_id)
        if group is None or self._journal.is_saving(group_id):
            return
        snapshot = self._journal.stored(group_id)
        has_offsets = self.offsets.of_group(group_id) or self.offsets.is_changing(group_id)
        successor: Group | None = None
        if snapshot is None and not has_offsets:
            del self._groups[group_id]
        else:
            successor = self._types[_stored_type(snapshot)]().load(group_id, snapshot)
            self._groups[group_id] = successor
        logger.warning("group %s is what is stored of it again", group_id)
        self.type_of(group).unload(group, successor)

    def store_offsets(
        self, group_id: str, rows: Sequence[OffsetRow], group_type: str = CLASSIC
    ) -> asyncio.Future[None]:
        """Store offsets of a group, whatever it is doing.

        Args:
            group_id: the group.
            rows: the offsets.
            group_type: what it is if it does not exist yet.

        Returns:
            A future that is done when they are stored, or fails with a StorageError.
        """
        is_new = group_id not in self._groups
        group = self.get_or_create(group_id, group_type)
        if is_new and group_type != CLASSIC:
            self.type_of(group).save(group)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.offsets.commit(group_id, rows, partial(_finish, future, group_id))
        return future

    async def restore(self, offsets: Mapping[str, Mapping[TopicPartition, OffsetRow]]) -> None:
        """Make the groups and their offsets what they once were; all are without members then.

        Raises:
            StorageError: it could not be stored.
        """
        for group in self:
            self.type_of(group).remove_all(group, "its offsets are restored")
        for group in self:
            if group.group_id not in offsets and self.get(group.group_id) is group:
                await self._delete_new(group)
        async for group_id, wanted in in_turns(offsets.items()):
            present = self.offsets.of_group(group_id)
            if present is wanted and group_id in self._groups:
                continue
            surplus = [partition for partition in present if partition not in wanted]
            await self.offsets.delete_in_slices(group_id, surplus)
            changed = [row for partition, row in wanted.items() if present.get(partition) != row]
            if changed or group_id not in self._groups:
                shares = any(row.metadata.startswith(SHARE_STATE_PREFIX) for row in changed)
                for rows in slices(changed) or [changed]:
                    await self.store_offsets(group_id, rows, SHARE if shares else CLASSIC)

    async def _delete_new(self, group: Group) -> None:
        if await self.delete(group) is not ErrorCode.NONE:
            raise _not_stored(group.group_id)

    async def load(self, topics: Topics) -> None:
        """Restore what storage holds; the members' sessions start anew.

        Args:
            topics: those there are; the offsets of one that is not there were to go with it.

        Raises:
            StorageError: a group's state cannot be read.
        """
        for row in await self._storage.load_groups():
            is_known = [topics.get(each.topic) is not None for each in row.offsets]
            self.offsets.load(row.group_id, compress(row.offsets, is_known))
            if not all(is_known):
                gone = compress(row.offsets, map(not_, is_known))
                places = [TopicPartition(each.topic, each.partition) for each in gone]
                self.offsets.delete(row.group_id, places)
            self._journal.found(row.group_id, row.snapshot)
            group_type = self._types.get(_stored_type(row.snapshot), self._types[CLASSIC])
            self._groups[row.group_id] = group_type().load(row.group_id, row.snapshot)
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


def _finish(future: asyncio.Future[None], group_id: str, error: ErrorCode) -> None:
    if future.done():
        return
    if error is ErrorCode.NONE:
        future.set_result(None)
    else:
        future.set_exception(_not_stored(group_id))


def _not_stored(group_id: str) -> StorageError:
    return StorageError(f"the offsets of group {group_id} could not be stored")
