"""Writing as part of a transaction: whether a batch or an offset may belong to it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from fakebus.broker.activity import Origin
from fakebus.broker.groups.coordinator import GroupCoordinator
from fakebus.broker.groups.requests import OffsetCommit
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.transactions.coordinator import TransactionCoordinator
from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.records.batch import TRANSACTIONAL_BIT, BatchHeader
from fakebus.types import TopicPartition


class TransactionalWrite(NamedTuple):
    """Transaction that a client says its write belongs to, and what the client knows."""

    transactional_id: str
    adds_partitions: bool = False
    """Whether a write adds its partition, and every end gives a new epoch (KIP-890)."""
    missing: ErrorCode = ErrorCode.INVALID_TXN_STATE
    """What the client is told otherwise, when the partition was not added before."""
    origin: Origin | None = None
    """Who the client is, if that is known."""

    def admit(
        self, coordinator: TransactionCoordinator, log: PartitionLog, header: BatchHeader
    ) -> str:
        """Let a batch begin a transaction in a log; one that goes on with it needs no look.

        Returns:
            The transactional id; empty for a batch that is not part of the transaction.

        Raises:
            BrokerError: the coordinator does not know of it.
        """
        if not header.attributes & TRANSACTIONAL_BIT:
            return ""
        entry = log.producers.entries.get(header.producer_id)
        if (
            entry is not None
            and entry.transaction_start >= 0
            and entry.epoch == header.producer_epoch
        ):
            return self.transactional_id
        producer = ProducerIdAndEpoch(header.producer_id, header.producer_epoch)
        self.join(coordinator, producer, log.topic_partition)
        log.producers.expect_transaction(header.producer_id, from_zero=self.adds_partitions)
        return self.transactional_id

    def join(
        self,
        coordinator: TransactionCoordinator,
        producer: ProducerIdAndEpoch,
        partition: TopicPartition,
    ) -> None:
        """Add a partition to the transaction, or make sure that it was added.

        Raises:
            BrokerError: INVALID_PRODUCER_EPOCH, INVALID_PRODUCER_ID_MAPPING, ``missing``, or
                what a client answers by asking again.
        """
        try:
            if self.adds_partitions:
                # If it is not stored, the write that follows fails with it.
                coordinator.add_partitions(
                    self.transactional_id, producer, (partition,), bumps_epoch=True
                )
            else:
                coordinator.verify_partition(
                    self.transactional_id, producer, partition, self.missing
                )
        except BrokerError as error:
            raise BrokerError(self._told(error.error_code), error.message) from error
        if self.origin is not None:
            coordinator.origins[self.transactional_id] = self.origin

    def _told(self, error: ErrorCode) -> ErrorCode:
        if error is ErrorCode.PRODUCER_FENCED:
            return ErrorCode.INVALID_PRODUCER_EPOCH
        if error is ErrorCode.CONCURRENT_TRANSACTIONS and not self.adds_partitions:
            return ErrorCode.NOT_ENOUGH_REPLICAS
        return error


def join_transaction(
    coordinator: TransactionCoordinator,
    transactional_id: str,
    producer: ProducerIdAndEpoch,
    partitions: Collection[TopicPartition],
    then: Callable[[ErrorCode], None],
    *,
    tells_fenced: bool,
) -> None:
    """Add partitions to a transaction, as a client asks before it writes.

    Args:
        coordinator: keeps them.
        transactional_id: the producer's name.
        producer: what it signs with.
        partitions: what is added.
        then: called with the outcome, when it is stored or refused.
        tells_fenced: whether the client knows PRODUCER_FENCED.
    """
    try:
        added = coordinator.add_partitions(transactional_id, producer, partitions)
    except BrokerError as error:
        then(error.error_code if tells_fenced else error.error_code.for_old_producers)
    except StorageError:
        then(ErrorCode.NOT_COORDINATOR)
    else:
        if added is None:
            then(ErrorCode.NONE)
        else:
            added.when_settled(lambda failure: then(_error_of(failure)))


def _error_of(failure: BaseException | None) -> ErrorCode:
    return ErrorCode.NONE if failure is None else ErrorCode.NOT_COORDINATOR


_BEFORE_THE_TRANSACTION = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.INVALID_GROUP_ID)
"""Why offsets are refused whatever the transaction; as in Kafka it comes before the member."""


def commit_offsets(
    write: TransactionalWrite,
    producer: ProducerIdAndEpoch,
    commit: OffsetCommit,
    coordinator: TransactionCoordinator,
    then: Callable[[list[ErrorCode]], None],
) -> None:
    """Keep offsets of a group that count from the end of a transaction on (KIP-447).

    Args:
        write: the transaction.
        producer: what its producer signs with.
        commit: the offsets, and the member whose work they come from.
        coordinator: keeps them.
        then: called with one error for each offset when they are stored or refused.
    """
    errors, rows = coordinator.groups.admit_offsets(commit)
    if all(error in _BEFORE_THE_TRANSACTION for error in errors):
        then([error or ErrorCode.NONE for error in errors])
        return
    try:
        write.join(coordinator, producer, coordinator.offsets_partition(commit.group_id))
    except BrokerError as error:
        code = error.error_code
        then([each if each in _BEFORE_THE_TRANSACTION else code for each in errors])
        return
    take_back = _found_group(coordinator.groups, commit)
    if not rows:
        then([error or ErrorCode.NONE for error in errors])
        return
    try:
        stored = coordinator.add_offsets(
            write.transactional_id, producer, commit.group_id, rows, commit.member_id
        )
    except BrokerError as error:
        code = error.error_code
        then([each or code for each in errors])
    except StorageError:
        take_back()
        then([each or ErrorCode.NOT_COORDINATOR for each in errors])
    else:

        def landed(failure: BaseException | None) -> None:
            if failure is not None:
                take_back()
            told = _error_of(failure)
            then([each or told for each in errors])

        stored.when_settled(landed)


def _found_group(groups: GroupCoordinator, commit: OffsetCommit) -> Callable[[], None]:
    """Make the group of a commit that comes from no member; return what takes that back."""
    if commit.generation_id >= 0 or groups.get(commit.group_id) is not None:
        return lambda: None
    groups.found_group(commit.group_id)
    return lambda: groups.revert_group(commit.group_id)
