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

from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.batch import BatchHeader
from fakebus.storage.interface import ProducerBatch

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

    def copy(self) -> ProducerEntry:
        """Return an entry that stays as this one is now."""
        return ProducerEntry(self.epoch, self.last_timestamp, self.batches.copy())

    @property
    def last_sequence(self) -> int:
        """The sequence number of the newest record; -1 when none is remembered."""
        return self.batches[-1].last_sequence if self.batches else -1


class ProducerState:
    """The producers of one partition log."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[int, ProducerEntry] = {}

    def restore(self, batches: Iterable[ProducerBatch]) -> None:
        """Take over what the stored log says, oldest batch first."""
        for batch in batches:
            records = batch.last_offset - batch.base_offset + 1
            last_sequence = (batch.base_sequence + records - 1) % SEQUENCE_MODULUS
            entry = self.entries.get(batch.producer_id)
            if entry is None or entry.epoch != batch.producer_epoch:
                entry = ProducerEntry(batch.producer_epoch, batch.max_timestamp)
                self.entries[batch.producer_id] = entry
            entry.last_timestamp = max(entry.last_timestamp, batch.max_timestamp)
            entry.batches.append(
                SequenceRange(
                    batch.base_sequence,
                    last_sequence,
                    batch.base_offset,
                    batch.last_offset,
                    batch.max_timestamp,
                )
            )

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
                OUT_OF_ORDER_SEQUENCE_NUMBER for a gap.
        """
        entry = self.entries.get(header.producer_id)
        if entry is None:
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
            return
        if header.base_sequence != expected:
            raise BrokerError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"producer {header.producer_id} (epoch {header.producer_epoch}) sent sequence "
                f"{header.base_sequence}, expected {expected}",
            )

    def remember(self, header: BatchHeader, base_offset: int, last_offset: int) -> None:
        """Note a batch that :meth:`check` has accepted."""
        entry = self.entries.get(header.producer_id)
        if entry is None or entry.epoch != header.producer_epoch:
            entry = ProducerEntry(header.producer_epoch, header.max_timestamp)
            self.entries[header.producer_id] = entry
        entry.last_timestamp = header.max_timestamp
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

    def put_back(self, producer_id: int, entry: ProducerEntry | None) -> None:
        """Restore an entry after a batch could not be stored."""
        if entry is None:
            self.entries.pop(producer_id, None)
        else:
            self.entries[producer_id] = entry

    def expire(self, oldest_timestamp: int) -> None:
        """Forget the producers whose last batch is older (producer.id.expiration.ms)."""
        stale = [
            producer_id
            for producer_id, entry in self.entries.items()
            if entry.last_timestamp < oldest_timestamp
        ]
        for producer_id in stale:
            del self.entries[producer_id]
