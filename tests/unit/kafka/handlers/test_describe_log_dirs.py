from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.describe_log_dirs import handle_describe_log_dirs
from fakebus.protocol.messages import DescribableLogDirTopic, DescribeLogDirsRequest
from fakebus.types import TopicPartition
from tests.unit.broker.batches import batch
from tests.unit.kafka.handlers.calling import call


@pytest.mark.parametrize("version", range(1, 6))
async def test_all_partitions_are_listed_with_their_size(broker: Broker, version: int) -> None:
    await broker.topics.create("t", 2, {})
    data = batch(b"a", b"b")
    size = len(data)
    await broker.produce(TopicPartition("t", 1), data)
    response = await call(
        handle_describe_log_dirs, DescribeLogDirsRequest(topics=None), broker, version=version
    )
    [directory] = response.results
    assert (directory.error_code, directory.log_dir) == (0, "fakebus")
    assert (directory.total_bytes, directory.usable_bytes) == (-1, -1)
    assert directory.is_cordoned is False
    [topic] = directory.topics
    assert topic.name == "t"
    assert [
        (one.partition_index, one.partition_size, one.offset_lag, one.is_future_key)
        for one in topic.partitions
    ] == [(0, 0, 0, False), (1, size, 0, False)]


async def test_named_partitions_are_listed_if_they_exist(broker: Broker) -> None:
    await broker.topics.create("t", 2, {})
    request = DescribeLogDirsRequest(
        topics=[
            DescribableLogDirTopic(topic="t", partitions=[1, 7]),
            DescribableLogDirTopic(topic="nope", partitions=[0]),
        ]
    )
    [directory] = (await call(handle_describe_log_dirs, request, broker)).results
    assert [(t.name, [p.partition_index for p in t.partitions]) for t in directory.topics] == [
        ("t", [1])
    ]


async def test_no_named_topic_means_no_topic(broker: Broker) -> None:
    await broker.topics.create("t", 2, {})
    request = DescribeLogDirsRequest(topics=[])
    assert (await call(handle_describe_log_dirs, request, broker)).results[0].topics == []
