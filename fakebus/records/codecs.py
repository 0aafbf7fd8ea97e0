"""Codecs of record batches: their numbers, and what packed records tell of their size.

Source: RFC 1952 (the size at the end of gzip), snappy's format description (the size at the start
of a block), xerial's streams of such blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING

from fakebus.records.errors import DecompressionError

if TYPE_CHECKING:
    from fakebus.types import Buffer

CODEC_MASK = 0x07
"""The bits of a batch's attributes that hold its codec."""

_INT32 = Struct(">i")
_XERIAL_MAGIC = b"\x82SNAPPY\x00"
XERIAL_HEADER = _XERIAL_MAGIC + b"\x00\x00\x00\x01\x00\x00\x00\x01"
_CONTINUES = 0x80


class Codec(IntEnum):
    """The compression of a batch's records, as numbered in the attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


ZSTD_CODEC = Codec.ZSTD
"""The codec that Produce requests may carry only from version 7 on (KIP-110)."""

_MOST_UNPACKED: dict[int, int] = {Codec.LZ4: 255, Codec.ZSTD: 128 * 1024 // 4}
"""Bytes that a byte can unpack to: lz4 repeats, and zstd has blocks of 128 KiB in four bytes."""


def most_unpacked(codec: int, data: memoryview) -> int:
    """Return how many bytes packed records unpack to, or the most that it may be.

    Args:
        codec: its number; one without a meaning packs nothing.
        data: the records.
    """
    bound = _BOUNDS.get(codec)
    if bound is not None:
        return bound(data)
    return len(data) * _MOST_UNPACKED.get(codec, 1)


def snappy_blocks(data: Buffer) -> Iterator[memoryview]:
    """Yield the raw blocks of snappy records: those of a xerial stream, or the only one.

    Raises:
        DecompressionError: the stream is cut off.
    """
    view = memoryview(data)
    if view[: len(_XERIAL_MAGIC)] != _XERIAL_MAGIC:
        yield view
        return
    position = len(XERIAL_HEADER)
    while position < len(view):
        start = position + _INT32.size
        if start > len(view):
            raise DecompressionError("the snappy records are cut off")
        length = _INT32.unpack_from(view, position)[0]
        position = start + length
        if length <= 0 or position > len(view):
            raise DecompressionError(f"a snappy block cannot be {length} bytes long here")
        yield view[start:position]


def _gzip_size(data: memoryview) -> int:
    return int.from_bytes(data[-4:], "little")


def _snappy_size(data: memoryview) -> int:
    try:
        return sum(_block_size(block) for block in snappy_blocks(data))
    except DecompressionError:
        return 0


def _block_size(block: memoryview) -> int:
    size = 0
    for place, byte in enumerate(block[:5]):
        size |= (byte & 0x7F) << 7 * place
        if byte < _CONTINUES:
            break
    return size


_BOUNDS: dict[int, Callable[[memoryview], int]] = {
    Codec.GZIP: _gzip_size,
    Codec.SNAPPY: _snappy_size,
}
