"""Where consumers start, seek to, and what they commit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients.cluster import Cluster
from tests.clients.python.client import (
    Client,
    Committed,
    Partition,
    read,
    wait_until,
)
from tests.clients.python.confluent import ConfluentClient
from tests.clients.python.kafka_python import kafka

pytestmark = pytest.mark.clients

NewTopic = Callable[..., str]
Unique = Callable[[str], str]
START_MS = 1_600_000_000_000


def fill(client: Client, topic: str, first: int, last: int) -> None:
    """Write the numbers as values, a second of timestamp apart."""
    producer = client.producer()
    answers = [
        producer.send(topic, b"%d" % number, partition=0, timestamp_ms=START_MS + 1_000 * number)
        for number in range(first, last)
    ]
    assert [answer().offset for answer in answers] == list(range(first, last))
    producer.close()


def test_new_group_at_earliest_reads_what_was_there(
    client: Client, new_topic: NewTopic, unique: Unique
) -> None:
    topic = new_topic()
    fill(client, topic, 0, 5)
    consumer = client.consumer(unique("group"), reset="earliest")
    consumer.subscribe(topic)

    assert [message.offset for message in read(consumer, 5)] == [0, 1, 2, 3, 4]
    consumer.close()


def test_new_group_at_latest_reads_what_comes(
    client: Client, new_topic: NewTopic, unique: Unique
) -> None:
    topic = new_topic()
    fill(client, topic, 0, 5)
    consumer = client.consumer(unique("group"), reset="latest")
    consumer.subscribe(topic)
    wait_until(lambda: consumer.poll(0.1) or consumer.assignment(), "the group is joined")
    # Assigned is not yet positioned: the reader asks for the end on its own time.
    read_first: list[int] = []
    number = 5

    def something_came() -> bool:
        nonlocal number
        fill(client, topic, number, number + 1)
        number += 1
        read_first.extend(message.offset for message in consumer.poll(0.3))
        return bool(read_first)

    wait_until(something_came, "records written after the join are read")
    assert read_first[0] >= 5
    consumer.close()


def test_group_goes_on_where_it_committed(
    client: Client, new_topic: NewTopic, unique: Unique
) -> None:
    topic, group = new_topic(), unique("group")
    fill(client, topic, 0, 10)
    first = client.consumer(group)
    first.subscribe(topic)
    read(first, 10)
    first.commit({Partition(topic, 0): Committed(7, "")})
    first.close()

    second = client.consumer(group)
    second.subscribe(topic)

    assert [message.offset for message in read(second, 3)] == [7, 8, 9]
    second.close()


@pytest.mark.parametrize("wait", [True, False], ids=["sync", "async"])
def test_committed_offset_and_metadata_are_read_back(
    client: Client, new_topic: NewTopic, unique: Unique, wait: bool
) -> None:
    partition, group = Partition(new_topic(partitions=2), 1), unique("group")
    consumer = client.consumer(group)
    consumer.subscribe(partition.topic)
    wait_until(lambda: consumer.poll(0.1) or consumer.assignment(), "the group is joined")
    assert consumer.committed(partition) is None

    consumer.commit({partition: Committed(41, "über 😀")}, wait=wait)
    wait_until(lambda: consumer.poll(0.05) or consumer.committed(partition), "the commit is stored")

    assert consumer.committed(partition) == (41, "über 😀")
    consumer.commit({partition: Committed(42, "")})
    assert consumer.committed(partition) == (42, "")
    consumer.close()
    assert client.group_offsets(group) == {partition: Committed(42, "")}


def test_seek_reads_on_from_any_offset(client: Client, new_topic: NewTopic) -> None:
    topic = new_topic()
    fill(client, topic, 0, 10)
    consumer = client.consumer()
    partition = Partition(topic, 0)
    consumer.assign({partition: 3})
    assert [message.value for message in read(consumer, 7)] == [b"%d" % n for n in range(3, 10)]

    consumer.seek(partition, 8)

    assert [message.value for message in read(consumer, 2)] == [b"8", b"9"]
    consumer.seek(partition, 0)
    assert [message.offset for message in read(consumer, 10)] == list(range(10))
    consumer.close()


def test_offsets_for_times_finds_the_first_record_at_or_after(
    client: Client, new_topic: NewTopic
) -> None:
    topic = new_topic()
    # One batch of many records: the answer lies inside it, not at its edge.
    producer = client.producer(linger_ms=100)
    answers = [
        producer.send(topic, b"v", partition=0, timestamp_ms=START_MS + 1_000 * number)
        for number in (0, 2, 1, 5, 9)
    ]
    assert [answer().offset for answer in answers] == [0, 1, 2, 3, 4]
    producer.close()
    consumer = client.consumer()
    partition = Partition(topic, 0)

    found = {
        seconds: consumer.offset_for_time(partition, START_MS + int(seconds * 1_000))
        for seconds in (-1, 0, 0.5, 1, 1.5, 3, 5, 5.001, 9)
    }

    assert found == {-1: 0, 0: 0, 0.5: 1, 1: 1, 1.5: 1, 3: 3, 5: 3, 5.001: 4, 9: 4}
    assert consumer.offset_for_time(partition, START_MS + 9_001) is None
    consumer.close()


def test_bounds_are_the_log_start_and_end(client: Client, new_topic: NewTopic) -> None:
    topic = new_topic()
    consumer = client.consumer()
    partition = Partition(topic, 0)
    assert consumer.bounds(partition) == (0, 0)
    fill(client, topic, 0, 10)
    assert consumer.bounds(partition) == (0, 10)

    assert client.delete_records(partition, 4) == 4

    assert consumer.bounds(partition) == (4, 10)
    # Offset 2 is gone, so the reader starts over at the first one there is.
    consumer.assign({partition: 2})
    assert [message.offset for message in read(consumer, 6)] == [4, 5, 6, 7, 8, 9]
    consumer.close()


def test_a_consumer_goes_on_in_its_other_topics_when_one_is_deleted(
    client: Client, new_topic: NewTopic
) -> None:
    gone, stays = new_topic(), new_topic()
    producer, consumer = client.producer(), client.consumer(None)
    producer.send(stays, b"before")()
    consumer.assign({Partition(gone, 0): 0, Partition(stays, 0): 0})
    assert [message.value for message in read(consumer, 1)] == [b"before"]

    client.delete_topic(gone)
    wait_until(lambda: gone not in client.topics(), "the topic is gone")
    producer.send(stays, b"after")()

    assert [message.value for message in read(consumer, 1)] == [b"after"]
    producer.close()
    consumer.close()


def test_a_pattern_finds_no_internal_topic(
    coordinated_cluster: Cluster, confluent: ConfluentClient, new_topic: NewTopic, unique: Unique
) -> None:
    topic = new_topic()
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=coordinated_cluster.bootstrap_servers, group_id=unique("group")
    )
    consumer.subscribe(pattern=f"^({topic}|__consumer_offsets)$")
    wait_until(lambda: consumer.poll(500) or consumer.assignment(), "the group is joined")

    assert "__consumer_offsets" in confluent.topics()
    assert consumer.subscription() == {topic}
    consumer.close()
