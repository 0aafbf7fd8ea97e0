"""Codecs: round trips, the framings that clients send, bounds, damage."""

from __future__ import annotations

import gzip
import struct
import sys
import zlib

import cramjam
import pytest

from fakebus.records.batch import invalid_crcs, parse_header
from fakebus.records.builder import build_batch
from fakebus.records.codecs import Codec
from fakebus.records.compression import codec_for_name, compress, decompress, recompress
from fakebus.records.errors import (
    CorruptBatchError,
    DecompressionError,
    RecordError,
    UnsupportedCodecError,
)
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord

COMPRESSING = [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]
TEXT = b"the quick brown fox jumps over the lazy dog. " * 3000


def xerial(*blocks: bytes) -> bytes:
    framed = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1)
    return framed + b"".join(struct.pack(">i", len(block)) + block for block in blocks)


def snappy_block(data: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(data))


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("data", [b"", b"x", TEXT], ids=["empty", "one byte", "text"])
def test_what_was_compressed_unpacks_to_the_same(codec: Codec, data: bytes) -> None:
    packed = compress(codec, data)
    assert bytes(decompress(codec, packed, max(len(data), 1))) == data
    assert bytes(decompress(codec, memoryview(bytes(packed)))) == data
    if codec and data is TEXT:
        assert len(packed) < len(data) / 4


@pytest.mark.parametrize("codec", list(Codec))
def test_unpacking_stops_at_the_callers_bound(codec: Codec) -> None:
    packed = compress(codec, TEXT)
    assert bytes(decompress(codec, packed, len(TEXT))) == TEXT
    with pytest.raises(DecompressionError, match=f"{len(TEXT) - 1} bytes"):
        decompress(codec, packed, len(TEXT) - 1)


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.LZ4, Codec.ZSTD])
def test_a_bomb_is_refused_and_a_large_but_allowed_batch_is_not(codec: Codec) -> None:
    zeros = bytes(5_000_000)
    packed = compress(codec, zeros)
    assert len(packed) < len(zeros) / 200
    with pytest.raises(DecompressionError):
        decompress(codec, packed, 1_000_000)
    assert decompress(codec, packed, 5_000_000) == zeros


@pytest.mark.parametrize("codec", COMPRESSING)
def test_damaged_data_are_a_decompression_error(codec: Codec) -> None:
    packed = bytes(compress(codec, TEXT))
    for damaged in (
        b"",
        packed[:-3],
        packed[: len(packed) // 2],
        packed + b"12345678",
        b"\x99" * 40,
    ):
        with pytest.raises(DecompressionError):
            decompress(codec, damaged)


def test_gzip_is_what_the_standard_library_reads_and_writes() -> None:
    assert gzip.decompress(bytes(compress(Codec.GZIP, TEXT))) == TEXT
    assert decompress(Codec.GZIP, gzip.compress(TEXT)) == TEXT


def test_zlib_data_without_gzips_header_are_refused() -> None:
    with pytest.raises(DecompressionError):
        decompress(Codec.GZIP, zlib.compress(TEXT))


def test_snappy_is_written_in_java_blocks_of_32_kib() -> None:
    packed = bytes(compress(Codec.SNAPPY, TEXT))
    starts = range(0, len(TEXT), 32768)
    assert packed == xerial(*(snappy_block(TEXT[start : start + 32768]) for start in starts))


def test_one_raw_snappy_block_is_read_as_librdkafka_sends_it() -> None:
    assert decompress(Codec.SNAPPY, snappy_block(TEXT)) == TEXT


def test_snappy_blocks_are_bounded_together_not_each() -> None:
    packed = xerial(snappy_block(b"a" * 600), snappy_block(b"b" * 600))
    assert decompress(Codec.SNAPPY, packed, 1200) == b"a" * 600 + b"b" * 600
    with pytest.raises(DecompressionError, match="allowed"):
        decompress(Codec.SNAPPY, packed, 1199)


def test_a_snappy_block_that_claims_4_gib_is_refused_before_any_memory_is_taken() -> None:
    with pytest.raises(DecompressionError, match="allowed"):
        decompress(Codec.SNAPPY, b"\xff\xff\xff\xff\x0f" + b"a" * 20)


@pytest.mark.parametrize("length", [-1, -(2**31), 0, 7, 2**31 - 1])
def test_impossible_lengths_of_snappy_blocks_are_refused(length: int) -> None:
    packed = xerial() + struct.pack(">i", length) + b"123456"
    with pytest.raises(DecompressionError, match=str(length)):
        decompress(Codec.SNAPPY, packed)


def test_a_snappy_stream_that_ends_inside_a_length_is_refused() -> None:
    with pytest.raises(DecompressionError, match="cut off"):
        decompress(Codec.SNAPPY, xerial(snappy_block(TEXT)) + b"\0\0")


def test_lz4_blocks_do_not_refer_to_each_other() -> None:
    # FLG byte of the frame: version 01, block independence set (KIP-57).
    packed = bytes(compress(Codec.LZ4, TEXT))
    assert packed[:4] == b"\x04\x22\x4d\x18"
    assert packed[4] & 0xE0 == 0x60


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("uncompressed", Codec.NONE),
        ("none", Codec.NONE),
        ("gzip", Codec.GZIP),
        ("snappy", Codec.SNAPPY),
        ("lz4", Codec.LZ4),
        ("zstd", Codec.ZSTD),
    ],
)
def test_a_codec_is_found_by_the_name_in_the_topics_config(name: str, codec: Codec) -> None:
    assert codec_for_name(name) is codec


@pytest.mark.parametrize("name", ["producer", "brotli", "", "GZIP"])
def test_an_unknown_codec_name_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(UnsupportedCodecError, match=repr(name)):
        codec_for_name(name)


@pytest.mark.parametrize("codec", [Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
def test_without_cramjam_the_error_names_the_package(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cramjam", None)
    with pytest.raises(UnsupportedCodecError, match="cramjam"):
        compress(codec, TEXT)
    with pytest.raises(UnsupportedCodecError, match="cramjam"):
        decompress(codec, TEXT)


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
def test_plain_and_gzip_records_do_not_need_cramjam(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cramjam", None)
    assert decompress(codec, compress(codec, TEXT)) == TEXT


@pytest.mark.parametrize("source", list(Codec))
@pytest.mark.parametrize("target", list(Codec))
def test_recompressing_changes_nothing_but_codec_length_and_crc(
    source: Codec, target: Codec
) -> None:
    records = [NewRecord(b"%d" % n, TEXT[:500], (("h", None),), 5000 - n) for n in range(20)]
    batch = build_batch(
        records,
        codec=source,
        producer_id=9,
        producer_epoch=1,
        base_sequence=70,
        transactional=True,
    )
    struct.pack_into(">q", batch, 0, 1234)
    struct.pack_into(">i", batch, 12, 8)
    before = bytes(batch)
    changed = recompress(batch, target)
    assert batch == before
    assert not invalid_crcs([changed])
    old, new = parse_header(batch), parse_header(changed)
    assert new.codec is target
    assert new.size == len(changed)
    assert new == old._replace(
        batch_length=new.batch_length, attributes=old.attributes & ~7 | target, crc=new.crc
    )
    assert list(read_records(changed)) == list(read_records(batch))


def test_recompressing_is_bounded_like_reading() -> None:
    batch = build_batch([NewRecord(None, bytes(100_000))], codec=Codec.ZSTD)
    with pytest.raises(DecompressionError):
        recompress(batch, Codec.GZIP, max_bytes=100_000)


def test_an_unknown_codec_in_the_header_cannot_be_recompressed() -> None:
    batch = build_batch([NewRecord(None, b"v")])
    batch[22] |= 6
    with pytest.raises(UnsupportedCodecError, match="codec 6"):
        recompress(batch, Codec.NONE)


def test_a_cut_off_batch_cannot_be_recompressed() -> None:
    batch = build_batch([NewRecord(None, b"v")])
    with pytest.raises(CorruptBatchError):
        recompress(batch[:-1], Codec.GZIP)
    assert issubclass(CorruptBatchError, RecordError)
