"""aiokafka behind the scenarios' interface: its event loop runs in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import aiokafka
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code
from aiokafka.structs import OffsetAndMetadata, TopicPartition

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
Result = TypeVar("Result")


class LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Result], seconds: float | None = None) -> Result:
        """Run it there and wait; Kafka's errors come as ClientError."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(seconds or 2 * TIMEOUT_SECONDS)
        except KafkaError as error:
            raise ClientError(getattr(error, "errno", None) or -1, repr(error)) from error

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run it there without waiting for its end."""
        asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """End the loop, the thread and what the loop holds."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class AioProducer:
    """See `client.Producer`."""

    def __init__(self, loop: LoopThread, configs: Mapping[str, Any]) -> None:
        async def started() -> aiokafka.AIOKafkaProducer:
            producer = aiokafka.AIOKafkaProducer(**configs)
            await producer.start()
            return producer

        self._loop = loop
        self._producer = loop.run(started())

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
        future = self._loop.run(
            self._producer.send(
                topic, value, key, partition, timestamp_ms, headers=list(headers) or None
            )
        )

        async def answered() -> Written:
            answer = await future
            # With acks=0 aiokafka answers with nothing at all.
            return Written(-1, -1) if answer is None else Written(answer.partition, answer.offset)

        return lambda: self._loop.run(answered())

    def send_many(self, topic: str, rows: Sequence[tuple[int, bytes]]) -> list[Written]:
        async def sent() -> list[Written]:
            futures = [await self._producer.send(topic, row[1], partition=row[0]) for row in rows]
            return [Written(row.partition, row.offset) for row in await asyncio.gather(*futures)]

        return self._loop.run(sent())

    def close(self) -> None:
        self._loop.run(self._producer.stop())


class AioConsumer:
    """See `client.Consumer`."""

    def __init__(
        self, loop: LoopThread, offsets: Callable[[], Mapping[Partition, Committed]], configs: Any
    ) -> None:
        async def started() -> aiokafka.AIOKafkaConsumer:
            consumer = aiokafka.AIOKafkaConsumer(**configs)
            await consumer.start()
            return consumer

        self._loop = loop
        self._group_offsets = offsets
        self._consumer = loop.run(started())

    def assign(self, starts: Mapping[Partition, int]) -> None:
        async def assigned() -> None:
            self._consumer.assign([TopicPartition(*partition) for partition in starts])
            for partition, offset in starts.items():
                if offset == EARLIEST:
                    await self._consumer.seek_to_beginning(TopicPartition(*partition))
                elif offset == LATEST:
                    await self._consumer.seek_to_end(TopicPartition(*partition))
                else:
                    self._consumer.seek(TopicPartition(*partition), offset)

        self._loop.run(assigned())

    def subscribe(self, topic: str) -> None:
        async def subscribed() -> None:
            self._consumer.subscribe([topic])

        self._loop.run(subscribed())

    def assignment(self) -> set[Partition]:
        return {Partition(row.topic, row.partition) for row in self._consumer.assignment()}

    def poll(self, seconds: float) -> list[Message]:
        batches = self._loop.run(self._consumer.getmany(timeout_ms=int(seconds * 1000)))
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
        async def sought() -> None:
            self._consumer.seek(TopicPartition(*partition), offset)

        self._loop.run(sought())

    def offset_for_time(self, partition: Partition, timestamp_ms: int) -> int | None:
        asked = TopicPartition(*partition)
        found = self._loop.run(self._consumer.offsets_for_times({asked: timestamp_ms}))[asked]
        return None if found is None else int(found.offset)

    def bounds(self, partition: Partition) -> tuple[int, int]:
        asked = TopicPartition(*partition)
        low = self._loop.run(self._consumer.beginning_offsets([asked]))[asked]
        return low, self._loop.run(self._consumer.end_offsets([asked]))[asked]

    def commit(self, offsets: Mapping[Partition, Committed], *, wait: bool = True) -> None:
        rows = {
            TopicPartition(*partition): OffsetAndMetadata(*row)
            for partition, row in offsets.items()
        }
        if wait:
            self._loop.run(self._consumer.commit(rows))
        else:
            self._loop.start(self._consumer.commit(rows))

    def committed(self, partition: Partition) -> Committed | None:
        offset = self._loop.run(self._consumer.committed(TopicPartition(*partition)))
        # The consumer gives the number only; the text is to be had of the admin client.
        found = self._group_offsets().get(partition)
        assert (found and found.offset) == offset
        return found

    def close(self) -> None:
        self._loop.run(self._consumer.stop())


class AioClient:
    """See `client.Client`."""

    name = "aiokafka"

    def __init__(self, bootstrap_servers: str) -> None:
        async def started() -> AIOKafkaAdminClient:
            admin = AIOKafkaAdminClient(**self.configs, request_timeout_ms=10_000)
            await admin.start()
            return admin

        self.configs: dict[str, Any] = {"bootstrap_servers": bootstrap_servers}
        self._open: list[AioProducer | AioConsumer] = []
        self.loop = LoopThread()
        self.admin = self.loop.run(started())

    def producer(
        self,
        *,
        acks: int = -1,
        codec: str | None = None,
        idempotent: bool = False,
        linger_ms: int = 0,
        timeout_ms: int = 20_000,
    ) -> AioProducer:
        configs = {
            "acks": acks,
            "compression_type": codec,
            "enable_idempotence": idempotent,
            "linger_ms": linger_ms,
            "request_timeout_ms": timeout_ms,
            "max_request_size": 3_000_000,
        }
        producer = AioProducer(self.loop, {**self.configs, **configs})
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
    ) -> AioConsumer:
        configs = {
            "group_id": group,
            "auto_offset_reset": reset,
            "enable_auto_commit": False,
            "session_timeout_ms": session_timeout_ms,
            "heartbeat_interval_ms": min(200, session_timeout_ms // 3),
            "fetch_max_wait_ms": max_wait_ms,
            "group_instance_id": instance,
        }
        consumer = AioConsumer(
            self.loop,
            lambda: self.group_offsets(group or ""),
            {**self.configs, **configs, **more},
        )
        self._open.append(consumer)
        return consumer

    def create_topic(
        self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None
    ) -> None:
        new = NewTopic(topic, partitions, 1, topic_configs=dict(configs or {}))
        answer = self.loop.run(self.admin.create_topics([new]))
        for _topic, code, *text in answer.topic_errors:
            if code:
                raise ClientError(code, str(text))

    def delete_topic(self, topic: str) -> None:
        answer = self.loop.run(self.admin.delete_topics([topic]))
        for _topic, code in answer.topic_error_codes:
            if code:
                raise ClientError(code, topic)

    def create_partitions(self, topic: str, total: int) -> None:
        self.loop.run(self.admin.create_partitions({topic: NewPartitions(total)}))

    def topics(self) -> dict[str, int]:
        rows = self.loop.run(self.admin.describe_topics())
        return {row["topic"]: len(row["partitions"]) for row in rows}

    def describe_configs(self, topic: str) -> dict[str, str | None]:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        (answer,) = self.loop.run(self.admin.describe_configs([resource]))
        ((code, text, _type, _name, entries),) = answer.resources
        if code:
            raise ClientError(code, str(text))
        return {entry[0]: entry[1] for entry in entries}

    def set_config(self, topic: str, key: str, value: str) -> None:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={key: value})
        (answer,) = self.loop.run(self.admin.alter_configs([resource]))
        for code, text, *_resource in answer.resources:
            if code:
                raise ClientError(code, str(text))

    def describe_cluster(self) -> tuple[str, list[tuple[int, str, int]]]:
        found = self.loop.run(self.admin.describe_cluster())
        brokers = [(row["node_id"], row["host"], row["port"]) for row in found["brokers"]]
        return found["cluster_id"], brokers

    def groups(self) -> set[str]:
        return {row[0] for row in self.loop.run(self.admin.list_consumer_groups())}

    def describe_group(self, group: str) -> tuple[str, list[str]]:
        (answer,) = self.loop.run(self.admin.describe_consumer_groups([group]))
        ((code, _group, state, _type, _protocol, members, *_more),) = answer.groups
        if code:
            raise ClientError(code, repr(for_code(code)))
        return state, [member[1] if len(member) == 5 else member[2] for member in members]

    def group_offsets(self, group: str) -> dict[Partition, Committed]:
        found = self.loop.run(self.admin.list_consumer_group_offsets(group))
        return {Partition(*asked): Committed(*row) for asked, row in found.items()}

    def delete_records(self, partition: Partition, before: int) -> int:
        asked = TopicPartition(*partition)
        found = self.loop.run(self.admin.delete_records({asked: RecordsToDelete(before)}))
        return int(found[asked])

    def close(self) -> None:
        # A second close does nothing.
        for opened in self._open:
            opened.close()
        self.loop.run(self.admin.close())
        self.loop.close()
