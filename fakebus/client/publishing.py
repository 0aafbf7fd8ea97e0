"""Writing records to any Kafka, and waiting for their acknowledgement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from fakebus.client.connection import REQUEST_TIMEOUT_S, ClientError, Connection, text_of
from fakebus.records.batch import NO_TIMESTAMP
from fakebus.records.record import NewRecord

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

Stored = Callable[[str, int, int], None]
"""Called with topic, partition and offset of a record that was acknowledged."""


class Publisher:
    """Producer that raises what becomes of its records where they are handed over.

    Args:
        connection: the cluster.
        config: librdkafka's settings for it.
        timeout_s: how long an acknowledgement may take.
    """

    def __init__(
        self,
        connection: Connection,
        config: Mapping[str, object] | None = None,
        *,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self._producer = connection.producer(
            {
                "enable.idempotence": True,
                "message.timeout.ms": round(timeout_s * 1000),
                **(config or {}),
            }
        )
        self._timeout_s = timeout_s
        self._failure: ClientError | None = None

    def send(
        self,
        topic: str,
        record: NewRecord,
        partition: int | None = None,
        on_stored: Stored | None = None,
    ) -> None:
        """Queue a record.

        Args:
            topic: where to.
            record: the record; without a timestamp it gets the present.
            partition: which; librdkafka's partitioner chooses when left out.
            on_stored: told when it was acknowledged.

        Raises:
            ClientError: it cannot be sent, or one before it was refused.
        """
        if any("\0" in name for name, _ in record.headers):
            # The library would end the name there without a word.
            raise ClientError("the name of a header cannot hold a null character")
        options: dict[str, Any] = {"on_delivery": partial(self._delivered, on_stored)}
        if partition is not None:
            if partition < 0:
                # The client library takes some of these for any partition.
                raise ClientError(
                    f"{topic} has no partition {partition}: partitions are counted from 0"
                )
            options["partition"] = partition
        if record.timestamp_ms != NO_TIMESTAMP:
            options["timestamp"] = record.timestamp_ms
        while not self._queued(topic, record, options):
            self._producer.poll(0.1)
        self._producer.poll(0)
        self._raise_failure()

    def _queued(self, topic: str, record: NewRecord, options: dict[str, Any]) -> bool:
        from confluent_kafka import KafkaException

        try:
            self._producer.produce(
                topic,
                value=record.value,
                key=record.key,
                headers=list(record.headers),
                **options,
            )
        except BufferError:
            return False
        except KafkaException as error:
            raise _refusal(topic, text_of(error), error.args[0].code()) from None
        except (ValueError, OverflowError) as error:
            # A partition or a time beyond what the client library has room for.
            raise _refusal(topic, str(error)) from None
        return True

    def _delivered(
        self, on_stored: Stored | None, error: KafkaError | None, message: Message
    ) -> None:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if error is not None:
            self._failure = self._failure or _refusal(topic, error.str(), error.code())
        elif on_stored is not None and None not in (topic, partition, offset):
            on_stored(str(topic), int(partition or 0), int(offset or 0))

    def flush(self) -> None:
        """Wait until every record is acknowledged.

        Raises:
            ClientError: one was refused, or the cluster does not answer.
        """
        left = self._producer.flush(self._timeout_s + 1)
        self._raise_failure()
        if left:
            raise ClientError("the cluster does not acknowledge what is written to it")

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure


def _refusal(topic: str | None, reason: str, code: int | None = None) -> ClientError:
    return ClientError(f"{topic} does not take the record: {reason}", code)
