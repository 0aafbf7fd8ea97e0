"""Frames to begin with: what real clients send, and one of every API and version."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import uuid
from typing import Any

from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.schema import StructSchema, api_keys, api_schema
from fakebus.protocol.struct_classes import struct_class
from fakebus.records.builder import build_batch
from fakebus.records.codecs import Codec
from fakebus.records.record import NewRecord

PRODUCE = int(ApiKey.PRODUCE)
JOIN_GROUP = int(ApiKey.JOIN_GROUP)


class Recorder:
    """Proxy that passes bytes on and keeps the requests.

    Metadata answers name the proxy's own address, because the port is advertised by the bus as
    ``auto``: a client is told where it has connected to, which is the bus behind the proxy. So
    clients are given the proxy for each of their connections by rewriting that port.

    Args:
        host: of the bus.
        port: of the bus.
    """

    def __init__(self, host: str, port: int) -> None:
        self.frames: set[bytes] = set()
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._port = struct.pack(">i", port)
        self._own_port = struct.pack(">i", self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                bus = socket.create_connection(self._target)
                threading.Thread(target=self._requests, args=(client, bus), daemon=True).start()
                threading.Thread(target=self._answers, args=(bus, client), daemon=True).start()

    def _requests(self, client: socket.socket, bus: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                frame = _read_frame(client)
                self.frames.add(frame)
                bus.sendall(struct.pack(">i", len(frame)) + frame)
        _close(client, bus)

    def _answers(self, bus: socket.socket, client: socket.socket) -> None:
        host = self._target[0].encode()
        with contextlib.suppress(OSError, EOFError):
            while True:
                frame = _read_frame(bus).replace(host + self._port, host + self._own_port)
                client.sendall(struct.pack(">i", len(frame)) + frame)
        _close(client, bus)

    def close(self) -> None:
        self._listener.close()


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.close()


def _read_frame(connection: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", read_exactly(connection, 4))
    return read_exactly(connection, length)


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """Return that many bytes; EOFError when the other side has closed."""
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def from_clients(host: str, port: int) -> list[bytes]:
    """Return the requests of client libraries that do what clients do."""
    recorder = Recorder(host, port)
    for scenario in (_librdkafka, _kafka_python):
        scenario(recorder.address)
    recorder.close()
    return sorted(recorder.frames)


def _librdkafka(address: str) -> None:
    from confluent_kafka import Consumer, Producer, TopicPartition
    from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec

    servers = {"bootstrap.servers": address}
    admin = AdminClient(servers)
    topic = f"fuzz-{uuid.uuid4().hex[:8]}"
    for future in admin.create_topics([NewTopic(topic, 3, 1)]).values():
        future.result(10)
    for kind in ("none", "gzip", "snappy", "lz4", "zstd"):
        producer = Producer(
            servers | {"compression.type": kind, "enable.idempotence": True, "linger.ms": 5}
        )
        for number in range(20):
            producer.produce(topic, b"value %d" % number, b"key", headers={"h": b"x"})
        producer.flush(10)
    consumer = Consumer(
        servers | {"group.id": topic, "auto.offset.reset": "earliest", "group.instance.id": "one"}
    )
    consumer.subscribe([topic])
    for _ in range(20):
        consumer.poll(0.5)
    consumer.commit(asynchronous=False)
    consumer.offsets_for_times([TopicPartition(topic, 0, 5)], timeout=5)
    admin.describe_configs([ConfigResource("topic", topic)])[ConfigResource("topic", topic)].result(
        10
    )
    admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.latest()})[
        TopicPartition(topic, 0)
    ].result(10)
    admin.list_consumer_groups().result(10)
    admin.describe_consumer_groups([topic])[topic].result(10)
    consumer.close()
    admin.list_topics(timeout=10)


def _kafka_python(address: str) -> None:
    from kafka import KafkaConsumer, KafkaProducer
    from kafka.admin import KafkaAdminClient

    topic = f"fuzz-{uuid.uuid4().hex[:8]}"
    producer = KafkaProducer(bootstrap_servers=address)
    producer.send(topic, b"v", b"k").get(10)
    producer.close()
    consumer = KafkaConsumer(
        topic, bootstrap_servers=address, group_id=topic, auto_offset_reset="earliest"
    )
    consumer.poll(5000)
    consumer.commit()
    consumer.close()
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.describe_log_dirs()
    admin.describe_user_scram_credentials()
    admin.list_transactions()
    admin.close()


def of_every_api(choice: random.Random) -> list[bytes]:
    """Return requests of every API and version, with values that mean something."""
    frames = []
    for key in api_keys():
        schema = api_schema(key)
        if schema is None:
            continue
        versions = schema.request.versions
        for version in range(versions.min, versions.max + 1):
            message = filled(schema.request.root, version, choice)
            frames.append(frame_of(key, version, message, schema.request.is_flexible(version)))
    return frames


def frame_of(key: int, version: int, message: Any, flexible: bool) -> bytes:
    """Return a request's frame, without its length."""
    header = struct.pack(">hhih", key, version, 7, 4) + b"fuzz" + (b"\0" if flexible else b"")
    return header + b"".join(map(bytes, codec.encode_request(key, version, message)))


def filled(struct_schema: StructSchema, version: int, choice: random.Random) -> Any:
    """Return a message, or a struct of one, whose lists hold something."""
    message = struct_class(struct_schema)()
    for field in (*struct_schema.fields_in(version), *struct_schema.tagged_fields_in(version)):
        values = [
            filled(field.struct, version, choice)
            if field.struct is not None
            else value_of(field.name, field.type, choice)
            for _ in range(choice.choice((1, 1, 2, 3)) if field.is_array else 1)
        ]
        setattr(message, field.name, values if field.is_array else values[0])
    return message


def value_of(name: str, kind: str, choice: random.Random) -> Any:
    """Return a value that a field might have."""
    if kind == "rec":
        return a_batch(choice)
    if kind == "bytes":
        return choice.choice((b"", a_subscription(choice), a_scram_text(choice), b"\0" * 40))
    if kind == "str":
        return choice.choice(
            ("t", "fuzz", "g", "range", "consumer", "user", "cleanup.policy", "compact", "1")
        )
    if kind == "uuid":
        return uuid.UUID(int=choice.choice((0, 1, choice.getrandbits(128))))
    if kind == "bool":
        return choice.random() < 0.5
    if kind == "f64":
        return choice.choice((0.0, 1.5, float("nan")))
    if "max_wait" in name or "timeout" in name:
        return choice.choice((0, 10, 1000))
    bits = {"i8": 7, "i16": 15, "i32": 31, "i64": 63, "u16": 16}[kind]
    lowest = 0 if kind == "u16" else -1
    return choice.choice((lowest, 0, 0, 0, 1, 1, 2, 2**bits - 1))


def a_batch(choice: random.Random) -> bytearray:
    """Return a record batch in any compression."""
    records = [
        NewRecord(
            choice.choice((None, b"k")), choice.choice((None, b"v" * 30)), (("h", b"x"),), 1_000
        )
        for _ in range(choice.choice((1, 3, 200)))
    ]
    return build_batch(
        records,
        codec=choice.choice(list(Codec)),
        producer_id=choice.choice((-1, 5)),
        producer_epoch=0,
        base_sequence=choice.choice((0, 7)),
    )


def a_subscription(choice: random.Random) -> bytes:
    """Return a consumer's subscription or assignment."""
    name = struct.pack(">h", 1) + b"t"
    ends = (struct.pack(">i", -1), struct.pack(">ii", 1, 0), b"")
    return struct.pack(">hi", choice.choice((0, 1, 3)), 1) + name + choice.choice(ends)


def a_scram_text(choice: random.Random) -> bytes:
    """Return what a client sends when it logs in."""
    return choice.choice(
        (b"n,,n=fuzz,r=abc", b"c=biws,r=abcdef,p=" + b"A" * 44, b"\0fuzz\0secret", b"n,a=x,n=u,r=")
    )
