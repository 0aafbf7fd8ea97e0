"""Groups as tests wait for them, and what is told when one does not come."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Consumer, Producer

from fakebus.broker.activity import Activity
from fakebus.testing import TestBus
from fakebus.testing.cluster import ScopedCluster
from fakebus.testing.embedded_bus import EmbeddedBus
from fakebus.testing.groups import GroupProgress, PartitionProgress
from fakebus.testing.isolation import Isolation
from fakebus.testing.observer import Observer
from fakebus.types import TopicPartition
from tests.clients.python.kafka_python import kafka
from tests.unit.testing.conftest import MakeConsumer, take


def test_a_group_is_waited_for_until_it_has_caught_up(bus: TestBus, consumer: MakeConsumer) -> None:
    for index in range(3):
        bus.publish("t", f"{index}")
    assert bus.lag("g") == {}
    with pytest.raises(AssertionError, match="there is no such group"):
        bus.wait_for_group("g", timeout=0)
    member = consumer("g", "t")
    messages = take(member, 3)
    assert bus.lag("g") == {("t", 0): 3}
    member.commit(messages[1], asynchronous=False)
    with pytest.raises(AssertionError) as caught:
        bus.wait_for_group("g", timeout=0.05)
    assert "state Stable, members: g-client" in str(caught.value)
    assert "t-0 hangs: fetched up to 3, committed offset 2, the log" in str(caught.value)
    assert "the commit is missing" in str(caught.value)
    for setting in ("enable.auto.commit", "auto.commit.interval.ms"):
        assert setting in str(caught.value)
    bus.wait_for_group("g", until="fetched")
    member.commit(messages[2], asynchronous=False)
    bus.wait_for_group("g")
    assert bus.lag("g") == {("t", 0): 0}
    bus.publish("t", "more")
    assert bus.lag("g") == {("t", 0): 1}


def test_a_consumer_with_its_own_defaults_commits_before_the_wait_for_its_group_ends() -> None:
    # librdkafka and the Java client commit every 5 s (auto.commit.interval.ms).
    default: float = inspect.signature(Observer.wait_for_group).parameters["timeout"].default
    assert default >= 2 * 5.0


async def test_a_group_is_waited_for_while_the_loop_goes_on(
    bus: TestBus, consumer: MakeConsumer
) -> None:
    await bus.aio.publish("t", "x")
    waiting = asyncio.ensure_future(bus.aio.wait_for_group("g", timeout=60))
    member = consumer("g", "t")
    (message,) = await asyncio.to_thread(take, member, 1)
    assert not waiting.done()
    await asyncio.to_thread(member.commit, message, asynchronous=False)
    await waiting


class Elsewhere:
    """A cluster that knows what its only group has committed, and no more."""

    is_external = True

    def __init__(self, progress: GroupProgress) -> None:
        self._progress = progress

    def now_ms(self) -> int:
        return 0

    async def progress(self, group: str) -> GroupProgress:
        return self._progress

    async def topic_names(self) -> list[str]:
        return []

    def activities(self) -> Sequence[Activity]:
        return ()


async def failure_elsewhere(progress: GroupProgress) -> str:
    observer = Observer(cast(ScopedCluster, Elsewhere(progress)))
    with pytest.raises(AssertionError) as caught:
        await observer.wait_for_group("g", timeout=0)
    return str(caught.value)


async def test_both_causes_are_told_where_it_is_not_known_what_was_fetched() -> None:
    at = PartitionProgress(committed=1, start=0, end=2, member="shop")
    told = await failure_elsewhere(
        GroupProgress(state="Stable", members=("shop",), partitions={TopicPartition("t", 0): at})
    )
    assert "t-0 hangs: committed offset 1, the log ends at 2" in told
    assert "the commit is missing" in told
    assert "if shop began behind the records, set its auto.offset.reset=earliest" in told


async def test_a_group_without_partitions_has_not_caught_up() -> None:
    told = await failure_elsewhere(
        GroupProgress(state="PreparingRebalance", members=("one", "two"))
    )
    assert told.splitlines() == [
        "group g has not caught up within 0 s",
        "state PreparingRebalance, members: one, two",
        "nothing is assigned to it and it has committed nothing",
    ]


def failure(bus: TestBus, group: str, **arguments: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        bus.wait_for_group(group, timeout=0, **arguments)
    return str(caught.value)


def poll_until(holds: Callable[..., None], *args: Any, members: Sequence[Consumer]) -> None:
    """Poll, which is when librdkafka takes its assignment and gives it back."""
    for _ in range(500):
        for member in members:
            member.poll(0.01)
        with suppress(AssertionError):
            return holds(*args, timeout=0)
    raise AssertionError(f"never: {args}")


def test_a_member_that_does_not_fetch_is_told_from_one_that_does_not_commit(
    bus: TestBus, consumer: MakeConsumer
) -> None:
    bus.publish("t", "one")
    member = consumer("g", "t")
    (message,) = take(member, 1)
    bus.wait_for_group("g", until="fetched")
    # The fetch that waits already is the last one that is answered.
    bus.faults.fail(api="Fetch", error="NOT_LEADER_OR_FOLLOWER", count=None)
    bus.publish("t", "two")
    for report in (failure(bus, "g"), failure(bus, "g", until="fetched")):
        assert "t-0 hangs: fetched up to 1, committed nothing, the log ends at 2" in report
        assert "the fetch is missing: g-client has the partition" in report
    assert "has not fetched everything" in failure(bus, "g", until="fetched")
    member.commit(message, asynchronous=False)
    member.close()
    assert "the fetch is missing: no consumer of the group has the partition" in failure(bus, "g")


def test_a_member_that_began_behind_the_records_is_told_which_setting_mends_it(
    bus: TestBus, consumer: MakeConsumer
) -> None:
    bus.publish("t", "early")
    member = consumer("g", "t", auto_offset_reset="latest")
    poll_until(partial(bus.wait_for_group, until="fetched"), "g", members=[member])
    report = failure(bus, "g")
    assert "g-client began at the latest offset, 1, since the group had committed nothing" in report
    assert "auto.offset.reset=earliest, or fakebus.new.groups=earliest" in report


def test_members_are_waited_for(bus: TestBus, consumer: MakeConsumer) -> None:
    bus.publish("t", "x")
    with pytest.raises(AssertionError, match="no consumer has joined it"):
        bus.wait_for_members("g", timeout=0)
    members = [consumer("g", "t"), consumer("g", "t")]
    poll_until(bus.wait_for_members, "g", 2, members=members)
    with pytest.raises(AssertionError) as caught:
        bus.wait_for_members("g", 3, timeout=0)
    assert "has not 3 members with their partitions" in str(caught.value)
    assert "state Stable, members: g-client, g-client" in str(caught.value)


def test_a_misspelt_topic_is_told_where_the_group_is_waited_for(
    bus: TestBus, consumer: MakeConsumer
) -> None:
    bus.publish("orders", "x")
    member = consumer("g", "odrers")
    while "odrers" not in bus.timeline():
        member.poll(0.01)
    wanted = "odrers was asked for by g-client, but was not there; did you mean orders?"
    assert wanted in failure(bus, "g")
    assert wanted.replace("odrers was", "odrers ") in bus.timeline()


def test_what_is_waited_for_has_a_name(bus: TestBus) -> None:
    with pytest.raises(ValueError, match="until is one of committed, fetched, not 'read'"):
        bus.wait_for_group("g", until="read")  # type: ignore[arg-type]


def test_a_timeline_tells_joins_assignments_and_where_members_begin(
    bus: TestBus, consumer: MakeConsumer
) -> None:
    bus.publish("t", "a")
    bus.publish("t", "b")
    first = consumer("g", "t")
    first.commit(take(first, 2)[0], asynchronous=False)
    first.close()
    take(consumer("g", "t"), 1)
    late = consumer("late", "t", auto_offset_reset="latest")
    poll_until(partial(bus.wait_for_group, until="fetched"), "late", members=[late])
    lines = [line.partition(" s  ")[2] for line in bus.timeline().splitlines()]
    told = [line for line in lines if "start" in line or line.startswith("group")]
    joined, assigned = "joined to read t", "was assigned t[0]"
    reset = "by auto.offset.reset, since nothing was committed"
    assert told == [
        f"group g  g-client {joined}",
        f"group g  g-client {assigned}",
        f"t[0]@0  g-client starts here for group g: earliest, {reset}",
        f"group g  g-client {joined}",
        f"group g  g-client {assigned}",
        "t[0]@1  g-client starts here for group g: the committed offset",
        f"group late  late-client {joined}",
        f"group late  late-client {assigned}",
        f"t[0]@2  late-client starts here for group late: latest, {reset}",
    ]


def test_a_topic_that_comes_by_being_asked_for_is_told(bus: TestBus) -> None:
    bus.publish("orders", "x")
    producer = Producer({**bus.client_config(), "client.id": "shop"})
    producer.produce("order", "x")
    assert producer.flush(60) == 0
    assert "order  created, as shop has asked for it" in bus.timeline()


def test_the_settings_for_tests_commit_before_the_default_interval(bus: TestBus) -> None:
    bus.publish("t", "x")
    confluent = Consumer(bus.client_config("a"))
    confluent.subscribe(["t"])
    take(confluent, 1)
    other = kafka.KafkaConsumer("t", **bus.client_config("b", library="kafka-python"))
    assert next(iter(other)).value == b"x"
    for group, poll in (("a", lambda: confluent.poll(0.05)), ("b", lambda: other.poll(50))):
        for _ in range(50):
            poll()
            if bus.lag(group) == {("t", 0): 0}:
                break
        bus.wait_for_group(group, timeout=0)
    confluent.close()
    other.close()


async def test_the_settings_for_tests_fit_aiokafka(bus: TestBus) -> None:
    await bus.aio.publish("t", "x")
    async with AIOKafkaConsumer("t", **bus.client_config("g", library="aiokafka")) as consumer:
        assert (await consumer.getone()).value == b"x"
        await bus.aio.wait_for_group("g", timeout=4)
    assert "aiokafka-0.14.0 starts here for group g: earliest" in await bus.aio.timeline()


def test_the_settings_are_spelt_as_their_library_wants_them(embedded_bus: EmbeddedBus) -> None:
    with embedded_bus.test(Isolation.NAMESPACE) as bus:
        java = bus.client_config("g", library="java")
        assert java["group.id"] == bus.group("g") != "g"
        assert (java["enable.auto.commit"], java["auto.commit.interval.ms"]) == ("true", "100")
        assert bus.client_config().keys() == {
            "bootstrap.servers",
            "topic.metadata.refresh.interval.ms",
        }
        with pytest.raises(ValueError, match="library is one of librdkafka, java, "):
            bus.client_config(library="sarama")  # type: ignore[arg-type]


async def test_a_timeline_tells_a_repeated_commit_once(bus: TestBus) -> None:
    await bus.aio.publish("t", "x")
    async with AIOKafkaConsumer("t", **bus.client_config("g", library="aiokafka")) as consumer:
        await consumer.getone()
        for _ in range(3):
            await consumer.commit()
    lines = (await bus.aio.timeline()).splitlines()
    assert len([line for line in lines if "committed by aiokafka" in line]) == 1
