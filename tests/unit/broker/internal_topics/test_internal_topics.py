"""What is read in __consumer_offsets and __transaction_state, and when it is written there."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.groups.requests import OffsetCommit, PartitionOffset
from fakebus.broker.tail import LogCursor
from fakebus.broker.topic_names import CONSUMER_OFFSETS, TRANSACTION_STATE, partition_of
from fakebus.errors import ErrorCode, StorageError
from fakebus.protocol.compiler import message_decoder
from fakebus.protocol.schema import schemas_without_api
from fakebus.storage.sqlite import SqliteStorage
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.conftest import NOW_MS
from tests.unit.broker.transactions.producer import TransactionalProducer

T0 = TopicPartition("t", 0)


def decoded(name: str, data: bytes) -> Any:
    [version] = struct.unpack_from(">h", data)
    return message_decoder(schemas_without_api()[name], version)(memoryview(data), 2)


async def prepare(broker: Broker) -> Broker:
    if broker.topics.get("t") is None:
        await broker.topic_admin.auto_create("t", allowed=True)
    for name in (CONSUMER_OFFSETS, TRANSACTION_STATE):
        await broker.ensure_internal_topic(name)
    return broker


async def commit(broker: Broker, group: str, offset: int) -> None:
    told: asyncio.Future[list[ErrorCode]] = asyncio.get_running_loop().create_future()
    wanted = OffsetCommit(group_id=group, offsets=[PartitionOffset("t", 0, offset, metadata="m")])
    broker.commit_offsets(wanted, told.set_result)
    assert await told == [ErrorCode.NONE]


async def read(broker: Broker, topic: str, key: str) -> list[tuple[bytes, bytes | None]]:
    """Return the records of the partition that a group or an id is kept in."""
    await broker.settle()
    log = broker.topics.logs[TopicPartition(topic, partition_of(key, 50))]
    return [(record.key or b"", record.value) for record in await LogCursor(log).records(1000)]


async def offsets(broker: Broker, group: str) -> list[int | None]:
    """Return the committed offsets that stand in the log, ``None`` for tombstones."""
    return [
        None if value is None else decoded("OffsetCommitValue", value).offset
        for key, value in await read(broker, CONSUMER_OFFSETS, group)
        if key.startswith(b"\0\1") and decoded("OffsetCommitKey", key).group == group
    ]


async def test_nothing_is_written_until_the_topic_is_read_and_then_every_commit(
    broker: Broker,
) -> None:
    await prepare(broker)
    for offset in (1, 2):
        await commit(broker, "g", offset)
    assert await offsets(broker, "g") == []
    await broker.internal_topics.fill(CONSUMER_OFFSETS)
    assert await offsets(broker, "g") == [2]
    for offset in (3, 3, 4):
        await commit(broker, "g", offset)
        await asyncio.sleep(0)
    assert await offsets(broker, "g") == [2, 3, 4]
    await broker.internal_topics.fill(CONSUMER_OFFSETS)
    assert await offsets(broker, "g") == [2, 3, 4]


async def test_a_committed_offset_is_told_with_all_that_belongs_to_it(broker: Broker) -> None:
    await prepare(broker)
    await commit(broker, "g", 7)
    await broker.internal_topics.fill(CONSUMER_OFFSETS)
    [(key, value)] = await read(broker, CONSUMER_OFFSETS, "g")
    assert key == b"\0\1" + b"\0\1g" + b"\0\1t" + bytes(4)
    assert value is not None
    assert value[:2] == b"\0\3"
    told = decoded("OffsetCommitValue", value)
    assert (told.offset, told.leader_epoch, told.metadata) == (7, -1, "m")
    assert told.commit_timestamp == NOW_MS


async def test_offsets_that_are_gone_leave_tombstones(broker: Broker) -> None:
    await prepare(broker)
    await broker.internal_topics.fill(CONSUMER_OFFSETS)
    for group in ("one", "other"):
        await commit(broker, group, 1)
    assert await broker.group_coordinator.delete_offsets("one", [T0]) == [ErrorCode.NONE]
    assert await broker.group_coordinator.delete_group("other") is ErrorCode.NONE
    await asyncio.sleep(0)
    assert await offsets(broker, "one") == [1, None]
    assert await offsets(broker, "other") == [1, None]


async def test_after_a_restart_only_the_differences_are_written(
    tmp_path: Path, clock: ManualClock
) -> None:
    for second in (False, True):
        storage = await SqliteStorage.open(tmp_path / "bus.db")
        broker = Broker(storage, clock=clock)
        await broker.start()
        await prepare(broker)
        if second:
            await commit(broker, "a", 2)
            assert await broker.group_coordinator.delete_group("b") is ErrorCode.NONE
        else:
            for group in ("a", "b", "c"):
                await commit(broker, group, 1)
        await broker.internal_topics.fill(CONSUMER_OFFSETS)
        if second:
            assert await offsets(broker, "a") == [1, 2]
            assert await offsets(broker, "b") == [1, None]
            assert await offsets(broker, "c") == [1]
        await broker.close()
        await storage.close()


async def test_a_rollback_does_not_leave_the_topic_behind(broker: Broker) -> None:
    await prepare(broker)
    await broker.internal_topics.fill(CONSUMER_OFFSETS)
    await commit(broker, "g", 1)
    snapshot = await broker.snapshots.take()
    await commit(broker, "g", 2)
    await asyncio.sleep(0)
    await broker.snapshots.roll_back(snapshot)
    await broker.internal_topics.fill(CONSUMER_OFFSETS)
    await commit(broker, "g", 3)
    await asyncio.sleep(0)
    assert (await offsets(broker, "g"))[-2:] == [1, 3]


async def test_a_transactional_id_is_told_through_its_transaction_until_it_is_forgotten(
    broker: Broker, clock: ManualClock
) -> None:
    await prepare(broker)
    producer = await TransactionalProducer(broker).init()
    await broker.internal_topics.fill(TRANSACTION_STATE)
    await producer.write(b"v")
    await asyncio.sleep(0)
    await producer.end(commit=True)
    await asyncio.sleep(0)
    clock.advance(8 * 24 * 3600)
    await broker.transactions.expire()
    await asyncio.sleep(0)
    found = await read(broker, TRANSACTION_STATE, "p")
    assert {key for key, _ in found} == {b"\0\0" + b"\0\1p"}
    states = [
        None if value is None else decoded("TransactionLogValue", value) for _, value in found
    ]
    assert [each and each.transaction_status for each in states] == [0, 1, 4, None]
    assert states[0].transaction_partitions is None
    assert [(each.topic, each.partition_ids) for each in states[1].transaction_partitions] == [
        ("t", [0])
    ]
    assert states[1].client_transaction_version == 2


async def test_what_could_not_be_written_is_there_when_it_is_read_again(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await prepare(broker)
    await broker.internal_topics.fill(CONSUMER_OFFSETS)
    await commit(broker, "g", 1)
    log = broker.topics.logs[TopicPartition(CONSUMER_OFFSETS, partition_of("g", 50))]

    def fail(*_: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(log, "append", fail)
        await commit(broker, "g", 2)
        await asyncio.sleep(0)
    assert await offsets(broker, "g") == [1]
    await broker.internal_topics.fill(CONSUMER_OFFSETS)
    assert await offsets(broker, "g") == [1, 2]


@pytest.mark.parametrize(
    ("name", "partition"),
    [
        ("billing", 9),
        # Of a negative hash Kafka takes the absolute value.
        ("shipping", 8),
        ("orders-consumer", 40),
        # The smallest of all hashes has no positive twin.
        ("polygenelubricants", 0),
        ("", 0),
    ],
)
def test_groups_are_kept_in_the_partition_of_their_names_hash_in_java(
    name: str, partition: int
) -> None:
    assert partition_of(name, 50) == partition
