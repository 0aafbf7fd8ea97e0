"""Several brokers in one bus, met by unmodified clients while one of them is stopped."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka import TopicCollection as Topics
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic
from kafka import KafkaConsumer, KafkaProducer

from fakebus.cli.main import run
from fakebus.testing.embedded_bus import EmbeddedBus, bus_settings
from fakebus.testing.handle import TestBus
from fakebus.testing.isolation import Isolation

pytestmark = pytest.mark.clients
PARTITIONS = 6
WAIT_S = 60.0


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedBus]:
    with EmbeddedBus(bus_settings(configs={}, brokers=3)) as bus:
        yield bus


@pytest.fixture
def bus(embedded: EmbeddedBus) -> Iterator[TestBus]:
    with embedded.test(Isolation.NONE) as handle:
        yield handle


@pytest.fixture
def admin(bus: TestBus) -> AdminClient:
    return AdminClient({"bootstrap.servers": bus.bootstrap_servers, "log_level": 0})


@pytest.fixture
def orders(admin: AdminClient, unique: Callable[[str], str]) -> str:
    name = unique("orders")
    admin.create_topics([NewTopic(name, PARTITIONS, 3)])[name].result(60)
    return name


def placed(admin: AdminClient, topic: str) -> dict[int, tuple[int, list[int], list[int]]]:
    told = admin.list_topics(topic, timeout=60).topics[topic].partitions.values()
    return {each.id: (each.leader, each.replicas, each.isrs) for each in told}


def test_leaders_are_spread_and_move_when_a_broker_stops(
    bus: TestBus, admin: AdminClient, orders: str
) -> None:
    before = placed(admin, orders)
    assert sorted(leader for leader, *_ in before.values()) == [1, 1, 2, 2, 3, 3]
    assert all(replicas[0] == leader for leader, replicas, _ in before.values())
    bus.brokers.stop(2)
    after = placed(admin, orders)
    assert {leader for leader, *_ in after.values()} == {1, 3}
    for number, (leader, replicas, in_sync) in after.items():
        assert replicas == before[number][1]
        assert in_sync == [each for each in replicas if each != 2]
        assert leader == in_sync[0]
    bus.brokers.start(2)
    again = placed(admin, orders)
    # Leaders stay where they are until somebody elects the preferred ones.
    assert {number: leader for number, (leader, *_) in again.items()} == {
        number: leader for number, (leader, *_) in after.items()
    }
    assert all(sorted(in_sync) == [1, 2, 3] for *_, in_sync in again.values())
    with pytest.raises(Exception, match="there is no broker 9; there are 1, 2, 3"):
        bus.brokers.stop(9)


@pytest.mark.parametrize("stopped", [1, 2, 3])
def test_librdkafka_loses_nothing_while_any_broker_stops_and_starts(
    bus: TestBus, orders: str, unique: Callable[[str], str], stopped: int
) -> None:
    common = {"bootstrap.servers": bus.bootstrap_servers, "log_level": 0}
    fast = {"reconnect.backoff.max.ms": 100, "topic.metadata.refresh.fast.interval.ms": 20}
    producer = Producer({**common, **fast, "enable.idempotence": True})
    reading = {"group.id": unique("g"), "auto.offset.reset": "earliest"}
    consumer = Consumer({**common, **fast, **reading, "session.timeout.ms": 6000})
    consumer.subscribe([orders])
    read: list[int] = []

    def write_and_read(first: int) -> None:
        for number in range(first, first + 60):
            producer.produce(orders, b"%d" % number, partition=number % PARTITIONS)
        assert producer.flush(WAIT_S) == 0
        deadline = time.monotonic() + WAIT_S
        while len(read) < first + 60:
            assert time.monotonic() < deadline, f"{len(read)} of {first + 60}"
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                read.append(int(message.value()))
        consumer.commit(asynchronous=False)

    write_and_read(0)
    bus.brokers.stop(stopped)
    write_and_read(60)
    bus.brokers.start(stopped)
    write_and_read(120)
    consumer.close()
    assert sorted(read) == list(range(180))


async def test_aiokafka_goes_on_at_the_new_leader(bus: TestBus, orders: str) -> None:
    # Its consumer does not always come to an end after it has lost a broker.
    producer = AIOKafkaProducer(bootstrap_servers=bus.bootstrap_servers, metadata_max_age_ms=500)
    await producer.start()
    try:
        leader = await bus.aio.brokers.leader(orders)
        for value in (b"before", b"meanwhile", b"after"):
            await asyncio.wait_for(producer.send_and_wait(orders, value, partition=0), WAIT_S)
            if value == b"before":
                await bus.aio.brokers.stop(leader)
                assert await bus.aio.brokers.leader(orders) != leader
            if value == b"meanwhile":
                await bus.aio.brokers.start(leader)
    finally:
        await producer.stop()
    read = [event.value for event in await bus.aio.events(orders)]
    assert read == [b"before", b"meanwhile", b"after"]


def test_kafka_python_goes_on_at_the_new_leader(bus: TestBus, orders: str) -> None:
    servers = bus.bootstrap_servers.split(",")
    producer = KafkaProducer(bootstrap_servers=servers, retries=20, retry_backoff_ms=50)
    consumer = KafkaConsumer(
        orders,
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=int(WAIT_S * 1000),
    )
    producer.send(orders, b"before", partition=0).get(WAIT_S)
    assert next(consumer).value == b"before"
    bus.brokers.stop(bus.brokers.leader(orders))
    producer.send(orders, b"after", partition=0).get(WAIT_S)
    assert next(consumer).value == b"after"
    producer.close()
    consumer.close()


def test_a_partition_whose_only_broker_stops_has_no_leader_until_it_is_back(
    bus: TestBus, admin: AdminClient, unique: Callable[[str], str]
) -> None:
    name = unique("single")
    admin.create_topics([NewTopic(name, 1, replica_assignment=[[3]])])[name].result(60)
    failed: list[KafkaError | None] = []

    def produce(timeout_ms: int) -> None:
        common = {"bootstrap.servers": bus.bootstrap_servers, "log_level": 0}
        producer = Producer({**common, "message.timeout.ms": timeout_ms})
        producer.produce(name, b"x", on_delivery=lambda error, _: failed.append(error))
        producer.flush(WAIT_S)

    bus.brokers.stop(3)
    assert placed(admin, name) == {0: (-1, [3], [])}
    produce(800)
    assert failed[0] is not None
    bus.brokers.start(3)
    assert placed(admin, name) == {0: (3, [3], [3])}
    produce(20_000)
    assert failed[1] is None


def test_too_few_replicas_in_sync_refuse_what_all_are_to_have(
    bus: TestBus, admin: AdminClient, unique: Callable[[str], str]
) -> None:
    name = unique("safe")
    wanted = NewTopic(name, 1, replica_assignment=[[1, 2]], config={"min.insync.replicas": "2"})
    admin.create_topics([wanted])[name].result(60)
    outcomes: dict[str, KafkaError | None] = {}

    def produce(acks: str) -> None:
        common = {"bootstrap.servers": bus.bootstrap_servers, "log_level": 0}
        producer = Producer({**common, "acks": acks, "message.timeout.ms": 3000, "retries": 0})
        producer.produce(name, b"x", on_delivery=lambda error, _: outcomes.update({acks: error}))
        producer.flush(WAIT_S)

    bus.brokers.stop(2)
    produce("all")
    produce("1")
    refused = outcomes["all"]
    assert refused is not None
    assert refused.code() == KafkaError.NOT_ENOUGH_REPLICAS
    assert outcomes["1"] is None
    bus.brokers.start(2)
    produce("all")
    assert outcomes["all"] is None


def test_topics_without_wishes_survive_a_broker_and_grow_as_they_are_told(
    admin: AdminClient, unique: Callable[[str], str]
) -> None:
    name = unique("plain")
    admin.create_topics([NewTopic(name, 1, -1)])[name].result(60)
    assert len(placed(admin, name)[0][1]) == 3
    growing = NewPartitions(name, 3, replica_assignment=[[2, 1, 3], [1, 3, 2]])
    admin.create_partitions([growing])[name].result(60)
    assert {number: at[1] for number, at in placed(admin, name).items() if number} == {
        1: [2, 1, 3],
        2: [1, 3, 2],
    }
    refused = admin.create_topics([NewTopic(unique("wide"), 1, 4)])
    for future in refused.values():
        with pytest.raises(Exception, match="only 3 brokers can be had"):
            future.result(60)
    configs = admin.describe_configs([ConfigResource(ConfigResource.Type.BROKER, "2")])
    (found,) = (future.result(60) for future in configs.values())
    assert found["node.id"].value == "2"


def test_groups_are_listed_once_and_described_by_their_coordinators(
    bus: TestBus, admin: AdminClient, orders: str, unique: Callable[[str], str]
) -> None:
    groups = sorted(unique("g") for _ in range(5))
    for group in groups:
        common = {"bootstrap.servers": bus.bootstrap_servers, "group.id": group, "log_level": 0}
        consumer = Consumer(common)
        consumer.subscribe([orders])
        deadline = time.monotonic() + WAIT_S
        while not consumer.assignment():
            assert time.monotonic() < deadline
            consumer.poll(0.05)
        consumer.close()
    listed = [each.group_id for each in admin.list_consumer_groups().result(60).valid]
    assert sorted(each for each in listed if each in groups) == groups
    assert {bus.brokers.coordinator(f"group {n}") for n in range(50)} == {1, 2, 3}
    for group, future in admin.describe_consumer_groups(groups).items():
        told = future.result(60)
        assert told.coordinator.id == bus.brokers.coordinator(group)


def test_describing_topics_tells_of_all_replicas(admin: AdminClient, orders: str) -> None:
    told = admin.describe_topics(Topics([orders]))[orders].result(60)
    assert [len(each.replicas) for each in told.partitions] == [3] * PARTITIONS
    cluster = admin.describe_cluster().result(60)
    assert sorted(node.id for node in cluster.nodes) == [1, 2, 3]


def test_the_command_stops_and_starts_brokers(
    bus: TestBus, orders: str, capsys: pytest.CaptureFixture[str]
) -> None:
    http = ("--http", bus.http_url)
    assert run(["brokers", "stop", "1", "--json", *http]) == 0
    told = {each["broker"]: each for each in json.loads(capsys.readouterr().out)}
    assert (told[1]["running"], told[1]["leads"], told[2]["controller"]) == (False, 0, True)
    assert bus.brokers.running() == [2, 3]
    assert run(["brokers", "start", "1", *http]) == 0
    assert "controller" in capsys.readouterr().out
    assert run(["brokers", "stop", "x", *http]) == 2
    assert "there is no broker 'x'; there are 1, 2, 3" in capsys.readouterr().err
    assert run(["brokers", "stop", "1", *http]) == 0
    assert run(["brokers", "stop", "2", *http]) == 0
    assert run(["brokers", "stop", "3", *http]) == 2
    assert "broker 3 is the last one that runs" in capsys.readouterr().err
