from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.errors import ErrorCode
from fakebus.kafka.handlers.delete_groups import handle_delete_groups
from fakebus.protocol.messages import DeleteGroupsRequest
from fakebus.types import TopicPartition
from tests.unit.kafka.handlers.calling import call
from tests.unit.kafka.handlers.consumers import stable_member


@pytest.mark.parametrize("version", range(3))
async def test_groups_are_deleted_one_by_one(broker: Broker, version: int) -> None:
    await broker.topics.create("t", 1, {})
    await stable_member(broker)
    await broker.group_coordinator.set_offsets("simple", {TopicPartition("t", 0): 1})
    request = DeleteGroupsRequest(groups_names=["simple", "g", "x", "simple", ""])
    response = await call(handle_delete_groups, request, broker, version=version)
    gone = ErrorCode.GROUP_ID_NOT_FOUND.code
    assert [(r.group_id, r.error_code) for r in response.results] == [
        ("simple", 0),
        ("g", ErrorCode.NON_EMPTY_GROUP.code),
        ("x", gone),
        ("", gone),
    ]
    assert list(broker.group_coordinator.all_offsets()) == ["g"]
