from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.list_groups import handle_list_groups
from fakebus.protocol.messages import ListGroupsRequest
from fakebus.types import TopicPartition
from tests.unit.kafka.handlers.calling import call
from tests.unit.kafka.handlers.consumers import stable_member


@pytest.fixture(autouse=True)
async def groups(broker: Broker) -> None:
    """A stable group ``g`` and an empty one, ``simple``."""
    await stable_member(broker)
    await broker.topics.create("t", 1, {})
    await broker.group_coordinator.set_offsets("simple", {TopicPartition("t", 0): 1})


@pytest.mark.parametrize("version", range(6))
async def test_all_groups_are_listed(broker: Broker, version: int) -> None:
    response = await call(handle_list_groups, ListGroupsRequest(), broker, version=version)
    assert [(g.group_id, g.protocol_type) for g in response.groups] == [
        ("g", "consumer"),
        ("simple", ""),
    ]
    if version >= 4:
        assert [g.group_state for g in response.groups] == ["Stable", "Empty"]
    if version >= 5:
        assert {g.group_type for g in response.groups} == {"classic"}


@pytest.mark.parametrize(
    ("states", "types", "found"),
    [
        ([" sTable "], [], ["g"]),
        (["Empty", "Dead"], [], ["simple"]),
        (["nonsense"], [], []),
        ([], ["Classic"], ["g", "simple"]),
        ([], ["consumer"], []),
        ([], ["nonsense"], []),
        (["Stable"], ["classic", "share"], ["g"]),
    ],
)
async def test_groups_are_filtered_by_state_and_type(
    broker: Broker, states: list[str], types: list[str], found: list[str]
) -> None:
    request = ListGroupsRequest(states_filter=states, types_filter=types)
    response = await call(handle_list_groups, request, broker)
    assert [group.group_id for group in response.groups] == found
