"""Share consumers in other languages do with the bus what they do with Kafka (KIP-932)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.build import CLIENTS
from tests.clients.cluster import running_cluster
from tests.clients.programs import Program
from tests.clients.scenarios import TOOLS, Row, assert_same, numbered, wait_for_groups

pytest_plugins = ["tests.clients.program_fixtures"]
pytestmark = pytest.mark.clients

Unique = Callable[[str], str]
SHARE_CONSUMERS = ("java", "franz")
ACCEPT, RELEASE = ["ACCEPT"], ["RELEASE"]


@pytest.fixture
def java(program_of: Callable[[str], Program]) -> Program:
    """Apache Kafka's own client."""
    return program_of("java")


@pytest.fixture
def group(java: Program, unique: Unique) -> str:
    """A share group that reads topics from their beginning."""
    name = unique("share")
    java.call("share_configs", group=name, set={"share.auto.offset.reset": "earliest"})
    return name


def values(rows: list[Row]) -> list[Any]:
    return sorted(row["value"] for row in rows)


@pytest.mark.parametrize("client", SHARE_CONSUMERS)
def test_an_accepted_record_is_not_given_to_another_share_consumer(
    client: str,
    program_of: Callable[[str], Program],
    group: str,
    unique: Unique,
    create_topic: Callable[..., str],
    produce: Callable[[str, list[Row]], None],
) -> None:
    topic, program = create_topic(unique("topic"), 1), program_of(client)
    produce(topic, numbered(3, partitions=1))

    first = program.call("share", topic=topic, group=group, count=3, acknowledge=ACCEPT)
    second = program.call(
        "share", topic=topic, group=group, count=1, acknowledge=ACCEPT, wait_ms=1500
    )

    assert_same(values(first), ["value-0", "value-1", "value-2"])
    assert {row["deliveries"] for row in first} == {1}
    assert second == []


@pytest.mark.parametrize("client", SHARE_CONSUMERS)
def test_a_released_record_comes_again_and_a_rejected_one_does_not(
    client: str,
    program_of: Callable[[str], Program],
    group: str,
    unique: Unique,
    create_topic: Callable[..., str],
    produce: Callable[[str, list[Row]], None],
) -> None:
    topic, program = create_topic(unique("topic"), 1), program_of(client)
    produce(topic, numbered(4, partitions=1))

    words = ["RELEASE", "REJECT", "ACCEPT", "ACCEPT"]
    first = program.call("share", topic=topic, group=group, count=4, acknowledge=words)
    second = program.call(
        "share", topic=topic, group=group, count=2, acknowledge=ACCEPT, wait_ms=3000
    )

    assert_same(values(first), ["value-0", "value-1", "value-2", "value-3"])
    # A client may have fetched it ahead, and given it back when it ended.
    [again] = second
    assert again["value"] == "value-0"
    assert again["deliveries"] > 1


def test_a_lock_is_renewed_without_another_delivery(
    java: Program,
    group: str,
    unique: Unique,
    create_topic: Callable[..., str],
    produce: Callable[[str, list[Row]], None],
) -> None:
    topic = create_topic(unique("topic"), 1)
    produce(topic, numbered(1, partitions=1))

    words = ["RENEW", "ACCEPT"]
    read = java.call("share", topic=topic, group=group, count=2, acknowledge=words)

    assert [(row["value"], row["deliveries"]) for row in read] == [("value-0", 1)] * 2


def test_a_record_is_delivered_as_often_as_the_group_says_and_not_more_often(
    java: Program,
    group: str,
    unique: Unique,
    create_topic: Callable[..., str],
    produce: Callable[[str, list[Row]], None],
) -> None:
    topic = create_topic(unique("topic"), 1)
    java.call("share_configs", group=group, set={"share.delivery.count.limit": "3"})
    produce(topic, numbered(1, partitions=1))

    read = java.call("share", topic=topic, group=group, count=9, acknowledge=RELEASE, wait_ms=4000)

    assert [row["deliveries"] for row in read] == [1, 2, 3]


def test_consumers_share_the_records_of_one_partition(
    start: Callable[[str], Program],
    java: Program,
    group: str,
    unique: Unique,
    create_topic: Callable[..., str],
    produce: Callable[[str, list[Row]], None],
) -> None:
    topic, other = create_topic(unique("topic"), 1), start("java")
    arguments = {"topic": topic, "group": group, "acknowledge": ACCEPT, "count": 30}
    arguments |= {"wait_ms": 8000, "at_once": "1", "mode": "record_limit"}

    java.send("share", **arguments)
    other.send("share", **arguments)
    produce(topic, numbered(60, partitions=1))
    read = [*java.next_line()["result"], *other.next_line()["result"]]

    assert len(read) == 60
    assert {row["value"] for row in read} == {row["value"] for row in numbered(60)}
    assert {row["deliveries"] for row in read} == {1}


def test_a_share_group_sees_only_what_is_committed_if_it_is_to(
    java: Program, group: str, unique: Unique, create_topic: Callable[..., str]
) -> None:
    topic = create_topic(unique("topic"), 1)
    java.call("share_configs", group=group, set={"share.isolation.level": "read_committed"})
    records = [{"value": "one"}, {"value": "aborted"}, {"value": "two"}]

    java.call("transact", topic=topic, group=unique("group"), records=records)
    read = java.call("share", topic=topic, group=group, count=3, acknowledge=ACCEPT, wait_ms=4000)

    assert_same(values(read), ["one", "two"])


def test_share_groups_are_described_and_their_offsets_set_and_deleted(
    java: Program,
    tool: Callable[..., str],
    group: str,
    unique: Unique,
    create_topic: Callable[..., str],
    produce: Callable[[str, list[Row]], None],
) -> None:
    topic = create_topic(unique("topic"), 1)
    produce(topic, numbered(5, partitions=1))
    arguments = {"topic": topic, "group": group, "acknowledge": ACCEPT}
    java.call("share", **arguments, count=5)

    described = java.call("describe_share_group", group=group)
    listed = {row["group"]: row for row in java.call("list_groups")}
    java.call(
        "alter_share_offsets", group=group, topic=topic, offsets=[{"partition": 0, "offset": 3}]
    )
    offsets = java.call("share_offsets", group=group)
    shown = tool(f"{TOOLS}.consumer.group.ShareGroupCommand", "--describe", "--group", group)
    again = java.call("share", **arguments, count=2)

    assert described == {"state": "Empty", "members": 0}
    assert listed[group]["type"] == "Share"
    assert_same(offsets, [{"partition": 0, "offset": 3, "lag": 2}])
    assert topic in shown
    assert_same(values(again), ["value-3", "value-4"])
    java.call("delete_share_offsets", group=group, topic=topic)
    assert java.call("share_offsets", group=group) == []
    java.call("delete_share_group", group=group)
    assert group not in {row["group"] for row in java.call("list_groups")}


def test_what_was_acknowledged_survives_the_kill_of_the_broker(
    cluster_name: str, unique: Unique
) -> None:
    with running_cluster(cluster_name) as cluster:
        wait_for_groups(cluster)
        java = Program("java", CLIENTS["java"].command(), cluster.bootstrap_servers)
        topic, group = unique("topic"), unique("share")
        java.call("share_configs", group=group, set={"share.auto.offset.reset": "earliest"})
        java.call("create_topic", topic=topic, partitions=1)
        java.call("produce", topic=topic, codec="none", records=numbered(4, partitions=1))
        words = ["ACCEPT", "RELEASE", "ACCEPT", "RELEASE"]
        java.call("share", topic=topic, group=group, count=4, acknowledge=words)
        java.kill()
        cluster.kill()
        cluster.start()
        wait_for_groups(cluster)
        java = Program("java", CLIENTS["java"].command(), cluster.bootstrap_servers)

        read = java.call(
            "share", topic=topic, group=group, count=3, acknowledge=ACCEPT, wait_ms=6000
        )

        java.close()
    # The client asks ahead: what it has released it may have been given again before the kill.
    assert_same(sorted(row["value"] for row in read), ["value-1", "value-3"])
    assert_same({row["deliveries"] >= 2 for row in read}, {True})
