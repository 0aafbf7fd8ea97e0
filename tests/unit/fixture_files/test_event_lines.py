"""Lines of events files, which are decoded many at a time."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakebus.fixture_files.events import event_lines
from fakebus.fixture_files.events.event_lines import EventFile
from fakebus.fixture_files.loader import check_fixtures
from fakebus.fixture_files.problems import ProblemList
from tests.unit.fixture_files.conftest import WriteSet

LINES = [
    '{"value": 1}',
    '  {"value": {"a": [1]}} \r',
    "",
    '{"value": 1}, {"value": 2}',
    '{"value": [{"a": 1}',
    '{"b": 2}]}',
    '{"value": 1',
    '"key": 2}',
    '{"value": 1, "value": 2}',
    '{"value": NaN}',
    '{"value": 1} ]',
    "[",
    "]",
    "null",
    "2",
    '"text"',
    f'{{"value": {"9" * 5000}}}',
    f'{{"value": {"[" * 100_000}}}',
]


def read(text: str) -> tuple[list[tuple[int, object]], list[str]]:
    problems = ProblemList()
    file = EventFile("e.ndjson", "e.ndjson", text, None)
    found = [(event.line, event.fields) for event in file.read(problems)]
    return found, [str(problem) for problem in problems.sorted()]


@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=8))
@settings(max_examples=80)
def test_lines_mean_together_what_each_means_alone(lines: list[str]) -> None:
    together = read("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_lines, "_decoded", lambda lines: None)
        assert read("\n".join(lines)) == together


def test_lines_of_a_file_share_the_names_of_their_fields() -> None:
    found, _ = read('{"value": {"amount": 1}}\n' * 500)
    assert len(found) == 500
    names = {id(name) for _, fields in found for name in fields["value"]}  # type: ignore[index]
    assert len(names) < 10


def test_what_is_wrong_is_told_however_many_events_came_before(write_set: WriteSet) -> None:
    schema = {
        "type": "record",
        "name": "Order",
        "fields": [{"name": "total", "type": "int"}, {"name": "note", "type": "string"}],
    }
    right = [json.dumps({"key": "k", "value": {"total": n, "note": "x"}}) for n in range(700)]
    wrong = {
        601: {"total": 2**31, "note": "x"},
        602: {"total": True, "note": "x"},
        603: {"total": 1, "noted": "x"},
        604: {"total": 1, "note": 5},
    }
    lines = [json.dumps({"key": "k", "value": wrong[n]}) for n in wrong]
    yaml = (
        "version: 1\nsubjects: [{subject: s, schema: s.avsc}]\n"
        "topics: [{name: t, value: {subject: s}, load: e.ndjson}]\n"
    )
    files = {
        "fakebus.yaml": yaml,
        "s.avsc": json.dumps(schema),
        "e.ndjson": "\n".join([*right[:600], *lines, *right[600:]]),
    }
    found = [str(one).removeprefix(str(write_set({}))) for one in check_fixtures(write_set(files))]
    assert found == [
        '/e.ndjson:601:23: "value": $.total: 2147483648 is out of the range of int; '
        "mend the data, or the schema",
        '/e.ndjson:602:23: "value": $.total: expected int, got True; mend the data, or the schema',
        "/e.ndjson:603:23: \"value\": $: Order has no field 'noted'; did you mean 'note'?; "
        "mend the data, or the schema",
        '/e.ndjson:604:23: "value": $.note: expected string, got 5; mend the data, or the schema',
    ]
