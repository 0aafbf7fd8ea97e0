"""What the builder writes beyond what the comparison with client libraries shows."""

from __future__ import annotations

import pytest

from fakebus.records.batch import TimestampType, invalid_crcs, parse_header
from fakebus.records.builder import build_batch, build_end_marker
from fakebus.records.codecs import Codec
from fakebus.records.errors import InvalidBatchError
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord


def test_the_header_says_what_was_asked_for() -> None:
    records = [NewRecord(None, b"a", (), 50), NewRecord(None, b"b", (), 40)]
    batch = build_batch(
        records,
        base_timestamp=30,
        codec=Codec.LZ4,
        producer_id=11,
        producer_epoch=12,
        base_sequence=13,
        transactional=True,
        control=True,
        timestamp_type=TimestampType.LOG_APPEND_TIME,
    )
    header = parse_header(batch)
    assert header._replace(batch_length=0, crc=0) == (
        *(0, 0, -1, 2, 0, 0x3B, 1, 30, 50, 11, 12, 13, 2),
    )
    assert header.size == len(batch)
    assert not invalid_crcs([batch])


def test_times_are_counted_from_the_first_record_unless_told_otherwise() -> None:
    records = [NewRecord(None, b"", (), 50), NewRecord(None, b"", (), 20)]
    for base_timestamp, expected in ((None, 50), (0, 0), (-5, -5)):
        batch = build_batch(records, base_timestamp=base_timestamp)
        assert parse_header(batch).base_timestamp == expected
        assert [record.timestamp for record in read_records(batch)] == [50, 20]


def test_records_without_a_time_have_minus_one() -> None:
    header = parse_header(build_batch([NewRecord(b"k", b"v")]))
    assert (header.base_timestamp, header.max_timestamp) == (-1, -1)


def test_a_batch_without_a_record_cannot_be_built() -> None:
    with pytest.raises(InvalidBatchError, match="at least one"):
        build_batch([])


@pytest.mark.parametrize("timestamp", [2**63, -(2**63) - 1])
def test_a_timestamp_beyond_64_bits_cannot_be_built(timestamp: int) -> None:
    with pytest.raises(InvalidBatchError, match="64 bits"):
        build_batch([NewRecord(None, b"", (), 0), NewRecord(None, b"", (), timestamp)])


@pytest.mark.parametrize("commit", [True, False])
def test_an_end_marker_is_a_transactional_control_batch_of_one_record(commit: bool) -> None:
    marker = build_end_marker(
        commit=commit, producer_id=5, producer_epoch=6, coordinator_epoch=7, timestamp_ms=8
    )
    header = parse_header(marker)
    assert header.attributes == 0x30
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (5, 6, -1)
    (record,) = read_records(marker)
    assert record.key == (b"\0\0\0\1" if commit else b"\0\0\0\0")
    assert record.timestamp == 8
