"""Produce, fetch and what topics' configs do to them, without any socket."""

from __future__ import annotations

import asyncio
import struct

import pytest

from fakebus.broker.appending import InvalidRecordsError
from fakebus.broker.broker import Broker
from fakebus.broker.fetching import FetchTarget, IsolationLevel
from fakebus.errors import BrokerError, ErrorCode
from fakebus.records.batch import TimestampType, compute_crc, parse_header, write_crc
from fakebus.records.builder import build_batch
from fakebus.records.codecs import Codec
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord
from fakebus.storage.sqlite import SqliteStorage
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import T0, batch, read
from tests.unit.broker.conftest import NOW_MS


async def test_offsets_are_assigned_in_the_order_of_the_calls(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    results = [broker.produce(T0, batch(b"%d" % n, b"x")) for n in range(10)]
    assert [(await r).base_offset for r in results] == list(range(0, 20, 2))
    assert [r.value for r in await read(broker) if r.value != b"x"] == [
        b"%d" % n for n in range(10)
    ]


async def test_nothing_is_visible_before_it_is_stored(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    log = broker.partition_log(T0)
    result = broker.produce(T0, batch(b"x"))
    assert (log.high_watermark, log.log_end_offset) == (0, 1)
    await result
    assert (log.high_watermark, log.log_end_offset) == (1, 1)


async def test_an_unknown_partition_is_refused(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    for partition in (TopicPartition("t", 1), TopicPartition("t", -1), TopicPartition("u", 0)):
        with pytest.raises(BrokerError) as caught:
            broker.produce(partition, batch(b"x"))
        assert caught.value.error_code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


async def test_log_append_time_stamps_the_batch_and_keeps_its_crc_right(broker: Broker) -> None:
    await broker.topics.create("t", 1, {"message.timestamp.type": "LogAppendTime"})
    info = await broker.produce(T0, batch(b"a", b"b", at=5))
    assert info.log_append_time_ms == NOW_MS
    (found,) = await broker.fetch([FetchTarget(broker.partition_log(T0), 0, 1000)])
    stored = bytes(found.batches[0])
    assert compute_crc(stored) == parse_header(stored).crc
    assert [record.timestamp for record in read_records(stored)] == [NOW_MS, NOW_MS]


async def test_compression_type_of_the_topic_recompresses(broker: Broker) -> None:
    await broker.topics.create("t", 1, {"compression.type": "zstd"})
    await broker.produce(T0, batch(b"a" * 1000, b"b", at=NOW_MS, codec=Codec.GZIP))
    (found,) = await broker.fetch([FetchTarget(broker.partition_log(T0), 0, 10_000)])
    assert parse_header(found.batches[0]).codec is Codec.ZSTD
    assert [record.value for record in await read(broker)] == [b"a" * 1000, b"b"]


async def test_a_compacted_topic_names_each_record_without_a_key(broker: Broker) -> None:
    await broker.topics.create("t", 1, {"cleanup.policy": "compact"})
    records = [NewRecord(key=key, value=b"v") for key in (b"k", None, b"", None)]
    with pytest.raises(InvalidRecordsError) as caught:
        broker.produce(T0, build_batch(records))
    assert caught.value.error_code is ErrorCode.INVALID_RECORD
    assert caught.value.message == "t-0 is compacted and takes only records with a key"
    told = "this record for t-0 has no key, and the topic is compacted"
    assert caught.value.record_errors == [(1, told), (3, told)]
    await broker.produce(T0, batch(b"v", None))


@pytest.mark.parametrize(
    ("configs", "at", "accepted"),
    [
        ({}, NOW_MS + 3_599_000, True),
        ({}, NOW_MS + 3_601_000, False),
        ({}, 0, True),
        ({"message.timestamp.before.max.ms": "1000"}, NOW_MS - 999, True),
        ({"message.timestamp.before.max.ms": "1000"}, NOW_MS - 1001, False),
        ({"message.timestamp.after.max.ms": "10"}, NOW_MS + 11, False),
    ],
)
async def test_timestamps_have_limits(
    broker: Broker, configs: dict[str, str], at: int, accepted: bool
) -> None:
    await broker.topics.create("t", 1, configs)
    if accepted:
        await broker.produce(T0, batch(b"x", at=at))
        return
    with pytest.raises(BrokerError) as caught:
        broker.produce(T0, batch(b"x", at=at))
    assert caught.value.error_code is ErrorCode.INVALID_TIMESTAMP


@pytest.mark.parametrize(
    "configs",
    [{}, {"message.timestamp.type": "LogAppendTime"}, {"cleanup.policy": "compact"}],
    ids=["plain", "stamped", "compacted"],
)
@pytest.mark.parametrize("timestamp_type", TimestampType)
@pytest.mark.parametrize(
    ("codec", "count"),
    [(Codec.NONE, 1), (Codec.NONE, 3), (Codec.NONE, 100), (Codec.NONE, 30_000_000)]
    + [(codec, 2**31 - 1) for codec in Codec],
)
async def test_a_record_count_that_lies_is_refused(
    broker: Broker,
    configs: dict[str, str],
    timestamp_type: TimestampType,
    codec: Codec,
    count: int,
) -> None:
    await broker.topics.create("t", 1, configs)
    data = batch(b"x" * 1000, b"y", codec=codec, timestamp_type=timestamp_type)
    struct.pack_into(">i", data, 57, count)
    struct.pack_into(">i", data, 23, count - 1)
    write_crc(data)
    with pytest.raises(BrokerError) as caught:
        broker.produce(T0, data)
    assert caught.value.error_code is ErrorCode.INVALID_RECORD
    assert broker.partition_log(T0).log_end_offset == 0


async def test_an_answer_names_a_thousand_offending_records_at_most(broker: Broker) -> None:
    await broker.topics.create("t", 1, {"message.timestamp.type": "LogAppendTime"})
    for count, named in ((3, 3), (1_000, 1_000), (20_000, 1_000)):
        data = batch(*[b""] * count, timestamp_type=TimestampType.LOG_APPEND_TIME)
        with pytest.raises(InvalidRecordsError) as caught:
            broker.produce(T0, data)
        assert caught.value.error_code is ErrorCode.INVALID_TIMESTAMP
        assert [index for index, _ in caught.value.record_errors] == list(range(named))


async def test_of_a_batch_with_wrong_timestamps_those_at_the_limits_are_right(
    broker: Broker,
) -> None:
    await broker.topics.create("t", 1, {"message.timestamp.before.max.ms": "1000"})
    times = (NOW_MS - 1001, NOW_MS - 1000, NOW_MS + 3_600_000, NOW_MS + 3_600_001)
    data = build_batch([NewRecord(key=b"k", value=b"v", timestamp_ms=at) for at in times])
    with pytest.raises(InvalidRecordsError) as caught:
        broker.produce(T0, data)
    assert [index for index, _ in caught.value.record_errors] == [0, 3]


async def test_a_topic_decides_whose_timestamps_its_batches_have(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    data = batch(b"x", at=NOW_MS, timestamp_type=TimestampType.LOG_APPEND_TIME)
    await broker.produce(T0, data)
    assert parse_header(data).attributes == 0
    assert compute_crc(data) == parse_header(data).crc


async def test_max_message_bytes_is_the_topics_own(broker: Broker) -> None:
    await broker.topics.create("t", 1, {"max.message.bytes": "200"})
    await broker.produce(T0, batch(b"x" * 100))
    with pytest.raises(BrokerError) as caught:
        broker.produce(T0, batch(b"x" * 200))
    assert caught.value.error_code is ErrorCode.MESSAGE_TOO_LARGE
    await broker.topics.set_configs(broker.topics.get("t"), {"max.message.bytes": "1000"})  # type: ignore[arg-type]
    await broker.produce(T0, batch(b"x" * 200))


async def test_delete_records_moves_the_log_start_at_once(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    for _ in range(5):
        await broker.produce(T0, batch(b"a", b"b"))
    log = broker.partition_log(T0)
    assert await log.delete_records(5) == 5
    (found,) = await broker.fetch([FetchTarget(log, 4, 1000)])
    assert found.error is ErrorCode.OFFSET_OUT_OF_RANGE
    assert [record.offset for record in await read(broker, 5)] == [5, 6, 7, 8, 9]
    assert (await broker.find_offset(log, -2, IsolationLevel.READ_UNCOMMITTED)).offset == 5
    with pytest.raises(BrokerError) as caught:
        await log.delete_records(11)
    assert caught.value.error_code is ErrorCode.OFFSET_OUT_OF_RANGE
    assert await log.delete_records(-1) == 10
    assert await log.delete_records(3) == 10


async def test_a_time_inside_a_half_deleted_batch_finds_what_is_left(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    await broker.produce(
        T0, build_batch([NewRecord(key=None, value=b"v", timestamp_ms=n) for n in (10, 20, 30)])
    )
    log = broker.partition_log(T0)
    await log.delete_records(1)
    found = await broker.find_offset(log, 5, IsolationLevel.READ_UNCOMMITTED)
    assert found == (1, 20)


async def test_a_time_in_a_half_deleted_batch_that_cannot_be_read_is_found_where_the_log_begins(
    broker: Broker,
) -> None:
    await broker.topics.create("t", 1, {})
    data = bytearray(
        build_batch([NewRecord(key=None, value=b"v", timestamp_ms=n) for n in (10, 20, 30)])
    )
    data[22], data[61:] = Codec.LZ4, b"\xff" * len(data[61:])  # its records cannot be unpacked
    write_crc(data)
    await broker.produce(T0, data)
    log = broker.partition_log(T0)
    await log.delete_records(2)
    found = await broker.find_offset(log, 25, IsolationLevel.READ_UNCOMMITTED)
    assert found == (2, 10)


async def test_the_newest_time_is_that_of_records_that_are_left(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    for at in (30, 10, 20):
        await broker.produce(T0, batch(b"v", at=at))
    log = broker.partition_log(T0)
    await log.delete_records(1)
    found = await broker.find_offset(log, -3, IsolationLevel.READ_UNCOMMITTED)
    assert found == (2, 20)


async def test_retention_by_time_and_by_size(broker: Broker, clock: ManualClock) -> None:
    await broker.topics.create("old", 1, {"retention.ms": "60000"})
    await broker.topics.create("big", 1, {"retention.bytes": "3000"})
    await broker.topics.create("kept", 1, {"retention.ms": "-1"})
    for name in ("old", "big", "kept"):
        for _ in range(5):
            data = batch(b"x" * 1000, at=NOW_MS)
            await broker.produce(TopicPartition(name, 0), data)
    clock.advance(30)
    await broker.produce(TopicPartition("old", 0), batch(b"new", at=clock.now_ms()))
    clock.advance(45)
    await broker.run_housekeeping()

    def start(name: str) -> int:
        return broker.partition_log(TopicPartition(name, 0)).log_start_offset

    assert start("old") == 5
    assert start("big") == 2
    assert start("kept") == 0


async def test_a_waiting_fetch_wakes_on_append_on_delete_and_on_time(
    broker: Broker, clock: ManualClock
) -> None:
    await broker.topics.create("t", 1, {})
    log = broker.partition_log(T0)

    def wait() -> asyncio.Task[list[object]]:
        return asyncio.ensure_future(  # type: ignore[return-value]
            broker.fetch([FetchTarget(log, log.high_watermark, 1000)], max_wait_ms=1000)
        )

    waiting = wait()
    await asyncio.sleep(0)
    assert not waiting.done()
    await broker.produce(T0, batch(b"x"))
    assert (await waiting)[0].size_bytes > 0  # type: ignore[attr-defined]
    waiting = wait()
    await asyncio.sleep(0)
    clock.advance(1.001)
    assert (await waiting)[0].size_bytes == 0  # type: ignore[attr-defined]
    waiting = wait()
    await asyncio.sleep(0)
    await broker.topics.delete(broker.topics.get("t"))  # type: ignore[arg-type]
    assert (await waiting)[0].error is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION  # type: ignore[attr-defined]


async def test_producer_ids_are_never_given_twice(broker: Broker) -> None:
    ids = await asyncio.gather(*(broker.producer_ids.allocate() for _ in range(2500)))
    assert len(set(ids)) == 2500


async def test_limits_count_over_all_partitions_of_a_fetch(broker: Broker) -> None:
    await broker.topics.create("t", 3, {})
    for partition in range(3):
        await broker.produce(TopicPartition("t", partition), batch(b"x" * 1000))
    logs = [broker.partition_log(TopicPartition("t", n)) for n in range(3)]
    size = len(batch(b"x" * 1000))
    found = await broker.fetch([FetchTarget(log, 0, 10_000) for log in logs], max_bytes=2 * size)
    assert [info.size_bytes for info in found] == [size, size, 0]
    found = await broker.fetch([FetchTarget(log, 0, 1) for log in logs])
    assert [info.size_bytes for info in found] == [size, 0, 0]


@pytest.mark.parametrize("name", ["__consumer_offsets", "__transaction_state"])
async def test_clients_write_to_no_internal_topic(broker: Broker, name: str) -> None:
    await broker.ensure_internal_topic(name)
    partition = TopicPartition(name, 0)
    with pytest.raises(BrokerError) as caught:
        await broker.produce(partition, batch(b"x"))
    assert caught.value.error_code is ErrorCode.INVALID_TOPIC_EXCEPTION
    assert broker.partition_log(partition).log_end_offset == 0


async def test_a_producer_goes_on_where_it_was_after_a_restart(clock: ManualClock) -> None:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, clock=clock)
    await broker.start()
    await broker.topics.create("t", 1, {"retention.ms": "-1"})
    sent = [batch(b"x", producer_id=7, producer_epoch=1, base_sequence=n) for n in range(8)]
    for data in sent[:7]:
        await broker.produce(T0, bytearray(data))
    await broker.close()

    again = Broker(storage, clock=clock)
    await again.start()
    assert (await again.produce(T0, bytearray(sent[6]))).base_offset == 6
    old = batch(b"x", producer_id=7, producer_epoch=0, base_sequence=7)
    gap = batch(b"x", producer_id=7, producer_epoch=1, base_sequence=9)
    for data, error in (
        (old, ErrorCode.INVALID_PRODUCER_EPOCH),
        (gap, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER),
    ):
        with pytest.raises(BrokerError) as raised:
            await again.produce(T0, data)
        assert raised.value.error_code is error
    assert (await again.produce(T0, bytearray(sent[7]))).base_offset == 7
    await again.close()
    await storage.close()
