from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import ErrorCode
from fakebus.kafka.handlers.offset_fetch import handle_offset_fetch
from fakebus.protocol.messages import (
    OffsetCommitRequestPartition,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from fakebus.types import TopicPartition
from tests.unit.kafka.handlers.calling import call
from tests.unit.kafka.handlers.consumers import commit


@pytest.fixture(autouse=True)
async def topic_id(broker: Broker) -> UUID:
    """Topic ``t``, for whose partition 0 group ``g`` has committed 5."""
    topic = await broker.topics.create("t", 2, {})
    partition = OffsetCommitRequestPartition(
        partition_index=0, committed_offset=5, committed_leader_epoch=3, committed_metadata="note"
    )
    await commit(broker, partition)
    return topic.topic_id


def asking(*topics: OffsetFetchRequestTopics, group: str = "g") -> OffsetFetchRequestGroup:
    return OffsetFetchRequestGroup(group_id=group, topics=list(topics))


@pytest.mark.parametrize("version", range(1, 8))
async def test_old_versions_ask_for_one_group(broker: Broker, version: int) -> None:
    request = OffsetFetchRequest(
        group_id="g",
        topics=[
            OffsetFetchRequestTopic(name="t", partition_indexes=[0, 1]),
            OffsetFetchRequestTopic(name="nope", partition_indexes=[0]),
        ],
    )
    response = await call(handle_offset_fetch, request, broker, version=version)
    assert response.error_code == 0
    first, second = response.topics[0].partitions
    assert (first.committed_offset, first.metadata, first.error_code) == (5, "note", 0)
    assert first.committed_leader_epoch == (3 if version >= 5 else -1)
    assert (second.committed_offset, second.metadata, second.error_code) == (-1, "", 0)
    assert response.topics[1].partitions[0].committed_offset == -1


@pytest.mark.parametrize("version", range(2, 8))
async def test_null_means_all_committed_partitions(broker: Broker, version: int) -> None:
    request = OffsetFetchRequest(group_id="g", topics=None)
    response = await call(handle_offset_fetch, request, broker, version=version)
    assert [(t.name, [p.committed_offset for p in t.partitions]) for t in response.topics] == [
        ("t", [5])
    ]


@pytest.mark.parametrize("version", [8, 9])
async def test_several_groups_are_answered_each(broker: Broker, version: int) -> None:
    request = OffsetFetchRequest(
        groups=[
            asking(OffsetFetchRequestTopics(name="t", partition_indexes=[0, 1])),
            OffsetFetchRequestGroup(group_id="g", topics=None),
            OffsetFetchRequestGroup(group_id="nope", topics=None),
            asking(OffsetFetchRequestTopics(name="t", partition_indexes=[0]), group="nope"),
        ]
    )
    response = await call(handle_offset_fetch, request, broker, version=version)
    offsets = [
        [p.committed_offset for t in group.topics for p in t.partitions]
        for group in response.groups
    ]
    assert offsets == [[5, -1], [5], [], [-1]]
    assert [group.group_id for group in response.groups] == ["g", "g", "nope", "nope"]
    assert {group.error_code for group in response.groups} == {0}


async def test_topics_are_named_by_id_since_version_10(broker: Broker, topic_id: UUID) -> None:
    ghost = UUID(int=9)
    request = OffsetFetchRequest(
        groups=[
            asking(
                OffsetFetchRequestTopics(topic_id=topic_id, partition_indexes=[0]),
                OffsetFetchRequestTopics(topic_id=ghost, partition_indexes=[0]),
            ),
            OffsetFetchRequestGroup(group_id="g", topics=None),
        ]
    )
    named, everything = (await call(handle_offset_fetch, request, broker)).groups
    known, unknown = named.topics
    assert (known.topic_id, known.partitions[0].committed_offset) == (topic_id, 5)
    assert unknown.topic_id == ghost
    assert unknown.partitions[0].committed_offset == -1
    assert unknown.partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID.code
    assert [t.topic_id for t in everything.topics] == [topic_id]


async def test_require_stable_waits_for_commits_under_way(broker: Broker) -> None:
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=6)
    committing = asyncio.ensure_future(commit(broker, partition))
    await asyncio.sleep(0)
    groups = [asking(OffsetFetchRequestTopics(name="t", partition_indexes=[0]))]
    request = OffsetFetchRequest(groups=groups, require_stable=True)
    response = await call(handle_offset_fetch, request, broker, version=9)
    assert response.groups[0].topics[0].partitions[0].committed_offset == 6
    await committing


async def test_new_groups_start_at_the_log_start_if_asked_to(broker: Broker) -> None:
    broker.config.set_dynamic(default={"fakebus.new.groups": "earliest"})
    request = OffsetFetchRequest(
        groups=[asking(OffsetFetchRequestTopics(name="t", partition_indexes=[0, 1, 2]))]
    )
    response = await call(handle_offset_fetch, request, broker, version=9)
    offsets = [p.committed_offset for p in response.groups[0].topics[0].partitions]
    assert offsets == [5, 0, -1]
    assert broker.group_coordinator.committed_offset("g", TopicPartition("t", 1)) is None


async def test_all_offsets_of_a_group_are_told_once_however_often_it_is_named(
    broker: Broker,
) -> None:
    everything = OffsetFetchRequestGroup(group_id="g", topics=None)
    request = OffsetFetchRequest(groups=[everything] * 1_000)
    response = await call(handle_offset_fetch, request, broker)
    assert [group.group_id for group in response.groups] == ["g"]
