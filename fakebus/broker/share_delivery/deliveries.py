"""Deliveries of all share groups: opens their partitions, times their locks, and stores them.

What is stored of a partition is an offset of the group, its share-partition start offset, with the
records in flight as its metadata. So it is committed, deleted, restored and shown like any offset.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from fakebus.broker.activity import LIBRARY, Activities, Origin
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.configs.group_config import GroupConfig, group_config
from fakebus.broker.fetching import IsolationLevel
from fakebus.broker.groups.coordinator import GroupCoordinator
from fakebus.broker.groups.group import SHARE
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.share_delivery.offsets import ShareOffsets
from fakebus.broker.share_delivery.partition import (
    AcknowledgedRange,
    Acknowledgement,
    AcquiredRange,
    Lock,
    Mark,
    SharePartition,
)
from fakebus.broker.share_delivery.runs import Run
from fakebus.broker.share_delivery.sessions import ShareSession, ShareSessions
from fakebus.broker.topics import Topics
from fakebus.clock import Clock, Timer
from fakebus.errors import BrokerError, ErrorCode
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicIdPartition, TopicPartition
from fakebus.wording import counted

logger = logging.getLogger("fakebus.broker.groups")

_DURATION = re.compile(
    r"by_duration:PT?(?:(\d{1,9})D)?T?(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.\d+)?S)?"
)
_NOTED = {
    Acknowledgement.ACCEPT: ("acknowledged", ""),
    Acknowledgement.REJECT: ("acknowledged", "rejected"),
    Acknowledgement.RELEASE: ("released", ""),
}
"""Verb and detail of what is noted of an acknowledgement."""
_SECONDS = (86_400, 3600, 60, 1)
_TOLERANCE_S = 0.001
"""Event loops may ring a little early."""


class Delivery(NamedTuple):
    """Partition that is delivered to a share group."""

    group_id: str
    log: PartitionLog
    partition: SharePartition
    unstored: list[tuple[asyncio.Future[None], Mark]]
    """The acknowledgements that are being stored, and how it was before each."""


class ShareDeliveries:
    """Records in flight to all share groups, in memory and in storage.

    Args:
        config: the broker's configs.
        clock: where time and timers come from.
        topics: the topics that there are.
        groups: the groups, and their offsets.
        activity: is told what was delivered and acknowledged.
    """

    def __init__(
        self,
        config: BrokerConfig,
        clock: Clock,
        topics: Topics,
        groups: GroupCoordinator,
        activity: Activities,
    ) -> None:
        self._config = config
        self._clock = clock
        self._topics = topics
        self._groups = groups
        self._activity = activity
        self._open: dict[str, dict[TopicIdPartition, Delivery]] = {}
        self._timers: dict[str, Timer] = {}
        self._connections: set[object] = set()
        self.sessions = ShareSessions()
        self.offsets = ShareOffsets(topics, groups)
        groups.share.release, groups.share.forget = self.release, self.forget
        topics.on_deleted.append(lambda topic: self._drop_topic(topic.topic_id))

    def config_of(self, group_id: str) -> GroupConfig:
        """Return a group's configs as they are now."""
        return group_config(group_id, self._config)

    def isolation(self, group_id: str) -> IsolationLevel:
        """Return what a group may see of transactions."""
        return IsolationLevel[self.config_of(group_id).get_str("share.isolation.level").upper()]

    def lock(self, group_id: str, member_id: str) -> Lock:
        """Return the terms on which a member gets records now."""
        config = self.config_of(group_id)
        lasts_s = config.get_int("share.record.lock.duration.ms") / 1000
        limit = config.get_int("share.delivery.count.limit")
        return Lock(member_id, self._clock.monotonic() + lasts_s, limit)

    # -- partitions --

    async def open(self, group_id: str, place: TopicIdPartition, log: PartitionLog) -> Delivery:
        """Return a partition as it is delivered to a group, from where it had come to.

        Raises:
            BrokerError: UNKNOWN_SERVER_ERROR when there is no such share group.
        """
        found = self._open.get(group_id, {}).get(place)
        if found is None:
            group = self._groups.describe(group_id)
            if group is None or group.group_type != SHARE:
                raise BrokerError(
                    ErrorCode.UNKNOWN_SERVER_ERROR, f"there is no share group {group_id}"
                )
            row = self._groups.offset(group_id, log.topic_partition)
            if row is None:
                start = await self._first_start(group_id, log)
                # Somebody else may have been faster, or have set the offset.
                return self._put(group_id, place, log, SharePartition(start))
            found = self._put(group_id, place, log, SharePartition.stored(row))
        if found.partition.end_offset > log.log_end_offset:
            # Its log was cut off.
            start = min(found.partition.start_offset, log.log_end_offset)
            self._open[group_id].pop(place).partition.wake(gone=True)
            found = self._put(group_id, place, log, SharePartition(start))
        found.partition.move_start(log.log_start_offset)
        return found

    def _put(
        self, group_id: str, place: TopicIdPartition, log: PartitionLog, partition: SharePartition
    ) -> Delivery:
        return self._open.setdefault(group_id, {}).setdefault(
            place, Delivery(group_id, log, partition, [])
        )

    async def _first_start(self, group_id: str, log: PartitionLog) -> int:
        """Return where a group begins that has no offset yet (share.auto.offset.reset)."""
        reset = self.config_of(group_id).get_str("share.auto.offset.reset")
        if reset == "earliest":
            return log.log_start_offset
        if (parts := _DURATION.fullmatch(reset)) is not None:
            ages = zip(parts.groups(), _SECONDS, strict=True)
            age_s = sum(int(number or 0) * seconds for number, seconds in ages)
            return await log.position_at(self._clock.now_ms() - age_s * 1000)
        return log.high_watermark

    def of_group(self, group_id: str) -> Sequence[Delivery]:
        """Return the partitions of a group that are in memory."""
        return tuple(self._open.get(group_id, {}).values())

    def in_flight(self, group_id: str) -> dict[TopicPartition, SharePartition]:
        """Return what is delivered to a group, as it is in memory, else as it was stored."""
        rows = self._groups.offsets(group_id)
        opened = {each.log.topic_partition: each.partition for each in self.of_group(group_id)}
        stored = {at: SharePartition.stored(row) for at, row in rows.items() if at not in opened}
        return dict(sorted((opened | stored).items()))

    def forget(self, group_id: str) -> None:
        """Forget what was delivered to a group, which has been deleted or set back."""
        for each in self._open.pop(group_id, {}).values():
            each.partition.wake(gone=True)
        timer = self._timers.pop(group_id, None)
        if timer is not None:
            timer.cancel()

    def _drop_topic(self, topic_id: object) -> None:
        for places in self._open.values():
            for place in [place for place in places if place.topic_id == topic_id]:
                places.pop(place).partition.wake(gone=True)

    # -- records --

    def acquired(
        self, delivery: Delivery, ranges: Sequence[AcquiredRange], member_id: str, origin: Origin
    ) -> None:
        """Time the locks of what a member has got, and note it."""
        self._note_given_up(delivery)
        self._wind_up(delivery.group_id)
        place = delivery.log.topic_partition
        for first, last, _ in ranges:
            offsets = first, last
            self._activity.note(
                "fetched", origin, place, offsets, delivery.group_id, member=member_id
            )

    def acknowledge(
        self,
        delivery: Delivery,
        member_id: str,
        ranges: Sequence[AcknowledgedRange],
        origin: Origin,
    ) -> asyncio.Future[None]:
        """Take in what a member says of records that it has.

        Returns:
            A future that is done when it is stored, or fails with a StorageError.

        Raises:
            BrokerError: INVALID_RECORD_STATE or INVALID_REQUEST; nothing has changed.
        """
        group_id, before = delivery.group_id, delivery.partition.mark()
        delivery.partition.acknowledge(ranges, self.lock(group_id, member_id))
        for each in ranges:
            for first, last, kind in each.pieces():
                if kind in _NOTED:
                    verb, detail = _NOTED[kind]
                    self._activity.note(
                        verb,
                        origin,
                        delivery.log.topic_partition,
                        (first, last),
                        group_id,
                        detail=detail,
                        member=member_id,
                    )
        self._note_given_up(delivery)
        self._wind_up(group_id)
        delivery.partition.wake()
        stored = self._store(delivery)
        delivery.unstored.append((stored, before))
        stored.add_done_callback(partial(self._acknowledged, delivery))
        return stored

    def _acknowledged(self, delivery: Delivery, done: asyncio.Future[None]) -> None:
        futures = [stored for stored, _ in delivery.unstored]
        if done not in futures:
            return
        # With the first that fails all that came behind it fail, and are taken back with it.
        at = futures.index(done)
        if not done.cancelled() and done.exception() is None:
            del delivery.unstored[at]
            log, offset = delivery.log, delivery.partition.start_offset
            history = self._groups.history
            history.committed(delivery.group_id, log.topic_partition, offset, log.high_watermark)
            return
        delivery.partition.roll_back(delivery.unstored[at][1])
        del delivery.unstored[at:]
        self._wind_up(delivery.group_id)
        delivery.partition.wake()

    def release(self, group_id: str, member_id: str) -> None:
        """Let others have what a member has got and not acknowledged."""
        session = self.sessions.get(group_id, member_id)
        if session is not None:
            self.close_session(session)

    def open_session(self, group_id: str, member_id: str, connection: object) -> ShareSession:
        """Begin a session, which ends with the connection at the latest.

        Args:
            group_id: the group.
            member_id: the member.
            connection: what stands for its connection.

        Raises:
            BrokerError: SHARE_SESSION_LIMIT_REACHED.
        """
        known = self.sessions.get(group_id, member_id)
        most = self._config.get_int("group.share.max.share.sessions")
        session = self.sessions.open(group_id, member_id, connection, most)
        if known is not None and known.fetch is not None:
            known.fetch.cancel()
        return session

    def watch_connection(self, connection: object) -> bool:
        """Return whether :meth:`connection_closed` has to be called: once for each connection."""
        is_new = connection not in self._connections
        self._connections.add(connection)
        return is_new

    def close_session(self, session: ShareSession) -> None:
        """End a session: what was delivered in it others may have."""
        self.sessions.close(session)
        if session.fetch is not None:
            session.fetch.cancel()
        self._give_back(session.group_id, lambda run: run.member_id == session.member_id)

    def connection_closed(self, connection: object) -> None:
        """End the sessions that were begun through a connection."""
        self._connections.discard(connection)
        for session in self.sessions.of_connection(connection):
            self.close_session(session)

    def _give_back(self, group_id: str, which: Callable[[Run], bool]) -> None:
        limit = self.config_of(group_id).get_int("share.delivery.count.limit")
        for each in self.of_group(group_id):
            if each.partition.release(which, limit):
                self._note_given_up(each)
                self._store(each).add_done_callback(partial(self._given_back, group_id))
                each.partition.wake()
        self._wind_up(group_id)

    def _note_given_up(self, delivery: Delivery) -> None:
        place = delivery.log.topic_partition
        for first, last, count in delivery.partition.take_given_up():
            detail, offsets = f"after {counted(count, 'delivery', 'deliveries')}", (first, last)
            self._activity.note(
                "given up", LIBRARY, place, offsets, delivery.group_id, detail=detail
            )

    def _store(self, delivery: Delivery) -> asyncio.Future[None]:
        partition, place = delivery.partition, delivery.log.topic_partition
        row = OffsetRow(
            topic=place.topic,
            partition=place.partition,
            offset=partition.start_offset,
            leader_epoch=delivery.log.leader_epoch,
            metadata=partition.encode(),
            commit_timestamp_ms=self._clock.now_ms(),
        )
        return self._groups.store_offsets(delivery.group_id, [row])

    def _given_back(self, group_id: str, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and done.exception() is not None:
            logger.error("what was given back could not be stored: %s", done.exception())
            # What is stored says that nobody has it, and is not asked for again and again.
            self.forget(group_id)

    # -- time --

    def _wind_up(self, group_id: str) -> None:
        """Ring when the next lock of a group times out."""
        dues = [each.partition.next_due_s for each in self.of_group(group_id)]
        due_s = min((due for due in dues if due is not None), default=None)
        timer = self._timers.pop(group_id, None)
        if timer is not None:
            timer.cancel()
        if due_s is not None:
            delay_s = max(0.0, due_s - self._clock.monotonic())
            self._timers[group_id] = self._clock.call_later(delay_s, partial(self._ring, group_id))

    def _ring(self, group_id: str) -> None:
        del self._timers[group_id]
        now_s = self._clock.monotonic() + _TOLERANCE_S
        self._give_back(group_id, lambda run: run.due_s <= now_s)
