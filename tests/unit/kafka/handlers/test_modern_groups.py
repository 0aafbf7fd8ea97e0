"""What the first use of a share group makes."""

from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.topic_names import SHARE_GROUP_STATE
from fakebus.errors import StorageError
from fakebus.kafka.handlers.alter_share_group_offsets import handle_alter_share_group_offsets
from fakebus.kafka.handlers.share_group_heartbeat import handle_share_group_heartbeat
from fakebus.protocol.messages import (
    AlterShareGroupOffsetsRequest,
    AlterShareGroupOffsetsRequestPartition,
    AlterShareGroupOffsetsRequestTopic,
    ShareGroupHeartbeatRequest,
)
from tests.unit.kafka.handlers.calling import call


def join(topic: str) -> ShareGroupHeartbeatRequest:
    return ShareGroupHeartbeatRequest(
        group_id=f"of {topic}", member_id="m", member_epoch=0, subscribed_topic_names=[topic]
    )


async def test_the_first_partition_of_a_share_group_creates_the_internal_topic(
    broker: Broker,
) -> None:
    await broker.topics.create("t", 1, {})
    await call(handle_share_group_heartbeat, join("missing"), broker)
    assert broker.topics.get(SHARE_GROUP_STATE) is None
    await call(handle_share_group_heartbeat, join("t"), broker)
    topic = broker.topics.get(SHARE_GROUP_STATE)
    assert topic is not None
    assert topic.is_internal


async def test_offsets_of_a_share_group_that_are_set_create_it(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    row = AlterShareGroupOffsetsRequestPartition(partition_index=0, start_offset=0)
    topic = AlterShareGroupOffsetsRequestTopic(topic_name="t", partitions=[row])
    request = AlterShareGroupOffsetsRequest(group_id="g", topics=[topic])
    await call(handle_alter_share_group_offsets, request, broker)
    assert broker.topics.get(SHARE_GROUP_STATE) is not None


async def test_a_share_group_does_without_the_topic_where_it_cannot_be_stored(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await broker.topics.create("t", 1, {})

    async def fail(name: str) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(broker, "ensure_internal_topic", fail)
    answer = await call(handle_share_group_heartbeat, join("t"), broker)
    assert answer.error_code == 0
    assert answer.assignment.topic_partitions
