"""Offsets of share groups as administrators read, set and delete them (KIP-932)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from fakebus.broker.groups.coordinator import GroupCoordinator
from fakebus.broker.groups.group import SHARE, SHARE_STATE_PREFIX
from fakebus.broker.share_delivery.partition import SharePartition
from fakebus.broker.topics import Topics
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicPartition


class ShareOffset(NamedTuple):
    """Offset that a share group begins at, and how many records it is not done with."""

    start_offset: int
    leader_epoch: int
    lag: int


NOT_BEGUN = ShareOffset(-1, 0, -1)


class ShareOffsets:
    """Stored offsets of share groups.

    Args:
        topics: the topics that there are.
        groups: the groups, and their offsets.
    """

    def __init__(self, topics: Topics, groups: GroupCoordinator) -> None:
        self._topics = topics
        self._groups = groups

    def places(self, group_id: str) -> list[TopicPartition]:
        """Return the partitions that a group has offsets in, or reads."""
        group = self._groups.describe(group_id)
        if group is None or group.group_type != SHARE:
            return []
        read = {name for member in group.members for name in member.topics or ()}
        known = [topic for topic in map(self._topics.get, read) if topic is not None]
        places = {
            TopicPartition(each.name, i) for each in known for i in range(len(each.partitions))
        }
        return sorted(places | self._groups.offsets(group_id).keys())

    def of(self, group_id: str, place: TopicPartition) -> ShareOffset:
        """Return a group's offset in a partition, :data:`NOT_BEGUN` if it has none.

        Raises:
            BrokerError: UNKNOWN_TOPIC_OR_PARTITION.
        """
        log = self._topics.logs.get(place)
        if log is None:
            raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        group, row = self._groups.get(group_id), self._groups.offset(group_id, place)
        if row is None or group is None or group.group_type != SHARE:
            return NOT_BEGUN
        partition = SharePartition.stored(row)
        lag = log.high_watermark - partition.start_offset - partition.finished
        return ShareOffset(partition.start_offset, max(row.leader_epoch, 0), lag)

    async def alter(
        self, group_id: str, offsets: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, ErrorCode]:
        """Let a group without members begin at these offsets; it need not exist.

        A negative offset lets it begin where ``share.auto.offset.reset`` says.

        Raises:
            BrokerError: INVALID_GROUP_ID, NON_EMPTY_GROUP, or GROUP_ID_NOT_FOUND for a group of
                another type.
        """
        _check_name(group_id)
        if self._groups.get(group_id) is not None:
            self._check_empty(group_id)
        outcome = dict.fromkeys(offsets, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        rows, unset = [], []
        for place, offset in offsets.items():
            log = self._topics.logs.get(place)
            if log is None:
                continue
            if offset < 0:
                unset.append(place)
            else:
                row = OffsetRow(
                    topic=place.topic,
                    partition=place.partition,
                    offset=offset,
                    leader_epoch=log.leader_epoch,
                    metadata=SHARE_STATE_PREFIX,
                )
                rows.append(row)
            outcome[place] = ErrorCode.NONE
        try:
            await self._groups.store_offsets(group_id, rows, SHARE)
        except StorageError as error:
            raise BrokerError(ErrorCode.COORDINATOR_NOT_AVAILABLE, str(error)) from error
        if unset:
            await self._delete(group_id, unset)
        self._groups.share.forget(group_id)
        return outcome

    async def delete(self, group_id: str, topics: Iterable[str]) -> dict[str, ErrorCode]:
        """Forget the offsets of topics of a group without members.

        Raises:
            BrokerError: INVALID_GROUP_ID, NON_EMPTY_GROUP or GROUP_ID_NOT_FOUND.
        """
        _check_name(group_id)
        self._check_empty(group_id)
        outcome, gone = {}, []
        for name in topics:
            topic = self._topics.get(name)
            outcome[name] = ErrorCode.NONE if topic else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            if topic is not None:
                gone += [TopicPartition(name, i) for i in range(len(topic.partitions))]
        if gone:
            await self._delete(group_id, gone)
        self._groups.share.forget(group_id)
        return outcome

    async def _delete(self, group_id: str, places: Sequence[TopicPartition]) -> None:
        errors = await self._groups.delete_offsets(group_id, places)
        if any(error is not ErrorCode.NONE for error in errors):
            raise BrokerError(
                ErrorCode.COORDINATOR_NOT_AVAILABLE,
                f"the offsets of group {group_id} could not be deleted",
            )

    def _check_empty(self, group_id: str) -> None:
        group = self._groups.get(group_id)
        if group is None or group.group_type != SHARE:
            problem = "not found" if group is None else "is not a share group"
            raise BrokerError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} {problem}.")
        if not group.is_empty:
            raise BrokerError(ErrorCode.NON_EMPTY_GROUP, "The group is not empty.")


def _check_name(group_id: str) -> None:
    if not group_id:
        raise BrokerError(ErrorCode.INVALID_GROUP_ID, "A share group needs a name.")
