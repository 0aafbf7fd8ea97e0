"""Activity of clients: who has produced, fetched and committed what, by whichever front end.

It is noted at the broker's door, from what the door knows anyhow: no batch is parsed for it.
While nothing listens it costs one look at a flag.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fakebus.clock import Clock
from fakebus.errors import ErrorCode
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.broker.append_result import AppendResult
    from fakebus.broker.delayed_fetch import OnAnswer
    from fakebus.broker.fetching import FetchTarget
    from fakebus.broker.groups.offset_requests import WhenCommitted
    from fakebus.broker.groups.requests import OffsetCommit

MOST_REMEMBERED = 10_000
_BASE_OFFSET = slice(0, 8)
_LAST_OFFSET_DELTA = slice(23, 27)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Origin of a request: the client, and the front end that it came in by."""

    front_end: str
    """``kafka``, ``redis``, ``registry``, ``fixtures``, ``test`` or ``library``."""
    client_id: str = ""
    """What the client calls itself; empty when it does not."""
    connection_id: int = -1
    """The number of its connection; -1 when it has none."""
    principal: str = "User:ANONYMOUS"

    def __str__(self) -> str:
        return self.client_id or "a client without an id"


OriginOf = Callable[[], Origin]
"""Tells the origin of a request, which is asked for only if something is noted."""


def in_process() -> Origin:
    """Return the origin of code that uses the broker as a library and does not name itself."""
    return Origin(front_end="library")


class Activity(NamedTuple):
    """Activity of one client on one partition."""

    verb: str
    """``produced``, ``fetched``, ``committed`` or, by ids of Redis, ``acknowledged``."""
    at_ms: int
    origin: Origin
    topic: str
    partition: int
    offset: int
    """The first offset; the committed one of a commit."""
    last_offset: int
    group: str = ""


class Activities:
    """Ring of the newest activities.

    Args:
        clock: gives the time of each.
    """

    def __init__(self, clock: Clock) -> None:
        self.is_on = False
        """Whether anything is noted."""
        self.newest: deque[Activity] = deque(maxlen=MOST_REMEMBERED)
        self._clock = clock

    def note(
        self,
        verb: str,
        origin: Origin,
        place: TopicPartition,
        offsets: tuple[int, int],
        group: str = "",
    ) -> None:
        """Note one activity.

        Args:
            verb: what was done.
            origin: the client.
            place: the partition.
            offsets: the first and the last offset.
            group: the consumer group.
        """
        now_ms = self._clock.now_ms()
        self.newest.append(Activity(verb, now_ms, origin, *place, *offsets, group))

    def note_append(self, result: AppendResult, origin: OriginOf, place: TopicPartition) -> None:
        """Note an append as soon as it is stored, and not at all if it is not."""

        def stored(result: AppendResult) -> None:
            if result.info is not None:
                offsets = result.info.base_offset, result.info.last_offset
                self.note("produced", origin(), place, offsets)

        result.when_settled(stored)

    def noting_fetch(self, origin: OriginOf, on_answer: OnAnswer) -> OnAnswer:
        """Return what tells the answer of a fetch on, and notes what was found."""

        def answer(targets: Sequence[FetchTarget]) -> None:
            self._note_fetch(targets, origin)
            on_answer(targets)

        return answer

    def _note_fetch(self, targets: Sequence[FetchTarget], origin: OriginOf) -> None:
        for target in targets:
            if target.batches and target.log is not None:
                first, last = target.batches[0], target.batches[-1]
                # A commit of storage stands behind these bytes, so they can be believed.
                base_offset = int.from_bytes(last[_BASE_OFFSET], "big")
                last_offset = base_offset + int.from_bytes(last[_LAST_OFFSET_DELTA], "big")
                offsets = int.from_bytes(first[_BASE_OFFSET], "big"), last_offset
                self.note("fetched", origin(), target.log.topic_partition, offsets)

    def noting_commit(
        self,
        commit: OffsetCommit,
        origin: OriginOf,
        on_done: WhenCommitted,
    ) -> WhenCommitted:
        """Return what tells the outcome of a commit on, and notes what is committed."""

        def done(errors: list[ErrorCode]) -> None:
            for wanted, error in zip(commit.offsets, errors, strict=True):
                if error is ErrorCode.NONE:
                    place = TopicPartition(wanted.topic, wanted.partition)
                    offsets = wanted.offset, wanted.offset
                    self.note("committed", origin(), place, offsets, commit.group_id)
            on_done(errors)

        return done
