"""The records of groups and transactional ids, for tools that read internal topics themselves."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple

import confluent_kafka
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from tests.clients.cluster import Cluster

pytestmark = pytest.mark.clients

OFFSETS, TRANSACTIONS = "__consumer_offsets", "__transaction_state"
WAIT_S = 60.0
NewTopic = Callable[..., str]
Unique = Callable[[str], str]


class Row(NamedTuple):
    partition: int
    key: bytes
    value: bytes | None


class Watcher:
    """Consumer of all partitions of an internal topic, from their beginning."""

    def __init__(self, consumer: confluent_kafka.Consumer, name: str) -> None:
        self.rows: list[Row] = []
        self._consumer = consumer
        self._name = text(name)

    def wait_for(self, wanted: Callable[[Row], bool]) -> Row:
        """Return the first record about a name that is wanted; it may have been read before."""
        deadline = time.monotonic() + WAIT_S
        while (found := next(filter(wanted, self.rows), None)) is None:
            assert time.monotonic() < deadline, self.rows
            message = self._consumer.poll(0.2)
            if message is None or message.error() or self._name not in (message.key() or b""):
                continue
            self.rows.append(Row(message.partition(), message.key(), message.value()))
        return found


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


@contextmanager
def watching(cluster: Cluster, topic: str, name: str) -> Iterator[Watcher]:
    settings = {"bootstrap.servers": cluster.bootstrap_servers, "group.id": "unused"}
    consumer = confluent_kafka.Consumer({**settings, "enable.auto.commit": False})
    with closing(consumer):
        count = len(consumer.list_topics(topic, WAIT_S).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in range(count)])
        yield Watcher(consumer, name)


def offset_in(row: Row) -> int:
    assert row.value is not None
    offset: int = struct.unpack_from(">hq", row.value)[1]
    return offset


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_commits_members_and_the_end_of_a_group_are_read_from_the_offsets_topic(
    coordinated_cluster: Cluster, new_topic: NewTopic, unique: Unique, protocol: str
) -> None:
    cluster, topic, group = coordinated_cluster, new_topic(), unique("group")
    settings = {"bootstrap.servers": cluster.bootstrap_servers, "log_level": 0}
    producer = confluent_kafka.Producer(settings)
    for _ in range(3):
        producer.produce(topic, b"v", partition=0)
    assert producer.flush(WAIT_S) == 0
    key = struct.pack(">h", 1) + text(group) + text(topic) + struct.pack(">i", 0)
    kinds = {"classic": [2], "consumer": [3, 5, 6, 7, 8]}[protocol]
    of_group = {kind: struct.pack(">h", kind) + text(group) for kind in kinds}
    consumer = confluent_kafka.Consumer(
        {
            **settings,
            "group.id": group,
            "group.protocol": protocol,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    with watching(cluster, OFFSETS, group) as watcher:
        with closing(consumer):
            consumer.subscribe([topic])
            message = consumer.poll(WAIT_S)
            assert message is not None
            consumer.commit(message, asynchronous=False)
            first = watcher.wait_for(lambda row: row.key == key)
            assert first.value is not None
            # Kafka writes version 4, which not all tools know that are in use.
            assert first.value[:2] in (struct.pack(">h", 3), struct.pack(">h", 4))
            assert offset_in(first) == 1
            places = [TopicPartition(topic, 0, 3, metadata="here")]
            consumer.commit(offsets=places, asynchronous=False)
            second = watcher.wait_for(lambda row: row.key == key and offset_in(row) == 3)
            assert b"here" in (second.value or b"")
            for start in of_group.values():
                row = watcher.wait_for(lambda row, at=start: row.key.startswith(at))  # type: ignore[misc]
                assert row.partition == first.partition
            if protocol == "classic":
                watcher.wait_for(
                    lambda row: row.key == of_group[2] and text(topic) in (row.value or b"")
                )
        admin = AdminClient(settings)
        next(iter(admin.delete_consumer_groups([group]).values())).result(WAIT_S)
        watcher.wait_for(lambda row: row == Row(first.partition, key, None))
        group_key = next(iter(of_group.values()))
        watcher.wait_for(lambda row: row == Row(first.partition, group_key, None))


def test_a_transaction_is_read_from_the_topic_of_transactional_ids(
    coordinated_cluster: Cluster, new_topic: NewTopic, unique: Unique
) -> None:
    cluster, topic, name = coordinated_cluster, new_topic(), unique("txn")
    producer = confluent_kafka.Producer(
        {"bootstrap.servers": cluster.bootstrap_servers, "transactional.id": name}
    )
    producer.init_transactions(WAIT_S)
    with watching(cluster, TRANSACTIONS, name) as watcher:
        producer.begin_transaction()
        producer.produce(topic, b"v", partition=0)
        producer.flush(WAIT_S)
        ongoing = watcher.wait_for(lambda row: topic.encode() in (row.value or b""))
        assert ongoing.key == struct.pack(">h", 0) + text(name)
        version, _, _, _, status = struct.unpack_from(">hqhib", ongoing.value or b"")
        assert (version, status) == (1, 1)
        producer.commit_transaction(WAIT_S)
        ended = watcher.wait_for(lambda row: struct.unpack_from(">hqhib", row.value or b"")[4] == 4)
        assert topic.encode() not in (ended.value or b"")
