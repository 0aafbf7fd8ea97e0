"""What the nodes say that do not lead a partition or coordinate a group."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.errors import ErrorCode
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
    DescribeProducersRequest,
    DescribeProducersRequestTopicRequest,
    FindCoordinatorRequest,
    HeartbeatRequest,
    ListGroupsRequest,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
    MetadataRequest,
    MetadataRequestTopic,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tests.unit.broker.batches import batch
from tests.wire.client import RawClient
from tests.wire.test_produce_and_fetch import fetch_request, produce_request

TOPIC, GROUP = "orders", "billing"


@pytest.fixture(scope="module")
def nodes() -> Iterator[dict[int, RawClient]]:
    """A connection to each node of a bus that has three."""
    settings = Settings(data=None, kafka=(Address("127.0.0.1", 0),), http=(), brokers=3)
    with BusThread(FakeBus(settings)) as running:
        servers = running.bus.bootstrap_servers.split(",")
        clients = {number: RawClient(each) for number, each in enumerate(servers, 1)}
        yield clients
        for client in clients.values():
            client.socket.close()


def leader(nodes: dict[int, RawClient]) -> int:
    asked = MetadataRequest(topics=[MetadataRequestTopic(name=TOPIC)])
    asked.allow_auto_topic_creation = True
    told = nodes[1].call(ApiKey.METADATA, 9, asked)
    number: int = told.topics[0].partitions[0].leader_id
    return number


def of_partition(client: RawClient) -> dict[str, int]:
    """Return what a node answers for the partition, by API."""
    looked_up = ListOffsetsPartition(partition_index=0, timestamp=-1)
    epoch = OffsetForLeaderPartition(partition=0, current_leader_epoch=-1, leader_epoch=0)
    deleted = DeleteRecordsPartition(partition_index=0, offset=0)
    listing = ListOffsetsRequest(topics=[ListOffsetsTopic(name=TOPIC, partitions=[looked_up])])
    epochs = [OffsetForLeaderTopic(topic=TOPIC, partitions=[epoch])]
    deleting = [DeleteRecordsTopic(name=TOPIC, partitions=[deleted])]
    producers = DescribeProducersRequest(
        topics=[DescribeProducersRequestTopicRequest(name=TOPIC, partition_indexes=[0])]
    )
    ask = client.call
    return {
        "produce": ask(ApiKey.PRODUCE, 9, produce_request(TOPIC, batch(b"x")))
        .responses[0]
        .partition_responses[0]
        .error_code,
        "fetch": ask(ApiKey.FETCH, 11, fetch_request(TOPIC, 0))
        .responses[0]
        .partitions[0]
        .error_code,
        "offsets": ask(ApiKey.LIST_OFFSETS, 5, listing).topics[0].partitions[0].error_code,
        "epochs": ask(ApiKey.OFFSET_FOR_LEADER_EPOCH, 4, OffsetForLeaderEpochRequest(topics=epochs))
        .topics[0]
        .partitions[0]
        .error_code,
        "delete": ask(ApiKey.DELETE_RECORDS, 2, DeleteRecordsRequest(topics=deleting))
        .topics[0]
        .partitions[0]
        .error_code,
        "producers": ask(ApiKey.DESCRIBE_PRODUCERS, 0, producers)
        .topics[0]
        .partitions[0]
        .error_code,
    }


def test_only_its_leader_answers_for_a_partition(nodes: dict[int, RawClient]) -> None:
    leads = leader(nodes)
    refused = ErrorCode.NOT_LEADER_OR_FOLLOWER.code
    for number, client in nodes.items():
        wanted = 0 if number == leads else refused
        told = of_partition(client)
        assert told == dict.fromkeys(told, wanted), number


def test_only_its_coordinator_answers_for_a_group(nodes: dict[int, RawClient]) -> None:
    found = nodes[1].call(ApiKey.FIND_COORDINATOR, 3, FindCoordinatorRequest(key=GROUP))
    for number, client in nodes.items():
        beat = HeartbeatRequest(group_id=GROUP, generation_id=1, member_id="m")
        told = client.call(ApiKey.HEARTBEAT, 4, beat).error_code
        here = number == found.node_id
        error = ErrorCode.UNKNOWN_MEMBER_ID if here else ErrorCode.NOT_COORDINATOR
        assert told == error.code, number
        assert client.call(ApiKey.LIST_GROUPS, 4, ListGroupsRequest()).groups == []


def test_whoever_asks_the_wrong_node_is_told_which_one_is_right(
    nodes: dict[int, RawClient],
) -> None:
    right = leader(nodes)
    wrong = nodes[right % 3 + 1]
    topic = nodes[1].call(ApiKey.METADATA, 10, MetadataRequest(topics=None))
    ids = {each.name: each.topic_id for each in topic.topics}
    produced = wrong.call(ApiKey.PRODUCE, 10, produce_request(TOPIC, batch(b"x")))
    asked = fetch_request(TOPIC, 0)
    asked.topics[0].topic_id = ids[TOPIC]
    fetched = wrong.call(ApiKey.FETCH, 16, asked)
    for answer, partition in (
        (produced, produced.responses[0].partition_responses[0]),
        (fetched, fetched.responses[0].partitions[0]),
    ):
        assert partition.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER.code
        assert partition.current_leader.leader_id == right
        assert partition.current_leader.leader_epoch == 0
        [endpoint] = answer.node_endpoints
        address = "{}:{}".format(*nodes[right].socket.getpeername())
        assert (endpoint.node_id, f"{endpoint.host}:{endpoint.port}") == (right, address)
