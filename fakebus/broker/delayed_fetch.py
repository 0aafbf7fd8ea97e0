"""Answering a fetch over many logs, at once or when there is enough: Kafka's DelayedFetch.

A fetch reads every log once. When that is too little it waits, and what is appended
meanwhile is counted; only the logs that have changed are looked at again for the answer.
What is in memory is read in place, without a task; batches from storage take one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from fakebus.broker.fetching import FetchTarget, IsolationLevel
from fakebus.broker.turns import TurnBudget
from fakebus.clock import Clock, Timer
from fakebus.errors import ErrorCode, StorageError
from fakebus.limited_log import LimitedLog
from fakebus.memory_budget import SHARE_BYTES, MemoryBudget
from fakebus.records.batch import HEADER_SIZE
from fakebus.types import Buffer

SLICE_BYTES = 4 * 1024 * 1024
"""What one answer holds unless the client waits for more; larger answers were not faster."""

SLICE_BATCHES = 2000
"""How many batches of a partition one answer holds, which bounds its time where they are tiny."""
SLICE_STORED_BATCHES = 6000
"""The same of those that come from storage, where tiny ones are put together: some megabyte."""

MAX_ANSWER_BYTES = 55 * 1024 * 1024
"""Kafka's default of fetch.max.bytes on the broker's side."""

MAX_HELD_BYTES = 128 * 1024 * 1024
"""What all fetches may have found and all clients not have taken; beyond it an answer has
its share, unless a single batch is larger."""

FETCH_UNITS = 20
"""What a fetch costs besides its partitions, in the units of a :class:`TurnBudget`."""

_BYTES_A_PARTITION = 30
"""What a partition takes in a request."""

OnAnswer = Callable[[Sequence[FetchTarget]], None]
"""Called once with the targets, which hold what was found."""


def _to_nobody(_: Sequence[FetchTarget]) -> None:
    """Take the answer of a fetch that was given already, or is not wanted any more."""


class DelayedFetch:
    """Fetch under way: what it has found so far, and the wait for more.

    Args:
        room: where it waits and reads.
        targets: what it asks for.
        max_wait_ms: how long it waits for ``min_bytes``.
        min_bytes: what it waits for.
        max_bytes: what it returns at most, unless a single batch is larger.
        isolation: what it may see.
        on_answer: is told what was found.
    """

    __slots__ = (
        "_changed",
        "_counted_bytes",
        "_done",
        "_failed",
        "_held_bytes",
        "_isolation",
        "_max_batches",
        "_max_bytes",
        "_max_wait_ms",
        "_min_bytes",
        "_missing_bytes",
        "_on_answer",
        "_planned",
        "_reading",
        "_room",
        "_size_bytes",
        "_targets",
        "_task",
        "_timed_out",
        "_timer",
        "_watching",
    )

    def __init__(
        self,
        room: WaitingRoom,
        targets: Sequence[FetchTarget],
        *,
        max_wait_ms: int,
        min_bytes: int,
        max_bytes: int,
        isolation: IsolationLevel,
        on_answer: OnAnswer,
    ) -> None:
        max_bytes = min(max_bytes, MAX_ANSWER_BYTES)
        self._min_bytes = min_bytes = min(min_bytes, max_bytes)
        # A large answer is cut into slices, but never below what the client waits for.
        self._max_bytes = min(max_bytes, max(SLICE_BYTES, 2 * min_bytes))
        self._max_batches = max(SLICE_BATCHES, min_bytes // HEADER_SIZE)
        self._max_wait_ms = max_wait_ms
        self._isolation = isolation
        self._room = room
        self._targets = targets
        self._on_answer = on_answer
        self._size_bytes = 0
        self._counted_bytes = 0
        self._held_bytes = 0
        self._missing_bytes = 0
        self._changed: set[int] = set()
        self._watching = False
        self._timer: Timer | None = None
        self._task: asyncio.Task[None] | None = None
        self._planned = False
        self._reading = False
        # Partitions that do not exist do not end a wait, unless there are no others.
        self._failed = all(target.log is None for target in targets)
        self._timed_out = max_wait_ms <= 0
        self._done = False
        for target in targets:
            if target.counted_bytes:
                target.forget()
        self._read(iter(range(len(targets))))

    def abandon(self) -> None:
        """Stop it: no answer is wanted any more."""
        if self._task is not None:
            self._task.cancel()
        self._stop()

    def _read(self, indexes: Iterator[int]) -> None:
        self._reading = True
        targets, isolation = self._targets, self._isolation
        for index in indexes:
            target = targets[index]
            self._size_bytes -= target.size_bytes
            self._counted_bytes -= target.counted_bytes
            target.look(isolation)
            if target.upto_offset >= 0 and not self._read_cached(target):
                self._watch()
                self._task = self._room.spawn(self._read_stored(target, indexes))
                return
            if target.error is not ErrorCode.NONE or target.diverging_epoch is not None:
                self._failed |= target.log is not None
        self._reading = False
        self._finish_reading()

    def _read_changed(self) -> None:
        changed, self._changed = sorted(self._changed), set()
        self._read(iter(changed))

    def _read_cached(self, target: FetchTarget) -> bool:
        """Take what is in memory; return false when it has to be read from storage."""
        limit = self._limit(target)
        if target.log is None or (limit <= 0 and self._size_bytes):
            return True
        if target.max_bytes < 0:
            # Kafka trips over it as soon as there is something to read.
            self._fail(target, ErrorCode.UNKNOWN_SERVER_ERROR)
            return True
        batches = target.log.read_cached(
            target.fetch_offset, target.upto_offset, limit, self._max_batches
        )
        if batches is None:
            return False
        last_offset = batches[-1].last_offset if batches else -1
        self._take(target, [batch.data for batch in batches], last_offset, limit)
        return True

    def _limit(self, target: FetchTarget) -> int:
        held, most = self._room.held, self._max_bytes
        if held.used > held.limit:
            most = min(most, SHARE_BYTES)
        return min(target.max_bytes, most - self._size_bytes)

    def _take(
        self, target: FetchTarget, batches: list[Buffer], last_offset: int, limit: int
    ) -> None:
        target.take(batches, last_offset, limit, whole_first=not self._size_bytes)
        self._size_bytes += target.size_bytes
        self._counted_bytes += target.counted_bytes
        # What _hold does, without a call: every fetch comes by.
        self._room.held.used += self._size_bytes - self._held_bytes
        self._held_bytes = self._size_bytes

    def _hold(self, size_bytes: int) -> None:
        self._room.held.used += size_bytes - self._held_bytes
        self._held_bytes = size_bytes

    async def _read_stored(self, target: FetchTarget, indexes: Iterator[int]) -> None:
        assert target.log is not None  # noqa: S101 - there is nothing to read otherwise
        limit = self._limit(target)
        # Dozens may read at once: what they are going to find counts from now on.
        self._hold(self._size_bytes + max(limit, 0))
        try:
            found = await target.log.read_data(
                target.fetch_offset,
                target.upto_offset,
                limit,
                max(SLICE_STORED_BATCHES, self._max_batches),
            )
        except StorageError as error:
            name = target.log.topic_partition
            self._room.failures.log(
                logging.ERROR,
                "%s cannot be read from offset %d: %s",
                name,
                target.fetch_offset,
                error,
            )
            self._fail(target, ErrorCode.KAFKA_STORAGE_ERROR)
        else:
            if found is None:
                self._fail(target, ErrorCode.CORRUPT_MESSAGE)
            else:
                self._take(target, *found, limit)
        self._task = None
        self._hold(self._size_bytes)
        self._read(indexes)

    def _fail(self, target: FetchTarget, error: ErrorCode) -> None:
        target.error = error
        target.high_watermark = target.last_stable_offset = target.log_start_offset = -1
        self._failed = True

    def _finish_reading(self) -> None:
        """Answer if it is time; otherwise wait for what is still missing."""
        self._missing_bytes = self._min_bytes - self._counted_bytes
        if self._missing_bytes <= 0 or self._timed_out or self._failed:
            self._answer()
        elif self._changed:
            # What was appended while stored batches were being read counts as well.
            self._read_changed()
        else:
            self._watch()
            if self._timer is None:
                self._timer = self._room.clock.wait(self._max_wait_ms / 1000, self._time_out)

    def _watch(self) -> None:
        if self._watching:
            return
        self._watching = True
        for index, target in enumerate(self._targets):
            if target.log is not None:
                target.fetch, target.index = self, index
                target.log.add_waiter(target)

    def count(self, index: int, size_bytes: int) -> None:
        """Count what was appended to a log; answer when it is enough."""
        self._changed.add(index)
        self._missing_bytes -= size_bytes
        if self._missing_bytes <= 0:
            self._plan()

    def look_again(self, index: int) -> None:
        """Look at a log again that has changed other than by growing."""
        self._changed.add(index)
        self._plan()

    def _time_out(self) -> None:
        self._timed_out = True
        self._plan()

    def _plan(self) -> None:
        if not self._planned and not self._reading:
            self._planned = True
            self._room.turns.run_later(FETCH_UNITS + len(self._targets), self._go_on)

    def _go_on(self) -> None:
        self._planned = False
        if not self._done:
            self._read_changed()

    def _answer(self) -> None:
        on_answer = self._on_answer
        if self._size_bytes:
            for target in self._targets:
                if target.log is not None:
                    target.log.bytes_out += target.size_bytes
        self._stop()
        on_answer(self._targets)

    def _stop(self) -> None:
        self._done = True
        self._room.held.used -= self._held_bytes
        self._held_bytes = 0
        # It knows the fetch in its turn; what was found must not wait for a collector.
        self._on_answer = _to_nobody
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watching:
            self._watching = False
            for target in self._targets:
                if target.log is not None:
                    target.fetch = None
                    target.log.remove_waiter(target)


class WaitingRoom:
    """Place where fetches wait and read: Kafka's purgatory.

    Args:
        clock: times the waits.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.held = MemoryBudget(MAX_HELD_BYTES)
        """What fetches have found, and what clients have not taken of their answers."""
        self.turns = TurnBudget()
        self.failures = LimitedLog(logging.getLogger("fakebus.broker"))
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, request_bytes: int, start: Callable[[], None]) -> None:
        """Start a fetch, now or when its turn comes.

        Args:
            request_bytes: the size of the request, which grows with its partitions.
            start: starts it.
        """
        self.turns.run(FETCH_UNITS + request_bytes // _BYTES_A_PARTITION, start)

    def spawn(self, reading: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Read from storage in a task, which :meth:`close` ends."""
        task = asyncio.get_running_loop().create_task(reading)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Give up what is being read."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
