"""Who leads, and who is in sync, while brokers stop and start, beside three brokers of Kafka."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.differential.several_brokers import Cluster, bus_brokers, kafka_brokers

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

PREFERRED, UNCLEAN = 0, 1


def elected(cluster: Cluster, topic: str, kind: int) -> Any:
    asked = m.ElectLeadersRequestTopicPartitions(topic=topic, partitions=[0])
    request = m.ElectLeadersRequest(election_type=kind, topic_partitions=[asked], timeout_ms=9000)
    answer = cluster.ask(ApiKey.ELECT_LEADERS, 2, request)
    [found] = answer.replica_election_results
    return [each.error_code for each in found.partition_result]


def eligible(cluster: Cluster, topic: str) -> Any:
    asked = m.DescribeTopicPartitionsRequestTopicRequest(name=topic)
    request = m.DescribeTopicPartitionsRequest(topics=[asked], response_partition_limit=9)
    [found] = cluster.ask(ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, request).topics
    return [each.eligible_leader_replicas or [] for each in found.partitions]


def led_by(leader: int, in_sync: list[int]) -> Any:
    return lambda rows: all(row[1] == leader and row[3] == in_sync for row in rows)


def played(cluster: Cluster) -> list[Any]:
    """Stop and start brokers; return where partitions were each time, and who could be elected."""
    heard: list[Any] = []
    cluster.create("waits", [2, 3])
    cluster.create("may", [2, 3], unclean_leader_election_enable="true")

    def look(waits: Any, may: Any) -> None:
        heard.append(cluster.settled("waits", waits))
        heard.append(cluster.settled("may", may))
        heard.append([eligible(cluster, name) for name in ("waits", "may")])

    look(led_by(2, [2, 3]), led_by(2, [2, 3]))
    cluster.stop(2)
    look(led_by(3, [3]), led_by(3, [3]))
    cluster.create("new", [2, 3])
    heard.append(cluster.settled("new", led_by(3, [3])))
    cluster.stop(3)
    look(led_by(-1, []), led_by(-1, []))
    cluster.start(2)
    look(led_by(-1, []), led_by(2, [2]))
    heard += [elected(cluster, name, PREFERRED) for name in ("waits", "may")]
    heard += [elected(cluster, name, UNCLEAN) for name in ("waits", "may")]
    look(led_by(2, [2]), led_by(2, [2]))
    cluster.start(3)
    look(led_by(2, [2, 3]), led_by(2, [2, 3]))
    heard.append(cluster.settled("new", led_by(3, [2, 3])))
    return heard


def test_leaders_and_replicas_in_sync_while_brokers_stop_and_start() -> None:
    with kafka_brokers() as theirs:
        expected = played(theirs)
    with bus_brokers() as ours:
        assert played(ours) == expected
