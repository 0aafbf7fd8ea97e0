from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.incremental_alter_configs import handle_incremental_alter_configs
from fakebus.protocol.messages import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestAlterableConfig,
    IncrementalAlterConfigsRequestAlterConfigsResource,
)
from tests.unit.kafka.handlers.calling import call

SET, DELETE, APPEND = 0, 1, 2


def request(
    kind: int, name: str, *changes: tuple[str, int, str | None], validate_only: bool = False
) -> IncrementalAlterConfigsRequest:
    resource = IncrementalAlterConfigsRequestAlterConfigsResource(
        resource_type=kind,
        resource_name=name,
        configs=[
            IncrementalAlterConfigsRequestAlterableConfig(
                name=config, config_operation=operation, value=value
            )
            for config, operation, value in changes
        ],
    )
    return IncrementalAlterConfigsRequest(resources=[resource], validate_only=validate_only)


@pytest.mark.parametrize("version", range(2))
async def test_single_configs_of_a_topic_are_changed(broker: Broker, version: int) -> None:
    topic = await broker.topics.create("t", 1, {"flush.ms": "4", "retention.ms": "5"})
    wanted = request(2, "t", ("flush.ms", DELETE, None), ("cleanup.policy", APPEND, "compact"))
    response = await call(handle_incremental_alter_configs, wanted, broker, version=version)
    [result] = response.responses
    assert (result.resource_type, result.resource_name) == (2, "t")
    assert (result.error_code, result.error_message) == (0, None)
    assert topic.config.overrides == {"retention.ms": "5", "cleanup.policy": "delete,compact"}


@pytest.mark.parametrize(
    ("kind", "name", "config", "code"),
    [(2, "nope", "retention.ms", 3), (4, "1", "num.partitions", 42), (2, "t", "nope", 40)],
)
async def test_what_cannot_be_changed_is_answered_with_the_reason(
    broker: Broker, kind: int, name: str, config: str, code: int
) -> None:
    await broker.topics.create("t", 1, {})
    wanted = request(kind, name, (config, SET, "3"))
    [result] = (await call(handle_incremental_alter_configs, wanted, broker)).responses
    assert result.error_code == code
    assert result.error_message


async def test_validate_only_changes_nothing(broker: Broker) -> None:
    wanted = request(4, "", ("message.max.bytes", SET, "3"), validate_only=True)
    response = await call(handle_incremental_alter_configs, wanted, broker)
    assert response.responses[0].error_code == 0
    assert "message.max.bytes" not in broker.config.dynamic_default
