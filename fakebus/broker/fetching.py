"""What a fetch asks of one log, and what it finds there.

Source: KIP-74 (the first batch is returned whole even beyond the limits) and Kafka's
ReplicaManager.readFromLog.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import NamedTuple, Protocol

from fakebus.broker.partition_log import PartitionLog
from fakebus.errors import ErrorCode
from fakebus.records.batch import split
from fakebus.types import Buffer

NO_EPOCH = -1


class LogChanges(Protocol):
    """Waiting fetch, which is told what becomes of its logs."""

    def count(self, index: int, size_bytes: int) -> None:
        """The log at this place has grown."""

    def look_again(self, index: int) -> None:
        """The log at this place has changed other than by growing."""


class IsolationLevel(Enum):
    """Isolation level of a reader: whether it sees open and aborted transactions (KIP-98)."""

    READ_UNCOMMITTED = 0
    READ_COMMITTED = 1


class EpochEnd(NamedTuple):
    """A leader epoch and one past its last record (KIP-279)."""

    leader_epoch: int
    end_offset: int


@dataclass(slots=True, eq=False)
class FetchTarget:
    """One partition of a fetch: what is asked of it, and what was found.

    One object holds both, and waits for appends too: of thousands of waiting partitions each
    object more is one that the garbage collector has to visit.

    ``log`` is ``None`` when there is no such partition; ``error`` then says why.
    """

    log: PartitionLog | None
    fetch_offset: int
    max_bytes: int
    current_leader_epoch: int = NO_EPOCH
    error: ErrorCode = ErrorCode.NONE
    last_fetched_epoch: int = NO_EPOCH
    """The leader epoch of the last record that the client has; -1 when it does not say."""
    high_watermark: int = -1
    last_stable_offset: int = -1
    log_start_offset: int = -1
    upto_offset: int = -1
    """One past the last record that there is to read; -1 when there is nothing."""
    batches: list[Buffer] | tuple[Buffer, ...] = ()
    """Stored batches, byte for byte; small ones may stand one behind the other."""
    size_bytes: int = 0
    counted_bytes: int = 0
    """What it counts towards min_bytes: also what there was no room for."""
    diverging_epoch: EpochEnd | None = None
    """Where what the client has read was cut off meanwhile (KIP-595)."""
    fetch: LogChanges | None = None
    """The fetch that waits for the log."""
    index: int = 0
    """Its place in that fetch."""
    last_offset: int = -1
    """The last one of the batches."""
    told_high_watermark: int = -1
    told_log_start_offset: int = -1
    """What the client of a fetch session was told last."""

    def log_appended(self, size_bytes: int) -> None:
        """Count what was appended to the log."""
        if self.fetch is not None:
            self.fetch.count(self.index, size_bytes)

    def log_changed(self) -> None:
        """Look at the log again, which has changed other than by growing."""
        if self.fetch is not None:
            self.fetch.look_again(self.index)

    def look(self, isolation: IsolationLevel) -> None:
        """Note what there is of the log, and forget what was found before."""
        log = self.log
        self.upto_offset = -1
        if self.counted_bytes:
            self.forget()
        if log is None:
            return
        self.error = self._check(log)
        if self.error is not ErrorCode.NONE:
            self.high_watermark = self.last_stable_offset = self.log_start_offset = -1
            return
        self.high_watermark = end = log.high_watermark
        self.last_stable_offset = log.last_stable_offset
        self.log_start_offset = log.log_start_offset
        if self.last_fetched_epoch != NO_EPOCH:
            epoch = epoch_end(log, self.last_fetched_epoch)
            diverges = epoch is not None and epoch.end_offset < self.fetch_offset
            self.diverging_epoch = epoch if diverges else None
            if diverges:
                return
        if isolation is IsolationLevel.READ_COMMITTED:
            end = self.last_stable_offset
        if self.fetch_offset < end:
            self.upto_offset = end

    def single_batches(self) -> Iterator[Buffer]:
        """Yield the batches that were found, each by itself."""
        return chain.from_iterable(map(split, self.batches))

    def forget(self) -> None:
        """Let go of the batches that were found."""
        self.batches, self.size_bytes, self.counted_bytes = (), 0, 0

    def _check(self, log: PartitionLog) -> ErrorCode:
        if log.deleted:
            return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        epoch = self.current_leader_epoch
        if epoch != NO_EPOCH and epoch != log.leader_epoch:
            return check_leader_epoch(log, epoch)
        if self.fetch_offset < log.log_start_offset:
            return ErrorCode.OFFSET_OUT_OF_RANGE
        if self.last_fetched_epoch != NO_EPOCH:
            known = epoch_end(log, self.last_fetched_epoch)
            return ErrorCode.OFFSET_OUT_OF_RANGE if known is None else ErrorCode.NONE
        if self.fetch_offset > log.log_end_offset and self.fetch_offset > log.former_end_offset:
            return ErrorCode.OFFSET_OUT_OF_RANGE
        return ErrorCode.NONE

    def take(
        self, batches: list[Buffer], last_offset: int, limit: int, *, whole_first: bool
    ) -> None:
        """Keep batches that were read.

        Args:
            batches: the bytes of what was read.
            last_offset: the last one of them.
            limit: the bytes that there is room for.
            whole_first: whether the first batch is taken even if it is larger (KIP-74).
        """
        if batches and (whole_first or len(batches[0]) <= limit):
            self.batches = batches
            self.size_bytes = self.counted_bytes = sum(map(len, batches))
            self.last_offset = last_offset
            if last_offset + 1 >= self.upto_offset:
                return
        # Like Kafka, a fetch that cannot hold what there is does not wait for more of it.
        self.counted_bytes = max(self.size_bytes, limit)


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
