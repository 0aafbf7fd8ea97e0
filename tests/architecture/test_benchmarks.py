"""Measured figures in the docs: they come from a command that stands beside them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from benchmarks import charts, page
from benchmarks.results import RESULTS, Results

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"))
    if path != page.PAGE and path.parent.name != "decisions"
)
MEASURED = re.compile(
    r"\b(takes?|took|needs?|costs?|delays?|loads?|starts? in|within|instead of)\b"
    r"[^.|]*?\b\d[\d.,]* (ms|µs|MB|GB)\b"
)
COMMAND = re.compile(r"`(make |python -m |\.venv/bin/python )")
SVG = "{http://www.w3.org/2000/svg}"


def test_the_page_and_its_charts_are_made_from_the_results_beside_them() -> None:
    made = page.files(Results.load(RESULTS))
    assert {path.name: path.read_text() for path in made} == {
        path.name: text for path, text in made.items()
    }
    assert page.PAGE in made
    there = {path.name for path in page.CHARTS.glob("benchmark-*.svg")}
    assert there == {path.name for path in made if path != page.PAGE}


def test_charts_have_their_figures_in_words() -> None:
    for path in page.CHARTS.glob("benchmark-*.svg"):
        chart = fromstring(path.read_text())  # noqa: S314 - our own
        assert chart.findtext(f"{SVG}title")
        assert re.search(r"\d", chart.findtext(f"{SVG}desc", ""))
        assert chart.get("aria-labelledby") == "title description"
        assert [part.get("id") for part in chart[:2]] == ["title", "description"]


def test_names_in_charts_are_text() -> None:
    for chart in (
        charts.bars("<b> & co", [("fakebus <i>", 1.0, 0.5, 2.0)]),
        charts.lines("<b> & co", [("<i>, ms", [(1, 2.0), (10, 3.0)])]),
    ):
        title = fromstring(chart).findtext(f"{SVG}title")  # noqa: S314 - our own
        assert title == "<b> & co"
        assert "<i>" not in chart


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([(1, 40.0), (1_000, 41.0), (10_000, 44.0)], "flat"),
        ([(1, 40.0), (1_000, 46.0), (10_000, 90.0)], "+5.00 MB for each 1,000"),
        ([(1, 0.15), (1_000_000, 0.16)], "flat"),
        ([(10_000, 10.0), (1_010_000, 40.0)], "+30.0 MB for each 1,000,000"),
    ],
)
def test_growth_is_flat_or_has_a_slope(points: list[tuple[int, float]], words: str) -> None:
    assert page.slope(points, "RSS, MB") == words


def test_a_rate_that_falls_is_not_flat() -> None:
    assert page.slope([(1, 40_000.0), (1_000, 10_000.0)], "batches/s") == "-75%"


def test_every_measured_figure_of_a_page_has_its_command_beside_it() -> None:
    alone = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in PAGES
        for paragraph in re.split(r"\n\s*\n|\n(?=[-*|] )", path.read_text())
        if (found := MEASURED.search(" ".join(paragraph.split()))) and not COMMAND.search(paragraph)
    ]
    assert alone == []


def test_a_step_that_stands_still_is_ended_and_tells_where() -> None:
    code = (
        "import time\nfrom benchmarks.peers import time_limit\n"
        "with time_limit(60, 'a quick step'):\n    pass\n"
        "def stand_still():\n    time.sleep(60)\n"
        "with time_limit(0.05, 'kfake: reset'):\n    stand_still()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "kfake: reset has taken more than 0 s" in done.stderr
    assert "in stand_still" in done.stderr
    assert "a quick step" not in done.stderr
