"""Heartbeats of members whose coordinator gives them their partitions: how they are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from fakebus.broker.groups.answers import note_answer, settle
from fakebus.broker.groups.history import GroupHistory
from fakebus.broker.groups.journal import GroupJournal
from fakebus.errors import BrokerError, ErrorCode


class Heartbeat(Protocol):
    """A member joins, stays or leaves."""

    @property
    def group_id(self) -> str:
        """Its group."""

    @property
    def member_id(self) -> str:
        """Its id."""

    @property
    def instance_id(self) -> str | None:
        """Its group.instance.id."""

    @property
    def client_id(self) -> str:
        """What it calls itself."""


H = TypeVar("H", bound=Heartbeat)
R = TypeVar("R")
HeartbeatFunction = Callable[[H], asyncio.Future[R]]


def answered_when_stored(
    api: str,
    handle: Callable[[H], R],
    refused: Callable[[ErrorCode, str | None], R],
    journal: GroupJournal,
    history: GroupHistory,
) -> HeartbeatFunction[H, R]:
    """Return what lets a client become, stay or cease to be a member.

    Args:
        api: the name of the API, for the log.
        handle: does so, or raises a BrokerError.
        refused: makes the answer of an error and a message.
        journal: stores groups; what an answer says is stored when it is given.
        history: is told that a client has come.
    """

    def heartbeat(request: H) -> asyncio.Future[R]:
        history.reached(request.group_id)
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        try:
            result = handle(request)
        except BrokerError as error:
            result = refused(error.error_code, error.message)
            client = request.member_id or request.instance_id or request.client_id
            note_answer(api, request.group_id, client, error.error_code)

        def stored(error: ErrorCode) -> None:
            settle(future, result if error is ErrorCode.NONE else refused(error, None))

        journal.when_stored(request.group_id, stored)
        return future

    return heartbeat
