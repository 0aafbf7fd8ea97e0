"""Seeding a real broker over real storage, again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.topics import Topic
from fakebus.fixture_files import LEDGER_TOPIC
from fakebus.fixture_files.encoding import batching
from fakebus.fixture_files.loader import load_fixtures
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.problems import FixtureError
from fakebus.fixture_files.seeding.seeder import SeedReport, delete_topics, seed
from fakebus.records.builder import build_batch
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord, Record
from fakebus.storage.sqlite import SqliteStorage
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.fixture_files.conftest import WriteSet

NOW_MS = 1_700_000_000_000
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "json-events"
ORDERS = "version: 1\ntopics:\n  - {name: orders, partitions: 2, load: e.ndjson}\n"


class SeedBus:
    """A data file that brokers are started on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @asynccontextmanager
    async def broker(self, config: BrokerConfig | None = None) -> AsyncIterator[Broker]:
        storage = await SqliteStorage.open(self._path, durable=False)
        try:
            broker = Broker(storage, config=config, clock=ManualClock(NOW_MS))
            await broker.start()
            try:
                yield broker
            finally:
                await broker.close()
        finally:
            await storage.close()

    async def seed(self, root: Path, *, reset: bool = False) -> SeedReport:
        async with self.broker() as broker:
            fixture_set = load_fixtures(root, now_ms=NOW_MS)
            if reset:
                await delete_topics(broker, fixture_set)
            return await seed(broker, fixture_set)

    async def values(self, topic: str, partition: int) -> list[bytes | None]:
        async with self.broker() as broker:
            return [record.value for record in await read(broker, topic, partition)]


@pytest.fixture
def bus(tmp_path: Path) -> SeedBus:
    return SeedBus(tmp_path / "fakebus.db")


def live(broker: Broker, name: str) -> Topic:
    topic = broker.topics.get(name)
    assert topic is not None
    return topic


async def read(broker: Broker, topic: str, partition: int) -> list[Record]:
    log = live(broker, topic).partitions[partition]
    rows = await broker._storage.read_batches(log.log_id, 0, log.high_watermark, 1 << 30)
    return [record for row in rows for record in read_records(row.data)]


def events(*values: object, partition: int = 0) -> str:
    return "".join(f'{{"value": {value}, "partition": {partition}}}\n' for value in values)


async def test_events_lie_in_their_partitions_with_all_that_was_written(
    bus: SeedBus, write_set: WriteSet
) -> None:
    lines = (
        '{"key": "k", "value": {"n": 1}, "headers": [["a", null], ["a", "1"]], "at": "-1d",'
        ' "partition": 0}\n'
        '{"key": "k", "value": null, "at": "-2d", "partition": 0}\n'
        '{"value": 3, "partition": 1}\n'
    )
    report = await bus.seed(write_set({"fakebus.yaml": ORDERS, "e.ndjson": lines}))
    assert report == SeedReport(
        topics=1,
        topics_created=1,
        partitions_added=0,
        configs_changed=0,
        records=3,
        skipped=0,
        offsets=0,
    )
    day = 86_400_000
    async with bus.broker() as broker:
        assert await read(broker, "orders", 0) == [
            Record(0, NOW_MS - day, b"k", b'{"n":1}', (("a", None), ("a", b"1"))),
            Record(1, NOW_MS - 2 * day, b"k", None, ()),
        ]
        assert await read(broker, "orders", 1) == [Record(0, NOW_MS, None, b"3", ())]


async def test_topics_get_their_partitions_and_configs(bus: SeedBus, write_set: WriteSet) -> None:
    text = "version: 1\ntopics:\n- {name: a, partitions: 3, config: {cleanup.policy: compact}}\n"
    await bus.seed(write_set({"fakebus.yaml": text}))
    async with bus.broker() as broker:
        topic = live(broker, "a")
        assert len(topic.partitions) == 3
        assert topic.config.overrides == {"cleanup.policy": "compact", "retention.ms": "-1"}


async def test_same_set_again_writes_nothing(bus: SeedBus) -> None:
    first = await bus.seed(EXAMPLE)
    assert (first.records, first.skipped, first.topics_created) == (993, 0, 10)
    assert first.offsets == 6 + 3
    async with bus.broker() as broker:
        before = {topic.name: topic.topic_id for topic in broker.topics}
    second = await bus.seed(EXAMPLE)
    assert second == SeedReport(
        topics=10,
        topics_created=0,
        partitions_added=0,
        configs_changed=0,
        records=0,
        skipped=993,
        offsets=0,
    )
    async with bus.broker() as broker:
        assert {topic.name: topic.topic_id for topic in broker.topics} == before
        topics = [topic for topic in broker.topics if topic.name != LEDGER_TOPIC]
        logs = [log for topic in topics for log in topic.partitions]
        assert sum(log.log_end_offset for log in logs) == 993


async def test_events_added_at_the_end_are_appended(bus: SeedBus, write_set: WriteSet) -> None:
    await bus.seed(write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(1, 2)}))
    report = await bus.seed(write_set({"e.ndjson": events(1, 2, 3, 4)}))
    assert (report.records, report.skipped) == (2, 2)
    assert await bus.values("orders", 0) == [b"1", b"2", b"3", b"4"]


async def test_new_file_and_new_topic_are_seeded(bus: SeedBus, write_set: WriteSet) -> None:
    await bus.seed(write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(1)}))
    text = ORDERS.replace("e.ndjson", "[e.ndjson, f.ndjson]") + "  - {name: b, load: g.ndjson}\n"
    report = await bus.seed(
        write_set({"fakebus.yaml": text, "f.ndjson": events(2), "g.ndjson": events(3)})
    )
    assert (report.records, report.skipped, report.topics_created) == (2, 1, 1)
    assert await bus.values("orders", 0) == [b"1", b"2"]
    assert await bus.values("b", 0) == [b"3"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (events(1, 5, 3), ":2:1: this event has changed since it was seeded to orders;"),
        (events(1, 9, 2, 3), ":2:1: this event has changed since it was seeded to orders;"),
        (events(2, 3), ":1:1: this event has changed since it was seeded to orders;"),
        (
            events(1, 2),
            ":2:1: 3 events for orders were seeded from this file, and it has 2 now;",
        ),
    ],
)
async def test_changed_events_are_refused_and_nothing_is_written(
    bus: SeedBus, write_set: WriteSet, changed: str, message: str
) -> None:
    await bus.seed(write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(1, 2, 3)}))
    text = ORDERS + "  - {name: b, load: f.ndjson}\n"
    root = write_set({"fakebus.yaml": text, "e.ndjson": changed, "f.ndjson": events(1)})
    with pytest.raises(FixtureError) as raised:
        await bus.seed(root)
    assert str(raised.value) == (
        f"{root / 'e.ndjson'}{message} add new events at the end, and seed the same profile as "
        "before; to seed the set afresh, use --reset or a new data file"
    )
    assert await bus.values("orders", 0) == [b"1", b"2", b"3"]
    async with bus.broker() as broker:
        assert broker.topics.get("b") is None


async def test_changed_defaults_of_seeded_events_are_refused(
    bus: SeedBus, write_set: WriteSet
) -> None:
    await bus.seed(write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(1)}))
    root = write_set({"fakebus.yaml": ORDERS.replace("load", "headers: {a: b}, load")})
    with pytest.raises(FixtureError, match="the headers, formats, seed, clock or partitioner"):
        await bus.seed(root)


async def test_change_in_a_long_file_is_told_within_a_few_lines(
    bus: SeedBus, write_set: WriteSet
) -> None:
    numbers = list(range(3000))
    await bus.seed(write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(*numbers)}))
    numbers[1000] = -1
    root = write_set({"e.ndjson": events(*numbers)})
    with pytest.raises(FixtureError, match="one of the events up to line 1002 has") as raised:
        await bus.seed(root)
    assert raised.value.problems[0].line == 1000


async def test_reset_seeds_afresh(bus: SeedBus, write_set: WriteSet) -> None:
    await bus.seed(write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(1, 2)}))
    report = await bus.seed(write_set({"e.ndjson": events(7)}), reset=True)
    assert (report.records, report.skipped, report.topics_created) == (1, 0, 1)
    assert await bus.values("orders", 0) == [b"7"]
    assert (await bus.seed(write_set({}))).records == 0


async def test_topic_that_was_deleted_is_seeded_again(bus: SeedBus, write_set: WriteSet) -> None:
    root = write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(1, 2)})
    await bus.seed(root)
    async with bus.broker() as broker:
        await broker.topics.delete(live(broker, "orders"))
        await broker.topics.create("orders", 2, {})
    report = await bus.seed(root)
    assert (report.records, report.topics_created, report.configs_changed) == (2, 0, 1)
    assert await bus.values("orders", 0) == [b"1", b"2"]


async def test_records_of_others_stay_and_do_not_disturb(bus: SeedBus, write_set: WriteSet) -> None:
    await bus.seed(write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(1)}))
    async with bus.broker() as broker:
        batch = build_batch([NewRecord(None, b"other", (), NOW_MS)])
        await broker.produce(TopicPartition("orders", 0), batch)
    await bus.seed(write_set({"e.ndjson": events(1, 2)}))
    assert await bus.values("orders", 0) == [b"1", b"other", b"2"]


async def test_partitions_are_added_and_never_taken_away(bus: SeedBus, write_set: WriteSet) -> None:
    await bus.seed(write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(1)}))
    more = ORDERS.replace("partitions: 2", "partitions: 5")
    assert (await bus.seed(write_set({"fakebus.yaml": more}))).partitions_added == 3
    assert (await bus.seed(write_set({"fakebus.yaml": ORDERS}))).partitions_added == 0
    async with bus.broker() as broker:
        assert len(live(broker, "orders").partitions) == 5
    assert await bus.values("orders", 0) == [b"1"]


async def test_config_is_applied_when_the_file_changes_and_else_left_alone(
    bus: SeedBus, write_set: WriteSet
) -> None:
    def text(config: str) -> str:
        return f"version: 1\ntopics: [{{name: a, config: {{{config}}}}}]\n"

    async def overrides() -> dict[str, str]:
        async with bus.broker() as broker:
            return dict(live(broker, "a").config.overrides)

    await bus.seed(write_set({"fakebus.yaml": text("retention.ms: 5, segment.bytes: 20000000")}))
    async with bus.broker() as broker:
        altered = {"retention.ms": "6", "max.message.bytes": "7000"}
        await broker.topics.set_configs(live(broker, "a"), altered)
    report = await bus.seed(write_set({}))
    assert report.configs_changed == 0
    assert await overrides() == {"retention.ms": "6", "max.message.bytes": "7000"}
    report = await bus.seed(write_set({"fakebus.yaml": text("retention.ms: 9")}))
    assert report.configs_changed == 1
    assert await overrides() == {"retention.ms": "9", "max.message.bytes": "7000"}
    await bus.seed(write_set({"fakebus.yaml": text("segment.ms: 7000")}))
    await bus.seed(write_set({"fakebus.yaml": text("retention.ms: 9")}))
    assert await overrides() == {"retention.ms": "9", "max.message.bytes": "7000"}


async def test_topic_that_a_client_created_gets_the_config_of_the_file(
    bus: SeedBus, write_set: WriteSet
) -> None:
    async with bus.broker() as broker:
        await broker.topics.create("orders", 1, {"retention.ms": "5", "segment.ms": "99999"})
    await bus.seed(write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(1, partition=1)}))
    async with bus.broker() as broker:
        assert live(broker, "orders").config.overrides == {
            "retention.ms": "-1",
            "segment.ms": "99999",
        }
    assert await bus.values("orders", 1) == [b"1"]


async def test_topic_that_collides_with_an_existing_one_is_refused(
    bus: SeedBus, write_set: WriteSet
) -> None:
    async with bus.broker() as broker:
        await broker.topics.create("a_b", 1, {})
    root = write_set({"fakebus.yaml": "version: 1\ntopics: [{name: a.b}]\n"})
    with pytest.raises(FixtureError, match=r"yaml:2:17: the topic a\.b collides with .* a_b;"):
        await bus.seed(root)


async def test_broker_that_takes_less_refuses_before_anything_is_written(
    bus: SeedBus, write_set: WriteSet
) -> None:
    root = write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(1, f'"{"x" * 500}"')})
    async with bus.broker(BrokerConfig({"message.max.bytes": "300"})) as broker:
        with pytest.raises(FixtureError, match=r"the broker refuses events of e\.ndjson: "):
            await seed(broker, load_fixtures(root, now_ms=NOW_MS))
        assert broker.topics.get("orders") is None
        with pytest.raises(FixtureError, match=r"e\.ndjson:2:1: the event takes"):
            load_fixtures(root, now_ms=NOW_MS, config=broker.config)


async def test_groups_start_where_the_file_says_and_are_not_moved_again(
    bus: SeedBus, write_set: WriteSet
) -> None:
    text = (
        "version: 1\ntopics:\n  - {name: orders, partitions: 4, load: e.ndjson}\n"
        'groups:\n  - {group: g, offsets: {orders: {3: 1, "*": earliest, 1: latest}}}\n'
    )
    lines = "".join(events(1, 2, partition=number) for number in range(4))
    root = write_set({"fakebus.yaml": text, "e.ndjson": lines})
    assert (await bus.seed(root)).offsets == 4
    orders = [TopicPartition("orders", number) for number in range(4)]
    async with bus.broker() as broker:
        groups = broker.group_coordinator
        assert [groups.committed_offset("g", partition) for partition in orders] == [0, 2, 0, 1]
        await groups.set_offsets("g", {orders[0]: 2})
        await broker.topics.add_partitions(live(broker, "orders"), 5)
    assert (await bus.seed(root)).offsets == 1
    async with bus.broker() as broker:
        groups = broker.group_coordinator
        assert groups.committed_offset("g", orders[0]) == 2
        assert groups.committed_offset("g", TopicPartition("orders", 4)) == 0


async def test_reset_brings_groups_back_to_their_start(bus: SeedBus, write_set: WriteSet) -> None:
    text = ORDERS + "groups: [{group: g, offsets: {orders: {0: 1}}}]\n"
    root = write_set({"fakebus.yaml": text, "e.ndjson": events(1, 2, 3)})
    await bus.seed(root)
    orders = TopicPartition("orders", 0)
    async with bus.broker() as broker:
        await broker.group_coordinator.set_offsets("g", {orders: 3})
    assert (await bus.seed(root, reset=True)).offsets == 1
    async with bus.broker() as broker:
        assert broker.group_coordinator.committed_offset("g", orders) == 1


async def test_latest_is_the_end_of_a_set_of_several_transactions(
    bus: SeedBus, write_set: WriteSet
) -> None:
    text = ORDERS + "groups: [{group: g, offsets: {orders: {0: latest}}}]\n"
    await bus.seed(write_set({"fakebus.yaml": text, "e.ndjson": events(*range(6000))}))
    async with bus.broker() as broker:
        committed = broker.group_coordinator.committed_offset("g", TopicPartition("orders", 0))
        assert committed == 6000


async def test_progress_counts_up_to_all_events(bus: SeedBus, write_set: WriteSet) -> None:
    root = write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(*range(12_000))})
    seen: list[tuple[int, int]] = []
    async with bus.broker() as broker:
        fixture_set = load_fixtures(root, now_ms=NOW_MS)
        await seed(broker, fixture_set, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(5000, 12_000), (10_000, 12_000), (12_000, 12_000)]


async def test_interrupted_seed_goes_on_and_writes_nothing_twice(
    bus: SeedBus, write_set: WriteSet
) -> None:
    text = ORDERS + "  - {name: b, load: f.ndjson}\n"
    root = write_set(
        {
            "fakebus.yaml": text,
            "e.ndjson": events(*range(11_000)),
            "f.ndjson": events(*range(3000)),
        }
    )
    fixture_set = load_fixtures(root, now_ms=NOW_MS)

    def interrupt(done: int, total: int) -> None:
        if done == 10_000:
            raise KeyboardInterrupt

    async with bus.broker() as broker:
        with pytest.raises(KeyboardInterrupt):
            await seed(broker, fixture_set, progress=interrupt)
    report = await bus.seed(root)
    assert (report.records, report.skipped) == (4000, 10_000)
    assert await bus.values("orders", 0) == [str(number).encode() for number in range(11_000)]
    assert await bus.values("b", 0) == [str(number).encode() for number in range(3000)]


async def test_topic_that_is_deleted_while_being_seeded_ends_the_seed(
    bus: SeedBus, write_set: WriteSet
) -> None:
    root = write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(*range(11_000))})
    async with bus.broker() as broker:
        deletions: list[asyncio.Future[None]] = []

        def delete(done: int, total: int) -> None:
            if done == 5000:
                deleting = broker.topics.delete(live(broker, "orders"))
                deletions.append(asyncio.ensure_future(deleting))

        fixture_set = load_fixtures(root, now_ms=NOW_MS)
        with pytest.raises(FixtureError, match="somebody deleted the topic while"):
            await seed(broker, fixture_set, progress=delete)
        await asyncio.gather(*deletions)
    assert (await bus.seed(root)).records == 11_000


async def test_batches_respect_max_message_bytes(bus: SeedBus, write_set: WriteSet) -> None:
    text = ORDERS.replace("load:", "config: {max.message.bytes: 1000}, load:")
    root = write_set({"fakebus.yaml": text, "e.ndjson": events(*range(100))})
    await bus.seed(root)
    async with bus.broker() as broker:
        log = live(broker, "orders").partitions[0]
        rows = await broker._storage.read_batches(log.log_id, 0, 100, 1 << 30)
        assert len(rows) > 1
        assert all(len(row.data) <= 1000 for row in rows)
        assert [record.offset for row in rows for record in read_records(row.data)] == list(
            range(100)
        )


def test_parts_are_bounded_by_count_and_bytes(write_set: WriteSet) -> None:
    def part_lengths(fixture_set: FixtureSet) -> list[int]:
        return [len(part) for part in batching.parts_of(fixture_set.streams[0].events)]

    many = write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(*range(10_001))})
    assert part_lengths(load_fixtures(many, now_ms=NOW_MS)) == [5000, 5000, 1]
    megabytes = [f'"{"x" * (900 << 10)}"'] * 20
    large = write_set({"fakebus.yaml": ORDERS, "e.ndjson": events(*megabytes)})
    assert part_lengths(load_fixtures(large, now_ms=NOW_MS)) == [9, 9, 2]
