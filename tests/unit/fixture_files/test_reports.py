"""Problems as continuous integration and editors read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from fakebus import __version__
from fakebus.cli.main import run
from fakebus.fixture_files import reports
from fakebus.fixture_files.drift.findings import DriftFinding
from fakebus.fixture_files.lint_rules import RULES
from fakebus.fixture_files.problems import FixtureProblem
from tests.unit.fixture_files.conftest import WriteSet

FILES = {
    "fakebus.yaml": "version: 1\ntopics:\n  - {name: t, load: [a.ndjson, b.ndjson, c.ndjson]}\n",
    "a.ndjson": '{"value": 1, "partition": 7}\n{"value": 1, "partition": 8}\n',
    "b.ndjson": '{"value": 1, "headers": {"ce_id": "1"}}\n',
    "c.ndjson": '{"value": 2}\n',
}


@pytest.fixture
def broken(write_set: WriteSet) -> Path:
    return write_set(FILES)


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    directory = tmp_path / "clean"
    directory.mkdir()
    (directory / "fakebus.yaml").write_text("version: 1\n")
    return directory


def checked(capsys: pytest.CaptureFixture[str], format_: str, *directories: Path) -> str:
    code = run(["fixtures", "check", "--format", format_, *map(str, directories)])
    output = capsys.readouterr().out
    assert code == (1 if "set" in {each.name for each in directories} else 0)
    return output


def junit(text: str) -> Element:
    (suite,) = fromstring(text)  # noqa: S314 - it is ours
    return suite


def test_junit_has_a_case_for_each_file_with_problems_and_each_set_without(
    broken: Path, clean: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = junit(checked(capsys, "junit", broken, clean))
    assert suite.attrib == {
        "name": "fakebus fixtures check",
        "tests": "3",
        "failures": "2",
        "errors": "0",
    }
    cases = {case.attrib["name"]: case for case in suite}
    assert set(cases) == {str(clean), f"{broken}/a.ndjson", f"{broken}/b.ndjson"}
    assert len(cases[str(clean)]) == 0
    (failure,) = cases[f"{broken}/a.ndjson"]
    assert failure.attrib["type"] == "invalid"
    assert failure.attrib["message"] == "there is no partition 7: t has 1"
    assert (failure.text or "").count("there is no partition") == 2
    assert cases[f"{broken}/b.ndjson"][0].attrib["type"] == "ce-attribute"


def test_junit_can_hold_whatever_a_file_holds(
    write_set: WriteSet, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = write_set({"fakebus.yaml": 'version: 1\n"\\x01<&>\\"\U0001f393": 1\n'})
    (case,) = junit(checked(capsys, "junit", directory))
    assert "<&>" in case[0].attrib["message"]


def test_names_of_files_and_messages_cannot_break_a_report() -> None:
    hostile = "a\x1b[31m\nb\u202e\udcff"
    problem = FixtureProblem(file=f"{hostile}.yaml", line=1, column=1, message=hostile)
    suite = junit(reports.junit([problem], [Path(hostile)]))
    shown = "a\\x1b[31m\\nb\\u202e\\udcff"
    assert [case.get("name") for case in suite] == [shown, f"{shown}.yaml"]
    assert suite[1].get("file") == f"{shown}.yaml"
    assert suite[1][0].get("message") == shown
    assert suite[1][0].text == f"{shown}.yaml:1:1: {shown}"


def test_a_finding_of_drift_has_no_line_that_others_have_written() -> None:
    hostile = "a\nfakebus: forged"
    finding = DriftFinding(
        severity="note",
        subject="s",
        file="f",
        message=hostile,
        changes=(hostile,),
        hint=hostile,
    )
    assert [line[:8] for line in finding.text().split("\n")] == ["f:1: not", "  change", "  to do:"]


def test_sarif_names_rules_places_and_levels(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log: dict[str, Any] = json.loads(checked(capsys, "sarif", broken))
    assert log["version"] == "2.1.0"
    (found,) = log["runs"]
    driver = found["tool"]["driver"]
    assert driver["semanticVersion"] == __version__
    rules = {rule["id"] for rule in driver["rules"]}
    assert set(RULES) < rules
    first, *_, last = found["results"]
    assert first["level"] == "error"
    assert first["ruleId"] == "invalid"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == f"{broken}/a.ndjson"
    assert place["region"] == {"startLine": 1, "startColumn": 27}
    assert "; write a number from 0 to 0" in first["message"]["text"]
    assert (last["level"], last["ruleId"]) == ("warning", "ce-attribute")
    assert {result["ruleId"] for result in found["results"]} <= rules


def test_json_has_every_field(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = json.loads(checked(capsys, "json", broken))[0]
    assert first == {
        "file": f"{broken}/a.ndjson",
        "line": 1,
        "column": 27,
        "message": "there is no partition 7: t has 1",
        "hint": "write a number from 0 to 0, or give the topic more partitions",
        "rule": "invalid",
    }


def test_people_get_a_line_for_each_problem(
    broken: Path, clean: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    *lines, last = checked(capsys, "text", broken).splitlines()
    assert lines[0] == (
        f"{broken}/a.ndjson:1:27: there is no partition 7: t has 1; "
        "write a number from 0 to 0, or give the topic more partitions"
    )
    assert last == f"{broken}: {len(lines)} problems"
    assert checked(capsys, "text", clean) == f"{clean}: no problems\n"
