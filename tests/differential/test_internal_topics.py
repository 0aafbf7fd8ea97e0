"""Kafka's own formatters read the internal topics of a bus."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.broker.topic_names import partition_of
from fakebus.config import Settings
from tools.kafka import CHECKOUT

pytestmark = pytest.mark.kafka

WAIT_S = 60.0


@pytest.fixture(scope="module")
def servers() -> Iterator[str]:
    """A bus on which a group has committed and a transaction is open."""
    settings = Settings(data=None, http=(), kafka=(Address("127.0.0.1", 0),))
    with BusThread(FakeBus(settings)) as thread:
        config = {"bootstrap.servers": thread.bus.bootstrap_servers, "log_level": 0}
        producer = Producer({**config, "transactional.id": "till-7"})
        producer.init_transactions(WAIT_S)
        producer.begin_transaction()
        producer.produce("orders", b"v", partition=0)
        producer.flush(WAIT_S)
        consumer = Consumer({**config, "group.id": "billing", "enable.auto.commit": False})
        consumer.commit(offsets=[TopicPartition("orders", 0, 1, "why")], asynchronous=False)
        consumer.close()
        yield thread.bus.bootstrap_servers


def place(name: str) -> tuple[str, ...]:
    """Arguments by which the tool reads one record, as no group: that would have records too."""
    return ("--partition", str(partition_of(name, 50)), "--max-messages", "1")


def read(servers: str, topic: str, formatter: str, *more: str) -> list[Any]:
    command = [sys.executable, str(CHECKOUT / "tools" / "kafka.py"), "tool", "ConsoleConsumer"]
    command += ["--bootstrap-server", servers, "--topic", topic, "--from-beginning"]
    command += ["--timeout-ms", "20000", *more]
    command += ["--formatter", f"org.apache.kafka.tools.consumer.{formatter}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    decoder, found, text = json.JSONDecoder(), [], done.stdout.strip()
    while text:
        each, end = decoder.raw_decode(text)
        found.append(each)
        text = text[end:].lstrip()
    assert found, done.stderr
    return found


def test_committed_offsets_are_formatted(servers: str) -> None:
    [told] = read(servers, "__consumer_offsets", "OffsetsMessageFormatter", *place("billing"))
    assert told["key"] == {
        "type": 1,
        "data": {"group": "billing", "topic": "orders", "partition": 0},
    }
    value = told["value"]["data"]
    assert (value["offset"], value["metadata"].rstrip("\0"), value["leaderEpoch"]) == (1, "why", -1)


def test_the_members_of_the_tools_own_group_are_formatted(servers: str) -> None:
    # Of two records one at least is of the group, and both are if it changes before the other
    # partition is read.
    more = ("--max-messages", "2", "--group", "formatted")
    every = read(servers, "__consumer_offsets", "GroupMetadataMessageFormatter", *more)
    for told in every:
        assert told["key"] == {"type": 2, "data": {"group": "formatted"}}
        value = told["value"]["data"]
        assert value["protocolType"] == "consumer"
        assert value["generation"] >= 1


def test_transactions_are_formatted(servers: str) -> None:
    [told] = read(
        servers, "__transaction_state", "TransactionLogMessageFormatter", *place("till-7")
    )
    assert told["key"] == {"type": 0, "data": {"transactionalId": "till-7"}}
    value = told["value"]["data"]
    assert value["transactionStatus"] == 1
    assert value["transactionPartitions"] == [{"topic": "orders", "partitionIds": [0]}]
    assert value["transactionTimeoutMs"] == 60_000
