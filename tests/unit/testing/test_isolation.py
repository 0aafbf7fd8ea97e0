"""What the next test finds after one that has turned everything upside down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from fakebus.fixture_files import LEDGER_TOPIC
from fakebus.testing import TestBus
from fakebus.testing.embedded_bus import EmbeddedBus, bus_settings
from fakebus.testing.isolation import Isolation
from tests.unit.testing.conftest import take

SCHEMA = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "int"}]}


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("set")
    (directory / "fakebus.yaml").write_text(
        "version: 1\n"
        "topics:\n"
        "  - {name: seeded, partitions: 2, value: {format: string}, load: events.ndjson,\n"
        "     config: {retention.ms: '86400000'}}\n"
        "groups: [{group: g, offsets: {seeded: {'*': earliest}}}]\n"
    )
    lines = [f'{{"value": "v{n}", "partition": {n % 2}}}\n' for n in range(10)]
    (directory / "events.ndjson").write_text("".join(lines))
    return directory


@pytest.fixture(scope="module")
def seeded(fixtures: Path) -> Iterator[EmbeddedBus]:
    with EmbeddedBus(bus_settings(fixtures=[fixtures], configs={})) as running:
        yield running


def client(bus: TestBus) -> AdminClient:
    return client_of(bus.bootstrap_servers)


@cache
def client_of(servers: str) -> AdminClient:
    # It has to be there still when its futures are waited for.
    return AdminClient({"bootstrap.servers": servers})


def wait(futures: dict[Any, Any]) -> None:
    for future in futures.values():
        future.result(60)


def alter(bus: TestBus, kind: ResourceType, name: str, key: str, value: str) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(kind, name, incremental_configs=[entry])
    wait(client(bus).incremental_alter_configs([resource]))


def config(bus: TestBus, kind: ResourceType, name: str, key: str) -> str:
    (future,) = client(bus).describe_configs([ConfigResource(kind, name)]).values()
    return str(future.result(60)[key].value)


def reader(bus: TestBus, topic: str, group: str = "reader", **settings: Any) -> Consumer:
    made = Consumer(
        {
            "bootstrap.servers": bus.bootstrap_servers,
            "group.id": group,
            "fetch.wait.max.ms": 5,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "heartbeat.interval.ms": 50,
            "session.timeout.ms": 30_000,
            **settings,
        }
    )
    made.subscribe([topic])
    return made


def everything(bus: TestBus) -> dict[str, Any]:
    """Return what any client can see of the bus."""
    admin = client(bus)
    topics = admin.list_topics(timeout=60).topics
    names = sorted(name for name in topics if not name.startswith("__"))
    consumer = Consumer(
        {
            "bootstrap.servers": bus.bootstrap_servers,
            "group.id": "none",
            "fetch.wait.max.ms": 5,
        }
    )
    found: dict[str, Any] = {}
    places = [TopicPartition(n, i, OFFSET_BEGINNING) for n in names for i in topics[n].partitions]
    total = 0
    for place in places:
        ends = consumer.get_watermark_offsets(place, timeout=60)
        found[f"{place.topic}-{place.partition}"] = [ends]
        total += ends[1] - ends[0]
    consumer.assign(places)
    for record in sorted(take(consumer, total), key=lambda record: record.offset()):
        entry = (record.offset(), record.value())
        found[f"{record.topic()}-{record.partition()}"].append(entry)
    consumer.close()
    for name in names:
        found[name] = config(bus, ResourceType.TOPIC, name, "retention.ms")
    groups = [g.group_id for g in admin.list_consumer_groups().result(60).valid]
    for group in groups:
        wanted = [ConsumerGroupTopicPartitions(group)]
        offsets = admin.list_consumer_group_offsets(wanted)[group].result(60).topic_partitions
        found[f"group {group}"] = {(o.topic, o.partition): o.offset for o in offsets}
    found["broker"] = config(bus, ResourceType.BROKER, "1", "log.retention.ms")
    return found


def write(bus: TestBus) -> None:
    for n in range(5):
        bus.publish("seeded", f"new {n}")
    bus.publish("other", "x")


def delete_records(bus: TestBus) -> None:
    wait(client(bus).delete_records([TopicPartition("seeded", 0, 3)]))
    bus.publish("seeded", "y", partition=0)


def delete_topic(bus: TestBus) -> None:
    wait(client(bus).delete_topics(["seeded"]))


def replace_topic(bus: TestBus) -> None:
    delete_topic(bus)
    wait(client(bus).create_topics([NewTopic("seeded", 2)]))
    bus.publish("seeded", "z", partition=0)


def add_partitions(bus: TestBus) -> None:
    wait(client(bus).create_partitions([NewPartitions("seeded", 4)]))
    bus.publish("seeded", "y", partition=3)


def commit(bus: TestBus) -> None:
    for group in ("g", "new"):
        consumer = reader(bus, "seeded", group)
        take(consumer, 10)
        consumer.commit(asynchronous=False)
        consumer.close()


def delete_group(bus: TestBus) -> None:
    wait(client(bus).delete_consumer_groups(["g"]))


def change_configs(bus: TestBus) -> None:
    alter(bus, ResourceType.TOPIC, "seeded", "retention.ms", "5000")
    alter(bus, ResourceType.BROKER, "1", "log.retention.ms", "7000")


def let_time_pass(bus: TestBus) -> None:
    bus.clock.advance(2 * 86_400)


DEEDS: list[Callable[[TestBus], None]] = [
    write,
    delete_records,
    delete_topic,
    replace_topic,
    add_partitions,
    commit,
    delete_group,
    change_configs,
    let_time_pass,
]


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_a_rollback_leaves_no_trace(seeded: EmbeddedBus, deed: Callable[[TestBus], None]) -> None:
    with seeded.test(Isolation.NONE) as bus:
        before = everything(bus)
        assert len(before["seeded-0"]) == len(before["seeded-1"]) == 6
    with seeded.test() as bus:
        deed(bus)
        assert everything(bus) != before
    with seeded.test() as bus:
        assert everything(bus) == before
        # What is there again can be used like new.
        assert bus.publish("seeded", "next", partition=0).offset == 5
        assert deliver_one(bus) == 6
    with seeded.test(Isolation.NONE) as bus:
        assert everything(bus) == before


def deliver_one(bus: TestBus) -> int:
    producer = Producer({"bootstrap.servers": bus.bootstrap_servers, "enable.idempotence": True})
    offsets: list[int] = []
    producer.produce(
        "seeded", b"p", partition=0, on_delivery=lambda _, m: offsets.append(m.offset())
    )
    assert producer.flush(60) == 0
    return offsets[0]


def test_fixtures_that_one_test_loads_are_loaded_again_by_the_next(
    seeded: EmbeddedBus, tmp_path: Path
) -> None:
    (tmp_path / "fakebus.yaml").write_text(
        "version: 1\ntopics: [{name: extra, value: {format: string}, load: more.ndjson}]\n"
    )
    (tmp_path / "more.ndjson").write_text('{"value": "one"}\n')
    for _ in range(2):
        with seeded.test() as bus:
            bus.seed(tmp_path)
            assert [event.text for event in bus.events("extra")] == ["one"]
            bus.seed(tmp_path / "fakebus.yaml")
            assert len(bus.events("extra")) == 1
    with seeded.test(fixtures=[tmp_path]) as bus:
        assert bus.events("extra") == []
        assert bus.publish("extra", "two").offset == 1
    with seeded.test() as bus:
        assert bus.expect_none("extra", within=0) is None
        assert bus.publish("extra", "first").offset == 0


def test_a_test_with_names_of_its_own_seeds_once_and_leaves_no_notes_of_it(
    seeded: EmbeddedBus, fixtures: Path
) -> None:
    def notes() -> int:
        with seeded.test(Isolation.NONE) as bus:
            consumer = Consumer({"bootstrap.servers": bus.bootstrap_servers, "group.id": "none"})
            _, end = consumer.get_watermark_offsets(TopicPartition(LEDGER_TOPIC, 0), timeout=60)
            consumer.close()
            return int(end)

    before = notes()
    with seeded.test(Isolation.NAMESPACE) as bus:
        bus.seed(fixtures)
        assert bus.publish("seeded", "new", partition=0).offset == 5
    assert notes() == before


def test_the_beginning_of_a_test_is_when_its_fixtures_are_there(
    embedded_bus: EmbeddedBus, fixtures: Path
) -> None:
    with embedded_bus.test(fixtures=[fixtures]) as bus:
        assert bus.publish("seeded", "x", partition=0).offset == 5
        bus.rollback()
        assert bus.publish("seeded", "x", partition=0).offset == 5
    with embedded_bus.test() as bus:
        assert bus.publish("seeded", "x", partition=0).offset == 0


def test_snapshots_go_back_and_forth(seeded: EmbeddedBus) -> None:
    def texts(bus: TestBus) -> list[str | None]:
        return [event.text for event in bus.events("t")]

    with seeded.test() as bus:
        bus.publish("t", "a")
        bus.snapshot("one")
        bus.publish("t", "b")
        bus.publish("u", "x")
        bus.snapshot("two")
        bus.rollback("one")
        assert texts(bus) == ["a"]
        assert bus.events("u") == []
        bus.publish("t", "c")
        bus.publish("t", "d")
        bus.rollback("two")
        assert texts(bus) == ["a", "b"]
        assert [event.text for event in bus.events("u")] == ["x"]
        bus.snapshot()
        bus.publish("t", "e")
        bus.rollback()
        assert texts(bus) == ["a", "b"]
        with pytest.raises(LookupError, match="no snapshot 'three'; there are: 'one', 'two'"):
            bus.rollback("three")
    with seeded.test() as bus:
        assert texts(bus) == []
        bus.publish("seeded", "new", partition=0)
        bus.rollback()
        assert bus.publish("seeded", "new", partition=0).offset == 5


def test_a_rollback_brings_back_what_was_committed_beside_an_offset(seeded: EmbeddedBus) -> None:
    with seeded.test() as bus:
        consumer = Consumer({"bootstrap.servers": bus.bootstrap_servers, "group.id": "noted"})
        place = TopicPartition("seeded", 0, 1, "a note")
        consumer.commit(offsets=[place], asynchronous=False)
        bus.snapshot()
        other = TopicPartition("seeded", 0, 1, "another one")
        consumer.commit(offsets=[other], asynchronous=False)
        bus.rollback()
        assert consumer.committed([place], timeout=60)[0].metadata == "a note"
        consumer.close()


def test_a_consumer_that_lives_across_tests_misses_nothing_and_repeats_nothing(
    seeded: EmbeddedBus,
) -> None:
    with seeded.test(Isolation.NONE) as bus:
        service = reader(bus, "work", "service")
    try:
        for turn in range(3):
            with seeded.test() as bus:
                # In one turn more, in the next fewer records than the time before.
                wanted = [f"{turn}.{n}" for n in range(3 - turn)]
                for text in wanted:
                    bus.publish("work", text)
                got = take(service, len(wanted))
                assert [message.value().decode() for message in got] == wanted
                service.commit(asynchronous=False)
                assert bus.lag("service") == {("work", 0): 0}
    finally:
        service.close()


def test_a_consumer_without_a_group_notices_that_what_it_has_read_is_gone(
    seeded: EmbeddedBus,
) -> None:
    consumer = None
    try:
        for turn in range(2):
            with seeded.test() as bus:
                if consumer is None:
                    consumer = reader(bus, "seeded", "solo")
                    consumer.unsubscribe()
                    consumer.assign([TopicPartition("seeded", 0, 5)])
                # The second time the log is longer than what the consumer has read.
                for n in range(2 + 2 * turn):
                    bus.publish("seeded", f"{turn}.{n}", partition=0)
                texts = []
                while texts[-(2 + 2 * turn) :] != [f"{turn}.{n}" for n in range(2 + 2 * turn)]:
                    texts.append(take(consumer, 1)[0].value().decode())
    finally:
        if consumer is not None:
            consumer.close()


def test_advance_never_gives_an_offset_twice(seeded: EmbeddedBus) -> None:
    with seeded.test() as outer:
        with seeded.test(Isolation.ADVANCE) as bus:
            service = reader(bus, "stream", "service")
            first = bus.publish("stream", "a")
            assert take(service, 1)[0].offset() == first.offset == 0
            service.commit(asynchronous=False)
            alter(bus, ResourceType.TOPIC, "seeded", "retention.ms", "5000")
        with seeded.test(Isolation.ADVANCE) as bus:
            assert bus.events("stream") == []
            assert bus.publish("stream", "b").offset == 1
            assert [message.value() for message in take(service, 1)] == [b"b"]
            assert config(bus, ResourceType.TOPIC, "seeded", "retention.ms") == "86400000"
            service.close()
        assert outer.lag("service") == {("stream", 0): 0}
        # What nothing was written to keeps what was seeded.
        assert outer.lag("g") == {("seeded", 0): 5, ("seeded", 1): 5}


def test_a_namespace_has_topics_groups_and_fixtures_of_its_own(
    seeded: EmbeddedBus, fixtures: Path
) -> None:
    with seeded.test(Isolation.NONE) as outside:
        before = everything(outside)
    with seeded.test(Isolation.NAMESPACE) as bus:
        name = bus.topic("seeded")
        assert name != "seeded"
        assert bus.topic(name) == name
        assert bus.events("seeded") == []
        assert bus.publish("seeded", "new", partition=0).offset == 5
        assert bus.expect("seeded", "new").topic == name
        assert [event.topic for event in bus.emitted()] == [name]
        assert sum(bus.lag("g").values()) == 11
        consumer = reader(bus, name, bus.group("g"))
        take(consumer, 11)
        consumer.commit(asynchronous=False)
        bus.wait_for_group("g")
        consumer.close()
    with seeded.test(Isolation.NONE) as outside:
        assert everything(outside) == before


def test_a_test_with_the_names_of_all_takes_back_what_it_has_made(seeded: EmbeddedBus) -> None:
    with seeded.test() as outer:
        outer.publish("there", "before")
        outer.take("there", "stays")
        for turn in (1, 2):
            with seeded.test(Isolation.TOPICS) as bus:
                assert (bus.topic("new"), bus.emitted()) == ("new", [])
                assert bus.publish("new", "x").offset == 0
                assert bus.publish("there", "x").offset == turn
                assert len(bus.events("there")) == 1
                assert bus.take("new", "goes")
                assert bus.lag("stays") == {("there", 0): turn}
                bus.publish_event("typed", {"id": 7}, schema=SCHEMA)
                consumer = Consumer(bus.client_config("member"))
                consumer.subscribe(["new"])
                take(consumer, 1)
            assert "new" not in client(outer).list_topics(timeout=60).topics
            assert (outer.lag("goes"), outer.lag("member")) == ({}, {})
            assert outer.lag("stays") == {("there", 0): turn}
            with pytest.raises(AssertionError, match=r"there is no subject .typed-value."):
                outer.publish_event("typed", {"id": 7})
            consumer.close()


def test_a_consumer_of_another_group_stays_a_member_when_a_namespace_ends(
    seeded: EmbeddedBus,
) -> None:
    with seeded.test() as outer:
        consumer = Consumer(outer.client_config("beside"))
        consumer.subscribe(["seeded"])
        take(consumer, 10)
        with seeded.test(Isolation.NAMESPACE) as bus:
            bus.take("seeded", "g")
            assert bus.lag("g") == {(bus.topic("seeded"), number): 0 for number in (0, 1)}
        outer.wait_for_members("beside", timeout=0)
        assert outer.lag("g").keys() == {("seeded", 0), ("seeded", 1)}
        consumer.close()


def test_a_service_that_goes_on_writing_does_not_disturb_the_rollback(seeded: EmbeddedBus) -> None:
    stop = False

    async def service(bus: TestBus) -> None:
        while not stop:
            await bus.aio.publish("seeded", "noise")

    with seeded.test(Isolation.NONE) as outer:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=lambda: loop.run_until_complete(service(outer)))
        thread.start()
        for _ in range(5):
            with seeded.test() as bus:
                bus.publish("seeded", "mine")
        stop = True
        thread.join()
        loop.close()
        for index in range(2):
            outer.rollback()
            assert outer.publish("seeded", "last", partition=index).offset == 5
        outer.rollback()
