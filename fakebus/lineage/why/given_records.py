"""Records that consumers are given: markers and what was aborted are none."""

from __future__ import annotations

from fakebus.broker.partition_log import PartitionLog
from fakebus.records.batch import CONTROL_BIT

_MOST_BATCHES = 1000
"""That are looked through for the next record."""


async def given_from(log: PartitionLog, offset: int, reads_committed: bool) -> int:
    """Return where the first record is, from an offset on, that a consumer is given.

    Without one it is where an open transaction begins, or the end.

    Args:
        log: of the partition.
        offset: where to begin.
        reads_committed: whether the consumer leaves out what was aborted.
    """
    end = log.last_stable_offset
    # Mostly the first batch has records.
    for limit in (1, _MOST_BATCHES):
        for batch in await log.summaries(offset, limit) if offset < end else ():
            is_aborted = reads_committed and log.producers.is_aborted(batch)
            if batch.base_offset >= end:
                return end
            if not (batch.attributes & CONTROL_BIT or is_aborted):
                return max(offset, batch.base_offset)
            offset = batch.last_offset + 1
    return offset
