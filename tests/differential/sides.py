"""The two brokers that are asked the same, and their answers in a form that can be compared."""

from __future__ import annotations

import difflib
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from pprint import pformat
from typing import Any
from uuid import UUID

from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    InitProducerIdRequest,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
    MetadataRequest,
    MetadataRequestTopic,
)
from fakebus.protocol.struct_classes import Struct
from fakebus.records.batch import CONTROL_BIT, HEADER_SIZE, parse_header
from fakebus.types import ZERO_UUID
from tests.wire.client import RawClient

CLOSED = "the connection was closed"
SILENT = "nothing was sent"
NOT_COMPARED = {"throttle_time_ms", "host", "port", "rack", "finalized_features_epoch"}
TEXTS = {"error_message", "batch_index_error_message"}
NAMED = {"session_id", "producer_id", "ongoing_txn_producer_id"}
FIRST_ID = {"session_id": 1}


def attempts(seconds: float = 60.0) -> Iterator[None]:
    """Yield while there is time to ask again, for what Kafka does a little later."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield


class Side:
    """One broker; each has its own topics, and tells them apart by ids of its own.

    Args:
        bootstrap_servers: ``host:port``.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._client: RawClient | None = None
        self._names: dict[Any, str] = {}
        self._topics: list[str] = []

    @property
    def client(self) -> RawClient:
        """The connection; a new one after a broker has closed the last."""
        if self._client is None:
            self._client = RawClient(self.bootstrap_servers)
        return self._client

    def disconnect(self) -> None:
        if self._client is not None:
            self._client.socket.close()
            self._client = None

    def clean_up(self) -> None:
        """Delete the topics of a scenario, so that the next one meets none."""
        self.disconnect()
        self._names.clear()
        if self._topics:
            self.call(
                ApiKey.DELETE_TOPICS,
                3,
                DeleteTopicsRequest(topic_names=self._topics, timeout_ms=10_000),
            )
            self._topics.clear()
        self.disconnect()

    def new_topic(self, partitions: int = 1, **configs: str) -> str:
        """Create a topic; underscores in the configs' names stand for dots."""
        name = self.new_name()
        topic_id = self.create_topic(name, partitions, **configs)
        self._names[topic_id] = f"id of topic {len(self._topics)}"
        return name

    def create_topic(self, name: str, partitions: int = 1, **configs: str) -> UUID:
        """Create a topic of this name, and wait until it can be used; return its id."""
        wanted = CreatableTopic(
            name=name,
            num_partitions=partitions,
            replication_factor=1,
            configs=[
                CreatableTopicConfig(name=key.replace("_", "."), value=value)
                for key, value in configs.items()
            ],
        )
        created = self.call(
            ApiKey.CREATE_TOPICS, 7, CreateTopicsRequest(topics=[wanted], timeout_ms=10_000)
        )
        assert created.topics[0].error_code == 0, created
        self.await_leaders(name, partitions)
        topic_id: UUID = created.topics[0].topic_id
        return topic_id

    def await_leaders(self, name: str, partitions: int) -> None:
        """Wait until a new topic can be used: Kafka's controller answers before its broker."""
        asked = ListOffsetsTopic(
            name=name,
            partitions=[
                ListOffsetsPartition(partition_index=index, timestamp=-1)
                for index in range(partitions)
            ],
        )
        for _ in attempts():
            answer = self.call(ApiKey.LIST_OFFSETS, 5, ListOffsetsRequest(topics=[asked]))
            if all(found.error_code == 0 for found in answer.topics[0].partitions):
                return
        raise AssertionError(f"{name} has no leaders")

    def new_name(self) -> str:
        """Return a name for a topic that the scenario makes itself."""
        return self.remember_topic(f"wire-{uuid.uuid4().hex[:12]}")

    def remember_topic(self, name: str) -> str:
        """Note a topic that a scenario makes; its name is not compared."""
        self._topics.append(name)
        self._names[name] = f"topic {len(self._topics)}"
        return name

    def name(self, value: Any, kind: str) -> None:
        """Let a value that differs anyhow be compared under a name."""
        self._names[value] = f"{kind} {len(self._names)}"

    def topic_id(self, name: str) -> UUID:
        asked = MetadataRequest(
            topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=False
        )
        found: UUID = self.call(ApiKey.METADATA, 12, asked).topics[0].topic_id
        return found

    def new_producer_id(self) -> int:
        asked = InitProducerIdRequest(
            transactional_id=None, transaction_timeout_ms=1, producer_id=-1, producer_epoch=-1
        )
        for _ in attempts():
            answer = self.call(ApiKey.INIT_PRODUCER_ID, 4, asked)
            if answer.error_code == 0:
                found: int = answer.producer_id
                return found
        raise AssertionError(answer)

    def call(self, api: ApiKey, version: int, message: Any) -> Any:
        """Return the answer as it is."""
        return self.client.call(api, version, message)

    def ask(self, api: ApiKey, version: int, message: Any) -> Any:
        """Return the answer as plain values to compare, or :data:`CLOSED`."""
        try:
            return self.plain(self.call(api, version, message))
        except (EOFError, BrokenPipeError):
            self.disconnect()
            return CLOSED

    def ask_bytes(self, data: bytes, api: ApiKey | None = None, version: int = 0) -> Any:
        """Send bytes; return what comes back, or :data:`CLOSED`."""
        self.client.send_bytes(data)
        try:
            received = self.client.receive_frame()
        except TimeoutError:
            self.disconnect()
            return SILENT
        except EOFError:
            self.disconnect()
            return CLOSED
        if api is None:
            return received
        (correlation_id,) = struct.unpack_from(">i", received)
        header = codec.encode_response_header(int(api), version, correlation_id)
        body = codec.decode_response(int(api), version, memoryview(received), len(header))
        return correlation_id, self.plain(body)

    def plain(self, value: Any, field: str = "") -> Any:
        """Return a message as plain values, with the same names for what differs anyhow."""
        if isinstance(value, Struct):
            return {
                name: self.plain(getattr(value, name), name)
                for name in value.__slots__
                if name not in NOT_COMPARED
            }
        if isinstance(value, list):
            return [self.plain(item, field) for item in value]
        if field == "records" and value is not None:
            return self.plain_batches(bytes(value))
        if field in TEXTS or field == "cluster_id":
            return value if value is None else "a text"
        if field == "log_append_time_ms" and value > 0:
            return "now"
        if isinstance(value, bool):
            return value
        if (
            isinstance(value, UUID)
            or (field in NAMED and value >= FIRST_ID.get(field, 0))
            or isinstance(value, str)
        ):
            return value if value in ("", ZERO_UUID) else self._name(value, field)
        return bytes(value) if isinstance(value, memoryview | bytearray) else value

    def _name(self, value: Any, field: str) -> Any:
        if isinstance(value, str):
            return self._names.get(value, value)
        return self._names.setdefault(value, f"{field} {len(self._names)}")

    def plain_batches(self, data: bytes) -> list[Any]:
        """Return the whole batches; Kafka may cut off the last one, which clients ignore."""
        batches: list[Any] = []
        while len(data) >= HEADER_SIZE:
            header = parse_header(data)
            if header.size > len(data):
                break
            shown = header._asdict()
            shown["producer_id"] = self.plain(header.producer_id, "producer_id")
            del shown["crc"]
            if header.attributes & 8:
                shown["max_timestamp"] = "now"
            records: Any = data[HEADER_SIZE : header.size]
            if header.attributes & CONTROL_BIT:
                # The epoch of the coordinator, before the count of headers, is the higher the more
                # often Kafka's broker was late with its heartbeats.
                epoch = "epoch of the coordinator", records[-5:-1]
                records = records[:-5], self._name(epoch, epoch[0])
            batches.append((shown, records))
            data = data[header.size :]
        return batches


Scenario = Callable[[Side], Any]


class Sides:
    """A real Kafka and a bus of ours."""

    def __init__(self, kafka: Side, bus: Side) -> None:
        self.kafka, self.bus = kafka, bus

    def compare(self, scenario: Scenario) -> Any:
        """Play a scenario on both and return what both have answered.

        Raises:
            AssertionError: they differ.
        """
        try:
            expected = scenario(self.kafka)
            actual = scenario(self.bus)
        finally:
            self.kafka.clean_up()
            self.bus.clean_up()
        if actual != expected:
            raise AssertionError(
                "\n".join(
                    difflib.unified_diff(
                        pformat(expected, width=100).splitlines(),
                        pformat(actual, width=100).splitlines(),
                        "kafka",
                        "fakebus",
                        n=2,
                        lineterm="",
                    )
                )
            )
        return expected
