"""What clients are told of how the broker was started."""

from __future__ import annotations

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.errors import ConfigError, ErrorCode
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreateTopicsRequest,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeLogDirsRequest,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestAlterableConfig,
    IncrementalAlterConfigsRequestAlterConfigsResource,
    MetadataRequest,
    MetadataRequestTopic,
)
from tests.wire.client import RawClient

BROKER = 4
DYNAMIC_DEFAULT_BROKER = 3
STATIC_BROKER = 4
IN_SYNC = "min.insync.replicas"
SET, DELETE = 0, 1


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


def settings(**configs: str) -> Settings:
    return Settings(
        data=None,
        kafka=(Address("127.0.0.1", 0), Address("127.0.0.1", 0)),
        http=(),
        advertise=(Address("kafka", 9092),),
        set={name.replace("_", "."): value for name, value in configs.items()},
    )


def config_of(client: RawClient, broker: str, name: str) -> tuple[str | None, int]:
    resource = DescribeConfigsResource(
        resource_type=BROKER, resource_name=broker, configuration_keys=[name]
    )
    request = DescribeConfigsRequest(resources=[resource])
    [answer] = client.call(ApiKey.DESCRIBE_CONFIGS, 4, request).results
    assert answer.error_code == 0
    [config] = answer.configs
    return config.value, config.config_source


def test_two_listeners_may_be_reached_at_one_address() -> None:
    with FakeBus.thread(settings()) as bus, RawClient(bus.bootstrap_servers) as client:
        assert config_of(client, "1", "advertised.listeners")[0] == "PLAINTEXT://kafka:9092"
        [broker] = client.call(ApiKey.METADATA, 12, MetadataRequest(topics=[])).brokers
        assert (broker.host, broker.port) == ("kafka", 9092)


@pytest.mark.parametrize("name", ["node_id", "broker_id"])
@pytest.mark.parametrize("number", [0, 7])
def test_the_node_has_the_number_that_it_was_given(name: str, number: int) -> None:
    with (
        FakeBus.thread(settings(**{name: str(number)})) as bus,
        RawClient(bus.bootstrap_servers) as client,
    ):
        asked = MetadataRequest(topics=[MetadataRequestTopic(name="t")])
        cluster = client.call(ApiKey.METADATA, 12, asked)
        assert [broker.node_id for broker in cluster.brokers] == [number]
        assert cluster.controller_id == number
        [partition] = cluster.topics[0].partitions
        assert (partition.leader_id, partition.replica_nodes) == (number, [number])
        for config in ("node.id", "broker.id"):
            assert config_of(client, str(number), config) == (str(number), STATIC_BROKER)
        placed = CreatableTopic(
            name="placed",
            num_partitions=-1,
            replication_factor=-1,
            assignments=[CreatableReplicaAssignment(partition_index=0, broker_ids=[number])],
        )
        [made] = client.call(ApiKey.CREATE_TOPICS, 7, CreateTopicsRequest(topics=[placed])).topics
        assert made.error_code == 0


@pytest.mark.parametrize("configs", [{"node_id": "1", "broker_id": "2"}, {"broker_id": "-1"}])
def test_a_number_that_no_node_can_have_is_refused(configs: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"broker\.id"), FakeBus.thread(settings(**configs)):
        pass


@pytest.mark.parametrize("given", ["1", "3"])
def test_the_in_sync_replicas_are_the_clusters_and_stay_set(given: str) -> None:
    with (
        FakeBus.thread(settings(min_insync_replicas=given)) as bus,
        RawClient(bus.bootstrap_servers) as client,
    ):

        def alter(broker: str, operation: int, value: str | None) -> int:
            change = IncrementalAlterConfigsRequestAlterableConfig(
                name=IN_SYNC, config_operation=operation, value=value
            )
            resource = IncrementalAlterConfigsRequestAlterConfigsResource(
                resource_type=BROKER, resource_name=broker, configs=[change]
            )
            request = IncrementalAlterConfigsRequest(resources=[resource])
            [answer] = client.call(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, request).responses
            return int(answer.error_code)

        assert config_of(client, "1", IN_SYNC) == (given, DYNAMIC_DEFAULT_BROKER)
        assert config_of(client, "", IN_SYNC) == (given, DYNAMIC_DEFAULT_BROKER)
        assert alter("", DELETE, None) == ErrorCode.INVALID_CONFIG.code
        assert alter("1", SET, "1") == ErrorCode.INVALID_CONFIG.code
        assert alter("", SET, "2") == 0
        assert config_of(client, "1", IN_SYNC) == ("2", DYNAMIC_DEFAULT_BROKER)
