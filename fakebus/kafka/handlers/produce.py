"""Produce 3-13, advertised from 0.

Behaviour:
    * Versions 0-2 are advertised only because librdkafka up to 2.6 switches features off
      otherwise (KAFKA-18659); a request in one of them closes the connection, as in Kafka 4.
    * All batches of a request are appended when it is read, in order; the answer waits for
      their commit. Partitions succeed or fail one by one.
    * acks=0 gets no answer; an error then closes the connection, the only way to tell.
    * A batch of a transaction whose partition was not added to it is refused, before version 12.
    * The whole request is refused when one of its batches is damaged beyond recognition, or
      transactional without a transactional id.
    * Of a partition that is named twice only the last piece counts, as in Kafka.

Version notes:
    3 one batch of format 2 per partition; 7 zstd; 8 errors of single records (KIP-467);
    9 flexible; 10 leader discovery (KIP-951); 11 TRANSACTION_ABORTABLE, 12 a batch adds its
    partition to the transaction (KIP-890); 13 topic ids (KIP-516).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
from struct import Struct
from typing import Any, cast
from uuid import UUID

from fakebus.broker.appending import (
    AppendResult,
    ImpossibleBatchError,
    InvalidRecordsError,
    LogAppendInfo,
    RefusedBatchError,
    check_shape,
    is_transactional,
)
from fakebus.broker.ownership import UnknownPeerError
from fakebus.broker.topics import Topic
from fakebus.broker.transactions.writing import TransactionalWrite
from fakebus.broker.turns import LARGE_REQUEST_BYTES, in_turns
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import (
    CloseConnection,
    HandlerResult,
    PendingResponse,
    RequestContext,
    handles,
)
from fakebus.kafka.leadership import name_leaders
from fakebus.protocol import codec
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
from fakebus.records.batch import TRANSACTIONAL_BIT, BatchHeader
from fakebus.types import TopicPartition

_FIRST_WITH_LOG_START = 5
_FIRST_WITH_ZSTD = 7
_FIRST_WITH_ABORTABLE = 11
_FIRST_THAT_ADDS = 12
_FIRST_WITH_TOPIC_IDS = 13
_MANY_PARTITIONS = 500
MANY_BYTES = 4 * 1024 * 1024
"""Clients send no more than a megabyte or so at once, unless they are told to."""
_ALL = -1
"""acks: all replicas that are in sync."""
OFFSETS = Struct(">qqq")
"""What is different in each answer: the numbers of :data:`_NUMBERS`."""
_NUMBERS = "base_offset", "log_append_time_ms", "log_start_offset"
_PLACEHOLDER = b"\xfe" * OFFSETS.size
"""Bytes that are in no name."""


class _Answer(PendingResponse):
    """Answer to a request that gathers the partitions' outcomes.

    It is ready when the last one is there.
    """

    __slots__ = (
        "_context",
        "_decided",
        "_failure",
        "_is_plain",
        "_missing",
        "_refusal",
        "_request",
        "_transaction",
        "pieces",
        "topics",
    )

    def __init__(self, request: ProduceRequest, context: RequestContext) -> None:
        super().__init__()
        self.topics: list[TopicProduceResponse] = []
        self.pieces: list[_Piece] = []
        self._request = request
        self._context = context
        self._transaction = (
            None
            if request.transactional_id is None
            else transaction_of(request.transactional_id, context)
        )
        self._is_plain = context.is_plain and context.api_version >= _FIRST_WITH_LOG_START
        self._refusal: BrokerError | None = None
        """Why nothing of the request is appended."""
        self._decided = False
        self._failure: BrokerError | None = None
        self._missing = 1

    def look_at(self, topic: TopicProduceData) -> None:
        """Look at a topic's batches, before any is appended: one may refuse them all."""
        request, version = self._request, self._context.api_version
        looked: dict[int, _Piece] = {}
        responses: list[PartitionProduceResponse] = []
        name: str | None = topic.name
        if version >= _FIRST_WITH_TOPIC_IDS:
            known = self._context.broker.topics.by_id(topic.topic_id)
            name = None if known is None else known.name
        for partition in topic.partition_data:
            header = _look(partition, version)
            is_plain = isinstance(header, BatchHeader) and not header.attributes & TRANSACTIONAL_BIT
            if not (is_plain or self._decided):
                self._decided, self._refusal = _refusal(request, partition, header)
            before = looked.get(partition.index)
            if before is None:
                response = PartitionProduceResponse(index=partition.index)
                responses.append(response)
            else:
                response = before[1]
            looked[partition.index] = name, response, partition, header
        self.pieces += looked.values()
        self.topics.append(
            TopicProduceResponse(
                name=topic.name, topic_id=topic.topic_id, partition_responses=responses
            )
        )

    def append(self, piece: _Piece) -> None:
        """Append a batch that was looked at, or say why not."""
        name, response, partition, header = piece
        if self._refusal is not None:
            self._refuse(response, self._refusal)
            return
        try:
            result = _append(
                self._request, name, partition, header, self._context, self._transaction
            )
        except UnknownPeerError as unknown:
            # What the connection sends meanwhile waits behind it, in the same order.
            self._missing += 1
            unknown.peer.on_looked_up.append(partial(self._append_late, piece))
        except BrokerError as error:
            self._refuse(response, error)
        else:
            self._missing += 1
            result.when_settled(partial(self._take, response))

    def _append_late(self, piece: _Piece) -> None:
        """Append a batch whose producer is known by now."""
        self.append(piece)
        self.one_done()

    def _take(
        self, response: PartitionProduceResponse, outcome: LogAppendInfo | BrokerError
    ) -> None:
        if isinstance(outcome, BrokerError):
            self._refuse(response, outcome)
        else:
            response.base_offset = outcome.base_offset
            response.log_append_time_ms = outcome.log_append_time_ms
            response.log_start_offset = outcome.log_start_offset
        self.one_done()

    def _refuse(self, response: PartitionProduceResponse, error: BrokerError) -> None:
        _fill_failure(response, error)
        self._failure = error

    def one_done(self) -> None:
        """Note that a batch is settled, or that all were begun."""
        self._missing -= 1
        if self._missing:
            return
        if self._request.acks != 0:
            if self._is_plain and self._failure is None and len(self.pieces) == 1:
                self._context.encoded = [self._frame()]
                self.settle(None)
                return
            response = ProduceResponse(responses=self.topics)
            if self._failure is not None:
                response.node_endpoints = name_leaders(self._context, self._partitions())
            self.settle(response)
        elif self._failure is not None:
            reason = f"a Produce request with acks=0 failed: {self._failure}"
            self.settle(CloseConnection(reason))
        else:
            self.settle(None)

    def _frame(self) -> bytes:
        """Return the frame that says where the one batch of a request is."""
        context, [topic] = self._context, self.topics
        [partition] = topic.partition_responses
        length, before, behind = around_offsets(
            context.api_version, topic.name, topic.topic_id, partition.index
        )
        number = context.correlation_id.to_bytes(4, "big", signed=True)
        offsets = OFFSETS.pack(
            partition.base_offset, partition.log_append_time_ms, partition.log_start_offset
        )
        return b"".join((length, number, before, offsets, behind))

    def _partitions(self) -> Iterable[tuple[Topic | None, int, PartitionProduceResponse]]:
        topics = self._context.broker.topics
        for name, response, partition, _ in self.pieces:
            yield None if name is None else topics.get(name), partition.index, response


_Piece = tuple[
    str | None, PartitionProduceResponse, PartitionProduceData, BatchHeader | BrokerError
]
"""A batch: its topic's name, its answer, its part of the request, and what was seen of it."""


@handles(
    ApiKey.PRODUCE,
    needs=("WRITE TRANSACTIONAL_ID transactional_id", "WRITE TOPIC topic_data[]"),
)
def handle_produce(request: ProduceRequest, context: RequestContext) -> HandlerResult:
    """Append the request's batches now; answer when they are committed."""
    answer = _Answer(request, context)
    if context.frame_bytes > LARGE_REQUEST_BYTES and (
        context.frame_bytes > MANY_BYTES or _names_many(request)
    ):
        return _in_turns(request, answer, context)
    for topic in request.topic_data:
        answer.look_at(topic)
    for piece in answer.pieces:
        answer.append(piece)
    answer.one_done()
    return answer


@lru_cache(maxsize=1024)
def around_offsets(
    version: int, topic: str, topic_id: UUID, partition: int
) -> tuple[bytes, bytes, bytes]:
    """Return what stands around the numbers in the answer about one batch that was appended.

    They are different in each answer, and all else is encoded once: it takes most of the time.

    Returns:
        What comes before the correlation id, what between it and the base offset, and what
        behind the log start offset.
    """
    numbers = dict(zip(_NUMBERS, OFFSETS.unpack(_PLACEHOLDER), strict=True))
    answered = PartitionProduceResponse(index=partition, **numbers)
    topics = [TopicProduceResponse(name=topic, topic_id=topic_id, partition_responses=[answered])]
    response = ProduceResponse(responses=topics)
    frame = b"".join(codec.response_frame(ApiKey.PRODUCE, version, 0, response))
    before, _, behind = frame.partition(_PLACEHOLDER)
    return before[:4], before[8:], behind


def refusal_of(
    context: RequestContext, topic: str, topic_id: UUID, partition: int, error: BrokerError
) -> ProduceResponse:
    """Return the answer about the only batch of a request, which is not stored."""
    response = PartitionProduceResponse(index=partition)
    _fill_failure(response, error)
    topics = [TopicProduceResponse(name=topic, topic_id=topic_id, partition_responses=[response])]
    known = context.broker.topics.get(topic)
    leaders = name_leaders(context, [(known, partition, response)])
    return ProduceResponse(responses=topics, node_endpoints=leaders)


def _names_many(request: ProduceRequest) -> bool:
    many = _MANY_PARTITIONS - len(request.topic_data)
    return many < 0 or sum(len(topic.partition_data) for topic in request.topic_data) > many


async def _in_turns(request: ProduceRequest, answer: _Answer, context: RequestContext) -> Any:
    # The connection begins no other Produce before this one is answered.
    async for topic in in_turns(request.topic_data):
        answer.look_at(topic)
    async for piece in in_turns(answer.pieces):
        await context.broker.wait_for_room(len(cast(memoryview, piece[2].records or b"")))
        answer.append(piece)
    answer.one_done()
    return await answer.response()


class _WholeRequestError(BrokerError):
    """Nothing of a request is looked at any further."""


def _look(partition: PartitionProduceData, api_version: int) -> BatchHeader | BrokerError:
    records = cast("memoryview | None", partition.records)
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
        records = cast("memoryview | None", partition.records)
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
    transaction: TransactionalWrite | None,
) -> AppendResult:
    if topic is None:
        raise BrokerError(ErrorCode.UNKNOWN_TOPIC_ID)
    topic_partition = TopicPartition(topic, partition.index)
    if not context.broker.nodes.single:
        log = context.broker.partition_log(topic_partition)
        if not context.leads(log):
            raise BrokerError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if request.acks == _ALL and not context.broker.nodes.has_enough(log):
            raise BrokerError(ErrorCode.NOT_ENOUGH_REPLICAS)
    if request.acks not in (-1, 0, 1):
        context.broker.partition_log(topic_partition)
        if isinstance(header, BrokerError):
            raise header
        raise BrokerError(ErrorCode.INVALID_REQUIRED_ACKS)
    records = cast("memoryview | None", partition.records)
    return context.broker.produce(
        topic_partition, records, header=header, origin=context.origin, transaction=transaction
    )


def transaction_of(transactional_id: str, context: RequestContext) -> TransactionalWrite:
    """Return what a request says of the transaction that its batches belong to."""
    abortable = context.api_version >= _FIRST_WITH_ABORTABLE
    return TransactionalWrite(
        transactional_id,
        context.api_version >= _FIRST_THAT_ADDS,
        ErrorCode.TRANSACTION_ABORTABLE if abortable else ErrorCode.INVALID_TXN_STATE,
        context.origin,
    )


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
