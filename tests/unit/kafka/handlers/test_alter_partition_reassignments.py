from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.alter_partition_reassignments import (
    handle_alter_partition_reassignments,
)
from fakebus.protocol.messages import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from tests.unit.kafka.handlers.calling import call


@pytest.mark.parametrize("version", range(2))
@pytest.mark.parametrize(
    ("name", "index", "replicas", "code"),
    [
        ("t", 0, [1], 0),
        ("t", 0, None, 85),
        ("t", 0, [2], 39),
        ("t", 0, [], 39),
        ("t", 0, [1, 1], 39),
        ("t", 9, [1], 3),
        ("nope", 0, [1], 3),
    ],
)
async def test_a_partition_can_only_stay_where_it_is(
    broker: Broker, version: int, name: str, index: int, replicas: list[int] | None, code: int
) -> None:
    await broker.topics.create("t", 1, {})
    partition = ReassignablePartition(partition_index=index, replicas=replicas)
    request = AlterPartitionReassignmentsRequest(
        topics=[ReassignableTopic(name=name, partitions=[partition])]
    )
    response = await call(handle_alter_partition_reassignments, request, broker, version=version)
    assert response.error_code == 0
    [topic] = response.responses
    assert topic.name == name
    assert [(one.partition_index, one.error_code) for one in topic.partitions] == [(index, code)]
