"""What a console asks of a cluster.

Here a bus of the process is asked; tests/clients/python/test_clusters.py asks the same of a cluster
outside, Apache Kafka included.
"""

from __future__ import annotations

import threading
from contextlib import aclosing
from dataclasses import replace

import pytest

from fakebus.client.offsets import LogRange
from fakebus.client.positions import Position, PositionKind, parse_position
from fakebus.cluster.browsing import (
    ReadRequest,
    RecordPage,
    read_page,
    search,
)
from fakebus.cluster.events import Event
from fakebus.cluster.group_offsets import preview_reset, waiting_since
from fakebus.cluster.interface import Cluster, ClusterError, NewSchema, NotFoundError
from fakebus.errors import FakebusError
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition

AVRO = '{"type": "record", "name": "Order", "fields": [{"name": "total", "type": "int"}]}'
LATEST = Position(kind=PositionKind.LATEST)


async def filled(view: Cluster, topic: str, count: int, partitions: int = 2) -> list[Event]:
    """A topic whose records take turns in the partitions, one a millisecond."""
    # Their timestamps are older than what is kept.
    await view.create_topic(topic, partitions, {"retention.ms": "-1"})
    return [
        await view.produce(
            topic, n % partitions, NewRecord(None, b"%d" % n, timestamp_ms=1_000 + n)
        )
        for n in range(count)
    ]


def values(page: RecordPage) -> list[int]:
    return [event.data for event in page.events]


async def test_topics_are_listed_with_partitions_and_records(view: Cluster, orders: str) -> None:
    await filled(view, orders, 5)
    (topic,) = [each for each in await view.topics() if each.name == orders]
    assert (topic.partitions, topic.records, topic.is_internal) == (2, 5, False)


async def test_a_topic_has_its_partitions_and_what_is_set_on_it(view: Cluster, orders: str) -> None:
    await view.create_topic(orders, 2, {"cleanup.policy": "compact"})
    await view.set_topic_configs(orders, {"retention.ms": "5000"}, ["cleanup.policy"])
    await view.add_partitions(orders, 3)
    topic = await view.topic(orders)
    assert [each.log for each in topic.partitions] == [LogRange(start=0, end=0)] * 3
    own = {each.name: each.value for each in topic.configs if each.source == "topic"}
    assert own == {"retention.ms": "5000"}
    assert {each.name: each.value for each in topic.configs}["cleanup.policy"] == "delete"


async def test_a_topic_that_is_not_there_is_told_with_the_nearest_ones(
    view: Cluster, orders: str
) -> None:
    await view.create_topic(orders, 1)
    with pytest.raises(NotFoundError, match=f"did you mean {orders}"):
        await view.topic(orders[:-1])
    with pytest.raises(NotFoundError):
        await read_page(view, ReadRequest(topics=(orders[:-1],)))


async def test_what_the_cluster_refuses_is_told_in_words(view: Cluster, orders: str) -> None:
    await view.create_topic(orders, 1)
    with pytest.raises(FakebusError, match="already exists"):
        await view.create_topic(orders, 1)
    with pytest.raises(FakebusError, match=r"retention\.ms"):
        await view.set_topic_configs(orders, {"retention.ms": "soon"})


async def test_an_emptied_topic_keeps_its_offsets_and_a_deleted_one_is_gone(
    view: Cluster,
    orders: str,
) -> None:
    await filled(view, orders, 4)
    await view.empty_topic(orders)
    topic = await view.topic(orders)
    assert [each.log for each in topic.partitions] == [LogRange(start=2, end=2)] * 2
    await view.delete_topic(orders)
    with pytest.raises(NotFoundError):
        await view.topic(orders)


async def test_pages_merge_partitions_by_time_and_go_on_where_they_ended(
    view: Cluster, orders: str
) -> None:
    await filled(view, orders, 50, partitions=3)
    request = ReadRequest(topics=(orders,), limit=20)
    pages = [await read_page(view, request)]
    while pages[-1].left:
        request = ReadRequest(topics=(orders,), limit=20, cursor=pages[-1].cursor)
        pages.append(await read_page(view, request))
    assert [values(page) for page in pages] == [
        list(range(20)),
        list(range(20, 40)),
        list(range(40, 50)),
    ]


async def test_the_newest_records_come_first_if_wanted(view: Cluster, orders: str) -> None:
    await filled(view, orders, 50, partitions=3)
    request = ReadRequest(topics=(orders,), limit=30, newest_first=True)
    first = await read_page(view, request)
    assert values(first) == list(range(49, 19, -1))
    second = await read_page(
        view,
        ReadRequest(topics=(orders,), limit=30, newest_first=True, cursor=first.cursor),
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
    view: Cluster, orders: str, position: str, newest_first: bool, expected: list[int]
) -> None:
    await filled(view, orders, 10)
    start = parse_position(position, view.now_ms())
    request = ReadRequest(topics=(orders,), start=start, newest_first=newest_first)
    assert values(await read_page(view, request)) == expected


async def test_only_the_partitions_that_are_wanted_are_read(view: Cluster, orders: str) -> None:
    await filled(view, orders, 10)
    request = ReadRequest(topics=(orders,), partitions=frozenset({1}))
    assert values(await read_page(view, request)) == [1, 3, 5, 7, 9]


async def test_a_filter_stops_when_it_has_looked_at_enough_and_goes_on_there(
    view: Cluster,
    orders: str,
) -> None:
    await filled(view, orders, 100)

    def wanted(event: Event) -> bool:
        return event.data in (3, 90)

    request = ReadRequest(topics=(orders,), matches=wanted, max_scanned=60)
    pages = [await read_page(view, request)]
    while pages[-1].left:
        pages.append(await read_page(view, replace(request, cursor=pages[-1].cursor)))
    assert len(pages) > 1
    assert all(0 < page.scanned <= 60 for page in pages)
    assert sum(page.scanned for page in pages) == 100
    assert [value for page in pages for value in values(page)] == [3, 90]


@pytest.mark.parametrize("newest_first", [False, True])
async def test_large_records_make_short_pages_and_none_is_left_out(
    view: Cluster, orders: str, newest_first: bool
) -> None:
    await view.create_topic(orders, 2)
    for n in range(12):
        value = NewRecord(None, b"%02d" % n + b"x" * 1000, timestamp_ms=1_000 + n)
        await view.produce(orders, n % 2, value)
    request = ReadRequest(topics=(orders,), max_bytes=2500, newest_first=newest_first)
    found: list[int] = []
    async with aclosing(search(view, request)) as pages:
        async for page in pages:
            assert len(page.events) <= 2
            found += [int((event.value or b"")[:2]) for event in page.events]
    assert found == (list(range(11, -1, -1)) if newest_first else list(range(12)))


async def test_a_search_over_topics_tells_how_far_it_is_and_can_be_stopped(
    view: Cluster,
    orders: str,
) -> None:
    await filled(view, orders, 100)
    await filled(view, f"invoices-{orders}", 100)
    request = ReadRequest(
        topics=(orders, f"invoices-{orders}"),
        matches=lambda event: event.data == 55,
        max_scanned=80,
        limit=2,
    )
    left, found = [], []
    async with aclosing(search(view, request)) as pages:
        async for page in pages:
            left.append(page.left)
            found += [event.name for event in page.events]
            if len(found) == 2:
                break
    assert found == [f"invoices-{orders}[1]@27", f"{orders}[1]@27"]
    assert left[0] == 120
    assert left == sorted(left, reverse=True)
    assert left[-1] > 0


@pytest.mark.parametrize(
    ("part", "found"),
    [
        (NewRecord(b"A KEY", None), True),
        (NewRecord(None, b"v", (("a key", None),)), True),
        (NewRecord(None, b"v", (("h", b"a Key"),)), True),
        (NewRecord(b"a", b"key"), False),
    ],
)
async def test_text_is_found_in_keys_and_headers_too(
    view: Cluster, orders: str, part: NewRecord, found: bool
) -> None:
    await view.create_topic(orders, 1)
    await view.produce(orders, 0, part)
    page = await read_page(view, ReadRequest(topics=(orders,), contains="a key"))
    assert bool(page.events) == found


@pytest.mark.parametrize("value", ["Gr\u00f6\u00dfe", '"Gr\\u00f6\\u00dfe"', '"GR\\u00F6\\u00DFe"'])
async def test_text_is_found_as_utf_8_and_as_json_may_escape_it(
    view: Cluster, orders: str, value: str
) -> None:
    await view.create_topic(orders, 1)
    await view.produce(orders, 0, NewRecord(None, value.encode()))
    page = await read_page(view, ReadRequest(topics=(orders,), contains="gr\u00f6\u00dfe"))
    assert len(page.events) == 1


async def test_a_page_ends_when_its_time_is_over_and_nothing_is_left_out(
    view: Cluster, orders: str
) -> None:
    await filled(view, orders, 100)
    request = ReadRequest(topics=(orders,), matches=lambda _: True, max_seconds=1e-9, limit=7)
    async with aclosing(search(view, request)) as pages:
        found = [value async for page in pages for value in values(page)]
    assert found == list(range(100))


async def test_a_test_that_may_take_long_keeps_nobody_waiting(view: Cluster, orders: str) -> None:
    await filled(view, orders, 10)
    threads = []

    def wanted(event: Event) -> bool:
        threads.append(threading.current_thread() is threading.main_thread())
        return event.data == 5

    request = ReadRequest(topics=(orders,), matches=wanted, takes_long=True)
    assert values(await read_page(view, request)) == [5]
    assert set(threads) == {False}
    await read_page(view, replace(request, takes_long=False))
    assert set(threads) == {False, True}


async def test_a_search_ends_where_the_topics_ended_when_it_began(
    view: Cluster, orders: str
) -> None:
    await filled(view, orders, 10)
    found = []
    async with aclosing(search(view, ReadRequest(topics=(orders,), limit=4))) as pages:
        async for page in pages:
            found += values(page)
            await view.produce(orders, 0, NewRecord(None, b"99"))
    assert found == list(range(10))


async def test_following_begins_at_the_end_and_gives_what_is_written(
    view: Cluster, orders: str
) -> None:
    await filled(view, orders, 3)
    async with aclosing(view.follow([orders])) as slices:
        assert not await anext(slices)
        await view.produce(orders, 0, NewRecord(b"k", b'{"n": 1}', [("h", b"v")]))
        async for events in slices:
            if events:
                break
    (event,) = events
    assert (event.name, event.key_data, event.data) == (f"{orders}[0]@2", "k", {"n": 1})
    assert event.headers == (("h", b"v"),)


async def test_following_begins_at_given_positions(view: Cluster, orders: str) -> None:
    await filled(view, orders, 4)
    begin = {TopicPartition(orders, 0): 1}
    async with aclosing(view.follow([orders], begin)) as slices:
        async for events in slices:
            if events:
                break
    assert [event.name for event in events] == [f"{orders}[0]@1"]


async def test_groups_are_told_with_offsets_and_lag(
    view: Cluster, orders: str, billing: str
) -> None:
    await filled(view, orders, 6)
    await view.set_offsets(billing, {TopicPartition(orders, 0): 1})
    (group,) = [each for each in await view.groups() if each.name == billing]
    assert (group.state, group.lag, group.topics) == ("empty", 2, (orders,))
    details = await view.group(billing)
    (partition,) = details.partitions
    assert (partition.committed, partition.lag, partition.member) == (1, 2, None)
    assert await waiting_since(view, details) == {TopicPartition(orders, 0): 1_002}
    found = await view.why(billing)
    assert found is not None
    assert (found["lag"], [each["code"] for each in found["causes"]]) == (2, ["no_member"])
    assert await view.why(billing[:-1]) is None
    with pytest.raises(NotFoundError, match="did you mean"):
        await view.group(billing[:-1])


async def test_a_reset_is_previewed_before_it_is_made(
    view: Cluster, orders: str, billing: str
) -> None:
    await filled(view, orders, 6)
    first = TopicPartition(orders, 0)
    await view.set_offsets(billing, {first: 1})
    moves = await preview_reset(view, billing, {first: LATEST})
    assert [(move.topic_partition, move.before, move.after) for move in moves] == [(first, 1, 3)]
    assert (await view.group(billing)).partitions[0].committed == 1
    await view.set_offsets(billing, {move.topic_partition: move.after for move in moves})
    assert (await view.group(billing)).partitions[0].committed == 3
    with pytest.raises(NotFoundError, match="no partition"):
        await preview_reset(view, billing, {TopicPartition(orders, 7): LATEST})
    await view.delete_group(billing)
    assert billing not in [group.name for group in await view.groups()]


async def test_schemas_are_registered_tried_and_deleted(view: Cluster, orders: str) -> None:
    schemas = view.schemas
    schema_id = await schemas.register(f"{orders}-value", NewSchema(text=AVRO))
    assert f"{orders}-value" in await schemas.subjects()
    assert await schemas.versions(f"{orders}-value") == [1]
    found = await schemas.version(f"{orders}-value")
    assert (found.schema_id, found.version, found.schema_type) == (schema_id, 1, "AVRO")
    changed = AVRO.replace('"int"', '"string"')
    assert await schemas.check(f"{orders}-value", NewSchema(text=changed))
    await schemas.set_level(f"{orders}-value", "NONE")
    assert await schemas.check(f"{orders}-value", NewSchema(text=changed)) == []
    assert await schemas.level(f"{orders}-value") == "NONE"
    await schemas.set_level(f"{orders}-value", None)
    assert await schemas.level(f"{orders}-value") == await schemas.level() == "BACKWARD"
    await schemas.delete(f"{orders}-value")
    assert f"{orders}-value" not in await schemas.subjects()
    with pytest.raises(NotFoundError):
        await schemas.version(f"{orders}-value")


async def test_records_are_written_and_read_with_a_schema(view: Cluster, orders: str) -> None:
    await view.schemas.register(f"{orders}-value", NewSchema(text=AVRO))
    await view.create_topic(orders, 1)
    value = await view.schemas.encode(f"{orders}-value", {"total": 7})
    await view.produce(orders, None, NewRecord(None, value))
    (event,) = (await read_page(view, ReadRequest(topics=(orders,)))).events
    assert (event.payload.format, event.data) == ("avro", {"total": 7})
    with pytest.raises(ClusterError, match=f"does not fit the schema of {orders}-value"):
        await view.schemas.encode(f"{orders}-value", {"total": "much"})
    with pytest.raises(NotFoundError, match=f"did you mean {orders}-value"):
        await view.schemas.encode(f"{orders[:-1]}-value", {})


async def test_brokers_are_told_with_their_configs(view: Cluster) -> None:
    broker, *_ = await view.brokers()
    configs = {each.name: each.value for each in await view.broker_configs(broker.node_id)}
    host, _, number = broker.address.rpartition(":")
    assert f"{host}:{number}" in str(configs["advertised.listeners"])
    with pytest.raises(NotFoundError, match="no broker 77"):
        await view.broker_configs(77)


async def test_a_page_ends_before_what_was_written_at_a_time(view: Cluster, orders: str) -> None:
    await filled(view, orders, 6)
    until = Position(kind=PositionKind.TIME, number=1_004)
    for backwards, found in ((False, [0, 1, 2, 3]), (True, [3, 2, 1, 0])):
        request = ReadRequest(topics=(orders,), until=until, newest_first=backwards)
        page = await read_page(view, request)
        assert (values(page), page.left) == (found, 0)
