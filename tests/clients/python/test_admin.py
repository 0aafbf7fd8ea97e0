"""Topics, configs, groups and offsets by each library's admin client."""

from __future__ import annotations

from collections.abc import Callable

import confluent_kafka
import pytest
from confluent_kafka import admin

from tests.clients.cluster import Cluster
from tests.clients.python.client import (
    GROUP_ID_NOT_FOUND,
    INVALID_CONFIG,
    NON_EMPTY_GROUP,
    OFFSET_OUT_OF_RANGE,
    Client,
    ClientError,
    Committed,
    Partition,
    read_topic,
    wait_until,
)
from tests.clients.python.confluent import ConfluentClient
from tests.clients.python.kafka_python import KafkaPythonClient

pytestmark = pytest.mark.clients

NewTopic = Callable[..., str]
Unique = Callable[[str], str]

TOPIC_CONFIGS = {
    "cleanup.policy": "delete",
    "compression.gzip.level": "-1",
    "compression.lz4.level": "9",
    "compression.type": "producer",
    "compression.zstd.level": "3",
    "delete.retention.ms": "86400000",
    "file.delete.delay.ms": "60000",
    "flush.messages": "9223372036854775807",
    "flush.ms": "9223372036854775807",
    "follower.replication.throttled.replicas": "",
    "index.interval.bytes": "4096",
    "leader.replication.throttled.replicas": "",
    "local.retention.bytes": "-2",
    "local.retention.ms": "-2",
    "max.compaction.lag.ms": "9223372036854775807",
    "max.message.bytes": "1048588",
    "message.timestamp.after.max.ms": "3600000",
    "message.timestamp.before.max.ms": "9223372036854775807",
    "message.timestamp.type": "CreateTime",
    "min.cleanable.dirty.ratio": "0.5",
    "min.compaction.lag.ms": "0",
    "min.insync.replicas": "1",
    "preallocate": "false",
    "remote.log.copy.disable": "false",
    "remote.log.delete.on.disable": "false",
    "remote.storage.enable": "false",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "1073741824",
    "segment.index.bytes": "10485760",
    "segment.jitter.ms": "0",
    "segment.ms": "604800000",
    "unclean.leader.election.enable": "false",
}
"""Every topic config of Kafka 4 with its default."""


def test_topics_are_created_widened_and_deleted(client: Client, unique: Unique) -> None:
    topic = unique("topic")

    client.create_topic(topic, 3, {"retention.ms": "1000"})
    wait_until(lambda: client.topics().get(topic) == 3, "the topic is listed")
    assert client.describe_configs(topic)["retention.ms"] == "1000"

    client.create_partitions(topic, 5)
    wait_until(lambda: client.topics()[topic] == 5, "the new partitions are listed")
    producer = client.producer()
    assert producer.send(topic, b"value", partition=4)() == (4, 0)
    producer.close()

    client.delete_topic(topic)
    wait_until(lambda: topic not in client.topics(), "the topic is gone")


def test_recreated_topic_is_empty(client: Client, new_topic: NewTopic) -> None:
    topic = new_topic()
    producer = client.producer()
    for _ in range(3):
        producer.send(topic, b"old")()
    producer.close()
    client.delete_topic(topic)
    wait_until(lambda: topic not in client.topics(), "the topic is gone")
    client.create_topic(topic)
    wait_until(lambda: topic in client.topics(), "the topic is back")

    producer = client.producer()
    assert producer.send(topic, b"new")() == (0, 0)
    producer.close()

    assert [message.value for message in read_topic(client, topic, 1)] == [b"new"]


def test_every_topic_config_is_described_with_its_default(
    client: Client, new_topic: NewTopic
) -> None:
    topic = new_topic(segment_ms="60000")

    described = client.describe_configs(topic)

    assert {key: described.get(key) for key in TOPIC_CONFIGS} == {
        **TOPIC_CONFIGS,
        "segment.ms": "60000",
    }


def test_altered_config_is_described_and_obeyed(client: Client, new_topic: NewTopic) -> None:
    topic = new_topic()

    client.set_config(topic, "max.message.bytes", "500")

    wait_until(
        lambda: client.describe_configs(topic)["max.message.bytes"] == "500", "it is altered"
    )
    producer = client.producer()
    with pytest.raises(ClientError):
        producer.send(topic, b"x" * 600)()
    assert producer.send(topic, b"x" * 300)() == (0, 0)
    producer.close()
    with pytest.raises(ClientError) as raised:
        client.set_config(topic, "max.message.bytes", "many")
    assert raised.value.code == INVALID_CONFIG


def test_cluster_is_described(client: Client, cluster: Cluster) -> None:
    host, port = cluster.bootstrap_servers.split(":")

    cluster_id, brokers = client.describe_cluster()

    assert len(cluster_id) == 22
    assert brokers == [(1, host, int(port))]


def test_groups_are_listed_and_described(
    client: Client, new_topic: NewTopic, unique: Unique
) -> None:
    group = unique("group")
    consumer = client.consumer(group)
    consumer.subscribe(new_topic())
    wait_until(lambda: consumer.poll(0.1) or consumer.assignment(), "the group is joined")

    wait_until(lambda: client.describe_group(group)[0] == "Stable", "the group is stable")
    assert group in client.groups()
    _state, members = client.describe_group(group)
    assert len(members) == 1

    consumer.close()
    assert client.describe_group(group) == ("Empty", [])


@pytest.mark.parametrize("library", [ConfluentClient, KafkaPythonClient])
def test_group_is_deleted_when_it_is_empty(
    request: pytest.FixtureRequest,
    library: type[ConfluentClient] | type[KafkaPythonClient],
    coordinated_cluster: Cluster,
    new_topic: NewTopic,
    unique: Unique,
) -> None:
    topic, group = new_topic(), unique("group")
    client = library(coordinated_cluster.bootstrap_servers)
    request.addfinalizer(client.close)
    consumer = client.consumer(group)
    consumer.subscribe(topic)
    wait_until(lambda: consumer.poll(0.1) or consumer.assignment(), "the group is joined")
    consumer.commit({Partition(topic, 0): Committed(5, "")})
    with pytest.raises(ClientError) as raised:
        client.delete_group(group)
    assert raised.value.code == NON_EMPTY_GROUP
    consumer.close()
    assert group in client.groups()

    client.delete_group(group)

    assert group not in client.groups()
    with pytest.raises(ClientError) as raised:
        client.delete_group(group)
    assert raised.value.code == GROUP_ID_NOT_FOUND


def test_deleted_records_move_the_start_of_the_log(client: Client, new_topic: NewTopic) -> None:
    topic = new_topic()
    partition = Partition(topic, 0)
    producer = client.producer()
    producer.send_many(topic, [(0, b"%d" % number) for number in range(10)])
    producer.close()

    assert client.delete_records(partition, 6) == 6

    assert [message.value for message in read_topic(client, topic, 4)] == [b"6", b"7", b"8", b"9"]
    with pytest.raises(ClientError) as raised:
        client.delete_records(partition, 11)
    assert raised.value.code == OFFSET_OUT_OF_RANGE
    # -1 stands for the end of the log.
    assert client.delete_records(partition, -1) == 10


def test_list_offsets_knows_earliest_latest_and_times(
    confluent: ConfluentClient, new_topic: NewTopic
) -> None:
    topic = new_topic()
    producer = confluent.producer()
    for timestamp_ms in (1_600_000_001_000, 1_600_000_009_000, 1_600_000_005_000):
        producer.send(topic, b"v", timestamp_ms=timestamp_ms)()
    confluent.delete_records(Partition(topic, 0), 1)
    asked = confluent_kafka.TopicPartition(topic, 0)

    def offset(spec: admin.OffsetSpec) -> tuple[int, int]:
        (future,) = confluent.admin.list_offsets({asked: spec}).values()
        found = future.result(60)
        return found.offset, found.timestamp

    assert offset(admin.OffsetSpec.earliest())[0] == 1
    assert offset(admin.OffsetSpec.latest())[0] == 3
    assert offset(admin.OffsetSpec.max_timestamp()) == (1, 1_600_000_009_000)
    assert offset(admin.OffsetSpec.for_timestamp(1_600_000_004_000)) == (1, 1_600_000_009_000)
    assert offset(admin.OffsetSpec.for_timestamp(1_600_000_009_001))[0] == -1


def test_incremental_alter_appends_subtracts_and_deletes(
    confluent: ConfluentClient, new_topic: NewTopic
) -> None:
    topic = new_topic(cleanup_policy="delete", retention_ms="1000")

    def alter(key: str, value: str | None, operation: admin.AlterConfigOpType) -> None:
        entry = admin.ConfigEntry(key, value, incremental_operation=operation)
        resource = admin.ConfigResource(
            admin.ResourceType.TOPIC, topic, incremental_configs=[entry]
        )
        (future,) = confluent.admin.incremental_alter_configs([resource]).values()
        future.result(60)

    def is_now(key: str, value: str) -> None:
        wait_until(
            lambda: confluent.describe_configs(topic)[key] == value, f"{key} has become {value}"
        )

    alter("cleanup.policy", "compact", admin.AlterConfigOpType.APPEND)
    is_now("cleanup.policy", "delete,compact")
    alter("cleanup.policy", "delete", admin.AlterConfigOpType.SUBTRACT)
    is_now("cleanup.policy", "compact")
    alter("retention.ms", None, admin.AlterConfigOpType.DELETE)
    is_now("retention.ms", "604800000")
    assert confluent.describe_configs(topic)["cleanup.policy"] == "compact"


def test_broker_configs_say_where_they_come_from(confluent: ConfluentClient) -> None:
    broker_id = confluent.describe_cluster()[1][0][0]
    resource = admin.ConfigResource(admin.ResourceType.BROKER, str(broker_id))
    (future,) = confluent.admin.describe_configs([resource]).values()

    entries = future.result(60)

    auto_create = entries["auto.create.topics.enable"]
    assert auto_create.value == "false"
    assert auto_create.source == admin.ConfigSource.STATIC_BROKER_CONFIG.value
    assert entries["num.partitions"].value == "1"
    assert entries["num.partitions"].is_default
    assert entries["ssl.keystore.password"].is_sensitive
    assert entries["ssl.keystore.password"].value is None
    assert len(entries) > 200


def test_committed_offsets_are_altered_for_an_empty_group(
    confluent: ConfluentClient, new_topic: NewTopic, unique: Unique
) -> None:
    topic, group = new_topic(partitions=2), unique("group")
    rows = [confluent_kafka.TopicPartition(topic, number, 10 + number) for number in range(2)]

    asked = confluent_kafka.ConsumerGroupTopicPartitions(group, rows)
    (future,) = confluent.admin.alter_consumer_group_offsets([asked]).values()
    future.result(60)

    assert confluent.group_offsets(group) == {
        Partition(topic, 0): Committed(10, ""),
        Partition(topic, 1): Committed(11, ""),
    }
