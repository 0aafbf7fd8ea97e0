"""What holds for every message, every version and every sequence of bytes."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from random import Random
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.compiler import message_decoder, message_encoder
from fakebus.protocol.errors import DecodeError
from fakebus.protocol.messages import MetadataRequest, MetadataRequestTopic
from fakebus.protocol.schema import MessageSchema
from fakebus.protocol.struct_classes import struct_class
from tests.properties.codec_messages import every_version, random_values, to_message

VERSIONS = list(every_version())


def encoded(message: MessageSchema, version: int, seed: object) -> bytes:
    values = random_values(Random(f"{seed}"), message.root, version)
    return b"".join(message_encoder(message, version)(to_message(message.root, values)))


def decode_or_refuse(message: MessageSchema, version: int, data: bytes) -> None:
    with suppress(DecodeError):
        message_decoder(message, version)(memoryview(data))


def test_every_message_in_every_version_is_read_as_it_was_written() -> None:
    for message, version in VERSIONS:
        for seed in range(4):
            values = random_values(Random(f"{version} {seed}"), message.root, version)
            original = to_message(message.root, values)
            data = b"".join(message_encoder(message, version)(original))
            decoded = message_decoder(message, version)(memoryview(data))
            assert decoded == original, f"{message.root.name} v{version}"


def test_default_messages_are_read_as_they_were_written() -> None:
    for message, version in VERSIONS:
        original = struct_class(message.root)()
        data = b"".join(message_encoder(message, version)(original))
        assert message_decoder(message, version)(memoryview(data)) == original


def test_every_truncation_is_refused() -> None:
    for message, version in VERSIONS:
        data = memoryview(encoded(message, version, seed="truncated"))
        decode = message_decoder(message, version)
        for size in range(min(len(data), 400)):
            with pytest.raises(DecodeError):
                decode(data[:size])


def test_bytes_behind_the_message_and_before_it_change_nothing() -> None:
    for message, version in VERSIONS:
        data = encoded(message, version, seed="surrounded")
        decode = message_decoder(message, version)
        surrounded = memoryview(b"\xff\x7f" + data + b"\x05\xff\xff\xff\xff\xff")
        assert decode(surrounded, 2) == decode(memoryview(data))


@settings(max_examples=600)
@given(
    index=st.integers(0, len(VERSIONS) - 1),
    seed=st.integers(0, 50),
    changes=st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.sampled_from([b"\xff", b"\x00", b"\x7f", b"\x80", b"\xff\xff\xff\xff\x0f"])
            | st.binary(max_size=5),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_mutated_messages_are_read_or_refused(
    index: int, seed: int, changes: list[tuple[int, bytes]]
) -> None:
    message, version = VERSIONS[index]
    data = encoded(message, version, seed)
    for place, patch in changes:
        at = place % (len(data) + 1)
        data = data[:at] + patch + data[at + len(patch) :]
    decode_or_refuse(message, version, data)


@settings(max_examples=600)
@given(index=st.integers(0, len(VERSIONS) - 1), data=st.binary(max_size=200))
@example(index=0, data=b"\xff" * 200)
def test_random_bytes_are_read_or_refused(index: int, data: bytes) -> None:
    message, version = VERSIONS[index]
    decode_or_refuse(message, version, data)


@pytest.mark.parametrize("filler", [b"\x00", b"\x01", b"\x02", b"\x7f", b"\x80", b"\xff"])
def test_no_frame_of_one_repeated_byte_takes_much_memory(filler: bytes) -> None:
    frame = memoryview(filler * 20_000)
    for message, version in VERSIONS:
        message_decoder(message, version)
        tracemalloc.start()
        decode_or_refuse(message, version, bytes(frame))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 20 * len(frame), f"{message.root.name} v{version}"


def test_uuids_are_what_was_sent_however_many_there_are() -> None:
    ids = [UUID(int=n) for n in range(3000)]
    original = MetadataRequest(topics=[MetadataRequestTopic(topic_id=each) for each in ids])
    data = b"".join(codec.encode_request(ApiKey.METADATA, 12, original))
    decoded = codec.decode_request(ApiKey.METADATA, 12, memoryview(data))
    assert [each.topic_id for each in decoded.topics] == ids
