"""``fakebus fixtures check``: every mistake in fixture files, for people, CI and editors."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from fakebus.cli.command_settings import path_argument
from fakebus.cli.fixture_arguments import add_report_argument, print_report
from fakebus.cli.output import JSON, print_json, print_lines
from fakebus.config import DEFAULT_FIXTURES
from fakebus.wording import counted

NAME = "check"
HELP = "report every mistake in fixture files"
DESCRIPTION = (
    "Report every mistake in directories of fixture files: what cannot be seeded, what is lost "
    "between writing and reading, and what surprises consumers. Exit code 1 if there are any."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments."""
    parser.add_argument(
        "directories",
        nargs="*",
        type=path_argument,
        default=[DEFAULT_FIXTURES],
        metavar="DIR",
        help="fixture sets, which are checked together: directories, packs, package:NAME, openedx "
        "(default: ./fixtures)",
    )
    parser.add_argument(
        "--profile", metavar="NAME", help="check only this profile (default: everything)"
    )
    add_report_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check the directories; 1 if there are mistakes."""
    # The reader of fixtures brings YAML and the formats with it; other commands need neither.
    from fakebus.fixture_files.drift.lock import LOCK_FILE
    from fakebus.fixture_files.loader import check_used
    from fakebus.fixture_files.problems import INVALID

    directories: list[Path] = arguments.directories
    problems, used, notes = check_used(directories, profile=arguments.profile)
    if arguments.format == JSON:
        print_json([asdict(problem) for problem in problems])
    elif not print_report(arguments, NAME, directories, problems):
        for problem in problems:
            rule = "" if problem.rule == INVALID else f" [{problem.rule}]"
            print_lines(f"{problem}{rule}")
        print_lines(*(f"{note} [note]" for note in notes))
        if used:
            print_lines(f"tested with {', '.join(used)}")
            without = [
                one for one in directories if one.is_dir() and not (one / LOCK_FILE).exists()
            ]
            print_lines(*(f"to pin them, run  fakebus fixtures lock {one}" for one in without))
        found = counted(len(problems), "problem") if problems else "no problems"
        print_lines(f"{', '.join(map(str, directories))}: {found}")
    return 1 if problems else 0
