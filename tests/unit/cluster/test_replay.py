"""Records that are written once more.

Here a bus of the process is asked; tests/clients/python/test_clusters.py asks the same of a cluster
outside, Apache Kafka included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fakebus.client.positions import Position, PositionKind
from fakebus.cluster import replay
from fakebus.cluster.browsing import ReadRequest, read_page
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.cluster.events import Event
from fakebus.cluster.header_policies import copied_headers
from fakebus.cluster.interface import Cluster, NotFoundError
from fakebus.cluster.replay import Range, ReplayRequest, ReplayStep, parse_range, replay_step
from fakebus.errors import ConfigError
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition
from fakebus.wording import counted

EARLIEST = Position(kind=PositionKind.EARLIEST)


def at(number: int) -> Position:
    return Position(kind=PositionKind.OFFSET, number=number)


async def written(
    view: Cluster, topic: str, count: int, partitions: int = 1, step_ms: int = 1, **configs: str
) -> None:
    """Fill a new topic with records that take turns in its partitions."""
    await view.create_topic(topic, partitions, {"retention.ms": "-1"} | configs)
    for n in range(count):
        record = NewRecord(b"k%d" % n, b"%d" % n, (("n", b"%d" % n),), 1_000 + n * step_ms)
        await view.produce(topic, n % partitions, record)


async def read(view: Cluster, topic: str) -> list[Event]:
    return list((await read_page(view, ReadRequest(topics=(topic,), limit=500))).events)


async def replayed(view: Cluster, request: ReplayRequest) -> list[ReplayStep]:
    """Make all steps of a replay."""
    steps = [await replay_step(view, request)]
    while steps[-1].cursor is not None:
        steps.append(await replay_step(view, request, steps[-1].cursor))
    return steps


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("orders", Range("orders", None, EARLIEST, None)),
        ("orders[3]", Range("orders", 3, EARLIEST, None)),
        ("orders[3]@7", Range("orders", 3, at(7), at(7))),
        ("orders@7..9", Range("orders", None, at(7), at(9))),
        ("orders@..9", Range("orders", None, EARLIEST, at(9))),
        ("a.b@9..", Range("a.b", None, at(9), None)),
        ("a@-2..", Range("a", None, Position(kind=PositionKind.LAST, number=2), None)),
        (
            "a@-5s..1970-01-01T00:00:09Z",
            Range(
                "a",
                None,
                Position(kind=PositionKind.TIME, number=5_000),
                Position(kind=PositionKind.TIME, number=9_000),
            ),
        ),
    ],
)
def test_a_range_is_read_as_people_write_it(text: str, found: Range) -> None:
    assert parse_range(text, 10_000) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "a[x]@1",
        "a[1",
        "a@x",
        "a@-5m",
        "a@1..2..3",
        "[0]@1",
        "a@5..4",
        "a@1970-01-02..1970-01-01",
    ],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no (range|offset)|is not a position"):
        parse_range(text, 0)


async def test_a_range_is_written_once_more_to_its_topic(view: Cluster, orders: str) -> None:
    await written(view, orders, 8, partitions=2)
    now_ms = view.now_ms()
    (step,) = await replayed(view, ReplayRequest(ranges=[f"{orders}[1]@1..2"]))
    assert step.records == [
        {"from": f"{orders}[1]@1", "to": f"{orders}[1]@4"},
        {"from": f"{orders}[1]@2", "to": f"{orders}[1]@5"},
    ]
    assert (step.replayed, step.matched, step.problem) == (2, 2, None)
    copies = (await read(view, orders))[8:]
    assert [(each.key, each.data) for each in copies] == [(b"k3", 3), (b"k5", 5)]
    assert all(each.timestamp_ms >= now_ms for each in copies)
    assert copies[0].headers == (("n", b"3"), ("fakebus-replay-of", f"{orders}[1]@1".encode()))


async def test_what_is_there_at_the_beginning_is_written_once(view: Cluster, orders: str) -> None:
    await written(view, orders, 6, partitions=2)
    request = ReplayRequest(ranges=[orders, f"{orders}[0]@0", f"{orders}@4.."])
    (step,) = await replayed(view, request)
    assert step.replayed == 7
    assert sum(log.records for log in (await view.ranges([orders])).values()) == 13


async def test_nothing_is_written_to_try_what_would_be(view: Cluster, orders: str) -> None:
    await written(view, orders, 6)
    request = ReplayRequest(
        ranges=[orders], filter="value > 3", to=orders, dry_run=True, headers="keep"
    )
    (step,) = await replayed(view, request)
    assert (step.replayed, step.matched, step.scanned) == (0, 2, 6)
    assert [each["to"] for each in step.records] == [f"{orders}[0]"] * 2
    assert len(await read(view, orders)) == 6
    (step,) = await replayed(view, replace(request, dry_run=False))
    assert step.replayed == 2
    assert [each.headers for each in (await read(view, orders))[6:]] == [
        (("n", b"4"),),
        (("n", b"5"),),
    ]


async def test_copies_go_to_the_partition_of_their_key_where_their_own_is_missing(
    view: Cluster, orders: str, billing: str
) -> None:
    await written(view, orders, 9, partitions=3)
    await view.create_topic(billing, 2)
    (step,) = await replayed(view, ReplayRequest(ranges=[orders], to=billing))
    assert step.replayed == 9
    where = {each.key: each.partition for each in await read(view, billing)}
    assert [where[b"k%d" % n] for n in (0, 3, 6, 1, 4, 7)] == [0, 0, 0, 1, 1, 1]
    assert len(where) == 9


async def test_steps_write_each_record_once_and_in_its_order(
    view: Cluster, orders: str, billing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "STEP_S", 0)
    monkeypatch.setattr(replay, "_PAGE", 4)
    await written(view, orders, 20, partitions=3)
    await view.create_topic(billing, 3)
    steps = await replayed(view, ReplayRequest(ranges=[orders, f"{orders}[0]@1..2"], to=billing))
    assert len(steps) == 6
    assert sum(step.replayed for step in steps) == 22
    for partition in range(3):
        found = [each.data for each in await read(view, billing) if each.partition == partition]
        assert found == [*range(partition, 20, 3), *([3, 6] if partition == 0 else [])]


async def test_pauses_between_records_are_kept_over_steps(
    view: Cluster, orders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "STEP_S", 0.05)
    await written(view, orders, 4, step_ms=1_000)
    steps = await replayed(view, ReplayRequest(ranges=[orders], speed=2))
    if not isinstance(view, EmbeddedCluster):
        # A cluster outside may take longer to answer than a step lasts.
        steps = [step for step in steps if step.replayed]
    assert [step.replayed for step in steps] == [1, 1, 1, 1]
    assert [step.wait_s for step in steps] == [0.5, 0.5, 0.5, 0]
    monkeypatch.setattr(replay, "STEP_S", 60)
    (step,) = await replayed(view, ReplayRequest(ranges=[f"{orders}@0..3"], speed=1e9))
    assert (step.replayed, step.wait_s) == (4, 0)


async def test_a_copy_that_a_topic_does_not_take_ends_the_replay(
    view: Cluster, orders: str, billing: str
) -> None:
    await written(view, orders, 2)
    await view.produce(orders, 0, NewRecord(None, b"x" * 2_000))
    await view.create_topic(billing, 1, {"max.message.bytes": "1000"})
    (step,) = await replayed(view, ReplayRequest(ranges=[orders], to=billing))
    assert step.problem is not None
    # Clients of an outside cluster may have put the smaller ones into one batch with it.
    taken = (2,) if isinstance(view, EmbeddedCluster) else (0, 1, 2)
    assert step.problem.startswith(
        f"{billing} does not take {counted(3 - step.replayed, 'record')}: "
    )
    assert step.replayed == len(await read(view, billing))
    assert step.replayed in taken


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({}, "a replay is of ranges of records, or of what has come since a snapshot"),
        ({"ranges": ["a"], "since": "b"}, "of ranges of records, or of what"),
        ({"ranges": ["a"], "headers": "some"}, "headers are one of new, keep, none"),
        ({"ranges": ["a"], "speed": -1}, "a speed is a number above 0, not -1"),
        ({"ranges": ["a"], "speed": float("nan")}, "not nan"),
        ({"ranges": ["a"], "filter": "vlue = 1"}, "did you mean value"),
        ({"ranges": ["a"] * 1001}, "1000 ranges at most"),
        ({"ranges": ["orders"], "to": "__consumer_offsets"}, "is an internal topic"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(
    view: Cluster, orders: str, request_: Mapping[str, Any], told: str
) -> None:
    ranges = [orders if each == "orders" else each for each in request_.get("ranges", ())]
    await written(view, orders, 1)
    with pytest.raises(ConfigError, match=re.escape(told)):
        await replay_step(view, ReplayRequest(**{**request_, "ranges": ranges}))


async def test_what_is_not_there_is_named(view: Cluster, orders: str) -> None:
    await written(view, orders, 1)
    with pytest.raises(NotFoundError, match=f"did you mean {orders}"):
        await replay_step(view, ReplayRequest(ranges=[f"{orders}x"]))
    with pytest.raises(NotFoundError, match=f"{orders} has no partition 7"):
        await replay_step(view, ReplayRequest(ranges=[f"{orders}[7]@1"]))
    for record, told in (
        (f"{orders}[0]@1", f"there is no {orders}[0]@1: the partition has offsets 0 to 0"),
        (f"{orders}@1", f"no partition of {orders} has a record at offset 1"),
    ):
        with pytest.raises(NotFoundError, match=re.escape(told)):
            await replay_step(view, ReplayRequest(ranges=[record]))
    with pytest.raises(NotFoundError, match=f"did you mean {orders}"):
        await replay_step(view, ReplayRequest(ranges=[orders], to=f"{orders}x"))


@pytest.mark.parametrize(
    "cursor",
    [
        {"left": 7},
        {"left": [["orders"]]},
        {"left": [["orders", {"x": [0, 1]}]]},
        {"left": [["orders", [1]]]},
        {"index": "x"},
        {"last_ms": []},
        {"index": float("inf")},
    ],
)
async def test_a_cursor_that_is_none_is_refused(view: Cluster, cursor: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="the cursor is that of the step before"):
        await replay_step(view, ReplayRequest(ranges=["orders"]), cursor)


async def test_a_cursor_of_partitions_that_are_gone_comes_to_its_end(
    view: Cluster, orders: str
) -> None:
    await written(view, orders, 2)
    cursor = {"left": [[orders, {"0": [1, 99], "5": [0, 3]}]]}
    step = await replay_step(view, ReplayRequest(ranges=[orders]), cursor)
    assert (step.replayed, step.cursor) == (1, None)


def test_headers_of_another_event_are_left_out_of_a_new_one() -> None:
    names = "ce_id CE-TIME ce_type traceparent X-B3-SpanId baggage kafka_dlt-exception-message"
    names += " __connect.errors.stage causationId fakebus-replay-of correlation_id n"
    event = Event(
        topic="t",
        partition=1,
        offset=2,
        timestamp_ms=0,
        key=None,
        value=None,
        headers=tuple((name, b"old") for name in names.split()),
    )
    new = copied_headers(event, "new", 1_700_000_000_000)
    assert [name for name, _ in new] == [
        *("ce_id", "CE-TIME", "ce_type", "correlation_id", "n", "fakebus-replay-of")
    ]
    assert re.fullmatch(rb"[0-9a-f-]{36}", new[0][1] or b"")
    assert [value for _, value in new[1:]] == [
        *(b"2023-11-14T22:13:20.000Z", b"old", b"old", b"old", b"t[1]@2")
    ]
    assert copied_headers(event, "new", 0, is_there=False)[-1] == ("n", b"old")
    assert copied_headers(event, "keep", 0) == list(event.headers)
    assert copied_headers(event, "none", 0) == []


async def test_the_ends_of_a_page_may_come_before_those_of_the_topic(
    view: Cluster, orders: str
) -> None:
    await written(view, orders, 6, partitions=2)
    ends = {TopicPartition(orders, 0): 2, TopicPartition(orders, 1): -1}
    page = await read_page(view, ReadRequest(topics=(orders,), ends=ends, newest_first=True))
    assert [each.data for each in page.events] == [2, 0]
    assert page.left == 0
