"""Compaction: what stays, what goes, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.broker.broker import Broker
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.fetching import IsolationLevel
from fakebus.broker.log_rewriting import cut_off
from fakebus.broker.tail_cache import LogTail, TailCache
from fakebus.records.batch import CONTROL_BIT, invalid_crcs, parse_header
from fakebus.records.builder import build_batch
from fakebus.records.codecs import Codec
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord
from fakebus.storage.interface import StoredBatch
from fakebus.storage.sqlite import SqliteStorage
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import T0
from tests.unit.broker.conftest import NOW_MS
from tests.unit.broker.transactions.producer import TransactionalProducer, committed

DAY_MS = 86_400_000
COMPACT = {
    "cleanup.policy": "compact",
    "segment.ms": "1000",
    "min.cleanable.dirty.ratio": "0.01",
}
Pair = tuple[bytes, bytes | None]


async def create(broker: Broker, **configs: str) -> None:
    own = {name.replace("_", "."): value for name, value in configs.items()}
    await broker.topics.create("t", 1, COMPACT | own)


async def put(
    broker: Broker, *pairs: Pair, at: int = NOW_MS, codec: Codec = Codec.NONE, sequence: int = -1
) -> int:
    """Append one batch and return its base offset."""
    producer: dict[str, Any] = {"producer_id": 7, "producer_epoch": 0, "base_sequence": sequence}
    data = build_batch(
        [NewRecord(key, value, (), at) for key, value in pairs],
        codec=codec,
        **(producer if sequence >= 0 else {}),
    )
    return (await broker.produce(T0, data)).base_offset


async def roll(broker: Broker) -> None:
    """Begin a new segment, so that everything before can be compacted."""
    await put(broker, (b"roll", b""), at=NOW_MS + 10_000)


async def stored(broker: Broker) -> list[StoredBatch]:
    log = broker.partition_log(T0)
    from_offset = log.log_start_offset
    batches: list[StoredBatch] = []
    while from_offset < log.high_watermark:
        batches += await log.read(from_offset, log.high_watermark, 100)
        from_offset = batches[-1].last_offset + 1
    return batches


async def records(broker: Broker) -> list[tuple[int, bytes | None, bytes | None]]:
    found = [r for batch in await stored(broker) for r in read_records(batch.data)]
    return [(r.offset, r.key, r.value) for r in found if r.key != b"roll"]


async def test_the_newest_record_of_each_key_stays_at_its_offset(broker: Broker) -> None:
    await create(broker)
    await put(broker, (b"a", b"1"), (b"b", b"1"), (b"a", b"2"))
    await put(broker, (b"c", b"1"), (b"b", b"2"))
    await put(broker, (b"a", b"3"))
    await roll(broker)
    await broker.run_housekeeping()
    assert await records(broker) == [(3, b"c", b"1"), (4, b"b", b"2"), (5, b"a", b"3")]
    log = broker.partition_log(T0)
    assert (log.log_start_offset, log.high_watermark, log.log_end_offset) == (0, 7, 7)
    assert log.first_dirty_offset == 6


@pytest.mark.parametrize("codec", Codec)
async def test_a_batch_keeps_its_offsets_and_its_codec(broker: Broker, codec: Codec) -> None:
    await create(broker)
    await put(broker, (b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"b", b"2"), codec=codec)
    await put(broker, (b"b", b"3"))
    await roll(broker)
    await broker.run_housekeeping()
    [first, *_] = await stored(broker)
    header = parse_header(first.data)
    assert (first.base_offset, first.last_offset) == (0, 3)
    assert (header.base_offset, header.last_offset, header.record_count) == (0, 3, 1)
    assert header.codec is codec
    assert not invalid_crcs([first.data])
    assert (await records(broker))[0] == (2, b"a", b"2")


async def test_what_takes_long_to_unpack_is_looked_at_in_a_thread(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(broker)
    await put(broker, (b"a", bytes(3_000_000)), codec=Codec.GZIP)
    await put(broker, (b"a", b"1"), codec=Codec.GZIP)
    await roll(broker)
    in_thread: set[int] = set()
    to_thread = asyncio.to_thread

    async def noting(function: Callable[..., Any], *given: Any) -> Any:
        in_thread.update(each.base_offset for each in given if isinstance(each, StoredBatch))
        return await to_thread(function, *given)

    monkeypatch.setattr(asyncio, "to_thread", noting)
    await broker.run_housekeeping()
    assert in_thread == {0}
    assert await records(broker) == [(1, b"a", b"1")]


async def test_the_active_segment_is_never_touched(broker: Broker) -> None:
    await create(broker)
    for number in range(3):
        await put(broker, (b"a", b"%d" % number))
    await broker.run_housekeeping()
    assert [value for _, _, value in await records(broker)] == [b"0", b"1", b"2"]


async def test_a_segment_ends_before_the_batch_that_makes_it_too_large(broker: Broker) -> None:
    size = len(build_batch([NewRecord(b"a", b"0", (), NOW_MS)]))
    await create(broker, internal_segment_bytes=str(2 * size))
    for number in range(5):
        await put(broker, (b"a", b"%d" % number))
    await broker.run_housekeeping()
    assert [value for _, _, value in await records(broker)] == [b"3", b"4"]


async def test_the_log_is_dirty_enough_or_waits(broker: Broker) -> None:
    await create(broker, min_cleanable_dirty_ratio="0.5")
    await put(broker, *((b"%d" % number, b"x" * 100) for number in range(10)))
    await roll(broker)
    await broker.run_housekeeping()
    assert broker.partition_log(T0).first_dirty_offset == 10
    await put(broker, (b"1", b"new"), at=NOW_MS + 20_000)
    await put(broker, (b"roll", b""), at=NOW_MS + 30_000)
    await broker.run_housekeeping()
    assert len(await records(broker)) == 11
    await put(broker, *((b"%d" % n, b"y" * 100) for n in range(10)), at=NOW_MS + 40_000)
    await put(broker, (b"roll", b""), at=NOW_MS + 50_000)
    await broker.run_housekeeping()
    assert len(await records(broker)) == 10


async def test_max_compaction_lag_overrules_the_dirty_ratio(
    broker: Broker, clock: ManualClock
) -> None:
    await create(broker, min_cleanable_dirty_ratio="1", max_compaction_lag_ms="60000")
    await put(broker, (b"a", b"1"))
    await put(broker, (b"a", b"2"))
    await put(broker, (b"roll", b""), at=NOW_MS + 60_001)
    await broker.run_housekeeping()
    assert len(await records(broker)) == 2
    clock.advance(60.001)
    await broker.run_housekeeping()
    assert await records(broker) == [(1, b"a", b"2")]


async def test_min_compaction_lag_protects_young_segments(
    broker: Broker, clock: ManualClock
) -> None:
    await create(broker, min_compaction_lag_ms="60000")
    await put(broker, (b"a", b"1"))
    await put(broker, (b"a", b"2"))
    await roll(broker)
    clock.advance(59.999)
    await broker.run_housekeeping()
    assert len(await records(broker)) == 2
    clock.advance(0.001)
    await broker.run_housekeeping()
    assert await records(broker) == [(1, b"a", b"2")]


async def test_a_tombstone_outlasts_its_first_compaction_by_delete_retention(
    broker: Broker, clock: ManualClock
) -> None:
    await create(broker)
    await put(broker, (b"a", b"1"))
    await put(broker, (b"a", None), (b"b", b"1"))
    await roll(broker)
    await broker.run_housekeeping()
    assert await records(broker) == [(1, b"a", None), (2, b"b", b"1")]
    [first, *_] = await stored(broker)
    header = parse_header(first.data)
    assert header.has_delete_horizon
    assert header.base_timestamp == NOW_MS + DAY_MS
    assert [r.timestamp for r in read_records(first.data)] == [NOW_MS, NOW_MS]

    async def compact_again(after_ms: int) -> None:
        clock.advance(after_ms / 1000)
        for step in range(2):
            await put(broker, (b"roll", b""), at=clock.now_ms() + step * 5000)
        await broker.run_housekeeping()

    await compact_again(DAY_MS - 1)
    assert await records(broker) == [(1, b"a", None), (2, b"b", b"1")]
    await compact_again(10_000)
    assert await records(broker) == [(2, b"b", b"1")]


async def test_the_last_batch_of_a_producer_stays_for_its_sequence(
    broker: Broker, clock: ManualClock
) -> None:
    await create(broker)
    await put(broker, (b"a", b"1"), (b"a", b"2"), sequence=0)
    await put(broker, (b"a", b"3"), sequence=2)
    await put(broker, (b"a", b"4"))
    await put(broker, (b"b", b"1"))
    await roll(broker)
    await broker.run_housekeeping()
    batches = await stored(broker)
    assert [(b.base_offset, parse_header(b.data).record_count) for b in batches] == [
        (2, 0),
        (3, 1),
        (4, 1),
        (5, 1),
    ]
    restarted = Broker(broker._storage, clock=clock)
    await restarted.topics.load()
    assert restarted.partition_log(T0).producers.entries[7].last_sequence == 2
    assert restarted.partition_log(T0).first_dirty_offset == 5
    assert await put(restarted, (b"a", b"3"), sequence=2) == 2
    assert await put(restarted, (b"c", b"1"), sequence=3) == 6


async def test_the_last_batch_of_a_round_stays_even_if_it_is_empty(broker: Broker) -> None:
    await create(broker)
    await put(broker, (b"a", b"1"))
    await put(broker, (b"a", b"2"), at=NOW_MS + 5000)
    await roll(broker)
    await put(broker, (b"roll", b""), at=NOW_MS + 20_000)
    await broker.run_housekeeping()
    await put(broker, (b"a", b"3"), at=NOW_MS + 30_000)
    await put(broker, (b"roll", b""), at=NOW_MS + 40_000)
    await broker.run_housekeeping()
    offsets = [(b.last_offset, parse_header(b.data).record_count) for b in await stored(broker)]
    assert offsets == [(3, 1), (4, 1), (5, 1)]


async def test_records_without_a_key_go(broker: Broker) -> None:
    await create(broker, cleanup_policy="delete")
    await broker.produce(T0, build_batch([NewRecord(None, b"1", (), NOW_MS)]))
    await put(broker, (b"a", b"1"))
    topic = broker.topics.get("t")
    assert topic is not None
    await broker.topics.set_configs(topic, COMPACT)
    await roll(broker)
    await broker.run_housekeeping()
    assert await records(broker) == [(1, b"a", b"1")]


async def test_compaction_and_retention_go_together(broker: Broker, clock: ManualClock) -> None:
    await create(broker, cleanup_policy="compact,delete", retention_ms="60000")
    await put(broker, (b"a", b"1"), (b"b", b"1"))
    await put(broker, (b"a", b"2"), at=NOW_MS + 5000)
    await put(broker, (b"c", b"1"), at=NOW_MS + 50_000)
    await broker.run_housekeeping()
    assert await records(broker) == [(1, b"b", b"1"), (2, b"a", b"2"), (3, b"c", b"1")]
    clock.advance(62)
    await broker.run_housekeeping()
    assert await records(broker) == [(2, b"a", b"2"), (3, b"c", b"1")]
    assert broker.partition_log(T0).log_start_offset == 2


async def test_times_are_found_among_what_is_left(broker: Broker) -> None:
    await create(broker)
    await put(broker, (b"a", b"1"), at=NOW_MS + 500)
    await put(broker, (b"b", b"1"), at=NOW_MS + 100)
    await put(broker, (b"a", b"2"), at=NOW_MS)
    await roll(broker)
    await broker.run_housekeeping()
    log = broker.partition_log(T0)

    async def offset_at(timestamp: int) -> tuple[int, int]:
        return await broker.find_offset(log, timestamp, IsolationLevel.READ_UNCOMMITTED)

    assert await offset_at(NOW_MS + 50) == (1, NOW_MS + 100)
    assert await offset_at(NOW_MS + 300) == (3, NOW_MS + 10_000)
    assert await offset_at(-3) == (3, NOW_MS + 10_000)


async def test_a_small_key_buffer_takes_several_rounds() -> None:
    storage = await SqliteStorage.open(None)
    config = BrokerConfig({"log.cleaner.dedupe.buffer.size": "600"})
    broker = Broker(storage, config=config, clock=ManualClock(NOW_MS))
    await create(broker)
    for value in (b"1", b"2", b"3"):
        for key in range(10):
            await put(broker, (b"%d" % key, value))
    await roll(broker)
    await broker.run_housekeeping()
    assert await records(broker) == [(20 + key, b"%d" % key, b"3") for key in range(10)]
    await storage.close()


async def test_it_runs_by_itself_and_can_be_switched_off() -> None:
    for enabled in ("true", "false"):
        clock = ManualClock(NOW_MS)
        storage = await SqliteStorage.open(None)
        config = BrokerConfig({"log.cleaner.backoff.ms": "2000", "log.cleaner.enable": enabled})
        broker = Broker(storage, config=config, clock=clock)
        await broker.start()
        await create(broker)
        await put(broker, (b"a", b"1"))
        await put(broker, (b"a", b"2"))
        await roll(broker)
        log = broker.partition_log(T0)
        compacted = asyncio.Event()
        mark = log.mark_compacted

        async def mark_and_tell(
            upto_offset: int,
            mark: Callable[[int], Awaitable[None]] = mark,
            compacted: asyncio.Event = compacted,
        ) -> None:
            await mark(upto_offset)
            compacted.set()

        log.mark_compacted = mark_and_tell  # type: ignore[method-assign]
        clock.advance(1.999)
        assert len(await records(broker)) == 2
        clock.advance(0.001)
        if enabled == "true":
            await asyncio.wait_for(compacted.wait(), 60)
        await broker.close()
        assert len(await records(broker)) == (1 if enabled == "true" else 2)
        await storage.close()


async def test_nothing_returns_that_was_deleted_while_the_log_was_compacted(
    broker: Broker,
) -> None:
    await create(broker)
    for key in (b"a", b"b", b"a", b"c"):
        await put(broker, (key, b"x"))
    await roll(broker)
    log = broker.partition_log(T0)
    read = log.read

    async def read_and_delete(*arguments: int) -> Sequence[StoredBatch]:
        batches = await read(*arguments)
        await log.delete_records(2)
        await broker._storage.flush()
        return batches

    log.read = read_and_delete  # type: ignore[assignment,method-assign]
    await broker.run_housekeeping()
    log.read = read  # type: ignore[method-assign]
    assert await records(broker) == [(2, b"a", b"x"), (3, b"c", b"x")]
    assert await broker._storage.size_bytes(log.log_id) == sum(
        len(batch.data) for batch in await stored(broker)
    )


async def test_a_log_that_is_truncated_meanwhile_is_left_alone(broker: Broker) -> None:
    await create(broker)
    for value in (b"1", b"2"):
        await put(broker, (b"a", value))
    await roll(broker)
    log = broker.partition_log(T0)
    read = log.read

    async def read_and_truncate(*arguments: int) -> Sequence[StoredBatch]:
        batches = await read(*arguments)
        log.read = read  # type: ignore[method-assign]
        await cut_off(log, 0, log_start_offset=0, log_end_offset=0)
        await put(broker, (b"new", b"0"))
        return batches

    log.read = read_and_truncate  # type: ignore[assignment,method-assign]
    await broker.run_housekeeping()
    assert await records(broker) == [(0, b"new", b"0")]
    assert log.first_dirty_offset == 0


async def test_a_topic_that_is_not_compacted_any_more_is_left_alone(broker: Broker) -> None:
    await create(broker)
    for value in (b"1", b"2"):
        await put(broker, (b"a", value))
    await roll(broker)
    topic, log = broker.topics.get("t"), broker.partition_log(T0)
    assert topic is not None
    read = log.read

    async def read_and_change(*arguments: int) -> Sequence[StoredBatch]:
        await broker.topics.set_configs(topic, {})
        return await read(*arguments)

    log.read = read_and_change  # type: ignore[assignment,method-assign]
    await broker.run_housekeeping()
    log.read = read  # type: ignore[method-assign]
    assert await records(broker) == [(0, b"a", b"1"), (1, b"a", b"2")]
    assert log.first_dirty_offset == 0


async def test_large_batches_are_compacted_too(broker: Broker) -> None:
    await create(broker)
    for value in (b"1", b"2"):
        await put(broker, *((b"%05d" % key, value * 200) for key in range(500)))
    await roll(broker)
    await broker.run_housekeeping()
    assert await records(broker) == [(500 + n, b"%05d" % n, b"2" * 200) for n in range(500)]


KEYS = st.sampled_from([b"a", b"b", b"c", b"key that is longer than a digest"])
APPENDS = st.lists(
    st.tuples(
        st.lists(st.tuples(KEYS, st.binary(max_size=3)), min_size=1, max_size=4),
        st.integers(0, 900),
        st.sampled_from([Codec.NONE, Codec.GZIP]),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


@given(appends=APPENDS)
@settings(max_examples=30)
def test_compaction_leaves_the_newest_of_each_key_and_all_of_the_active_segment(
    appends: list[tuple[list[tuple[bytes, bytes]], int, Codec, bool]],
) -> None:
    async def check() -> None:
        storage = await SqliteStorage.open(None)
        broker = Broker(storage, clock=ManualClock(NOW_MS))
        await create(broker)
        log = broker.partition_log(T0)
        written: list[tuple[int, bytes, bytes]] = []
        now_ms = NOW_MS
        segment_start = NOW_MS + appends[0][1]
        active = 0
        for pairs, pause_ms, codec, compact in appends:
            now_ms += pause_ms
            base_offset = await put(broker, *pairs, at=now_ms, codec=codec)
            if now_ms - segment_start > 1000:
                active, segment_start = base_offset, now_ms
            written += [(base_offset + n, key, value) for n, (key, value) in enumerate(pairs)]
            if compact:
                await broker.run_housekeeping()
        await broker.run_housekeeping()
        newest = {key: offset for offset, key, _ in written if offset < active}
        expected = [
            (offset, key, value)
            for offset, key, value in written
            if offset >= active or newest[key] == offset
        ]
        assert await records(broker) == expected
        size = sum(len(batch.data) for batch in await stored(broker))
        assert await storage.size_bytes(log.log_id) == size
        assert log.high_watermark == written[-1][0] + 1
        await storage.close()

    asyncio.run(check())


async def test_a_file_that_was_copied_at_any_time_holds_the_newest_of_each_key(
    tmp_path: Path,
) -> None:
    """As a killed process leaves it: some steps of a round are stored, others are not."""
    storage = await SqliteStorage.open(tmp_path / "bus.db", durable=False)
    broker = Broker(storage, clock=ManualClock(NOW_MS))
    await create(broker)
    values = [bytes([65 + round_]) * 30_000 for round_ in range(4)]
    for value in values:
        for key in range(40):
            await put(broker, (b"%d" % key, value))
    await roll(broker)
    log = broker.partition_log(T0)
    replace = log.replace_batches
    copies = 0

    async def replace_and_copy(*arguments: object) -> None:
        nonlocal copies
        await replace(*arguments)  # type: ignore[arg-type]
        copies += 1
        for suffix in ("", "-wal"):
            target = tmp_path / f"copy{copies}.db{suffix}"
            target.write_bytes((tmp_path / f"bus.db{suffix}").read_bytes())

    log.replace_batches = replace_and_copy  # type: ignore[assignment,method-assign]
    await broker.run_housekeeping()
    expected = [(120 + key, b"%d" % key, values[-1]) for key in range(40)]
    assert await records(broker) == expected
    assert copies > 2
    for number in range(1, copies + 1):
        copied = await SqliteStorage.open(tmp_path / f"copy{number}.db", durable=False)
        again = Broker(copied, clock=ManualClock(NOW_MS))
        await again.topics.load()
        newest = {key: value for _, key, value in await records(again)}
        assert newest == {key: value for _, key, value in expected}
        size = await copied.size_bytes(again.partition_log(T0).log_id)
        assert size == sum(len(batch.data) for batch in await stored(again))
        await again.run_housekeeping()
        assert await records(again) == expected
        await copied.close()
    await storage.close()


async def test_memory_of_forgotten_batches_is_bounded() -> None:
    cache, tail, other = TailCache(), LogTail(), LogTail()
    cached = StoredBatch(0, 0, 0, -1, -1, -1, 0, b"x")
    for offset in range(10_000):
        cache.add(tail, cached._replace(base_offset=offset, last_offset=offset))
        if offset % 3000 == 0:
            cache.add(other, cached)
        cache.forget(tail, offset - 2)
    assert len(cache._order) < 3000
    assert (len(tail), len(other)) == (3, 4)
    assert tail.read(9996, 10_000, 100) is None
    read = tail.read(9997, 10_000, 100)
    assert read is not None
    assert [batch.base_offset for batch in read] == [9997, 9998, 9999]


async def test_records_of_aborted_transactions_go_and_neither_markers_nor_newer_values(
    broker: Broker,
) -> None:
    await create(broker)
    producer = await TransactionalProducer(broker).init()
    await put(broker, (b"k", b"kept"))
    await producer.write(b"aborted")
    await producer.end(commit=False)
    await producer.write(b"committed")
    await producer.end(commit=True)
    await put(broker, (b"other", b"kept too"))
    await roll(broker)
    await broker.run_housekeeping()
    left = [(b.base_offset, bool(b.attributes & CONTROL_BIT)) for b in await stored(broker)]
    assert [each for each in left if each[0] < 6] == [(2, True), (3, False), (4, True), (5, False)]
    log = broker.partition_log(T0)
    await log.load_producers()
    assert await committed(broker) == [b"committed", b"kept too", b""]


async def test_an_aborted_record_is_nobodys_newest_value(broker: Broker) -> None:
    await create(broker)
    producer = await TransactionalProducer(broker).init()
    await put(broker, (b"k", b"kept"))
    await producer.write(b"aborted")
    await producer.write(b"aborted", key=b"nobody else's")
    await producer.end(commit=False)
    await producer.write(b"committed", key=b"other")
    await producer.end(commit=True)
    await roll(broker)
    await broker.run_housekeeping()
    left = [each.base_offset for each in await stored(broker)]
    assert [offset for offset in left if offset < 6] == [0, 3, 4, 5]
