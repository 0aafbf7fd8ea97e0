"""Flows as lines for people."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from fakebus.lineage.flow_text import drawn


def record(
    name: str, service: str = "shop", *groups: dict[str, Any], **more: Any
) -> dict[str, Any]:
    told = {"record": name, "service": service, "client_id": "", "origin": "produced"}
    times = {"timestamp_ms": 1000, "written_at_ms": 1000}
    topic = name.partition("[")[0]
    return {**told, **times, "topic": topic, "groups": list(groups), **more}


def edge(cause: str, effect: str, rank: int = 1, rivals: int = 0) -> dict[str, Any]:
    known = {"evidence": "observed", "by": "fetch", "delay_ms": 41}
    return {"from": cause, "to": effect, "rank": rank, "rivals": rivals, **known}


def flow(*parts: dict[str, Any], asked: str = "a[0]@0", **more: Any) -> dict[str, Any]:
    records = [part for part in parts if "record" in part]
    edges = [part for part in parts if "from" in part]
    return {"records": records, "edges": edges, "asked": asked, "behind": 0, **more}


def tree(told: dict[str, Any]) -> list[str]:
    """Return the lines of a flow but for those that say that nobody reads a topic."""
    return [line for line in drawn(told) if "no group has ever read" not in line]


def test_effects_stand_below_their_causes_with_what_became_of_them() -> None:
    group = {"group": "billing", "state": "not_subscribed", "service": "", "reason": "no member"}
    seen = {**group, "state": "handled", "certain": False}
    told = flow(
        record("a[0]@0", "shop", group, seen),
        record("b[0]@0", "billing", written_at_ms=1041),
        record("c[0]@0", "mail", written_at_ms=172_801_399),
        edge("a[0]@0", "b[0]@0"),
        edge("a[0]@0", "c[0]@0"),
    )
    assert list(drawn(told)) == [
        "a[0]@0  shop  <- asked",
        "│  · billing not subscribed: no member",
        "│  · billing perhaps handled: no member",
        "├─ b[0]@0  billing  observed (fetch), +41 ms",
        "│     · no group has ever read b",
        "└─ c[0]@0  mail  observed (fetch), +2 d",
        "      · no group has ever read c",
        "",
        "from 1970-01-01 00:00:01.000 UTC",
        "   +0.000 s  a[0]@0  shop",
        "   +0.041 s  b[0]@0  billing",
        "+172800.399 s  c[0]@0  mail",
    ]


def test_delays_are_told_by_the_clock_that_the_timeline_is_told_by() -> None:
    parts = record("a[0]@0"), record("b[0]@0", timestamp_ms=844, written_at_ms=1146)
    told = tree(flow(*parts, {**edge("a[0]@0", "b[0]@0"), "delay_ms": -156}))
    assert told[1] == "└─ b[0]@0  shop  observed (fetch), +146 ms"
    assert told[-1].startswith("   +0.146 s")
    parts = record("a[0]@0"), record("b[0]@0", timestamp_ms=844, written_at_ms=None)
    told = tree(flow(*parts, {**edge("a[0]@0", "b[0]@0"), "delay_ms": -156}))
    assert told[1] == "└─ b[0]@0  shop  observed (fetch), -156 ms"


def test_a_cause_that_is_stated_and_not_there_is_told() -> None:
    lacking = {"causes_not_found": [{"by": "ce_causationid", "id": "web-7"}]}
    told = "says that web-7 has caused it (ce_causationid), which no record here is"
    alone = tree(flow(record("a[0]@0", **lacking)))
    assert [line.strip(" ·│") for line in alone[1:]] == [told]
    parts = record("a[0]@0"), record("b[0]@0", **lacking)
    lines = tree(flow(*parts, edge("a[0]@0", "b[0]@0")))
    assert f"      · {told}: what else may have is only what seemed possible" in lines


def test_of_several_possible_causes_the_likeliest_is_above_and_all_are_named() -> None:
    told = flow(
        record("a[0]@0"),
        record("a[0]@1"),
        record("b[0]@0", "billing"),
        edge("a[0]@0", "b[0]@0", 2, 1),
        edge("a[0]@1", "b[0]@0", 1, 1),
        asked="b[0]@0",
    )
    assert tree(told)[:5] == [
        "a[0]@1  shop",
        "└─ b[0]@0  billing  observed (fetch), +0 ms  <- asked",
        "      · 2 possible causes, the likeliest first:",
        "      ·   1. a[0]@1  observed (fetch)",
        "      ·   2. a[0]@0  observed (fetch)",
    ]


def test_what_a_record_may_have_caused_among_others_is_named_and_not_drawn() -> None:
    told = flow(record("a[0]@0"), record("b[0]@0"), edge("a[0]@0", "b[0]@0", 2, 1))
    lines = tree(told)
    assert lines[:3] == ["a[0]@0  shop  <- asked", "   · may also have caused b[0]@0", ""]


def test_a_record_with_two_sure_causes_is_drawn_once() -> None:
    told = flow(
        record("a[0]@0"),
        record("b[0]@0"),
        record("c[0]@0"),
        edge("a[0]@0", "c[0]@0"),
        edge("b[0]@0", "c[0]@0"),
    )
    assert [line for line in drawn(told) if "c[0]@0" in line][:2] == [
        "└─ c[0]@0  shop  observed (fetch), +0 ms",
        "└─ c[0]@0  shop  observed (fetch), +0 ms (see above)",
    ]


def test_a_circle_has_a_beginning_and_an_end() -> None:
    told = flow(
        record("a[0]@0"), record("b[0]@0"), edge("a[0]@0", "b[0]@0"), edge("b[0]@0", "a[0]@0")
    )
    lines = [line.strip("└─ ").partition(" ")[0] for line in tree(told)]
    assert lines[:4] == ["a[0]@0", "b[0]@0", "a[0]@0", ""]


def test_a_chain_of_a_thousand_records_is_drawn() -> None:
    names = [f"a[0]@{offset}" for offset in range(1000)]
    edges = [edge(cause, effect) for cause, effect in pairwise(names)]
    assert sum("└─" in line for line in drawn(flow(*map(record, names), *edges))) == 999


def test_what_is_left_out_or_not_known_yet_is_told() -> None:
    told = flow(record("a[0]@0"), left_out=["7 more"])
    assert tree({**told, "behind": 2})[1:] == [
        "not shown: 7 more",
        "2 records not looked at yet: there may be more to it",
    ]


def test_nothing_found_is_told() -> None:
    told = list(drawn(flow(asked="o-7")))
    assert told == ["no record has 'o-7' as an id or key, or says it"]


def test_a_time_beyond_all_calendars_is_left_out() -> None:
    told = flow(record("a[0]@0", written_at_ms=None, timestamp_ms=1 << 60), record("b[0]@0"))
    assert not any(line.startswith("from") for line in drawn(told))
