"""Writes to a data file until it is killed, and says on stdout what was acknowledged.

Each line is a number. Number n stands for what is enqueued in one go, and therefore stored
in one transaction even where it is not asked for: batch n of the first log, batch
n of the second log with other bytes, a committed offset of n and a value of n.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from fakebus.storage.interface import OffsetRow, StoredBatch
from fakebus.storage.sqlite import SqliteStorage


def payload(log_number: int, number: int) -> bytes:
    """Bytes that can be checked later; some of several pages, most of a few hundred bytes."""
    size = 100_000 if number % 37 == 0 else 200 + number % 500
    return (b"%d:%d " % (log_number, number)) * (size // 8)


def stored_batch(log_number: int, number: int) -> StoredBatch:
    return StoredBatch(
        number, number, number, number % 3, 0, number, 0, payload(log_number, number)
    )


async def write(path: Path, first: int, durable: bool) -> None:
    storage = await SqliteStorage.open(path, durable=durable)
    log_ids = [log_id for row in await storage.load_topics() for log_id in row.log_ids]
    # With a single slot every commit finds the writer idle and is made on the event loop.
    slots = asyncio.Semaphore(1 if first % 2 else 50)

    def acknowledged(number: int, failure: BaseException | None) -> None:
        assert failure is None
        os.write(1, b"%d\n" % number)
        slots.release()

    number = first
    while True:
        await slots.acquire()
        with storage.atomic() if number % 2 else nullcontext():
            for log_number, log_id in enumerate(log_ids):
                storage.append_batches(log_id, [stored_batch(log_number, number)], _ignore)
            offset = OffsetRow(topic="t", partition=0, offset=number)
            storage.commit_offsets("g", [offset])
            stored = storage.set_meta("number", str(number))
        stored.add_done_callback(lambda done, n=number: acknowledged(n, done.exception()))
        if number % 100 == 99:
            storage.delete_before(log_ids[0], number - 50)
        number += 1


def _ignore(_: BaseException | None) -> None:
    return


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "durable"))
