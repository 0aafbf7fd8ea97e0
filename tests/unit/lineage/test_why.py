"""Causes of a group's being stuck, found in made-up views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fakebus.broker.fetch_positions import Beginning, FetchStream
from fakebus.lineage.why.explanation import explain
from fakebus.lineage.why.view import (
    GroupEvent,
    GroupView,
    Member,
    OpenTransaction,
    Program,
    Progress,
)
from fakebus.types import TopicPartition

PLACE = TopicPartition("orders", 0)
NOW_MS = 1_000_000
MEMBER = Member(
    member_id="m-1",
    program=Program(client_id="billing"),
    host="/127.0.0.1",
    partitions=(PLACE,),
)


def stream(connection: int, *, sent_to: int = 8, closed_ms: int | None = None) -> FetchStream:
    found = FetchStream("billing", connection, PLACE)
    found.group, found.sent_to, found.closed_ms = "g", sent_to, closed_ms
    found.asked_ms, found.is_waiting = NOW_MS, True
    return found


def progress(**changes: Any) -> Progress:
    facts = {"place": PLACE, "committed": 4, "start": 0, "end": 8, "stable_end": 8}
    return Progress(**{**facts, "member": MEMBER, **changes})


def codes(part: Progress, events: Sequence[GroupEvent] = ()) -> list[str]:
    view = GroupView(
        name="g",
        state="Stable",
        now_ms=NOW_MS,
        since_ms=NOW_MS,
        members=[MEMBER],
        partitions=[part],
        events=events,
    )
    return [cause["code"] for cause in explain(view)["causes"]]


def test_a_transaction_that_is_not_ended_is_told_with_where_it_holds_readers() -> None:
    part = progress(committed=5, stable_end=5, stream=stream(1, sent_to=5))
    view = GroupView(name="g", state="Stable", now_ms=NOW_MS, members=[MEMBER], partitions=[part])
    [cause] = explain(view)["causes"]
    assert cause["code"] == "open_transaction"
    assert "holds back orders[0] from offset 5 on: 3 records" in cause["text"]
    assert cause["evidence"]["partitions"][0]["last_stable_offset"] == 5


def test_the_producer_of_a_transaction_that_is_not_ended_is_named() -> None:
    whose = OpenTransaction("billing-1", 7, "bill\x1bing", NOW_MS - 5000, 60_000)
    part = progress(committed=5, stable_end=5, stream=stream(1, sent_to=5), transaction=whose)
    view = GroupView(name="g", state="Stable", now_ms=NOW_MS, members=[MEMBER], partitions=[part])
    [cause] = explain(view)["causes"]
    assert "the transaction of billing-1 (client bill\\x1bing) that is not ended" in cause["text"]
    assert cause["evidence"]["partitions"][0]["transaction"]["since_ms"] == NOW_MS - 5000


def test_a_transaction_ahead_of_a_group_does_not_hold_it_up_yet() -> None:
    assert codes(progress(committed=3, stable_end=5, stream=stream(1, sent_to=5))) == []


def test_a_record_that_three_connections_ended_with_is_poison() -> None:
    ends = [stream(number, closed_ms=NOW_MS - 100) for number in range(3)]
    begun = [Beginning(4, NOW_MS - 500 + at, each) for at, each in enumerate(ends)]
    assert codes(progress(stream=stream(9), beginnings=begun)) == ["poison_record"]
    assert codes(progress(stream=stream(9), beginnings=begun[:2])) == []


@pytest.mark.parametrize(("is_rebalanced", "found"), [(True, []), (False, ["poison_record"])])
def test_a_member_that_keeps_its_partition_over_rebalances_has_not_failed(
    is_rebalanced: bool, found: list[str]
) -> None:
    kept = stream(1)
    begun = [Beginning(4, NOW_MS - 500 + 100 * at, kept) for at in range(4)]
    events = [GroupEvent(each.at_ms - 10, "was assigned", "m-1", "orders[0]") for each in begun]
    part = progress(stream=kept, beginnings=begun)
    assert codes(part, events if is_rebalanced else ()) == found


def test_a_partition_that_goes_from_member_to_member_is_no_poison() -> None:
    others = [stream(number) for number in range(4)]
    begun = [Beginning(4, NOW_MS - 500 + at, each) for at, each in enumerate(others)]
    assert codes(progress(stream=others[-1], beginnings=begun)) == []


def test_evidence_names_process_and_service_of_who_left() -> None:
    process = {"pid": 7, "command": "python shop.py", "directory": "/"}
    program = Program(client_id="billing", service="shop", process=process)
    gone = GroupEvent(NOW_MS - 5000, "expelled", "m-1", "its session timed out", program)
    view = GroupView(
        name="g", state="Empty", now_ms=NOW_MS, partitions=[progress(member=None)], events=[gone]
    )
    [cause] = explain(view)["causes"]
    assert cause["code"] == "no_member"
    assert (cause["evidence"]["service"], cause["evidence"]["process"]) == ("shop", process)


@pytest.mark.parametrize(
    ("is_idle", "ago_ms", "lag", "found"),
    [
        (True, 3000, None, ["no_member"]),
        (True, 1000, None, []),
        (False, 3000, None, []),
        (False, 3000, 4, ["no_member"]),
        (True, 3000, 0, []),
    ],
)
def test_a_member_that_left_and_is_still_connected_has_not_polled(
    is_idle: bool, ago_ms: int, lag: int | None, found: list[str]
) -> None:
    program = Program(client_id="billing", is_idle=is_idle)
    left = GroupEvent(NOW_MS - ago_ms, "left", "m-1", "it left", program)
    committed = None if lag is None else 8 - lag
    view = GroupView(
        name="g",
        state="Empty",
        now_ms=NOW_MS,
        partitions=[progress(member=None, committed=committed)],
        events=[left],
    )
    causes = explain(view)["causes"]
    assert [cause["code"] for cause in causes] == found
    assert ["poll()" in cause["text"] for cause in causes] == [is_idle] * len(found)
    assert ["max.poll.interval.ms" in cause["remedy"] for cause in causes] == [is_idle] * len(found)
