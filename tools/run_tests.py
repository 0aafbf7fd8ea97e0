"""Runs tests as CI does: what fails is told, and run once more by itself.

The tests speak with processes, sockets and clocks of a machine that does other things too. One that
fails by chance once in a hundred thousand times makes every third run of them all fail, which then
says nothing of the change. What fails twice has failed, and so have many that fail at once, or one
of those that look for what is lost or breaks once in a long while. See
docs/decisions/0022-what-fails-by-chance.md.

Run as ``python tools/run_tests.py ARGUMENTS``, with the arguments of pytest.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

FAILED = Path(".pytest_cache/v/cache/lastfailed")
"""Where pytest notes the tests that failed."""
MOST = 3
"""Tests of one run that may fail at first."""
ONCE = ("tests/kill/", "tests/wire/test_fuzzing")
"""Tests of what must never happen, not even once."""
_TESTS_FAILED = 1


def run(arguments: Sequence[str], pytest: Callable[[Sequence[str]], int]) -> int:
    """Run tests, and those that failed once more.

    Args:
        arguments: those of pytest.
        pytest: runs it with arguments, and returns its exit status.

    Returns:
        The exit status.
    """
    FAILED.unlink(missing_ok=True)
    # When one more fails, all has failed: nobody waits for hundreds that stand behind one another.
    status = pytest([*arguments, f"--maxfail={MOST + 1}"])
    if status != _TESTS_FAILED or not FAILED.exists():
        return status
    failed = sorted(json.loads(FAILED.read_text(encoding="utf-8")))
    never_again = [each for each in failed if each.startswith(ONCE)]
    if never_again or len(failed) > MOST:
        return status
    print(f"\n{len(failed)} of the tests failed, see above; run once more by themselves:")
    print("".join(f"    {each}\n" for each in failed), flush=True)
    again = ["--last-failed", "--last-failed-no-failures=none", "-n", "0"]
    status = pytest([*arguments, *again])
    if status == 0:
        print("They passed: by chance something of them fails, which is to be found and mended.")
    return status


def _pytest(arguments: Sequence[str]) -> int:
    # From the directory of the checkout: that of this file holds modules that have names of others.
    command = [sys.executable, "-m", "pytest", "-p", "tools.ended_workers", *arguments]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], _pytest))
