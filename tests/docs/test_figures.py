"""The commands that are named beside figures of the docs still measure something."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.docs.blocks import DOCS

pytestmark = pytest.mark.clients


@pytest.mark.parametrize(
    ("command", "measured"),
    [
        ("sql --records 300 --times 1", r"300 records of avro: [\d.]+ s"),
        ("storage --mib 1", r"read back in pieces of 1 MiB: +[\d.]+ MB/s"),
        ("checking --events 50 --runs 1", r"50 events: [\d.]+ s"),
    ],
    ids=lambda text: text.split()[0],
)
def test_a_command_beside_a_figure_measures(command: str, measured: str) -> None:
    command_line = [sys.executable, "-m", *f"benchmarks.{command}".split()]
    done = subprocess.run(
        command_line, cwd=DOCS.parent, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(measured, done.stdout), done.stdout
