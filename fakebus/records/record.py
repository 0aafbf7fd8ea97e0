"""One record: as it is read from a batch, and as it is put into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fakebus.records.batch import NO_TIMESTAMP

RecordHeaders = Sequence[tuple[str, bytes | None]]
"""Names and values in order; a name may come several times."""


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
