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

from functools import partial
from typing import cast

from fakebus.broker.appending import (
    AppendResult,
    ImpossibleBatchError,
    InvalidRecordsError,
    LogAppendInfo,
    RefusedBatchError,
    check_shape,
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
    TopicProduceResponse,
)
from fakebus.records.batch import TRANSACTIONAL_BIT, BatchHeader
from fakebus.types import TopicPartition

_FIRST_WITH_ZSTD = 7
_FIRST_WITH_TOPIC_IDS = 13


class _Answer(PendingResponse):
    """Gathers the partitions' outcomes and is ready when the last one is there."""

    __slots__ = ("_acks", "_failure", "_missing", "topics")

    def __init__(self, acks: int) -> None:
        super().__init__()
        self.topics: list[TopicProduceResponse] = []
        self._acks = acks
        self._failure: BrokerError | None = None
        self._missing = 1

    def wait_for(self, response: PartitionProduceResponse, result: AppendResult) -> None:
        self._missing += 1
        result.when_settled(partial(self._take, response))

    def _take(
        self, response: PartitionProduceResponse, outcome: LogAppendInfo | BrokerError
    ) -> None:
        if isinstance(outcome, BrokerError):
            self.refuse(response, outcome)
        else:
            response.base_offset = outcome.base_offset
            response.log_append_time_ms = outcome.log_append_time_ms
            response.log_start_offset = outcome.log_start_offset
        self.one_done()

    def refuse(self, response: PartitionProduceResponse, error: BrokerError) -> None:
        _fill_failure(response, error)
        self._failure = error

    def one_done(self) -> None:
        self._missing -= 1
        if self._missing:
            return
        if self._acks != 0:
            self.settle(ProduceResponse(responses=self.topics))
        elif self._failure is not None:
            reason = f"a Produce request with acks=0 failed: {self._failure}"
            self.settle(CloseConnection(reason))
        else:
            self.settle(None)


Looked = tuple[PartitionProduceResponse, PartitionProduceData, BatchHeader | BrokerError]
"""A partition's answer, its piece of the request, and what was seen of the batch."""


@handles(ApiKey.PRODUCE, versions=(3, 13), advertised_min=0)
def handle_produce(request: ProduceRequest, context: RequestContext) -> PendingResponse:
    """Append the request's batches now; answer when they are committed."""
    answer = _Answer(request.acks)
    pieces, refusal = _look_at_all(request, context, answer)
    for place, looked in pieces:
        for response, partition, header in looked.values():
            if refusal is not None:
                answer.refuse(response, refusal)
                continue
            try:
                result = _append(request, place, partition, header, context)
            except BrokerError as error:
                answer.refuse(response, error)
            else:
                answer.wait_for(response, result)
    answer.one_done()
    return answer


class _WholeRequestError(BrokerError):
    """Nothing of a request is looked at any further."""


def _look_at_all(
    request: ProduceRequest, context: RequestContext, answer: _Answer
) -> tuple[list[tuple[str | None, dict[int, Looked]]], BrokerError | None]:
    """Look at every batch before the first one is appended, for one may refuse all.

    Returns:
        By topic its name and by partition what was seen; and why all are refused.
    """
    pieces: list[tuple[str | None, dict[int, Looked]]] = []
    refusal: BrokerError | None = None
    decided = False
    for topic in request.topic_data:
        looked: dict[int, Looked] = {}
        responses: list[PartitionProduceResponse] = []
        for partition in topic.partition_data:
            header = _look(partition, context.api_version)
            if not decided:
                decided, refusal = _refusal(request, partition, header)
            response = PartitionProduceResponse(index=partition.index)
            before = looked.get(partition.index)
            if before is None:
                responses.append(response)
            looked[partition.index] = before[0] if before else response, partition, header
        name: str | None = topic.name
        if context.api_version >= _FIRST_WITH_TOPIC_IDS:
            known = context.broker.topics.by_id(topic.topic_id)
            name = None if known is None else known.name
        pieces.append((name, looked))
        answer.topics.append(
            TopicProduceResponse(
                name=topic.name, topic_id=topic.topic_id, partition_responses=responses
            )
        )
    return pieces, refusal


def _look(partition: PartitionProduceData, api_version: int) -> BatchHeader | BrokerError:
    records = cast(memoryview | None, partition.records)
    try:
        return check_shape(records, allow_zstd=api_version >= _FIRST_WITH_ZSTD)
    except BrokerError as error:
        return error


def _refusal(
    request: ProduceRequest, partition: PartitionProduceData, header: BatchHeader | BrokerError
) -> tuple[bool, BrokerError | None]:
    """Return whether a batch decides about the whole request, and why it refuses it."""
    if isinstance(header, BatchHeader):
        transactional = bool(header.attributes & TRANSACTIONAL_BIT)
    elif isinstance(header, ImpossibleBatchError):
        return True, _WholeRequestError(header.error_code, header.message)
    else:
        records = cast(memoryview | None, partition.records)
        transactional = records is not None and is_transactional(records)
    if transactional and request.transactional_id is None:
        return True, BrokerError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    return transactional, None


def _append(
    request: ProduceRequest,
    topic: str | None,
    partition: PartitionProduceData,
    header: BatchHeader | BrokerError,
    context: RequestContext,
) -> AppendResult:
    if topic is None:
        raise BrokerError(ErrorCode.UNKNOWN_TOPIC_ID)
    topic_partition = TopicPartition(topic, partition.index)
    if request.acks not in (-1, 0, 1):
        context.broker.partition_log(topic_partition)
        if isinstance(header, BrokerError):
            raise header
        raise BrokerError(ErrorCode.INVALID_REQUIRED_ACKS)
    records = cast(memoryview | None, partition.records)
    return context.broker.produce(topic_partition, records, header=header, origin=context.origin)


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
