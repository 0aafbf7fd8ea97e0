"""Walks that read less of records than all."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fakebus.records.builder import build_batch
from fakebus.records.codecs import Codec
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord
from fakebus.records.walk import may_have_headers

SIZES = (0, 1, 61, 62, 63, 64, 65, 8189, 8190, 8191, 8192, 1_048_576)
PARTS = st.none() | st.binary(max_size=200) | st.sampled_from(SIZES).map(bytes)
HEADERS = st.lists(st.tuples(st.sampled_from(["a", ""]), st.none() | st.binary(max_size=3)))
RECORDS = st.builds(NewRecord, PARTS, PARTS, st.just([]) | HEADERS, st.sampled_from([0, 5, 10**12]))


@given(st.lists(RECORDS, min_size=1, max_size=5))
def test_headers_are_found_without_reading_records(records: list[NewRecord]) -> None:
    batch = build_batch(records)
    assert may_have_headers(batch) == any(record.headers for record in read_records(batch))


@given(st.binary(max_size=300), st.integers(0, 60))
@example(b"\xff\xff\xff\xff\x0f" * 20, 0)
@example(b"\x01" * 50, 0)
def test_bytes_that_are_no_records_are_told_or_passed(data: bytes, kept: int) -> None:
    whole = bytes(build_batch([NewRecord(b"k", b"v")]))
    assert may_have_headers(whole[: len(whole) - kept] + data) in (True, False)
    assert may_have_headers(data[:60])


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.LZ4])
def test_packed_batches_may_have_headers(codec: Codec) -> None:
    assert may_have_headers(build_batch([NewRecord(b"k", b"v")], codec=codec))
