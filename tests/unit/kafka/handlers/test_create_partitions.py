from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.create_partitions import handle_create_partitions
from fakebus.protocol.messages import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from tests.unit.kafka.handlers.calling import call


@pytest.mark.parametrize("version", range(4))
async def test_every_topic_of_the_request_is_answered(broker: Broker, version: int) -> None:
    topic = await broker.topics.create("t", 1, {})
    request = CreatePartitionsRequest(
        timeout_ms=9000,
        topics=[
            CreatePartitionsTopic(name="t", count=3, assignments=None),
            CreatePartitionsTopic(name="nope", count=3, assignments=None),
        ],
    )
    response = await call(handle_create_partitions, request, broker, version=version)
    assert [(result.name, result.error_code) for result in response.results] == [
        ("t", 0),
        ("nope", 3),
    ]
    assert response.results[0].error_message is None
    assert len(topic.partitions) == 3


async def test_assigned_brokers_are_checked(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    assignments = [CreatePartitionsAssignment(broker_ids=[7])]
    request = CreatePartitionsRequest(
        timeout_ms=9000, topics=[CreatePartitionsTopic(name="t", count=2, assignments=assignments)]
    )
    response = await call(handle_create_partitions, request, broker)
    assert response.results[0].error_code == 39
    assert "broker 7" in response.results[0].error_message


async def test_validate_only_adds_nothing(broker: Broker) -> None:
    topic = await broker.topics.create("t", 1, {})
    request = CreatePartitionsRequest(
        timeout_ms=9000,
        topics=[CreatePartitionsTopic(name="t", count=3, assignments=None)],
        validate_only=True,
    )
    response = await call(handle_create_partitions, request, broker)
    assert response.results[0].error_code == 0
    assert len(topic.partitions) == 1
