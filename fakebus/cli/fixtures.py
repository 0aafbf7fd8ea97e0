"""Work with directories of fixture files.

fakebus fixtures check reads them as fakebus up would, reports every mistake with file,
line and column, and needs no running bus. The exit code is 1 if there are mistakes, so it
fits into a build.

Examples:
  fakebus fixtures check                       ./fixtures
  fakebus fixtures check fixtures tests/fixtures
  fakebus fixtures check --format json | jq '.[].message'
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from fakebus.cli.output import JSON, add_format_argument, print_json
from fakebus.config import DEFAULT_FIXTURES

NAME = "fixtures"
HELP = "check fixture files"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``fakebus fixtures``."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="report every mistake in fixture files",
        description="Report every mistake in directories of fixture files; exit code 1 if there "
        "are any.",
    )
    check.add_argument(
        "directories",
        nargs="*",
        type=Path,
        default=[DEFAULT_FIXTURES],
        metavar="DIR",
        help="directories with a fakebus.yaml (default: ./fixtures)",
    )
    add_format_argument(check, "a JSON list of objects with file, line, column, message and hint")


def run(arguments: argparse.Namespace) -> int:
    """Check the directories; 1 if there are mistakes."""
    # The reader of fixtures brings YAML and the formats with it; other commands need neither.
    from fakebus.fixture_files.loader import check_fixtures

    problems = [
        problem for directory in arguments.directories for problem in check_fixtures(directory)
    ]
    if arguments.format == JSON:
        print_json([asdict(problem) for problem in problems])
    else:
        for problem in problems:
            print(problem)
        count = len(problems)
        checked = ", ".join(map(str, arguments.directories))
        found = f"{count} problem{'' if count == 1 else 's'}" if count else "no problems"
        print(f"{checked}: {found}")
    return 1 if problems else 0
