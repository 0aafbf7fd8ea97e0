"""Framing: whatever way the bytes are cut, the frames are the same."""

from __future__ import annotations

import random
import struct

import pytest

from fakebus.protocol.codec import (
    BUFFER_GROWTH,
    FIRST_LARGE_BUFFER_BYTES,
    FIRST_RECEIVE_BUFFER_BYTES,
    LARGE_FRAME_BYTES,
    RECEIVE_BUFFER_BYTES,
    FrameReader,
    framed,
)
from fakebus.protocol.errors import DecodeError

SIZES = (8, 9, 100, LARGE_FRAME_BYTES - 1, LARGE_FRAME_BYTES, LARGE_FRAME_BYTES + 1, 300_000, 8)


def frames_of(stream: bytes, pieces: list[int]) -> list[bytes]:
    reader = FrameReader(1_000_000)
    found: list[bytes] = []
    position = 0
    while position < len(stream):
        want = pieces[position % len(pieces)]
        buffer = reader.get_buffer()
        assert len(buffer) > 0
        piece = stream[position : position + min(want, len(buffer))]
        buffer[: len(piece)] = piece
        position += len(piece)
        found += map(bytes, reader.received(len(piece)))
    return found


@pytest.fixture
def bodies() -> list[bytes]:
    randomness = random.Random(7)
    return [randomness.randbytes(size) for size in SIZES]


@pytest.mark.parametrize(
    "pieces", [[1_000_000], [1], [7], [4], [4096], [65536], [32768, 1, 5], [12, 70000]]
)
def test_frames_do_not_depend_on_how_the_stream_is_cut(
    bodies: list[bytes], pieces: list[int]
) -> None:
    stream = b"".join(struct.pack(">i", len(body)) + body for body in bodies)
    assert frames_of(stream, pieces) == bodies


def test_a_frame_owns_its_bytes(bodies: list[bytes]) -> None:
    reader = FrameReader(1_000_000)
    frames = []
    for fill in (b"a", b"b"):
        data = struct.pack(">i", 16) + fill * 16
        reader.get_buffer()[: len(data)] = data
        frames += reader.received(len(data))
    frames[0][0:1] = b"X"
    assert bytes(frames[0]) == b"X" + b"a" * 15
    assert bytes(frames[1]) == b"b" * 16


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\x16\x03\x01\x02", "speaks TLS"),
        (b"\x16\x03\x03\x00", "speaks TLS"),
        (b"GET /", "speaks HTTP"),
        (b"PRI * HTTP/2.0", "speaks HTTP"),
    ],
)
def test_another_protocol_is_told_by_its_name(data: bytes, told: str) -> None:
    with pytest.raises(DecodeError, match=told):
        frames_of(data, [len(data)])


@pytest.mark.parametrize("length", [-1, -(2**31), 0, 7, 1_000_001, 2**31 - 1])
def test_an_impossible_length_is_refused_before_memory_is_taken(length: int) -> None:
    reader = FrameReader(1_000_000)
    reader.get_buffer()[:4] = struct.pack(">i", length)
    with pytest.raises(DecodeError):
        reader.received(4)


def test_a_large_frame_is_received_straight_into_its_own_buffer() -> None:
    reader = FrameReader(1_000_000)
    reader.get_buffer()[:4] = struct.pack(">i", 100_000)
    assert reader.received(4) == []
    buffer = reader.get_buffer()
    assert len(buffer) == 100_000
    buffer[:] = b"z" * 100_000
    (frame,) = reader.received(100_000)
    assert frame is buffer.obj


def test_the_buffer_of_a_large_frame_grows_only_as_bytes_come() -> None:
    length = 100_000_000
    reader = FrameReader(length)
    reader.get_buffer()[:4] = struct.pack(">i", length)
    reader.received(4)
    came = 0
    while came < 3_000_000:
        room = len(reader.get_buffer())
        assert came + room <= max(FIRST_LARGE_BUFFER_BYTES, BUFFER_GROWTH * came)
        reader.get_buffer()[:] = bytes(room)
        assert reader.received(room) == []
        came += room


def test_the_buffer_of_a_large_frame_grows_without_a_copy_where_nobody_looks_at_it() -> None:
    reader = FrameReader(10_000_000)
    reader.get_buffer()[:4] = struct.pack(">i", 10_000_000)
    reader.received(4)
    first = reader.get_buffer().obj
    reader.received(FIRST_LARGE_BUFFER_BYTES)
    looked_at = reader.get_buffer()
    assert looked_at.obj is first
    looked_at[:] = b"z" * len(looked_at)
    reader.received(len(looked_at))
    grown = reader.get_buffer()
    assert grown.obj is not first, "what is looked at stays where it is"
    assert bytes(grown.obj).count(b"z") == len(looked_at)


def test_an_idle_connection_has_a_small_buffer_and_a_busy_one_a_large() -> None:
    reader = FrameReader(1_000_000)
    ping = struct.pack(">i", 8) + bytes(8)
    assert len(reader.get_buffer()) == FIRST_RECEIVE_BUFFER_BYTES
    reader.get_buffer()[: len(ping)] = ping
    assert len(reader.received(len(ping))) == 1
    assert len(reader.get_buffer()) == FIRST_RECEIVE_BUFFER_BYTES

    stream = ping * (FIRST_RECEIVE_BUFFER_BYTES // len(ping) + 1)
    reader.get_buffer()[:] = stream[:FIRST_RECEIVE_BUFFER_BYTES]
    reader.received(FIRST_RECEIVE_BUFFER_BYTES)
    assert len(reader.get_buffer()) >= RECEIVE_BUFFER_BYTES - FIRST_RECEIVE_BUFFER_BYTES


def test_a_small_response_is_one_buffer_and_a_large_one_is_not_copied() -> None:
    assert framed(b"hh", [b"abc", b"de"]) == [b"\0\0\0\x07hhabcde"]
    records = memoryview(bytes(100_000))
    parts = framed(b"hh", [b"abc", records])
    assert parts[0] == struct.pack(">i", 100_005) + b"hh"
    assert parts[2] is records
