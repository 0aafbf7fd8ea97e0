"""Config administration; the expectations were observed on Apache Kafka 4.3."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.config_requests import ConfigChange, ConfigResourceType, ResourceChange
from fakebus.broker.configs.broker_config import ConfigSource
from fakebus.broker.configs.describing import DescribedConfig
from fakebus.broker.configs.group_config import group_config
from fakebus.broker.configs.values import ConfigType
from fakebus.broker.topics import Topic
from fakebus.errors import BrokerError, ErrorCode
from fakebus.storage.sqlite import SqliteStorage

TOPIC, BROKER, LOGGER, METRICS, GROUP = (kind.value for kind in ConfigResourceType)
SET, DELETE, APPEND, SUBTRACT = range(4)
Changes = list[tuple[str, int, str | None]]


@pytest.fixture
async def topic(broker: Broker) -> Topic:
    return await broker.topics.create("t", 1, {})


async def alter(
    broker: Broker, kind: int, name: str, changes: Changes, *, validate_only: bool = False
) -> int:
    [result] = await broker.config_admin.alter(
        [change(kind, name, changes)], node_id=1, validate_only=validate_only
    )
    return result.error_code.code


def change(kind: int, name: str, changes: Changes) -> ResourceChange:
    return ResourceChange(
        resource_type=kind,
        resource_name=name,
        changes=[
            ConfigChange(name=config, operation=operation, value=value)
            for config, operation, value in changes
        ],
    )


async def replace(
    broker: Broker, kind: int, name: str, configs: dict[str, str | None], **options: bool
) -> int:
    changes = [(config, SET, value) for config, value in configs.items()]
    [result] = await broker.config_admin.replace(
        [change(kind, name, changes)], node_id=1, **options
    )
    return result.error_code.code


def described(broker: Broker, kind: int, name: str, config: str) -> DescribedConfig:
    [found] = broker.config_admin.describe(kind, name, [config], node_id=1)
    return found


def synonyms(config: DescribedConfig) -> list[tuple[str, str | None, int]]:
    return [(one.name, one.value, one.source.value) for one in config.synonyms]


async def test_single_configs_of_a_topic_are_set_and_deleted(broker: Broker, topic: Topic) -> None:
    assert (
        await alter(broker, TOPIC, "t", [("retention.ms", SET, "5"), ("flush.ms", SET, "6")]) == 0
    )
    assert topic.config.overrides == {"retention.ms": "5", "flush.ms": "6"}
    assert topic.config.retention_ms == 5
    assert topic.partitions[0].config is topic.config
    assert await alter(broker, TOPIC, "t", [("retention.ms", DELETE, None)]) == 0
    assert topic.config.overrides == {"flush.ms": "6"}


async def test_elements_are_added_to_the_default_of_a_list_and_taken_from_it(
    broker: Broker, topic: Topic
) -> None:
    assert await alter(broker, TOPIC, "t", [("cleanup.policy", APPEND, "compact,compact")]) == 0
    assert topic.config.overrides == {"cleanup.policy": "delete,compact"}
    assert await alter(broker, TOPIC, "t", [("cleanup.policy", APPEND, "delete")]) == 0
    assert topic.config.overrides == {"cleanup.policy": "delete,compact"}
    assert await alter(broker, TOPIC, "t", [("cleanup.policy", SUBTRACT, "delete")]) == 0
    assert topic.config.overrides == {"cleanup.policy": "compact"}
    assert await alter(broker, TOPIC, "t", [("cleanup.policy", SUBTRACT, "compact,delete")]) == 0
    assert topic.config.overrides == {"cleanup.policy": ""}
    assert await alter(broker, TOPIC, "t", [("cleanup.policy", APPEND, "delete")]) == 0
    assert topic.config.overrides == {"cleanup.policy": "delete"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([("retention.ms", APPEND, "1")], 40),
        ([("nope", APPEND, "1")], 40),
        ([("nope", SET, "1")], 40),
        ([("nope", DELETE, "1")], 0),
        ([("retention.ms", SET, "x")], 40),
        ([("retention.ms", SET, None)], 42),
        ([("cleanup.policy", APPEND, None)], 42),
        ([("retention.ms", SET, "1"), ("retention.ms", DELETE, None)], 42),
        ([("retention.ms", 9, "1")], 42),
        ([("min.compaction.lag.ms", SET, "10"), ("max.compaction.lag.ms", SET, "5")], 40),
        ([("flush.ms", SET, "1"), ("retention.ms", SET, "x")], 40),
        ([], 0),
    ],
)
async def test_a_topic_is_changed_wholly_or_not_at_all(
    broker: Broker, topic: Topic, changes: Changes, code: int
) -> None:
    assert await alter(broker, TOPIC, "t", changes) == code
    assert topic.config.overrides == {}


async def test_validate_only_checks_and_changes_nothing(broker: Broker, topic: Topic) -> None:
    good: Changes = [("retention.ms", SET, "5")]
    assert await alter(broker, TOPIC, "t", good, validate_only=True) == 0
    assert await alter(broker, TOPIC, "t", [("retention.ms", SET, "x")], validate_only=True) == 40
    assert (
        await alter(broker, BROKER, "", [("message.max.bytes", SET, "5")], validate_only=True) == 0
    )
    assert await replace(broker, TOPIC, "t", {"retention.ms": "5"}, validate_only=True) == 0
    assert topic.config.overrides == {}
    assert broker.config.get_int("message.max.bytes") == 1048588


@pytest.mark.parametrize(
    ("kind", "name", "config", "code"),
    [
        (TOPIC, "nope", "retention.ms", 3),
        (TOPIC, "", "retention.ms", 42),
        (TOPIC, "a b", "retention.ms", 17),
        (3, "", "retention.ms", 42),
        (BROKER, "2", "log.retention.ms", 42),
        (BROKER, "x", "log.retention.ms", 42),
        (GROUP, "", "consumer.session.timeout.ms", 42),
        (METRICS, "", "interval.ms", 42),
        (LOGGER, "", "root", 42),
    ],
)
async def test_what_does_not_exist_cannot_be_changed(
    broker: Broker, kind: int, name: str, config: str, code: int
) -> None:
    assert await alter(broker, kind, name, [(config, SET, "50000")]) == code


async def test_each_resource_of_a_request_has_its_own_result(broker: Broker, topic: Topic) -> None:
    other = await broker.topics.create("u", 1, {})
    results = await broker.config_admin.alter(
        [
            change(TOPIC, "t", [("retention.ms", SET, "x")]),
            change(TOPIC, "u", [("retention.ms", SET, "7")]),
            change(BROKER, "", []),
            change(BROKER, "", []),
        ],
        node_id=1,
    )
    assert [result.error_code.code for result in results] == [40, 0, 42, 42]
    assert (topic.config.overrides, other.config.retention_ms) == ({}, 7)


async def test_the_old_api_replaces_all_configs(broker: Broker, topic: Topic) -> None:
    assert await replace(broker, TOPIC, "t", {"retention.ms": "9", "flush.ms": "8"}) == 0
    assert await replace(broker, TOPIC, "t", {"max.message.bytes": "7"}) == 0
    assert topic.config.overrides == {"max.message.bytes": "7"}
    assert await replace(broker, TOPIC, "t", {"max.message.bytes": None}) == 42
    assert await replace(broker, TOPIC, "t", {"bad": "1"}) == 40
    assert await replace(broker, TOPIC, "nope", {}) == 3
    assert await replace(broker, LOGGER, "1", {}) == 42
    assert await replace(broker, TOPIC, "t", {}) == 0
    assert topic.config.overrides == {}


async def test_a_broker_config_that_changes_reaches_all_topics(
    broker: Broker, topic: Topic
) -> None:
    assert await alter(broker, BROKER, "", [("message.max.bytes", SET, "2000000")]) == 0
    assert topic.config.max_message_bytes == 2000000
    assert await alter(broker, BROKER, "1", [("message.max.bytes", SET, "3000000")]) == 0
    assert topic.config.max_message_bytes == 3000000
    assert topic.partitions[0].config is topic.config
    assert await alter(broker, BROKER, "1", [("message.max.bytes", DELETE, None)]) == 0
    assert topic.config.max_message_bytes == 2000000


async def test_topics_with_the_same_configs_share_them_and_keep_apart_from_others(
    broker: Broker, topic: Topic
) -> None:
    other = await broker.topics.create("other", 1, {})
    assert other.config is topic.config
    assert await alter(broker, TOPIC, "t", [("retention.ms", SET, "5")]) == 0
    assert (topic.config.retention_ms, other.config.retention_ms) == (5, 604_800_000)
    assert await alter(broker, BROKER, "", [("message.max.bytes", SET, "2000000")]) == 0
    third = await broker.topics.create("third", 1, {})
    assert third.config is other.config
    assert third.config.max_message_bytes == topic.config.max_message_bytes == 2_000_000


@pytest.mark.parametrize(
    ("name", "changes", "code"),
    [
        ("1", [("num.partitions", SET, "3")], 42),
        ("", [("num.partitions", SET, "3")], 42),
        ("1", [("log.retention.hours", SET, "3")], 42),
        ("", [("listeners", SET, "PLAINTEXT://:1")], 42),
        ("1", [("ssl.keystore.password", SET, "secret")], 42),
        ("1", [("log.retention.ms", SET, "x")], 42),
        ("1", [("log.retention.ms", SET, "0")], 42),
        ("1", [("log.retention.ms", SET, None)], 42),
        ("1", [("log.retention.ms", APPEND, "4")], 40),
        ("1", [("nope", APPEND, "4")], 40),
        ("1", [("nope", SET, "4")], 42),
        ("1", [("nope", DELETE, "4")], 0),
        ("1", [("log.cleanup.policy", APPEND, "compact")], 0),
        ("", [("leader.replication.throttled.rate", SET, "5")], 0),
        ("", [("fakebus.new.groups", SET, "earliest")], 0),
    ],
)
async def test_broker_configs_change_only_where_they_can(
    broker: Broker, name: str, changes: Changes, code: int
) -> None:
    assert await alter(broker, BROKER, name, changes) == code


async def test_changes_outlast_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("data") / "bus.db"
    storage = await SqliteStorage.open(path, durable=False)
    broker = Broker(storage)
    await broker.start()
    await broker.topics.create("t", 1, {})
    assert await alter(broker, TOPIC, "t", [("flush.ms", SET, "4")]) == 0
    assert await alter(broker, BROKER, "1", [("message.max.bytes", SET, "5")]) == 0
    assert await alter(broker, BROKER, "", [("log.retention.ms", SET, "6")]) == 0
    assert await alter(broker, GROUP, "a.b", [("consumer.session.timeout.ms", SET, "50000")]) == 0
    assert await alter(broker, METRICS, "m", [("interval.ms", SET, "1000")]) == 0
    assert (
        await alter(broker, GROUP, "gone", [("share.isolation.level", SET, "read_committed")]) == 0
    )
    assert await alter(broker, GROUP, "gone", [("share.isolation.level", DELETE, None)]) == 0
    await broker.close()
    await storage.close()

    storage = await SqliteStorage.open(path, durable=False)
    broker = Broker(storage)
    await broker.start()
    topic = broker.topics.get("t")
    assert topic is not None
    assert (topic.config.max_message_bytes, topic.config.retention_ms) == (5, 6)
    assert topic.config.value("flush.ms") == 4
    assert group_config("a.b", broker.config).get_int("consumer.session.timeout.ms") == 50000
    assert broker.config_admin.resources([GROUP, METRICS]) == [(GROUP, "a.b"), (METRICS, "m")]
    await broker.close()
    await storage.close()


async def test_a_stored_value_that_is_not_valid_any_more_is_left_out(broker: Broker) -> None:
    await broker._storage.set_meta(
        "config.BROKER.1", '{"message.max.bytes": "-5", "gone": "1", "log.retention.ms": "6"}'
    )
    broker.config_admin.load()
    assert broker.config.dynamic_broker == {"log.retention.ms": "6"}


@pytest.mark.parametrize(
    ("kind", "name", "changes", "code"),
    [
        (GROUP, "g", [("consumer.session.timeout.ms", SET, "1")], 40),
        (GROUP, "g", [("nope", SET, "1")], 40),
        (GROUP, "g", [("share.auto.offset.reset", SET, "none")], 40),
        (GROUP, "g", [("share.auto.offset.reset", SET, "by_duration:PT1H")], 0),
        (METRICS, "m", [("interval.ms", SET, "1")], 42),
        (METRICS, "m", [("nope", SET, "1")], 42),
        (METRICS, "m", [("match", SET, "nope=a")], 40),
        (METRICS, "m", [("match", SET, "client_id=(")], 40),
        (METRICS, "m", [("match", SET, "client_id=a{99999999999}")], 40),
        (METRICS, "m", [("match", SET, "client_id=a.*"), ("metrics", SET, "*")], 0),
    ],
)
async def test_groups_and_subscriptions_are_checked(
    broker: Broker, kind: int, name: str, changes: Changes, code: int
) -> None:
    assert await alter(broker, kind, name, changes) == code


async def test_a_topic_shows_all_configs_and_where_they_come_from(
    broker: Broker, topic: Topic
) -> None:
    configs = broker.config_admin.describe(TOPIC, "t", node_id=1)
    assert len(configs) == 33
    sources = {config.name: config.source for config in configs}
    assert sources.pop("min.insync.replicas") is ConfigSource.DYNAMIC_DEFAULT_BROKER
    assert set(sources.values()) == {ConfigSource.DEFAULT}
    assert not any(config.read_only or config.sensitive for config in configs)
    assert broker.config_admin.describe(TOPIC, "t", [], node_id=1) == configs
    assert broker.config_admin.describe(TOPIC, "t", ["nope"], node_id=1) == []
    policy = described(broker, TOPIC, "t", "cleanup.policy")
    assert (policy.value, policy.type) == ("delete", ConfigType.LIST)
    assert synonyms(policy) == [("log.cleanup.policy", "delete", 5)]


async def test_synonyms_of_a_topics_config_are_listed_from_the_winner_on(
    broker: Broker, topic: Topic
) -> None:
    broker.config.static["message.max.bytes"] = "10"
    await alter(broker, BROKER, "", [("message.max.bytes", SET, "20")])
    await alter(broker, BROKER, "1", [("message.max.bytes", SET, "30")])
    config = described(broker, TOPIC, "t", "max.message.bytes")
    assert (config.value, config.source) == ("30", ConfigSource.DYNAMIC_BROKER)
    await alter(broker, TOPIC, "t", [("max.message.bytes", SET, " 40 ")])
    config = described(broker, TOPIC, "t", "max.message.bytes")
    assert (config.value, config.source) == ("40", ConfigSource.TOPIC)
    assert synonyms(config) == [
        ("max.message.bytes", "40", 1),
        ("message.max.bytes", "30", 2),
        ("message.max.bytes", "20", 3),
        ("message.max.bytes", "10", 4),
        ("message.max.bytes", "1048588", 5),
    ]


async def test_a_default_that_comes_from_another_unit_has_no_synonyms(
    broker: Broker, topic: Topic
) -> None:
    config = described(broker, TOPIC, "t", "retention.ms")
    assert (config.value, config.source, synonyms(config)) == (
        "604800000",
        ConfigSource.DEFAULT,
        [],
    )
    await alter(broker, BROKER, "1", [("log.retention.ms", SET, "60000")])
    config = described(broker, TOPIC, "t", "retention.ms")
    assert (config.value, config.source) == ("60000", ConfigSource.DYNAMIC_BROKER)
    assert synonyms(config) == [("log.retention.ms", "60000", 2), ("log.retention.hours", "168", 5)]
    assert described(broker, BROKER, "1", "log.retention.minutes").value is None


async def test_a_hidden_config_is_shown_once_it_is_set(broker: Broker, topic: Topic) -> None:
    await alter(broker, TOPIC, "t", [("internal.segment.bytes", SET, "5")])
    assert described(broker, TOPIC, "t", "internal.segment.bytes").value == "5"


async def test_a_quota_is_shown_once_it_is_set(broker: Broker) -> None:
    name = "leader.replication.throttled.rate"
    assert broker.config_admin.describe(BROKER, "1", [name], node_id=1) == []
    await alter(broker, BROKER, "1", [(name, SET, "5")])
    assert synonyms(described(broker, BROKER, "1", name)) == [(name, "5", 2)]


async def test_the_broker_shows_all_its_configs(broker: Broker) -> None:
    configs = {
        config.name: config for config in broker.config_admin.describe(BROKER, "1", node_id=1)
    }
    assert configs["num.partitions"].read_only
    assert not configs["message.max.bytes"].read_only
    assert configs["fakebus.new.groups"].value == ""
    assert configs["node.id"].value == "1"
    assert "log.initial.task.delay.ms" not in configs
    assert len(configs) > 340


async def test_secrets_have_no_value(broker: Broker) -> None:
    broker.config.static["ssl.key.password"] = "secret"
    config = described(broker, BROKER, "1", "ssl.key.password")
    assert (config.sensitive, config.value) == (True, None)
    assert synonyms(config) == [("ssl.key.password", None, 4)]
    assert "secret" not in repr(config)


async def test_the_cluster_shows_only_what_was_changed(broker: Broker) -> None:
    [set_by_itself] = broker.config_admin.describe(BROKER, "", node_id=1)
    assert set_by_itself.name == "min.insync.replicas"
    await alter(broker, BROKER, "", [("message.max.bytes", SET, "20")])
    await alter(broker, BROKER, "1", [("message.max.bytes", SET, "30")])
    [config, _] = broker.config_admin.describe(BROKER, "", node_id=1)
    assert (config.name, config.value) == ("message.max.bytes", "20")
    assert config.source is ConfigSource.DYNAMIC_DEFAULT_BROKER
    assert synonyms(config) == [("message.max.bytes", "20", 3)]
    assert broker.config_admin.describe(BROKER, "", ["log.retention.ms"], node_id=1) == []


async def test_a_group_shows_its_own_values_before_the_brokers(broker: Broker) -> None:
    config = described(broker, GROUP, "g", "consumer.session.timeout.ms")
    assert (config.value, config.source) == ("45000", ConfigSource.DEFAULT)
    assert synonyms(config) == [("group.consumer.session.timeout.ms", "45000", 5)]
    await alter(broker, GROUP, "g", [("consumer.session.timeout.ms", SET, "50000")])
    config = described(broker, GROUP, "g", "consumer.session.timeout.ms")
    assert (config.value, config.source) == ("50000", ConfigSource.GROUP)
    assert synonyms(config) == [
        ("consumer.session.timeout.ms", "50000", 8),
        ("group.consumer.session.timeout.ms", "45000", 5),
    ]
    reset = described(broker, GROUP, "g", "share.auto.offset.reset")
    assert synonyms(reset) == [("share.auto.offset.reset", "latest", 5)]
    assert len(broker.config_admin.describe(GROUP, "g", node_id=1)) == 17


async def test_a_metrics_subscription_shows_its_configs(broker: Broker) -> None:
    await alter(broker, METRICS, "m", [("interval.ms", SET, "1000")])
    shown = [
        (config.name, config.value, config.source.value, synonyms(config))
        for config in broker.config_admin.describe(METRICS, "m", node_id=1)
    ]
    assert shown == [
        ("interval.ms", "1000", 7, [("interval.ms", "1000", 7)]),
        ("match", "", 5, []),
        ("metrics", "", 5, []),
    ]


@pytest.mark.parametrize(
    ("kind", "name", "error"),
    [
        (TOPIC, "nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "a b", ErrorCode.INVALID_TOPIC_EXCEPTION),
        (TOPIC, "", ErrorCode.INVALID_TOPIC_EXCEPTION),
        (BROKER, "2", ErrorCode.INVALID_REQUEST),
        (BROKER, "x", ErrorCode.INVALID_REQUEST),
        (LOGGER, "", ErrorCode.INVALID_REQUEST),
        (GROUP, "", ErrorCode.INVALID_REQUEST),
        (METRICS, "", ErrorCode.INVALID_REQUEST),
        (77, "x", ErrorCode.INVALID_REQUEST),
    ],
)
async def test_what_does_not_exist_is_not_shown(
    broker: Broker, kind: int, name: str, error: ErrorCode
) -> None:
    with pytest.raises(BrokerError) as caught:
        broker.config_admin.describe(kind, name, node_id=1)
    assert caught.value.error_code is error


@pytest.fixture
async def logger_name() -> AsyncIterator[str]:
    name = "fakebus.test_config_admin"
    yield name
    logging.getLogger(name).setLevel(logging.NOTSET)


async def test_levels_of_loggers_are_shown_and_changed(broker: Broker, logger_name: str) -> None:
    logging.getLogger(logger_name)
    assert await alter(broker, LOGGER, "1", [(logger_name, SET, "DEBUG")]) == 0
    config = described(broker, LOGGER, "1", logger_name)
    assert (config.value, config.source) == ("DEBUG", ConfigSource.DYNAMIC_BROKER_LOGGER)
    assert await alter(broker, LOGGER, "1", [(logger_name, SET, "ERROR")], validate_only=True) == 0
    assert logging.getLogger(logger_name).level == logging.DEBUG
    assert await alter(broker, LOGGER, "1", [(logger_name, DELETE, None)]) == 0
    assert logging.getLogger(logger_name).level == logging.NOTSET
    assert await alter(broker, LOGGER, "1", [(logger_name, APPEND, "x")]) == 42
    assert await alter(broker, LOGGER, "1", [(logger_name, SET, "OFF")]) == 40
    assert await alter(broker, LOGGER, "1", [("root", DELETE, None)]) == 42


async def test_resources_are_listed_by_type(broker: Broker, topic: Topic) -> None:
    await alter(broker, GROUP, "g", [("consumer.session.timeout.ms", SET, "50000")])
    await alter(broker, METRICS, "m", [("interval.ms", SET, "1000")])
    everything = [(TOPIC, "t"), (BROKER, "1"), (LOGGER, "1"), (GROUP, "g"), (METRICS, "m")]
    assert broker.config_admin.resources([]) == everything
    for resource in everything:
        assert broker.config_admin.resources([resource[0]]) == [resource]
    with pytest.raises(BrokerError) as caught:
        broker.config_admin.resources([99])
    assert caught.value.error_code is ErrorCode.UNSUPPORTED_VERSION


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("none", "-2", ErrorCode.INVALID_CONFIG),
        ("none", "5", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("bad name", "-2", ErrorCode.INVALID_TOPIC_EXCEPTION),
    ],
)
async def test_what_is_wrong_with_a_value_is_told_before_that_there_is_no_such_topic(
    broker: Broker, name: str, value: str, code: ErrorCode
) -> None:
    for validate_only in (True, False):
        changes: Changes = [("retention.ms", SET, value)]
        assert await alter(broker, TOPIC, name, changes, validate_only=validate_only) == code.code
        configs: dict[str, str | None] = {"retention.ms": value}
        found = await replace(broker, TOPIC, name, configs, validate_only=validate_only)
        assert found == code.code
