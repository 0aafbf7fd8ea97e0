"""AddPartitionsToTxn 0-5.

Behaviour:
    * One partition that does not exist keeps the others from being added, too.
    * Versions 4 and 5 are those that brokers ask each other in; they are answered to anybody.

Version notes:
    2 PRODUCER_FENCED; 3 flexible; 4 several transactions, and only to verify (KIP-890);
    5 TRANSACTION_ABORTABLE.
"""

from __future__ import annotations

from collections.abc import Iterable

from fakebus.broker.security.resources import CLUSTER_NAME, Operation, ResourceType
from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnResult,
    AddPartitionsToTxnTopic,
    AddPartitionsToTxnTopicResult,
    AddPartitionsToTxnTransaction,
)
from fakebus.types import TopicPartition

_FIRST_WITH_SEVERAL = 4
_FIRST_WITH_PRODUCER_FENCED = 2


@handles(
    ApiKey.ADD_PARTITIONS_TO_TXN,
    needs=(
        "WRITE TRANSACTIONAL_ID v3_and_below_transactional_id",
        "WRITE TOPIC inside",
        "CLUSTER_ACTION CLUSTER inside",
    ),
    coordinator="TRANSACTION v3_and_below_transactional_id",
)
async def handle_add_partitions_to_txn(
    request: AddPartitionsToTxnRequest, context: RequestContext
) -> AddPartitionsToTxnResponse:
    """Make partitions part of transactions, or tell whether they are."""
    if context.api_version >= _FIRST_WITH_SEVERAL:
        if not context.allows(Operation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME):
            error = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
            return AddPartitionsToTxnResponse(error_code=error.code)
        return AddPartitionsToTxnResponse(
            results_by_transaction=[
                AddPartitionsToTxnResult(
                    transactional_id=transaction.transactional_id,
                    topic_results=await _results(transaction, context),
                )
                for transaction in request.transactions
            ]
        )
    transaction = AddPartitionsToTxnTransaction(
        transactional_id=request.v3_and_below_transactional_id,
        producer_id=request.v3_and_below_producer_id,
        producer_epoch=request.v3_and_below_producer_epoch,
        topics=request.v3_and_below_topics,
    )
    return AddPartitionsToTxnResponse(
        results_by_topic_v3_and_below=await _results(transaction, context)
    )


async def _results(
    transaction: AddPartitionsToTxnTransaction, context: RequestContext
) -> list[AddPartitionsToTxnTopicResult]:
    named = list(_named(transaction.topics))
    known = context.broker.topics.logs
    errors = {each: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION for each in named if each not in known}
    if context.api_version < _FIRST_WITH_SEVERAL:
        for topic in transaction.topics:
            if not context.allows(Operation.WRITE, ResourceType.TOPIC, topic.name):
                for index in topic.partitions:
                    place = TopicPartition(topic.name, index)
                    errors[place] = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    if errors:
        errors = {each: errors.get(each, ErrorCode.OPERATION_NOT_ATTEMPTED) for each in named}
    elif transaction.verify_only:
        errors = {each: _verify(transaction, each, context) for each in named}
    else:
        error = await _add(transaction, named, context)
        errors = dict.fromkeys(named, error)
    return [
        AddPartitionsToTxnTopicResult(
            name=topic.name,
            results_by_partition=[
                AddPartitionsToTxnPartitionResult(
                    partition_index=index,
                    partition_error_code=errors[TopicPartition(topic.name, index)].code,
                )
                for index in topic.partitions
            ],
        )
        for topic in transaction.topics
    ]


def _named(topics: Iterable[AddPartitionsToTxnTopic]) -> Iterable[TopicPartition]:
    return (TopicPartition(topic.name, index) for topic in topics for index in topic.partitions)


def _verify(
    transaction: AddPartitionsToTxnTransaction, partition: TopicPartition, context: RequestContext
) -> ErrorCode:
    producer = ProducerIdAndEpoch(transaction.producer_id, transaction.producer_epoch)
    try:
        context.broker.transactions.verify_partition(
            transaction.transactional_id, producer, partition
        )
    except BrokerError as error:
        return error.error_code
    return ErrorCode.NONE


async def _add(
    transaction: AddPartitionsToTxnTransaction,
    partitions: list[TopicPartition],
    context: RequestContext,
) -> ErrorCode:
    producer = ProducerIdAndEpoch(transaction.producer_id, transaction.producer_epoch)
    try:
        added = context.broker.transactions.add_partitions(
            transaction.transactional_id, producer, partitions
        )
        if added is not None:
            await added
    except BrokerError as error:
        old = context.api_version < _FIRST_WITH_PRODUCER_FENCED
        return error.error_code.for_old_producers if old else error.error_code
    except StorageError:
        return ErrorCode.NOT_COORDINATOR
    return ErrorCode.NONE
