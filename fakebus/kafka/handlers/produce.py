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

from typing import cast

from fakebus.broker.append_result import AppendResult
from fakebus.broker.batch_checks import InvalidRecordsError
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import CloseConnection, PendingResponse, RequestContext, handles
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


class _Answer(PendingResponse):
    """Gathers the partitions' outcomes and is ready when the last one is there."""

    __slots__ = ("_acks", "_failed", "_missing", "_topics")

    def __init__(self, acks: int) -> None:
        super().__init__()
        self._acks = acks
        self._topics: list[TopicProduceResponse] = []
        self._failed: PartitionProduceResponse | None = None
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
            _fill_failure(response, result.error or BrokerError(ErrorCode.UNKNOWN_SERVER_ERROR))
            self._failed = response
        else:
            response.base_offset = info.base_offset
            response.log_append_time_ms = info.log_append_time_ms
            response.log_start_offset = info.log_start_offset
        self.one_done()

    def refuse(self, response: PartitionProduceResponse, error: BrokerError) -> None:
        _fill_failure(response, error)
        self._failed = response

    def one_done(self) -> None:
        self._missing -= 1
        if self._missing:
            return
        if self._acks != 0:
            self.ready(ProduceResponse(responses=self._topics))
        elif self._failed is not None:
            reason = f"a Produce request with acks=0 failed: {self._failed.error_message}"
            self.ready(CloseConnection(reason))
        else:
            self.ready(None)


@handles(ApiKey.PRODUCE, versions=(3, 13), advertised_min=0)
def handle_produce(request: ProduceRequest, context: RequestContext) -> PendingResponse:
    """Append the request's batches now; answer when they are committed."""
    answer = _Answer(request.acks)
    for topic in request.topic_data:
        name = _topic_name(topic, context)
        responses = answer.add_topic(topic)
        for partition in topic.partition_data:
            response = PartitionProduceResponse(index=partition.index)
            responses.append(response)
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
    if request.acks not in (-1, 0, 1):
        raise BrokerError(ErrorCode.INVALID_REQUIRED_ACKS)
    records = cast(memoryview | None, partition.records)
    if records and codec_of(records) == ZSTD_CODEC and context.api_version < _FIRST_WITH_ZSTD:
        raise BrokerError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE)
    return context.broker.produce(TopicPartition(topic, partition.index), records)


def _fill_failure(response: PartitionProduceResponse, error: BrokerError) -> None:
    record_errors = error.record_errors if isinstance(error, InvalidRecordsError) else ()
    response.error_code = error.error_code.code
    response.base_offset = -1
    response.error_message = error.message
    response.record_errors = [
        BatchIndexAndErrorMessage(batch_index=index, batch_index_error_message=text)
        for index, text in record_errors
    ]
