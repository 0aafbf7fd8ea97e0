"""Which producers have written to a partition, for idempotence.

For every producer id the log remembers the epoch and the last five batches. A batch that
was seen is answered with its first offset and not stored again; a batch that leaves a gap
is refused. Source: KIP-98, KIP-360, and Kafka's ProducerAppendInfo.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from fakebus.broker.log_transactions import LogTransactions
from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.batch import CONTROL_BIT, TRANSACTIONAL_BIT, BatchHeader
from fakebus.storage.interface import (
    ABORT_FLAG,
    ANY_NUMBER,
    BatchSummary,
    LogReads,
    ProducerBatch,
    StoredBatch,
)

REMEMBERED_BATCHES = 5
"""As many batches as a producer may have in flight (max.in.flight.requests.per.connection)."""

SEQUENCE_MODULUS = 1 << 31


class SequenceRange(NamedTuple):
    """A remembered batch."""

    first_sequence: int
    last_sequence: int
    base_offset: int
    last_offset: int
    max_timestamp: int


@dataclass(slots=True)
class ProducerEntry:
    """Newest batches of one producer id."""

    epoch: int
    last_timestamp: int
    batches: deque[SequenceRange] = field(
        default_factory=lambda: deque[SequenceRange](maxlen=REMEMBERED_BATCHES)
    )
    transaction_start: int = -1
    """The first offset of its open transaction; -1 when it has none in this log."""
    coordinator_epoch: int = -1
    """That of its last marker."""

    def copy(self) -> ProducerEntry:
        """Return an entry that stays as this one is now."""
        return ProducerEntry(
            self.epoch,
            self.last_timestamp,
            self.batches.copy(),
            self.transaction_start,
            self.coordinator_epoch,
        )

    @property
    def last_sequence(self) -> int:
        """The sequence number of the newest record; -1 when none is remembered."""
        return self.batches[-1].last_sequence if self.batches else -1


class ProducerState:
    """The producers of one partition log, and their transactions.

    Args:
        transactions: those of the log; ``None`` as long as there were none, as in most logs.
    """

    __slots__ = ("entries", "transactions")

    def __init__(self, transactions: LogTransactions | None = None) -> None:
        self.entries: dict[int, ProducerEntry] = {}
        self.transactions = transactions

    @classmethod
    async def load(
        cls,
        storage: LogReads,
        log_id: int,
        transactions: LogTransactions | None,
        end_offset: int = ANY_NUMBER,
    ) -> ProducerState:
        """Return what the stored batches of a log tell of their producers.

        Args:
            storage: where the batches are.
            log_id: the log.
            transactions: what is known of its transactions; ``None`` if none was aborted.
            end_offset: those that begin here or later are not stored yet.
        """
        state = cls(transactions)
        state.restore(await storage.producer_batches(log_id, REMEMBERED_BATCHES))
        for producer_id, entry in state.entries.items():
            if entry.transaction_start >= 0:
                # It may have begun before the batches that are remembered.
                start = await storage.transaction_start(log_id, producer_id)
                entry.transaction_start = start
        if state.transactions is not None:
            aborted = await storage.aborted_transactions(log_id)
            opened = {
                entry.transaction_start: producer_id
                for producer_id, entry in state.entries.items()
                if entry.transaction_start >= 0
            }
            for first, producer_id in transactions.open.items() if transactions else ():
                if first >= end_offset:
                    opened[first] = producer_id
            state.transactions = LogTransactions(aborted, opened.items())
        return state

    def expect_transaction(self, producer_id: int, *, from_zero: bool) -> None:
        """Let a producer begin a transaction in this log; the coordinator knows of it.

        Args:
            producer_id: the producer.
            from_zero: whether it begins with sequence 0 where nothing of it is there (KIP-890).
        """
        if self.transactions is None:
            self.transactions = LogTransactions()
        self.transactions.expected[producer_id] = from_zero

    def restore(self, batches: Iterable[ProducerBatch]) -> None:
        """Take over what the stored log says, oldest batch first."""
        for batch in batches:
            records = batch.last_offset - batch.base_offset + 1
            last_sequence = (batch.base_sequence + records - 1) % SEQUENCE_MODULUS
            entry = self._entry(batch.producer_id, batch.producer_epoch, batch.max_timestamp)
            entry.last_timestamp = max(entry.last_timestamp, batch.max_timestamp)
            if batch.attributes & TRANSACTIONAL_BIT:
                self.transactions = self.transactions or LogTransactions()
                if _note_transaction(entry, batch.attributes, batch.base_offset):
                    continue
            entry.batches.append(
                SequenceRange(
                    batch.base_sequence,
                    last_sequence,
                    batch.base_offset,
                    batch.last_offset,
                    batch.max_timestamp,
                )
            )

    def _entry(self, producer_id: int, epoch: int, timestamp: int) -> ProducerEntry:
        """Return a producer's entry; a new epoch begins a new one."""
        entry = self.entries.get(producer_id)
        if entry is None or entry.epoch != epoch:
            before, entry = entry, ProducerEntry(epoch, timestamp)
            self.entries[producer_id] = entry
            if before is not None:
                entry.transaction_start = before.transaction_start
                entry.coordinator_epoch = before.coordinator_epoch
        return entry

    def find_duplicate(self, header: BatchHeader) -> SequenceRange | None:
        """Return the remembered batch that ``header`` repeats, if it repeats one."""
        entry = self.entries.get(header.producer_id)
        if entry is None or entry.epoch != header.producer_epoch:
            return None
        first, last = header.base_sequence, header.last_sequence
        for batch in entry.batches:
            if batch.first_sequence == first and batch.last_sequence == last:
                return batch
        return None

    def check(self, header: BatchHeader) -> None:
        """Accept a batch that is the producer's next one.

        Raises:
            BrokerError: INVALID_PRODUCER_EPOCH for an old epoch,
                OUT_OF_ORDER_SEQUENCE_NUMBER for a gap, INVALID_TXN_STATE for a batch outside the
                transaction that is open.
        """
        entry = self.entries.get(header.producer_id)
        if entry is None:
            if header.attributes & TRANSACTIONAL_BIT:
                self._check_expected(header)
            return
        if header.producer_epoch < entry.epoch:
            raise BrokerError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"producer {header.producer_id} writes with epoch {header.producer_epoch}, "
                f"but epoch {entry.epoch} has written already",
            )
        if header.producer_epoch > entry.epoch:
            expected = 0
        elif entry.batches:
            expected = (entry.last_sequence + 1) % SEQUENCE_MODULUS
        else:
            expected = header.base_sequence
        if header.base_sequence != expected and not header.attributes & CONTROL_BIT:
            raise BrokerError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"producer {header.producer_id} (epoch {header.producer_epoch}) sent sequence "
                f"{header.base_sequence}, expected {expected}",
            )
        if entry.transaction_start >= 0 and not header.attributes & TRANSACTIONAL_BIT:
            raise BrokerError(
                ErrorCode.INVALID_TXN_STATE,
                f"producer {header.producer_id} has a transaction open since offset "
                f"{entry.transaction_start}; until it ends all its batches belong to it",
            )
        if header.attributes & TRANSACTIONAL_BIT and entry.transaction_start < 0:
            self._check_expected(header)

    def _check_expected(self, header: BatchHeader) -> None:
        if header.attributes & CONTROL_BIT:
            return
        expected = self.transactions.expected if self.transactions else {}
        if header.producer_id not in expected:
            raise BrokerError(
                ErrorCode.INVALID_TXN_STATE,
                f"producer {header.producer_id} has no transaction that this partition is part of",
            )
        is_new = header.producer_id not in self.entries
        if is_new and header.base_sequence and expected[header.producer_id]:
            raise BrokerError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"producer {header.producer_id} begins with {header.base_sequence}, not with 0",
            )

    def remember(self, header: BatchHeader, base_offset: int, last_offset: int) -> None:
        """Note a batch that :meth:`check` has accepted."""
        entry = self._entry(header.producer_id, header.producer_epoch, header.max_timestamp)
        entry.last_timestamp = header.max_timestamp
        if header.attributes & TRANSACTIONAL_BIT:
            # There are none yet where a marker comes without a batch before it.
            transactions = self.transactions = self.transactions or LogTransactions()
            if _note_transaction(entry, header.attributes, base_offset):
                transactions.expected.pop(header.producer_id, None)
                return
            if entry.transaction_start == base_offset:
                transactions.open[base_offset] = header.producer_id
        entry.batches.append(
            SequenceRange(
                header.base_sequence,
                header.last_sequence,
                base_offset,
                last_offset,
                header.max_timestamp,
            )
        )

    def snapshot(self, producer_id: int) -> ProducerEntry | None:
        """Return the producer's entry as it is now, for :meth:`put_back`."""
        entry = self.entries.get(producer_id)
        return None if entry is None else entry.copy()

    def put_back(self, batch: StoredBatch, entry: ProducerEntry | None) -> None:
        """Restore the entry of a producer whose batch could not be stored."""
        if entry is None:
            self.entries.pop(batch.producer_id, None)
        else:
            self.entries[batch.producer_id] = entry
        if self.transactions is not None:
            self.transactions.open.pop(batch.base_offset, None)

    def transaction_ended(self, marker: StoredBatch, before: ProducerEntry | None) -> None:
        """Note that a marker is stored; ``before`` it, its producer's entry was this."""
        if self.transactions is not None and before is not None:
            self.transactions.end(
                marker.producer_id,
                before.transaction_start,
                marker.last_offset,
                abort=bool(marker.attributes & ABORT_FLAG),
            )

    def is_aborted(self, batch: StoredBatch | BatchSummary) -> bool:
        """Return whether a batch belongs to a transaction that was aborted."""
        if self.transactions is None or not batch.attributes & TRANSACTIONAL_BIT:
            return False
        return any(
            each.producer_id == batch.producer_id
            for each in self.transactions.aborted(batch.base_offset, batch.base_offset + 1)
        )

    def expire(self, oldest_timestamp: int) -> None:
        """Forget the producers whose last batch is older (producer.id.expiration.ms)."""
        stale = [
            producer_id
            for producer_id, entry in self.entries.items()
            if entry.last_timestamp < oldest_timestamp and entry.transaction_start < 0
        ]
        for producer_id in stale:
            del self.entries[producer_id]


def _note_transaction(entry: ProducerEntry, attributes: int, base_offset: int) -> bool:
    """Note a batch of a transaction; return whether it is its end, which has no sequence."""
    if attributes & CONTROL_BIT:
        entry.transaction_start = -1
        # The marker says by which coordinator; there is one, whose epoch never changes.
        entry.coordinator_epoch = max(entry.coordinator_epoch, 0)
        return True
    if entry.transaction_start < 0:
        entry.transaction_start = base_offset
    return False
