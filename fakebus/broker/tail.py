"""Following topics by cursor: how all readers but a Fetch read records.

A :class:`LogCursor` is a place in one partition's log; a :class:`Tail` holds one for every
partition of some topics, also of those that are created later. Both hand out what lies
between their place and the end in slices, so that neither memory nor the time until others
get their turn grows with the log. Who wants what is committed stops at :func:`readable_end`, and
does not see what was aborted.

No record comes twice. There is one exception: when a log is rolled back, a cursor that has
read further goes back to where the log is still what it was (as KIP-320 has consumers do), and
what was put there comes, whatever it is. Records that are deleted before they were read do
not come at all, and neither does the rest of a topic that is deleted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.topics import Topic, Topics
from fakebus.broker.turns import Pace
from fakebus.real_time import monotonic
from fakebus.records.batch import CONTROL_BIT
from fakebus.records.codecs import CODEC_MASK
from fakebus.records.errors import CorruptBatchError, RecordError
from fakebus.records.reader import read_records
from fakebus.records.record import Record
from fakebus.storage.interface import DamagedBatch, StoredBatch
from fakebus.types import Buffer, TopicPartition

logger = logging.getLogger("fakebus.broker")

SLICE_BYTES = 256 * 1024
SLICE_RECORDS = 200
_TURN_S = 0.0002
"""How long records are read before others get their turn; an acknowledgement waits for several."""
_PIECE_BYTES = 32 * 1024
"""Bytes that are looked through in one go; microseconds."""
_INLINE_PACKED_BYTES = 4096
"""Compressed batches up to this size unpack to a few megabytes at most, in milliseconds."""

Start = Callable[[PartitionLog], int]
"""Returns the offset at which to begin in a log."""


def readable_end(log: PartitionLog) -> int:
    """Return one past the last record that no open transaction can take back."""
    return log.last_stable_offset


class BatchSlice(NamedTuple):
    """Batches that follow each other, and the first of their offsets that counts."""

    first_offset: int
    batches: Sequence[StoredBatch]


class RecordSlice(NamedTuple):
    """Records of one partition that follow each other."""

    log: PartitionLog
    records: Sequence[Record]


class LogCursor:
    """Cursor over one partition's log, by batches or by records, but not by both.

    Args:
        log: what is read.
        position: the first offset that counts; the log's start when left out. A rollback does
            not lead to what lies before it.
        end: stop here even if the log goes on.
        on_change: called with the cursor when the log has grown, changed or gone.
        wanted: of batches for which it says no, no records come.
        having: bytes in lower case; records of a batch that has none of them, in whatever case,
            need not come.
        pace: at which batches are looked through for these.
        committed: stop where an open transaction begins, and leave out what was aborted.
    """

    __slots__ = (
        "_ahead",
        "_committed",
        "_epoch",
        "_first",
        "_having",
        "_on_change",
        "_pace",
        "_records",
        "_wanted",
        "end",
        "log",
        "position",
    )

    def __init__(
        self,
        log: PartitionLog,
        position: int | None = None,
        *,
        end: int | None = None,
        on_change: Callable[[LogCursor], None] | None = None,
        wanted: Callable[[StoredBatch], bool] | None = None,
        having: Sequence[bytes] = (),
        pace: Pace | None = None,
        committed: bool = False,
    ) -> None:
        self.log = log
        self._committed = committed
        self._wanted = wanted
        self._having = having
        self._pace = pace or Pace(rest_s=0)
        self.position = log.log_start_offset if position is None else position
        self.end = end
        self._first = 0 if position is None else position
        self._epoch = log.leader_epoch
        self._ahead: deque[StoredBatch] = deque()
        self._records: Iterator[Record] | None = None
        self._on_change = on_change
        if on_change is not None:
            log.add_waiter(self)

    def close(self) -> None:
        """Let the log forget the cursor."""
        self.log.remove_waiter(self)

    def log_appended(self, size_bytes: int) -> None:
        """Pass on that the log has grown."""
        if self._on_change is not None:
            self._on_change(self)

    def log_changed(self) -> None:
        """Pass on that the log has changed or gone."""
        if self._on_change is not None:
            self._on_change(self)

    def settle(self) -> bool:
        """Go to where the log still is what was read, and not before its start.

        Returns:
            Whether something was taken back that had been read.
        """
        log, taken_back = self.log, False
        if log.leader_epoch != self._epoch:
            parted = log.end_of_epoch(self._epoch)
            self._epoch = log.leader_epoch
            if parted is not None and parted < self.position:
                self.position, taken_back = max(parted, self._first), True
            self._ahead.clear()
            self._records = None
        if self.position < log.log_start_offset:
            self.position = log.log_start_offset
        return taken_back

    def has_more(self) -> bool:
        """Return whether there are offsets to read now, be there records or not."""
        self.settle()
        return not self.log.deleted and self.position < self._limit()

    def _limit(self) -> int:
        end = readable_end(self.log) if self._committed else self.log.high_watermark
        return end if self.end is None else min(end, self.end)

    def read_cached(self, max_bytes: int = SLICE_BYTES) -> BatchSlice | None:
        """Return the next batches if they are in memory, ``None`` if not or at the end."""
        if not self.has_more():
            return None
        return self._passed(self.log.read_cached(self.position, self._limit(), max_bytes))

    async def read(self, max_bytes: int = SLICE_BYTES) -> BatchSlice | None:
        """Return the next batches: ``max_bytes``, or one that is larger; ``None`` at the end."""
        return self._passed(await self._next_batches(max_bytes))

    def _passed(self, batches: Sequence[StoredBatch] | None) -> BatchSlice | None:
        if not batches:
            return None
        first_offset, self.position = self.position, batches[-1].last_offset + 1
        if self._committed:
            is_aborted = self.log.producers.is_aborted
            batches = [batch for batch in batches if not is_aborted(batch)]
        return BatchSlice(first_offset, batches)

    async def _next_batches(self, max_bytes: int) -> Sequence[StoredBatch]:
        while self.has_more():
            place, limit = (self.position, self._epoch), self._limit()
            batches = await self.log.read(self.position, limit, max_bytes)
            self.settle()
            if place != (self.position, self._epoch) or self.log.deleted:
                # What was read is not there any more, at least not all of it.
                continue
            if batches:
                return batches
            # Compaction has left nothing there.
            self.position = limit
        return ()

    async def records(self, most: int = SLICE_RECORDS) -> list[Record]:
        """Return the next records, up to ``most`` and of one slice; none at the end.

        Batches that cannot be read are passed over, with a warning in the log. Where not all are
        wanted, none also means that a slice of the others was passed over.
        """
        found: list[Record] = []
        while len(found) < most:
            if self._records is None and found and not self._ahead:
                break
            try:
                if not await self._open_batch():
                    break
                if not self._take(found, most):
                    await asyncio.sleep(0)
            except RecordError as error:
                where = f"{self.log.topic_partition} at offset {self.position}"
                logger.warning("passed over a batch of %s: %s", where, error)
                self._close_batch()
        return found

    async def _open_batch(self) -> bool:
        """Make sure that there are records to take; return whether there are."""
        left = SLICE_BYTES
        while left > 0:
            if not self.has_more():
                return False
            if self._records is not None:
                return True
            if not self._ahead:
                await self._look_ahead()
                continue
            batch = self._ahead[0]
            if (
                batch.attributes & CONTROL_BIT
                or batch.last_offset < self.position
                or (self._committed and self.log.producers.is_aborted(batch))
            ):
                self._close_batch()
            elif self._wanted is not None and not self._wanted(batch):
                left -= len(batch.data)
                self._close_batch()
            elif batch.attributes & CODEC_MASK and len(batch.data) > _INLINE_PACKED_BYTES:
                self._open(batch, await asyncio.to_thread(self._read, batch))
            elif self._having and not batch.attributes & CODEC_MASK:
                left -= len(batch.data)
                if await _has_any(batch.data, self._having, self._pace):
                    self._open(batch, self._read(batch))
                else:
                    self._open(batch, None)
            else:
                self._records = self._read(batch)
        return False

    async def _look_ahead(self) -> None:
        batches = await self._next_batches(SLICE_BYTES)
        self._ahead.extend(batches)
        if isinstance(batches, DamagedBatch):
            raise CorruptBatchError("its CRC is wrong")

    def _read(self, batch: StoredBatch) -> Iterator[Record]:
        return read_records(batch.data, first_offset=self.position)

    def _open(self, batch: StoredBatch, records: Iterator[Record] | None) -> None:
        """Go on with records of a batch, or behind it, if it still is the next one."""
        self.settle()
        if self._ahead and self._ahead[0] is batch:
            self._records = records
            if records is None:
                self._close_batch()

    def _take(self, found: list[Record], most: int) -> bool:
        """Move records of the open batch; return whether it or ``found`` is used up."""
        assert self._records is not None  # noqa: S101 - _open_batch has seen to it
        until = monotonic() + _TURN_S
        for record in self._records:
            if self.end is not None and record.offset >= self.end:
                self._records, self.position = None, self.end
                return True
            if record.offset >= self.position:
                found.append(record)
                self.position = record.offset + 1
                if len(found) == most:
                    return True
            if monotonic() > until:
                return False
        self._close_batch()
        return True

    def _close_batch(self) -> None:
        self._records = None
        if self._ahead:
            self.position = max(self.position, self._ahead.popleft().last_offset + 1)


async def _has_any(data: Buffer, wanted: Sequence[bytes], pace: Pace) -> bool:
    """Return whether one of some texts in lower case is in bytes; others get their turns."""
    overlap = max(map(len, wanted)) - 1
    for at in range(0, len(data), _PIECE_BYTES):
        piece = bytes(data[at : at + _PIECE_BYTES + overlap]).lower()
        if any(each in piece for each in wanted):
            return True
        await pace.keep()
    return False


class Tail:
    """Cursor over the committed records of several topics, for ``with``.

    It reads in *passes*: a pass ends where the logs ended when it began, so it has an end
    however fast others write.

    Args:
        topics: the broker's topics.
        names: the topics to follow, whether they exist or not.
        start: where to begin in each log; at its start when left out.
    """

    def __init__(self, topics: Topics, names: Iterable[str], start: Start | None = None) -> None:
        self._topics = topics
        self._names = frozenset(names)
        self._start = start
        self._cursors: dict[PartitionLog, LogCursor] = {}
        self._grown: dict[LogCursor, None] = {}
        self._pass: deque[LogCursor] | None = None
        self._woken = asyncio.Event()

    def __enter__(self) -> Self:
        """Begin to follow."""
        for name in sorted(self._names):
            topic = self._topics.get(name)
            if topic is not None:
                self._topic_changed(topic)
        self._topics.on_changed.append(self._topic_changed)
        self._topics.on_deleted.append(self._topic_deleted)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Follow no longer."""
        self._topics.on_changed.remove(self._topic_changed)
        self._topics.on_deleted.remove(self._topic_deleted)
        for cursor in self._cursors.values():
            cursor.close()

    def _topic_changed(self, topic: Topic) -> None:
        if topic.name not in self._names:
            return
        for log in topic.partitions:
            if log not in self._cursors:
                position = None if self._start is None else self._start(log)
                cursor = LogCursor(log, position, on_change=self._wake, committed=True)
                self._cursors[log] = cursor
                self._wake(cursor)

    def _topic_deleted(self, topic: Topic) -> None:
        for log in topic.partitions:
            cursor = self._cursors.pop(log, None)
            if cursor is not None:
                cursor.close()
                self._grown.pop(cursor, None)

    def _wake(self, cursor: LogCursor) -> None:
        self._grown[cursor] = None
        self._woken.set()

    @property
    def positions(self) -> dict[TopicPartition, int]:
        """The next offset of each partition."""
        return {log.topic_partition: cursor.position for log, cursor in self._cursors.items()}

    async def read(self, most: int = SLICE_RECORDS) -> RecordSlice | None:
        """Return the next records of one partition; ``None`` ends the pass.

        Args:
            most: how many records at most.
        """
        if self._pass is None:
            self._begin_pass()
        assert self._pass is not None  # noqa: S101 - it has just begun
        while self._pass:
            cursor = self._pass[0]
            records = await cursor.records(most)
            if records:
                self._pass.rotate(-1)
                return RecordSlice(cursor.log, records)
            self._pass.popleft()
        self._pass = None
        return None

    def _begin_pass(self) -> None:
        self._pass = deque(self._grown)
        self._grown.clear()
        self._woken.clear()
        for cursor in self._pass:
            cursor.end = readable_end(cursor.log)

    def mark_seen(self) -> None:
        """Let only what comes from now on wake :meth:`wait`, for readers by other ways."""
        self._grown.clear()
        self._woken.clear()

    def wake(self) -> None:
        """Let :meth:`wait` return although nothing has come."""
        self._woken.set()

    async def wait(self, timeout_s: float) -> None:
        """Return when another pass may find something, after ``timeout_s`` at the latest."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()
        except TimeoutError:
            return
