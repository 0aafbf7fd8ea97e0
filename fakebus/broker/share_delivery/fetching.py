"""ShareFetch under way: reads where records are available, acquires them, or waits for some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fakebus.broker.activity import Origin
from fakebus.broker.delayed_fetch import DelayedFetch, WaitingRoom
from fakebus.broker.fetching import FetchTarget, IsolationLevel
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.share_delivery.deliveries import Delivery, ShareDeliveries
from fakebus.broker.share_delivery.partition import AcquiredRange
from fakebus.broker.share_delivery.runs import Range
from fakebus.clock import Timer
from fakebus.errors import ErrorCode
from fakebus.records.batch import BatchHeader, parse_header
from fakebus.types import Buffer


class ShareFetchLimits(NamedTuple):
    """Limits of a ShareFetch: how long it waits, and what it takes at most."""

    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    max_records: int
    exact: bool = False
    """Whether no record more is acquired than that, not even of the same batch (KIP-1206)."""
    max_in_flight: int = 2000
    """How many records of a partition the group may have in flight."""


@dataclass(slots=True, eq=False)
class ShareFetched:
    """Finding of a ShareFetch in one partition."""

    delivery: Delivery
    error: ErrorCode = ErrorCode.NONE
    batches: list[Buffer] = field(default_factory=list)
    acquired: list[AcquiredRange] = field(default_factory=list)


OnShareAnswer = Callable[[Sequence[ShareFetched]], None]


class ShareFetch:
    """Fetch of a member, until it has records or its time is over.

    Args:
        deliveries: where records are acquired.
        room: where it waits and reads.
        wanted: the partitions, the first to be served first.
        member_id: the member.
        limits: what it waits for, and takes.
        isolation: what it may see.
        on_answer: is told what was found: nothing when the time is over.
        origin: whose fetch it is.
    """

    def __init__(
        self,
        deliveries: ShareDeliveries,
        room: WaitingRoom,
        wanted: Sequence[Delivery],
        member_id: str,
        limits: ShareFetchLimits,
        isolation: IsolationLevel,
        on_answer: OnShareAnswer,
        origin: Origin,
    ) -> None:
        self._deliveries = deliveries
        self._room = room
        self._wanted = wanted
        self._member_id = member_id
        self._limits = limits
        self._isolation = isolation
        self._on_answer: OnShareAnswer | None = on_answer
        self._origin = origin
        self._reading: DelayedFetch | None = None
        self._read: list[Delivery] = []
        self._again = False
        self._planned = False
        self._timed_out = limits.max_wait_ms <= 0
        self._timer: Timer | None = None
        self._watch()
        self._try()

    def cancel(self) -> None:
        """Answer now, with nothing, if it has no answer yet."""
        if self._on_answer is not None:
            if self._reading is not None:
                self._reading.abandon()
            self._timed_out = True
            self._finish([])

    # -- waiting --

    def _watch(self) -> None:
        for each in self._wanted:
            each.log.add_waiter(self)
            each.partition.waiting[self._wake] = None
        if not self._timed_out:
            wait_s = self._limits.max_wait_ms / 1000
            self._timer = self._room.clock.wait(wait_s, self._time_out)

    def _stop(self) -> None:
        for each in self._wanted:
            each.log.remove_waiter(self)
            each.partition.waiting.pop(self._wake, None)
        self._let_go()
        if self._timer is not None:
            self._timer.cancel()

    def _let_go(self) -> None:
        """Let others read what this fetch was reading."""
        let_go, self._read = self._read, []
        for each in let_go:
            each.partition.is_read = False
            queue, each.partition.queue = each.partition.queue, {}
            for wake in queue:
                wake()

    def log_appended(self, size_bytes: int) -> None:
        """Look at a log that has grown."""
        self._wake()

    def log_changed(self) -> None:
        """Look at a log again that has changed other than by growing."""
        self._wake()

    def _wake(self) -> None:
        self._again = True
        if not self._planned and self._reading is None and self._on_answer is not None:
            self._planned = True
            self._room.turns.run_later(len(self._wanted), self._go_on)

    def _go_on(self) -> None:
        self._planned = False
        if self._on_answer is not None and self._reading is None:
            self._try()

    def _time_out(self) -> None:
        self._timed_out = True
        self._wake()

    # -- reading --

    def _try(self) -> None:
        self._again = False
        if any(_is_stale(each) for each in self._wanted):
            self.cancel()
            return
        most = self._limits.max_in_flight
        for each in self._wanted:
            if each.partition.is_read:
                each.partition.queue[self._wake] = None
            elif each.partition.unfinished < most or each.partition.has_available:
                self._read.append(each)
        if not self._read:
            self._finish([])
            return
        share = max(1, self._limits.max_bytes // len(self._read))
        targets = []
        for each in self._read:
            each.partition.is_read = True
            each.partition.move_start(each.log.log_start_offset)
            targets.append(FetchTarget(each.log, each.partition.next_offset, share))
        found: list[Sequence[FetchTarget]] = []
        fetch = DelayedFetch(
            self._room,
            targets,
            max_wait_ms=0,
            min_bytes=1,
            max_bytes=self._limits.max_bytes,
            isolation=self._isolation,
            on_answer=lambda answer: self._found(answer) if self._reading else found.append(answer),
        )
        if found:
            self._found(found[0])
        else:
            self._reading = fetch

    def _found(self, targets: Sequence[FetchTarget]) -> None:
        self._reading = None
        enough = self._timed_out or self._limits.min_bytes <= sum(
            target.size_bytes for target in targets
        )
        left, answer = self._limits.max_records, []
        for each, target in zip(self._read, targets, strict=True):
            fetched = ShareFetched(each, target.error)
            if target.error is ErrorCode.OFFSET_OUT_OF_RANGE or _is_stale(each):
                # The log has moved on meanwhile.
                fetched.error, self._again = ErrorCode.NONE, True
            elif target.batches and left > 0 and enough:
                self._acquire(fetched, target, left)
                left -= sum(last - first + 1 for first, last, _ in fetched.acquired)
                moved = each.partition.next_offset != target.fetch_offset
                self._again = self._again or (moved and not fetched.acquired)
            if fetched.acquired or fetched.error is not ErrorCode.NONE:
                answer.append(fetched)
        self._finish(answer)

    def _finish(self, answer: Sequence[ShareFetched]) -> None:
        if answer or (self._timed_out and not self._again):
            on_answer, self._on_answer = self._on_answer, None
            self._stop()
            if on_answer is not None:
                on_answer(answer)
            return
        self._let_go()
        if self._again:
            self._wake()

    def _acquire(self, fetched: ShareFetched, target: FetchTarget, most: int) -> None:
        delivery, limits = fetched.delivery, self._limits
        partition, log = delivery.partition, delivery.log
        batches = list(target.single_batches())
        headers = list(map(parse_header, batches))
        first, last = max(target.fetch_offset, headers[0].base_offset), headers[-1].last_offset
        if not limits.exact:
            # A batch is not divided.
            ends = (each.last_offset for each in headers if each.last_offset >= first + most - 1)
            last = next(ends, last)
            most = last - first + 1
        dropped = [(target.fetch_offset, headers[0].base_offset - 1)]
        if self._isolation is IsolationLevel.READ_COMMITTED:
            dropped += _aborted(log, headers)
        fetched.acquired = partition.acquire(
            first,
            last,
            self._deliveries.lock(delivery.group_id, self._member_id),
            most,
            limits.max_in_flight - partition.unfinished,
            dropped,
            [each.last_offset for each in headers],
        )
        self._deliveries.acquired(delivery, fetched.acquired, self._member_id, self._origin)
        fetched.batches = [
            batch
            for batch, header in zip(batches, headers, strict=True)
            if any(
                begin <= header.last_offset and header.base_offset <= end
                for begin, end, _ in fetched.acquired
            )
        ]


def _is_stale(delivery: Delivery) -> bool:
    partition, log = delivery.partition, delivery.log
    return partition.is_gone or log.deleted or partition.end_offset > log.log_end_offset


def _aborted(log: PartitionLog, headers: Sequence[BatchHeader]) -> list[Range]:
    """Return the batches that belong to transactions that were aborted."""
    transactions = log.producers.transactions
    if transactions is None:
        return []
    aborted = transactions.aborted(headers[0].base_offset, headers[-1].last_offset + 1)
    return [
        (header.base_offset, header.last_offset)
        for header in headers
        if header.is_transactional
        and any(
            each.producer_id == header.producer_id
            and each.first_offset <= header.base_offset <= each.last_offset
            for each in aborted
        )
    ]
