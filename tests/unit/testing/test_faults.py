"""What goes wrong on purpose, as real clients see it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from fakebus.testing import TestBus
from fakebus.testing.embedded_bus import EmbeddedBus
from fakebus.testing.isolation import Isolation
from tests.unit.testing.conftest import MakeConsumer, MakeProducer, deliver, take


def values(bus: TestBus, topic: str) -> list[str | None]:
    return [event.text for event in bus.events(topic)]


def test_a_producer_retries_what_can_be_retried(bus: TestBus, producer: MakeProducer) -> None:
    fault = bus.faults.fail(api="Produce", error="NOT_LEADER_OR_FOLLOWER", topic="t", count=2)
    assert deliver(producer(), "t", "a") == [0]
    assert fault.fired == 2
    assert values(bus, "t") == ["a"]


def test_a_producer_is_told_what_cannot_be_retried(bus: TestBus, producer: MakeProducer) -> None:
    fault = bus.faults.fail(api="Produce", error="MESSAGE_TOO_LARGE", client_id="shop")
    (error,) = deliver(producer(), "t", "a")
    assert error.code() == KafkaError.MSG_SIZE_TOO_LARGE
    assert fault.fired == 1
    assert values(bus, "t") == []
    assert deliver(producer(), "t", "b") == [0]


async def test_aiokafka_sees_the_error_too(bus: TestBus) -> None:
    client = AIOKafkaProducer(bootstrap_servers=bus.bootstrap_servers, retry_backoff_ms=1)
    await client.start()
    try:
        with bus.faults.fail(api="produce", error="TOPIC_AUTHORIZATION_FAILED") as fault:
            with pytest.raises(TopicAuthorizationFailedError):
                await client.send_and_wait("t", b"a")
            assert fault.fired == 1
        with bus.faults.fail(api="produce", error="NOT_LEADER_OR_FOLLOWER") as fault:
            assert (await client.send_and_wait("t", b"b")).offset == 0
            assert fault.fired == 1
    finally:
        await client.stop()


def test_an_answer_that_is_lost_makes_no_duplicate_of_an_idempotent_producer(
    bus: TestBus, producer: MakeProducer
) -> None:
    made = producer(enable_idempotence=True)
    assert deliver(made, "t", "first") == [0]
    fault = bus.faults.disconnect(api="Produce", after=True)
    assert deliver(made, "t", "a", "b") == [1, 2]
    assert fault.fired == 1
    assert values(bus, "t") == ["first", "a", "b"]


def test_an_answer_that_is_lost_makes_a_duplicate_of_any_other_producer(
    bus: TestBus, producer: MakeProducer
) -> None:
    made = producer()
    deliver(made, "t", "first")
    bus.faults.disconnect(api="Produce", after=True)
    deliver(made, "t", "a")
    assert values(bus, "t") == ["first", "a", "a"]


def test_a_connection_that_breaks_before_has_written_nothing(
    bus: TestBus, producer: MakeProducer
) -> None:
    made = producer()
    assert deliver(made, "t", "first") == [0]
    fault = bus.faults.disconnect(api="Produce", before=True)
    assert deliver(made, "t", "a") == [1]
    assert fault.fired == 1
    assert values(bus, "t") == ["first", "a"]


def test_a_late_answer_is_late(bus: TestBus, producer: MakeProducer) -> None:
    made = producer()
    deliver(made, "t", "first")
    bus.faults.delay(api="Produce", seconds=0.2)
    before = time.monotonic()
    assert deliver(made, "t", "a") == [1]
    assert time.monotonic() - before >= 0.2


def test_a_late_fetch_is_late_and_complete(bus: TestBus, consumer: MakeConsumer) -> None:
    bus.publish("t", "a")
    fault = bus.faults.delay(api="Fetch", seconds=0.1, topic="t")
    assert take(consumer("g", "t"), 1)[0].value() == b"a"
    assert fault.fired == 1


def test_a_fetch_that_fails_is_repeated(bus: TestBus, consumer: MakeConsumer) -> None:
    bus.publish("t", "a")
    fault = bus.faults.fail(api="Fetch", error="NOT_LEADER_OR_FOLLOWER")
    assert take(consumer("g", "t"), 1)[0].value() == b"a"
    assert fault.fired == 1


def test_a_fetch_may_lose_its_connection(bus: TestBus, consumer: MakeConsumer) -> None:
    bus.publish("t", "a")
    faults = [
        bus.faults.disconnect(api="Fetch", after=True),
        bus.faults.disconnect(api="Fetch", before=True),
    ]
    assert take(consumer("g", "t", reconnect_backoff_ms=0), 1)[0].value() == b"a"
    assert [fault.fired for fault in faults] == [1, 1]


def test_a_commit_fails_for_one_group_only(bus: TestBus, consumer: MakeConsumer) -> None:
    bus.publish("t", "a")
    fault = bus.faults.fail(
        api="OffsetCommit", error="GROUP_AUTHORIZATION_FAILED", group="g", count=None
    )
    (message,) = take(unlucky := consumer("g", "t"), 1)
    with pytest.raises(KafkaException) as caught:
        unlucky.commit(message, asynchronous=False)
    assert caught.value.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED
    (message,) = take(lucky := consumer("h", "t"), 1)
    (committed,) = lucky.commit(message, asynchronous=False)
    assert committed.error is None
    fault.remove()
    (committed,) = unlucky.commit(message, asynchronous=False)
    assert committed.error is None


def test_a_forced_rebalance_reaches_the_members(bus: TestBus, consumer: MakeConsumer) -> None:
    bus.publish("t", "a")
    assigned = threading.Event()
    member = consumer("g", "t")
    take(member, 1)
    member.subscribe(["t"], on_assign=lambda *_: assigned.set())
    bus.faults.rebalance("g")
    for _ in range(100):
        if assigned.is_set():
            break
        member.poll(0.1)
    assert assigned.is_set()
    with pytest.raises(LookupError, match="no group nobody"):
        bus.faults.rebalance("nobody")


ADMIN_CALLS: dict[str, Callable[[AdminClient], Any]] = {
    "CreateTopics": lambda client: client.create_topics([NewTopic("n", 1)]),
    "DeleteTopics": lambda client: client.delete_topics(["t"]),
    "DescribeGroups": lambda client: client.describe_consumer_groups(["g"]),
    "DeleteGroups": lambda client: client.delete_consumer_groups(["g"]),
}


@pytest.mark.parametrize("api", ADMIN_CALLS)
def test_administration_fails_as_it_is_told_to(bus: TestBus, api: str) -> None:
    bus.publish("t", "a")
    fault = bus.faults.fail(api=api, error="CLUSTER_AUTHORIZATION_FAILED", count=None)
    client = AdminClient({"bootstrap.servers": bus.bootstrap_servers})
    (future,) = ADMIN_CALLS[api](client).values()
    with pytest.raises(KafkaException) as caught:
        future.result(60)
    assert caught.value.args[0].code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED
    assert fault.fired


def test_metadata_keeps_its_brokers_when_its_topics_fail(
    bus: TestBus, producer: MakeProducer
) -> None:
    bus.publish("t", "a")
    fault = bus.faults.fail(api="Metadata", error="LEADER_NOT_AVAILABLE", topic="t")
    assert deliver(producer(), "t", "b") == [1]
    assert fault.fired == 1


def test_a_fault_is_gone_after_its_block_and_may_never_have_fired(
    bus: TestBus, producer: MakeProducer
) -> None:
    with bus.faults.fail(api="Produce", error="MESSAGE_TOO_LARGE", topic="other") as fault:
        assert deliver(producer(), "t", "a") == [0]
    assert fault.fired == 0
    assert [idle.description for idle in bus.faults.never_fired] == [
        "fail Produce with MESSAGE_TOO_LARGE, topic other"
    ]
    with bus.faults.fail(api="Produce", error="MESSAGE_TOO_LARGE", topic="t", count=None):
        assert len(deliver(producer(), "t", "b")) == 1
    assert deliver(producer(), "t", "c") == [1]
    fault.remove()


def test_wrong_names_are_refused(bus: TestBus) -> None:
    with pytest.raises(LookupError, match="did you mean 'Produce'"):
        bus.faults.fail(api="Prodce", error="NOT_CONTROLLER")
    with pytest.raises(LookupError, match="does not serve the API AlterPartition"):
        bus.faults.fail(api="AlterPartition", error="NOT_CONTROLLER")
    with pytest.raises(LookupError, match="no error 'NONE'"):
        bus.faults.fail(api="Produce", error="NONE")
    with pytest.raises(ValueError, match="say from 1 on how often"):
        bus.faults.fail(api="Produce", error="NOT_CONTROLLER", count=0)
    with pytest.raises(ValueError, match="a delay is 0 to"):
        bus.faults.delay(api="Produce", seconds=-1)
    with pytest.raises(LookupError, match="no error 'OOPS'"):
        bus.faults.fail(api="Produce", error="OOPS")
    with pytest.raises(ValueError, match="either before"):
        bus.faults.disconnect(api="Produce")


def test_faults_take_the_short_names_of_a_namespace(embedded_bus: EmbeddedBus) -> None:
    with embedded_bus.test(Isolation.NAMESPACE) as bus:
        producer = Producer({"bootstrap.servers": bus.bootstrap_servers})
        with bus.faults.fail(api="Produce", error="MESSAGE_TOO_LARGE", topic="t") as fault:
            producer.produce(bus.topic("t"), "a")
            assert producer.flush(60) == 0
        assert fault.fired == 1
        consumer = Consumer(
            {"bootstrap.servers": bus.bootstrap_servers, "group.id": bus.group("g")}
        )
        consumer.commit(offsets=[TopicPartition(bus.topic("t"), 0, 0)], asynchronous=False)
        consumer.close()
        bus.faults.rebalance("g")
    with embedded_bus.test() as bus, pytest.raises(LookupError, match="there is no group g"):
        bus.faults.rebalance("g")
