"""Work on the records of large batches, beside the event loop.

A batch of a megabyte may hold a million records, and unpack to sixty times its size. To look at
each of them takes seconds, in which no client would be answered.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from fakebus.broker.appending import AppendResult, refused
from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.batch import unpacked_bytes

if TYPE_CHECKING:
    from fakebus.broker.partition_log import PartitionLog
    from fakebus.records.batch import BatchHeader
    from fakebus.types import Buffer

logger = logging.getLogger("fakebus.broker")

MANY_RECORDS = 2000
"""Records that are looked at on the event loop; more are work for the thread."""
MANY_BYTES = 512 * 1024
"""Unpacked bytes that are looked at on the event loop."""

P = ParamSpec("P")
R = TypeVar("R")
Check = Callable[[], "tuple[bytearray | memoryview, BatchHeader, int]"]
"""Looks at a batch and returns what :meth:`PartitionLog.append` takes."""


def takes_long(batch: Buffer, header: BatchHeader) -> bool:
    """Whether looking at a batch's records is work for the thread."""
    return header.record_count > MANY_RECORDS or unpacked_bytes(batch, header) > MANY_BYTES


class RecordThread:
    """Thread that looks at records, one batch after the other.

    Batches for a log are appended in the order in which they came, those that need not be looked
    at too: they wait for those before them.
    """

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self.queues: dict[PartitionLog, deque[tuple[Check, AppendResult]]] = {}
        """The logs with batches that are being looked at, or wait for those before them."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what a function returns, called in the thread."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, "fakebus-records")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(function, *args, **kwargs))

    def append(self, log: PartitionLog, check: Check) -> AppendResult:
        """Append a batch when it and all before it have been looked at.

        Args:
            log: the partition's log.
            check: looks at the batch; it may raise BrokerError.
        """
        result = AppendResult()
        queue = self.queues.get(log)
        if queue is None:
            queue = self.queues[log] = deque()
            task = asyncio.get_running_loop().create_task(self._work(log, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        queue.append((check, result))
        return result

    async def _work(self, log: PartitionLog, queue: deque[tuple[Check, AppendResult]]) -> None:
        try:
            while queue:
                check, result = queue[0]
                try:
                    appended = log.append(*await self.run(check))
                except BrokerError as error:
                    result.settle(refused(error, log.log_start_offset))
                else:
                    appended.when_settled(result.settle)
                queue.popleft()
        except Exception:  # a bug: nobody may wait for ever
            logger.exception("looking at a batch for %s failed", log.topic_partition)
        finally:
            del self.queues[log]
            for _, result in queue:
                result.settle(BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR))

    async def close(self) -> None:
        """Stop; what waits is refused."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)
