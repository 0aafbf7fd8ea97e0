from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.config_requests import ConfigChange, ResourceChange
from fakebus.kafka.handlers.list_config_resources import handle_list_config_resources
from fakebus.protocol.messages import ListConfigResourcesRequest
from tests.unit.kafka.handlers.calling import call


@pytest.fixture
async def subscribed(broker: Broker) -> Broker:
    await broker.topics.create("t", 1, {})
    change = ResourceChange(
        resource_type=16,
        resource_name="m",
        changes=[ConfigChange(name="interval.ms", value="1000")],
    )
    await broker.config_admin.alter([change], node_id=1)
    return broker


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ([], [("t", 2), ("1", 4), ("1", 8), ("m", 16)]),
        ([2], [("t", 2)]),
        ([16, 32], [("m", 16)]),
    ],
)
async def test_resources_are_listed_by_type(
    subscribed: Broker, types: list[int], expected: list[tuple[str, int]]
) -> None:
    request = ListConfigResourcesRequest(resource_types=types)
    response = await call(handle_list_config_resources, request, subscribed)
    assert [(one.resource_name, one.resource_type) for one in response.config_resources] == expected


async def test_version_0_lists_client_metrics_subscriptions(subscribed: Broker) -> None:
    request = ListConfigResourcesRequest()
    response = await call(handle_list_config_resources, request, subscribed, version=0)
    assert [one.resource_name for one in response.config_resources] == ["m"]


async def test_an_unknown_type_is_not_supported(subscribed: Broker) -> None:
    request = ListConfigResourcesRequest(resource_types=[99])
    response = await call(handle_list_config_resources, request, subscribed)
    assert (response.error_code, response.config_resources) == (35, [])
