"""The newest batches of all logs, kept in memory so that live consumers never touch the file."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque

from fakebus.storage.interface import ANY_NUMBER, StoredBatch

DEFAULT_BYTES = 32 * 1024 * 1024
_ROW_OVERHEAD = 600
"""What a cached batch costs besides its bytes, so that tiny batches are bounded too.

That is the frame that it came in, the view on it, and the row with its numbers."""
_MAX_ORPHANS = 1024


class LogTail:
    """The cached batches of one log: a run without gaps that ends at the high watermark."""

    __slots__ = ("_head", "bases", "batches")

    def __init__(self) -> None:
        self.bases: list[int] = []
        """The base offsets of the batches; :class:`TailCache` adds to both lists."""
        self.batches: list[StoredBatch] = []
        self._head = 0

    def drop_oldest(self) -> int:
        """Forget the oldest batch and return the bytes that it took."""
        batch = self.batches[self._head]
        # The slot is emptied at once so that the bytes are freed before the list is compacted.
        self.batches[self._head] = _EMPTY
        self._head += 1
        if self._head > 64 and self._head * 2 > len(self.batches):
            del self.batches[: self._head]
            del self.bases[: self._head]
            self._head = 0
        return len(batch.data) + _ROW_OVERHEAD

    @property
    def first_offset(self) -> int:
        """The base offset of the oldest batch; there must be one."""
        return self.bases[self._head]

    def __len__(self) -> int:
        return len(self.batches) - self._head

    def read(
        self, from_offset: int, upto_offset: int, max_bytes: int, max_batches: int = ANY_NUMBER
    ) -> list[StoredBatch] | None:
        """Return batches from the one that holds ``from_offset``; ``None`` if it is not cached.

        At least one batch is returned, however large; after that ``max_bytes`` and
        ``max_batches`` hold.
        """
        if len(self.batches) == self._head or from_offset < self.bases[self._head]:
            return None
        index = bisect_right(self.bases, from_offset, self._head) - 1
        found: list[StoredBatch] = []
        size = 0
        for position in range(index, len(self.batches)):
            batch = self.batches[position]
            if batch.last_offset < from_offset:
                continue
            size += len(batch.data)
            if batch.base_offset >= upto_offset or (found and size > max_bytes):
                break
            if len(found) >= max_batches:
                break
            found.append(batch)
        return found


_EMPTY = StoredBatch(0, 0, 0, 0, 0, 0, 0, b"")


class TailCache:
    """One budget of bytes for the tails of all logs; the oldest batch goes first.

    Args:
        max_bytes: the budget in bytes.
    """

    def __init__(self, max_bytes: int = DEFAULT_BYTES) -> None:
        self.max_bytes = max_bytes
        self.size_bytes = 0
        self._order: deque[LogTail] = deque()
        # How many places in the order are left of batches that were forgotten.
        self._orphans = 0

    def add(self, tail: LogTail, batch: StoredBatch) -> None:
        """Cache a committed batch and make room for it."""
        tail.bases.append(batch.base_offset)
        tail.batches.append(batch)
        self._order.append(tail)
        self.size_bytes += len(batch.data) + _ROW_OVERHEAD
        while self.size_bytes > self.max_bytes:
            oldest = self._order.popleft()
            # A cleared tail leaves its places in the order behind.
            if len(oldest):
                self.size_bytes -= oldest.drop_oldest()

    def forget(self, tail: LogTail, before_offset: int | None = None) -> None:
        """Drop a log's tail (deleted topic, truncated log), or the older part of it.

        Args:
            tail: whose batches are dropped.
            before_offset: only those that begin before this offset (compacted log).
        """
        while len(tail) and (before_offset is None or tail.first_offset < before_offset):
            self.size_bytes -= tail.drop_oldest()
            self._orphans += 1
        if self._orphans > max(_MAX_ORPHANS, len(self._order) // 2):
            self._drop_orphans()

    def _drop_orphans(self) -> None:
        """Give every tail as many places as it has batches, the newest ones."""
        places: Counter[LogTail] = Counter()
        kept: deque[LogTail] = deque()
        for tail in reversed(self._order):
            if places[tail] < len(tail):
                places[tail] += 1
                kept.appendleft(tail)
        self._order = kept
        self._orphans = 0
