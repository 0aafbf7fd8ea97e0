"""Taking records out of a batch, as compaction does."""

from __future__ import annotations

import pytest

from fakebus.records.batch import TimestampType, invalid_crcs, parse_header
from fakebus.records.builder import build_batch
from fakebus.records.codecs import Codec
from fakebus.records.compression import decompress
from fakebus.records.filtering import UnpackedBatch, without_records
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord, Record

RECORDS = [
    NewRecord(b"a", b"1", (("h", b"x"), ("n", None)), 1000),
    NewRecord(b"b", None, (), 900),
    NewRecord(b"a", b"", (), 2000),
    NewRecord(b"c", b"3" * 500, (("h", b""),), 1500),
]


def batch(codec: Codec = Codec.NONE, **options: object) -> bytearray:
    return build_batch(
        RECORDS,
        codec=codec,
        producer_id=7,
        producer_epoch=2,
        base_sequence=40,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("codec", Codec)
def test_what_stays_reads_as_before(codec: Codec) -> None:
    data = batch(codec)
    before = list(read_records(data))
    unpacked = UnpackedBatch(data)
    filtered = unpacked.with_records(unpacked.records[1:3])
    assert list(read_records(filtered)) == before[1:3]
    assert parse_header(filtered).codec is codec
    assert not invalid_crcs([filtered])


def test_offsets_and_sequence_of_the_batch_stay_and_times_follow_the_records() -> None:
    data = batch()
    unpacked = UnpackedBatch(data)
    old, new = parse_header(data), parse_header(unpacked.with_records(unpacked.records[:2]))
    for name in ("base_offset", "last_offset_delta", "producer_id", "producer_epoch"):
        assert getattr(new, name) == getattr(old, name)
    assert (new.base_sequence, new.last_sequence) == (40, 43)
    assert (new.record_count, new.base_timestamp, new.max_timestamp) == (2, 1000, 1000)


def test_keys_and_tombstones_are_told() -> None:
    found = UnpackedBatch(batch()).records
    assert [(r.offset, r.key, r.is_tombstone) for r in found] == [
        (0, b"a", False),
        (1, b"b", True),
        (2, b"a", False),
        (3, b"c", False),
    ]


def test_a_delete_horizon_takes_the_place_of_the_base_timestamp() -> None:
    unpacked = UnpackedBatch(batch())
    assert unpacked.delete_horizon_ms is None
    marked = unpacked.with_records(unpacked.records, delete_horizon_ms=86_400_000)
    header = parse_header(marked)
    assert header.has_delete_horizon
    assert (header.base_timestamp, header.max_timestamp) == (86_400_000, 2000)
    assert list(read_records(marked)) == list(read_records(batch()))
    assert UnpackedBatch(marked).delete_horizon_ms == 86_400_000


def test_log_append_time_is_that_of_the_batch() -> None:
    data = batch(timestamp_type=TimestampType.LOG_APPEND_TIME)
    unpacked = UnpackedBatch(data)
    filtered = unpacked.with_records(unpacked.records[:1])
    assert parse_header(filtered).max_timestamp == 2000
    assert list(read_records(filtered)) == [Record(0, 2000, b"a", b"1", (("h", b"x"), ("n", None)))]


def test_an_emptied_batch_keeps_what_its_producer_said() -> None:
    data = batch(Codec.GZIP)
    old = parse_header(data)
    empty = without_records(old)
    header = parse_header(empty)
    assert (len(empty), header.size, header.record_count) == (61, 61, 0)
    assert header.codec is Codec.NONE
    assert (header.base_timestamp, header.max_timestamp) == (-1, 2000)
    assert (header.last_offset, header.producer_id, header.last_sequence) == (3, 7, 43)
    assert not invalid_crcs([empty])
    assert list(read_records(empty)) == []


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.ZSTD, Codec.LZ4])
def test_the_level_of_compression_counts(codec: Codec) -> None:
    words = [NewRecord(b"%d" % (n * n), b"%d" % (n * 7919 % 1000) * 9) for n in range(400)]
    unpacked = UnpackedBatch(build_batch(words, codec=codec))
    fast = unpacked.with_records(unpacked.records, level=1)
    best = unpacked.with_records(unpacked.records, level=9)
    assert fast != best
    assert len(best) <= len(fast)
    assert decompress(codec, best[61:]) == decompress(codec, fast[61:])
