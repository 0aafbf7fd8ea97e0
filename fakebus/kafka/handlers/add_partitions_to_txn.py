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
from typing import Never

from fakebus.broker.appending import Result
from fakebus.broker.security.resources import CLUSTER_NAME, Operation, ResourceType
from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.broker.transactions.writing import join_transaction
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import HandlerResult, PendingResponse, RequestContext, handles
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

_Results = Result[list[AddPartitionsToTxnTopicResult], Never]

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
def handle_add_partitions_to_txn(
    request: AddPartitionsToTxnRequest, context: RequestContext
) -> HandlerResult:
    """Make partitions part of transactions, or tell whether they are."""
    if context.api_version >= _FIRST_WITH_SEVERAL:
        return _several(request, context)
    transaction = AddPartitionsToTxnTransaction(
        transactional_id=request.v3_and_below_transactional_id,
        producer_id=request.v3_and_below_producer_id,
        producer_epoch=request.v3_and_below_producer_epoch,
        topics=request.v3_and_below_topics,
    )
    answer = PendingResponse()
    _begin(transaction, context).when_settled(
        lambda results: answer.settle(
            AddPartitionsToTxnResponse(results_by_topic_v3_and_below=results)
        )
    )
    return answer


async def _several(
    request: AddPartitionsToTxnRequest, context: RequestContext
) -> AddPartitionsToTxnResponse:
    if not context.allows(Operation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME):
        error = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
        return AddPartitionsToTxnResponse(error_code=error.code)
    return AddPartitionsToTxnResponse(
        results_by_transaction=[
            AddPartitionsToTxnResult(
                transactional_id=transaction.transactional_id,
                topic_results=await _begin(transaction, context),
            )
            for transaction in request.transactions
        ]
    )


def _begin(transaction: AddPartitionsToTxnTransaction, context: RequestContext) -> _Results:
    named = list(_named(transaction.topics))
    known = context.broker.topics.logs
    errors = {each: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION for each in named if each not in known}
    if context.api_version < _FIRST_WITH_SEVERAL:
        for topic in transaction.topics:
            if not context.allows(Operation.WRITE, ResourceType.TOPIC, topic.name):
                for index in topic.partitions:
                    place = TopicPartition(topic.name, index)
                    errors[place] = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    results = _Results()
    if errors:
        errors = {each: errors.get(each, ErrorCode.OPERATION_NOT_ATTEMPTED) for each in named}
    elif transaction.verify_only:
        errors = {each: _verify(transaction, each, context) for each in named}
    else:
        join_transaction(
            context.broker.transactions,
            transaction.transactional_id,
            ProducerIdAndEpoch(transaction.producer_id, transaction.producer_epoch),
            named,
            lambda error: results.settle(_told(transaction, dict.fromkeys(named, error))),
            tells_fenced=context.api_version >= _FIRST_WITH_PRODUCER_FENCED,
        )
        return results
    results.settle(_told(transaction, errors))
    return results


def _told(
    transaction: AddPartitionsToTxnTransaction, errors: dict[TopicPartition, ErrorCode]
) -> list[AddPartitionsToTxnTopicResult]:
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
