from __future__ import annotations

import pytest

from fakebus.broker.configs.broker_config import BrokerConfig, ConfigSource
from fakebus.errors import ConfigError


def test_without_overrides_everything_is_kafkas_default_but_for_the_rebalance_delay() -> None:
    config = BrokerConfig()
    assert config.get_int("num.partitions") == 1
    assert config.get_int("message.max.bytes") == 1048588
    assert config.get_bool("auto.create.topics.enable") is True
    assert config.get_int("group.initial.rebalance.delay.ms") == 0
    assert config.get_int("offsets.topic.num.partitions") == 50
    assert config.get_bool("fakebus.evict.on.disconnect") is False
    assert config.get_str("fakebus.new.groups") == ""


def test_getters_give_the_value_in_its_type() -> None:
    config = BrokerConfig(
        {
            "num.partitions": "3",
            "log.cleaner.min.cleanable.ratio": "0.25",
            "delete.topic.enable": "False",
            "compression.type": "zstd",
            "log.cleanup.policy": "compact, delete",
        }
    )
    assert config.get_int("num.partitions") == 3
    assert config.value("log.cleaner.min.cleanable.ratio") == 0.25
    assert config.get_bool("delete.topic.enable") is False
    assert config.get_str("compression.type") == "zstd"
    assert config.get_list("log.cleanup.policy") == ["compact", "delete"]


def test_unset_texts_and_lists_are_empty() -> None:
    config = BrokerConfig()
    assert config.get_str("broker.rack") == ""
    assert config.get_list("log.dirs") == []


@pytest.mark.parametrize(
    ("getter", "name"),
    [
        ("get_int", "compression.type"),
        ("get_int", "delete.topic.enable"),
        ("get_bool", "num.partitions"),
        ("get_str", "num.partitions"),
        ("get_list", "compression.type"),
    ],
)
def test_a_getter_of_another_type_is_a_mistake(getter: str, name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        getattr(BrokerConfig(), getter)(name)


@pytest.mark.parametrize(
    "overrides",
    [
        {"num.partition": "3"},
        {"num.partitions": "0"},
        {"num.partitions": "three"},
        {"log.retention.ms": "0"},
        {"auto.create.topics.enable": "yes"},
        {"fakebus.new.groups": "none"},
        {"retention.ms": "5"},
    ],
)
def test_what_is_not_valid_is_refused_at_once_and_by_name(overrides: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=next(iter(overrides))):
        BrokerConfig(overrides)


@pytest.mark.parametrize(
    ("overrides", "retention_ms"),
    [
        ({}, 7 * 24 * 3_600_000),
        ({"log.retention.hours": "2"}, 7_200_000),
        ({"log.retention.hours": "2", "log.retention.minutes": "3"}, 180_000),
        ({"log.retention.minutes": "3", "log.retention.ms": "4"}, 4),
        ({"log.retention.hours": "-1"}, -1),
    ],
)
def test_retention_may_be_given_in_three_units(
    overrides: dict[str, str], retention_ms: int
) -> None:
    assert BrokerConfig(overrides).get_int("log.retention.ms") == retention_ms


def test_a_change_for_the_broker_beats_one_for_the_cluster_which_beats_the_start() -> None:
    config = BrokerConfig({"message.max.bytes": "1"})
    assert config.get_int("message.max.bytes") == 1
    config.set_dynamic(default={"message.max.bytes": "2"})
    assert config.get_int("message.max.bytes") == 2
    config.set_dynamic(broker={"message.max.bytes": "3"})
    assert config.get_int("message.max.bytes") == 3
    assert [(s.text, s.source) for s in config.settings("message.max.bytes")] == [
        ("3", ConfigSource.DYNAMIC_BROKER),
        ("2", ConfigSource.DYNAMIC_DEFAULT_BROKER),
        ("1", ConfigSource.STATIC_BROKER),
        ("1048588", ConfigSource.DEFAULT),
    ]
    config.set_dynamic(broker={}, default={})
    assert config.get_int("message.max.bytes") == 1


def test_listeners_hear_of_changes() -> None:
    config = BrokerConfig()
    heard: list[int] = []
    config.on_changed.append(lambda: heard.append(config.get_int("message.max.bytes")))
    config.set_dynamic(broker={"message.max.bytes": "5"})
    assert heard == [5]


def test_a_change_that_is_not_valid_changes_nothing() -> None:
    config = BrokerConfig()
    with pytest.raises(ConfigError):
        config.set_dynamic(broker={"message.max.bytes": "5"}, default={"message.max.bytes": "much"})
    assert config.get_int("message.max.bytes") == 1048588


def test_own_value_does_not_look_at_synonyms() -> None:
    config = BrokerConfig({"log.retention.hours": "2"})
    assert config.own_value("log.retention.ms") is None
    assert config.own_value("log.retention.hours") == 2
    assert config.value("log.retention.hours") == 2


def test_an_unknown_name_cannot_be_asked_for() -> None:
    with pytest.raises(ConfigError, match=r"did you mean num\.partitions"):
        BrokerConfig().get_int("num.partitionz")
