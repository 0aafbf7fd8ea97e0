from __future__ import annotations

from uuid import UUID

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import ErrorCode
from fakebus.protocol.messages import OffsetCommitRequestPartition
from fakebus.types import TopicPartition
from tests.unit.kafka.handlers.consumers import commit, stable_member

T0 = TopicPartition("t", 0)


@pytest.fixture(autouse=True)
async def topic_id(broker: Broker) -> UUID:
    return (await broker.topics.create("t", 2, {})).topic_id


@pytest.mark.parametrize("version", range(2, 10))
async def test_committed_offset_can_be_fetched_when_it_is_answered(
    broker: Broker, version: int
) -> None:
    partition = OffsetCommitRequestPartition(
        partition_index=0, committed_offset=7, committed_leader_epoch=2, committed_metadata="note"
    )
    response = await commit(broker, partition, version=version)
    assert [(t.name, [p.error_code for p in t.partitions]) for t in response.topics] == [("t", [0])]
    row = broker.group_coordinator.fetch_offset("g", T0)
    assert row is not None
    assert (row.offset, row.metadata) == (7, "note")
    assert row.leader_epoch == (2 if version >= 6 else -1)


@pytest.mark.parametrize(
    ("retention_ms", "expires_after_ms"), [(-1, None), (0, 0), (60_000, 60_000)]
)
async def test_retention_time_of_old_versions_is_kept_with_the_offset(
    broker: Broker, retention_ms: int, expires_after_ms: int | None
) -> None:
    await commit(broker, version=4, retention_time_ms=retention_ms)
    row = broker.group_coordinator.fetch_offset("g", T0)
    assert row is not None
    if expires_after_ms is None:
        assert row.expire_timestamp_ms is None
    else:
        assert row.expire_timestamp_ms == row.commit_timestamp_ms + expires_after_ms


async def test_null_metadata_are_kept_as_empty(broker: Broker) -> None:
    partition = OffsetCommitRequestPartition(
        partition_index=0, committed_offset=7, committed_metadata=None
    )
    await commit(broker, partition)
    row = broker.group_coordinator.fetch_offset("g", T0)
    assert row is not None
    assert row.metadata == ""


async def test_topics_are_named_by_id_since_version_10(broker: Broker, topic_id: UUID) -> None:
    response = await commit(broker, version=10, topic_id=topic_id)
    assert [(t.topic_id, t.partitions[0].error_code) for t in response.topics] == [(topic_id, 0)]
    assert broker.group_coordinator.committed_offset("g", T0) == 5


async def test_unknown_id_is_refused_for_each_partition(broker: Broker) -> None:
    response = await commit(broker, version=10, topic_id=UUID(int=9))
    assert response.topics[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID.code
    assert broker.group_coordinator.list_groups() == []


async def test_partitions_fail_one_by_one(broker: Broker) -> None:
    partitions = [
        OffsetCommitRequestPartition(partition_index=index, committed_offset=1) for index in (2, 1)
    ]
    response = await commit(broker, *partitions)
    codes = [(p.partition_index, p.error_code) for p in response.topics[0].partitions]
    assert codes == [(2, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION.code), (1, 0)]


@pytest.mark.parametrize(
    ("version", "error"),
    [(8, ErrorCode.ILLEGAL_GENERATION), (9, ErrorCode.GROUP_ID_NOT_FOUND)],
)
async def test_member_of_a_group_that_is_gone(
    broker: Broker, version: int, error: ErrorCode
) -> None:
    response = await commit(broker, version=version, member_id="m", generation_id_or_member_epoch=1)
    assert response.topics[0].partitions[0].error_code == error.code


async def test_member_commits_with_its_generation(broker: Broker) -> None:
    joined = await stable_member(broker)
    member = {"member_id": joined.member_id, "generation_id_or_member_epoch": 1}
    response = await commit(broker, **member)
    assert response.topics[0].partitions[0].error_code == 0
    response = await commit(broker, **(member | {"generation_id_or_member_epoch": 2}))
    code = response.topics[0].partitions[0].error_code
    assert code == ErrorCode.ILLEGAL_GENERATION.code
    response = await commit(broker, **member, group_instance_id="i")
    code = response.topics[0].partitions[0].error_code
    assert code == ErrorCode.UNKNOWN_MEMBER_ID.code


async def test_commit_of_nothing_is_answered(broker: Broker) -> None:
    assert (await commit(broker, topics=[])).topics == []
