"""``fakebus top``: what changes between two looks, and how it is drawn."""

from __future__ import annotations

import re

import pytest

from fakebus.cli import top
from fakebus.cli.main import run
from fakebus.cli.output import screen
from fakebus.cli.top import Change, Look, change
from fakebus.cluster.interface import GroupSummary


def look(at_s: float, ends: dict[str, int], lags: dict[str, int | None]) -> Look:
    groups = tuple(
        GroupSummary(name=name, state="stable", kind="classic", members=1, topics=(), lag=lag)
        for name, lag in lags.items()
    )
    ones = dict.fromkeys(ends, 1)
    return Look(at_s=at_s, partitions=ones, records=ends, ends=ends, groups=groups, faults=None)


def test_rates_are_by_the_second_and_the_busiest_come_first() -> None:
    before = look(10, {"a": 5, "b": 100, "c": 7}, {"g": 3, "h": None, "gone": 9})
    now = look(12, {"a": 5, "b": 101, "c": 4, "new": 40}, {"g": 13, "h": 20, "young": None})
    found = change(before, now)
    assert [(row[0], row[3]) for row in found.topics] == [
        ("new", 20.0),
        ("b", 0.5),
        ("a", 0.0),
        ("c", 0.0),
    ]
    assert [(row[0], row[3], row[4]) for row in found.groups] == [
        ("h", 20, None),
        ("g", 13, 5.0),
        ("young", None, None),
    ]


def test_a_screen_holds_both_tables_and_what_is_switched_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    topics = [(f"topic-{number}", 1, 2, 0.5) for number in range(100)]
    groups = [(f"group-{number}", "stable", 1, 5, -1.5) for number in range(100)]
    faults = [{"description": "slow\x1b[2J fetches"}]
    top._draw("here", Change(topics=topics, groups=groups, faults=faults), 40, "")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    assert lines[0] == "here: 100 topics"
    assert sum("topic-" in line for line in lines) == 13
    assert sum("group-" in line and "-1.5" in line for line in lines) == 14
    assert lines[-1] == "on purpose: slow\\x1b[2J fetches"
    top._draw("here", Change(topics=topics, groups=groups, faults=faults), 40, "no\x1b answer")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    assert [line.strip() for line in lines[1:3]] == [
        "WHAT IS BELOW IS NOT TOLD ANY MORE",
        "no\\x1b answer",
    ]


@pytest.mark.parametrize(
    ("lines", "width", "shown", "hidden"),
    [
        (8, 80, ("group-with-a-long-name", "1500", "-1.5"), "topic-with"),
        (8, 20, ("group-with-a",), "1500"),
        (18, 28, ("topic-with", "20000", "group-with", "1500"), "Stable"),
        (12, 40, ("no answer", "1500"), "topic-with"),
        (24, 50, ("topic-with", "12.5", "and 2 more faults on purpose"), "Stable"),
    ],
)
def test_a_small_window_shows_what_matters_most_and_whole_numbers(
    lines: int,
    width: int,
    shown: tuple[str, ...],
    hidden: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    topics = [(f"topic-with-a-long-name-{number}", 3, 20_000, 12.5) for number in range(9)]
    groups = [(f"group-with-a-long-name-{number}", "Stable", 2, 1500, -1.5) for number in range(9)]
    faults = [{"description": f"fetches wait, by fault {number}"} for number in range(5)]
    problem = "no answer" if lines == 12 else ""
    top._draw("here", Change(topics=topics, groups=groups, faults=faults), lines, problem)
    told = re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out)
    # The line that the cursor stands in is one of the window's too.
    assert told.count("\n") < lines
    assert max(map(len, told.splitlines())) <= width
    assert [each for each in shown if each not in told] == []
    assert hidden not in told


def test_the_terminal_is_given_back_whatever_happens(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="anything"), screen() as clear:
        clear(int("anything"))  # type: ignore[call-arg]
    assert capsys.readouterr().out.endswith("\x1b[?1049l\x1b[?25h")


@pytest.mark.parametrize("interval", ["0", "-1", "nan", "1e9"])
def test_an_interval_is_a_time(interval: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", "--interval", interval]) == 2
    assert "--interval is a number of seconds" in capsys.readouterr().err
