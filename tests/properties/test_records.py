"""Laws of record batches, on generated records and on damaged bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.records.batch import (
    assign_offset,
    check_count,
    invalid_crcs,
    parse_header,
    set_log_append_time,
)
from fakebus.records.builder import build_batch
from fakebus.records.codecs import Codec
from fakebus.records.compression import decompress, recompress
from fakebus.records.errors import RecordError
from fakebus.records.partitioner import PARTITIONERS
from fakebus.records.reader import (
    find_offset_for_timestamp,
    max_timestamp_record,
    read_records,
    records_without_key,
    validate_records,
)
from fakebus.records.record import NewRecord, Record
from fakebus.records.varint import encode_varint, read_varint, read_varlong

INT32 = st.integers(-(2**31), 2**31 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
TIMES = st.integers(-1, 2**42) | st.integers(1700000000000, 1700000001000)
NULLABLE_BYTES = st.none() | st.binary(max_size=300)
HEADERS = st.lists(st.tuples(st.text(max_size=10), NULLABLE_BYTES), max_size=4).map(tuple)
RECORDS = st.lists(
    st.builds(NewRecord, NULLABLE_BYTES, NULLABLE_BYTES, HEADERS, TIMES), min_size=1, max_size=30
)
CODECS = st.sampled_from(Codec)


def expected(records: list[NewRecord], base_offset: int) -> list[Record]:
    return [
        Record(base_offset + delta, timestamp, key, value, tuple(headers))
        for delta, (key, value, headers, timestamp) in enumerate(records)
    ]


@given(RECORDS, CODECS)
def test_the_count_of_every_batch_that_we_build_is_borne_out(
    records: list[NewRecord], codec: Codec
) -> None:
    batch = build_batch(records, codec=codec)
    check_count(batch, parse_header(batch))


@given(INT32)
def test_every_int32_survives_as_a_varint(value: int) -> None:
    data = encode_varint(value)
    assert read_varint(data, 0) == (value, len(data))


@given(INT64)
def test_every_int64_survives_as_a_varlong(value: int) -> None:
    data = encode_varint(value)
    assert read_varlong(data, 0) == (value, len(data))


@given(RECORDS, CODECS, st.integers(0, 2**60))
def test_what_is_built_is_read_back(
    records: list[NewRecord], codec: Codec, base_offset: int
) -> None:
    batch = build_batch(records, codec=codec)
    assign_offset(batch, base_offset, 3)
    assert not invalid_crcs([batch])
    assert list(read_records(memoryview(batch))) == expected(records, base_offset)
    assert validate_records(batch) == []


@given(RECORDS, CODECS, CODECS)
def test_recompressing_keeps_the_records_and_returns_to_the_same_bytes(
    records: list[NewRecord], source: Codec, target: Codec
) -> None:
    batch = build_batch(records, codec=source)
    changed = recompress(batch, target)
    assert not invalid_crcs([changed])
    assert list(read_records(changed)) == expected(records, 0)
    assert recompress(changed, source) == batch


@given(RECORDS, CODECS, TIMES)
def test_look_ups_agree_with_a_search_through_the_records(
    records: list[NewRecord], codec: Codec, timestamp: int
) -> None:
    batch = build_batch(records, codec=codec)
    pairs = [(record.offset, record.timestamp) for record in read_records(batch)]
    assert find_offset_for_timestamp(batch, timestamp) == next(
        (pair for pair in pairs if pair[1] >= timestamp), None
    )
    newest = max(time for _, time in pairs)
    assert max_timestamp_record(batch) == next(pair for pair in pairs if pair[1] == newest)
    assert parse_header(batch).max_timestamp == newest
    assert records_without_key(batch) == [
        index for index, record in enumerate(records) if record.key is None
    ]


@given(RECORDS, CODECS, st.integers(0, 2**62))
def test_log_append_time_reaches_every_record(
    records: list[NewRecord], codec: Codec, now_ms: int
) -> None:
    batch = build_batch(records, codec=codec)
    set_log_append_time(batch, now_ms)
    assert {record.timestamp for record in read_records(batch)} == {now_ms}
    assert not invalid_crcs([batch])


def read_in_every_way(batch: Any) -> None:
    for read in (
        lambda: list(read_records(batch, 10**6)),
        lambda: records_without_key(batch, 10**6),
        lambda: check_count(batch, parse_header(batch)),
        lambda: find_offset_for_timestamp(batch, 2**63 - 1, max_bytes=10**6),
        lambda: max_timestamp_record(batch, 10**6),
        lambda: validate_records(batch, 10**6),
        lambda: recompress(batch, Codec.GZIP, 10**6),
    ):
        try:
            read()
        except RecordError:
            continue


@settings(max_examples=120)
@given(RECORDS, CODECS, st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1))
def test_damaged_batches_are_read_or_refused_but_nothing_else(
    records: list[NewRecord], codec: Codec, damage: list[tuple[int, int]]
) -> None:
    batch = build_batch(records[:5], codec=codec)
    for position, byte in damage:
        batch[position % len(batch)] = byte
    read_in_every_way(batch)


@settings(max_examples=120)
@given(st.binary(max_size=200), CODECS, st.integers(-1, 40) | INT32, INT64)
def test_random_records_behind_a_fitting_header_are_read_or_refused(
    body: bytes, codec: Codec, count: int, base_offset: int
) -> None:
    batch = bytearray(build_batch([NewRecord(None, None)])[:61]) + body
    batch[8:12] = (49 + len(body)).to_bytes(4)
    batch[22] = codec
    batch[23:27] = (40).to_bytes(4)
    batch[57:61] = count.to_bytes(4, signed=True)
    assign_offset(batch, base_offset, 0)
    read_in_every_way(batch)


@settings(max_examples=120)
@given(st.binary(max_size=300))
def test_random_bytes_are_read_or_refused(data: bytes) -> None:
    read_in_every_way(data)


@pytest.mark.parametrize("codec", list(Codec))
@given(data=st.binary(max_size=300), max_bytes=st.integers(0, 400))
def test_unpacking_random_bytes_never_gives_more_than_allowed(
    codec: Codec, data: bytes, max_bytes: int
) -> None:
    try:
        unpacked = decompress(codec, data, max_bytes)
    except RecordError:
        return
    assert len(unpacked) <= max_bytes


@pytest.mark.parametrize("name", sorted(PARTITIONERS))
@given(key=st.none() | st.binary(max_size=100), count=st.integers(1, 10_000))
def test_a_partition_always_exists(name: str, key: bytes | None, count: int) -> None:
    partition = PARTITIONERS[name](key, count)
    if partition is None:
        assert not key
    else:
        assert 0 <= partition < count
