"""Record counts that their bytes bear out, and counts that lie."""

from __future__ import annotations

import struct

import pytest

from fakebus.records.batch import HEADER_SIZE, MAX_RECORDS, check_count, parse_header
from fakebus.records.builder import build_batch
from fakebus.records.codecs import Codec
from fakebus.records.errors import InvalidBatchError
from fakebus.records.record import NewRecord
from fakebus.records.varint import encode_varint

COUNT_AT = 57
SIZES = (0, 1, 56, 57, 63, 64, 200, 8_180, 8_200, 1_100_000)


def batch_of(sizes: tuple[int, ...], codec: Codec = Codec.NONE) -> bytearray:
    records = [NewRecord(key=None, value=b"v" * size, timestamp_ms=0) for size in sizes]
    return build_batch(records, codec=codec)


def check(batch: bytearray, count: int) -> None:
    changed = bytearray(batch)
    struct.pack_into(">i", changed, COUNT_AT, count)
    check_count(changed, parse_header(changed))


@pytest.mark.parametrize("codec", Codec)
def test_a_true_count_is_accepted(codec: Codec) -> None:
    for sizes in (SIZES, SIZES[::-1], (0,), (0,) * 5_000):
        check(batch_of(sizes, codec), len(sizes))


@pytest.mark.parametrize("off_by", [-9, -1, 1, 2, 1_000, 2**31 - 1 - len(SIZES)])
def test_a_count_of_plain_records_that_lies_is_refused(off_by: int) -> None:
    with pytest.raises(InvalidBatchError):
        check(batch_of(SIZES), len(SIZES) + off_by)


@pytest.mark.parametrize("codec", [codec for codec in Codec if codec])
def test_a_count_that_no_compression_makes_possible_is_refused(codec: Codec) -> None:
    for count in (30_000_000, 2**31 - 1):
        with pytest.raises(InvalidBatchError):
            check(batch_of((1,), codec), count)


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY])
def test_the_unpacked_size_that_a_codec_states_bounds_the_count(codec: Codec) -> None:
    batch = batch_of((93,), codec)
    check(batch, 101 // 7)
    with pytest.raises(InvalidBatchError):
        check(batch, 101 // 7 + 1)


@pytest.mark.parametrize(
    "records",
    [
        b"\0" * 7,
        b"\x01" * 7,
        b"\x0a" + bytes(6),
        b"\xff" * 7,
        b"\x81\x80\x80\x80\x00" + bytes(6),
        b"\xff\xff\xff\xff\x0f" + bytes(6),
        b"\xff\xff\xff\xff\x7f" + bytes(6),
    ],
    ids=["empty", "negative", "too short", "endless", "odd", "-2^31", "2^31-1"],
)
def test_a_record_of_an_impossible_length_is_refused(records: bytes) -> None:
    batch = batch_of((1,))[:HEADER_SIZE] + records
    with pytest.raises(InvalidBatchError):
        check(batch, 1)


def test_a_length_may_have_more_bytes_than_it_needs() -> None:
    body = bytes(3) + b"\x01\x01\x00"
    check(batch_of((1,))[:HEADER_SIZE] + b"\x8c\x80\x00" + body, 1)


@pytest.mark.parametrize("codec", [codec for codec in Codec if codec])
def test_damaged_compression_is_no_failure_of_the_check(codec: Codec) -> None:
    batch = batch_of((1, 2, 3), codec)
    refused = 0
    for end in range(HEADER_SIZE, len(batch)):
        try:
            check(batch[:end], 3)
        except InvalidBatchError:
            refused += 1
    # What cannot be unpacked is for the one who reads it; what can is counted.
    assert 0 < refused < len(batch) - HEADER_SIZE


MANY = 1_000


@pytest.mark.parametrize("size", [0, 1, 50, 57, 58, 90, 1_024, 9_000, 20_000])
@pytest.mark.parametrize("delta_ms", [0, 1, 90, 3_600_000, 2**41])
def test_many_records_are_counted_by_the_last_one(size: int, delta_ms: int) -> None:
    value = bytes(range(256)) * (size // 256 + 1)
    records = [
        NewRecord(key=None, value=value[:size], timestamp_ms=index and delta_ms)
        for index in range(MANY if size < 9_000 else 70)
    ]
    batch = build_batch(records)
    check(batch, len(records))
    for lie in (len(records) - 1, len(records) + 1, len(records) + 40):
        with pytest.raises(InvalidBatchError):
            check(batch, lie)


def test_a_tail_that_only_looks_like_the_last_record_does_not_count() -> None:
    # The value ends like a record of the wanted offset delta, as often as it likes.
    delta = encode_varint(MANY - 1)
    fake = b"\x0c\x00\x00" + delta + b"\x01\x00\x00"
    for value in (fake, fake * 200, delta * 5_000):
        batch = build_batch([NewRecord(key=None, value=value, timestamp_ms=0)] * 65)
        check(batch, 65)
        with pytest.raises(InvalidBatchError):
            check(batch, MANY)


def test_no_batch_has_more_than_a_million_records() -> None:
    records = b"\x0c" + bytes(3) + b"\x01\x01\x00"
    batch = batch_of((1,))[:HEADER_SIZE] + records * (MAX_RECORDS + 1)
    with pytest.raises(InvalidBatchError):
        check(batch, MAX_RECORDS + 1)
    check(batch[: -len(records)], MAX_RECORDS)
