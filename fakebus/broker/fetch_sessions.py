"""Fetch sessions (KIP-227): a client names its partitions once and is told only what changed.

Source: Kafka's FetchSession.scala. A *full* fetch (epoch 0) opens a session, later fetches
name only additions, changes and removals; epoch -1 closes it. When all slots are taken, a
session that was idle for a while gives way, otherwise the client is served without one.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from fakebus.broker.fetching import FetchTarget
from fakebus.clock import Clock
from fakebus.errors import ErrorCode

NO_SESSION = 0
INITIAL_EPOCH = 0
FINAL_EPOCH = -1
_MAX_EPOCH = 2**31 - 1


PartitionKey = tuple[str | UUID, int]
"""A partition as the client names it: by topic name before version 13, by id since."""


def _has_news(target: FetchTarget) -> bool:
    """Note what the client is about to be told; return whether it is worth telling."""
    news = (
        target.size_bytes > 0
        or target.told_high_watermark != target.high_watermark
        or target.told_log_start_offset != target.log_start_offset
    )
    target.told_high_watermark = target.high_watermark
    target.told_log_start_offset = target.log_start_offset
    if target.error is not ErrorCode.NONE:
        # An error is repeated until it is gone, and its end is news as well.
        target.told_high_watermark = -1
        return True
    return news


def _unused(partitions: dict[PartitionKey, FetchTarget]) -> list[tuple[PartitionKey, FetchTarget]]:
    """Return a session's partitions, without disturbing a fetch that waits for them."""
    return [
        (key, target if target.fetch is None else replace(target, fetch=None))
        for key, target in partitions.items()
    ]


@dataclass(slots=True)
class FetchSession:
    """A client's partitions, in the order in which they are served."""

    session_id: int
    last_used_s: float
    uses_topic_ids: bool
    epoch: int = 1
    partitions: dict[PartitionKey, FetchTarget] = field(default_factory=dict)
    former_names: dict[UUID, str] = field(default_factory=dict)
    """Names of topics that were deleted since they were asked for by their ids."""


@dataclass(slots=True)
class FetchPlan:
    """Plan of one fetch request: what to read, and how to answer."""

    error: ErrorCode
    partitions: Sequence[tuple[PartitionKey, FetchTarget]] = ()
    session: FetchSession | None = None
    incremental: bool = False

    @property
    def session_id(self) -> int:
        """The session id to answer with."""
        return NO_SESSION if self.session is None else self.session.session_id

    def select(self) -> Sequence[tuple[PartitionKey, FetchTarget]]:
        """Return what belongs in the answer; note what the client is told."""
        if self.session is None:
            return self.partitions
        chosen = []
        for item in self.partitions:
            key, target = item
            if _has_news(target) or not self.incremental:
                chosen.append(item)
            if target.size_bytes and self.incremental:
                # A partition that was served goes to the end, so that none starves.
                moved = self.session.partitions.pop(key, None)
                if moved is not None:
                    self.session.partitions[key] = moved
        return chosen


class FetchSessions:
    """All open fetch sessions.

    Args:
        clock: tells how long a session was idle.
        slots: how many sessions there may be (max.incremental.fetch.session.cache.slots).
        eviction_ms: idle time in milliseconds after which a session may be replaced.
    """

    def __init__(self, clock: Clock, slots: int = 1000, eviction_ms: int = 120_000) -> None:
        self._clock = clock
        self._slots = slots
        self._eviction_s = eviction_ms / 1000
        self._sessions: dict[int, FetchSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def partitions(self, session_id: int) -> list[PartitionKey]:
        """Return what the client of a session fetches; nothing if there is no such session."""
        session = self._sessions.get(session_id)
        return [] if session is None else list(session.partitions)

    def clear(self) -> None:
        """Forget all sessions; their clients open new ones and are told everything anew."""
        self._sessions.clear()

    def plan(
        self,
        session_id: int,
        epoch: int,
        wanted: Iterable[tuple[PartitionKey, FetchTarget]],
        forgotten: Iterable[PartitionKey],
        *,
        uses_topic_ids: bool,
    ) -> FetchPlan:
        """Return what a fetch request with this session id and epoch reads."""
        if epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            self._sessions.pop(session_id, None)
            return self._plan_full(wanted, epoch, uses_topic_ids)
        session = self._sessions.get(session_id)
        if session is None:
            return FetchPlan(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != epoch:
            return FetchPlan(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.uses_topic_ids != uses_topic_ids:
            return FetchPlan(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        for key, partition in wanted:
            known = session.partitions.get(key)
            if known is None:
                session.partitions[key] = partition
            else:
                known.log, known.error = partition.log, partition.error
                known.fetch_offset = partition.fetch_offset
                known.max_bytes = partition.max_bytes
                known.current_leader_epoch = partition.current_leader_epoch
                known.last_fetched_epoch = partition.last_fetched_epoch
        for key in forgotten:
            session.partitions.pop(key, None)
        if not session.partitions:
            del self._sessions[session_id]
            return FetchPlan(ErrorCode.NONE)
        session.epoch = 1 if epoch == _MAX_EPOCH else epoch + 1
        self._touch(session)
        return FetchPlan(ErrorCode.NONE, _unused(session.partitions), session, True)

    def keep(self, plan: FetchPlan) -> int:
        """Return the session id of an answer that brings nothing yet; no session begins with it."""
        if not plan.incremental:
            self._sessions.pop(plan.session_id, None)
            return NO_SESSION
        return plan.session_id

    def _plan_full(
        self,
        wanted: Iterable[tuple[PartitionKey, FetchTarget]],
        epoch: int,
        uses_topic_ids: bool,
    ) -> FetchPlan:
        # Of a partition that is named twice the last one counts.
        partitions = dict(wanted)
        if epoch == FINAL_EPOCH or not self._make_room():
            return FetchPlan(ErrorCode.NONE, list(partitions.items()))
        session = FetchSession(self._new_id(), self._clock.monotonic(), uses_topic_ids)
        session.partitions = partitions
        self._sessions[session.session_id] = session
        return FetchPlan(ErrorCode.NONE, list(session.partitions.items()), session)

    def _touch(self, session: FetchSession) -> None:
        # The dict stays ordered by last use, so the first one is the one to evict.
        session.last_used_s = self._clock.monotonic()
        self._sessions[session.session_id] = self._sessions.pop(session.session_id)

    def _make_room(self) -> bool:
        if len(self._sessions) < self._slots:
            return True
        oldest = next(iter(self._sessions.values()), None)
        if oldest is None or self._clock.monotonic() - oldest.last_used_s < self._eviction_s:
            return False
        del self._sessions[oldest.session_id]
        return True

    def _new_id(self) -> int:
        while True:
            session_id = random.randint(1, _MAX_EPOCH)  # noqa: S311 - an id, not a secret
            if session_id not in self._sessions:
                return session_id
