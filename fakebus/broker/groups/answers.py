"""Log lines about what groups answer: refusals always, the usual course with the level debug."""

from __future__ import annotations

import logging

from fakebus.errors import ErrorCode

logger = logging.getLogger("fakebus.broker.groups")

_USUAL = frozenset({ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED, ErrorCode.REBALANCE_IN_PROGRESS})
"""What members are told every day, on their way into a group or into its next generation."""


def note_answer(request: str, group_id: str, member: str, error: ErrorCode) -> None:
    """Log what a group answers.

    Args:
        request: what was asked, by the name of the API.
        group_id: the group.
        member: who has asked: a member id, or what else is known of the client.
        error: the answer.
    """
    level = logging.DEBUG if error in _USUAL else logging.INFO
    if logger.isEnabledFor(level):
        who = member or "a client without a member id"
        logger.log(level, "group %s answers %s of %s: %s", group_id, request, who, error.name)
