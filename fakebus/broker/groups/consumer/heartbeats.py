"""ConsumerGroupHeartbeat: finds the group, and answers when what the answer says is stored."""

from __future__ import annotations

import asyncio

from fakebus.broker.groups.answers import note_answer, settle
from fakebus.broker.groups.classic.group import ClassicGroup
from fakebus.broker.groups.consumer.coordinator import ConsumerCoordinator
from fakebus.broker.groups.consumer.group import ConsumerGroup
from fakebus.broker.groups.consumer.migration import Migration
from fakebus.broker.groups.group import CONSUMER
from fakebus.broker.groups.history import GroupHistory
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.registry import GroupRegistry
from fakebus.broker.groups.requests import ConsumerHeartbeat, HeartbeatResult
from fakebus.errors import BrokerError, ErrorCode


class ConsumerHeartbeats:
    """Handles heartbeats of groups that need not exist.

    Args:
        coordinator: the coordinator of consumer groups.
        migration: makes consumer groups of classic ones.
        groups: all groups.
        journal: stores groups.
        history: is told that a client has come.
    """

    def __init__(
        self,
        coordinator: ConsumerCoordinator,
        migration: Migration,
        groups: GroupRegistry,
        journal: GroupJournal,
        history: GroupHistory,
    ) -> None:
        self._coordinator = coordinator
        self._migration = migration
        self._groups = groups
        self._journal = journal
        self._history = history

    def heartbeat(self, request: ConsumerHeartbeat) -> asyncio.Future[HeartbeatResult]:
        """Let a client become, stay or cease to be a member; the future gets the answer."""
        self._history.reached(request.group_id)
        future: asyncio.Future[HeartbeatResult] = asyncio.get_running_loop().create_future()
        try:
            result = self._heartbeat(request)
        except BrokerError as error:
            result = HeartbeatResult(error=error.error_code, message=error.message)
            client = request.member_id or request.instance_id or request.client_id
            note_answer("ConsumerGroupHeartbeat", request.group_id, client, result.error)

        def stored(error: ErrorCode) -> None:
            settle(future, result if error is ErrorCode.NONE else HeartbeatResult(error=error))

        self._journal.when_stored(request.group_id, stored)
        return future

    def _heartbeat(self, request: ConsumerHeartbeat) -> HeartbeatResult:
        self._coordinator.check(request)
        joins = request.member_epoch == 0
        if joins:
            self._groups.make_way(request.group_id, CONSUMER)
        group = self._groups.get(request.group_id)
        classic = group if isinstance(group, ClassicGroup) and joins else None
        if group is None and joins:
            group = self._coordinator.new_group(request.group_id)
        elif classic is not None:
            group = self._migration.upgrade(classic)
        if not isinstance(group, ConsumerGroup):
            problem = "not found" if group is None else "is not a consumer group"
            raise BrokerError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {request.group_id} {problem}.")
        result = self._coordinator.heartbeat(group, request)
        # A group that nobody was let into never was.
        if self._groups.get(request.group_id) in (None, classic):
            self._groups.replace(group)
        if classic is not None:
            self._migration.finish_upgrade(classic, group)
        return result
