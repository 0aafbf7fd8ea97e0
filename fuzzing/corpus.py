"""Frames to begin with: what real clients send, and one of every API and version."""

from __future__ import annotations

import base64
import json
import lzma
import random
import socket
import struct
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    CreatableTopic,
    CreateTopicsRequest,
    MetadataRequest,
    MetadataRequestTopic,
)
from fakebus.protocol.schema import StructSchema, api_keys, api_schema
from fakebus.protocol.struct_classes import struct_class
from fakebus.records.builder import build_batch
from fakebus.records.codecs import Codec
from fakebus.records.record import NewRecord

KEPT = Path(__file__).with_name("conversations.json.xz")
"""Written by ``python -m fuzzing.recording``."""


class Conversation(NamedTuple):
    """Requests that a client has sent by one connection."""

    frames: list[bytes]
    is_login: bool
    """Whether it begins with a login."""


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """Return that many bytes; EOFError when the other side has closed."""
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def of_clients(port: int) -> list[Conversation]:
    """Return what real clients have said to a bus, as if they spoke to this one."""
    kept = json.loads(lzma.decompress(KEPT.read_bytes()))
    now = ids_of_topics(port, list(kept["topics"]))
    ids = [(UUID(old).bytes, UUID(now[name]).bytes) for name, old in kept["topics"].items()]
    conversations = []
    for is_login, texts in kept["conversations"]:
        frames = [base64.b64decode(text) for text in texts]
        for old, new in ids:
            frames = [frame.replace(old, new) for frame in frames]
        conversations.append(Conversation(frames, is_login))
    return conversations


def ids_of_topics(port: int, names: list[str]) -> dict[str, str]:
    """Create topics with three partitions, and return their ids."""
    topics = [CreatableTopic(name=n, num_partitions=3, replication_factor=1) for n in names]
    create = CreateTopicsRequest(topics=topics, timeout_ms=10_000)
    ask_for = MetadataRequest(topics=[MetadataRequestTopic(name=name) for name in names])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        ask(connection, ApiKey.CREATE_TOPICS, 4, create)
        answer = ask(connection, ApiKey.METADATA, 12, ask_for)
    return {topic.name: str(topic.topic_id) for topic in answer.topics}


def ask(connection: socket.socket, api: ApiKey, version: int, message: object) -> Any:
    """Send a request and return the answer."""
    schema = api_schema(int(api))
    assert schema is not None
    frame = frame_of(int(api), version, message, schema.request.is_flexible(version))
    connection.sendall(struct.pack(">i", len(frame)) + frame)
    (length,) = struct.unpack(">i", read_exactly(connection, 4))
    header = len(codec.encode_response_header(int(api), version, 0))
    data = memoryview(read_exactly(connection, length))
    return codec.decode_response(int(api), version, data, header)


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
        return UUID(int=choice.choice((0, 1, choice.getrandbits(128))))
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
