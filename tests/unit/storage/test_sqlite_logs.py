from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fakebus.storage import sqlite_purge
from fakebus.storage.interface import KeptRange, LogChange, ProducerBatch, Storage, StoredBatch

from .batches import END, append, batch, new_log, new_topic, offsets
from .conftest import OpenStorage


async def test_batches_come_back_as_they_were_appended(storage: Storage) -> None:
    log_id = await new_log(storage)
    first = StoredBatch(0, 4, 1234, 7, 3, 0, 0b11, b"first bytes")
    second = StoredBatch(5, 5, 1200, -1, -1, -1, 0, b"")
    await append(storage, log_id, first, second)
    assert await storage.read_batches(log_id, 0, END, 1000) == [first, second]


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview])
async def test_every_kind_of_buffer_is_stored(storage: Storage, buffer: type) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0)._replace(data=buffer(b"some bytes")))
    [found] = await storage.read_batches(log_id, 0, END, 1000)
    assert bytes(found.data) == b"some bytes"


async def test_committed_batches_can_be_read_within_the_callback_of_their_commit(
    storage: Storage,
) -> None:
    log_id = await new_log(storage)
    reads: list[asyncio.Task[list[StoredBatch]]] = []
    for offset in range(50):

        def read(failure: BaseException | None, offset: int = offset) -> None:
            assert failure is None
            reads.append(
                asyncio.ensure_future(storage.read_batches(log_id, offset, offset + 1, 1000))
            )

        storage.append_batches(log_id, [batch(offset)], read)
        if offset % 7 == 0:
            await storage.flush()
    await storage.flush()
    found = await asyncio.gather(*reads)
    assert [[b.base_offset for b in batches] for batches in found] == [[n] for n in range(50)]


async def test_a_read_starts_with_the_batch_that_holds_the_offset(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0, 10), batch(10, 10), batch(20, 10))
    found = await storage.read_batches(log_id, 15, END, 1000)
    assert [b.base_offset for b in found] == [10, 20]


async def test_a_read_in_a_gap_starts_with_the_next_batch(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0, 5), batch(100, 5))
    found = await storage.read_batches(log_id, 50, END, 1000)
    assert [b.base_offset for b in found] == [100]


@pytest.mark.parametrize(
    ("max_bytes", "expected"),
    [(0, [0]), (10, [0]), (19, [0]), (20, [0, 1]), (29, [0, 1]), (30, [0, 1, 2])],
)
async def test_a_read_stops_before_max_bytes_but_gives_one_batch(
    storage: Storage, max_bytes: int, expected: list[int]
) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n, size=10) for n in range(3)))
    found = await storage.read_batches(log_id, 0, END, max_bytes)
    assert [b.base_offset for b in found] == expected


@pytest.mark.parametrize(
    ("upto", "expected"), [(0, []), (1, [0]), (5, [0]), (6, [0, 5]), (9, [0, 5])]
)
async def test_a_read_leaves_out_batches_from_upto_offset_on(
    storage: Storage, upto: int, expected: list[int]
) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0, 5), batch(5, 5))
    found = await storage.read_batches(log_id, 0, upto, 1000)
    assert [b.base_offset for b in found] == expected


async def test_a_read_at_the_end_finds_nothing(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0, 5))
    assert await storage.read_batches(log_id, 5, END, 1000) == []


async def test_logs_do_not_see_each_others_batches(storage: Storage) -> None:
    topic = await new_topic(storage, partitions=3)
    low, middle, high = topic.log_ids
    await append(storage, low, batch(0), batch(1))
    await append(storage, high, batch(0))
    assert await offsets(storage, middle) == []
    assert await storage.size_bytes(middle) == 0
    assert await storage.first_batch_at_or_after(middle, 0, 0, END) is None
    assert await storage.batch_with_max_timestamp(middle, 0, END) is None
    await storage.truncate(middle, 0, [])
    await storage.delete_before(middle, 100)
    await storage.flush()
    assert await offsets(storage, low) == [0, 1]
    assert await offsets(storage, high) == [0]


async def test_truncate_drops_the_batches_that_begin_at_the_offset_or_later(
    storage: Storage,
) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n * 10, 10) for n in range(4)))
    await storage.truncate(log_id, 15, [])
    assert await offsets(storage, log_id) == [0, 10]
    assert await storage.size_bytes(log_id) == 20


async def test_much_is_truncated_in_slices_from_the_end(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_purge, "CHUNK_ROWS", 4)
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n) for n in range(10)))
    left: list[int] = []
    await storage.truncate(log_id, 3, left)
    assert left == [6]
    assert await offsets(storage, log_id) == list(range(6))
    left.clear()
    await storage.truncate(log_id, 3, left)
    assert left == []
    assert await offsets(storage, log_id) == [0, 1, 2]


async def test_a_log_that_was_being_filled_is_gone_at_the_next_start(
    open_storage: OpenStorage, data_file: Path
) -> None:
    storage = await open_storage(data_file)
    kept_from = await new_log(storage)
    await append(storage, kept_from, batch(0), batch(1))
    await storage.keep_batches(LogChange(1, kept_from, 0, 2))
    filled = storage.next_log_id()
    assert await storage.put_back_batches(filled, KeptRange(0, 2, 1)) == 2
    await storage.close()
    storage = await open_storage(data_file)
    assert storage.next_log_id() > filled, "batches of it may still be in the file"
    for _ in range(1000):
        if not await offsets(storage, filled):
            break
        await asyncio.sleep(0.001)
    assert await offsets(storage, filled) == []
    assert await offsets(storage, kept_from) == [0, 1]
    await storage.close()


async def test_a_truncated_log_takes_new_batches_at_the_old_offsets(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, batch(0), batch(1, timestamp=9000, size=500))
    truncated = storage.truncate(log_id, 1, [])
    await append(storage, log_id, batch(1, timestamp=2000, size=5))
    await truncated
    [state] = await storage.load_logs()
    assert (state.log_end_offset, state.size_bytes, state.max_timestamp) == (2, 15, 2000)


async def test_truncate_below_the_log_start_empties_the_log_and_starts_it_over(
    storage: Storage,
) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n) for n in range(20)))
    # In one go, so that the old batches are still there when the log starts over.
    with storage.atomic():
        deleted = storage.delete_before(log_id, 15)
        truncated = storage.truncate(log_id, 5, [])
        appended = append(storage, log_id, batch(5, timestamp=7))
    await asyncio.gather(deleted, truncated, appended)
    await append(storage, log_id, batch(6, timestamp=8))
    [state] = await storage.load_logs()
    assert (state.log_start_offset, state.log_end_offset, state.max_timestamp) == (5, 7, 8)
    assert await offsets(storage, log_id) == [5, 6]


async def test_delete_before_keeps_the_batch_that_holds_the_new_start(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n * 10, 10) for n in range(4)))
    await storage.delete_before(log_id, 15)
    assert await offsets(storage, log_id) == [10, 20, 30]
    [state] = await storage.load_logs()
    assert (state.log_start_offset, state.log_end_offset, state.size_bytes) == (15, 40, 30)


async def test_the_log_start_never_moves_back(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n) for n in range(10)))
    await storage.delete_before(log_id, 8)
    await storage.delete_before(log_id, 3)
    [state] = await storage.load_logs()
    assert state.log_start_offset == 8
    assert await offsets(storage, log_id) == [8, 9]


async def test_a_log_whose_batches_are_all_deleted_keeps_its_end(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n) for n in range(10)))
    await storage.delete_before(log_id, 10)
    [state] = await storage.load_logs()
    assert (state.log_start_offset, state.log_end_offset) == (10, 10)
    assert (state.size_bytes, state.max_timestamp) == (0, -1)
    await append(storage, log_id, batch(10, timestamp=5))
    [state] = await storage.load_logs()
    assert (state.log_end_offset, state.size_bytes, state.max_timestamp) == (11, 10, 5)


async def test_size_counts_what_is_left(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n, size=n + 1) for n in range(10)))
    assert await storage.size_bytes(log_id) == 55
    await storage.delete_before(log_id, 3)
    assert await storage.size_bytes(log_id) == 55 - 6
    await storage.truncate(log_id, 9, [])
    assert await storage.size_bytes(log_id) == 55 - 6 - 10


async def test_retention_by_time_stops_at_the_first_batch_that_is_young_enough(
    storage: Storage,
) -> None:
    log_id = await new_log(storage)
    times = [100, 200, 300, 150, 400]
    await append(storage, log_id, *(batch(n, timestamp=t) for n, t in enumerate(times)))

    async def cut(oldest: int) -> int | None:
        return await storage.retention_cut(log_id, oldest_timestamp=oldest, max_size_bytes=None)

    assert [await cut(t) for t in (100, 101, 201, 301, 400, 401)] == [None, 1, 2, 4, 4, 5]


async def test_retention_by_size_leaves_at_least_the_allowed_bytes(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n * 2, 2, size=10) for n in range(5)))

    async def cut(size: int) -> int | None:
        return await storage.retention_cut(log_id, oldest_timestamp=None, max_size_bytes=size)

    assert [await cut(n) for n in (51, 50, 41, 40, 39, 1, 0)] == [None, None, None, 2, 2, 8, 10]


async def test_retention_takes_the_stricter_of_time_and_size(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n, timestamp=n) for n in range(10)))
    assert await storage.retention_cut(log_id, oldest_timestamp=3, max_size_bytes=20) == 8
    assert await storage.retention_cut(log_id, oldest_timestamp=9, max_size_bytes=80) == 9
    assert await storage.retention_cut(log_id, oldest_timestamp=None, max_size_bytes=None) is None


async def test_retention_leaves_an_empty_log_alone(storage: Storage) -> None:
    log_id = await new_log(storage)
    assert await storage.retention_cut(log_id, oldest_timestamp=1, max_size_bytes=0) is None


async def test_retention_counts_from_the_log_start(storage: Storage) -> None:
    log_id = await new_log(storage)
    await append(storage, log_id, *(batch(n * 10, 10, timestamp=n) for n in range(5)))
    await storage.delete_before(log_id, 25)
    assert await storage.retention_cut(log_id, oldest_timestamp=2, max_size_bytes=30) is None
    assert await storage.retention_cut(log_id, oldest_timestamp=3, max_size_bytes=None) == 30


async def test_the_newest_batches_of_every_producer_come_oldest_first(storage: Storage) -> None:
    topic = await new_topic(storage, partitions=2)
    log_id, other = topic.log_ids
    await append(storage, log_id, batch(0))
    for offset in range(1, 10):
        producer_id = 5 if offset % 3 else 900
        await append(storage, log_id, batch(offset, producer_id=producer_id, sequence=offset))
    await append(storage, other, batch(0, producer_id=5, sequence=99))
    found = await storage.producer_batches(log_id, 2)
    assert [(b.producer_id, b.base_offset) for b in found] == [(900, 6), (5, 7), (5, 8), (900, 9)]
    assert found[1] == ProducerBatch(5, 0, 7, 7, 7, 1000, 0)


async def test_producers_of_deleted_batches_are_forgotten(storage: Storage) -> None:
    log_id = await new_log(storage)
    for offset in range(4):
        await append(storage, log_id, batch(offset * 5, 5, producer_id=offset, sequence=0))
    await storage.delete_before(log_id, 12)
    assert [b.producer_id for b in await storage.producer_batches(log_id, 5)] == [2, 3]


async def test_the_largest_offset_fits_the_row_id(storage: Storage) -> None:
    log_id = await new_log(storage)
    last = END - 1
    await append(storage, log_id, batch(last))
    assert await offsets(storage, log_id) == [last]
    assert await storage.size_bytes(log_id) == 10
