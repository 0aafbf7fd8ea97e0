"""Scenarios: steps in order, played through any callable, and checked like events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakebus.fixture_files.loader import check_fixtures, load_scenarios
from fakebus.fixture_files.problems import FixtureError
from fakebus.fixture_files.scenarios.playing import ScenarioRecord, play, scenario_named
from tests.unit.fixture_files.conftest import WriteSet

NOW_MS = 1_700_000_000_000
SET = (
    "version: 1\nscenarios: scenarios/*.yaml\ntopics:\n"
    "  - {name: orders, partitions: 2, headers: {id: {$event: uuid}}}\n"
    "  - {name: refunds, key: {field: order}}\n"
)
REFUND = """\
description: a customer gets the money back
steps:
  - publish: {topic: orders, key: o1, value: {total: 12.5, paid: true, note: null}}
  - wait: 2s
  - repeat:
      times: 2
      every: 1m30s
      steps:
        - publish: {topic: refunds, value: {order: 7, at: {$time: at, as: timestamp-millis}}}
        - wait: 500ms
  - publish: {topic: orders, key: o1, value: null, partition: 1, headers: {h: x}, id: last}
"""


@pytest.fixture
def root(write_set: WriteSet) -> Path:
    return write_set({"fakebus.yaml": SET, "scenarios/refund.yaml": REFUND})


def played(root: Path, run: str = "", speed: float = 1) -> tuple[list[ScenarioRecord], list[float]]:
    scenario = load_scenarios(root, now_ms=NOW_MS)["refund"]
    records: list[ScenarioRecord] = []
    pauses: list[float] = []

    def now_ms() -> int:
        return NOW_MS + int(sum(pauses) * 1000)

    count = play(scenario, records.append, pauses.append, speed=speed, now_ms=now_ms, run=run)
    assert count == len(records)
    return records, pauses


def test_steps_happen_in_order_with_their_pauses(root: Path) -> None:
    records, pauses = played(root)
    assert pauses == [2, 0.5, 90, 0.5]
    assert [(each.topic, each.record.key) for each in records] == [
        ("orders", b"o1"),
        ("refunds", b"7"),
        ("refunds", b"7"),
        ("orders", b"o1"),
    ]
    assert json.loads(records[0].record.value or b"") == {"total": 12.5, "paid": True, "note": None}
    assert (records[3].record.value, records[3].partition) == (None, 1)
    assert records[3].record.headers[1:] == (("h", b"x"),)
    assert records[3].event_id == "last"


def test_records_have_the_time_at_which_they_are_published(root: Path) -> None:
    records, _ = played(root)
    times = [each.record.timestamp_ms - NOW_MS for each in records]
    assert times == [0, 2000, 92_500, 93_000]
    values = [json.loads(each.record.value or b"") for each in records[1:3]]
    assert [value["at"] - NOW_MS for value in values] == [2000, 92_500]


def test_a_faster_play_waits_less(root: Path) -> None:
    assert played(root, speed=10)[1] == [0.2, 0.05, 9, 0.05]


def test_two_runs_have_different_ids_and_one_name_has_the_same(root: Path) -> None:
    def ids(run: str) -> list[bytes | None]:
        return [
            each.record.headers[0][1] for each in played(root, run)[0] if each.topic == "orders"
        ]

    assert ids("a") == ids("a")
    assert not set(ids("a")) & set(ids("b"))
    assert len(set(ids(""))) == 2


def test_a_scenario_may_have_a_name_of_its_own(write_set: WriteSet) -> None:
    text = "version: 1\nname: other\nsteps: [{wait: 1s}]\n"
    root = write_set({"fakebus.yaml": SET, "scenarios/refund.yaml": text})
    assert list(load_scenarios(root, now_ms=NOW_MS)) == ["other"]
    assert load_scenarios(root, now_ms=NOW_MS)["other"].topics() == []


def test_an_unknown_scenario_is_told_with_the_nearest(root: Path) -> None:
    scenarios = load_scenarios(root, now_ms=NOW_MS)
    assert scenarios["refund"].topics() == ["orders", "refunds"]
    with pytest.raises(FixtureError) as raised:
        scenario_named(scenarios, "refnud", "fakebus.yaml")
    assert str(raised.value) == (
        'fakebus.yaml:1:1: the set has no scenario "refnud"; did you mean "refund"?'
    )
    with pytest.raises(FixtureError, match="name its file under scenarios"):
        scenario_named({}, "refund", "fakebus.yaml")


CASES: dict[str, tuple[str, str]] = {
    "list": ("- 1\n", "1:1: a scenario must be an object; begin with the line  steps:"),
    "no steps": ("name: x\n", '1:1: a scenario needs the field "steps"; add  steps:'),
    "empty": (
        "steps: []\n",
        "1:8: there are no steps; write  - publish: {...}, - wait: 2s  or  - repeat: {...}",
    ),
    "field": (
        "stepps: 1\nsteps: [{wait: 1s}]\n",
        '1:1: a scenario has no field "stepps"; did you mean "steps"?',
    ),
    "step": (
        "steps: [wait]\n",
        "1:9: a step must be an object; write  - publish: {...}, - wait: 2s  or  - repeat: {...}",
    ),
    "nothing": (
        "steps: [{}]\n",
        "1:9: the step does nothing; write  - publish: {...}, - wait: 2s  or  - repeat: {...}",
    ),
    "two": (
        "steps: [{wait: 1s, publish: {topic: orders, value: 1}}]\n",
        "1:9: the step does 2 things at once; "
        "write  - publish: {...}, - wait: 2s  or  - repeat: {...}",
    ),
    "expect": (
        "steps: [{wait: 1s, expect: 1}]\n",
        '1:20: a step has no field "expect"; did you mean "repeat"?',
    ),
    "wait": (
        "steps: [{wait: 2}]\n",
        '1:16: "2" is not a time that one can wait; write a time such as 2s, 500ms or 1m30s',
    ),
    "negative": (
        "steps: [{wait: -2s}]\n",
        '1:16: "-2s" is not a time that one can wait; write a time such as 2s, 500ms or 1m30s',
    ),
    "times": (
        "steps: [{repeat: {times: 0, steps: [{wait: 1s}]}}]\n",
        '1:26: "times" is 0; write a number from 1 to 10000',
    ),
    "no times": (
        "steps: [{repeat: {steps: [{wait: 1s}]}}]\n",
        '1:18: "repeat" needs the field "times"; add  times:',
    ),
    "every": (
        "steps: [{repeat: {times: 1, every: soon, steps: [{wait: 1s}]}}]\n",
        '1:36: "soon" is not a time that one can wait; write a time such as 2s, 500ms or 1m30s',
    ),
    "no topic": (
        "steps: [{publish: {value: 1}}]\n",
        '1:19: "publish" needs the field "topic"; add  topic:',
    ),
    "unknown topic": (
        "steps: [{publish: {topic: order, value: 1}}]\n",
        '1:27: there is no topic "order"; did you mean "orders"?',
    ),
    "no value": (
        "steps: [{publish: {topic: orders}}]\n",
        '1:19: the event has no value; write "value": null for a tombstone',
    ),
    "at": (
        "steps: [{publish: {topic: orders, value: 1, at: now}}]\n",
        '1:45: "publish" has no field "at"; known: headers, id, key, partition, topic, value',
    ),
    "partition": (
        "steps: [{publish: {topic: orders, value: 1, partition: 9}}]\n",
        "1:56: there is no partition 9: orders has 2; "
        "write a number from 0 to 1, or give the topic more partitions",
    ),
    "value": (
        "steps:\n  - publish:\n      topic: orders\n      value: {$uiud: x}\n",
        '4:14: "value": there is no function "$uiud"; '
        'did you mean "$uuid"?; a name that is data is written "$$uiud"',
    ),
    "format": (
        "steps: [{publish: {topic: orders, value: {type: avro, subject: none, data: 1}}}]\n",
        '1:42: "value": there is no subject "none"; add it under subjects',
    ),
    "key": (
        "steps: [{publish: {topic: refunds, value: {ordre: 1}}}]\n",
        '1:43: the key is to come from "order" in the value, but there is no field "order"; '
        'did you mean "ordre"? it has: ordre',
    ),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_mistake_in_a_scenario_is_told_with_its_place(
    write_set: WriteSet, text: str, expected: str
) -> None:
    root = write_set({"fakebus.yaml": SET, "scenarios/refund.yaml": text})
    (problem,) = check_fixtures(root, now_ms=NOW_MS)
    assert str(problem) == f"{root / 'scenarios/refund.yaml'}:{expected}"


def test_mistakes_in_naming_scenarios_are_told(write_set: WriteSet) -> None:
    text = SET.replace(
        "scenarios/*.yaml", "['a*.yml', none.yaml, scenarios/x.yaml, scenarios/*.yaml, /*.yaml]"
    )
    same = "name: same\nsteps: [{wait: 1s}]\n"
    files = {"scenarios/x.yaml": same, "scenarios/y.yaml": same}
    root = write_set({"fakebus.yaml": text, **files})
    found = [
        f"{one.line}: {one.message}; {one.hint}" for one in check_fixtures(root, now_ms=NOW_MS)
    ]
    assert found == [
        '2: no file is called "a*.yml"; mend the pattern',
        f'2: there is no file "none.yaml" in {root}; create it or mend the path',
        '2: the scenario "scenarios/x.yaml" is named twice; name it once',
        '2: the path "/*.yaml" is absolute; '
        "write a path inside the fixture directory, relative to this file",
        f'1: there are two scenarios "same" (the first in {root / "scenarios/x.yaml"}); '
        "give one another name",
    ]


def test_a_scenario_may_be_played_long_after_it_was_read(root: Path) -> None:
    scenario = load_scenarios(root, now_ms=NOW_MS)["refund"]
    later = NOW_MS + 86_400_000
    records: list[ScenarioRecord] = []
    play(scenario, records.append, lambda _: None, now_ms=lambda: later)
    assert records[0].record.timestamp_ms == later


def test_scenarios_use_subjects_so_that_these_are_not_reported_as_unused(
    write_set: WriteSet,
) -> None:
    text = SET + "subjects: [{subject: s, schema: s.avsc}]\n"
    scenario = "steps: [{publish: {topic: orders, value: {subject: s, data: hello}}}]\n"
    root = write_set({"fakebus.yaml": text, "s.avsc": '"string"', "scenarios/a.yaml": scenario})
    assert check_fixtures(root, now_ms=NOW_MS) == []
    (record,) = load_scenarios(root, now_ms=NOW_MS, schema_ids={("s", 1): 77})["a"].moments()
    assert isinstance(record, ScenarioRecord)
    assert record.record.value == b"\0\0\0\0\x4d\x0ahello"


def test_scenarios_of_used_sets_are_played_by_their_names(write_set: WriteSet) -> None:
    named = SET.replace("version: 1", "version: 1\nname: shared")
    own = "version: 1\nname: own\nuses: [{path: shared}]\nscenarios: refund.yaml\n"
    root = write_set(
        {
            "shared/fakebus.yaml": named,
            "shared/scenarios/refund.yaml": REFUND,
            "shared/scenarios/other.yaml": REFUND,
            "fakebus.yaml": own,
            "refund.yaml": "steps:\n  - publish: {topic: orders, value: mine}\n",
        }
    )
    found = load_scenarios(root, now_ms=NOW_MS)
    assert sorted(found) == ["other", "own/refund", "refund", "shared/other", "shared/refund"]
    assert found["refund"].topics() == ["orders"]
    assert found["shared/refund"].topics() == ["orders", "refunds"]
