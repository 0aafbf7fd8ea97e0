"""What goes wrong comes back as the error that Kafka gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients.python.client import (
    INVALID_CONFIG,
    INVALID_PARTITIONS,
    INVALID_TOPIC_EXCEPTION,
    MESSAGE_TOO_LARGE,
    TOPIC_ALREADY_EXISTS,
    UNKNOWN_TOPIC_OR_PARTITION,
    Client,
    ClientError,
    Committed,
    Partition,
    read_topic,
    wait_until,
)
from tests.clients.python.confluent import ConfluentClient

pytestmark = pytest.mark.clients

NewTopic = Callable[..., str]
Unique = Callable[[str], str]


def test_unknown_topic_is_an_error_and_is_not_created(client: Client, unique: Unique) -> None:
    topic = unique("never-created")
    producer = client.producer(timeout_ms=1_000)

    with pytest.raises(ClientError):
        producer.send(topic, b"value")()

    producer.close()
    assert topic not in client.topics()


def test_consumer_of_an_unknown_topic_is_told_so(
    confluent: ConfluentClient, unique: Unique
) -> None:
    topic = unique("never-created")
    consumer = confluent.consumer(unique("group"))
    consumer.subscribe(topic)

    with pytest.raises(ClientError) as raised:
        wait_until(lambda: consumer.poll(0.2), "the consumer hears of it")

    assert raised.value.code == UNKNOWN_TOPIC_OR_PARTITION
    consumer.close()
    assert topic not in confluent.topics()


def test_record_over_the_topics_limit_is_refused_and_not_stored(
    client: Client, new_topic: NewTopic
) -> None:
    topic = new_topic(max_message_bytes="2000")
    producer = client.producer()
    assert producer.send(topic, b"x" * 1_500)().offset == 0

    with pytest.raises(ClientError) as raised:
        producer.send(topic, b"x" * 3_000)()

    assert raised.value.code == MESSAGE_TOO_LARGE
    assert producer.send(topic, b"next")().offset == 1
    producer.close()
    assert [message.value for message in read_topic(client, topic, 2)][1] == b"next"


def test_record_over_the_brokers_default_limit_is_refused(
    client: Client, new_topic: NewTopic
) -> None:
    topic = new_topic()
    producer = client.producer()

    with pytest.raises(ClientError) as raised:
        producer.send(topic, b"x" * 1_100_000)()

    assert raised.value.code == MESSAGE_TOO_LARGE
    producer.close()


def test_producing_to_an_unknown_partition_fails(client: Client, new_topic: NewTopic) -> None:
    topic = new_topic(partitions=2)
    producer = client.producer(timeout_ms=1_000)

    with pytest.raises((ClientError, AssertionError), match=r"(?i)partition"):
        producer.send(topic, b"value", partition=2)()

    assert producer.send(topic, b"value", partition=1)() == (1, 0)
    producer.close()


def test_committing_for_an_unknown_partition_fails(
    confluent: ConfluentClient, new_topic: NewTopic, unique: Unique
) -> None:
    topic = new_topic()
    consumer = confluent.consumer(unique("group"))

    with pytest.raises(ClientError) as raised:
        consumer.commit({Partition(topic, 1): Committed(1, "")})

    assert raised.value.code == UNKNOWN_TOPIC_OR_PARTITION
    consumer.close()


@pytest.mark.parametrize("name", ["not a name", "žába", "a/b", "x" * 250, "."])
def test_invalid_topic_names_are_refused(client: Client, name: str) -> None:
    with pytest.raises(ClientError) as raised:
        client.create_topic(name)

    assert raised.value.code == INVALID_TOPIC_EXCEPTION


def test_topic_that_exists_is_not_created_again(client: Client, new_topic: NewTopic) -> None:
    topic = new_topic()

    with pytest.raises(ClientError) as raised:
        client.create_topic(topic)

    assert raised.value.code == TOPIC_ALREADY_EXISTS


def test_topic_with_an_unknown_or_invalid_config_is_refused(client: Client, unique: Unique) -> None:
    topic = unique("topic")
    for configs in ({"no.such.config": "1"}, {"retention.ms": "soon"}, {"cleanup.policy": "burn"}):
        with pytest.raises(ClientError) as raised:
            client.create_topic(topic, configs=configs)
        assert raised.value.code == INVALID_CONFIG, configs
    assert topic not in client.topics()


def test_unknown_topic_cannot_be_deleted(client: Client, unique: Unique) -> None:
    with pytest.raises(ClientError) as raised:
        client.delete_topic(unique("never-created"))

    assert raised.value.code == UNKNOWN_TOPIC_OR_PARTITION


@pytest.mark.parametrize("total", [1, 3])
def test_partitions_can_only_be_added(client: Client, new_topic: NewTopic, total: int) -> None:
    topic = new_topic(partitions=3)

    with pytest.raises(ClientError) as raised:
        client.create_partitions(topic, total)

    assert raised.value.code == INVALID_PARTITIONS
    assert client.topics()[topic] == 3
