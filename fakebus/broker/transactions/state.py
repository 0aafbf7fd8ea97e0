"""State of a transactional id, its changes, and how it is stored.

A state is a value: each change makes a new one, so that a write that fails only has to put the
old one back.

Source: KIP-98, KIP-360, KIP-890; Kafka's TransactionMetadata.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from fakebus.broker.refusals import refused_transaction
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.storage.interface import OffsetRow
from fakebus.types import TopicPartition

NO_PRODUCER_ID = -1
NO_EPOCH = -1
LAST_EPOCH = 2**15 - 2
"""The last one that a producer is given: one more must be left, to fence it."""
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class TransactionStatus(StrEnum):
    """Status of a transactional id, as administrators are told it.

    The end of a transaction is one write here: those between Ongoing and Complete never last.
    """

    EMPTY = "Empty"
    ONGOING = "Ongoing"
    PREPARE_COMMIT = "PrepareCommit"
    PREPARE_ABORT = "PrepareAbort"
    COMPLETE_COMMIT = "CompleteCommit"
    COMPLETE_ABORT = "CompleteAbort"
    DEAD = "Dead"
    PREPARE_EPOCH_FENCE = "PrepareEpochFence"


class ProducerIdAndEpoch(NamedTuple):
    """Pair that a producer signs its batches with."""

    producer_id: int
    epoch: int


GroupOffsets = Mapping[str, Mapping[TopicPartition, OffsetRow]]
"""Offsets by group and partition."""


class TransactionState(NamedTuple):
    """State of a transactional id."""

    transactional_id: str
    producer_id: int
    timeout_ms: int
    updated_ms: int
    offsets: GroupOffsets
    """Offsets that are committed with the transaction."""
    producer_epoch: int = NO_EPOCH
    last_producer_id: int = NO_PRODUCER_ID
    last_producer_epoch: int = NO_EPOCH
    """What the producer had before, which it may still name when it did not hear the answer."""
    status: TransactionStatus = TransactionStatus.EMPTY
    partitions: frozenset[TopicPartition] = frozenset()
    start_ms: int = -1
    bumps_epoch: bool = False
    """Whether the client knows that every end gives it a new epoch (KIP-890)."""

    @property
    def is_exhausted(self) -> bool:
        """Whether the producer id has no epochs left."""
        return self.producer_epoch >= LAST_EPOCH

    @property
    def is_ongoing(self) -> bool:
        """Whether a transaction is open."""
        return self.status is TransactionStatus.ONGOING

    def initialized(
        self, timeout_ms: int, expected: ProducerIdAndEpoch | None, now_ms: int
    ) -> TransactionState:
        """Return the state with the next epoch, or the same for a client that asks once more.

        Raises:
            BrokerError: PRODUCER_FENCED, the epoch that the client names is an old one.
        """
        epoch, last_epoch = self.producer_epoch + 1, NO_EPOCH
        if expected is not None and self.producer_epoch != NO_EPOCH:
            if expected.epoch == self.producer_epoch:
                last_epoch = self.producer_epoch
            elif expected.epoch == self.last_producer_epoch:
                epoch, last_epoch = self.producer_epoch, self.last_producer_epoch
            else:
                raise self.fenced(expected.epoch)
        return self._empty(self.producer_id, epoch, last_epoch, timeout_ms, now_ms)

    def rotated(
        self, producer_id: int, timeout_ms: int, now_ms: int, *, known: bool
    ) -> TransactionState:
        """Return the state with a new producer id, because the old one has no epochs left."""
        last_epoch = self.producer_epoch if known else NO_EPOCH
        return self._empty(producer_id, 0, last_epoch, timeout_ms, now_ms)

    def _empty(
        self, producer_id: int, epoch: int, last_epoch: int, timeout_ms: int, now_ms: int
    ) -> TransactionState:
        return self._replace(
            producer_id=producer_id,
            producer_epoch=epoch,
            last_producer_id=self.producer_id,
            last_producer_epoch=last_epoch,
            timeout_ms=timeout_ms,
            status=TransactionStatus.EMPTY,
            start_ms=-1,
            updated_ms=now_ms,
            bumps_epoch=False,
        )

    def with_partitions(
        self, partitions: Iterable[TopicPartition], now_ms: int, *, bumps_epoch: bool
    ) -> TransactionState:
        """Return the state with partitions added; the first ones begin the transaction."""
        return self._replace(
            status=TransactionStatus.ONGOING,
            partitions=self.partitions.union(partitions),
            start_ms=self.start_ms if self.is_ongoing else now_ms,
            updated_ms=now_ms,
            bumps_epoch=bumps_epoch,
        )

    def with_offsets(self, group_id: str, rows: Iterable[OffsetRow]) -> TransactionState:
        """Return the state with offsets that become a group's when the transaction commits."""
        offsets = {TopicPartition(row.topic, row.partition): row for row in rows}
        merged = {**self.offsets.get(group_id, {}), **offsets}
        return self._replace(offsets={**self.offsets, group_id: merged})

    def ended(
        self,
        next_producer: ProducerIdAndEpoch,
        last_epoch: int,
        now_ms: int,
        *,
        commit: bool,
        bumps_epoch: bool,
    ) -> TransactionState:
        """Return the state after a commit or an abort."""
        status = TransactionStatus.COMPLETE_COMMIT if commit else TransactionStatus.COMPLETE_ABORT
        return self._replace(
            producer_id=next_producer.producer_id,
            producer_epoch=next_producer.epoch,
            last_producer_id=self.producer_id,
            last_producer_epoch=last_epoch,
            status=status,
            partitions=frozenset(),
            offsets={},
            start_ms=self.start_ms if self.start_ms >= 0 else now_ms,
            updated_ms=now_ms,
            bumps_epoch=bumps_epoch,
        )

    def fenced(self, epoch: int) -> BrokerError:
        """Return the error for a producer with another epoch."""
        return refused_transaction(
            self.transactional_id,
            ErrorCode.PRODUCER_FENCED,
            f"the producer of transactional id {self.transactional_id} has epoch {epoch}, but "
            f"{self.producer_epoch} is the current one",
        )

    def being_ended(self) -> BrokerError:
        """Return the error for a producer that comes while its transaction is being ended."""
        return BrokerError(
            ErrorCode.CONCURRENT_TRANSACTIONS,
            f"a transaction of {self.transactional_id} is being ended",
        )

    def nothing_to_end(self, *, commit: bool) -> BrokerError:
        """Return the error for a producer that ends what is not open."""
        verb = "commit" if commit else "abort"
        return refused_transaction(
            self.transactional_id,
            ErrorCode.INVALID_TXN_STATE,
            f"there is nothing to {verb} for {self.transactional_id}, which is {self.status}",
        )

    def may_go_on(self, producer: ProducerIdAndEpoch) -> bool:
        """Return whether a producer may go on after an error, as far as its id tells (KIP-360)."""
        return (
            self.producer_epoch == NO_EPOCH
            or producer.producer_id == self.producer_id
            or self.is_last_exhausted(producer)
        )

    def is_retry(self, producer: ProducerIdAndEpoch) -> bool:
        """Return whether a client ends once more what it has not heard to be ended (KIP-890)."""
        if not self.bumps_epoch:
            return False
        if self.producer_id == producer.producer_id:
            return self.producer_epoch == producer.epoch + 1
        return self.is_last_exhausted(producer) and self.producer_epoch == 0

    def is_last_exhausted(self, producer: ProducerIdAndEpoch) -> bool:
        """Return whether this is the former producer id, which had no epochs left."""
        return producer.producer_id == self.last_producer_id and producer.epoch >= LAST_EPOCH


def encode(state: TransactionState) -> str:
    """Return a state as it is stored, as JSON; its transactional id is its key.

    Most of it is numbers, and names of topics, which need no escapes: what JSON's encoder would
    take is a tenth of what the end of a transaction costs.
    """
    partitions = ",".join(
        [f'["{each.topic}",{each.partition}]' for each in sorted(state.partitions)]
    )
    offsets = "{}"
    if state.offsets:
        offsets = _ENCODER.encode(
            {
                group: [row._asdict() for row in rows.values()]
                for group, rows in state.offsets.items()
            }
        )
    return (
        f'{{"producer":[{state.producer_id},{state.producer_epoch}],'
        f'"last_producer":[{state.last_producer_id},{state.last_producer_epoch}],'
        f'"timeout_ms":{state.timeout_ms},"status":"{state.status}",'
        f'"partitions":[{partitions}],"offsets":{offsets},'
        f'"times":[{state.start_ms},{state.updated_ms}],'
        f'"bumps_epoch":{"true" if state.bumps_epoch else "false"}}}'
    )


def decode(transactional_id: str, text: str) -> TransactionState:
    """Return a state that was stored.

    Raises:
        StorageError: it cannot be read.
    """
    try:
        stored = json.loads(text)
        offsets = {
            group: {
                TopicPartition(row["topic"], row["partition"]): OffsetRow(**row) for row in rows
            }
            for group, rows in stored["offsets"].items()
        }
        return TransactionState(
            transactional_id=transactional_id,
            producer_id=stored["producer"][0],
            producer_epoch=stored["producer"][1],
            last_producer_id=stored["last_producer"][0],
            last_producer_epoch=stored["last_producer"][1],
            timeout_ms=stored["timeout_ms"],
            status=TransactionStatus(stored["status"]),
            partitions=frozenset(TopicPartition(*each) for each in stored["partitions"]),
            offsets=offsets,
            start_ms=stored["times"][0],
            updated_ms=stored["times"][1],
            bumps_epoch=stored["bumps_epoch"],
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise StorageError(
            f"the state of transactional id {transactional_id} cannot be read: {error!r}"
        ) from error


def unmapped(transactional_id: str, producer: ProducerIdAndEpoch) -> BrokerError:
    """Return the error for a producer whose id is another one, or is not known."""
    return refused_transaction(
        transactional_id,
        ErrorCode.INVALID_PRODUCER_ID_MAPPING,
        f"producer id {producer.producer_id} is not that of transactional id {transactional_id}",
    )
