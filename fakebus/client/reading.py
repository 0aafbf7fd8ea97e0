"""Reading topics of any Kafka, without leaving a trace in it unless a group is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from fakebus.client.connection import ClientError, Connection, text_of
from fakebus.client.offsets import stable_ends
from fakebus.real_time import monotonic
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message
    from confluent_kafka import TopicPartition as ClientPartition

SLICE_RECORDS = 1000
_POLL_S = 0.5
_SILENCE_S = 30.0
"""How long partitions that should have records may give none."""


class FetchedRecord(NamedTuple):
    """Record as it was fetched."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Reader:
    """Consumer over partitions, to given ends or without an end; for ``with``.

    Args:
        connection: the cluster.
        group: commit what is given to :meth:`store` for this group, and share its partitions;
            without it nothing is committed.
        reset: where a group begins that has committed nothing: earliest or latest.
        wait_ms: how long the cluster may hold back an answer that is empty; the end of a
            partition is told by one.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        group: str | None = None,
        reset: str = "earliest",
        wait_ms: int = 20,
    ) -> None:
        self._consumer: Consumer = connection.consumer(
            {
                # librdkafka wants a name; without subscribe and commit no group comes of it.
                "group.id": "fakebus-reader" if group is None else group,
                "enable.auto.commit": group is not None,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": reset,
                "fetch.wait.max.ms": wait_ms,
                # With its hundred thousand messages the library would rest for a second.
                "fetch.queue.backoff.ms": 10,
            }
        )
        self._connection = connection
        self._settled = group is None
        self._ends: dict[TopicPartition, int] | None = None
        self._reached: dict[TopicPartition, int] = {}
        """The ends that were reached, beyond which records may still come."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Leave the group, having committed what is stored."""
        self._consumer.close()

    def assign(self, starts: Mapping[TopicPartition, int]) -> None:
        """Read some partitions from given offsets on."""
        from confluent_kafka import KafkaException
        from confluent_kafka import TopicPartition as ClientPartition

        partitions = [ClientPartition(*partition, offset) for partition, offset in starts.items()]
        try:
            self._consumer.assign(partitions)
        except KafkaException as error:
            names = ", ".join(sorted({partition.topic for partition in starts}))
            raise ClientError(f"cannot read {names}: {text_of(error)}") from None

    def change(self, gone: Iterable[TopicPartition], new: Iterable[TopicPartition]) -> None:
        """Stop reading some partitions, and begin to read others from their first record on."""
        from confluent_kafka import OFFSET_BEGINNING, KafkaException
        from confluent_kafka import TopicPartition as ClientPartition

        # The library looks for the leaders of unknown topics by itself, but seconds later.
        with contextlib.suppress(KafkaException):
            self._consumer.list_topics(timeout=_POLL_S)
        mine = {_plain(each) for each in self._consumer.assignment()}
        self._consumer.incremental_unassign(
            [ClientPartition(*each) for each in gone if each in mine]
        )
        self._consumer.incremental_assign(
            [ClientPartition(*each, OFFSET_BEGINNING) for each in new if each not in mine]
        )

    def subscribe(self, topics: Iterable[str]) -> None:
        """Become a member of the group."""
        self._consumer.subscribe(list(dict.fromkeys(topics)), on_assign=self._assigned)

    def _assigned(self, *_: object) -> None:
        # Called with an empty list too, when the group has more members than partitions.
        self._settled = True

    def stop_at(self, ends: Mapping[TopicPartition, int]) -> None:
        """End when these offsets are reached, or the end of the partition."""
        self._ends, self._reached = dict(ends), {}

    def store(self, record: FetchedRecord) -> None:
        """Let the group go on behind a record."""
        from confluent_kafka import TopicPartition as ClientPartition

        place = ClientPartition(record.topic, record.partition, record.offset + 1)
        self._consumer.store_offsets(offsets=[place])

    def slices(self, silence_s: float | None = None) -> Iterator[list[FetchedRecord]]:
        """Yield records as they arrive, and an empty list whenever none has come for a while.

        Args:
            silence_s: how long none may come; for ever when left out.

        Raises:
            ClientError: reading failed, or nothing came for so long.
        """
        heard = monotonic()
        while self._ends is None or self._ends:
            messages = self._consumer.consume(SLICE_RECORDS, 0) or self._next()
            if messages:
                heard = monotonic()
            elif silence_s is not None and monotonic() - heard > silence_s:
                names = ", ".join(sorted({topic for topic, _ in self._ends or ()}))
                raise ClientError(f"cannot read {names}: nothing came for {silence_s:g} s")
            else:
                self._forget_what_others_read()
            records = self._within_ends(self._taken(messages))
            if records or not messages:
                yield records

    def _next(self) -> list[Message]:
        message = self._consumer.poll(_POLL_S)
        return [] if message is None else [message]

    def _taken(self, messages: Iterable[Message]) -> list[FetchedRecord]:
        """Return the records among messages; this is done for each of millions."""
        found = []
        for message in messages:
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            if (error := message.error()) is not None:
                self._take_error(error, topic, partition)
                continue
            kind, at_ms = message.timestamp()
            headers = message.headers()
            told = tuple(headers) if headers else ()
            where = topic, partition, offset, at_ms if kind else None
            found.append(_made((*where, message.key(), message.value(), told)))
        return found

    def _within_ends(self, records: list[FetchedRecord]) -> list[FetchedRecord]:
        """Return the records before the ends, and note which of these are reached."""
        if self._ends is None:
            return records
        ends, is_over = self._ends, False
        # A plain pair is the same key; the records of a partition come in their order.
        for place, last in {(each[0], each[1]): each[2] for each in records}.items():
            end = ends.get(place, -1)  # type: ignore[call-overload]
            is_over = is_over or last >= end
            if last + 1 >= end >= 0:
                self._reach(TopicPartition(*place))
        if not is_over:
            return records
        ends = {**ends, **self._reached}
        return [each for each in records if each[2] < ends.get((each[0], each[1]), -1)]  # type: ignore[call-overload]

    def _reach(self, place: TopicPartition) -> None:
        if self._ends is not None and place in self._ends:
            self._reached[place] = self._ends.pop(place)

    def _take_error(self, error: KafkaError, topic: str | None, partition: int | None) -> None:
        from confluent_kafka import KafkaError

        if error.code() == KafkaError._PARTITION_EOF:
            if self._ends is not None and topic is not None and partition is not None:
                self._reach(TopicPartition(topic, partition))
        elif self._ends is None and error.code() in (
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError._UNKNOWN_TOPIC,
            KafkaError._UNKNOWN_PARTITION,
        ):
            # It was deleted; whoever reads without an end may see it come again.
            return
        elif not error.retriable():
            raise ClientError(f"cannot read {topic or 'topics'}: {error.str()}", error.code())

    def _forget_what_others_read(self) -> None:
        """Wait only for the ends of partitions that the group has given to this member."""
        if self._ends and self._settled:
            mine = {_plain(partition) for partition in self._consumer.assignment()}
            self._ends = {key: end for key, end in self._ends.items() if key in mine}

    def read(
        self,
        starts: Mapping[TopicPartition, int],
        upto: Mapping[TopicPartition, int] | None = None,
    ) -> Iterator[list[FetchedRecord]]:
        """Yield what there is from given offsets to the ends of the logs as they are now.

        What an open transaction holds back is not there.

        Args:
            starts: the first offset of each partition that counts.
            upto: stop before these offsets.

        Raises:
            ClientError: the cluster does not answer.
        """
        ends = stable_ends(self._connection, starts)
        if upto is not None:
            ends = {each: min(end, upto[each]) for each, end in ends.items()}
        wanted = {each: start for each, start in starts.items() if start < ends[each]}
        if not wanted:
            return
        self.assign(wanted)
        self.stop_at({each: ends[each] for each in wanted})
        for records in self.slices(_SILENCE_S):
            if records:
                yield records
        self._consumer.unassign()


def _plain(partition: ClientPartition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)


_made: Callable[[Iterable[object]], FetchedRecord] = partial(tuple.__new__, FetchedRecord)
"""Makes a record of its fields, in a quarter of the time that naming them takes."""
