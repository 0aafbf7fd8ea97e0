"""One module asks the machine for the time: tests replace the clocks that all others would ask."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "fakebus"
CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"}
# Commands run in processes of their own, and a date without a zone is the user's.
FREE = ("real_time.py", "cli/", "client/positions.py")


def asks(source: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            asked = (node.value.id == "time" and node.attr in CLOCKS) or (
                node.value.id in ("datetime", "date") and node.attr in ("now", "utcnow", "today")
            )
        else:
            asked = isinstance(node, ast.ImportFrom) and node.module == "time"
        if asked:
            yield node.lineno


def test_nothing_but_one_module_asks_for_the_time() -> None:
    found = [
        f"{name}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not (name := path.relative_to(PACKAGE).as_posix()).startswith(FREE)
        for line in asks(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_what_asks_for_the_time_is_recognized() -> None:
    assert list(asks("import time\ntime.monotonic()\ntime.sleep(1)\ndatetime.now()\n")) == [2, 4]
    assert list(asks("from time import time\n")) == [1]
