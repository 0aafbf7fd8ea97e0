from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.alter_configs import handle_alter_configs
from fakebus.protocol.messages import (
    AlterConfigsRequest,
    AlterConfigsRequestAlterableConfig,
    AlterConfigsRequestAlterConfigsResource,
)
from tests.unit.kafka.handlers.calling import call


def request(
    name: str, configs: dict[str, str | None], *, validate_only: bool = False
) -> AlterConfigsRequest:
    resource = AlterConfigsRequestAlterConfigsResource(
        resource_type=2,
        resource_name=name,
        configs=[
            AlterConfigsRequestAlterableConfig(name=config, value=value)
            for config, value in configs.items()
        ],
    )
    return AlterConfigsRequest(resources=[resource], validate_only=validate_only)


@pytest.mark.parametrize("version", range(3))
async def test_all_configs_of_a_topic_are_replaced(broker: Broker, version: int) -> None:
    topic = await broker.topics.create("t", 1, {"flush.ms": "4"})
    response = await call(
        handle_alter_configs, request("t", {"retention.ms": "5"}), broker, version=version
    )
    [result] = response.responses
    assert (result.resource_type, result.resource_name) == (2, "t")
    assert (result.error_code, result.error_message) == (0, None)
    assert topic.config.overrides == {"retention.ms": "5"}


async def test_a_bad_config_is_answered_with_the_reason(broker: Broker) -> None:
    topic = await broker.topics.create("t", 1, {"flush.ms": "4"})
    [result] = (
        await call(handle_alter_configs, request("t", {"retention.ms": "x"}), broker)
    ).responses
    assert (result.error_code, result.error_message) == (
        40,
        "retention.ms: 'x' is not a whole number",
    )
    assert topic.config.overrides == {"flush.ms": "4"}


async def test_validate_only_replaces_nothing(broker: Broker) -> None:
    topic = await broker.topics.create("t", 1, {"flush.ms": "4"})
    response = await call(handle_alter_configs, request("t", {}, validate_only=True), broker)
    assert response.responses[0].error_code == 0
    assert topic.config.overrides == {"flush.ms": "4"}
