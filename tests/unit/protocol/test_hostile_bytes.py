"""Bytes that a client would send only to do harm, or after it has lost its way."""

from __future__ import annotations

import tracemalloc

import pytest

from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.errors import DecodeError
from fakebus.protocol.primitives import MAX_ELEMENTS, uvarint_bytes


def refusal(api_key: ApiKey, version: int, wire: str | bytes) -> str:
    """Return what the codec says against a request body."""
    data = bytes.fromhex(wire) if isinstance(wire, str) else wire
    with pytest.raises(DecodeError) as caught:
        codec.decode_request(api_key, version, memoryview(data))
    return caught.value.what


def test_an_array_count_beyond_the_frame_allocates_nothing() -> None:
    frame = memoryview(bytes.fromhex("ffffffff0f") + bytes(20))
    codec.request_decoder(ApiKey.METADATA, 12)
    tracemalloc.start()
    with pytest.raises(DecodeError, match="4294967294 elements do not fit"):
        codec.decode_request(ApiKey.METADATA, 12, frame)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000


@pytest.mark.parametrize(
    ("version", "wire"), [(1, "7fffffff 0001 61"), (9, "ff01 02 61 00 00 00 00")]
)
def test_an_array_count_is_held_against_the_bytes_that_are_left(version: int, wire: str) -> None:
    assert "topics" in refusal(ApiKey.METADATA, version, wire)
    assert "do not fit" in refusal(ApiKey.METADATA, version, wire)


def test_arrays_of_numbers_are_held_against_their_size() -> None:
    wire = "0000 00000001 0001 61 7fffffff 00000000"
    assert "partition_indexes" in refusal(ApiKey.OFFSET_FETCH, 1, wire)


def test_the_number_of_elements_of_all_arrays_together_is_limited() -> None:
    half = MAX_ELEMENTS // 2
    topic = b"\x01" + uvarint_bytes(half + 1) + bytes(4 * half) + b"\x00"
    group = b"\x01\x00" + bytes(4) + uvarint_bytes(4) + topic * 3 + b"\x00"
    assert "partition_indexes" in refusal(ApiKey.OFFSET_FETCH, 9, b"\x02" + group + b"\x00\x00")


def test_the_smallest_structs_take_less_than_a_hundred_times_their_bytes() -> None:
    frame = uvarint_bytes(10_001) + b"\x01\x01\x00" * 10_000 + bytes(6)
    decode = codec.request_decoder(ApiKey.DELETE_RECORDS, 2)
    tracemalloc.start()
    request = decode(memoryview(frame))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(request.topics) == 10_000
    assert peak < 100 * len(frame)


@pytest.mark.parametrize(
    ("name", "api_key", "version", "wire"),
    [
        ("array", ApiKey.METADATA, 1, "fffffffe"),
        ("string", ApiKey.METADATA, 1, "00000001 fffe"),
        ("nullable string", ApiKey.PRODUCE, 3, "fffe 0000 00000000 00000000"),
        ("bytes", ApiKey.SASL_AUTHENTICATE, 0, "fffffffe"),
        (
            "records",
            ApiKey.PRODUCE,
            3,
            "ffff 0001 00000000 00000001 0001 61 00000001 00000000 80000000",
        ),
    ],
)
def test_a_negative_length_is_refused(name: str, api_key: ApiKey, version: int, wire: str) -> None:
    assert "-" in refusal(api_key, version, wire)


@pytest.mark.parametrize(
    ("api_key", "version", "wire"),
    [
        (ApiKey.METADATA, 0, "ffffffff"),
        (ApiKey.METADATA, 1, "00000001 ffff"),
        (ApiKey.METADATA, 9, "02 00 00 00 00 00 00"),
        (ApiKey.SASL_AUTHENTICATE, 0, "ffffffff"),
        (ApiKey.SASL_AUTHENTICATE, 2, "00 00"),
        (ApiKey.FIND_COORDINATOR, 4, "00 02 00 00"),
    ],
)
def test_null_is_refused_where_it_is_not_allowed(api_key: ApiKey, version: int, wire: str) -> None:
    what = refusal(api_key, version, wire)
    assert what.endswith(
        "must not be null" if version or api_key != ApiKey.METADATA else "of -1 elements"
    )


@pytest.mark.parametrize(
    "varint", ["ffffffffff0f", "8080808080 01", "ffffffff1f", "8080808010", "ffffffffffffffffff01"]
)
def test_a_varint_of_more_than_32_bits_is_refused(varint: str) -> None:
    assert "32 bits" in refusal(ApiKey.METADATA, 9, varint + "00" * 20)


def test_a_varint_may_be_longer_than_it_needs_to_be() -> None:
    request = codec.decode_request(
        ApiKey.METADATA, 9, memoryview(bytes.fromhex("8280808000 82 00 61 00 01 00 00 00"))
    )
    assert request.topics[0].name == "a"


def test_a_string_is_utf_8() -> None:
    assert "UTF-8" in refusal(ApiKey.METADATA, 1, "00000001 0002 c328")
    assert "UTF-8" in refusal(ApiKey.METADATA, 9, "02 03 c328 00 01 00 00 00")


def test_a_compact_string_is_no_longer_than_an_int16_can_say() -> None:
    data = uvarint_bytes(0x8001) + b"x" * 0x8000 + b"\x01\x00"
    assert "too long" in refusal(ApiKey.API_VERSIONS, 3, data)


def test_a_string_ends_inside_the_frame() -> None:
    assert "name ends beyond" in refusal(ApiKey.METADATA, 1, "00000001 0005 6162")


UNKNOWN_TAGS = "02 14 03 010203 15 00"
"""Tag 20 of three bytes and tag 21 of none."""


def test_unknown_tagged_fields_are_skipped() -> None:
    request = codec.decode_request(
        ApiKey.METADATA,
        9,
        memoryview(bytes.fromhex(f"02 02 61 {UNKNOWN_TAGS} 01 00 00 {UNKNOWN_TAGS}")),
    )
    assert request.topics[0].name == "a"
    assert request.allow_auto_topic_creation is True


def test_unknown_tagged_fields_are_skipped_among_known_ones() -> None:
    body = "00000000 00000000 00000000 00 00000000 00000000 01 01 01"
    tags = "03 00 02 02 63 20 03 010203 01 0d 00000001 0000000000000002 00"
    request = codec.decode_request(ApiKey.FETCH, 15, memoryview(bytes.fromhex(body + tags)))
    assert request.cluster_id == "c"
    assert request.replica_state.replica_epoch == 2


def test_of_a_tagged_field_that_comes_twice_the_last_one_counts() -> None:
    body = "00000000 00000000 00000000 00 00000000 00000000 01 01 01"
    tags = "02 00 02 02 63 00 02 02 64"
    request = codec.decode_request(ApiKey.FETCH, 15, memoryview(bytes.fromhex(body + tags)))
    assert request.cluster_id == "d"


@pytest.mark.parametrize("size", ["01", "03"])
def test_a_known_tagged_field_has_the_size_that_it_says(size: str) -> None:
    body = "00000000 00000000 00000000 00 00000000 00000000 01 01 01"
    what = refusal(ApiKey.FETCH, 15, f"{body} 01 00 {size} 02 63 00 00 00")
    assert "another size" in what


@pytest.mark.parametrize(
    "section", ["01 14 05 0102", "01 14 ffffffff0f", "ffffffff0f 14 00", "05 14 00", "ff"]
)
def test_a_tag_section_ends_inside_the_frame(section: str) -> None:
    refusal(ApiKey.METADATA, 9, f"00 01 00 00 {section}")


def test_a_known_tagged_field_ends_inside_the_frame() -> None:
    body = "00000000 00000000 00000000 00 00000000 00000000 01 01 01"
    assert "ends beyond" in refusal(ApiKey.FETCH, 15, f"{body} 01 00 20 02 63")


def test_any_byte_but_zero_is_true() -> None:
    request = codec.decode_request(ApiKey.METADATA, 4, memoryview(b"\x00\x00\x00\x00\x02"))
    assert request.allow_auto_topic_creation is True


def test_the_error_says_where_it_happened() -> None:
    with pytest.raises(DecodeError) as caught:
        codec.decode_request(ApiKey.METADATA, 1, memoryview(b"??\x00\x00\x00\x01\x00\x05abc"), 2)
    assert caught.value.offset == 8
    assert str(caught.value) == "at byte 8: name ends beyond the frame, 3 bytes are left"


def test_an_offset_beyond_the_frame_is_refused() -> None:
    with pytest.raises(DecodeError):
        codec.decode_request(ApiKey.METADATA, 9, memoryview(b"ab"), 7)


def test_unknown_tagged_fields_count_as_elements() -> None:
    tags = uvarint_bytes(MAX_ELEMENTS) + b"\x7f\x00" * MAX_ELEMENTS
    assert "tagged fields" in refusal(ApiKey.METADATA, 9, b"\x02\x02a" + tags + b"\x01\x00\x00\x00")
    with pytest.raises(DecodeError, match="tagged fields"):
        codec.decode_request_header(
            memoryview(b"\x00\x03\x00\x09\x00\x00\x00\x01\xff\xff" + tags[:2] + b"\x02")
        )


def test_repeated_tagged_fields_count_as_elements() -> None:
    body = bytes.fromhex("00000000 00000000 00000000 00 00000000 00000000 01 01 01")
    tags = uvarint_bytes(MAX_ELEMENTS + 1) + b"\x7f\x00" * (MAX_ELEMENTS + 1)
    assert "tagged fields" in refusal(ApiKey.FETCH, 15, body + tags)
