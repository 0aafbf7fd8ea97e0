"""One record: as it is read from a batch, as it is put into one, and the control kind."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from fakebus.records.batch import NO_TIMESTAMP
from fakebus.records.errors import InvalidBatchError

RecordHeaders = Sequence[tuple[str, bytes | None]]
"""Names and values in order; a name may come several times."""

_CONTROL_KEY = Struct(">hh")


class Record(NamedTuple):
    """A record with its place in the partition."""

    offset: int
    timestamp: int
    """Milliseconds since the epoch, -1 for none."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class NewRecord(NamedTuple):
    """A record that has no offset yet."""

    key: bytes | None
    value: bytes | None
    headers: RecordHeaders = ()
    timestamp_ms: int = NO_TIMESTAMP


class ControlRecordType(IntEnum):
    """Type of a record in a control batch (Kafka's ControlRecordType)."""

    UNKNOWN = -1
    ABORT = 0
    COMMIT = 1
    LEADER_CHANGE = 2
    SNAPSHOT_HEADER = 3
    SNAPSHOT_FOOTER = 4
    KRAFT_VERSION = 5
    KRAFT_VOTERS = 6


def control_record_type(key: bytes | None) -> ControlRecordType:
    """Return the kind of a control record; UNKNOWN for kinds that came after this list.

    Args:
        key: the record's key, that is version and type as int16 each.

    Raises:
        InvalidBatchError: the key is missing or too short, or its version is negative.
    """
    if key is None or len(key) < _CONTROL_KEY.size:
        raise InvalidBatchError("the key of a control record must have at least 4 bytes")
    version, number = _CONTROL_KEY.unpack_from(key)
    if version < 0:
        raise InvalidBatchError(f"a control record cannot have version {version}")
    try:
        return ControlRecordType(number)
    except ValueError:
        return ControlRecordType.UNKNOWN
