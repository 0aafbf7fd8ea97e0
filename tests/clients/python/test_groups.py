"""Groups share their partitions out, and out again when a member goes."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tests.clients.cluster import CHECKOUT, Cluster
from tests.clients.python.client import Client, Committed, Consumer, Partition, read, wait_until
from tests.clients.python.confluent import ConfluentClient

pytestmark = pytest.mark.clients

NewTopic = Callable[..., str]
Unique = Callable[[str], str]
LONG_SESSION_MS = 60_000
SHORT_SESSION_MS = 1_000


@dataclass
class MemberProcess:
    """A member that can be killed, and what it last said it owns."""

    process: subprocess.Popen[str]
    assigned: set[int] = field(default_factory=set)

    def follow(self) -> None:
        """Note each line it prints, until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.assigned = set(json.loads(line))


@contextlib.contextmanager
def member_process(
    client: Client, cluster: Cluster, group: str, topic: str, session_timeout_ms: int
) -> Iterator[MemberProcess]:
    """Run `member.py`; it is killed at the end at the latest."""
    command = [sys.executable, "-m", "tests.clients.python.member", client.name]
    command += [cluster.bootstrap_servers, group, topic, str(session_timeout_ms)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    member = MemberProcess(process)
    follower = threading.Thread(target=member.follow)
    follower.start()
    try:
        yield member
    finally:
        process.kill()
        process.wait()
        follower.join()
        assert process.stdout is not None
        process.stdout.close()


def numbers(consumer: Consumer) -> set[int]:
    """Return the numbers of the partitions it owns."""
    return {partition.number for partition in consumer.assignment()}


def balanced(*members: Consumer) -> Callable[[], bool]:
    """Poll each, and say whether they own two partitions each and four together."""

    def check() -> bool:
        for member in members:
            member.poll(0.1)
        owned = [numbers(member) for member in members]
        return all(len(part) == 2 for part in owned) and set().union(*owned) == {0, 1, 2, 3}

    return check


def owns_all(member: Consumer) -> Callable[[], bool]:
    """Poll it, and say whether it owns the four partitions."""

    def check() -> bool:
        member.poll(0.1)
        return numbers(member) == {0, 1, 2, 3}

    return check


def test_survivor_owns_everything_when_the_other_member_closes(
    client: Client, new_topic: NewTopic, unique: Unique
) -> None:
    topic, group = new_topic(partitions=4), unique("group")
    first = client.consumer(group, session_timeout_ms=LONG_SESSION_MS)
    second = client.consumer(group, session_timeout_ms=LONG_SESSION_MS)
    first.subscribe(topic)
    second.subscribe(topic)
    wait_until(balanced(first, second), "two members share four partitions")
    state, members = client.describe_group(group)
    assert (state, len(members)) == ("Stable", 2)

    second.close()

    # Far less than the session timeout, so it is the leaving that freed them.
    wait_until(owns_all(first), "the survivor owns all four", seconds=LONG_SESSION_MS / 2000)
    first.close()


def test_survivor_owns_everything_when_the_other_member_is_killed(
    client: Client, cluster: Cluster, new_topic: NewTopic, unique: Unique
) -> None:
    topic, group = new_topic(partitions=4), unique("group")
    survivor = client.consumer(group, session_timeout_ms=LONG_SESSION_MS)
    survivor.subscribe(topic)
    with member_process(client, cluster, group, topic, SHORT_SESSION_MS) as victim:

        def shared() -> bool:
            survivor.poll(0.1)
            mine, other = numbers(survivor), victim.assigned
            return len(mine) == len(other) == 2 and mine | other == {0, 1, 2, 3}

        wait_until(shared, "the two members share four partitions")

        victim.process.kill()

        wait_until(owns_all(survivor), "the survivor owns all four", seconds=LONG_SESSION_MS / 2000)
    producer = client.producer()
    for number in range(4):
        producer.send(topic, b"after", partition=number)()
    producer.close()
    assert {message.partition.number for message in read(survivor, 4)} == {0, 1, 2, 3}
    survivor.close()


def test_static_member_comes_back_to_its_partitions_without_a_rebalance(
    client: Client, confluent: ConfluentClient, new_topic: NewTopic, unique: Unique
) -> None:
    topic, group = new_topic(partitions=4), unique("group")
    instances = unique("a"), unique("b")
    members = [
        client.consumer(group, instance=name, session_timeout_ms=LONG_SESSION_MS)
        for name in instances
    ]
    for member in members:
        member.subscribe(topic)
    wait_until(balanced(*members), "two members share four partitions")
    before = numbers(members[1])

    members[1].close()
    # The one that stays is polled all the while: a rebalance would have to reach it.
    staying = numbers(members[0])
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        members[0].poll(0.1)
        assert numbers(members[0]) == staying
    assert len(confluent.describe_group(group)[1]) == 2
    returned = client.consumer(group, instance=instances[1], session_timeout_ms=LONG_SESSION_MS)
    returned.subscribe(topic)

    def is_back() -> bool:
        members[0].poll(0.05)
        assert numbers(members[0]) == staying
        returned.poll(0.1)
        return numbers(returned) == before

    wait_until(is_back, "the static member has its partitions again")
    assert len(confluent.describe_group(group)[1]) == 2
    members[0].close()
    returned.close()


def test_partitions_added_later_reach_the_group(
    confluent: ConfluentClient, new_topic: NewTopic, unique: Unique
) -> None:
    topic = new_topic(partitions=2)
    consumer = confluent.consumer(unique("group"))
    consumer.subscribe(topic)
    wait_until(lambda: consumer.poll(0.1) or numbers(consumer) == {0, 1}, "both are owned")

    confluent.create_partitions(topic, 4)

    wait_until(owns_all(consumer), "the new partitions are owned too")
    consumer.close()


def test_group_is_empty_after_its_last_member_left_and_keeps_its_offsets(
    client: Client, new_topic: NewTopic, unique: Unique
) -> None:
    topic, group = new_topic(), unique("group")
    consumer = client.consumer(group)
    consumer.subscribe(topic)
    wait_until(lambda: consumer.poll(0.1) or consumer.assignment(), "the group is joined")
    consumer.commit({Partition(topic, 0): Committed(3, "three")})

    consumer.close()

    assert client.describe_group(group) == ("Empty", [])
    assert client.group_offsets(group) == {Partition(topic, 0): Committed(3, "three")}
    assert group in client.groups()
