"""Reading batches: records, look-ups, structural checks, and bytes made to hurt."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from fakebus.records.batch import TimestampType, assign_offset, set_log_append_time
from fakebus.records.builder import build_batch
from fakebus.records.codecs import Codec
from fakebus.records.errors import (
    CorruptBatchError,
    DecompressionError,
    InvalidBatchError,
    RecordError,
    UnsupportedCodecError,
)
from fakebus.records.reader import (
    RecordProblem,
    find_offset_for_timestamp,
    max_timestamp_record,
    read_records,
    records_without_key,
    validate_records,
)
from fakebus.records.record import NewRecord, Record
from fakebus.records.varint import encode_varint

READERS: list[Callable[[Any], Any]] = [
    lambda batch: list(read_records(batch)),
    records_without_key,
    lambda batch: find_offset_for_timestamp(batch, 2**63 - 1),
    max_timestamp_record,
    validate_records,
]
every_reader = pytest.mark.parametrize("reader", READERS)
every_decoder = pytest.mark.parametrize("reader", [READERS[0], READERS[1]])


def varints(*values: int) -> bytes:
    return b"".join(encode_varint(value) for value in values)


def record(body: bytes, length: int | None = None) -> bytes:
    return encode_varint(len(body) if length is None else length) + body


def keyed(delta: int, timestamp_delta: int = 0) -> bytes:
    return record(b"\0" + varints(timestamp_delta, delta, 1) + b"k" + varints(1) + b"v\0")


def batch_of(
    *records: bytes, count: int | None = None, last_offset_delta: int | None = None
) -> bytearray:
    """Return a batch around bytes that the builder would not write."""
    body = b"".join(records)
    count = len(records) if count is None else count
    last_offset_delta = len(records) - 1 if last_offset_delta is None else last_offset_delta
    return bytearray(
        struct.pack(
            ">qiibIhiqqqhii",
            *(0, 49 + len(body), -1, 2, 0, 0, last_offset_delta, 1000, 1000, -1, -1, -1, count),
        )
        + body
    )


def timed(*timestamps: int, base_offset: int = 100, **fields: Any) -> bytearray:
    batch = build_batch([NewRecord(b"k", b"v", (), time) for time in timestamps], **fields)
    assign_offset(batch, base_offset, 0)
    return batch


def test_records_carry_offset_timestamp_key_value_and_headers() -> None:
    batch = build_batch(
        [
            NewRecord(b"k", b"v", (("a", b"1"), ("a", None)), 7000),
            NewRecord(None, None, (), 6500),
        ]
    )
    assign_offset(batch, 42, 0)
    assert list(read_records(batch)) == [
        Record(42, 7000, b"k", b"v", (("a", b"1"), ("a", None))),
        Record(43, 6500, None, None, ()),
    ]


def test_records_are_decoded_one_by_one() -> None:
    batch = batch_of(keyed(0), record(b"\0" + varints(0, 1, -2, -1, 0)))
    records = read_records(batch)
    assert next(records).key == b"k"
    with pytest.raises(InvalidBatchError):
        next(records)


def test_records_that_are_passed_over_are_not_decoded_and_few_of_them_come() -> None:
    parts = [NewRecord(b"k", b"v%d" % n, (("h", b"x"),), timestamp_ms=9) for n in range(1003)]
    batch = build_batch(parts)
    found = list(read_records(batch, first_offset=1001))
    assert found[:3] == [Record(n, 9, None, None, ()) for n in (0, 500, 1000)]
    assert found[3:] == [Record(n, 9, b"k", b"v%d" % n, (("h", b"x"),)) for n in (1001, 1002)]


def test_where_places_do_not_tell_offsets_no_record_is_left_out() -> None:
    batch = batch_of(keyed(0), keyed(4), keyed(5), last_offset_delta=5)
    assert [each.offset for each in read_records(batch, first_offset=4)] == [0, 4, 5]


def test_the_header_is_checked_before_the_first_record_is_asked_for() -> None:
    with pytest.raises(CorruptBatchError):
        read_records(batch_of(keyed(0))[:-1])


def test_a_header_name_that_is_not_utf8_is_read_with_replacement_characters() -> None:
    body = b"\0" + varints(0, 0, -1, -1, 1, 2) + b"\xffn" + varints(-1)
    (found,) = read_records(batch_of(record(body)))
    assert found.headers == (("\ufffdn", None),)


def test_offsets_left_by_compaction_may_have_holes() -> None:
    batch = batch_of(keyed(3), keyed(9), last_offset_delta=20)
    assert [found.offset for found in read_records(batch)] == [3, 9]
    assert [problem.index for problem in validate_records(batch)] == [0, 1]


@pytest.mark.parametrize("codec", list(Codec))
def test_keyless_records_are_named_by_their_place(codec: Codec) -> None:
    keys = [b"a", None, b"", None, b"x" * 300]
    batch = build_batch([NewRecord(key, b"v" * 100) for key in keys], codec=codec)
    assert records_without_key(batch) == [1, 3]


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
@pytest.mark.parametrize(
    ("timestamp", "found"),
    [
        (0, (100, 5000)),
        (5000, (100, 5000)),
        (5001, (101, 7000)),
        (6000, (101, 7000)),
        (7000, (101, 7000)),
        (7001, (103, 9000)),
        (9000, (103, 9000)),
        (9001, None),
    ],
)
def test_a_time_finds_the_first_record_that_is_not_older_even_out_of_order(
    codec: Codec, timestamp: int, found: tuple[int, int] | None
) -> None:
    batch = timed(5000, 7000, 6000, 9000, 8000, codec=codec)
    assert find_offset_for_timestamp(batch, timestamp) == found


def test_records_below_the_start_of_the_log_are_passed_over() -> None:
    batch = timed(5000, 7000, 6000)
    assert find_offset_for_timestamp(batch, 5500, min_offset=102) == (102, 6000)
    assert find_offset_for_timestamp(batch, 5500, min_offset=103) is None


def test_under_log_append_time_every_record_has_the_batchs_time() -> None:
    batch = timed(5000, 7000, 6000)
    set_log_append_time(batch, 6500)
    assert [found.timestamp for found in read_records(batch)] == [6500] * 3
    assert find_offset_for_timestamp(batch, 6500) == (100, 6500)
    assert find_offset_for_timestamp(batch, 6501) is None
    assert max_timestamp_record(batch) == (100, 6500)


def test_the_newest_record_is_the_first_with_the_highest_time() -> None:
    assert max_timestamp_record(timed(5000, 9000, 6000, 9000)) == (101, 9000)
    assert max_timestamp_record(timed(-1, -1)) == (100, -1)


def test_a_batch_that_compaction_emptied_has_no_newest_record() -> None:
    empty = batch_of(last_offset_delta=4)
    assert list(read_records(empty)) == []
    assert find_offset_for_timestamp(empty, 0) is None
    with pytest.raises(InvalidBatchError, match="no record"):
        max_timestamp_record(empty)


def test_a_sound_batch_has_no_problems() -> None:
    assert validate_records(timed(1, 2, 3)) == []


def test_problems_name_their_records_and_the_rest_is_still_checked() -> None:
    batch = batch_of(
        keyed(0),
        keyed(2),
        record(b"\0" + varints(0, 2, -1, -1, 0) + b"rest"),
        record(b"\0" + varints(0, 3, -5, -1, 0)),
        keyed(4),
        last_offset_delta=4,
    )
    problems = validate_records(batch)
    assert [problem.index for problem in problems] == [1, 2, 3]
    assert problems[0] == RecordProblem(
        index=1, problem="the record's offset delta is 2, but its place 1"
    )
    assert "-5 bytes" in problems[2].problem


@every_reader
@pytest.mark.parametrize(
    ("count", "problem"),
    [
        (-1, "counts -1"),
        (1, "follow the last record"),
        (3, "end before"),
        (2**31 - 1, "end before"),
    ],
)
def test_a_wrong_record_count_is_refused(
    reader: Callable[[Any], Any], count: int, problem: str
) -> None:
    with pytest.raises(InvalidBatchError, match=problem):
        reader(batch_of(keyed(0), keyed(1), count=count))


@every_reader
@pytest.mark.parametrize("length", [0, -1, -(2**31), 100, 2**31 - 1])
def test_an_impossible_record_length_is_refused(reader: Callable[[Any], Any], length: int) -> None:
    body = b"\0" + varints(0, 0, -1, -1, 0)
    with pytest.raises(InvalidBatchError, match="cannot be"):
        reader(batch_of(record(body, length)))


def problem_of(reader: Callable[[Any], Any], batch: bytearray) -> str:
    try:
        found = reader(batch)
    except InvalidBatchError as error:
        return str(error)
    assert isinstance(found, list)
    assert isinstance(found[0], RecordProblem)
    return found[0].problem


@pytest.mark.parametrize("reader", [READERS[0], READERS[4]])
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (varints(0, 0, -2, -1, 0), "-2 bytes"),
        (varints(0, 0, 50, -1, 0), "50 bytes"),
        (varints(0, 0, -1, -2, 0), "-2 bytes"),
        (varints(0, 0, -1, 2**31 - 1, 0), f"{2**31 - 1} bytes"),
        (varints(0, 0, -1, -1, -1), "-1 headers"),
        (varints(0, 0, -1, -1, 2**31 - 1), f"{2**31 - 1} headers"),
        (varints(0, 0, -1, -1, 1, -1, -1), "must have a name"),
        (varints(0, 0, -1, -1, 1, 0, -7), "-7 bytes"),
        (varints(0, 0, -1, -1, 1, 0, 99), "99 bytes"),
        (varints(0, 0, -1, -1), "longer than its length"),
        (varints(0, 0, -1, -1, 0, 0), "add up"),
        (b"\x80" * 10 + b"\0" * 5, "10 bytes"),
        (varints(0, 0) + b"\x80" * 6, "5 bytes"),
    ],
)
def test_a_record_whose_parts_do_not_fit_is_refused(
    reader: Callable[[Any], Any], body: bytes, problem: str
) -> None:
    assert problem in problem_of(reader, batch_of(record(b"\0" + body)))


@pytest.mark.parametrize("delta", [-1, 2, -(2**31), 2**31 - 1])
@every_reader
def test_an_offset_outside_the_batch_is_refused(reader: Callable[[Any], Any], delta: int) -> None:
    batch = batch_of(keyed(delta), keyed(1))
    assert f"delta is {delta}" in problem_of(reader, batch)


@every_reader
def test_a_timestamp_beyond_64_bits_is_refused(reader: Callable[[Any], Any]) -> None:
    batch = batch_of(keyed(0, 2**63 - 1))
    assert "64 bits" in problem_of(reader, batch)


@every_reader
def test_an_offset_beyond_64_bits_is_refused(reader: Callable[[Any], Any]) -> None:
    batch = batch_of(keyed(0), keyed(1))
    assign_offset(batch, 2**63 - 1, 0)
    with pytest.raises(InvalidBatchError, match="largest offset"):
        reader(batch)


@pytest.mark.parametrize("length", [-2, 60])
def test_a_key_length_that_cannot_be_is_refused_by_the_key_check(length: int) -> None:
    batch = batch_of(record(b"\0" + varints(0, 0, length, -1, 0)))
    with pytest.raises(InvalidBatchError, match=str(length)):
        records_without_key(batch)


def test_records_that_share_bytes_through_false_lengths_do_not_multiply_the_work() -> None:
    # Each record claims 30000 headers that would lie in the records behind it.
    body = b"\0" + varints(0, 0, -1, -1, 30000)
    batch = batch_of(*[record(body)] * 5000)
    problems = validate_records(batch)
    assert len(problems) == 5000
    assert "30000 headers" in problems[0].problem


@every_reader
def test_records_that_unpack_to_too_much_are_refused(reader: Callable[[Any], Any]) -> None:
    bomb = build_batch([NewRecord(b"k", bytes(64 * 2**20))], codec=Codec.ZSTD)
    assert len(bomb) < 10_000
    with pytest.raises(DecompressionError, match="allowed"):
        reader(bomb)


@every_reader
def test_an_unknown_codec_is_refused(reader: Callable[[Any], Any]) -> None:
    batch = timed(1)
    batch[22] |= 5
    with pytest.raises(UnsupportedCodecError, match="codec 5"):
        reader(batch)


@every_reader
def test_every_cut_of_a_batch_is_refused(reader: Callable[[Any], Any]) -> None:
    batch = timed(1, 2)
    for size in range(len(batch)):
        with pytest.raises(RecordError):
            reader(batch[:size])


def test_a_batch_of_the_builder_can_be_marked_as_log_append_time() -> None:
    batch = timed(3, 5, timestamp_type=TimestampType.LOG_APPEND_TIME)
    assert [found.timestamp for found in read_records(batch)] == [5, 5]
