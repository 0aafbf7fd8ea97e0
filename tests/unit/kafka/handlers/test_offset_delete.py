from __future__ import annotations

from typing import Any

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import ErrorCode
from fakebus.kafka.handlers.offset_delete import handle_offset_delete
from fakebus.kafka.handlers.offset_fetch import handle_offset_fetch
from fakebus.protocol.messages import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from fakebus.types import TopicPartition
from tests.unit.kafka.handlers.calling import call
from tests.unit.kafka.handlers.consumers import stable_member
from tests.unit.kafka.handlers.test_share_fetch import ShareConsumer, produce


async def delete(broker: Broker, topics: dict[str, list[int]], group: str = "g") -> Any:
    request = OffsetDeleteRequest(
        group_id=group,
        topics=[
            OffsetDeleteRequestTopic(
                name=name,
                partitions=[OffsetDeleteRequestPartition(partition_index=i) for i in indexes],
            )
            for name, indexes in topics.items()
        ],
    )
    return await call(handle_offset_delete, request, broker)


async def test_offsets_are_deleted_unless_a_member_reads_the_topic(broker: Broker) -> None:
    for name in ("t", "u"):
        await broker.topics.create(name, 2, {})
    await stable_member(broker)
    offsets = {TopicPartition(name, 1): 4 for name in ("t", "u")}
    await broker.group_coordinator.set_offsets("g", offsets)
    response = await delete(broker, {"t": [1], "u": [0, 1, 7], "nope": [0]})
    assert response.error_code == 0
    codes = {t.name: [p.error_code for p in t.partitions] for t in response.topics}
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION.code
    assert codes == {
        "t": [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC.code],
        "u": [0, 0, unknown],
        "nope": [unknown],
    }
    assert broker.group_coordinator.all_offsets().keys() == {"g"}
    assert broker.group_coordinator.offsets("g").keys() == {TopicPartition("t", 1)}
    assert broker.group_coordinator.committed_offset("g", TopicPartition("t", 1)) == 4


@pytest.mark.parametrize(
    ("group", "error"), [("x", ErrorCode.GROUP_ID_NOT_FOUND), ("", ErrorCode.INVALID_GROUP_ID)]
)
async def test_group_has_to_exist(broker: Broker, group: str, error: ErrorCode) -> None:
    response = await delete(broker, {"t": [0]}, group)
    assert (response.error_code, response.topics) == (error.code, [])


async def test_offsets_of_a_share_group_are_its_own(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    broker.config.group_overrides["g"] = {"share.auto.offset.reset": "earliest"}
    consumer = ShareConsumer(broker)
    await consumer.heartbeat()
    await produce(broker, 2)
    await consumer.read()
    await consumer.acknowledge((0, 0, 1))

    response = await delete(broker, {"t": [0]})
    assert (response.error_code, response.topics) == (ErrorCode.GROUP_ID_NOT_FOUND.code, [])
    assert broker.group_coordinator.offsets("g")[TopicPartition("t", 0)].offset == 1

    named = [OffsetFetchRequestTopics(name="t", partition_indexes=[0])]
    for topics, found in ((None, []), (named, [-1])):
        group = OffsetFetchRequestGroup(group_id="g", topics=topics, member_epoch=-1)
        request = OffsetFetchRequest(groups=[group])
        (told,) = (await call(handle_offset_fetch, request, broker, version=9)).groups
        assert told.error_code == 0
        assert [p.committed_offset for each in told.topics for p in each.partitions] == found
