"""DescribeConfigs of a topic, a broker, a group and a metrics subscription, beside a real Kafka."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from fakebus.kafka.handlers.create_topics import handle_create_topics
from fakebus.kafka.handlers.describe_configs import handle_describe_configs
from fakebus.kafka.handlers.incremental_alter_configs import handle_incremental_alter_configs
from fakebus.protocol.messages import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestAlterableConfig,
    IncrementalAlterConfigsRequestAlterConfigsResource,
)
from tests.differential.raw_client import RawClient

pytestmark = pytest.mark.kafka

TOPIC, BROKER, METRICS, GROUP = 2, 4, 16, 32
DEFAULT = 5
OTHER_DEFAULTS = {
    "group.initial.rebalance.delay.ms",  # 0 for quick tests, and so are the next two
    "group.streams.initial.rebalance.delay.ms",
    "streams.initial.rebalance.delay.ms",
    "broker.id",  # always 1
}
GIVEN_TO_KAFKA = 4
"""The source of configs that the real Kafka was started with; their defaults are synonyms."""


@pytest.fixture(scope="module")
def topic(kafka: RawClient, bus: RawClient) -> str:
    name = f"differential-{uuid.uuid4().hex[:8]}"
    for client in (kafka, bus):
        create(client, name, [])
    return name


def create(
    client: RawClient, name: str, configs: list[tuple[str, str | None]], **fields: int
) -> Any:
    wanted = CreatableTopic(
        name=name,
        num_partitions=fields.get("partitions", 1),
        replication_factor=fields.get("replication_factor", 1),
        configs=[CreatableTopicConfig(name=key, value=value) for key, value in configs],
    )
    request = CreateTopicsRequest(topics=[wanted], timeout_ms=10_000)
    return client.ask(handle_create_topics, request).topics[0]


def describe(client: RawClient, kind: int, name: str) -> dict[str, Any]:
    resource = DescribeConfigsResource(
        resource_type=kind, resource_name=name, configuration_keys=None
    )
    request = DescribeConfigsRequest(
        resources=[resource], include_synonyms=True, include_documentation=True
    )
    [result] = client.ask(handle_describe_configs, request).results
    assert result.error_code == 0
    return {config.name: config for config in result.configs}


def default_of(config: Any) -> str | None:
    if config.config_source == DEFAULT:
        return config.value  # type: ignore[no-any-return]
    defaults = [one.value for one in config.synonyms if one.source == DEFAULT]
    return defaults[0] if defaults else None


@pytest.mark.parametrize("kind", [TOPIC, BROKER, METRICS, GROUP])
def test_configs_have_the_same_names_types_and_flags(
    kafka: RawClient, bus: RawClient, topic: str, kind: int
) -> None:
    name = {TOPIC: topic, BROKER: "1", METRICS: "m", GROUP: "g"}[kind]
    theirs, ours = describe(kafka, kind, name), describe(bus, kind, name)
    more = set(ours) - set(theirs)
    assert {name for name in more if kind != BROKER or not name.startswith("fakebus.")} == set()
    assert set(theirs) - set(ours) == set()
    for config, their in theirs.items():
        our = ours[config]
        assert our.config_type == their.config_type, config
        assert our.read_only == their.read_only, config
        assert our.is_sensitive == their.is_sensitive, config
        assert our.documentation, config


@pytest.mark.parametrize("kind", [TOPIC, BROKER, METRICS, GROUP])
def test_configs_have_the_same_defaults(
    kafka: RawClient, bus: RawClient, topic: str, kind: int
) -> None:
    name = {TOPIC: topic, BROKER: "1", METRICS: "m", GROUP: "g"}[kind]
    theirs, ours = describe(kafka, kind, name), describe(bus, kind, name)
    different = {
        config: (default_of(their), default_of(ours[config]))
        for config, their in theirs.items()
        if default_of(their) != default_of(ours[config])
    }
    # Kafka demands these at start and has no default for them.
    demanded = {
        config
        for config, (their_default, _) in different.items()
        if their_default is None and theirs[config].config_source == GIVEN_TO_KAFKA
    }
    assert demanded <= {"node.id", "process.roles", "controller.listener.names"}
    assert set(different) - demanded <= OTHER_DEFAULTS


def test_synonyms_of_a_topics_configs_are_the_same(
    kafka: RawClient, bus: RawClient, topic: str
) -> None:
    theirs, ours = describe(kafka, TOPIC, topic), describe(bus, TOPIC, topic)
    for config, their in theirs.items():
        assert [(one.name, one.value, one.source) for one in ours[config].synonyms] == [
            (one.name, one.value, one.source) for one in their.synonyms
        ], config


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention.ms", None),
        ("foo", "1"),
        ("retention.ms", "x"),
        ("retention.ms", ""),
        ("retention.ms", "-2"),
        ("retention.ms", " 12 "),
        ("cleanup.policy", ""),
        ("cleanup.policy", "compact,compact"),
        ("cleanup.policy", "x"),
        ("compression.type", "lzma"),
        ("compression.type", " gzip"),
        ("compression.gzip.level", "0"),
        ("remote.storage.enable", "true"),
        ("segment.bytes", "10"),
        ("min.insync.replicas", "2"),
        ("internal.segment.bytes", "5"),
        ("max.message.bytes", "99999999999"),
        ("preallocate", "TRUE"),
        ("preallocate", "yes"),
        ("min.cleanable.dirty.ratio", "1.5"),
        ("leader.replication.throttled.replicas", "*"),
        ("leader.replication.throttled.replicas", "0:1,1:1"),
        ("leader.replication.throttled.replicas", "x"),
        ("message.timestamp.type", "createtime"),
    ],
)
def test_a_topic_config_is_accepted_or_refused_alike(
    kafka: RawClient, bus: RawClient, name: str, value: str | None
) -> None:
    topic = f"differential-{uuid.uuid4().hex[:8]}"
    theirs, ours = (create(client, topic, [(name, value)]) for client in (kafka, bus))
    assert (ours.error_code, ours.num_partitions) == (theirs.error_code, theirs.num_partitions)
    # This response of Kafka has a value as it was written, " 12 " and "TRUE"; ours as it is read.
    shown = [
        {(config.name, config.value.strip().lower()) for config in result.configs}
        for result in (theirs, ours)
    ]
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("partitions", "replication_factor"), [(0, 1), (-2, 1), (1, 0), (1, -2), (1, 2), (-1, -1)]
)
def test_numbers_are_accepted_or_refused_alike(
    kafka: RawClient, bus: RawClient, partitions: int, replication_factor: int
) -> None:
    topic = f"differential-{uuid.uuid4().hex[:8]}"
    codes = [
        create(
            client, topic, [], partitions=partitions, replication_factor=replication_factor
        ).error_code
        for client in (kafka, bus)
    ]
    assert codes[0] == codes[1]


@pytest.mark.parametrize(
    ("kind", "name", "config", "operation", "value"),
    [
        (TOPIC, None, "retention.ms", 0, "5"),
        (TOPIC, None, "retention.ms", 2, "5"),
        (TOPIC, None, "retention.ms", 0, None),
        (TOPIC, None, "nope", 0, "5"),
        (TOPIC, None, "nope", 1, None),
        (TOPIC, None, "nope", 2, "5"),
        (TOPIC, None, "cleanup.policy", 2, "compact"),
        (TOPIC, None, "cleanup.policy", 3, "compact,delete"),
        (TOPIC, "nope", "retention.ms", 0, "5"),
        (TOPIC, "", "retention.ms", 0, "5"),
        (TOPIC, "a b", "retention.ms", 0, "5"),
        (3, "", "retention.ms", 0, "5"),
        (BROKER, "1", "num.partitions", 0, "5"),
        (BROKER, "1", "log.retention.hours", 0, "5"),
        (BROKER, "1", "log.retention.ms", 0, "x"),
        (BROKER, "1", "log.retention.ms", 0, "0"),
        (BROKER, "1", "log.retention.ms", 2, "5"),
        (BROKER, "1", "ssl.keystore.password", 0, "5"),
        (BROKER, "", "listeners", 0, "PLAINTEXT://:1"),
        (BROKER, "2", "log.retention.ms", 0, "5"),
        (BROKER, "x", "log.retention.ms", 0, "5"),
        (GROUP, "g", "consumer.session.timeout.ms", 0, "1"),
        (GROUP, "g", "consumer.heartbeat.interval.ms", 0, "60000"),
        (GROUP, "g", "streams.num.standby.replicas", 0, "3"),
        (GROUP, "g", "share.auto.offset.reset", 0, "none"),
        (GROUP, "", "consumer.session.timeout.ms", 0, "50000"),
        (METRICS, "m", "interval.ms", 0, "1"),
        (METRICS, "m", "match", 0, "nope=a"),
        (METRICS, "", "interval.ms", 0, "1000"),
    ],
)
def test_a_change_is_accepted_or_refused_alike(
    kafka: RawClient,
    bus: RawClient,
    topic: str,
    kind: int,
    name: str | None,
    config: str,
    operation: int,
    value: str | None,
) -> None:
    change = IncrementalAlterConfigsRequestAlterableConfig(
        name=config, config_operation=operation, value=value
    )
    resource = IncrementalAlterConfigsRequestAlterConfigsResource(
        resource_type=kind, resource_name=topic if name is None else name, configs=[change]
    )
    request = IncrementalAlterConfigsRequest(resources=[resource], validate_only=True)
    theirs, ours = (
        client.ask(handle_incremental_alter_configs, request).responses[0].error_code
        for client in (kafka, bus)
    )
    assert ours == theirs
