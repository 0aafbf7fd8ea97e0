"""What clients are told of how the broker was started."""

from __future__ import annotations

from fakebus.app import BusThread
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeLogDirsRequest,
)
from tests.wire.client import RawClient

BROKER = 4
STATIC_BROKER = 4


def test_the_brokers_configs_tell_where_it_really_listens(
    client: RawClient, running: BusThread
) -> None:
    request = DescribeConfigsRequest(
        resources=[
            DescribeConfigsResource(
                resource_type=BROKER, resource_name="1", configuration_keys=None
            )
        ]
    )
    [answer] = client.call(ApiKey.DESCRIBE_CONFIGS, 4, request).results
    shown = {config.name: (config.value, config.config_source) for config in answer.configs}
    address = f"PLAINTEXT://{running.bus.bootstrap_servers}"
    assert shown["listeners"] == (address, STATIC_BROKER)
    assert shown["advertised.listeners"] == (address, STATIC_BROKER)
    assert shown["node.id"] == ("1", STATIC_BROKER)
    assert shown["log.dirs"] == ("memory", STATIC_BROKER)


def test_the_logs_are_where_the_configs_say(client: RawClient) -> None:
    answer = client.call(ApiKey.DESCRIBE_LOG_DIRS, 4, DescribeLogDirsRequest(topics=None))
    assert [found.log_dir for found in answer.results] == ["memory"]
