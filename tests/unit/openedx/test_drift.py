"""The shipped set against the openedx-events that is installed, whichever that is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakebus.cli.main import run
from fakebus.fixture_files.drift.lock import lock_problems, read_lock
from fakebus.fixture_files.loader import load_fixtures
from fakebus.openedx.catalogue import events_version, load_catalogue

FIXTURES = Path(__file__).parents[3] / "fixtures"
SHIPPED = "openedx-events 11.2.0"


def test_the_schemas_are_those_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    installed = f"openedx-events {events_version()}"
    known = {each.event_type for each in load_catalogue()}
    types = {row["event_type"] for row in json.loads((FIXTURES / "catalog.json").read_text())}
    code = run(
        ["fixtures", "drift", str(FIXTURES), "--package", "openedx-events", "--format", "json"]
    )
    found = json.loads(capsys.readouterr().out)
    # An older package knows fewer events; what it does know is the same.
    gone = {one["subject"] for one in found if one["severity"] == "breaking"}
    assert {name for name in types if any(f"-{name}." in each for each in gone)} == types - known
    assert code == (1 if types - known else 0)
    others = [one["message"] for one in found if one["severity"] != "breaking"]
    assert others == (
        [] if installed == SHIPPED else [f"the set was made with {SHIPPED}, here is {installed}"]
    )


def test_the_lock_fits() -> None:
    fixture_set = load_fixtures(FIXTURES, now_ms=1_700_000_000_000)
    lock = read_lock(FIXTURES)
    assert lock is not None
    assert lock.made_with == SHIPPED
    assert lock_problems(FIXTURES, fixture_set) == []
