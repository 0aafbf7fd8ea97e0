"""``fakebus fixtures lock``: pin the schemas that a set's events were made with."""

from __future__ import annotations

import argparse
from pathlib import Path

from fakebus.cli.fixture_arguments import add_directory_argument
from fakebus.cli.output import print_lines
from fakebus.wording import counted

NAME = "lock"
HELP = "pin the schemas that the events were made with"
DESCRIPTION = (
    "Write fixtures.lock, which pins every schema of the set. From then on a changed schema is a "
    "problem for fakebus fixtures check until somebody has looked at the events and locked anew."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments."""
    add_directory_argument(parser)
    parser.add_argument(
        "--package",
        metavar="NAME",
        help="note the package that the schemas come from, with its installed version",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit code 1 if the lock is missing or does not fit",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write or check the lock."""
    from fakebus.cli.packages import package_version
    from fakebus.clock import SystemClock
    from fakebus.fixture_files.drift.lock import LOCK_FILE, lock_problems, read_lock, write_lock
    from fakebus.fixture_files.loader import load_fixtures

    directory: Path = arguments.directory
    fixture_set = load_fixtures(directory, now_ms=SystemClock().now_ms())
    if not arguments.check:
        earlier = read_lock(directory)
        made_with = None if earlier is None else earlier.made_with
        if arguments.package is not None:
            made_with = package_version(arguments.package)
        path = write_lock(fixture_set, made_with)
        count = len(fixture_set.schemas)
        print_lines(f"{path}: {counted(count, 'schema')}")
        return 0
    problems = lock_problems(directory, fixture_set)
    print_lines(*map(str, problems))
    if read_lock(directory) is None:
        print_lines(f"{directory / LOCK_FILE}:1:1: there is no lock; run  fakebus fixtures lock")
        return 1
    return 1 if problems else 0
