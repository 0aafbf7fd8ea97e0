"""What logs hold in one snapshot and not in another, record by record.

Where both sides lie in the same place nothing is read: what is the same costs a few numbers,
however much it is. The rest is read in slices, from the log or from what was kept of it, and looked
for anew after each, since others write, compact and delete meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import pairwise
from typing import TYPE_CHECKING

from fakebus.broker.tail import SLICE_BYTES, SLICE_RECORDS
from fakebus.records.batch import CONTROL_BIT
from fakebus.records.codecs import CODEC_MASK
from fakebus.records.errors import RecordError
from fakebus.records.reader import read_records
from fakebus.storage.interface import DamagedBatch, KeptRange

if TYPE_CHECKING:
    from fakebus.broker.snapshots import LogCopy, Snapshots
    from fakebus.records.record import Record
    from fakebus.storage.interface import Storage, StoredBatch

logger = logging.getLogger("fakebus.broker")

Pair = tuple["Record | None", "Record | None"]
"""A record as it was before and after; ``None`` where there was none."""


class SnapshotReader:
    """Reader of snapshots that are not forgotten while it reads.

    Args:
        snapshots: whose they are.
        storage: has the logs, and what was kept of them.
    """

    def __init__(self, snapshots: Snapshots, storage: Storage) -> None:
        self._snapshots = snapshots
        self._storage = storage

    async def differences(
        self, before: LogCopy | None, after: LogCopy | None
    ) -> AsyncGenerator[Pair, None]:
        """Yield the records of a partition that are not the same in two snapshots, by offset.

        Args:
            before: the partition in the one; ``None`` if it was not there.
            after: in the other.
        """
        for begin, end in self._differing(before, after):
            old, new = self.records(before, begin, end), self.records(after, begin, end)
            async with aclosing(old), aclosing(new):
                left, right = await anext(old, None), await anext(new, None)
                while left is not None or right is not None:
                    if right is None or (left is not None and left.offset < right.offset):
                        yield left, None
                        left = await anext(old, None)
                    elif left is None or right.offset < left.offset:
                        yield None, right
                        right = await anext(new, None)
                    else:
                        if left != right:
                            yield left, right
                        left, right = await anext(old, None), await anext(new, None)

    def _differing(self, before: LogCopy | None, after: LogCopy | None) -> list[tuple[int, int]]:
        """Return the ranges of offsets that two copies do not have from the same place."""
        sides = [self._places(copy) for copy in (before, after)]
        cuts = sorted(
            {offset for side in sides for begin, end, _ in side for offset in (begin, end)}
        )
        found: list[tuple[int, int]] = []
        for begin, end in pairwise(cuts):
            old, new = (
                next((place for first, last, place in side if first <= begin < last), None)
                for side in sides
            )
            if old == new:
                continue
            if found and found[-1][1] == begin:
                begin = found.pop()[0]
            found.append((begin, end))
        return found

    def _places(self, copy: LogCopy | None) -> list[tuple[int, int, tuple[int, int | None]]]:
        if copy is None:
            return []
        return [
            (each.from_offset, each.upto_offset, (copy.log_id, each.change_id))
            for each in self._snapshots.ranges(copy, copy.start)
        ]

    async def records(
        self, copy: LogCopy | None, begin: int = 0, end: int | None = None
    ) -> AsyncGenerator[Record, None]:
        """Yield the records of a copy, or those of a range of its offsets, in order."""
        if copy is None:
            return
        position, end = max(begin, copy.start), min(copy.end if end is None else end, copy.end)
        while position < end:
            source = self._snapshots.ranges(copy, position)[0]
            if source.change_id is None:
                where = copy.log_id, position, source.upto_offset
                batches = await self._storage.read_batches(*where, SLICE_BYTES, SLICE_RECORDS)
                if self._snapshots.ranges(copy, position)[:1] != [source]:
                    continue  # the log was changed meanwhile, and what was there is kept
            else:
                batches = await self._read_kept(copy, position, source.change_id)
            for batch in batches:
                if isinstance(batches, DamagedBatch):
                    position = batch.last_offset + 1
                    continue  # the storage has told of it
                for record in await _unpacked(batch):
                    if position <= record.offset < end:
                        yield record
                position = max(position, batch.last_offset + 1)
            if not batches:
                # Compaction has left nothing there.
                position = source.upto_offset
            await asyncio.sleep(0)

    async def _read_kept(self, copy: LogCopy, position: int, change_id: int) -> list[StoredBatch]:
        """Return batches of a change from the one on that holds an offset or follows it."""
        changes = self._snapshots.changes_since(copy)
        change = next(each for each in changes if each.change_id == change_id)
        begin = change.from_offset
        while True:
            kept = KeptRange(begin, change.upto_offset, change_id)
            batches = await self._storage.read_kept(kept, SLICE_RECORDS)
            found = [batch for batch in batches if batch.last_offset >= position]
            if found or not batches:
                return found
            begin = batches[-1].base_offset + 1


async def _unpacked(batch: StoredBatch) -> list[Record]:
    if batch.attributes & CONTROL_BIT:
        return []
    try:
        if batch.attributes & CODEC_MASK:
            return await asyncio.to_thread(lambda: list(read_records(batch.data)))
        return list(read_records(batch.data))
    except RecordError as error:
        logger.warning("passed over the batch at offset %d: %s", batch.base_offset, error)
        return []
