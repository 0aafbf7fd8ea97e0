"""What the broker needs from storage: rows and batches in, rows and batches out.

Storage decides nothing. It keeps opaque record batches and small rows, commits them in the order in
which they were handed over, and says when they are committed.

Every write is *enqueued* by a plain function call and committed later, together with whatever else
is waiting (group commit). The order of the calls is the order of the commits. Writes that are
enqueued inside one ``with storage.atomic():`` block are committed in one transaction.

When a commit fails, the failed writes **and every write still in the queue** have failed. Before
control returns to the event loop, what was changed in memory for them is undone, newest first, and
then each is reported, oldest first. So memory may run ahead of storage: whoever enqueues a write
says how its change is undone, and nobody sees one that is not kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import NamedTuple, Protocol
from uuid import UUID

from fakebus.errors import StorageError
from fakebus.storage.lineage_interface import LineageStore
from fakebus.types import Buffer

OnDone = Callable[[BaseException | None], None]
"""Called on the event loop, synchronously after the commit: ``None`` or the failure. When it gets a
failure it must not enqueue anything: others are still to be told."""

Places = Sequence[tuple[str, int]]
Undo = Callable[[], None]
"""Takes back in memory what a write was to keep that has failed, or that is refused because storage
is closed; it must not enqueue anything."""

ANY_NUMBER = 1 << 62
"""Where a number of batches is not limited."""

ABORT_FLAG = 1 << 16
"""Beside a batch's own attributes: marks an aborted transaction, so that no bytes are looked at."""


class StoredBatch(NamedTuple):
    """One record batch as it lies in the file, with the columns needed to find it."""

    base_offset: int
    last_offset: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    attributes: int
    data: Buffer


class DamagedBatch(list[StoredBatch]):
    """Batch whose CRC is wrong, alone in the place of those that are read: nobody is given it."""


class BatchPosition(NamedTuple):
    """Position of a batch, without its bytes."""

    base_offset: int
    last_offset: int
    max_timestamp: int


class BatchSummary(NamedTuple):
    """A batch without its bytes, but with their number."""

    base_offset: int
    last_offset: int
    max_timestamp: int
    size_bytes: int
    producer_id: int
    attributes: int


class ProducerBatch(NamedTuple):
    """Batch of a producer, as duplicate detection remembers it."""

    producer_id: int
    producer_epoch: int
    base_sequence: int
    base_offset: int
    last_offset: int
    max_timestamp: int
    attributes: int


class AbortedTransaction(NamedTuple):
    """Transaction of one log that was aborted: from its first record to its marker."""

    producer_id: int
    first_offset: int
    last_offset: int


class LogState(NamedTuple):
    """A partition's log as it was found at start."""

    log_id: int
    log_start_offset: int
    log_end_offset: int
    size_bytes: int
    max_timestamp: int
    """Largest timestamp in the log, in milliseconds; -1 when it is empty."""
    first_dirty_offset: int = 0
    """What was last given to ``set_first_dirty_offset``, or the log end after a truncation."""
    epoch_starts: tuple[int, ...] = ()
    """Where the leader epochs after the first one began, as given to ``begin_epoch``."""
    has_aborted: bool = False
    """Whether it holds markers of aborted transactions."""


class TopicRow(NamedTuple):
    """A topic, the ids of its partitions' logs (by partition index) and its own configs."""

    name: str
    topic_id: UUID
    log_ids: tuple[int, ...]
    configs: Mapping[str, str] = MappingProxyType({})


class OffsetRow(NamedTuple):
    """A committed offset of a consumer group."""

    topic: str
    partition: int
    offset: int
    leader_epoch: int = -1
    metadata: str = ""
    commit_timestamp_ms: int = -1
    expire_timestamp_ms: int | None = None
    """When the offset may be forgotten, as the client of an old version has asked."""


class GroupRow(NamedTuple):
    """A consumer group: the coordinator's own snapshot of it, and its committed offsets."""

    group_id: str
    snapshot: bytes | None
    offsets: tuple[OffsetRow, ...]


class LogAppends(Protocol):
    """Batches in, at the end of a log."""

    def append_batches(
        self, log_id: int, batches: Sequence[StoredBatch], on_done: OnDone, undo: Undo | None = None
    ) -> None:
        """Enqueue batches whose offsets are assigned; ``on_done`` runs after the commit.

        The buffers must stay unchanged until then.
        """


class LogReads(Protocol):
    """Batches out, by offset."""

    async def read_batches(
        self,
        log_id: int,
        from_offset: int,
        upto_offset: int,
        max_bytes: int,
        max_batches: int = ANY_NUMBER,
    ) -> list[StoredBatch]:
        """Return committed batches in order, from the one that contains ``from_offset``.

        When no batch contains it (compaction leaves gaps) the next one is the first.
        Stops before ``max_bytes`` or ``max_batches`` would be exceeded, but returns at least one
        batch if there is one; only batches whose base offset is below ``upto_offset`` count.
        """

    async def read_data(
        self, log_id: int, from_offset: int, upto_offset: int, max_bytes: int, max_batches: int
    ) -> tuple[list[Buffer], int] | None:
        """Return their bytes and the last offset in them; ``None`` if the first is damaged."""

    async def summaries(
        self, log_id: int, from_offset: int, upto_offset: int, limit: int
    ) -> list[BatchSummary]:
        """Return the first ``limit`` committed batches in order, without their bytes.

        As with :meth:`read_batches` the first one contains ``from_offset`` or follows it.
        """

    async def size_bytes(self, log_id: int, upto_offset: int | None = None) -> int:
        """Return the number of bytes that the log's committed batches take.

        Args:
            log_id: the log.
            upto_offset: count only batches that begin before it.
        """

    async def producer_batches(self, log_id: int, last: int) -> list[ProducerBatch]:
        """Return the ``last`` newest batches of every producer id in the log, oldest first."""

    async def transaction_start(self, log_id: int, producer_id: int) -> int:
        """Return the base offset of a producer's first batch behind its last marker."""

    async def aborted_transactions(self, log_id: int) -> list[AbortedTransaction]:
        """Return a log's aborted transactions, in the order of their markers."""


class LogSearch(Protocol):
    """Batches by time."""

    async def first_batch_at_or_after(
        self, log_id: int, timestamp: int, from_offset: int, upto_offset: int
    ) -> BatchPosition | None:
        """Return the first batch from ``from_offset`` on with max_timestamp >= ``timestamp``."""

    async def batch_with_max_timestamp(
        self, log_id: int, from_offset: int, upto_offset: int
    ) -> BatchPosition | None:
        """Return the earliest batch that holds the largest timestamp."""


class LogCompaction(Protocol):
    """Batches replaced by what is kept of them."""

    def replace_batches(
        self, log_id: int, from_offset: int, upto_offset: int, batches: Sequence[StoredBatch]
    ) -> asyncio.Future[None]:
        """Enqueue: put batches in the place of those that begin in a range of offsets.

        Args:
            log_id: the log.
            from_offset: where the range begins.
            upto_offset: where it ends; a batch that begins here stays as it is.
            batches: what is kept of the batches in the range, or nothing; no timestamp
                may be larger than what stood in its place. The buffers must stay
                unchanged until the future is done.
        """

    def set_first_dirty_offset(
        self, log_id: int, offset: int, undo: Undo | None = None
    ) -> asyncio.Future[None]:
        """Enqueue: keep how far compaction has come; truncation takes it back."""


class LogRetention(Protocol):
    """Both ends of a log, which are cut off."""

    async def retention_cut(
        self, log_id: int, *, oldest_timestamp: int | None, max_size_bytes: int | None
    ) -> int | None:
        """Return the log start offset that retention asks for, or ``None`` for no change.

        It is the base offset of a batch, or the log end offset when no batch may stay.

        Args:
            oldest_timestamp: batches from the start of the log whose max_timestamp is
                smaller than this are over age, in milliseconds; ``None`` for no limit.
            max_size_bytes: batches from the start are surplus while the log without
                them still holds at least this many bytes; ``None`` for no limit.
        """

    def delete_before(
        self, log_id: int, log_start_offset: int, undo: Undo | None = None
    ) -> asyncio.Future[None]:
        """Enqueue: keep the new log start offset and drop the batches wholly below it.

        They are out of sight with the commit and leave the file in the background. An offset
        below the log start offset changes nothing.
        """

    def truncate(
        self, log_id: int, log_end_offset: int, left: list[int], undo: Undo | None = None
    ) -> asyncio.Future[None]:
        """Enqueue: drop the last batches whose base offset is at or above ``log_end_offset``.

        Below the log start offset this empties the log, which starts over there. If it is too
        much for one transaction, ``left`` gets the present end of the log: nothing may be
        appended until it is asked for again and nothing is left.
        """

    def begin_epoch(
        self, log_id: int, epoch: int, at: int, former: int | None = None, undo: Undo | None = None
    ) -> asyncio.Future[None]:
        """Enqueue: keep where an epoch, 1 or later, began; those of the log ``former`` come too."""

    def drop_filled(self, log_id: int) -> asyncio.Future[None]:
        """Enqueue: let a log go that was filled and has not become that of a topic."""


class LogStore(LogAppends, LogReads, LogSearch, LogCompaction, LogRetention, Protocol):
    """Record batches of partition logs, addressed by log id and offset."""


class TopicStore(Protocol):
    """Topics, their partitions' log ids and their configs."""

    def next_log_id(self) -> int:
        """Return a log id that no partition has had or will have."""

    def save_topic(self, topic: TopicRow, undo: Undo | None = None) -> asyncio.Future[None]:
        """Enqueue: insert the topic or replace it (new partitions, changed configs)."""

    def delete_topic(self, topic_id: UUID, undo: Undo | None = None) -> asyncio.Future[None]:
        """Enqueue: forget the topic; its batches leave the file in the background."""

    async def load_topics(self) -> list[TopicRow]:
        """Return every topic, in the order of creation."""

    async def load_logs(self) -> list[LogState]:
        """Return the state of every log that belongs to a topic."""


class OffsetStore(Protocol):
    """Consumer groups and their committed offsets."""

    def commit_offsets(self, group_id: str, offsets: Sequence[OffsetRow]) -> asyncio.Future[None]:
        """Enqueue: insert or replace the group's offsets; creates the group if needed."""

    def delete_offsets(self, group_id: str, partitions: Places) -> asyncio.Future[None]:
        """Enqueue: forget the group's offsets of these (topic, partition) pairs."""

    def forget_offsets_soon(self, group_id: str, partitions: Places) -> None:
        """Forget offsets with the next write that is stored."""

    def save_group(self, group_id: str, snapshot: bytes) -> asyncio.Future[None]:
        """Enqueue: keep the coordinator's own snapshot of the group."""

    def delete_group(self, group_id: str) -> asyncio.Future[None]:
        """Enqueue: forget the group and all its offsets."""

    async def load_groups(self) -> list[GroupRow]:
        """Return every group."""


class MetaStore(Protocol):
    """Single values: cluster id, producer id counter, what has been seeded."""

    def get_meta(self, key: str) -> str | None:
        """Return a value as of the last ``set_meta``, or ``None``."""

    def set_meta(self, key: str, value: str | None) -> asyncio.Future[None]:
        """Enqueue: keep a value; ``None`` forgets it."""

    def write_meta(self, key: str, value: str | None, on_done: OnDone, undo: Undo) -> None:
        """Enqueue: keep or forget a value; ``on_done`` runs after the commit."""

    def set_all_meta(
        self, values: Mapping[str, str | None], undo: Undo | None = None
    ) -> asyncio.Future[None]:
        """Enqueue: keep or forget several values, as one write."""

    def forget_meta_soon(self, key: str) -> None:
        """Forget a value at once, and in the file with the next write that is stored."""

    def meta_keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with ``prefix``, sorted."""


class LogChange(NamedTuple):
    """Change of a log: what began in a range of offsets before it is kept."""

    change_id: int
    """The order of all changes."""
    log_id: int
    from_offset: int
    upto_offset: int


class KeptRange(NamedTuple):
    """Range of offsets whose batches were kept with a change."""

    from_offset: int
    upto_offset: int
    change_id: int


class SnapshotStore(Protocol):
    """Named snapshots, and the batches that only snapshots still hold."""

    def save_snapshot(self, name: str, content: bytes | None) -> asyncio.Future[None]:
        """Enqueue: insert or replace a snapshot; ``None`` forgets it."""

    async def load_snapshots(self) -> tuple[dict[str, str | bytes], list[LogChange]]:
        """Return the snapshots by name, and all changes in their order."""

    def keep_batches(self, change: LogChange, undo: Undo, size: int) -> asyncio.Future[None]:
        """Enqueue: note a change, and copy the batches that begin in its range, of that size."""

    async def put_back_batches(self, log_id: int, kept: KeptRange) -> int:
        """Append some of what was kept to a log of no topic; return where the rest begins.

        Until a topic is saved with it nobody sees it, and the next process lets it go.
        """

    def forget_changes(self, change_ids: Sequence[int]) -> asyncio.Future[None]:
        """Enqueue: forget changes; what was kept with them leaves the file in the background."""

    async def read_kept(self, kept: KeptRange, max_batches: int) -> list[StoredBatch]:
        """Return the first ``max_batches`` batches of a range, in order."""

    async def kept_bytes(self) -> dict[int, int]:
        """Return how many bytes are kept with each change."""


class PendingWrites(Protocol):
    """Writes that are enqueued and not yet committed, for back-pressure."""

    refusal: Callable[[], StorageError | None] | None
    """Says why what is to be committed now is to fail; ``None`` in its stead for nothing."""
    pending_bytes: int
    """Bytes of their batches."""
    failure: BaseException | None
    """Why the last write failed that somebody waited for; ``None`` if it did not."""

    def when_pending_at_most(self, size_bytes: int, resume: Callable[[], None]) -> None:
        """Call ``resume`` in its turn, after a commit that leaves no more than so much enqueued."""


class Transactions(Protocol):
    """Writes that belong together, and those that are under way."""

    def atomic(self) -> AbstractContextManager[None]:
        """Make the writes enqueued inside the block one transaction.

        The block must not await. Blocks may be nested; the outermost one counts. Writes that
        were enqueued before an exception left the block are committed all the same.
        """

    @property
    def writes(self) -> PendingWrites:
        """What is enqueued and not yet committed."""

    async def flush(self) -> None:
        """Return when everything enqueued so far is committed; raise if that failed."""


class LogStorage(LogStore, SnapshotStore, Transactions, Protocol):
    """Storage of one log, as the log itself uses it."""


class Storage(LogStorage, TopicStore, OffsetStore, MetaStore, Protocol):
    """Storage of the broker, in one file or in memory."""

    @property
    def lineage(self) -> LineageStore:
        """Who did what with the records."""

    async def close(self) -> None:
        """Commit what is enqueued and let go of the file."""
