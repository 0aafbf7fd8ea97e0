"""The node that answers is the one whose listener a client has connected to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, ConfigResource

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.broker.nodes import Node
from fakebus.config import Settings
from fakebus.kafka.advertise import FixedAddress
from fakebus.kafka.listener import Listener
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AlterPartitionReassignmentsRequest,
    DescribeClusterRequest,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeQuorumRequest,
    DescribeQuorumRequestPartitionData,
    DescribeQuorumRequestTopicData,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsRequestTopicRequest,
    FindCoordinatorRequest,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsRequestAlterableConfig,
    IncrementalAlterConfigsRequestAlterConfigsResource,
    MetadataRequest,
    MetadataRequestTopic,
    ReassignablePartition,
    ReassignableTopic,
)
from tests.wire.client import RawClient

BROKER = 4
INVALID_REQUEST = 42


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A listener of node 7 beside the bus's own, which is node 1."""
    settings = Settings(data=None, kafka=(Address("127.0.0.1", 0),), http=())
    with BusThread(FakeBus(settings)) as running:
        listener = Listener(
            running.bus.broker,
            Node(7, "east"),
            Address("127.0.0.1", 0),
            FixedAddress("127.0.0.1", 0),
        )

        async def start() -> None:
            await listener.bind()
            await listener.start()

        asyncio.run_coroutine_threadsafe(start(), running.loop).result(60)
        yield str(listener.address)
        asyncio.run_coroutine_threadsafe(listener.close(), running.loop).result(60)


@pytest.fixture
def client(address: str) -> Iterator[RawClient]:
    with RawClient(address) as client:
        yield client


def test_metadata_and_coordinators_name_the_node_that_answers(client: RawClient) -> None:
    asked = MetadataRequest(topics=[MetadataRequestTopic(name="t")])
    cluster = client.call(ApiKey.METADATA, 12, asked)
    assert [(broker.node_id, broker.rack) for broker in cluster.brokers] == [(7, "east")]
    [partition] = cluster.topics[0].partitions
    assert (cluster.controller_id, partition.leader_id) == (7, 7)
    assert partition.replica_nodes == partition.isr_nodes == [7]
    page = client.call(
        ApiKey.DESCRIBE_TOPIC_PARTITIONS,
        0,
        DescribeTopicPartitionsRequest(
            topics=[DescribeTopicPartitionsRequestTopicRequest(name="t")],
            response_partition_limit=9,
        ),
    )
    [listed] = page.topics[0].partitions
    assert (listed.leader_id, listed.replica_nodes, listed.isr_nodes) == (7, [7], [7])
    old = client.call(ApiKey.FIND_COORDINATOR, 0, FindCoordinatorRequest(key="g"))
    new = client.call(ApiKey.FIND_COORDINATOR, 6, FindCoordinatorRequest(coordinator_keys=["g"]))
    assert (old.node_id, new.coordinators[0].node_id) == (7, 7)


def test_the_cluster_and_its_quorum_are_described_by_the_node_that_answers(
    client: RawClient,
) -> None:
    cluster = client.call(ApiKey.DESCRIBE_CLUSTER, 2, DescribeClusterRequest(endpoint_type=1))
    assert cluster.controller_id == 7
    assert [(broker.broker_id, broker.rack) for broker in cluster.brokers] == [(7, "east")]
    partition = DescribeQuorumRequestPartitionData(partition_index=0)
    topic = DescribeQuorumRequestTopicData(topic_name="__cluster_metadata", partitions=[partition])
    quorum = client.call(ApiKey.DESCRIBE_QUORUM, 2, DescribeQuorumRequest(topics=[topic]))
    [metadata] = quorum.topics[0].partitions
    assert (metadata.leader_id, metadata.current_voters[0].replica_id) == (7, 7)
    assert [node.node_id for node in quorum.nodes] == [7]


def test_a_node_shows_and_changes_its_own_configs_and_no_others(client: RawClient) -> None:
    def shown(name: str) -> tuple[int, dict[str, str | None]]:
        resource = DescribeConfigsResource(
            resource_type=BROKER, resource_name=name, configuration_keys=["node.id", "broker.id"]
        )
        [result] = client.call(
            ApiKey.DESCRIBE_CONFIGS, 4, DescribeConfigsRequest(resources=[resource])
        ).results
        return result.error_code, {config.name: config.value for config in result.configs}

    def change(name: str) -> int:
        config = IncrementalAlterConfigsRequestAlterableConfig(
            name="message.max.bytes", config_operation=0, value="5000000"
        )
        resource = IncrementalAlterConfigsRequestAlterConfigsResource(
            resource_type=BROKER, resource_name=name, configs=[config]
        )
        request = IncrementalAlterConfigsRequest(resources=[resource], validate_only=True)
        answer = client.call(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, request)
        code: int = answer.responses[0].error_code
        return code

    assert shown("7") == (0, {"node.id": "7", "broker.id": "7"})
    assert shown("1")[0] == INVALID_REQUEST
    assert (change("7"), change("1")) == (0, INVALID_REQUEST)


def test_partitions_are_assigned_to_the_node_that_answers(client: RawClient) -> None:
    client.call(
        ApiKey.METADATA, 12, MetadataRequest(topics=[MetadataRequestTopic(name="assigned")])
    )

    def assign(node_id: int) -> int:
        partition = ReassignablePartition(partition_index=0, replicas=[node_id])
        topic = ReassignableTopic(name="assigned", partitions=[partition])
        request = AlterPartitionReassignmentsRequest(topics=[topic])
        answer = client.call(ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, request)
        code: int = answer.responses[0].partitions[0].error_code
        return code

    assert assign(7) == 0
    assert assign(1) != 0


def test_librdkafka_works_with_the_node_that_answers(address: str) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    cluster = admin.list_topics(timeout=60)
    assert (list(cluster.brokers), cluster.controller_id) == ([7], 7)
    resource = ConfigResource("broker", "7")
    configs = admin.describe_configs([resource])[resource].result(60)
    assert configs["node.id"].value == "7"
    delivered: list[tuple[KafkaError | None, Message]] = []
    producer = Producer({"bootstrap.servers": address})
    producer.produce("by-librdkafka", b"one", on_delivery=lambda *told: delivered.append(told))
    producer.flush(60)
    assert [(error, message.offset()) for error, message in delivered] == [(None, 0)]


def test_the_rack_of_a_broker_is_told() -> None:
    settings = Settings(
        data=None, kafka=(Address("127.0.0.1", 0),), http=(), set={"broker.rack": "west"}
    )
    with FakeBus.thread(settings) as bus, RawClient(bus.bootstrap_servers) as client:
        [broker] = client.call(ApiKey.METADATA, 12, MetadataRequest(topics=[])).brokers
        assert (broker.node_id, broker.rack) == (1, "west")
