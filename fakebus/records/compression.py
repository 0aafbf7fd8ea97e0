"""Compression of a batch's records: gzip, snappy, lz4 and zstd, with bounded output.

gzip comes from the standard library, whose decompressor can be bounded exactly and whose
compressor is twice as fast as cramjam's. The others come from cramjam, imported on first use:
the broker hands most batches on as they came. Levels are the broker defaults of KIP-390.
"""

from __future__ import annotations

import zlib
from struct import Struct
from typing import TYPE_CHECKING, Any

from fakebus.records.batch import HEADER_SIZE, LENGTH_OVERHEAD, check_whole, write_crc
from fakebus.records.codecs import CODEC_MASK, XERIAL_HEADER, Codec, snappy_blocks
from fakebus.records.errors import DecompressionError, UnsupportedCodecError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakebus.types import Buffer

DEFAULT_MAX_BYTES = 64 * 1024 * 1024
"""What a batch may unpack to unless the caller says otherwise."""

_GZIP_WINDOW = 16 + zlib.MAX_WBITS  # 16 asks zlib for gzip's header and trailer
_GZIP_LEVEL = zlib.Z_DEFAULT_COMPRESSION
_LZ4_LEVEL = 9
_ZSTD_LEVEL = 3

# The stream of the snappy-java library ("xerial"), which Kafka's Java client writes: magic,
# version 1, readable since version 1, then blocks with their length in front. librdkafka
# sends one raw block without any of that.
_XERIAL_BLOCK_SIZE = 32 * 1024

_SMALLEST_OUTPUT = 64 * 1024
_OUTPUT_GROWTH = 8
# What Rust's standard library says when the output is full. cramjam has no other sign of it,
# and trying damaged data again with more room would cost 40 ms each time.
_OUTPUT_FULL = "failed to write whole buffer"

_INT16 = Struct(">h")
_INT32 = Struct(">i")
_BATCH_LENGTH_AT = 8
_ATTRIBUTES_AT = 21

_NAMES = {
    "uncompressed": Codec.NONE,
    "none": Codec.NONE,
    "gzip": Codec.GZIP,
    "snappy": Codec.SNAPPY,
    "lz4": Codec.LZ4,
    "zstd": Codec.ZSTD,
}


def codec_for_name(name: str) -> Codec:
    """Return the codec of a ``compression.type`` value (broker's or producer's spelling).

    Raises:
        UnsupportedCodecError: there is no such codec; "producer" is none either.
    """
    try:
        return _NAMES[name]
    except KeyError:
        raise UnsupportedCodecError(
            f"there is no compression codec {name!r}; known are {', '.join(_NAMES)}"
        ) from None


def compress(codec: Codec, data: Buffer, level: int | None = None) -> Buffer:
    """Return the data compressed in the form that every client reads.

    Args:
        codec: how to compress.
        data: records.
        level: for gzip, lz4 and zstd, as in Kafka's compression.*.level; the codec's default
            when left out.

    Raises:
        UnsupportedCodecError: the codec's library is not installed.
    """
    return _COMPRESSORS[codec](data, level)


def decompress(codec: Codec, data: Buffer, max_bytes: int = DEFAULT_MAX_BYTES) -> Buffer:
    """Return the unpacked data.

    Args:
        codec: how the data are compressed.
        data: the bytes behind a batch's header.
        max_bytes: refuse to unpack more than this.

    Raises:
        DecompressionError: the data are damaged, cut off, or too large when unpacked.
        UnsupportedCodecError: the codec's library is not installed.
    """
    return _DECOMPRESSORS[codec](data, max_bytes)


def recompress(
    batch: Buffer,
    codec: Codec | int,
    max_bytes: int = DEFAULT_MAX_BYTES,
    *,
    level: int | None = None,
) -> bytearray:
    """Return the batch with its records under another codec, all else as it was.

    Args:
        batch: exactly one batch.
        codec: the codec to change to.
        max_bytes: refuse records that unpack to more than this.
        level: see :func:`compress`.

    Raises:
        RecordError: the batch cannot be read, or a codec is not available.
    """
    header = check_whole(batch)
    records = decompress(header.codec, memoryview(batch)[HEADER_SIZE:], max_bytes)
    codec = Codec(codec)
    changed = bytearray(memoryview(batch)[:HEADER_SIZE])
    changed += compress(codec, records, level)
    _INT32.pack_into(changed, _BATCH_LENGTH_AT, len(changed) - LENGTH_OVERHEAD)
    _INT16.pack_into(changed, _ATTRIBUTES_AT, header.attributes & ~CODEC_MASK | codec)
    write_crc(changed)
    return changed


def _cramjam() -> Any:
    try:
        import cramjam
    except ImportError:
        raise UnsupportedCodecError(
            "snappy, lz4 and zstd need the package cramjam, which is not installed"
        ) from None
    return cramjam


def _too_large(max_bytes: int) -> DecompressionError:
    return DecompressionError(f"the records unpack to more than the allowed {max_bytes} bytes")


def _keep(data: Buffer, _level: int | None) -> Buffer:
    return data


def _keep_bounded(data: Buffer, max_bytes: int) -> Buffer:
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    return data


def _compress_gzip(data: Buffer, level: int | None) -> Buffer:
    return zlib.compress(data, _GZIP_LEVEL if level is None else level, _GZIP_WINDOW)


def _decompress_gzip(data: Buffer, max_bytes: int) -> Buffer:
    member = zlib.decompressobj(_GZIP_WINDOW)
    try:
        # One byte more than allowed, because zlib takes 0 for no limit at all.
        output = member.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise DecompressionError(f"the gzip records are damaged: {error}") from None
    if len(output) > max_bytes:
        raise _too_large(max_bytes)
    if not member.eof:
        raise DecompressionError("the gzip records are cut off")
    if member.unused_data:
        raise DecompressionError(f"{len(member.unused_data)} bytes follow the gzip records")
    return output


def _compress_snappy(data: Buffer, _level: int | None) -> Buffer:
    compress_block = _cramjam().snappy.compress_raw
    view = memoryview(data)
    output = bytearray(XERIAL_HEADER)
    for start in range(0, len(view), _XERIAL_BLOCK_SIZE):
        block = bytes(compress_block(view[start : start + _XERIAL_BLOCK_SIZE]))
        output += _INT32.pack(len(block))
        output += block
    return output


def _decompress_snappy(data: Buffer, max_bytes: int) -> Buffer:
    cramjam = _cramjam()
    output = bytearray()
    for block in snappy_blocks(data):
        output += _snappy_block(cramjam, block, max_bytes, len(output))
    return output


def _snappy_block(cramjam: Any, block: memoryview, max_bytes: int, used_bytes: int) -> bytearray:
    try:
        length = cramjam.snappy.decompress_raw_len(block)
        if length > max_bytes - used_bytes:
            raise _too_large(max_bytes)
        output = bytearray(length)
        cramjam.snappy.decompress_raw_into(block, output)
    except cramjam.DecompressionError as error:
        raise DecompressionError(f"the snappy records are damaged: {error}") from None
    return output


def _compress_lz4(data: Buffer, level: int | None) -> Buffer:
    # Java's reader refuses blocks that refer to earlier ones (KIP-57).
    compressor = _cramjam().lz4.Compressor(
        level=_LZ4_LEVEL if level is None else level, content_checksum=False, block_linked=False
    )
    compressor.compress(bytes(data))
    return bytes(compressor.finish())


def _decompress_lz4(data: Buffer, max_bytes: int) -> Buffer:
    return _decompress_into("lz4", _cramjam().lz4.decompress_into, data, max_bytes)


def _compress_zstd(data: Buffer, level: int | None) -> Buffer:
    level = _ZSTD_LEVEL if level is None else level
    return bytes(_cramjam().zstd.compress(data, level=level))


def _decompress_zstd(data: Buffer, max_bytes: int) -> Buffer:
    return _decompress_into("zstd", _cramjam().zstd.decompress_into, data, max_bytes)


def _decompress_into(
    name: str, decompress_into: Callable[[Buffer, bytearray], int], data: Buffer, max_bytes: int
) -> Buffer:
    size = min(max(_SMALLEST_OUTPUT, _OUTPUT_GROWTH * len(data)), max_bytes)
    while True:
        output = bytearray(size)
        try:
            length = decompress_into(data, output)
        except _cramjam().DecompressionError as error:
            if _OUTPUT_FULL not in str(error):
                raise DecompressionError(f"the {name} records are damaged: {error}") from None
            if size >= max_bytes:
                raise _too_large(max_bytes) from None
            size = min(size * _OUTPUT_GROWTH, max_bytes)
        else:
            return memoryview(output)[:length]


_COMPRESSORS: dict[Codec, Callable[[Buffer, int | None], Buffer]] = {
    Codec.NONE: _keep,
    Codec.GZIP: _compress_gzip,
    Codec.SNAPPY: _compress_snappy,
    Codec.LZ4: _compress_lz4,
    Codec.ZSTD: _compress_zstd,
}

_DECOMPRESSORS: dict[Codec, Callable[[Buffer, int], Buffer]] = {
    Codec.NONE: _keep_bounded,
    Codec.GZIP: _decompress_gzip,
    Codec.SNAPPY: _decompress_snappy,
    Codec.LZ4: _decompress_lz4,
    Codec.ZSTD: _decompress_zstd,
}
