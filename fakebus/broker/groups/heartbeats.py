"""Heartbeats of members whose coordinator gives them their partitions: how they are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fakebus.broker.groups.answers import note_answer, settle
from fakebus.broker.groups.history import GroupHistory
from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.requests import ConsumerHeartbeat, HeartbeatResult
from fakebus.errors import BrokerError, ErrorCode


class Heartbeats:
    """Heartbeats of one API, answered when what the answer says is stored.

    Args:
        api: the name of the API, for the log.
        handle: lets a client become, stay or cease to be a member, or raises a BrokerError.
        journal: stores groups.
        history: is told that a client has come.
    """

    def __init__(
        self,
        api: str,
        handle: Callable[[ConsumerHeartbeat], HeartbeatResult],
        journal: GroupJournal,
        history: GroupHistory,
    ) -> None:
        self._api = api
        self._handle = handle
        self._journal = journal
        self._history = history

    def heartbeat(self, request: ConsumerHeartbeat) -> asyncio.Future[HeartbeatResult]:
        """Let a client become, stay or cease to be a member; the future gets the answer."""
        self._history.reached(request.group_id)
        future: asyncio.Future[HeartbeatResult] = asyncio.get_running_loop().create_future()
        try:
            result = self._handle(request)
        except BrokerError as error:
            result = HeartbeatResult(error=error.error_code, message=error.message)
            client = request.member_id or request.instance_id or request.client_id
            note_answer(self._api, request.group_id, client, result.error)

        def stored(error: ErrorCode) -> None:
            settle(future, result if error is ErrorCode.NONE else HeartbeatResult(error=error))

        self._journal.when_stored(request.group_id, stored)
        return future
