from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import StorageError
from fakebus.kafka.handlers.delete_records import handle_delete_records
from fakebus.protocol.messages import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from fakebus.types import TopicPartition
from tests.unit.broker.batches import batch
from tests.unit.kafka.handlers.calling import call


def request(*partitions: tuple[str, int, int]) -> DeleteRecordsRequest:
    return DeleteRecordsRequest(
        topics=[
            DeleteRecordsTopic(
                name=topic,
                partitions=[DeleteRecordsPartition(partition_index=index, offset=offset)],
            )
            for topic, index, offset in partitions
        ]
    )


@pytest.mark.parametrize("version", range(3))
async def test_each_partition_is_answered_with_its_low_watermark(
    broker: Broker, version: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fakebus.broker")
    await broker.topics.create("t", 2, {})
    for index in range(2):
        await broker.produce(TopicPartition("t", index), batch(b"a", b"b"))
    wanted = request(
        *(("t", 0, 2), ("t", 1, 5), ("t", 9, 0), ("nope", 0, 0), ("t", 0, 1)),
    )
    response = await call(handle_delete_records, wanted, broker, version=version)
    assert [
        (topic.name, one.partition_index, one.low_watermark, one.error_code)
        for topic in response.topics
        for one in topic.partitions
    ] == [("t", 0, 1, 0), ("t", 1, -1, 1), ("t", 9, -1, 3), ("nope", 0, -1, 3)]
    refused = [message for message in caplog.messages if "is refused" in message]
    assert [message.partition(" is refused: ")[0] for message in refused] == [
        "the deletion of records of t-1",
        "the deletion of records of t-9",
        "the deletion of records of nope-0",
    ]


async def test_a_failure_of_storage_is_an_error_of_the_partition(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.topics.create("t", 1, {})
    await broker.produce(TopicPartition("t", 0), batch(b"a"))

    def fail(log_id: int, log_start_offset: int, undo: Callable[[], None]) -> asyncio.Future[None]:
        undo()
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(StorageError("disk full"))
        return failed

    monkeypatch.setattr(broker._storage, "delete_before", fail)
    response = await call(handle_delete_records, request(("t", 0, 1)), broker)
    assert response.topics[0].partitions[0].error_code == 56
