"""Cooperative rebalancing moves only what has to move (KIP-429)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import confluent_kafka
import pytest

from tests.clients.cluster import Cluster
from tests.clients.python.client import wait_until

pytestmark = pytest.mark.clients

NewTopic = Callable[..., str]
Unique = Callable[[str], str]


class CooperativeMember:
    """A librdkafka consumer that notes what each rebalance gave and took."""

    def __init__(self, bootstrap_servers: str, group: str, topic: str) -> None:
        self.owned: set[int] = set()
        self.revoked: list[set[int]] = []
        self.consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": group,
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 60_000,
                "heartbeat.interval.ms": 200,
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        self.consumer.subscribe([topic], on_assign=self._assign, on_revoke=self._revoke)

    def _assign(self, consumer: Any, partitions: list[Any]) -> None:
        self.owned |= {row.partition for row in partitions}

    def _revoke(self, consumer: Any, partitions: list[Any]) -> None:
        taken = {row.partition for row in partitions}
        self.revoked.append(taken)
        self.owned -= taken


def test_member_keeps_what_it_keeps_when_another_joins_and_leaves(
    cluster: Cluster, new_topic: NewTopic, unique: Unique
) -> None:
    topic, group = new_topic(partitions=6), unique("group")
    first = CooperativeMember(cluster.bootstrap_servers, group, topic)

    def first_owns_all() -> bool:
        first.consumer.poll(0.1)
        return first.owned == set(range(6))

    wait_until(first_owns_all, "one member owns all six")
    second = CooperativeMember(cluster.bootstrap_servers, group, topic)

    def both_own_three() -> bool:
        first.consumer.poll(0.05)
        second.consumer.poll(0.05)
        assert not first.owned & second.owned
        return len(first.owned) == len(second.owned) == 3

    wait_until(both_own_three, "each owns three")
    # What moved is all that was ever taken; three partitions were never given up.
    assert set().union(*first.revoked) == second.owned
    assert sum(len(taken) for taken in first.revoked) == 3
    revoked_before = len(first.revoked)

    second.consumer.close()

    wait_until(first_owns_all, "the first owns all six again")
    assert first.revoked[revoked_before:] == []
    first.consumer.close()
