"""The header of record batches: parsing, CRC, patching in place."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest

from fakebus.records.batch import (
    HEADER_SIZE,
    BatchHeader,
    TimestampType,
    assign_offset,
    check_whole,
    clear_timestamp_type,
    compute_crc,
    count_sound,
    invalid_crcs,
    measure_run,
    parse_header,
    set_log_append_time,
)
from fakebus.records.checksum import crc32c
from fakebus.records.codecs import Codec
from fakebus.records.errors import CorruptBatchError, InvalidBatchError, UnsupportedCodecError

# One record (key b"key", value b"value", timestamp 1700000000000) as the Java client writes it.
ONE_RECORD = bytes.fromhex(
    "0000000000000000"
    "00000040"
    "ffffffff"
    "02"
    "00000000"
    "0000"
    "00000000"
    "0000018bcfe56800"
    "0000018bcfe56800"
    "ffffffffffffffff"
    "ffff"
    "ffffffff"
    "00000001"
    "1c"
    "00"
    "00"
    "00"
    "06"
    "6b6579"
    "0a"
    "76616c7565"
    "00"
)


def one_record() -> bytearray:
    batch = bytearray(ONE_RECORD)
    struct.pack_into(">i", batch, 8, len(batch) - 12)
    struct.pack_into(">I", batch, 17, crc32c(memoryview(batch)[21:], 0))
    return batch


def header(**changes: int) -> BatchHeader:
    return parse_header(one_record())._replace(**changes)


def test_crc32c_gives_the_published_check_value() -> None:
    assert crc32c(b"123456789", 0) == 0xE3069283
    assert crc32c(memoryview(b"_123456789")[1:], 0) == 0xE3069283


def test_importing_the_checksum_does_not_import_the_packages_metadata() -> None:
    program = (
        "import sys, fakebus.records.batch\n"
        "assert 'importlib.metadata' not in sys.modules and 'crc32c' not in sys.modules\n"
        "import crc32c\n"
        "assert crc32c.crc32c(b'123456789') == 0xE3069283 and crc32c.__version__\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    "before",
    ["import crc32c", "from importlib.machinery import PathFinder; PathFinder.find_spec = find"],
    ids=["the package is there already", "the package has no extension of that name"],
)
def test_the_checksum_is_the_packages_own_where_that_is_the_only_way(before: str) -> None:
    program = (
        "import sys\n"
        "from importlib.machinery import PathFinder\n"
        "original = PathFinder.find_spec\n"
        "def find(name, path=None, target=None):\n"
        "    direct = sys._getframe(1).f_globals['__name__'] == 'fakebus.records.checksum'\n"
        "    return None if direct else original(name, path, target)\n"
        f"{before}\n"
        "import fakebus.records.checksum, crc32c\n"
        "assert fakebus.records.checksum.crc32c is crc32c.crc32c\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_every_field_of_the_header_is_parsed_at_its_place() -> None:
    values = (2**40, 49, 7, 2, 0xDEADBEEF, 0x3B, 5, -2, 2**41, 2**42, 31000, 2**31 - 1, 6)
    packed = b"???" + struct.pack(">qiibIhiqqqhii", *values)
    assert parse_header(packed, 3) == BatchHeader(*values)
    assert HEADER_SIZE == 61


@pytest.mark.parametrize("length", [0, 1, 60])
def test_a_cut_off_header_is_corrupt(length: int) -> None:
    with pytest.raises(CorruptBatchError):
        parse_header(one_record()[:length])
    assert invalid_crcs([one_record()[:length]])


def test_a_header_before_the_buffer_is_corrupt() -> None:
    with pytest.raises(CorruptBatchError):
        parse_header(bytes(200), -100)


@pytest.mark.parametrize(
    ("attributes", "transactional", "horizon", "timestamp_type", "codec"),
    [
        (0x00, False, False, TimestampType.CREATE_TIME, Codec.NONE),
        (0x09, False, False, TimestampType.LOG_APPEND_TIME, Codec.GZIP),
        (0x12, True, False, TimestampType.CREATE_TIME, Codec.SNAPPY),
        (0x33, True, False, TimestampType.CREATE_TIME, Codec.LZ4),
        (0x44, False, True, TimestampType.CREATE_TIME, Codec.ZSTD),
    ],
)
def test_the_bits_of_the_attributes_are_named(
    attributes: int,
    transactional: bool,
    horizon: bool,
    timestamp_type: TimestampType,
    codec: Codec,
) -> None:
    parsed = header(attributes=attributes)
    assert parsed.is_transactional is transactional
    assert parsed.has_delete_horizon is horizon
    assert parsed.timestamp_type is timestamp_type
    assert parsed.codec is codec


@pytest.mark.parametrize("number", [5, 6, 7])
def test_a_codec_number_without_a_meaning_is_refused_by_its_number(number: int) -> None:
    with pytest.raises(UnsupportedCodecError, match=f"codec {number}"):
        _ = header(attributes=number).codec


def test_the_last_offset_and_the_last_sequence_follow_from_the_delta() -> None:
    parsed = header(base_offset=100, last_offset_delta=9, base_sequence=40)
    assert parsed.last_offset == 109
    assert parsed.last_sequence == 49


@pytest.mark.parametrize(
    ("base", "delta", "last"),
    [
        (2**31 - 1, 0, 2**31 - 1),
        (2**31 - 1, 1, 0),
        (2**31 - 3, 5, 2),
        (-1, 4, -1),
    ],
)
def test_the_sequence_wraps_to_zero_after_the_largest_int32(
    base: int, delta: int, last: int
) -> None:
    assert header(base_sequence=base, last_offset_delta=delta).last_sequence == last


def test_a_changed_bit_behind_the_crc_is_noticed() -> None:
    batch = one_record()
    assert not invalid_crcs([batch])
    assert compute_crc(batch) == parse_header(batch).crc
    batch[-1] ^= 1
    assert invalid_crcs([batch])


@pytest.mark.parametrize("wrap", [bytearray, lambda batch: memoryview(batch)])
def test_offset_and_leader_epoch_are_assigned_without_touching_anything_else(wrap: object) -> None:
    batch = one_record()
    before = parse_header(batch)
    assign_offset(wrap(batch) if wrap is not bytearray else batch, 2**50, 12)  # type: ignore[operator]
    assert parse_header(batch) == before._replace(base_offset=2**50, partition_leader_epoch=12)
    assert batch[61:] == one_record()[61:]
    assert not invalid_crcs([batch])


def test_log_append_time_sets_the_type_and_the_max_timestamp_and_renews_the_crc() -> None:
    batch = one_record()
    before = parse_header(batch)
    set_log_append_time(batch, 1800000000123)
    after = parse_header(batch)
    assert after.timestamp_type is TimestampType.LOG_APPEND_TIME
    assert after.max_timestamp == 1800000000123
    assert after == before._replace(
        attributes=before.attributes | 8, max_timestamp=1800000000123, crc=after.crc
    )
    assert not invalid_crcs([batch])


def test_clearing_the_timestamp_type_undoes_only_that_bit() -> None:
    batch = one_record()
    batch[22] = 0x1A
    clear_timestamp_type(batch)
    assert batch[22] == 0x12
    assert not invalid_crcs([batch])


def test_clearing_a_timestamp_type_that_is_not_set_leaves_even_a_wrong_crc() -> None:
    batch = one_record()
    batch[17:21] = b"\0\0\0\0"
    before = bytes(batch)
    clear_timestamp_type(batch)
    assert batch == before


def test_a_whole_batch_is_exactly_as_long_as_its_header_says() -> None:
    batch = one_record()
    assert check_whole(batch) == parse_header(batch)
    with pytest.raises(CorruptBatchError, match="cut off"):
        check_whole(batch[:-1])
    with pytest.raises(InvalidBatchError, match="bytes were sent"):
        check_whole(batch + b"\0")


@pytest.mark.parametrize("magic", [0, 1, 3, -1])
def test_other_record_formats_are_refused_by_name(magic: int) -> None:
    batch = one_record()
    struct.pack_into("b", batch, 16, magic)
    with pytest.raises(InvalidBatchError, match=f"format {magic} "):
        check_whole(batch)


@pytest.mark.parametrize("place", [7, 11, 16, 17, 22, HEADER_SIZE])
def test_batches_are_sound_up_to_the_first_in_which_a_byte_has_changed(place: int) -> None:
    batches = [(offset, one_record()) for offset in range(3)]
    for offset, data in batches:
        assign_offset(data, offset, 4)
    assert count_sound(batches) == 3
    batches[1][1][place] ^= 1
    assert count_sound(batches) == 1


@pytest.mark.parametrize("place", [7, 11, 16, 17, 22, 26, HEADER_SIZE])
def test_a_run_of_batches_is_measured_if_all_are_sound(place: int) -> None:
    batches = [one_record() for _ in range(3)]
    for offset, data in enumerate(batches):
        assign_offset(data, offset, 4)
    assert measure_run(b"".join(batches), 0) == (3, 3)
    assert measure_run(b"".join(batches[1:]), 1) == (2, 3)
    assert measure_run(b"".join(batches[::2]), 0)[0] == 0, "there is a gap"
    assert measure_run(b"".join(batches)[:-1], 0)[0] == 0
    assert measure_run(b"".join(batches) + b"\0", 0)[0] == 0
    assert measure_run(b"".join(batches), 1)[0] == 0
    assert measure_run(b"", 5) == (0, 5)
    batches[1][place] ^= 1
    assert measure_run(b"".join(batches), 0)[0] == 0


@pytest.mark.parametrize("length", [-1, -13, 0, 9, 10, 1 << 30])
def test_a_run_with_a_length_that_cannot_be_has_an_end(length: int) -> None:
    batch = one_record()
    struct.pack_into(">i", batch, 8, length)
    assert measure_run(bytes(batch), 0)[0] == 0


def test_a_run_does_not_go_on_within_the_head_of_a_batch() -> None:
    batch = one_record()[:61]
    # The checksum of nothing is 0.
    struct.pack_into(">i", batch, 8, 9)
    struct.pack_into(">I", batch, 17, 0)
    assert measure_run(bytes(batch), 0) == (0, 0)


def test_a_batch_that_is_cut_off_is_not_sound() -> None:
    assert count_sound([(0, one_record()[:-1])]) == 0
    assert count_sound([(0, one_record()[:20])]) == 0
    assert count_sound([]) == 0
