"""librdkafka's share consumer does with the bus what it does with Kafka (KIP-932)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
from confluent_kafka import AcknowledgeType, Producer, ShareConsumer
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

from tests.clients.cluster import Cluster

Unique = Callable[[str], str]


@pytest.fixture
def topic(cluster: Cluster, unique: Unique) -> str:
    """A topic of one partition."""
    name = unique("share")
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    admin.create_topics([NewTopic(name, 1)])[name].result(60)
    return name


@pytest.fixture
def group(cluster: Cluster, unique: Unique) -> str:
    """A share group that reads topics from their beginning."""
    name = unique("share")
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    entry = ConfigEntry(
        "share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ConfigResource.Type.GROUP, name, incremental_configs=[entry])
    (changed,) = admin.incremental_alter_configs([resource]).values()
    changed.result(60)
    return name


@contextmanager
def share_consumer(cluster: Cluster, group: str, topic: str) -> Iterator[ShareConsumer]:
    settings = {
        "bootstrap.servers": cluster.bootstrap_servers,
        "group.id": group,
        "share.acknowledgement.mode": "explicit",
    }
    with ShareConsumer(settings) as consumer:
        consumer.subscribe([topic])
        yield consumer


def read(
    consumer: ShareConsumer, words: Mapping[bytes, AcknowledgeType], count: int, seconds: float
) -> list[bytes]:
    """Read so many records and acknowledge each as its value says; fewer when the time is over."""
    found: list[bytes] = []
    deadline = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < deadline:
        for message in consumer.poll(0.2):
            assert message.error() is None
            found.append(message.value())
            word = words.get(message.value(), AcknowledgeType.ACCEPT)
            consumer.acknowledge(message, word)
        assert not any(consumer.commit_sync(10).values())
    return found


def test_records_are_accepted_released_and_rejected(
    cluster: Cluster, topic: str, group: str
) -> None:
    producer = Producer({"bootstrap.servers": cluster.bootstrap_servers})
    for value in (b"accepted", b"released", b"rejected"):
        producer.produce(topic, value)
    producer.flush(60)
    words = {b"released": AcknowledgeType.RELEASE, b"rejected": AcknowledgeType.REJECT}

    with share_consumer(cluster, group, topic) as consumer:
        first = read(consumer, words, 3, 20)
    with share_consumer(cluster, group, topic) as consumer:
        second = read(consumer, {}, 1, 20)
        none = read(consumer, {}, 1, 0.5)

    assert sorted(first) == [b"accepted", b"rejected", b"released"]
    assert second == [b"released"]
    assert none == []
