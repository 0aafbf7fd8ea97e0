from __future__ import annotations

import pytest

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.configs.group_config import GroupConfig, group_config
from fakebus.errors import ConfigError


def test_a_group_without_its_own_value_has_the_brokers() -> None:
    broker = BrokerConfig({"group.consumer.session.timeout.ms": "46000"})
    config = GroupConfig({"consumer.heartbeat.interval.ms": "6000"}, broker)
    assert config.get_int("consumer.session.timeout.ms") == 46000
    assert config.get_int("consumer.heartbeat.interval.ms") == 6000
    assert config.value("share.auto.offset.reset") == "latest"
    assert config.value("share.renew.acknowledge.enable") is True


@pytest.mark.parametrize(
    ("name", "value", "bound"),
    [
        ("consumer.session.timeout.ms", "1", "group.consumer.min.session.timeout.ms"),
        ("consumer.heartbeat.interval.ms", "60000", "group.consumer.max.heartbeat.interval.ms"),
        ("streams.num.standby.replicas", "3", "group.streams.max.standby.replicas"),
        ("share.delivery.count.limit", "1000", "group.share.max.delivery.count.limit"),
    ],
)
def test_a_value_out_of_the_brokers_bounds_is_refused(name: str, value: str, bound: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: {value} is .* {bound}"):
        GroupConfig({name: value}, BrokerConfig())


def test_bounds_are_the_brokers_current_ones() -> None:
    broker = BrokerConfig({"group.consumer.min.session.timeout.ms": "100"})
    broker.static["group.consumer.min.heartbeat.interval.ms"] = "10"
    config = GroupConfig(
        {"consumer.session.timeout.ms": "200", "consumer.heartbeat.interval.ms": "20"}, broker
    )
    assert config.get_int("consumer.session.timeout.ms") == 200


def test_a_session_must_outlast_a_heartbeat() -> None:
    broker = BrokerConfig({"group.consumer.min.session.timeout.ms": "100"})
    with pytest.raises(ConfigError, match="must be more than"):
        GroupConfig({"consumer.session.timeout.ms": "5000"}, broker)


def test_unknown_names_and_bad_values_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"did you mean consumer\.session\.timeout\.ms"):
        GroupConfig({"consumer.session.timeout": "5"}, BrokerConfig())
    with pytest.raises(ConfigError, match=r"share\.isolation\.level"):
        GroupConfig({"share.isolation.level": "dirty"}, BrokerConfig())
    with pytest.raises(ConfigError, match="is not a whole number"):
        GroupConfig({}, BrokerConfig()).get_int("share.isolation.level")


def test_a_group_is_looked_up_by_its_id() -> None:
    broker = BrokerConfig()
    broker.group_overrides["g"] = {"consumer.session.timeout.ms": "50000"}
    assert group_config("g", broker).get_int("consumer.session.timeout.ms") == 50000
    assert group_config("other", broker).get_int("consumer.session.timeout.ms") == 45000


def test_values_that_the_bounds_do_not_allow_any_more_count_as_not_given() -> None:
    broker = BrokerConfig({"group.consumer.max.session.timeout.ms": "49000"})
    broker.group_overrides["g"] = {"consumer.session.timeout.ms": "50000"}
    assert group_config("g", broker).get_int("consumer.session.timeout.ms") == 45000
