from __future__ import annotations

import pytest

from fakebus.broker.broker import Broker
from fakebus.kafka.handlers.create_topics import handle_create_topics
from fakebus.protocol.messages import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from fakebus.types import ZERO_UUID
from tests.unit.kafka.handlers.calling import call


def request(*topics: CreatableTopic, validate_only: bool = False) -> CreateTopicsRequest:
    return CreateTopicsRequest(topics=list(topics), validate_only=validate_only)


def wanted(name: str, partitions: int = 1, **configs: str | None) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=1,
        configs=[
            CreatableTopicConfig(name=config.replace("_", "."), value=value)
            for config, value in configs.items()
        ],
    )


async def test_a_created_topic_is_answered_with_id_partitions_and_configs(broker: Broker) -> None:
    response = await call(handle_create_topics, request(wanted("t", 2, retention_ms="5")), broker)
    [result] = response.topics
    topic = broker.topics.get("t")
    assert topic is not None
    assert (result.name, result.error_code, result.error_message) == ("t", 0, None)
    assert (result.topic_id, result.num_partitions, result.replication_factor) == (
        topic.topic_id,
        2,
        1,
    )
    assert result.topic_config_error_code == 0
    configs = {config.name: config for config in result.configs}
    assert len(configs) == 33
    assert list(configs) == sorted(configs)
    assert (configs["retention.ms"].value, configs["retention.ms"].config_source) == ("5", 1)
    assert (configs["cleanup.policy"].value, configs["cleanup.policy"].config_source) == (
        "delete",
        5,
    )


@pytest.mark.parametrize("version", range(2, 8))
async def test_every_version_creates_topics(broker: Broker, version: int) -> None:
    response = await call(handle_create_topics, request(wanted("t", 3)), broker, version=version)
    [result] = response.topics
    assert result.error_code == 0
    assert result.num_partitions == (3 if version >= 5 else -1)
    assert len(result.configs) == (33 if version >= 5 else 0)
    assert (result.topic_id != ZERO_UUID) is (version >= 7)


async def test_a_refused_topic_has_the_reason_and_empty_configs_beside_the_others(
    broker: Broker,
) -> None:
    response = await call(
        handle_create_topics,
        request(wanted("bad", retention_ms="x"), wanted("null", retention_ms=None), wanted("t")),
        broker,
    )
    bad, null, good = response.topics
    assert (bad.error_code, null.error_code, good.error_code) == (40, 40, 0)
    assert bad.error_message == "retention.ms: 'x' is not a whole number"
    # Java's AdminClient reads this list without asking whether it is null.
    assert (bad.configs, bad.num_partitions, bad.replication_factor) == ([], -1, -1)
    assert bad.topic_id == ZERO_UUID


async def test_replicas_may_be_assigned_by_hand(broker: Broker) -> None:
    assigned = CreatableTopic(
        name="t",
        num_partitions=-1,
        replication_factor=-1,
        assignments=[
            CreatableReplicaAssignment(partition_index=index, broker_ids=[1]) for index in (1, 0)
        ],
    )
    response = await call(handle_create_topics, request(assigned), broker)
    assert (response.topics[0].error_code, response.topics[0].num_partitions) == (0, 2)


async def test_validate_only_creates_nothing(broker: Broker) -> None:
    response = await call(handle_create_topics, request(wanted("t"), validate_only=True), broker)
    assert response.topics[0].error_code == 0
    assert len(broker.topics) == 0
