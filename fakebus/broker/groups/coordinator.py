"""Coordinator of all groups and their committed offsets: what the APIs about groups call.

It finds the group and hands the request to the coordinator of its type. Nothing awaits between
reading a group and changing it. Requests that wait for other members or for storage return
futures; errors of single members and partitions are values.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.answers import note_answer, settle, settled
from fakebus.broker.groups.classic.coordinator import ClassicCoordinator
from fakebus.broker.groups.connections import GroupConnections
from fakebus.broker.groups.group import (
    CLASSIC,
    STREAMS,
    Group,
    GroupDescription,
)
from fakebus.broker.groups.history import GroupHistory
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.offset_requests import OffsetRequests, WhenCommitted
from fakebus.broker.groups.requests import (
    UNKNOWN_MEMBER_ID,
    ConsumerHeartbeat,
    HeartbeatResult,
    JoinRequest,
    JoinResult,
    LeavingMember,
    OffsetCommit,
    SyncRequest,
    SyncResult,
)
from fakebus.broker.groups.types import GroupTypes
from fakebus.broker.topics import Topic, Topics
from fakebus.clock import Clock
from fakebus.errors import BrokerError, ErrorCode
from fakebus.storage.interface import OffsetRow, OffsetStore
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.broker.groups.consumer.classic_members import ClassicMembers
    from fakebus.broker.groups.coordinated import CoordinatedGroup
    from fakebus.broker.groups.share.coordinator import ShareCoordinator
    from fakebus.broker.groups.streams.group import StreamsGroup
    from fakebus.broker.groups.streams.requests import StreamsHeartbeat, StreamsResult

logger = logging.getLogger("fakebus.broker.groups")


class GroupCoordinator:
    """All consumer groups of the broker.

    Args:
        config: the broker's configs.
        clock: where time and timers come from.
        storage: where groups and offsets are kept.
        topics: the topics that offsets may be committed for.
    """

    def __init__(
        self, *, config: BrokerConfig, clock: Clock, storage: OffsetStore, topics: Topics
    ) -> None:
        self._config = config
        self._topics = topics
        self._journal = GroupJournal(storage)
        self.history = GroupHistory(clock)
        """What has become of the groups lately."""
        self._types = GroupTypes(config, clock, topics, storage, self._journal, self.history)
        self._groups = self._types.groups
        self._offsets = self._groups.offsets
        self._offset_requests = OffsetRequests(config, clock, topics, self._groups)
        self.connections = GroupConnections(config, self._groups)
        topics.on_deleting.append(self._topic_deleted)
        for hook in (topics.on_changed, topics.on_deleted):
            hook.append(self._topic_changed)

    async def load(self) -> None:
        """Restore all groups; members that were there have their session timeout to call.

        Raises:
            StorageError: the stored state cannot be read.
        """
        await self._groups.load(self._topics)

    def close(self) -> None:
        """Stop all timers; clients that wait are told to look for the coordinator again."""
        self._groups.close()

    # -- members --

    def join_group(self, request: JoinRequest) -> asyncio.Future[JoinResult]:
        """Let a client become, or stay, a member; the future is done with the join phase."""
        future: asyncio.Future[JoinResult] = asyncio.get_running_loop().create_future()
        self.history.reached(request.group_id)
        client = request.member_id or request.group_instance_id or request.client_id
        future.add_done_callback(partial(_note, "JoinGroup", request.group_id, client))
        error = self._check_join(request)
        if error is not ErrorCode.NONE:
            future.set_result(JoinResult(error=error, member_id=request.member_id))
            return future
        self._groups.make_way(request.group_id, CLASSIC)
        is_new = self._groups.get(request.group_id) is None
        group = self._groups.get_or_create(request.group_id)
        door = self._types.door(group.group_type)
        if door is None:
            error = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
            future.set_result(JoinResult(error=error, member_id=request.member_id))
            return future
        door.join(cast(Any, group), request, future)
        if is_new and group.is_empty:
            self._groups.type_of(group).save(group)
        return future

    def consumer_heartbeat(self, request: ConsumerHeartbeat) -> asyncio.Future[HeartbeatResult]:
        """Let a client become, stay or cease to be a member of a consumer group."""
        return self._types.consumer_heartbeat(request)

    def share_heartbeat(self, request: ConsumerHeartbeat) -> asyncio.Future[HeartbeatResult]:
        """Let a client become, stay or cease to be a member of a share group."""
        return self._types.share_heartbeat(request)

    def streams_heartbeat(self, request: StreamsHeartbeat) -> asyncio.Future[StreamsResult]:
        """Let a client become, stay or cease to be a member of a streams group."""
        return self._types.streams_heartbeat(request)

    @property
    def share(self) -> ShareCoordinator:
        """The coordinator of share groups."""
        return self._types.share

    def _check_join(self, request: JoinRequest) -> ErrorCode:
        if not request.group_id:
            return ErrorCode.INVALID_GROUP_ID
        shortest_ms = self._config.get_int("group.min.session.timeout.ms")
        longest_ms = self._config.get_int("group.max.session.timeout.ms")
        if not shortest_ms <= request.session_timeout_ms <= longest_ms:
            return ErrorCode.INVALID_SESSION_TIMEOUT
        if request.member_id != UNKNOWN_MEMBER_ID and self._groups.get(request.group_id) is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE

    def sync_group(self, request: SyncRequest) -> asyncio.Future[SyncResult]:
        """Give a member its assignment as soon as the leader has brought it."""
        future: asyncio.Future[SyncResult] = asyncio.get_running_loop().create_future()
        future.add_done_callback(partial(_note, "SyncGroup", request.group_id, request.member_id))
        door, group = self._door(request.group_id)
        if not request.group_id:
            future.set_result(SyncResult(error=ErrorCode.INVALID_GROUP_ID))
        elif door is None:
            future.set_result(SyncResult(error=ErrorCode.UNKNOWN_MEMBER_ID))
        else:
            door.sync(group, request, future)
        return future

    def heartbeat(
        self,
        group_id: str,
        member_id: str,
        generation_id: int,
        group_instance_id: str | None = None,
    ) -> ErrorCode:
        """Keep a member's session; REBALANCE_IN_PROGRESS tells it to join again."""
        error = self._heartbeat(group_id, member_id, generation_id, group_instance_id)
        if error is not ErrorCode.NONE:
            note_answer("Heartbeat", group_id, member_id, error)
        return error

    def _heartbeat(
        self, group_id: str, member_id: str, generation_id: int, group_instance_id: str | None
    ) -> ErrorCode:
        if not group_id:
            return ErrorCode.INVALID_GROUP_ID
        door, group = self._door(group_id)
        if door is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        return door.heartbeat(group, member_id, generation_id, group_instance_id)

    def _door(self, group_id: str) -> tuple[ClassicCoordinator | ClassicMembers | None, Any]:
        """Return a group and who answers its members that speak the classic protocol."""
        group = self._groups.get(group_id)
        return (None if group is None else self._types.door(group.group_type)), group

    def leave_group(
        self, group_id: str, leaving: Sequence[LeavingMember]
    ) -> asyncio.Future[list[ErrorCode]]:
        """Remove members at once.

        Returns:
            A future of one error for each, done when an emptied group is stored as empty. It
            fails with BrokerError NOT_COORDINATOR if that could not be stored: the members
            are there again.

        Raises:
            BrokerError: INVALID_GROUP_ID.
        """
        if not group_id:
            raise BrokerError(ErrorCode.INVALID_GROUP_ID)
        door, group = self._door(group_id)
        if door is None:
            errors = [ErrorCode.UNKNOWN_MEMBER_ID] * len(leaving)
        else:
            errors = door.leave(group, leaving)
        # One line for each error, however many members a client names.
        for error, many in Counter(errors).items():
            first = leaving[errors.index(error)]
            client = first.member_id or first.group_instance_id or ""
            note_answer("LeaveGroup", group_id, client, error, many - 1)
        if door is None:
            return settled(errors)
        future: asyncio.Future[list[ErrorCode]] = asyncio.get_running_loop().create_future()

        def stored(error: ErrorCode) -> None:
            if error is ErrorCode.NONE:
                settle(future, errors)
            elif not future.done():
                future.set_exception(BrokerError(error))

        self._journal.when_stored(group_id, stored)
        return future

    # -- offsets --

    def commit_offsets(self, commit: OffsetCommit, then: WhenCommitted) -> None:
        """Store offsets of a group.

        Args:
            commit: what to store, and who asks. A group that does not exist is created if
                the commit does not come from a member.
            then: called with one error for each offset once they are stored or refused,
                perhaps at once. GROUP_ID_NOT_FOUND stands for a member of no group.
        """

        def committed(errors: list[ErrorCode]) -> None:
            client = commit.member_id or commit.group_instance_id or ""
            for error in dict.fromkeys(errors):
                note_answer("OffsetCommit", commit.group_id, client, error)
            kept = zip(commit.offsets, errors, strict=True)
            offsets = [offset for offset, error in kept if error is ErrorCode.NONE]
            self.history.committed_all(commit.group_id, offsets, self._offset_requests.end_of)
            then(errors)

        self.history.reached(commit.group_id)
        self._offset_requests.commit(commit, committed)

    def check_fetch(self, group_id: str, member_id: str | None, member_epoch: int) -> ErrorCode:
        """Return why somebody may not know a group's offsets, NONE if it may."""
        group = self._groups.get(group_id)
        return ErrorCode.NONE if group is None else group.check_fetch(member_id, member_epoch)

    def keeps_commits(self, group_id: str) -> bool:
        """Whether offsets of a group are those that clients commit; it need not exist."""
        group = self._groups.get(group_id)
        return group is None or group.keeps_commits

    def fetch_offset(self, group_id: str, partition: TopicPartition) -> OffsetRow | None:
        """Return the offset where a group goes on reading, ``None`` if it has none.

        See :meth:`OffsetRequests.fetch` for ``fakebus.new.groups``.
        """
        return self._offset_requests.fetch(group_id, partition)

    async def offsets_settled(self, group_id: str) -> None:
        """Return when the commits that are under way can be fetched."""
        await self._offsets.settled(group_id)

    def delete_offsets(
        self, group_id: str, partitions: Sequence[TopicPartition]
    ) -> asyncio.Future[list[ErrorCode]]:
        """Forget committed offsets.

        Returns:
            A future of one error for each partition.

        Raises:
            BrokerError: INVALID_GROUP_ID, GROUP_ID_NOT_FOUND or NON_EMPTY_GROUP.
        """
        if not group_id:
            raise BrokerError(ErrorCode.INVALID_GROUP_ID)
        future: asyncio.Future[list[ErrorCode]] = asyncio.get_running_loop().create_future()
        self._offset_requests.delete(group_id, partitions, partial(settle, future))
        return future

    def _topic_deleted(self, topic: Topic) -> Callable[[bool], Awaitable[None]]:
        self._topic_changed(topic)
        return self._offsets.begin_leaving(
            topic.name, [log.topic_partition for log in topic.partitions]
        )

    def _topic_changed(self, topic: Topic) -> None:
        self._offsets.end_leaving(topic.name)
        for group in self._groups:
            if group.group_type != CLASSIC:
                cast("CoordinatedGroup[Any, Any]", group).topic_changed(topic)

    # -- administration --

    def describe(self, group_id: str) -> GroupDescription | None:
        """Return a group and its members, ``None`` if there is no such group."""
        group = self._groups.get(group_id)
        return None if group is None else group.describe()

    def streams_group(self, group_id: str) -> StreamsGroup | None:
        """Return a streams group with its topology, ``None`` if there is no such group."""
        group = self._groups.get(group_id)
        is_streams = group is not None and group.group_type == STREAMS
        return cast("StreamsGroup", group) if is_streams else None

    def get(self, group_id: str) -> Group | None:
        """Return a group, ``None`` if there is no such group."""
        return self._groups.get(group_id)

    def tell_changes(self, tell: Callable[[str], object]) -> None:
        """Let somebody be told which group has changed, or its offsets, once that is stored."""
        self._journal.changed = self._offsets.changed = tell

    def names(self) -> list[str]:
        """Return the names of all groups, in the order of their creation."""
        return [group.group_id for group in self._groups]

    def list_groups(self) -> list[GroupDescription]:
        """Return all groups, in the order of their creation."""
        return [group.describe() for group in self._groups]

    def delete_group(self, group_id: str) -> asyncio.Future[ErrorCode]:
        """Delete a group that has no members, and its offsets.

        Returns:
            A future of NONE, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP, or NOT_COORDINATOR when
            storage has failed.
        """
        group = self._groups.get(group_id)
        if group is not None and group.is_empty:
            logger.info("group %s is deleted, as a client has asked", group_id)
            return self._groups.delete(group)
        error = ErrorCode.GROUP_ID_NOT_FOUND if group is None else ErrorCode.NON_EMPTY_GROUP
        note_answer("DeleteGroups", group_id, "", error)
        return settled(error)

    def offsets(self, group_id: str) -> Mapping[TopicPartition, OffsetRow]:
        """Return all committed offsets of a group, as they are now."""
        return self._offsets.share(group_id)

    # -- for fixtures and tests --

    def offset(self, group_id: str, partition: TopicPartition) -> OffsetRow | None:
        """Return what a group has committed in a partition, ``None`` if there is nothing."""
        return self._offsets.get(group_id, partition)

    def committed_offset(self, group_id: str, partition: TopicPartition) -> int | None:
        """Return one committed offset, ``None`` if there is none."""
        row = self.offset(group_id, partition)
        return None if row is None else row.offset

    def all_offsets(self) -> dict[str, Mapping[TopicPartition, OffsetRow]]:
        """Return the committed offsets of all groups, also of those that have none."""
        return {group.group_id: self.offsets(group.group_id) for group in self._groups}

    def rebalance(self, group_id: str) -> bool:
        """Let the members of a group join again; return whether there is such a group."""
        group = self._groups.get(group_id)
        if group is not None:
            self._groups.type_of(group).rebalance(group, "it was asked for")
        return group is not None

    def dismiss(self, group_id: str, reason: str) -> None:
        """Take all members out of a group; they find out by their next heartbeat."""
        group = self._groups.get(group_id)
        if group is not None:
            self._groups.type_of(group).remove_all(group, reason)

    def set_offsets(
        self, group_id: str, offsets: Mapping[TopicPartition, int]
    ) -> asyncio.Future[None]:
        """Store offsets whatever the group is doing; its members see them when they rejoin.

        The write is enqueued before this returns, so that it can be part of a transaction.

        Returns:
            A future that is done when they are stored, or fails with a StorageError.
        """
        stored = self.store_offsets(group_id, self._offset_requests.rows(offsets))
        stored.add_done_callback(lambda _: self._forget_shares(group_id))
        return stored

    def admit_offsets(self, commit: OffsetCommit) -> tuple[list[ErrorCode | None], list[OffsetRow]]:
        """Return what speaks against each offset of a transaction, and the others to keep."""
        if commit.group_id:
            self.history.reached(commit.group_id)
        return self._offset_requests.admit(commit)

    def found_group(self, group_id: str) -> None:
        """Make a group that has no members, unless there is one of the name."""
        self._groups.get_or_create(group_id)

    def revert_group(self, group_id: str) -> None:
        """Make a group what is stored of it, or nothing, as what it was made for has failed."""
        self._groups.revert(group_id)

    def store_offsets(
        self, group_id: str, rows: Sequence[OffsetRow], group_type: str = CLASSIC
    ) -> asyncio.Future[None]:
        """Store offsets that were admitted; see :meth:`set_offsets`.

        Args:
            group_id: the group.
            rows: the offsets.
            group_type: what it is if it does not exist yet.
        """
        return self._groups.store_offsets(group_id, rows, group_type)

    async def restore_offsets(
        self, offsets: Mapping[str, Mapping[TopicPartition, OffsetRow]]
    ) -> None:
        """Make the groups and their offsets what :meth:`all_offsets` once returned.

        All members have to join again, so that they read on from the restored offsets.
        Groups that are not named are deleted.

        Raises:
            StorageError: it could not be stored.
        """
        await self._groups.restore(offsets)
        for group_id in offsets:
            self._forget_shares(group_id)

    def _forget_shares(self, group_id: str) -> None:
        if "share" in vars(self._types):
            self._types.share.forget(group_id)


def _note(
    request: str, group_id: str, client: str, done: asyncio.Future[JoinResult | SyncResult]
) -> None:
    if not done.cancelled():
        note_answer(request, group_id, client, done.result().error)
