"""Batches that are not in the data file as they were written."""

from __future__ import annotations

from fakebus.storage.interface import StoredBatch


class DamagedBatch(list[StoredBatch]):
    """Batch whose CRC is wrong, alone in the place of batches that are read.

    Nobody is to be given what it holds; where it ends is right, as far as is known.
    """
