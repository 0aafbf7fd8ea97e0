"""Markers: the control batches that end a transaction in the logs that are part of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from fakebus.broker.appending import AppendResult
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.batch import parse_header
from fakebus.records.builder import build_end_marker
from fakebus.storage.interface import ABORT_FLAG
from fakebus.types import TopicPartition

logger = logging.getLogger("fakebus.broker.transactions")

COORDINATOR_EPOCH = 0
"""There is one coordinator, for ever."""


def append_markers(
    logs: Mapping[TopicPartition, PartitionLog],
    partitions: Iterable[TopicPartition],
    producer: ProducerIdAndEpoch,
    *,
    commit: bool,
    now_ms: int,
) -> None:
    """Append the coordinator's markers to the logs of a transaction that are still there."""
    for partition in sorted(partitions):
        log = logs.get(partition)
        if log is not None and not log.is_internal:
            try:
                append_marker(log, producer, COORDINATOR_EPOCH, commit=commit, now_ms=now_ms)
            except BrokerError as error:
                logger.warning("no marker in %s: %s", partition, error)


def append_marker(
    log: PartitionLog,
    producer: ProducerIdAndEpoch,
    coordinator_epoch: int,
    *,
    commit: bool,
    now_ms: int,
) -> AppendResult:
    """Append the marker that ends a producer's transaction in a log, be one open or not.

    Raises:
        BrokerError: INVALID_PRODUCER_EPOCH or TRANSACTION_COORDINATOR_FENCED, the marker comes
            from the past.
    """
    entry = log.producers.entries.get(producer.producer_id)
    # Of an old epoch of the producer the log tells, and that goes first.
    if (
        entry is not None
        and producer.epoch >= entry.epoch
        and coordinator_epoch < entry.coordinator_epoch
    ):
        raise BrokerError(ErrorCode.TRANSACTION_COORDINATOR_FENCED)
    marker = build_end_marker(
        commit=commit,
        producer_id=producer.producer_id,
        producer_epoch=producer.epoch,
        coordinator_epoch=coordinator_epoch,
        timestamp_ms=now_ms,
    )
    header = parse_header(marker)
    if not commit:
        header = header._replace(attributes=header.attributes | ABORT_FLAG)
    result = log.append(marker, header)
    entry = log.producers.entries.get(producer.producer_id)
    if entry is not None:  # there is none of a producer without an id
        entry.coordinator_epoch = coordinator_epoch
    return result
