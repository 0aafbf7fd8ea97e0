"""Produce requests whose beginning is known: those of one batch, as a producer sends most.

What stands before the records, client, acks, topic and partition, is the same bytes in each request
of a producer for a partition. It is decoded once; of the next ones only the records are taken, and
three numbers are put into an answer that is encoded already. So such a request takes two thirds of
the work. All that is out of the ordinary goes the ordinary way (``handlers/produce.py``).
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple
from uuid import UUID

from fakebus.broker.appending import LogAppendInfo, check_shape
from fakebus.broker.broker import Broker
from fakebus.broker.ownership import UnknownPeerError
from fakebus.errors import BrokerError
from fakebus.kafka.api import PendingResponse, RequestContext
from fakebus.kafka.handlers.produce import (
    MANY_BYTES,
    OFFSETS,
    around_offsets,
    refusal_of,
    transaction_of,
)
from fakebus.protocol.errors import DecodeError
from fakebus.protocol.messages import ProduceRequest
from fakebus.protocol.primitives import read_uvarint
from fakebus.records.batch import TRANSACTIONAL_BIT
from fakebus.types import TopicPartition

_FIRST_FLEXIBLE = 9
_FIRST_WITH_TOPIC_IDS = 13
_MOST_KNOWN = 1024
_LONGEST = 1024
"""A client may have a name of 32 KiB, which is not to be remembered a thousand times."""
_CLIENT_ID_AT = 10
_ACKS = (-1, 1)
_ONE_BYTE = 127
"""The largest length that is one byte."""
_NO_TAGS = b"\0\0\0"
"""Behind the records: of the partition, the topic and the request."""
_BEFORE_TOPIC = Struct(">hiB")
_BEFORE_RECORDS = Struct(">Bi")


class KnownBeginning(NamedTuple):
    """Beginning of Produce requests, up to the length of their records."""

    client_id: str | None
    transactional_id: str | None
    place: TopicPartition
    topic_id: UUID
    around: tuple[bytes, bytes, bytes]
    """Of the answer, see :func:`around_offsets`."""
    end: int
    """Where in the frame it ends."""


class KnownProduce:
    """Beginnings of Produce requests that were decoded, by their bytes.

    Args:
        broker: takes the batches.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._known: dict[tuple[int, bytes], KnownBeginning] = {}

    def find(self, frame: memoryview) -> KnownBeginning | None:
        """Return what is known of the beginning of a frame of any API."""
        version = int.from_bytes(frame[:4], "big")  # with the key of the API, which is 0
        if not _FIRST_FLEXIBLE <= version <= _FIRST_WITH_TOPIC_IDS or len(frame) > MANY_BYTES:
            return None
        try:
            return self._known.get((version, bytes(frame[8 : _end_of(frame, version)])))
        except IndexError:
            return None

    def learn(self, frame: memoryview, request: ProduceRequest, context: RequestContext) -> None:
        """Remember the beginning of a request that was decoded, if it is one of the usual ones."""
        version = context.api_version
        if version < _FIRST_FLEXIBLE or request.acks not in _ACKS or len(request.topic_data) != 1:
            return
        [topic] = request.topic_data
        name: str | None = topic.name
        written = _text(topic.name)
        if version >= _FIRST_WITH_TOPIC_IDS:
            known = self._broker.topics.by_id(topic.topic_id)
            name, written = None if known is None else known.name, topic.topic_id.bytes
        if name is None or len(topic.partition_data) != 1:
            return
        index = topic.partition_data[0].index
        client = (context.client_id or "").encode()
        # As clients write it. Whatever else there is in a frame is decoded each time.
        beginning = b"".join(
            (
                len(client).to_bytes(2, "big") + client + b"\0",
                b"\0" if request.transactional_id is None else _text(request.transactional_id),
                _BEFORE_TOPIC.pack(request.acks, request.timeout_ms, 2),
                written,
                _BEFORE_RECORDS.pack(2, index),
            )
        )
        end = _CLIENT_ID_AT - 2 + len(beginning)
        if len(beginning) <= _LONGEST and beginning == frame[_CLIENT_ID_AT - 2 : end]:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[version, beginning] = KnownBeginning(
                context.client_id,
                request.transactional_id,
                TopicPartition(name, index),
                topic.topic_id,
                around_offsets(version, topic.name, topic.topic_id, index),
                end,
            )

    def append(
        self, beginning: KnownBeginning, frame: memoryview, context: RequestContext
    ) -> PendingResponse | None:
        """Append the batch of a request; ``None`` when it is for the ordinary way to say of it."""
        _, transactional_id, place, topic_id, _, end = beginning
        if context.api_version >= _FIRST_WITH_TOPIC_IDS:
            topic = self._broker.topics.by_id(topic_id)
            if topic is None or topic.name != place.topic:
                return None
        try:
            records = _records_in(frame, end)
            header = check_shape(records)
        except (BrokerError, DecodeError, IndexError):
            return None
        transaction = None
        if transactional_id is not None:
            transaction = transaction_of(transactional_id, context)
        elif header.attributes & TRANSACTIONAL_BIT:
            return None
        answer = _Answer(beginning, context)
        try:
            result = self._broker.produce(
                place, records, header=header, origin=context.origin, transaction=transaction
            )
        except UnknownPeerError:
            return None
        except BrokerError as error:
            answer.take(error)
        else:
            result.when_settled(answer.take)
        return answer


class _Answer(PendingResponse):
    """Answer about one batch.

    Args:
        beginning: of the request.
        context: of the request.
    """

    __slots__ = ("_beginning", "_context")

    def __init__(self, beginning: KnownBeginning, context: RequestContext) -> None:
        super().__init__()
        self._beginning = beginning
        self._context = context

    def take(self, outcome: LogAppendInfo | BrokerError) -> None:
        """Answer with what has become of the batch."""
        beginning, context = self._beginning, self._context
        if isinstance(outcome, BrokerError):
            (topic, partition), topic_id = beginning.place, beginning.topic_id
            self.settle(refusal_of(context, topic, topic_id, partition, outcome))
            return
        first, _, time_ms, log_start = outcome
        length, before, behind = beginning.around
        number = context.correlation_id.to_bytes(4, "big", signed=True)
        offsets = OFFSETS.pack(first, time_ms, log_start)
        context.encoded = [b"".join((length, number, before, offsets, behind))]
        self.settle(None)


def _end_of(frame: memoryview, version: int) -> int:
    """Return where the beginning of a request ends if it is one of the usual ones.

    Raises:
        IndexError: the frame is too short for one.
    """
    # Behind the client's name come a byte, a name that may be null (one byte that is 0), and seven.
    transaction_at = _CLIENT_ID_AT + frame[_CLIENT_ID_AT - 1] + 1
    topic_at = transaction_at + (frame[transaction_at] or 1) + 7
    if version >= _FIRST_WITH_TOPIC_IDS:
        return topic_at + 21
    # The length of a name counts itself; a byte and the number of the partition follow.
    return topic_at + frame[topic_at] + 5


def _records_in(frame: memoryview, at: int) -> memoryview | None:
    """Return the records whose length stands there, ``None`` unless the request ends with them.

    Raises:
        DecodeError: that is no length.
        IndexError: the frame ends before.
    """
    length, start = frame[at], at + 1
    if length > _ONE_BYTE:
        length, start = read_uvarint(frame, start, length)
    behind = start + length - 1
    return frame[start:behind] if length and frame[behind:] == _NO_TAGS else None


def _text(text: str) -> bytes:
    """Return a text as it stands in a frame, if it is shorter than most that do not."""
    data = text.encode()
    return bytes((len(data) + 1,)) + data if len(data) < _ONE_BYTE else b""
