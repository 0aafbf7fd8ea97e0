"""What a client sends is what a client reads, byte for byte."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.clients.python.client import Client, Partition, read_topic

pytestmark = pytest.mark.clients

NewTopic = Callable[..., str]


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_every_codec_brings_records_back_unchanged(
    client: Client, new_topic: NewTopic, codec: str | None
) -> None:
    topic = new_topic()
    values = [b"%d " % number * 50 for number in range(100)]
    producer = client.producer(codec=codec, linger_ms=50)
    answers = [producer.send(topic, value, key=b"k%d" % len(value)) for value in values]
    assert [answer().offset for answer in answers] == list(range(100))
    producer.close()

    messages = read_topic(client, topic, 100)

    assert [message.value for message in messages] == values
    assert [message.offset for message in messages] == list(range(100))
    assert [message.key for message in messages] == [b"k%d" % len(value) for value in values]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(None, b"value", id="null key"),
        pytest.param(b"", b"value", id="empty key"),
        pytest.param(b"key", None, id="tombstone"),
        pytest.param(b"key", b"", id="empty value"),
        pytest.param(None, None, id="nothing at all"),
        pytest.param("clé".encode(), "žluťoučký 😀".encode(), id="unicode"),
        pytest.param(b"\x00\xff", bytes(range(256)), id="every byte"),
    ],
)
def test_null_and_empty_keys_and_values_stay_what_they_are(
    client: Client, new_topic: NewTopic, key: bytes | None, value: bytes | None
) -> None:
    if client.name != "confluent" and key is None and value is None:
        pytest.skip(f"{client.name} refuses a record with neither key nor value")
    topic = new_topic()
    producer = client.producer()
    producer.send(topic, value, key=key)()
    producer.close()

    (message,) = read_topic(client, topic, 1)

    assert (message.key, message.value) == (key, value)


def test_headers_keep_order_duplicates_nulls_and_unicode(
    client: Client, new_topic: NewTopic
) -> None:
    headers = (("a", b"1"), ("b", None), ("a", b"2"), ("empty", b""), ("ключ 😀", b"\x00\xff"))
    if client.name == "kafka-python":
        # It refuses null as a header's value.
        headers = tuple((name, value or b"") for name, value in headers)
    topic = new_topic()
    producer = client.producer()
    producer.send(topic, b"value", headers=headers)()
    producer.close()

    (message,) = read_topic(client, topic, 1)

    assert message.headers == headers


def test_explicit_partitions_and_timestamps_are_kept(client: Client, new_topic: NewTopic) -> None:
    topic = new_topic(partitions=3)
    sent = {(2, 1_600_000_000_123), (0, 1_500_000_000_000), (1, 1_700_000_000_456)}
    producer = client.producer()
    for partition, timestamp_ms in sent:
        written = producer.send(topic, b"v", partition=partition, timestamp_ms=timestamp_ms)()
        assert written == (partition, 0)
    producer.close()

    messages = read_topic(client, topic, 3, partitions=3)

    assert {(message.partition.number, message.timestamp_ms) for message in messages} == sent


def test_log_append_time_replaces_the_producers_timestamp(
    client: Client, new_topic: NewTopic
) -> None:
    topic = new_topic(message_timestamp_type="LogAppendTime")
    producer = client.producer()
    producer.send(topic, b"v", timestamp_ms=1_500_000_000_000)()
    producer.close()

    (message,) = read_topic(client, topic, 1)

    assert message.timestamp_ms > 1_700_000_000_000


def test_one_key_goes_to_one_partition(client: Client, new_topic: NewTopic) -> None:
    topic = new_topic(partitions=8)
    producer = client.producer()
    written = [producer.send(topic, b"v", key=b"same")() for _ in range(10)]
    producer.close()

    assert len({row.partition for row in written}) == 1
    assert [row.offset for row in written] == list(range(10))


@pytest.mark.parametrize("acks", [0, 1, -1])
def test_every_acks_setting_stores_the_records(
    client: Client, new_topic: NewTopic, acks: int
) -> None:
    topic = new_topic()
    producer = client.producer(acks=acks)
    answers = [producer.send(topic, b"%d" % number) for number in range(20)]
    offsets = [answer().offset for answer in answers]
    producer.close()

    messages = read_topic(client, topic, 20)

    assert [message.value for message in messages] == [b"%d" % number for number in range(20)]
    if acks != 0:
        assert offsets == list(range(20))


def test_idempotent_producer_writes_each_record_once_and_in_order(
    client: Client, new_topic: NewTopic
) -> None:
    topic = new_topic(partitions=2)
    producer = client.producer(idempotent=True)
    answers = [
        producer.send(topic, b"%d" % number, partition=number % 2) for number in range(2_000)
    ]
    assert {answer().offset for answer in answers} == set(range(1_000))
    producer.close()

    messages = read_topic(client, topic, 2_000, partitions=2)

    for partition in range(2):
        values = [m.value for m in messages if m.partition == Partition(topic, partition)]
        assert values == [b"%d" % number for number in range(partition, 2_000, 2)]
