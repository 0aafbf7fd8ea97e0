"""Answers to requests that wait, and log lines about them.

Refusals are logged always, the usual course with the level debug.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TypeVar

from fakebus.errors import ErrorCode

logger = logging.getLogger("fakebus.broker.groups")

_Result = TypeVar("_Result")

_USUAL = frozenset({ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED, ErrorCode.REBALANCE_IN_PROGRESS})
"""What members are told every day, on their way into a group or into its next generation."""


def note_answer(
    request: str, group_id: str, member: str, error: ErrorCode, others: int = 0
) -> None:
    """Log what a group answers.

    Args:
        request: what was asked, by the name of the API.
        group_id: the group.
        member: who has asked: a member id, or what else is known of the client.
        error: the answer.
        others: how many more the request names that are answered the same.
    """
    level = logging.DEBUG if error in _USUAL else logging.INFO
    if logger.isEnabledFor(level):
        who = (member or "a client without a member id") + (f" and {others} more" if others else "")
        logger.log(level, "group %s answers %s of %s: %s", group_id, request, who, error.name)


def settle(future: asyncio.Future[_Result] | None, result: _Result) -> None:
    """Resolve a parked request, unless its client is gone already."""
    if future is not None and not future.done():
        future.set_result(result)


def settled(result: _Result) -> asyncio.Future[_Result]:
    """Return a future that is done."""
    future: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
    future.set_result(result)
    return future
