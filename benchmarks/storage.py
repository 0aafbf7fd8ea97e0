"""What the storage costs: ``python -m benchmarks.storage [FILE]``.

Without a file the database is in memory. The file is made and removed again. ``--mib N`` writes
less of each size.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

from fakebus.records.batch import TIMESTAMP_TYPE_BIT, assign_offset, set_log_append_time
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fakebus.storage.interface import DamagedBatch, StoredBatch, TopicRow
from fakebus.storage.sqlite import SqliteStorage

KIB = 1024
MIB = 1024 * KIB
END = 1 << 44
MAX_PENDING = 32 * MIB


def rss_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


def percentiles(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p50, p99 = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return f"p50 {p50 * 1e6:6.0f} µs, p99 {p99 * 1e6:6.0f} µs, max {ordered[-1] * 1e3:6.1f} ms"


def batch_of(size: int) -> bytes:
    """Return a batch of about so many bytes."""
    overhead = len(build_batch([NewRecord(None, b"")]))
    return bytes(build_batch([NewRecord(None, os.urandom(max(0, size - overhead)))]))


class Log:
    """A log that is written to as fast as the storage takes it."""

    def __init__(self, storage: SqliteStorage, log_id: int) -> None:
        self.storage = storage
        self.log_id = log_id
        self.end = 0
        self.latencies: list[float] = []
        self.peak_rss_mib = 0.0

    def append(self, data: bytes, on_done: Callable[[BaseException | None], None]) -> None:
        offset = self.end
        self.end += 1
        batch, time_ms = bytearray(data), 1_700_000_000_000 + offset
        # What does not say the same as its row is damaged.
        assign_offset(batch, offset, 0)
        set_log_append_time(batch, time_ms)
        stored = StoredBatch(offset, offset, time_ms, -1, -1, -1, TIMESTAMP_TYPE_BIT, batch)
        self.storage.append_batches(self.log_id, (stored,), on_done)

    async def append_alone(self, data: bytes) -> None:
        """Append and wait, as a client that sends one batch after the other."""
        done: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        self.append(data, done.set_result)
        assert await done is None
        self.latencies.append(time.perf_counter() - began)

    async def append_flat_out(self, size: int, total: int) -> float:
        """Append batches of a size, as many as the pending bytes allow; return MB/s."""
        data = batch_of(size)
        room = asyncio.Event()
        began = time.perf_counter()

        def done(failure: BaseException | None) -> None:
            assert failure is None
            room.set()

        for number in range(total // size):
            self.append(data, done)
            if self.storage.writes.pending_bytes > MAX_PENDING or number % 1000 == 999:
                room.clear()
                await room.wait()
                self.peak_rss_mib = max(self.peak_rss_mib, rss_mib())
        await self.storage.flush()
        return total / (time.perf_counter() - began) / 1e6


async def timed(action: Awaitable[object]) -> float:
    began = time.perf_counter()
    await action
    return time.perf_counter() - began


async def new_log(storage: SqliteStorage) -> Log:
    log_id = storage.next_log_id()
    topic_id = uuid4()
    await storage.save_topic(TopicRow(name=str(topic_id), topic_id=topic_id, log_ids=(log_id,)))
    return Log(storage, log_id)


async def measure_latency(storage: SqliteStorage) -> None:
    for size in (200, 16 * KIB, MIB):
        log = await new_log(storage)
        data = batch_of(size)
        for _ in range(3000 if size < MIB else 300):
            await log.append_alone(data)
        print(f"one append of {size:>7} bytes at a time: {percentiles(log.latencies)}")
    logs = [await new_log(storage) for _ in range(64)]
    began = time.perf_counter()
    data = batch_of(200)

    async def client(log: Log) -> None:
        for _ in range(200):
            await log.append_alone(data)

    await asyncio.gather(*(client(log) for log in logs))
    elapsed = time.perf_counter() - began
    latencies = [latency for log in logs for latency in log.latencies]
    print(
        f"64 clients, 200 bytes at a time:         {percentiles(latencies)}, "
        f"{len(latencies) / elapsed:,.0f} appends/s"
    )


async def measure_throughput(storage: SqliteStorage, total: int) -> None:
    for size in (200, 16 * KIB, 64 * KIB, MIB):
        log = await new_log(storage)
        batches = min(total // size, 100_000)
        before = rss_mib()
        rate = await log.append_flat_out(size, size * batches)
        print(
            f"appends of {size:>7} bytes flat out: {rate:7.1f} MB/s, "
            f"{rate * 1e6 / size:9,.0f} batches/s, "
            f"RSS {before:.0f} -> peak {log.peak_rss_mib:.0f} MiB"
        )
        began = time.perf_counter()
        offset = 0
        while offset < log.end:
            batches_read = await storage.read_batches(log.log_id, offset, END, MIB)
            assert not isinstance(batches_read, DamagedBatch)
            offset = batches_read[-1].last_offset + 1
        read_rate = size * log.end / (time.perf_counter() - began) / 1e6
        print(f"  read back in pieces of 1 MiB:   {read_rate:7.1f} MB/s, RSS {rss_mib():.0f} MiB")
        look_up = storage.first_batch_at_or_after(
            log.log_id, 1_700_000_000_000 + log.end // 3, 0, END
        )
        print(f"  look-up by time among {log.end} batches: {await timed(look_up) * 1e6:.0f} µs")
        deleted = await timed(storage.delete_before(log.log_id, log.end))
        probe = await new_log(storage)
        began = time.perf_counter()
        for _ in range(300):
            await probe.append_alone(batch_of(200))
        print(
            f"  delete all: {deleted * 1e3:.1f} ms; "
            f"appends meanwhile: {percentiles(probe.latencies)}"
        )


async def measure_start(path: Path) -> None:
    storage = await SqliteStorage.open(path)
    log_ids = tuple(storage.next_log_id() for _ in range(1000))
    await storage.save_topic(TopicRow(name="many", topic_id=uuid4(), log_ids=log_ids))
    for log_id in log_ids:
        log = Log(storage, log_id)
        for _ in range(5):
            log.append(batch_of(1000), lambda _: None)
    print(f"close: {await timed(storage.close()) * 1e3:.1f} ms")
    began = time.perf_counter()
    storage = await SqliteStorage.open(path)
    print(f"open a file of 1000 logs: {(time.perf_counter() - began) * 1e3:.1f} ms")
    print(f"load 1000 logs: {await timed(storage.load_logs()) * 1e3:.1f} ms")
    await storage.close()


async def main(path: Path | None, total: int) -> None:
    began = time.perf_counter()
    storage = await SqliteStorage.open(path)
    print(f"open: {(time.perf_counter() - began) * 1e3:.1f} ms")
    try:
        gc.freeze()
        await measure_latency(storage)
        await measure_throughput(storage, total)
    finally:
        await storage.close()
    if path is not None:
        await measure_start(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE")
    parser.add_argument("--mib", type=int)
    arguments = parser.parse_args()
    chosen: Path | None = arguments.file
    if chosen is not None and chosen.exists():
        parser.error(f"{chosen} is there already, and would be removed")
    total = (1024 if chosen else 256) if arguments.mib is None else arguments.mib
    asyncio.run(main(chosen, total * MIB))
    if chosen is not None:
        print(f"the file takes {chosen.stat().st_size / MIB:.0f} MiB")
        chosen.unlink()
