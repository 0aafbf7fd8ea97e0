"""Partitioners against published vectors and the clients that are at hand."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from confluent_kafka import Message, Producer

from fakebus.records.partitioner import (
    DEFAULT_PARTITIONER,
    PARTITIONERS,
    fnv1a_hash,
    murmur2_hash,
)
from tests.unit.records import oracles

RANDOM_KEYS = [random.Random(n).randbytes(n % 37) for n in range(300)]


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_gives_the_values_of_kafkas_own_test(key: bytes, signed: int) -> None:
    assert murmur2_hash(key) == signed % 2**32


@pytest.mark.parametrize("oracle", oracles.MURMUR2)
def test_murmur2_agrees_with_the_python_clients(oracle: Callable[[bytes], int]) -> None:
    assert [murmur2_hash(key) for key in RANDOM_KEYS] == [
        oracle(key) % 2**32 for key in RANDOM_KEYS
    ]


@pytest.mark.parametrize(
    ("key", "unsigned"),
    [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"foobar", 0xBF9CF968), (b"\0", 0x050C5D1F)],
)
def test_fnv1a_is_the_size_of_the_published_hash_as_a_signed_number(
    key: bytes, unsigned: int
) -> None:
    signed = unsigned - 2**32 if unsigned >= 2**31 else unsigned
    assert fnv1a_hash(key) == abs(signed)


@pytest.mark.parametrize(
    ("name", "null", "empty"),
    [
        ("consistent", 0, 0),
        ("consistent_random", None, None),
        ("fnv1a", 2128831035 % 10, 2128831035 % 10),
        ("fnv1a_random", None, 2128831035 % 10),
        ("murmur2", 275646681 % 10, 275646681 % 10),
        ("murmur2_random", None, 275646681 % 10),
    ],
)
def test_keys_that_are_null_or_empty_go_where_librdkafka_documents(
    name: str, null: int | None, empty: int | None
) -> None:
    assert PARTITIONERS[name](None, 10) == null
    assert PARTITIONERS[name](b"", 10) == empty


def test_the_default_is_javas() -> None:
    assert DEFAULT_PARTITIONER in PARTITIONERS
    assert PARTITIONERS[DEFAULT_PARTITIONER](b"foobar", 7) == (-790332482 & 0x7FFFFFFF) % 7


def partitions_chosen_by_librdkafka(name: str, keys: list[bytes | None]) -> tuple[list[int], int]:
    producer = Producer(
        {"test.mock.num.brokers": 1, "partitioner": name, "linger.ms": 0, "log_level": 0}
    )
    topic = producer.list_topics("keys", timeout=60).topics["keys"]
    chosen: dict[int, int] = {}

    def remember(index: int) -> Callable[[object, Message], None]:
        def delivered(error: object, message: Message) -> None:
            assert error is None
            chosen[index] = message.partition()

        return delivered

    for index, key in enumerate(keys):
        producer.produce("keys", b"", key, on_delivery=remember(index))
    assert producer.flush(60) == 0
    return [chosen[index] for index in range(len(keys))], len(topic.partitions)


@pytest.mark.parametrize("name", sorted(PARTITIONERS))
def test_each_key_goes_where_librdkafka_sends_it(name: str) -> None:
    keys: list[bytes | None] = [*RANDOM_KEYS, None, b""]
    chosen, count = partitions_chosen_by_librdkafka(name, keys)
    assert count > 1
    for key, partition in zip(keys, chosen, strict=True):
        expected = PARTITIONERS[name](key, count)
        # Records without a key go anywhere.
        assert partition == expected or (expected is None and not key), key
