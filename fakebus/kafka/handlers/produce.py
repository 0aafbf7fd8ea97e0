"""Produce 3-13, advertised from 0.

Behaviour:
    * Versions 0-2 are advertised only because librdkafka up to 2.6 switches features off
      otherwise (KAFKA-18659); a request in one of them closes the connection, as in Kafka 4.
    * All batches of a request are appended when it is read, in order; the answer waits for
      their commit. Partitions succeed or fail one by one.
    * acks=0 gets no answer; an error then closes the connection, the only way to tell.
    * Transactions are not served yet; a transactional batch is refused per partition.

Version notes:
    3 one batch of format 2 per partition; 7 zstd; 8 errors of single records (KIP-467);
    9 flexible; 10 leader discovery (KIP-951); 13 topic ids (KIP-516).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import cast

from fakebus.broker.batch_checks import InvalidRecordsError
from fakebus.broker.partition_log import LogAppendInfo
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import CloseConnection, RequestContext, handles
from fakebus.kafka.protocol.api_keys import ApiKey
from fakebus.kafka.protocol.messages import (
    BatchIndexAndErrorMessage,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from fakebus.records.batch import ZSTD_CODEC, codec_of
from fakebus.types import TopicPartition

_FIRST_WITH_ZSTD = 7
_FIRST_WITH_TOPIC_IDS = 13

PartitionOutcome = PartitionProduceResponse | asyncio.Future[LogAppendInfo]


@handles(ApiKey.PRODUCE, versions=(3, 13), advertised_min=0)
def handle_produce(
    request: ProduceRequest, context: RequestContext
) -> Awaitable[ProduceResponse | None]:
    """Append the request's batches now; answer when they are committed."""
    outcomes: list[tuple[TopicProduceData, list[tuple[int, PartitionOutcome]]]] = []
    for topic in request.topic_data:
        name = _topic_name(topic, context)
        outcomes.append(
            (
                topic,
                [
                    (partition.index, _append(request, name, partition, context))
                    for partition in topic.partition_data
                ],
            )
        )
    return _answer(request, outcomes)


def _topic_name(topic: TopicProduceData, context: RequestContext) -> str | None:
    if context.api_version < _FIRST_WITH_TOPIC_IDS:
        return topic.name
    known = context.broker.topics.by_id(topic.topic_id)
    return None if known is None else known.name


def _append(
    request: ProduceRequest,
    topic: str | None,
    partition: PartitionProduceData,
    context: RequestContext,
) -> PartitionOutcome:
    index = partition.index
    if topic is None:
        return _failure(index, BrokerError(ErrorCode.UNKNOWN_TOPIC_ID))
    if request.acks not in (-1, 0, 1):
        return _failure(index, BrokerError(ErrorCode.INVALID_REQUIRED_ACKS))
    records = cast(memoryview | None, partition.records)
    if records and codec_of(records) == ZSTD_CODEC and context.api_version < _FIRST_WITH_ZSTD:
        return _failure(index, BrokerError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE))
    try:
        return context.broker.produce(TopicPartition(topic, index), records)
    except BrokerError as error:
        return _failure(index, error)


async def _answer(
    request: ProduceRequest,
    outcomes: list[tuple[TopicProduceData, list[tuple[int, PartitionOutcome]]]],
) -> ProduceResponse | None:
    responses = []
    failed = None
    for topic, partitions in outcomes:
        answers = []
        for index, outcome in partitions:
            answer = await _settle(index, outcome)
            if answer.error_code:
                failed = answer
            answers.append(answer)
        responses.append(
            TopicProduceResponse(
                name=topic.name, topic_id=topic.topic_id, partition_responses=answers
            )
        )
    if request.acks != 0:
        return ProduceResponse(responses=responses)
    if failed is not None:
        raise CloseConnection(f"a Produce request with acks=0 failed: {failed.error_message}")
    return None


async def _settle(index: int, outcome: PartitionOutcome) -> PartitionProduceResponse:
    if isinstance(outcome, PartitionProduceResponse):
        return outcome
    try:
        info = await outcome
    except BrokerError as error:
        return _failure(index, error)
    return PartitionProduceResponse(
        index=index,
        base_offset=info.base_offset,
        log_append_time_ms=info.log_append_time_ms,
        log_start_offset=info.log_start_offset,
    )


def _failure(index: int, error: BrokerError) -> PartitionProduceResponse:
    record_errors = error.record_errors if isinstance(error, InvalidRecordsError) else ()
    return PartitionProduceResponse(
        index=index,
        error_code=error.error_code.code,
        base_offset=-1,
        record_errors=[
            BatchIndexAndErrorMessage(batch_index=i, batch_index_error_message=text)
            for i, text in record_errors
        ],
        error_message=error.message,
    )
