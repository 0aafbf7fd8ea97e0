"""A set against records, without a cluster: what is found and what is not worth a word."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fakebus.fixture_files.drift.live import against_topics
from fakebus.fixture_files.drift.set_subjects import set_subjects
from fakebus.fixture_files.loader import load_fixtures
from fakebus.fixture_files.recording.reading import SourceRecord, SourceTopic
from tests.unit.fixture_files.conftest import WriteSet

Live = Callable[[Sequence[tuple[Any, Any]]], list[str]]


def record(key: Any, value: Any, *headers: tuple[str, bytes | None], offset: int = 0) -> Any:
    def data(each: Any) -> bytes | None:
        if each is None or isinstance(each, bytes):
            return each
        return each.encode() if isinstance(each, str) else json.dumps(each).encode()

    return SourceRecord(0, offset, 0, data(key), data(value), headers)


@pytest.fixture
def live(write_set: WriteSet) -> Callable[..., list[str]]:
    def compare(events: str, records: Sequence[Any], partitions: int = 1) -> list[str]:
        load = ", load: t.ndjson" if events else ""
        root = write_set(
            {
                "fakebus.yaml": f"version: 1\ntopics:\n  - {{name: t{load}}}\n",
                "t.ndjson": events,
            }
        )
        fixture_set = load_fixtures(root, now_ms=1_700_000_000_000)
        topic = SourceTopic(name="t", partitions=partitions, config={}, records=records)
        found = against_topics(fixture_set, set_subjects(fixture_set), [topic], None, "bus")
        return [
            line
            for one in found
            for line in (f"{one.severity}: {one.message}", *(f"  {each}" for each in one.changes))
        ]

    return compare


EVENT = '{"key": "k", "value": {"a": {"b": 1}, "c": ["x"]}, "headers": {"h": "1"}}\n'
SAME = {"a": {"b": 2}, "c": ["y", "z"]}
NEVER = "drift: t on bus holds what the set's events never do (1 record read)"
GONE = "note: t on bus never holds what the set's events do (1 record read)"


@pytest.mark.parametrize(
    ("records", "lines"),
    [
        ([record("other", SAME, ("h", b"2"))], []),
        ([record("k", SAME, ("h", b"2"), ("traceparent", b"00"), ("b3", b"0"))], []),
        (
            [record("k", {**SAME, "d": {"e": 1}}, ("h", b"2"))],
            [NEVER, '  "value.d" (object) in 1 place'],
        ),
        (
            [record("k", {"a": {"b": "text"}, "c": [None]}, ("h", None))],
            [
                NEVER,
                '  "value.a.b" is also string, here only number',
                '  "value.c[]" is also null, here only string',
                '  "header h" is also null, here only string',
            ],
        ),
        (
            [record("k", {"c": ["x"]}, ("h", b"2"))],
            [GONE, '  "value.a" (object)'],
        ),
        (
            [record(None, SAME, ("h", b"2"))],
            [NEVER, '  "key" is also null, here only string'],
        ),
        (
            [record("k", b"\xff\xfe", ("h", b"2"))],
            [
                NEVER,
                '  "value" is also bytes, here only object',
                GONE,
                '  "value.a" (object)',
                '  "value.c" (array)',
            ],
        ),
        ([], ["note: t on bus has no records to compare with"]),
    ],
)
def test_findings(live: Callable[..., list[str]], records: Sequence[Any], lines: list[str]) -> None:
    assert live(EVENT, records) == lines


def test_other_partitions_are_told(live: Callable[..., list[str]]) -> None:
    assert live(EVENT, [record("k", SAME, ("h", b"1"))], partitions=6) == [
        "drift: t on bus has 6 partitions, the set's has 1; keys go to other partitions"
    ]


def test_a_topic_without_events_in_the_set_is_not_compared(
    live: Callable[..., list[str]],
) -> None:
    assert live("", [record("k", SAME)]) == []


def test_many_findings_are_cut_short(live: Callable[..., list[str]]) -> None:
    many = {f"field{number:03}": 1 for number in range(50)}
    lines = live('{"key": "k", "value": {}}', [record("k", many)])
    assert len(lines) == 22
    assert lines[-1] == "  and 30 more"
