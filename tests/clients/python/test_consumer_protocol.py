"""Consumer groups whose partitions the coordinator shares out (KIP-848), with librdkafka."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from tests.clients.cluster import Cluster
from tests.clients.python.client import wait_until

pytestmark = pytest.mark.clients

MakeTopic = Callable[..., str]
Unique = Callable[[str], str]


class Member:
    """A librdkafka consumer that speaks the new protocol and notes what it owns."""

    def __init__(self, bootstrap_servers: str, group: str, topic: str, **settings: Any) -> None:
        self.owned: set[int] = set()
        self.read: list[bytes] = []
        self.consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": group,
                "group.protocol": "consumer",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
                **settings,
            }
        )
        self.consumer.subscribe([topic], on_assign=self._assign, on_revoke=self._revoke)

    def _assign(self, consumer: Any, partitions: list[Any]) -> None:
        self.owned |= {row.partition for row in partitions}

    def _revoke(self, consumer: Any, partitions: list[Any]) -> None:
        self.owned -= {row.partition for row in partitions}

    def poll(self) -> None:
        """Read and commit what is there."""
        message = self.consumer.poll(0.05)
        if message is not None and message.error() is None:
            self.read.append(message.value())
            self.consumer.commit(message, asynchronous=False)


def own(count: int, *members: Member) -> Callable[[], bool]:
    """Return a condition: each member owns so many partitions, and never two own one."""

    def done() -> bool:
        for member in members:
            member.poll()
        owned = [partition for member in members for partition in member.owned]
        assert len(owned) == len(set(owned))
        return [len(member.owned) for member in members] == [count] * len(members)

    return done


def test_partitions_are_shared_out_given_up_and_described(
    cluster: Cluster, new_topic: MakeTopic, unique: Unique
) -> None:
    topic, group = new_topic(partitions=4), unique("group")
    producer = confluent_kafka.Producer({"bootstrap.servers": cluster.bootstrap_servers})
    for number in range(40):
        producer.produce(topic, str(number), partition=number % 4)
    producer.flush()
    first = Member(cluster.bootstrap_servers, group, topic)
    wait_until(own(4, first), "one member owns all four")
    second = Member(cluster.bootstrap_servers, group, topic, **{"client.id": "second"})
    wait_until(own(2, first, second), "each owns two")

    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    described = admin.describe_consumer_groups([group])[group].result()
    assert described.type is confluent_kafka.ConsumerGroupType.CONSUMER
    assert described.partition_assignor == "uniform"
    by_client = {each.client_id: each for each in described.members}
    rows = by_client["second"].assignment.topic_partitions
    assert {row.partition for row in rows} == second.owned
    listed = admin.list_consumer_groups(types={confluent_kafka.ConsumerGroupType.CONSUMER}).result()
    assert group in {each.group_id for each in listed.valid}

    second.consumer.close()
    wait_until(own(4, first), "one member owns all four again")
    wait_until(lambda: own(4, first)() and len(first.read) + len(second.read) >= 40, "all is read")
    assert sorted(first.read + second.read, key=int) == [b"%d" % n for n in range(40)]
    first.consumer.close()


def test_topics_are_found_by_a_pattern(
    cluster: Cluster, new_topic: MakeTopic, unique: Unique
) -> None:
    wanted, other = new_topic(partitions=2), new_topic()
    member = Member(cluster.bootstrap_servers, unique("group"), f"^{wanted[:3]}.*{wanted[3:]}$")
    wait_until(own(2, member), "it owns both partitions")
    assert {row.topic for row in member.consumer.assignment()} == {wanted} != {other}
    member.consumer.close()


@pytest.mark.timeout(400)
def test_a_pattern_finds_topics_that_are_made_later_and_lets_go_of_those_that_go(
    cluster: Cluster, unique: Unique
) -> None:
    prefix = unique("pattern")
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})

    def create(name: str, partitions: int) -> str:
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(60)
        return name

    def assigned(*topics: tuple[str, int]) -> Callable[[], bool]:
        expected = {(topic, number) for topic, count in topics for number in range(count)}

        def done() -> bool:
            member.poll()
            rows = [(row.topic, row.partition) for row in member.consumer.assignment()]
            assert len(rows) == len(set(rows))
            return set(rows) == expected

        return done

    first = create(f"{prefix}-first", 2)
    group = unique("group")
    member = Member(cluster.bootstrap_servers, group, f"^{prefix}-.*")
    wait_until(assigned((first, 2)), "it owns what there is")
    second = create(f"{prefix}-second", 3)
    create(unique("other"), 1)
    # Kafka looks again after ten seconds at the earliest.
    wait_until(assigned((first, 2), (second, 3)), "it owns the new topic, too", 120)
    admin.delete_topics([first])[first].result(60)
    wait_until(assigned((second, 3)), "it has let go of the deleted topic", 120)
    producer = confluent_kafka.Producer({"bootstrap.servers": cluster.bootstrap_servers})
    producer.produce(second, b"late", partition=2)
    assert producer.flush(60) == 0
    wait_until(lambda: assigned((second, 3))() and member.read == [b"late"], "it reads on", 60)
    member.consumer.close()


def test_a_static_member_comes_back_to_what_it_had(
    cluster: Cluster, new_topic: MakeTopic, unique: Unique
) -> None:
    topic, group = new_topic(partitions=4), unique("group")
    first = Member(cluster.bootstrap_servers, group, topic)
    second = Member(cluster.bootstrap_servers, group, topic, **{"group.instance.id": "b"})
    wait_until(own(2, first, second), "each owns two")
    before = frozenset(second.owned)
    second.consumer.close()
    again = Member(cluster.bootstrap_servers, group, topic, **{"group.instance.id": "b"})
    wait_until(own(2, first, again), "each owns two again")
    assert again.owned == before
    for member in (first, again):
        member.consumer.close()


def test_a_group_changes_its_protocol_member_by_member_and_back(
    cluster: Cluster, new_topic: MakeTopic, unique: Unique
) -> None:
    topic, group = new_topic(partitions=4), unique("group")
    old_settings = {
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": 60_000,
        "heartbeat.interval.ms": 200,
    }
    first = Member(cluster.bootstrap_servers, group, topic, **old_settings)
    wait_until(own(4, first), "the old member owns all four")
    second = Member(cluster.bootstrap_servers, group, topic)
    wait_until(own(2, first, second), "each owns two")
    first.consumer.close()
    wait_until(own(4, second), "the new member owns all four")
    third = Member(cluster.bootstrap_servers, group, topic, **old_settings)
    wait_until(own(2, second, third), "each owns two")
    second.consumer.close()
    wait_until(own(4, third), "the old member owns all four")
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    described = admin.describe_consumer_groups([group])[group].result()
    assert described.type is confluent_kafka.ConsumerGroupType.CLASSIC
    third.consumer.close()
