from __future__ import annotations

from typing import Any

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.errors import ErrorCode
from fakebus.kafka.handlers.add_partitions_to_txn import handle_add_partitions_to_txn
from fakebus.protocol.messages import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTransaction,
)
from tests.unit.broker.transactions.producer import TransactionalProducer
from tests.unit.kafka.handlers.calling import call

VERSIONS = range(6)


@pytest.fixture
async def producer(broker: Broker) -> TransactionalProducer:
    await broker.topics.create("t", 2, {})
    return await TransactionalProducer(broker).init()


async def added(
    producer: TransactionalProducer,
    version: int,
    *partitions: int,
    epoch: int | None = None,
    only_look: bool = False,
) -> list[tuple[int, int]]:
    """Ask for partitions of ``t``; return each with its error code."""
    topics = [AddPartitionsToTxnTopic(name="t", partitions=list(partitions))]
    identity = producer.identity
    signed = identity.epoch if epoch is None else epoch
    if version < 4:
        request = AddPartitionsToTxnRequest(
            v3_and_below_transactional_id=producer.name,
            v3_and_below_producer_id=identity.producer_id,
            v3_and_below_producer_epoch=signed,
            v3_and_below_topics=topics,
        )
    else:
        transaction = AddPartitionsToTxnTransaction(
            transactional_id=producer.name,
            producer_id=identity.producer_id,
            producer_epoch=signed,
            verify_only=only_look,
            topics=topics,
        )
        request = AddPartitionsToTxnRequest(transactions=[transaction])
    answer = await call(handle_add_partitions_to_txn, request, producer.broker, version=version)
    results: list[Any] = answer.results_by_topic_v3_and_below
    if version >= 4:
        [told] = answer.results_by_transaction
        assert told.transactional_id == producer.name
        results = told.topic_results
    [topic] = results
    return [
        (each.partition_index, each.partition_error_code) for each in topic.results_by_partition
    ]


@pytest.mark.parametrize("version", VERSIONS)
async def test_partitions_are_added_once_or_again(
    producer: TransactionalProducer, version: int
) -> None:
    assert await added(producer, version, 0) == [(0, 0)]
    assert await added(producer, version, 0) == [(0, 0)]
    assert await added(producer, version, 1, 0) == [(1, 0), (0, 0)]
    [state] = producer.broker.transactions
    assert sorted(each.partition for each in state.partitions) == [0, 1]


@pytest.mark.parametrize("version", VERSIONS)
async def test_none_is_added_where_one_is_not_there(
    producer: TransactionalProducer, version: int
) -> None:
    assert await added(producer, version, 0, 7) == [
        (0, ErrorCode.OPERATION_NOT_ATTEMPTED.code),
        (7, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION.code),
    ]
    [state] = producer.broker.transactions
    assert not state.partitions


@pytest.mark.parametrize("version", VERSIONS)
async def test_another_epoch_is_fenced(producer: TransactionalProducer, version: int) -> None:
    fenced = ErrorCode.PRODUCER_FENCED if version >= 2 else ErrorCode.INVALID_PRODUCER_EPOCH
    epoch = producer.identity.epoch - 1
    assert await added(producer, version, 0, epoch=epoch) == [(0, fenced.code)]
    producer.identity = ProducerIdAndEpoch(producer.identity.producer_id + 1, 0)
    mapping = ErrorCode.INVALID_PRODUCER_ID_MAPPING.code
    assert await added(producer, version, 0) == [(0, mapping)]


async def test_whether_a_partition_is_part_can_be_asked(producer: TransactionalProducer) -> None:
    await added(producer, 5, 0)
    assert await added(producer, 5, 0, 1, only_look=True) == [
        (0, 0),
        (1, ErrorCode.TRANSACTION_ABORTABLE.code),
    ]
    [state] = producer.broker.transactions
    assert [each.partition for each in state.partitions] == [0]
