"""``fakebus fixtures lock``: pin the schemas that a set's events were made with."""

from __future__ import annotations

import argparse

from fakebus.cli.fixture_arguments import add_directory_argument
from fakebus.cli.output import print_lines
from fakebus.errors import ConfigError
from fakebus.wording import counted

NAME = "lock"
HELP = "pin the schemas that the events were made with, and the sets that are used"
DESCRIPTION = (
    "Write fixtures.lock, which pins every schema of the set and every set that it uses. From then "
    "on a changed schema, or a used set that has changed, is a problem for fakebus fixtures check, "
    "until somebody has looked at the events and locked anew."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments."""
    add_directory_argument(parser)
    parser.add_argument(
        "--package",
        metavar="NAME",
        help="note the package that the schemas come from, with its installed version",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit code 1 if the lock is missing or does not fit",
    )
    what.add_argument(
        "--update",
        action="store_true",
        help="pin the used sets as they are now, and say what has changed in them",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write or check the lock."""
    from fakebus.cli.packages import package_version
    from fakebus.clock import SystemClock
    from fakebus.fixture_files.drift.lock import (
        LOCK_FILE,
        RULE,
        lock_problems,
        read_lock,
        write_lock,
    )
    from fakebus.fixture_files.loader import check_fixtures, load_fixtures
    from fakebus.fixture_files.problems import FixtureError

    try:
        fixture_set = load_fixtures(arguments.directory, now_ms=SystemClock().now_ms())
    except FixtureError:
        # What does not fit often has its cause in what has changed, so that is told first.
        found = check_fixtures(arguments.directory)
        print_lines(*(str(one) for one in found if one.rule == RULE))
        raise
    directory = fixture_set.root
    if not directory.is_dir():
        raise ConfigError(f"{directory} is a file, which needs no lock: it does not change")
    earlier = read_lock(directory)
    if arguments.check:
        problems = lock_problems(directory, fixture_set)
        print_lines(*map(str, problems))
        if earlier is None:
            path = directory / LOCK_FILE
            print_lines(f"{path}:1:1: there is no lock; run  fakebus fixtures lock")
        return 1 if problems or earlier is None else 0
    if directory != arguments.directory:
        raise ConfigError(
            f"{arguments.directory} is installed in {directory}: lock it where it is written, and "
            "install it again"
        )
    changed = lock_problems(directory, fixture_set, only_uses=True)
    if earlier is not None and earlier.uses:
        print_lines(*(one.message if arguments.update else str(one) for one in changed))
        if changed and not arguments.update:
            return 1
    made_with = None if earlier is None else earlier.made_with
    if arguments.package is not None:
        made_with = package_version(arguments.package)
    path = write_lock(fixture_set, made_with)
    pinned = counted(len(fixture_set.own.schemas), "schema")
    print_lines(f"{path}: {', '.join([pinned, *(one.label for one in fixture_set.uses)])}")
    return 0
