"""What scenarios of clients in other languages have in common: their parameters and checks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.clients.build import CLIENTS
from tests.clients.cluster import Cluster
from tests.clients.programs import KafkaError, Program

Row = dict[str, Any]

UNKNOWN_TOPIC_OR_PARTITION = 3

FIRST_TIME = (int(time.time()) - 3600) * 1000
"""Timestamps of records start here, in ms since 1970: past, but within what topics retain."""

TOOLS = "org.apache.kafka.tools"
"""The package of Kafka's command line tools."""

PROPAGATION_SECONDS = 10.0
"""Kafka's controller answers before its broker has heard of the change."""


def clients(*needs: str) -> pytest.MarkDecorator:
    """Parametrise a scenario over the clients that have what it needs."""
    able = [client.name for client in CLIENTS.values() if not client.lacks & set(needs)]
    assert able, f"no client has {needs}"
    return pytest.mark.parametrize("client", able)


def has(client: str, feature: str) -> bool:
    """Say whether a client has a command or feature."""
    return feature not in CLIENTS[client].lacks


def assert_same(actual: list[Any], expected: list[Any]) -> None:
    """Compare, and refuse to compare nothing with nothing."""
    assert expected, "the scenario expects nothing"
    assert actual == expected, f"came {actual}, not {expected}"


def error_code(program: Program, command: str, **arguments: Any) -> int:
    """Run a command that the broker must refuse, and return Kafka's number of the error."""
    with pytest.raises(KafkaError) as raised:
        program.call(command, **arguments)
    return raised.value.code


def eventually(observe: Callable[[], Any], expected: Any) -> None:
    """Observe until what is expected comes; a topic that is not there yet is observed as None."""
    deadline = time.monotonic() + PROPAGATION_SECONDS
    while (observed := observe_topic(observe)) != expected:
        assert time.monotonic() < deadline, f"came {observed}, not {expected}"


def observe_topic(observe: Callable[[], Any]) -> Any:
    """Observe, with None for an unknown topic."""
    try:
        return observe()
    except KafkaError as error:
        if error.code != UNKNOWN_TOPIC_OR_PARTITION:
            raise
        return None


def numbered(count: int, partitions: int = 3) -> list[Row]:
    """Return records that differ, dealt out to the partitions in turn."""
    return [
        {"partition": n % partitions, "key": f"key-{n}", "value": f"value-{n}"}
        for n in range(count)
    ]


def in_log_order(records: list[Row]) -> list[Row]:
    """Sort records by partition, then offset."""
    return sorted(records, key=lambda record: (record["partition"], record["offset"]))


def wait_for_groups(cluster: Cluster) -> None:
    """Wait until groups are served: at first Kafka makes its offsets topic, and later loads it.

    kafkajs does not survive being told so.
    """
    group = {"bootstrap.servers": cluster.bootstrap_servers, "group.id": "wait-for-groups"}
    consumer = Consumer(group)
    deadline = time.monotonic() + 60
    try:
        while True:
            try:
                consumer.committed([TopicPartition("none", 0)], timeout=60)
                return
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                consumer.poll(0.1)
    finally:
        consumer.close()
