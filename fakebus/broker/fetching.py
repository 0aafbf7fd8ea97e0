"""Reading several logs for one fetch: the limits in bytes, and the wait for more.

Source: KIP-74 (the first batch is returned whole even beyond the limits) and Kafka's
ReplicaManager.readFromLog and DelayedFetch (when a waiting fetch is answered).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from fakebus.broker.partition_log import PartitionLog
from fakebus.clock import Clock
from fakebus.errors import ErrorCode
from fakebus.types import Buffer

SLICE_BYTES = 4 * 1024 * 1024
"""What one answer holds unless the client waits for more; larger answers were not faster."""

MAX_ANSWER_BYTES = 55 * 1024 * 1024
"""Kafka's default of fetch.max.bytes on the broker's side."""


NO_EPOCH = -1


class IsolationLevel(Enum):
    """Whether a reader sees records of open and aborted transactions (KIP-98)."""

    READ_UNCOMMITTED = 0
    READ_COMMITTED = 1


@dataclass(slots=True)
class FetchTarget:
    """What a fetch asks of one partition.

    ``log`` is ``None`` when there is no such partition; ``error`` then says why.
    """

    log: PartitionLog | None
    fetch_offset: int
    max_bytes: int
    current_leader_epoch: int = -1
    error: ErrorCode = ErrorCode.NONE
    last_fetched_epoch: int = -1
    """The leader epoch of the last record that the client has; -1 when it does not say."""


class EpochEnd(NamedTuple):
    """A leader epoch and one past its last record (KIP-279)."""

    leader_epoch: int
    end_offset: int


@dataclass(slots=True)
class FetchDataInfo:
    """What a fetch found in one partition; ``batches`` are stored batches, byte for byte.

    ``diverging_epoch`` tells a client that what it has read was cut off meanwhile (KIP-595).
    """

    error: ErrorCode
    high_watermark: int = -1
    last_stable_offset: int = -1
    log_start_offset: int = -1
    batches: list[Buffer] = field(default_factory=list)
    size_bytes: int = 0
    diverging_epoch: EpochEnd | None = None


def epoch_end(log: PartitionLog, leader_epoch: int) -> EpochEnd | None:
    """Return where an epoch ends, ``None`` when it never was.

    Source: Kafka's LeaderEpochFileCache.endOffsetFor.
    """
    if leader_epoch < NO_EPOCH:
        return EpochEnd(leader_epoch, log.log_start_offset)
    end_offset = log.end_of_epoch(leader_epoch)
    return None if end_offset is None else EpochEnd(leader_epoch, end_offset)


def check_leader_epoch(log: PartitionLog, epoch: int) -> ErrorCode:
    """Compare the leader epoch that a client knows with the log's (KIP-320)."""
    if epoch in (NO_EPOCH, log.leader_epoch):
        return ErrorCode.NONE
    if epoch < log.leader_epoch:
        return ErrorCode.FENCED_LEADER_EPOCH
    return ErrorCode.UNKNOWN_LEADER_EPOCH


class _DelayedFetch:
    """Waits for enough bytes, for a change that must be looked at, or for the time to pass."""

    __slots__ = ("_future", "_has_changed", "_missing_bytes")

    def __init__(self, missing_bytes: int, has_changed: Callable[[], bool]) -> None:
        self._missing_bytes = missing_bytes
        self._has_changed = has_changed
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def log_appended(self, size_bytes: int) -> None:
        self._missing_bytes -= size_bytes
        if self._missing_bytes <= 0:
            self.fire()

    def log_changed(self) -> None:
        if self._has_changed():
            self.fire()

    def fire(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        await self._future


class Fetcher:
    """Answers fetches over many logs.

    Args:
        clock: times the wait for more bytes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def fetch(
        self,
        targets: Sequence[FetchTarget],
        *,
        max_wait_ms: int,
        min_bytes: int,
        max_bytes: int,
        isolation: IsolationLevel,
    ) -> list[FetchDataInfo]:
        """Return what each target asks for, in the same order.

        Waits until at least ``min_bytes`` can be returned or ``max_wait_ms`` has passed;
        any error of a log is returned at once. Partitions without a log do not count: as in
        Kafka, the wait is for the others.
        """
        max_bytes = min(max_bytes, MAX_ANSWER_BYTES)
        min_bytes = min(min_bytes, max_bytes)
        # A large answer is cut into slices, but never below what the client waits for.
        max_bytes = min(max_bytes, max(SLICE_BYTES, 2 * min_bytes))
        ends = [self._end(target, isolation) for target in targets]
        found = await self._read_all(targets, max_bytes, isolation)
        missing = min_bytes - sum(info.size_bytes for info in found)
        interesting = [
            info for target, info in zip(targets, found, strict=True) if target.log is not None
        ]
        failed = any(
            info.error is not ErrorCode.NONE or info.diverging_epoch is not None
            for info in interesting
        )
        if missing <= 0 or max_wait_ms <= 0 or failed or not interesting:
            return found
        await self._wait(targets, missing, max_wait_ms, ends, isolation)
        return await self._read_all(targets, max_bytes, isolation)

    async def _wait(
        self,
        targets: Sequence[FetchTarget],
        missing_bytes: int,
        max_wait_ms: int,
        ends: Sequence[int],
        isolation: IsolationLevel,
    ) -> None:
        def have_ends_moved() -> bool:
            return any(self._end(t, isolation) != end for t, end in zip(targets, ends, strict=True))

        def has_changed() -> bool:
            # A log start offset that moves ends a wait only for those whose records are gone.
            return have_ends_moved() or any(
                target.log is not None and self._check(target) is not ErrorCode.NONE
                for target in targets
            )

        delayed = _DelayedFetch(missing_bytes, has_changed)
        logs = [target.log for target in targets if target.log is not None]
        for log in logs:
            log.add_waiter(delayed)
        timer = self._clock.wait(max_wait_ms / 1000, delayed.fire)
        try:
            # What was appended while cold batches were being read was not announced.
            if have_ends_moved():
                return
            await delayed.wait()
        finally:
            timer.cancel()
            for log in logs:
                log.remove_waiter(delayed)

    async def _read_all(
        self, targets: Sequence[FetchTarget], max_bytes: int, isolation: IsolationLevel
    ) -> list[FetchDataInfo]:
        budget = max_bytes
        nothing_yet = True
        found = []
        for target in targets:
            info = await self._read(target, budget, isolation, whole_first_batch=nothing_yet)
            if info.size_bytes:
                nothing_yet = False
                budget -= info.size_bytes
            found.append(info)
        return found

    @staticmethod
    def _end(target: FetchTarget, isolation: IsolationLevel) -> int:
        if target.log is None:
            return -1
        if isolation is IsolationLevel.READ_COMMITTED:
            return target.log.last_stable_offset
        return target.log.high_watermark

    async def _read(
        self,
        target: FetchTarget,
        budget: int,
        isolation: IsolationLevel,
        *,
        whole_first_batch: bool,
    ) -> FetchDataInfo:
        log = target.log
        error = self._check(target)
        if log is None or error is not ErrorCode.NONE:
            return FetchDataInfo(error)
        end = self._end(target, isolation)
        info = FetchDataInfo(
            ErrorCode.NONE, log.high_watermark, log.last_stable_offset, log.log_start_offset
        )
        if self._diverges(log, target, info):
            return info
        limit = min(target.max_bytes, budget)
        if target.fetch_offset >= end or (limit <= 0 and not whole_first_batch):
            return info
        if target.max_bytes < 0:
            # Kafka trips over it as soon as there is something to read.
            return FetchDataInfo(ErrorCode.UNKNOWN_SERVER_ERROR)
        batches = await log.read(target.fetch_offset, end, limit)
        if batches and not whole_first_batch and len(batches[0].data) > limit:
            return info
        info.batches = [batch.data for batch in batches]
        info.size_bytes = sum(map(len, info.batches))
        return info

    @staticmethod
    def _diverges(log: PartitionLog, target: FetchTarget, info: FetchDataInfo) -> bool:
        if target.last_fetched_epoch == NO_EPOCH:
            return False
        end = epoch_end(log, target.last_fetched_epoch)
        if end is not None and end.end_offset < target.fetch_offset:
            info.diverging_epoch = end
        return info.diverging_epoch is not None

    @staticmethod
    def _check(target: FetchTarget) -> ErrorCode:
        log = target.log
        if log is None:
            return target.error
        if log.deleted:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        error = check_leader_epoch(log, target.current_leader_epoch)
        if error is not ErrorCode.NONE:
            return error
        if target.fetch_offset < log.log_start_offset:
            return ErrorCode.OFFSET_OUT_OF_RANGE
        if target.last_fetched_epoch != NO_EPOCH:
            known = epoch_end(log, target.last_fetched_epoch)
            return ErrorCode.OFFSET_OUT_OF_RANGE if known is None else ErrorCode.NONE
        if target.fetch_offset > log.log_end_offset:
            return ErrorCode.OFFSET_OUT_OF_RANGE
        return ErrorCode.NONE
