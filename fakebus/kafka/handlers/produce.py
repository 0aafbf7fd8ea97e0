"""Produce 3-13, advertised from 0.

Behaviour:
    * Versions 0-2 are advertised only because librdkafka up to 2.6 switches features off
      otherwise (KAFKA-18659); a request in one of them closes the connection, as in Kafka 4.
    * All batches of a request are appended when it is read, in order; the answer waits for
      their commit. Partitions succeed or fail one by one.
    * acks=0 gets no answer; an error then closes the connection, the only way to tell.
    * Transactions are not served yet; a transactional batch is refused per partition.
    * The whole request is refused when one of its batches is damaged beyond recognition, or
      transactional without a transactional id.
    * Of a partition that is named twice only the last piece counts, as in Kafka.

Version notes:
    3 one batch of format 2 per partition; 7 zstd; 8 errors of single records (KIP-467);
    9 flexible; 10 leader discovery (KIP-951); 13 topic ids (KIP-516).
"""

from __future__ import annotations

from typing import cast

from fakebus.broker.append_result import AppendResult
from fakebus.broker.batch_checks import (
    InvalidRecordsError,
    RefusedBatchError,
    is_transactional,
)
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import CloseConnection, PendingResponse, RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    BatchIndexAndErrorMessage,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)
from fakebus.types import TopicPartition

_FIRST_WITH_ZSTD = 7
_FIRST_WITH_TOPIC_IDS = 13


class _Answer(PendingResponse):
    """Gathers the partitions' outcomes and is ready when the last one is there."""

    __slots__ = ("_acks", "_failure", "_missing", "_topics")

    def __init__(self, acks: int) -> None:
        super().__init__()
        self._acks = acks
        self._topics: list[TopicProduceResponse] = []
        self._failure: BrokerError | None = None
        self._missing = 1

    def add_topic(self, topic: TopicProduceData) -> list[PartitionProduceResponse]:
        partitions: list[PartitionProduceResponse] = []
        self._topics.append(
            TopicProduceResponse(
                name=topic.name, topic_id=topic.topic_id, partition_responses=partitions
            )
        )
        return partitions

    def wait_for(self, response: PartitionProduceResponse, result: AppendResult) -> None:
        self._missing += 1
        result.when_settled(lambda settled: self._take(response, settled))

    def _take(self, response: PartitionProduceResponse, result: AppendResult) -> None:
        info = result.info
        if info is None:
            self.refuse(response, result.error or BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR))
        else:
            response.base_offset = info.base_offset
            response.log_append_time_ms = info.log_append_time_ms
            response.log_start_offset = info.log_start_offset
        self.one_done()

    def refuse(self, response: PartitionProduceResponse, error: BrokerError) -> None:
        _fill_failure(response, error)
        self._failure = error

    def one_done(self) -> None:
        self._missing -= 1
        if self._missing:
            return
        if self._acks != 0:
            self.ready(ProduceResponse(responses=self._topics))
        elif self._failure is not None:
            reason = f"a Produce request with acks=0 failed: {self._failure}"
            self.ready(CloseConnection(reason))
        else:
            self.ready(None)


@handles(ApiKey.PRODUCE, versions=(3, 13), advertised_min=0)
def handle_produce(request: ProduceRequest, context: RequestContext) -> PendingResponse:
    """Append the request's batches now; answer when they are committed."""
    answer = _Answer(request.acks)
    refusal = _refusal(request)
    for topic in request.topic_data:
        name = _topic_name(topic, context)
        responses = answer.add_topic(topic)
        for partition in {each.index: each for each in topic.partition_data}.values():
            response = PartitionProduceResponse(index=partition.index)
            responses.append(response)
            if refusal is not None:
                answer.refuse(response, refusal)
                continue
            try:
                result = _append(request, name, partition, context)
            except BrokerError as error:
                answer.refuse(response, error)
            else:
                answer.wait_for(response, result)
    answer.one_done()
    return answer


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
) -> AppendResult:
    if topic is None:
        raise BrokerError(ErrorCode.UNKNOWN_TOPIC_ID)
    topic_partition = TopicPartition(topic, partition.index)
    records = cast(memoryview | None, partition.records)
    if request.acks not in (-1, 0, 1):
        context.broker.check_produce(topic_partition, records)
        raise BrokerError(ErrorCode.INVALID_REQUIRED_ACKS)
    return context.broker.produce(
        topic_partition,
        records,
        allow_zstd=context.api_version >= _FIRST_WITH_ZSTD,
        origin=context.origin,
    )


class _WholeRequestError(BrokerError):
    """Nothing of a request is looked at any further."""


def _refusal(request: ProduceRequest) -> BrokerError | None:
    try:
        transactional = any(
            is_transactional(cast(memoryview, partition.records))
            for topic in request.topic_data
            for partition in topic.partition_data
            if partition.records is not None
        )
    except BrokerError as error:
        return _WholeRequestError(error.error_code, error.message)
    if transactional and request.transactional_id is None:
        return BrokerError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    return None


def _fill_failure(response: PartitionProduceResponse, error: BrokerError) -> None:
    response.error_code = error.error_code.code
    response.base_offset = -1
    if isinstance(error, RefusedBatchError):
        response.log_start_offset = error.log_start_offset
    # Kafka explains neither what is wrong with a batch nor what a log refuses.
    if (
        isinstance(error, InvalidRecordsError | _WholeRequestError)
        or error.error_code is ErrorCode.KAFKA_STORAGE_ERROR
    ):
        response.error_message = error.message
    if isinstance(error, InvalidRecordsError):
        response.record_errors = [
            BatchIndexAndErrorMessage(batch_index=index, batch_index_error_message=text)
            for index, text in error.record_errors
        ]
