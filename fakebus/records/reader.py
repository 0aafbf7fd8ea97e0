"""Read the records of a batch: whole, or only as much of each as a question needs.

A batch comes from whoever can reach the port, so nothing in it is believed: lengths and
counts are checked against the bytes that are there, and unpacking is bounded. Every function
takes exactly one batch and raises RecordError when it cannot be read. None of them checks
the CRC, which is a question for whoever took the batch in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fakebus.records.batch import BatchHeader
from fakebus.records.compression import DEFAULT_MAX_BYTES
from fakebus.records.errors import InvalidBatchError
from fakebus.records.record import Record
from fakebus.records.varint import read_varint
from fakebus.records.walk import (
    TOO_LONG,
    frames,
    nullable_bytes,
    read_offset,
    read_timestamp,
    unpack,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fakebus.types import Buffer

_SMALLEST_RECORD_HEADER = 2
_NULL = -1
MOST_PROBLEMS = 1000
"""Records of a batch whose problems are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordProblem:
    """Problem with one record of a batch."""

    index: int
    """The record's place in the batch, from 0."""
    problem: str


def read_records(
    batch: Buffer, max_bytes: int = DEFAULT_MAX_BYTES, first_offset: int = 0
) -> Iterator[Record]:
    """Return an iterator over the batch's records; each is decoded when it is asked for.

    Header names that are not UTF-8 are read with replacement characters, as Java does.

    Args:
        batch: exactly one batch.
        max_bytes: refuse records that unpack to more than this.
        first_offset: records before it come empty or not at all.

    Raises:
        RecordError: the batch cannot be read; also while iterating.
    """
    header, data = unpack(batch, max_bytes)
    return _decode_all(header, data, first_offset)


def _decode_all(header: BatchHeader, data: bytes, first_offset: int) -> Iterator[Record]:
    first = first_offset - header.base_offset
    # Where compaction has left gaps, a place does not tell an offset.
    is_dense = header.record_count == header.last_offset_delta + 1
    for start, end in frames(header, data, first if is_dense else 0):
        yield _decode(header, data, start, end, first_offset)


def records_without_key(batch: Buffer, max_bytes: int = DEFAULT_MAX_BYTES) -> list[int]:
    """Return the places in the batch, from 0, of the records whose key is null.

    Raises:
        RecordError: the batch cannot be read.
    """
    header, data = unpack(batch, max_bytes)
    keyless = []
    try:
        for index, (start, end) in enumerate(frames(header, data)):
            _, position = read_timestamp(header, data, start)
            _, position = read_offset(header, data, position)
            key_length, position = read_varint(data, position)
            if key_length == _NULL:
                keyless.append(index)
            elif key_length < 0 or position + key_length > end:
                raise InvalidBatchError(f"a record's key cannot be {key_length} bytes long")
    except IndexError:
        raise InvalidBatchError(TOO_LONG) from None
    return keyless


def find_offset_for_timestamp(
    batch: Buffer, timestamp: int, *, min_offset: int = 0, max_bytes: int = DEFAULT_MAX_BYTES
) -> tuple[int, int] | None:
    """Return offset and timestamp of the first record that is not older than ``timestamp``.

    Args:
        batch: exactly one batch.
        timestamp: milliseconds since the epoch.
        min_offset: pass over records below this offset (a log may start inside a batch).
        max_bytes: refuse records that unpack to more than this.

    Raises:
        RecordError: the batch cannot be read.
    """
    for offset, found in _positions(batch, max_bytes):
        if found >= timestamp and offset >= min_offset:
            return offset, found
    return None


def max_timestamp_record(batch: Buffer, max_bytes: int = DEFAULT_MAX_BYTES) -> tuple[int, int]:
    """Return offset and timestamp of the newest record; of several, the first (KIP-734).

    Raises:
        RecordError: the batch cannot be read, or holds no record.
    """
    newest = max(_positions(batch, max_bytes), key=lambda position: position[1], default=None)
    if newest is None:
        raise InvalidBatchError("the record batch holds no record")
    return newest


def validate_records(batch: Buffer, max_bytes: int = DEFAULT_MAX_BYTES) -> list[RecordProblem]:
    """Return what is wrong with the first records that are wrong; an empty list means none is.

    A record is sound when its offset delta is its place in the batch and its parts fill its
    length exactly.

    Raises:
        RecordError: the batch cannot be read as a row of records at all.
    """
    header, data = unpack(batch, max_bytes)
    problems = []
    for index, (start, end) in enumerate(frames(header, data)):
        try:
            record = _decode(header, data, start, end)
        except InvalidBatchError as error:
            problems.append(RecordProblem(index=index, problem=str(error)))
            continue
        delta = record.offset - header.base_offset
        if delta != index:
            text = f"the record's offset delta is {delta}, but its place {index}"
            problems.append(RecordProblem(index=index, problem=text))
        if len(problems) >= MOST_PROBLEMS:
            break
    return problems


def _positions(batch: Buffer, max_bytes: int) -> Iterator[tuple[int, int]]:
    header, data = unpack(batch, max_bytes)
    for start, _ in frames(header, data):
        try:
            timestamp, position = read_timestamp(header, data, start)
            offset, _ = read_offset(header, data, position)
        except IndexError:
            raise InvalidBatchError(TOO_LONG) from None
        yield offset, timestamp


def _decode(
    header: BatchHeader, data: bytes, start: int, end: int, first_offset: int = 0
) -> Record:
    try:
        timestamp, position = read_timestamp(header, data, start)
        offset, position = read_offset(header, data, position)
        if offset < first_offset:
            return Record(offset, timestamp, None, None, ())
        key, position = nullable_bytes(data, position, end)
        value, position = nullable_bytes(data, position, end)
        count, position = read_varint(data, position)
        headers: tuple[tuple[str, bytes | None], ...] = ()
        if count:
            headers, position = _headers(data, position, end, count)
    except IndexError:
        raise InvalidBatchError(TOO_LONG) from None
    if position != end:
        raise InvalidBatchError("a record's parts do not add up to its length")
    return Record(offset, timestamp, key, value, headers)


def _headers(
    data: bytes, position: int, end: int, count: int
) -> tuple[tuple[tuple[str, bytes | None], ...], int]:
    if not 0 <= count <= (end - position) // _SMALLEST_RECORD_HEADER:
        raise InvalidBatchError(f"a record cannot hold {count} headers")
    headers = []
    for _ in range(count):
        name, position = nullable_bytes(data, position, end)
        if name is None:
            raise InvalidBatchError("a record header must have a name")
        value, position = nullable_bytes(data, position, end)
        headers.append((name.decode("utf-8", "replace"), value))
    return tuple(headers), position
