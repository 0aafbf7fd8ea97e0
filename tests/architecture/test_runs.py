"""What CI does with tests that fail: once more, where that can be chance."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools import run_tests

PROGRAM = Path(run_tests.__file__)


class Pytest:
    """Runs of pytest that end as a test says.

    Args:
        runs: the tests that fail in each run, or its exit status.
    """

    def __init__(self, *runs: list[str] | int) -> None:
        self.runs = list(runs)
        self.arguments: list[Sequence[str]] = []

    def __call__(self, arguments: Sequence[str]) -> int:
        self.arguments.append(arguments)
        outcome = self.runs.pop(0)
        if isinstance(outcome, int):
            return outcome
        run_tests.FAILED.parent.mkdir(parents=True, exist_ok=True)
        run_tests.FAILED.write_text(json.dumps(dict.fromkeys(outcome, True)))
        return 1 if outcome else 0


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_fails_is_run_once_more_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    runs = Pytest(["tests/a.py::test_b", "tests/a.py::test_a"], [])
    assert run_tests.run(["-q", "tests"], runs) == 0
    assert [len(each) for each in runs.arguments] == [3, 6]
    assert "--last-failed" in runs.arguments[1]
    out = capsys.readouterr().out
    assert "2 of the tests failed" in out
    assert "    tests/a.py::test_a\n    tests/a.py::test_b\n" in out
    assert "by chance" in out


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([["t.py::a"], ["t.py::a"]], 1),
        ([["t.py::a", "t.py::b"], ["t.py::b"]], 1),
        ([["t.py::a"], 5], 5),
        ([[f"t.py::{number}" for number in range(4)]], 1),
        ([["tests/kill/test_bank.py::a"]], 1),
        ([["t.py::a", "tests/wire/test_fuzzing.py::b[1]"]], 1),
        ([2], 2),
        ([0], 0),
        ([1], 1),
    ],
)
def test_what_fails_again_or_must_never_fail_has_failed(
    outcomes: list[list[str] | int], status: int
) -> None:
    runs = Pytest(*outcomes)
    assert run_tests.run([], runs) == status
    assert runs.runs == []


def test_what_an_earlier_run_has_noted_is_not_run() -> None:
    Pytest(["t.py::old"])([])
    assert run_tests.run([], Pytest(1)) == 1


def told(source: str, *arguments: str) -> str:
    """What a run of a file of tests has told; it has to end well."""
    Path("test_it.py").write_text(source)
    command = [
        sys.executable,
        str(PROGRAM),
        "-q",
        "-n",
        "2",
        "--disable-plugin-autoload",
        "-p",
        "timeout",
    ]
    ran = subprocess.run(
        [*command, "-p", "xdist", "-p", "tools.file_scheduling", *arguments, "."],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTEST_ADDOPTS": "", "PYTHONPATH": str(PROGRAM.parents[1])},
        check=False,
    )
    out = ran.stdout.decode()
    assert ran.returncode == 0, out
    return out


def test_pytest_itself_runs_what_failed_and_nothing_else() -> None:
    out = told(
        "from pathlib import Path\n"
        "def test_by_chance():\n"
        "    there = Path('there').exists()\n"
        "    Path('there').touch()\n"
        "    assert there\n"
        "def test_always(): pass\n"
    )
    assert "1 failed, 1 passed" in out
    assert "\n1 passed" in out


def test_what_cannot_be_encoded_is_told_and_ends_no_worker() -> None:
    out = told(
        "import warnings\n"
        "from pathlib import Path\n"
        "HALF = chr(0xD800)\n"
        "def test_by_chance():\n"
        "    warnings.warn('half' + HALF)\n"
        "    there = Path('there').exists()\n"
        "    Path('there').touch()\n"
        "    assert there, 'half' + HALF\n"
        "def test_always(): pass\n",
        "-p",
        "tools.plain_reports",
    )
    assert "1 failed, 1 passed" in out
    assert "UserWarning: half\\ud800" in out
    assert "AssertionError: half\\ud800" in out


def test_what_waits_for_ever_is_ended_told_and_run_once_more() -> None:
    out = told(
        "import threading\n"
        "from pathlib import Path\n"
        "def test_by_chance():\n"
        "    there = Path('there').exists()\n"
        "    Path('there').touch()\n"
        "    while not there:\n"
        "        try:\n"
        "            threading.Event().wait()\n"
        "        except BaseException:\n"
        "            pass\n"
        "def test_always(): pass\n",
        *("--timeout", "1"),
    )
    assert "crashed while running 'test_it.py::test_by_chance'" in out
    assert 'test_it.py", line 8 in test_by_chance' in out
    assert "\n1 passed" in out


@pytest.mark.parametrize("behind", [0, 2])
def test_what_is_left_when_a_worker_has_ended_is_run_by_others(behind: int) -> None:
    for number in range(5):
        Path(f"test_{number}.py").write_text("def test_it(): pass\n")
    out = told(
        "import os\n"
        "from pathlib import Path\n"
        "def test_before(): pass\n"
        "def test_by_chance():\n"
        "    if not Path('there').exists():\n"
        "        Path('there').touch()\n"
        "        os._exit(1)\n" + "".join(f"def test_{n}(): pass\n" for n in range(behind)),
        *("--dist", "loadfile", "--no-loadscope-reorder"),
    )
    assert "crashed while running 'test_it.py::test_by_chance'" in out
    assert f"1 failed, {6 + behind} passed" in out
