"""Consumers of librdkafka that see only what is committed, or everything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from tests.clients.cluster import Cluster

READ_COMMITTED, READ_UNCOMMITTED = "read_committed", "read_uncommitted"


@contextlib.contextmanager
def consuming(
    cluster: Cluster, topic: str, isolation: str, group: str = "unused"
) -> Iterator[confluent_kafka.Consumer]:
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": cluster.bootstrap_servers,
            "group.id": group,
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 100,
        }
    )
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    try:
        yield consumer
    finally:
        consumer.close()


def read(cluster: Cluster, topic: str, isolation: str = READ_COMMITTED) -> list[bytes | None]:
    """Return all values that a reader of that isolation level comes to before the end."""
    values = []
    with consuming(cluster, topic, isolation) as consumer:
        while True:
            message = consumer.poll(60)
            assert message is not None, "the consumer came to no end"
            if message.error() is not None:
                assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF
                return values
            values.append(message.value())
