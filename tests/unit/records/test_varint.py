"""Zigzag varints against the table of Protocol Buffers."""

from __future__ import annotations

import pytest

from fakebus.records.errors import InvalidBatchError
from fakebus.records.varint import encode_varint, read_varint, read_varlong

TABLE = [
    (0, "00"),
    (-1, "01"),
    (1, "02"),
    (-2, "03"),
    (63, "7e"),
    (-64, "7f"),
    (64, "8001"),
    (-65, "8101"),
    (4095, "fe3f"),
    (4096, "8040"),
    (8192, "808001"),
    (2**31 - 1, "feffffff0f"),
    (-(2**31), "ffffffff0f"),
]
LONG_TABLE = [
    (2**31, "8080808010"),
    (-(2**31) - 1, "8180808010"),
    (2**63 - 1, "feffffffffffffffff01"),
    (-(2**63), "ffffffffffffffffff01"),
]


@pytest.mark.parametrize(("value", "encoded"), TABLE)
def test_int32_values_have_their_published_form(value: int, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert encode_varint(value) == data
    assert read_varint(b"\xff" + data + b"\xff", 1) == (value, 1 + len(data))


@pytest.mark.parametrize(("value", "encoded"), TABLE + LONG_TABLE)
def test_int64_values_have_their_published_form(value: int, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert encode_varint(value) == data
    assert read_varlong(b"\xff" + data + b"\xff", 1) == (value, 1 + len(data))


def test_an_int32_takes_at_most_five_bytes() -> None:
    with pytest.raises(InvalidBatchError, match="5 bytes"):
        read_varint(b"\x80" * 5 + b"\x00", 0)
    assert read_varint(b"\x80" * 4 + b"\x00", 0) == (0, 5)


def test_an_int64_takes_at_most_ten_bytes() -> None:
    with pytest.raises(InvalidBatchError, match="10 bytes"):
        read_varlong(b"\x80" * 10 + b"\x00", 0)
    assert read_varlong(b"\x80" * 9 + b"\x00", 0) == (0, 10)


@pytest.mark.parametrize("read", [read_varint, read_varlong])
@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff\xff"])
def test_an_integer_that_the_data_cut_off_is_an_index_error(read: object, data: bytes) -> None:
    with pytest.raises(IndexError):
        read(data, 0)  # type: ignore[operator]


def test_bits_above_the_width_are_dropped_as_in_java() -> None:
    assert read_varint(b"\xff\xff\xff\xff\x7f", 0)[0] == -(2**31)
    assert read_varlong(b"\xff" * 9 + b"\x7f", 0)[0] == -(2**63)
