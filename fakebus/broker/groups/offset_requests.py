"""OffsetCommit, OffsetFetch and OffsetDelete: who may change which offsets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.group import Group
from fakebus.broker.groups.registry import GroupRegistry
from fakebus.broker.groups.requests import OffsetCommit, PartitionOffset
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.topics import Topics
from fakebus.clock import Clock
from fakebus.errors import BrokerError, ErrorCode
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicPartition

_FOR_EVER = 2**63 - 1

WhenCommitted = Callable[[list[ErrorCode]], None]
"""Called with one error for each offset of the commit."""


class OffsetRequests:
    """Handles requests about the offsets of groups that exist.

    Args:
        config: the broker's configs.
        clock: where time comes from.
        topics: the topics that offsets may be committed for.
        groups: the groups and their offsets.
    """

    def __init__(
        self, config: BrokerConfig, clock: Clock, topics: Topics, groups: GroupRegistry
    ) -> None:
        self._config = config
        self._clock = clock
        self._topics = topics
        self._groups = groups
        self._offsets = groups.offsets

    def log(self, topic: str, partition: int) -> PartitionLog | None:
        """Return a partition's log, ``None`` if there is no such partition."""
        known = self._topics.get(topic)
        return None if known is None else known.partition(partition)

    def end_of(self, place: TopicPartition) -> int | None:
        """Return one past the last record of a partition, ``None`` if there is no such one."""
        log = self.log(*place)
        return None if log is None else log.high_watermark

    def commit(self, commit: OffsetCommit, then: WhenCommitted) -> None:
        """Store the offsets; ``then`` is called when they are, or when they are refused."""
        errors, rows = self.admit(commit)
        if rows:
            self._offsets.commit(
                commit.group_id, rows, lambda stored: then([error or stored for error in errors])
            )
        else:
            then([error or ErrorCode.NONE for error in errors])

    def admit(self, commit: OffsetCommit) -> tuple[list[ErrorCode | None], list[OffsetRow]]:
        """Return what speaks against each offset, ``None`` if nothing does, and all others."""
        max_bytes = self._config.get_int("offset.metadata.max.bytes")
        errors: list[ErrorCode | None] = []
        rows: list[OffsetRow] = []
        now_ms = self._clock.now_ms()
        group: Group | None = None
        group_error: ErrorCode | None = None
        for offset in commit.offsets:
            if self.log(offset.topic, offset.partition) is None:
                errors.append(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
                continue
            if group_error is None:
                # As in Kafka, a request that names no partition that exists founds no group
                # and keeps no session.
                group, group_error = self._admit(commit)
            error = group_error
            if group is not None and error is ErrorCode.NONE:
                error = group.check_offset(commit, TopicPartition(offset.topic, offset.partition))
            if error is not ErrorCode.NONE:
                errors.append(error)
            elif len(offset.metadata) > max_bytes:
                errors.append(ErrorCode.OFFSET_METADATA_TOO_LARGE)
            else:
                errors.append(None)
                rows.append(_row(offset, now_ms, commit.retention_ms))
        return errors, rows

    def _admit(self, commit: OffsetCommit) -> tuple[Group | None, ErrorCode]:
        if commit.transactional and not commit.group_id:
            return None, ErrorCode.INVALID_GROUP_ID
        group = self._groups.get(commit.group_id)
        if group is None:
            if commit.generation_id >= 0:
                if commit.transactional or not commit.knows_member_epochs:
                    return None, ErrorCode.ILLEGAL_GENERATION
                return None, ErrorCode.GROUP_ID_NOT_FOUND
            if commit.transactional:
                # The transaction founds it, unless that is refused.
                return None, ErrorCode.NONE
            group = self._groups.get_or_create(commit.group_id)
        error = group.check_commit(commit)
        if error is ErrorCode.NONE:
            group.touch(commit.member_id)
        return group, error

    def rows(self, offsets: Mapping[TopicPartition, int]) -> list[OffsetRow]:
        """Return offsets as they are stored when they are committed now."""
        now_ms = self._clock.now_ms()
        return [
            _row(PartitionOffset(*partition, offset), now_ms)
            for partition, offset in offsets.items()
        ]

    def fetch(self, group_id: str, partition: TopicPartition) -> OffsetRow | None:
        """Return a committed offset, ``None`` if there is none.

        With ``fakebus.new.groups=earliest`` a partition without a committed offset has the
        log start offset, as if it had been committed: a new group sees what is on the bus,
        whatever its auto.offset.reset says. Nothing is stored by that; the group's own
        first commit is.
        """
        row = self._offsets.get(group_id, partition)
        if row is None and self._config.get_str("fakebus.new.groups") == "earliest":
            log = self.log(*partition)
            if log is not None:
                return OffsetRow(
                    topic=partition.topic,
                    partition=partition.partition,
                    offset=log.log_start_offset,
                )
        return row

    def delete(
        self, group_id: str, partitions: Sequence[TopicPartition], then: WhenCommitted
    ) -> None:
        """Forget offsets of topics that nobody in the group reads.

        Raises:
            BrokerError: GROUP_ID_NOT_FOUND; or NON_EMPTY_GROUP when the broker cannot know
                what the members read.
        """
        group = self._groups.get(group_id)
        if group is None:
            raise BrokerError(ErrorCode.GROUP_ID_NOT_FOUND)
        if not group.tells_its_topics:
            raise BrokerError(ErrorCode.NON_EMPTY_GROUP)
        errors = [self._delete_error(group, partition) for partition in partitions]
        free = [p for p, error in zip(partitions, errors, strict=True) if error is None]
        if free:
            self._offsets.delete(
                group_id, free, lambda stored: then([error or stored for error in errors])
            )
        else:
            then([error or ErrorCode.NONE for error in errors])

    def _delete_error(self, group: Group, partition: TopicPartition) -> ErrorCode | None:
        if self.log(*partition) is None:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        if group.is_subscribed_to(partition.topic):
            return ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
        return None


def _row(offset: PartitionOffset, now_ms: int, retention_ms: int | None = None) -> OffsetRow:
    return OffsetRow(
        topic=offset.topic,
        partition=offset.partition,
        offset=offset.offset,
        leader_epoch=offset.leader_epoch,
        metadata=offset.metadata,
        commit_timestamp_ms=now_ms,
        # The sum of two int64 must be one: "for ever" is written as the largest.
        expire_timestamp_ms=None if retention_ms is None else min(now_ms + retention_ms, _FOR_EVER),
    )
