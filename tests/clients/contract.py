"""What scripts may rely on in the JSON of ``flow``, ``clients``, ``why`` and ``impact``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

NAME = re.compile(r".+\[\d+\]@\d+")
PLACE = re.compile(r"(.+\[\d+\]@\d+|.+:\d+)")
PROCESS = {"pid": int, "command": str}
GROUP = {
    "group": str,
    "state": set("waiting fetched handled skipped unreadable gone hidden not_subscribed".split()),
    "member": str,
    "service": str,
    "fetched_at_ms": (int, None),
    "attempts": int,
    "committed_at_ms": (int, None),
    "reason": str,
}
RECORD = {
    "record": NAME,
    "topic": str,
    "partition": int,
    "offset": int,
    "timestamp_ms": int,
    "origin": {"produced", "seeded", "replayed", "rest", "redis"},
    "service": str,
    "client_id": str,
    "process": (PROCESS, None),
    "address": str,
    "groups": [GROUP],
}
EDGE = {
    "from": NAME,
    "to": NAME,
    "evidence": {"stated", "correlated", "observed", "hinted"},
    "by": str,
    "delay_ms": int,
    "rivals": int,
}
FLOW = {"records": [RECORD], "edges": [EDGE], "asked": str, "behind": int}
CODES = set(
    "no_member not_subscribed idle_members rebalancing not_fetching poison_record not_committing "
    "commit_refused offset_out_of_range waits_at_latest open_transaction unknown_topic "
    "unreachable_address fault_or_throttle slow".split()
)
CAUSE = {"code": CODES, "text": str, "remedy": str, "remedies": [str], "evidence": {}}
WHY = {"group": str, "state": str, "lag": (int, None), "well": bool, "causes": [CAUSE]}
BREAK = {
    "who": str,
    "kind": {"reader", "consumer", "fixture", "level", "event"},
    "why": str,
    "where": PLACE,
}
IMPACT = {"subject": str, "compatible": bool, "level": str, "breaks": [BREAK]}
CLIENTS = [
    {
        "client_id": str,
        "service": str,
        "software": str,
        "address": str,
        "process": (PROCESS, None),
        "groups": [str],
        "produces": [str],
        "consumes": [str],
        "asked_for_unknown": [str],
        "first_seen_ms": int,
        "last_seen_ms": int,
    }
]


def check(told: Any, shape: Any, where: str = "$") -> None:
    """Raise AssertionError where JSON is not what a shape says; more fields are allowed."""
    match shape:
        case tuple():
            if told is not None or None not in shape:
                check(told, shape[0], where)
        case list():
            assert isinstance(told, list), where
            for number, each in enumerate(told):
                check(each, shape[0], f"{where}[{number}]")
        case set():
            assert told in shape, f"{where} is {told!r}"
        case re.Pattern():
            assert shape.fullmatch(told), f"{where} is {told!r}"
        case type():
            assert type(told) is shape, f"{where} is {told!r}"
        case Mapping():
            assert isinstance(told, dict), where
            for name, field in shape.items():
                assert name in told, f"{where} has no {name}"
                check(told[name], field, f"{where}.{name}")


def check_flow(told: dict[str, Any]) -> None:
    """Raise AssertionError for a flow, told in full, that is not what the contract says."""
    check(told, FLOW)
    records = {each["record"]: each for each in told["records"]}
    assert len(records) == len(told["records"])
    pairs = [(edge["from"], edge["to"]) for edge in told["edges"]]
    assert len(set(pairs)) == len(pairs)
    assert {end for pair in pairs for end in pair} <= set(records)
    for name, each in records.items():
        assert name == f"{each['topic']}[{each['partition']}]@{each['offset']}"
        groups = [group["group"] for group in each["groups"]]
        assert len(set(groups)) == len(groups)
        for group in each["groups"]:
            is_sent = group["attempts"] > 0
            assert (group["fetched_at_ms"] is not None) == is_sent, group
            if group["state"] in ("fetched", "handled"):
                assert is_sent, group
                assert group["service"], group
            if group["state"] in ("waiting", "fetched", "not_subscribed", "hidden"):
                assert group["committed_at_ms"] is None, group
            if group["state"] != "handled":
                assert group["reason"], group
    for edge in told["edges"]:
        cause, effect = records[edge["from"]], records[edge["to"]]
        assert edge["delay_ms"] == effect["timestamp_ms"] - cause["timestamp_ms"]
        others = [other for other in told["edges"] if other["to"] == edge["to"]]
        assert edge["rivals"] == len(others) - 1, edge
        assert sorted(other["rank"] for other in others) == list(range(1, len(others) + 1))
