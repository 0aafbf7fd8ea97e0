"""``fakebus fixtures check``: every mistake in fixture files, for people, CI and editors."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from fakebus.cli.fixture_arguments import add_report_argument, print_report
from fakebus.cli.output import JSON, print_json, print_lines
from fakebus.config import DEFAULT_FIXTURES, fixture_path
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
        type=fixture_path,
        default=[DEFAULT_FIXTURES],
        metavar="DIR",
        help="directories with a fakebus.yaml (default: ./fixtures)",
    )
    parser.add_argument(
        "--profile", metavar="NAME", help="check only this profile (default: everything)"
    )
    add_report_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check the directories; 1 if there are mistakes."""
    # The reader of fixtures brings YAML and the formats with it; other commands need neither.
    from fakebus.clock import SystemClock
    from fakebus.fixture_files.loader import check_fixtures, load_fixtures
    from fakebus.fixture_files.problems import INVALID
    from fakebus.fixture_files.set_conflicts import set_conflicts

    directories: list[Path] = arguments.directories
    problems = [
        problem
        for directory in directories
        for problem in check_fixtures(directory, profile=arguments.profile)
    ]
    if len(directories) > 1 and not problems:
        now_ms = SystemClock().now_ms()
        sets = [
            load_fixtures(directory, now_ms=now_ms, profile=arguments.profile)
            for directory in directories
        ]
        problems += set_conflicts(sets)
    if arguments.format == JSON:
        print_json([asdict(problem) for problem in problems])
    elif not print_report(arguments, NAME, directories, problems):
        for problem in problems:
            rule = "" if problem.rule == INVALID else f" [{problem.rule}]"
            print_lines(f"{problem}{rule}")
        found = counted(len(problems), "problem") if problems else "no problems"
        print_lines(f"{', '.join(map(str, directories))}: {found}")
    return 1 if problems else 0
