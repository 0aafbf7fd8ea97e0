"""confluent-kafka (librdkafka) behind the scenarios' interface."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import confluent_kafka
from confluent_kafka import admin

from tests.clients.python.client import (
    EARLIEST,
    LATEST,
    UNKNOWN_TOPIC_OR_PARTITION,
    ClientError,
    Committed,
    Headers,
    Message,
    Partition,
    Written,
)

TIMEOUT_SECONDS = 60.0
_OFFSETS = {EARLIEST: confluent_kafka.OFFSET_BEGINNING, LATEST: confluent_kafka.OFFSET_END}
_CODES = {
    confluent_kafka.KafkaError._UNKNOWN_TOPIC: UNKNOWN_TOPIC_OR_PARTITION,
    confluent_kafka.KafkaError._UNKNOWN_PARTITION: UNKNOWN_TOPIC_OR_PARTITION,
}


def _error(error: confluent_kafka.KafkaError) -> ClientError:
    code = _CODES.get(error.code(), error.code())
    return ClientError(code if code > 0 else -1, str(error))


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except confluent_kafka.KafkaException as error:
        raise _error(error.args[0]) from error


def _only(futures: Mapping[Any, Any]) -> Any:
    """Return the result of the one future that an admin call of one item gives."""
    (future,) = futures.values()
    with _translated():
        return future.result(TIMEOUT_SECONDS)


class ConfluentProducer:
    """See `client.Producer`."""

    def __init__(self, configs: Mapping[str, Any]) -> None:
        self._producer = confluent_kafka.Producer(dict(configs))

    def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Callable[[], Written]:
        answer: list[Any] = []
        more: dict[str, Any] = {} if partition is None else {"partition": partition}
        if timestamp_ms is not None:
            more["timestamp"] = timestamp_ms
        with _translated():
            self._producer.produce(
                topic,
                value,
                key,
                headers=list(headers),
                on_delivery=lambda error, message: answer.append((error, message)),
                **more,
            )
        self._producer.poll(0)

        def wait() -> Written:
            while not answer:
                self._producer.poll(0.1)
            error, message = answer[0]
            if error is not None:
                raise _error(error)
            return Written(
                message.partition(), -1 if message.offset() is None else message.offset()
            )

        return wait

    def send_many(self, topic: str, rows: Sequence[tuple[int, bytes]]) -> list[Written]:
        answers = [self.send(topic, value, partition=partition) for partition, value in rows]
        return [answer() for answer in answers]

    def close(self) -> None:
        assert self._producer.flush(TIMEOUT_SECONDS) == 0


class ConfluentConsumer:
    """See `client.Consumer`."""

    def __init__(self, configs: Mapping[str, Any]) -> None:
        self._consumer = confluent_kafka.Consumer(dict(configs))

    def assign(self, starts: Mapping[Partition, int]) -> None:
        self._consumer.assign(
            [
                confluent_kafka.TopicPartition(*partition, _OFFSETS.get(offset, offset))
                for partition, offset in starts.items()
            ]
        )

    def subscribe(self, topic: str) -> None:
        self._consumer.subscribe([topic])

    def assignment(self) -> set[Partition]:
        return {Partition(row.topic, row.partition) for row in self._consumer.assignment()}

    def poll(self, seconds: float) -> list[Message]:
        messages = []
        # `consume` waits for the full number or the full time: so wait for one and take the rest.
        first = self._consumer.consume(1, seconds)
        for message in first + (self._consumer.consume(500, 0) if first else []):
            if (error := message.error()) is not None:
                raise _error(error)
            messages.append(
                Message(
                    partition=Partition(message.topic(), message.partition()),
                    offset=message.offset(),
                    timestamp_ms=message.timestamp()[1],
                    key=message.key(),
                    value=message.value(),
                    headers=tuple(message.headers() or ()),
                )
            )
        return messages

    def seek(self, partition: Partition, offset: int) -> None:
        with _translated():
            self._consumer.seek(confluent_kafka.TopicPartition(*partition, offset))

    def offset_for_time(self, partition: Partition, timestamp_ms: int) -> int | None:
        asked = [confluent_kafka.TopicPartition(*partition, timestamp_ms)]
        with _translated():
            (found,) = self._consumer.offsets_for_times(asked, timeout=TIMEOUT_SECONDS)
        # librdkafka says "the end" where the broker says that there is none.
        return None if found.offset == confluent_kafka.OFFSET_END else int(found.offset)

    def bounds(self, partition: Partition) -> tuple[int, int]:
        with _translated():
            low, high = self._consumer.get_watermark_offsets(
                confluent_kafka.TopicPartition(*partition), timeout=TIMEOUT_SECONDS
            )
        return low, high

    def commit(self, offsets: Mapping[Partition, Committed], *, wait: bool = True) -> None:
        rows = [
            confluent_kafka.TopicPartition(*partition, committed.offset, committed.metadata)
            for partition, committed in offsets.items()
        ]
        with _translated():
            if not wait:
                self._consumer.commit(offsets=rows, asynchronous=True)
                return
            for row in self._consumer.commit(offsets=rows, asynchronous=False):
                if row.error is not None:
                    raise _error(row.error)

    def committed(self, partition: Partition) -> Committed | None:
        asked = [confluent_kafka.TopicPartition(*partition)]
        with _translated():
            (row,) = self._consumer.committed(asked, timeout=TIMEOUT_SECONDS)
        return None if row.offset < 0 else Committed(row.offset, row.metadata or "")

    def close(self) -> None:
        self._consumer.close()


class ConfluentClient:
    """See `client.Client`."""

    name = "confluent"

    def __init__(self, bootstrap_servers: str) -> None:
        # Lost connections are part of the scenarios; librdkafka would log each to stderr.
        self.configs: dict[str, Any] = {"bootstrap.servers": bootstrap_servers, "log_level": 0}
        self._consumers: list[ConfluentConsumer] = []
        self.admin = admin.AdminClient({**self.configs, "socket.timeout.ms": 10_000})

    def producer(
        self,
        *,
        acks: int = -1,
        codec: str | None = None,
        idempotent: bool = False,
        linger_ms: int = 0,
        timeout_ms: int = 20_000,
    ) -> ConfluentProducer:
        configs = {
            "acks": acks,
            "compression.type": codec or "none",
            "enable.idempotence": idempotent,
            "linger.ms": linger_ms,
            "message.timeout.ms": timeout_ms,
            "message.max.bytes": 3_000_000,
            # Else an unknown topic is an error only after the default of 30 s.
            "topic.metadata.propagation.max.ms": min(timeout_ms, 5_000) // 2,
        }
        return ConfluentProducer({**self.configs, **configs})

    def consumer(
        self,
        group: str | None = None,
        *,
        reset: str = "earliest",
        instance: str | None = None,
        session_timeout_ms: int = 10_000,
        max_wait_ms: int = 500,
        **more: Any,
    ) -> ConfluentConsumer:
        configs = {
            "group.id": group or "none",
            "auto.offset.reset": reset,
            "enable.auto.commit": False,
            "session.timeout.ms": session_timeout_ms,
            "heartbeat.interval.ms": min(200, session_timeout_ms // 3),
            "fetch.wait.max.ms": max_wait_ms,
            "topic.metadata.refresh.interval.ms": 1_000,
            **({"group.instance.id": instance} if instance else {}),
        }
        return self._opened(ConfluentConsumer({**self.configs, **configs, **more}))

    def create_topic(
        self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None
    ) -> None:
        new = admin.NewTopic(topic, partitions, 1, config=dict(configs or {}))
        _only(self.admin.create_topics([new]))

    def delete_topic(self, topic: str) -> None:
        _only(self.admin.delete_topics([topic]))

    def create_partitions(self, topic: str, total: int) -> None:
        _only(self.admin.create_partitions([admin.NewPartitions(topic, total)]))

    def topics(self) -> dict[str, int]:
        with _translated():
            rows = self.admin.list_topics(timeout=TIMEOUT_SECONDS).topics
        return {name: len(row.partitions) for name, row in rows.items()}

    def describe_configs(self, topic: str) -> dict[str, str | None]:
        resource = admin.ConfigResource(admin.ResourceType.TOPIC, topic)
        entries = _only(self.admin.describe_configs([resource]))
        return {name: entry.value for name, entry in entries.items()}

    def set_config(self, topic: str, key: str, value: str) -> None:
        entry = admin.ConfigEntry(key, value, incremental_operation=admin.AlterConfigOpType.SET)
        resource = admin.ConfigResource(
            admin.ResourceType.TOPIC, topic, incremental_configs=[entry]
        )
        _only(self.admin.incremental_alter_configs([resource]))

    def describe_cluster(self) -> tuple[str, list[tuple[int, str, int]]]:
        with _translated():
            found = self.admin.describe_cluster().result(TIMEOUT_SECONDS)
        return found.cluster_id, [(node.id, node.host, node.port) for node in found.nodes]

    def groups(self) -> set[str]:
        with _translated():
            found = self.admin.list_consumer_groups().result(TIMEOUT_SECONDS)
        assert not found.errors
        return {row.group_id for row in found.valid}

    def describe_group(self, group: str) -> tuple[str, list[str]]:
        found = _only(self.admin.describe_consumer_groups([group]))
        state = "".join(word.title() for word in found.state.name.split("_"))
        return state, [member.client_id for member in found.members]

    def group_offsets(self, group: str) -> dict[Partition, Committed]:
        asked = confluent_kafka.ConsumerGroupTopicPartitions(group)
        found = _only(self.admin.list_consumer_group_offsets([asked]))
        return {
            Partition(row.topic, row.partition): Committed(row.offset, row.metadata or "")
            for row in found.topic_partitions
        }

    def delete_group(self, group: str) -> None:
        _only(self.admin.delete_consumer_groups([group]))

    def delete_records(self, partition: Partition, before: int) -> int:
        asked = confluent_kafka.TopicPartition(*partition, before)
        return int(_only(self.admin.delete_records([asked])).low_watermark)

    def close(self) -> None:
        # The admin client and producers end with their objects; a second close does nothing.
        for consumer in self._consumers:
            consumer.close()

    def _opened(self, consumer: ConfluentConsumer) -> ConfluentConsumer:
        self._consumers.append(consumer)
        return consumer
