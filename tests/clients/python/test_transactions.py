"""Transactional producers of librdkafka and aiokafka, and what consumers see of their work."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import aiokafka
import confluent_kafka
import pytest
from aiokafka.errors import ProducerFenced
from confluent_kafka import KafkaException, TopicPartition

from tests.clients.cluster import Cluster
from tests.clients.python.client import wait_until
from tests.clients.python.isolation import READ_COMMITTED, READ_UNCOMMITTED, consuming, read

pytestmark = pytest.mark.clients

NewTopic = Callable[..., str]
Unique = Callable[[str], str]


@pytest.fixture
def new_producer(cluster: Cluster, unique: Unique) -> Callable[..., confluent_kafka.Producer]:
    """Make librdkafka's producer with a transactional id, initialized."""

    def make(transactional_id: str | None = None, **configs: str | int) -> confluent_kafka.Producer:
        producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": cluster.bootstrap_servers,
                "transactional.id": transactional_id or unique("txn"),
                **{name.replace("_", "."): value for name, value in configs.items()},
            }
        )
        producer.init_transactions(20)
        return producer

    return make


def write(producer: confluent_kafka.Producer, topic: str, *values: bytes) -> None:
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, partition=0)
    producer.flush(60)


def test_readers_of_committed_records_see_transactions_when_they_commit_and_never_aborted_ones(
    cluster: Cluster, new_topic: NewTopic, new_producer: Callable[..., confluent_kafka.Producer]
) -> None:
    topic, producer = new_topic(), new_producer()
    write(producer, topic, b"committed")
    assert read(cluster, topic) == []
    assert read(cluster, topic, READ_UNCOMMITTED) == [b"committed"]
    producer.commit_transaction(10)
    write(producer, topic, b"aborted", b"too")
    producer.abort_transaction(10)
    write(producer, topic, b"last")
    assert read(cluster, topic) == [b"committed"]
    producer.commit_transaction(10)
    assert read(cluster, topic) == [b"committed", b"last"]
    assert read(cluster, topic, READ_UNCOMMITTED) == [b"committed", b"aborted", b"too", b"last"]


def test_what_others_write_behind_an_open_transaction_waits_for_its_end(
    cluster: Cluster, new_topic: NewTopic, new_producer: Callable[..., confluent_kafka.Producer]
) -> None:
    topic, producer = new_topic(), new_producer()
    plain = confluent_kafka.Producer({"bootstrap.servers": cluster.bootstrap_servers})
    plain.produce(topic, b"before", partition=0)
    plain.flush(60)
    write(producer, topic, b"open")
    plain.produce(topic, b"behind", partition=0)
    plain.flush(60)
    with consuming(cluster, topic, READ_COMMITTED) as consumer:
        assert consumer.poll(60).value() == b"before"
        # The mark of the end: it is asked for as long as there is nothing.
        assert consumer.poll(60).error() is not None
        assert consumer.get_watermark_offsets(TopicPartition(topic, 0), 10)[1] == 1
        producer.abort_transaction(10)
        assert consumer.poll(60).value() == b"behind"
        assert consumer.get_watermark_offsets(TopicPartition(topic, 0), 10)[1] == 4


def test_a_second_producer_of_the_same_name_aborts_and_fences_the_first(
    cluster: Cluster,
    new_topic: NewTopic,
    unique: Unique,
    new_producer: Callable[..., confluent_kafka.Producer],
) -> None:
    topic, name = new_topic(), unique("txn")
    first = new_producer(name)
    write(first, topic, b"of the first")
    second = new_producer(name)
    write(second, topic, b"of the second")
    second.commit_transaction(10)
    with pytest.raises(KafkaException) as refused:
        first.commit_transaction(10)
    assert refused.value.args[0].code() == confluent_kafka.KafkaError._FENCED
    assert read(cluster, topic) == [b"of the second"]


def test_offsets_and_records_of_one_transaction_count_together_or_not_at_all(
    cluster: Cluster,
    new_topic: NewTopic,
    unique: Unique,
    new_producer: Callable[..., confluent_kafka.Producer],
) -> None:
    source, target, group = new_topic(), new_topic(), unique("group")
    producer = new_producer()
    write(producer, source, b"a", b"b")
    producer.commit_transaction(10)
    with consuming(cluster, source, READ_COMMITTED, group) as consumer:
        for value, done in (
            (b"A", producer.abort_transaction),
            (b"B", producer.commit_transaction),
        ):
            assert consumer.poll(60).value() is not None
            write(producer, target, value)
            producer.send_offsets_to_transaction(
                consumer.position([TopicPartition(source, 0)]),
                consumer.consumer_group_metadata(),
                10,
            )
            done(10)
            [committed] = consumer.committed([TopicPartition(source, 0)], 10)
            assert committed.offset == (2 if value == b"B" else confluent_kafka.OFFSET_INVALID)
    assert read(cluster, target) == [b"B"]


def test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_told(
    cluster: Cluster, new_topic: NewTopic, new_producer: Callable[..., confluent_kafka.Producer]
) -> None:
    topic = new_topic()
    producer = new_producer(transaction_timeout_ms=1000)
    write(producer, topic, b"forgotten")
    wait_until(lambda: read_end(cluster, topic) == 2, "the transaction is aborted")
    assert read(cluster, topic) == []
    with pytest.raises(KafkaException):
        producer.commit_transaction(10)


def read_end(cluster: Cluster, topic: str) -> int:
    with consuming(cluster, topic, READ_COMMITTED) as consumer:
        end: int = consumer.get_watermark_offsets(TopicPartition(topic, 0), 10)[1]
        return end


def test_aiokafka_commits_aborts_and_is_fenced(
    cluster: Cluster, new_topic: NewTopic, unique: Unique
) -> None:
    asyncio.run(work_with_aiokafka(cluster, new_topic(), unique("group"), unique("txn")))
    # It leaves futures whose failure nobody has looked at. Reported in the middle of an import,
    # they make Python 3.11 trip (gh-106905).
    gc.collect()


async def work_with_aiokafka(cluster: Cluster, topic: str, group: str, name: str) -> None:

    def new_one() -> aiokafka.AIOKafkaProducer:
        return aiokafka.AIOKafkaProducer(
            bootstrap_servers=cluster.bootstrap_servers, transactional_id=name
        )

    async with new_one() as first:
        async with first.transaction():
            await first.send_and_wait(topic, b"committed", partition=0)
            await first.send_offsets_to_transaction({aiokafka.TopicPartition(topic, 0): 7}, group)
        await first.begin_transaction()
        await first.send_and_wait(topic, b"aborted", partition=0)
        await first.abort_transaction()
        async with new_one() as second:
            with pytest.raises(ProducerFenced):
                async with first.transaction():
                    await first.send_and_wait(topic, b"late", partition=0)
            async with second.transaction():
                await second.send_and_wait(topic, b"of the second", partition=0)
    consumer = aiokafka.AIOKafkaConsumer(
        topic,
        bootstrap_servers=cluster.bootstrap_servers,
        group_id=group,
        isolation_level=READ_COMMITTED,
        enable_auto_commit=False,
    )
    async with consumer:
        assert await consumer.committed(aiokafka.TopicPartition(topic, 0)) == 7
        await consumer.seek_to_beginning()
        values = [(await asyncio.wait_for(consumer.getone(), 60)).value for _ in range(2)]
    assert values == [b"committed", b"of the second"]
