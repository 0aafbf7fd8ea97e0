"""Causes of a share group's being stuck, found in made-up views."""

from __future__ import annotations

from typing import Any

from fakebus.lineage.why.explanation import explain
from fakebus.lineage.why.view import GroupView, InFlight, Member, Program, Progress
from fakebus.types import TopicPartition

PLACE = TopicPartition("orders", 0)
MEMBER = Member(
    member_id="m-1", program=Program(client_id="worker"), host="/127.0.0.1", partitions=(PLACE,)
)


def causes(*in_flight: InFlight) -> list[dict[str, Any]]:
    part = Progress(place=PLACE, committed=4, start=0, end=8, stable_end=8, member=MEMBER)
    view = GroupView(
        name="g",
        state="Stable",
        now_ms=1_000_000,
        since_ms=0,
        members=[MEMBER],
        partitions=[part],
        shares=True,
        in_flight=in_flight,
        delivery_limit=5,
        asked_ms={"m-1": 1_000_000},
    )
    found: list[dict[str, Any]] = explain(view)["causes"]
    return found


def test_a_share_group_that_works_is_well_although_nobody_commits() -> None:
    assert causes(InFlight(PLACE, 4, 7, 1, "m-1", 2000)) == []


def test_a_record_that_is_given_back_again_and_again_is_named() -> None:
    [cause] = causes(InFlight(PLACE, 4, 4, 3), InFlight(PLACE, 5, 7, 2))

    assert cause["code"] == "poison_record"
    assert cause["evidence"]["record"] == "orders[0]@4"
    assert cause["evidence"]["attempts"] == 3
    assert "2 deliveries are left" in cause["text"]


def test_a_member_that_holds_on_to_records_is_named() -> None:
    [cause] = causes(InFlight(PLACE, 4, 7, 1, "m-1", 20_000))

    assert cause["code"] == "not_committing"
    assert cause["evidence"]["client_id"] == "worker"
    assert "4 records from orders[0]@4 on for 20 s" in cause["text"]
