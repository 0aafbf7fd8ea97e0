"""What a console asks of a cluster; the same for a bus in the process and for a Kafka outside."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from fakebus.client.offsets import LogRange
from fakebus.client.positions import Position, PositionKind, parse_position
from fakebus.cluster.browsing import (
    ReadRequest,
    RecordPage,
    preview_reset,
    read_page,
    search,
    waiting_since,
)
from fakebus.cluster.events import Event
from fakebus.cluster.interface import Cluster, ClusterError, NewSchema, NotFoundError
from fakebus.errors import FakebusError
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition

AVRO = '{"type": "record", "name": "Order", "fields": [{"name": "total", "type": "int"}]}'
LATEST = Position(kind=PositionKind.LATEST)


async def filled(cluster: Cluster, topic: str, count: int, partitions: int = 2) -> list[Event]:
    """A topic whose records take turns in the partitions, one a millisecond."""
    await cluster.create_topic(topic, partitions)
    return [
        await cluster.produce(
            topic, n % partitions, NewRecord(None, b"%d" % n, timestamp_ms=1_000 + n)
        )
        for n in range(count)
    ]


def values(page: RecordPage) -> list[int]:
    return [event.data for event in page.events]


async def test_topics_are_listed_with_partitions_and_records(cluster: Cluster) -> None:
    await filled(cluster, "orders", 5)
    (orders,) = [topic for topic in await cluster.topics() if topic.name == "orders"]
    assert (orders.partitions, orders.records, orders.is_internal) == (2, 5, False)


async def test_a_topic_has_its_partitions_and_what_is_set_on_it(cluster: Cluster) -> None:
    await cluster.create_topic("orders", 2, {"cleanup.policy": "compact"})
    await cluster.set_topic_configs("orders", {"retention.ms": "5000"}, ["cleanup.policy"])
    await cluster.add_partitions("orders", 3)
    topic = await cluster.topic("orders")
    assert [each.log for each in topic.partitions] == [LogRange(start=0, end=0)] * 3
    own = {each.name: each.value for each in topic.configs if each.source == "topic"}
    assert own == {"retention.ms": "5000"}
    assert {each.name: each.value for each in topic.configs}["cleanup.policy"] == "delete"


async def test_a_topic_that_is_not_there_is_told_with_the_nearest_ones(cluster: Cluster) -> None:
    await cluster.create_topic("orders", 1)
    with pytest.raises(NotFoundError, match="did you mean orders"):
        await cluster.topic("order")
    with pytest.raises(NotFoundError):
        await read_page(cluster, ReadRequest(topics=("order",)))


async def test_what_the_cluster_refuses_is_told_in_words(cluster: Cluster) -> None:
    await cluster.create_topic("orders", 1)
    with pytest.raises(FakebusError, match="already exists"):
        await cluster.create_topic("orders", 1)
    with pytest.raises(FakebusError, match=r"retention\.ms"):
        await cluster.set_topic_configs("orders", {"retention.ms": "soon"})


async def test_an_emptied_topic_keeps_its_offsets_and_a_deleted_one_is_gone(
    cluster: Cluster,
) -> None:
    await filled(cluster, "orders", 4)
    await cluster.empty_topic("orders")
    topic = await cluster.topic("orders")
    assert [each.log for each in topic.partitions] == [LogRange(start=2, end=2)] * 2
    await cluster.delete_topic("orders")
    with pytest.raises(NotFoundError):
        await cluster.topic("orders")


async def test_pages_merge_partitions_by_time_and_go_on_where_they_ended(cluster: Cluster) -> None:
    await filled(cluster, "orders", 50, partitions=3)
    request = ReadRequest(topics=("orders",), limit=20)
    pages = [await read_page(cluster, request)]
    while pages[-1].left:
        request = ReadRequest(topics=("orders",), limit=20, cursor=pages[-1].cursor)
        pages.append(await read_page(cluster, request))
    assert [values(page) for page in pages] == [
        list(range(20)),
        list(range(20, 40)),
        list(range(40, 50)),
    ]


async def test_the_newest_records_come_first_if_wanted(cluster: Cluster) -> None:
    await filled(cluster, "orders", 50, partitions=3)
    request = ReadRequest(topics=("orders",), limit=30, newest_first=True)
    first = await read_page(cluster, request)
    assert values(first) == list(range(49, 19, -1))
    second = await read_page(
        cluster,
        ReadRequest(topics=("orders",), limit=30, newest_first=True, cursor=first.cursor),
    )
    assert (values(second), second.left) == (list(range(19, -1, -1)), 0)


@pytest.mark.parametrize(
    ("position", "newest_first", "expected"),
    [
        ("latest", False, []),
        ("-1", False, [8, 9]),
        ("3", False, [6, 7, 8, 9]),
        ("1970-01-01T00:00:01.007Z", False, [7, 8, 9]),
        ("2999-01-01T00:00:00Z", False, []),
        ("1", True, [1, 0]),
        ("1970-01-01T00:00:01.003Z", True, [2, 1, 0]),
    ],
)
async def test_reading_begins_at_a_position(
    cluster: Cluster, position: str, newest_first: bool, expected: list[int]
) -> None:
    await filled(cluster, "orders", 10)
    start = parse_position(position, cluster.now_ms())
    request = ReadRequest(topics=("orders",), start=start, newest_first=newest_first)
    assert values(await read_page(cluster, request)) == expected


async def test_only_the_partitions_that_are_wanted_are_read(cluster: Cluster) -> None:
    await filled(cluster, "orders", 10)
    request = ReadRequest(topics=("orders",), partitions=frozenset({1}))
    assert values(await read_page(cluster, request)) == [1, 3, 5, 7, 9]


async def test_a_filter_stops_when_it_has_looked_at_enough_and_goes_on_there(
    cluster: Cluster,
) -> None:
    await filled(cluster, "orders", 100)

    def wanted(event: Event) -> bool:
        return event.data in (3, 90)

    request = ReadRequest(topics=("orders",), matches=wanted, max_scanned=60)
    first = await read_page(cluster, request)
    assert (values(first), first.scanned, first.left) == ([3], 60, 40)
    second = await read_page(
        cluster,
        ReadRequest(topics=("orders",), matches=wanted, max_scanned=60, cursor=first.cursor),
    )
    assert (values(second), second.scanned, second.left) == ([90], 40, 0)


@pytest.mark.parametrize("newest_first", [False, True])
async def test_large_records_make_short_pages_and_none_is_left_out(
    cluster: Cluster, newest_first: bool
) -> None:
    await cluster.create_topic("orders", 2)
    for n in range(12):
        value = NewRecord(None, b"%02d" % n + b"x" * 1000, timestamp_ms=1_000 + n)
        await cluster.produce("orders", n % 2, value)
    request = ReadRequest(topics=("orders",), max_bytes=2500, newest_first=newest_first)
    found: list[int] = []
    async with aclosing(search(cluster, request)) as pages:
        async for page in pages:
            assert len(page.events) <= 2
            found += [int((event.value or b"")[:2]) for event in page.events]
    assert found == (list(range(11, -1, -1)) if newest_first else list(range(12)))


async def test_a_search_over_topics_tells_how_far_it_is_and_can_be_stopped(
    cluster: Cluster,
) -> None:
    await filled(cluster, "orders", 100)
    await filled(cluster, "invoices", 100)
    request = ReadRequest(
        topics=("orders", "invoices"), matches=lambda event: event.data == 55, max_scanned=80
    )
    left, found = [], []
    async with aclosing(search(cluster, request)) as pages:
        async for page in pages:
            left.append(page.left)
            found += [event.name for event in page.events]
            if len(found) == 2:
                break
    assert found == ["invoices[1]@27", "orders[1]@27"]
    assert left == [120, 40]


async def test_a_search_ends_where_the_topics_ended_when_it_began(cluster: Cluster) -> None:
    await filled(cluster, "orders", 10)
    found = []
    async with aclosing(search(cluster, ReadRequest(topics=("orders",), limit=4))) as pages:
        async for page in pages:
            found += values(page)
            await cluster.produce("orders", 0, NewRecord(None, b"99"))
    assert found == list(range(10))


async def test_following_begins_at_the_end_and_gives_what_is_written(cluster: Cluster) -> None:
    await filled(cluster, "orders", 3)
    async with aclosing(cluster.follow(["orders"])) as slices:
        assert not await anext(slices)
        await cluster.produce("orders", 0, NewRecord(b"k", b'{"n": 1}', [("h", b"v")]))
        async for events in slices:
            if events:
                break
    (event,) = events
    assert (event.name, event.key_data, event.data) == ("orders[0]@2", "k", {"n": 1})
    assert event.headers == (("h", b"v"),)


async def test_following_begins_at_given_positions(cluster: Cluster) -> None:
    await filled(cluster, "orders", 4)
    begin = {TopicPartition("orders", 0): 1}
    async with aclosing(cluster.follow(["orders"], begin)) as slices:
        async for events in slices:
            if events:
                break
    assert [event.name for event in events] == ["orders[0]@1"]


async def test_groups_are_told_with_offsets_and_lag(cluster: Cluster) -> None:
    await filled(cluster, "orders", 6)
    await cluster.set_offsets("billing", {TopicPartition("orders", 0): 1})
    (billing,) = await cluster.groups()
    assert (billing.name, billing.state, billing.lag, billing.topics) == (
        "billing",
        "empty",
        2,
        ("orders",),
    )
    details = await cluster.group("billing")
    (partition,) = details.partitions
    assert (partition.committed, partition.lag, partition.member) == (1, 2, None)
    assert await waiting_since(cluster, details) == {TopicPartition("orders", 0): 1_002}
    with pytest.raises(NotFoundError, match="did you mean billing"):
        await cluster.group("biling")


async def test_a_reset_is_previewed_before_it_is_made(cluster: Cluster) -> None:
    await filled(cluster, "orders", 6)
    first = TopicPartition("orders", 0)
    await cluster.set_offsets("billing", {first: 1})
    moves = await preview_reset(cluster, "billing", {first: LATEST})
    assert [(move.topic_partition, move.before, move.after) for move in moves] == [(first, 1, 3)]
    assert (await cluster.group("billing")).partitions[0].committed == 1
    await cluster.set_offsets("billing", {move.topic_partition: move.after for move in moves})
    assert (await cluster.group("billing")).partitions[0].committed == 3
    with pytest.raises(NotFoundError, match="no partition orders-7"):
        await preview_reset(cluster, "billing", {TopicPartition("orders", 7): LATEST})
    await cluster.delete_group("billing")
    assert await cluster.groups() == []


async def test_schemas_are_registered_tried_and_deleted(cluster: Cluster) -> None:
    schemas = cluster.schemas
    schema_id = await schemas.register("orders-value", NewSchema(text=AVRO))
    assert await schemas.subjects() == ["orders-value"]
    assert await schemas.versions("orders-value") == [1]
    found = await schemas.version("orders-value")
    assert (found.schema_id, found.version, found.schema_type) == (schema_id, 1, "AVRO")
    changed = AVRO.replace('"int"', '"string"')
    assert await schemas.check("orders-value", NewSchema(text=changed))
    await schemas.set_level("orders-value", "NONE")
    assert await schemas.check("orders-value", NewSchema(text=changed)) == []
    assert await schemas.level("orders-value") == "NONE"
    await schemas.set_level("orders-value", None)
    assert await schemas.level("orders-value") == await schemas.level() == "BACKWARD"
    await schemas.delete("orders-value")
    assert await schemas.subjects() == []
    with pytest.raises(NotFoundError):
        await schemas.version("orders-value")


async def test_records_are_written_and_read_with_a_schema(cluster: Cluster) -> None:
    await cluster.schemas.register("orders-value", NewSchema(text=AVRO))
    await cluster.create_topic("orders", 1)
    value = await cluster.schemas.encode("orders-value", {"total": 7})
    await cluster.produce("orders", None, NewRecord(None, value))
    (event,) = (await read_page(cluster, ReadRequest(topics=("orders",)))).events
    assert (event.payload.format, event.data) == ("avro", {"total": 7})
    with pytest.raises(ClusterError, match="does not fit the schema of orders-value"):
        await cluster.schemas.encode("orders-value", {"total": "much"})
    with pytest.raises(NotFoundError, match="did you mean orders-value"):
        await cluster.schemas.encode("order-value", {})


async def test_brokers_are_told_with_their_configs(cluster: Cluster) -> None:
    (broker,) = await cluster.brokers()
    assert broker.address.endswith(str(await port(cluster)))
    configs = {each.name: each.value for each in await cluster.broker_configs(broker.node_id)}
    assert configs["num.partitions"] == "1"
    with pytest.raises(NotFoundError, match="no broker 77"):
        await cluster.broker_configs(77)


async def port(cluster: Cluster) -> str:
    (broker,) = await cluster.brokers()
    configs = {each.name: each.value for each in await cluster.broker_configs(broker.node_id)}
    return str(configs["advertised.listeners"]).rpartition(":")[2]
