"""Internal topics, as clients and tools are shown them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.config import Settings
from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.differential.sides import Side, Sides, attempts
from tests.unit.broker.batches import batch
from tools.kafka import SETTINGS, kafka_cluster

pytestmark = pytest.mark.kafka

NAMES = ["__consumer_offsets", "__share_group_state", "__transaction_state"]
PREFIXES = ("offsets.topic.", "transaction.state.log.", "share.coordinator.state.topic.")


@pytest.fixture(scope="module")
def fresh() -> Iterator[Sides]:
    """Brokers that nobody has used, with the same configs for their internal topics."""
    configs = {name: value for name, value in SETTINGS.items() if name.startswith(PREFIXES)}
    settings = Settings(data=None, kafka=(Address("127.0.0.1", 0),), http=(), set=configs)
    with kafka_cluster() as theirs, FakeBus.thread(settings) as ours:
        yield Sides(Side(theirs), Side(ours.bootstrap_servers))


def known(side: Side) -> list[str]:
    """Return the internal topics there are, of which all clients are told."""
    asked = m.MetadataRequest(topics=None, allow_auto_topic_creation=False)
    topics = side.call(ApiKey.METADATA, 13, asked).topics
    return sorted(each.name for each in topics if each.is_internal)


def coordinator(side: Side, key_type: int) -> None:
    asked = m.FindCoordinatorRequest(key_type=key_type, coordinator_keys=["anybody"])
    for _ in attempts():
        if side.call(ApiKey.FIND_COORDINATOR, 6, asked).coordinators[0].error_code == 0:
            return
    raise AssertionError(key_type)


def share(side: Side, topics: list[str]) -> None:
    """Join a share group, leave it, and let the broker do what that makes it do."""
    values: dict[str, Any] = {"group_id": uuid.uuid4().hex, "member_id": str(uuid.uuid4())}
    join = m.ShareGroupHeartbeatRequest(**values, member_epoch=0, subscribed_topic_names=topics)
    beat, leave = (m.ShareGroupHeartbeatRequest(**values, member_epoch=n) for n in (1, -1))
    for _ in attempts():
        answer = side.call(ApiKey.SHARE_GROUP_HEARTBEAT, 1, join)
        if answer.error_code == 0:
            break
    # Kafka assigns a partition when its state is there.
    for _ in attempts() if any("missing" not in name for name in topics) else ():
        if answer.assignment is not None and answer.assignment.topic_partitions:
            break
        beat.member_epoch = answer.member_epoch or beat.member_epoch
        answer = side.call(ApiKey.SHARE_GROUP_HEARTBEAT, 1, beat)
    side.call(ApiKey.SHARE_GROUP_HEARTBEAT, 1, leave)


def described(side: Side, name: str) -> Any:
    """Return what is told of a topic, its configs, and of a client that writes to it."""
    topic = m.DescribeTopicPartitionsRequestTopicRequest(name=name)
    resource = m.DescribeConfigsResource(resource_type=2, resource_name=name)
    partition = m.PartitionProduceData(index=0, records=batch(b"v"))
    written = m.TopicProduceData(name=name, partition_data=[partition])
    deleted = m.DeleteRecordsPartition(partition_index=0, offset=0)
    asked: list[tuple[ApiKey, int, Any]] = [
        (
            ApiKey.DESCRIBE_TOPIC_PARTITIONS,
            0,
            m.DescribeTopicPartitionsRequest(topics=[topic], response_partition_limit=9),
        ),
        (
            ApiKey.DESCRIBE_CONFIGS,
            4,
            m.DescribeConfigsRequest(resources=[resource], include_synonyms=True),
        ),
        (
            ApiKey.PRODUCE,
            9,
            m.ProduceRequest(acks=-1, timeout_ms=9000, topic_data=[written]),
        ),
        (
            ApiKey.DELETE_RECORDS,
            2,
            m.DeleteRecordsRequest(
                topics=[m.DeleteRecordsTopic(name=name, partitions=[deleted])], timeout_ms=9000
            ),
        ),
        (
            ApiKey.CREATE_TOPICS,
            7,
            m.CreateTopicsRequest(
                topics=[m.CreatableTopic(name=name, num_partitions=1, replication_factor=1)],
                timeout_ms=9000,
            ),
        ),
    ]
    heard = [side.ask(*each) for each in asked]
    for each in heard[0]["topics"][0]["partitions"]:
        each.update(leader_id=1, replica_nodes=[1], isr_nodes=[1])
    return [in_order(each) for each in heard]


def in_order(value: Any) -> Any:
    """Return plain values in which no order of configs can be seen."""
    if isinstance(value, dict):
        return {name: in_order(each) for name, each in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict) and "name" in value[0]:
        # A config's synonyms have an order, which tells what comes before what.
        return sorted(value, key=lambda each: str(each["name"]))
    return [in_order(each) for each in value] if isinstance(value, list) else value


def test_internal_topics_come_with_their_first_use_and_are_left_alone(fresh: Sides) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic()
        heard: list[Any] = [known(side)]
        for key_type in (0, 1):
            coordinator(side, key_type)
            heard.append(known(side))
        share(side, ["missing"])
        heard.append(known(side))
        share(side, [topic])
        heard.append(known(side))
        listed = side.call(ApiKey.LIST_CONFIG_RESOURCES, 1, m.ListConfigResourcesRequest())
        heard.append(
            sorted(
                each.resource_name for each in listed.config_resources if each.resource_type == 2
            )
        )
        directories = side.call(ApiKey.DESCRIBE_LOG_DIRS, 5, m.DescribeLogDirsRequest(topics=None))
        heard.append(
            sorted([each.name, len(each.partitions)] for each in directories.results[0].topics)
        )
        heard.append([described(side, name) for name in NAMES])
        # Those that a client names to Metadata are made as such, too.
        side.call(
            ApiKey.DELETE_TOPICS, 3, m.DeleteTopicsRequest(topic_names=NAMES, timeout_ms=9000)
        )
        for _ in attempts():
            if not known(side):
                break
        asked = m.MetadataRequest(
            topics=[m.MetadataRequestTopic(name=name) for name in NAMES],
            allow_auto_topic_creation=True,
        )
        for _ in attempts():
            if {each.error_code for each in side.call(ApiKey.METADATA, 12, asked).topics} == {0}:
                break
        for name in NAMES:
            side.await_leaders(name, 1)
        heard.append([described(side, name) for name in NAMES])
        return side.plain(heard)

    fresh.compare(scenario)
