"""Batches of records that stand one behind the other, as a fetch gives them."""

from __future__ import annotations

from fakebus.records.batch import parse_header


def split_batches(data: bytes | bytearray) -> list[bytes]:
    """Return the batches one by one; all are whole."""
    batches: list[bytes] = []
    while data:
        size = parse_header(data).size
        assert len(data) >= size
        batches.append(bytes(data[:size]))
        data = data[size:]
    return batches
