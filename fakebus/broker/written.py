"""Appends that are to be noted, and wait for that: as little as the way of a record can bear."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from fakebus.errors import BrokerError
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.broker.appending import AppendResult

Written = tuple[int, Any, TopicPartition, "AppendResult", str]
"""An append under way: when it came, whose it is, where to, what becomes of it, and the id of the
transaction that it is part of."""


def take_following(waiting: deque[Any], written: Written, last: int) -> int:
    """Take the appends of the same millisecond that go on where one ends.

    Where batches of one record come by the thousand, a note of each would cost as much as a
    quarter of its way into the log.

    Args:
        waiting: what waits behind the append, activities too; those that are taken leave it.
        written: the append.
        last: its last offset.

    Returns:
        The last offset of all of them.
    """
    at_ms, origin, place, _, transaction = written
    while waiting:
        following = waiting[0]
        # An activity has its verb where these have their time.
        if following[0] != at_ms or following[1] is not origin:
            break
        _, _, where, result, part_of = following
        if where != place or part_of != transaction or not result.settled:
            break
        outcome = result.outcome
        if isinstance(outcome, BrokerError) or outcome.base_offset != last + 1:
            break
        last = outcome.last_offset
        waiting.popleft()
    return last
