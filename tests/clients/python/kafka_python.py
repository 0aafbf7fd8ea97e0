"""kafka-python behind the scenarios' interface."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

with warnings.catch_warnings():
    # It reads its message schemas, at import, through a function that Python is doing away with.
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka
    from kafka.admin import ConfigResource, ConfigResourceType
    from kafka.structs import OffsetAndMetadata, TopicPartition

from tests.clients.python.client import (
    EARLIEST,
    LATEST,
    ClientError,
    Committed,
    Headers,
    Message,
    Partition,
    Written,
)

TIMEOUT_SECONDS = 60.0


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except kafka.errors.KafkaError as error:
        raise ClientError(getattr(error, "errno", None) or -1, repr(error)) from error


_SHORTEST_POLL_S = 0.4
"""A member whose poll ends between the answers to its JoinGroup and its SyncGroup stalls until its
session ends, on Apache Kafka too (kafka-python 3.0): fewer polls end less often just there."""


class KafkaPythonProducer:
    """See `client.Producer`."""

    def __init__(self, configs: Mapping[str, Any]) -> None:
        self._producer = kafka.KafkaProducer(**configs)

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
        try:
            with _translated():
                future = self._producer.send(
                    topic, value, key, list(headers), partition=partition, timestamp_ms=timestamp_ms
                )
        except ValueError as error:
            raise ClientError(-1, str(error)) from error

        def wait() -> Written:
            with _translated():
                answer = future.get(TIMEOUT_SECONDS)
            return Written(answer.partition, answer.offset)

        return wait

    def send_many(self, topic: str, rows: Sequence[tuple[int, bytes]]) -> list[Written]:
        answers = [self.send(topic, value, partition=partition) for partition, value in rows]
        return [answer() for answer in answers]

    def close(self) -> None:
        self._producer.close(TIMEOUT_SECONDS)


class KafkaPythonConsumer:
    """See `client.Consumer`."""

    def __init__(self, configs: Mapping[str, Any]) -> None:
        self._consumer = kafka.KafkaConsumer(**configs)

    def assign(self, starts: Mapping[Partition, int]) -> None:
        self._consumer.assign([TopicPartition(*partition) for partition in starts])
        for partition, offset in starts.items():
            if offset == EARLIEST:
                self._consumer.seek_to_beginning(TopicPartition(*partition))
            elif offset == LATEST:
                self._consumer.seek_to_end(TopicPartition(*partition))
            else:
                self._consumer.seek(TopicPartition(*partition), offset)

    def subscribe(self, topic: str) -> None:
        self._consumer.subscribe([topic])
        # A leader that assigns before it knows the topic gives nobody anything, and stays with it.
        assert self._consumer.partitions_for_topic(topic)

    def assignment(self) -> set[Partition]:
        return {Partition(row.topic, row.partition) for row in self._consumer.assignment()}

    def poll(self, seconds: float) -> list[Message]:
        with _translated():
            batches = self._consumer.poll(timeout_ms=int(max(seconds, _SHORTEST_POLL_S) * 1000))
        return [
            Message(
                partition=Partition(record.topic, record.partition),
                offset=record.offset,
                timestamp_ms=record.timestamp,
                key=record.key,
                value=record.value,
                headers=tuple(record.headers),
            )
            for records in batches.values()
            for record in records
        ]

    def seek(self, partition: Partition, offset: int) -> None:
        self._consumer.seek(TopicPartition(*partition), offset)

    def offset_for_time(self, partition: Partition, timestamp_ms: int) -> int | None:
        asked = TopicPartition(*partition)
        with _translated():
            found = self._consumer.offsets_for_times({asked: timestamp_ms})[asked]
        return None if found is None else int(found.offset)

    def bounds(self, partition: Partition) -> tuple[int, int]:
        asked = TopicPartition(*partition)
        with _translated():
            low = self._consumer.beginning_offsets([asked])[asked]
            high = self._consumer.end_offsets([asked])[asked]
        return low, high

    def commit(self, offsets: Mapping[Partition, Committed], *, wait: bool = True) -> None:
        rows = {
            TopicPartition(*partition): OffsetAndMetadata(row.offset, row.metadata, -1)
            for partition, row in offsets.items()
        }
        with _translated():
            if wait:
                self._consumer.commit(rows)
            else:
                self._consumer.commit_async(rows)

    def committed(self, partition: Partition) -> Committed | None:
        with _translated():
            row = self._consumer.committed(TopicPartition(*partition), metadata=True)
        return None if row is None else Committed(row.offset, row.metadata)

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=5_000)


class KafkaPythonClient:
    """See `client.Client`."""

    name = "kafka-python"

    def __init__(self, bootstrap_servers: str) -> None:
        self.configs: dict[str, Any] = {"bootstrap_servers": bootstrap_servers}
        self._open: list[KafkaPythonProducer | KafkaPythonConsumer] = []
        self.admin = kafka.KafkaAdminClient(**self.configs, request_timeout_ms=10_000)

    def producer(
        self,
        *,
        acks: int = -1,
        codec: str | None = None,
        idempotent: bool = False,
        linger_ms: int = 0,
        timeout_ms: int = 20_000,
    ) -> KafkaPythonProducer:
        configs = {
            "acks": acks,
            "compression_type": codec,
            "enable_idempotence": idempotent,
            "linger_ms": linger_ms,
            "max_block_ms": timeout_ms,
            "request_timeout_ms": timeout_ms,
            "delivery_timeout_ms": timeout_ms + linger_ms,
            "max_request_size": 3_000_000,
        }
        producer = KafkaPythonProducer({**self.configs, **configs})
        self._open.append(producer)
        return producer

    def consumer(
        self,
        group: str | None = None,
        *,
        reset: str = "earliest",
        instance: str | None = None,
        session_timeout_ms: int = 10_000,
        max_wait_ms: int = 500,
        **more: Any,
    ) -> KafkaPythonConsumer:
        configs = {
            "group_id": group,
            "auto_offset_reset": reset,
            "enable_auto_commit": False,
            "session_timeout_ms": session_timeout_ms,
            "heartbeat_interval_ms": min(200, session_timeout_ms // 3),
            "fetch_max_wait_ms": max_wait_ms,
            "group_instance_id": instance,
        }
        consumer = KafkaPythonConsumer({**self.configs, **configs, **more})
        self._open.append(consumer)
        return consumer

    def create_topic(
        self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None
    ) -> None:
        new = {
            "num_partitions": partitions,
            "replication_factor": 1,
            "configs": dict(configs or {}),
        }
        with _translated():
            self.admin.create_topics({topic: new})

    def delete_topic(self, topic: str) -> None:
        with _translated():
            self.admin.delete_topics([topic])

    def create_partitions(self, topic: str, total: int) -> None:
        with _translated():
            self.admin.create_partitions({topic: total})

    def topics(self) -> dict[str, int]:
        with _translated():
            return {row["name"]: len(row["partitions"]) for row in self.admin.describe_topics()}

    def describe_configs(self, topic: str) -> dict[str, str | None]:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        with _translated():
            found = self.admin.describe_configs([resource], config_filter="all")
        (rows,) = found.values()
        return {name: row["value"] for name, row in rows[topic].items()}

    def set_config(self, topic: str, key: str, value: str) -> None:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={key: value})
        with _translated():
            answer = self.admin.alter_configs([resource], raise_on_unknown=False)["topic"][topic]
        # An error is given as text and not raised.
        if (error := re.match(r"\[Error (\d+)\]", str(answer))) is not None:
            raise ClientError(int(error[1]), str(answer))

    def describe_cluster(self) -> tuple[str, list[tuple[int, str, int]]]:
        with _translated():
            found = self.admin.describe_cluster()
        brokers = [(row["broker_id"], row["host"], row["port"]) for row in found["brokers"]]
        return found["cluster_id"], brokers

    def groups(self) -> set[str]:
        with _translated():
            return {row["group_id"] for row in self.admin.list_groups()}

    def describe_group(self, group: str) -> tuple[str, list[str]]:
        with _translated():
            found = self.admin.describe_groups([group])[group]
        return found["group_state"], [member["client_id"] for member in found["members"]]

    def group_offsets(self, group: str) -> dict[Partition, Committed]:
        with _translated():
            found = self.admin.list_group_offsets(group)[group]
        return {
            Partition(*asked): Committed(row.offset, row.metadata) for asked, row in found.items()
        }

    def delete_group(self, group: str) -> None:
        with _translated():
            outcome = self.admin.delete_groups([group])[group]
        # An error is given by its class's name and not raised.
        if outcome != "OK":
            raise ClientError(getattr(kafka.errors, outcome).errno, outcome)

    def delete_records(self, partition: Partition, before: int) -> int:
        asked = TopicPartition(*partition)
        with _translated():
            found = self.admin.delete_records({asked: before})[asked]
        return int(found["low_watermark"])

    def close(self) -> None:
        # A second close does nothing.
        for opened in self._open:
            opened.close()
        self.admin.close()
