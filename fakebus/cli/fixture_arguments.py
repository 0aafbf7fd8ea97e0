"""Arguments that several actions of ``fakebus fixtures`` take."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fakebus.cli.command_settings import path_argument
from fakebus.cli.output import JSON, TEXT, print_json, print_text
from fakebus.config import DEFAULT_FIXTURES

if TYPE_CHECKING:
    from fakebus.fixture_files.problems import FixtureProblem

_JUNIT = "junit"
_SARIF = "sarif"


def add_directory_argument(parser: argparse.ArgumentParser) -> None:
    """Add the fixture set that the action works with."""
    parser.add_argument(
        "directory",
        nargs="?",
        type=path_argument,
        default=DEFAULT_FIXTURES,
        metavar="DIR",
        help="the fixture set: a directory, a pack, package:NAME of an installed package, or "
        "openedx, which comes with fakebus (default: ./fixtures)",
    )


def add_report_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--format`` of actions that report problems."""
    parser.add_argument(
        "--format",
        choices=(TEXT, JSON, _JUNIT, _SARIF),
        help="text for people (default); json: a list of objects; junit and sarif for CI and "
        "editors",
    )


def print_report(
    arguments: argparse.Namespace,
    action: str,
    directories: Sequence[Path],
    problems: Sequence[FixtureProblem],
) -> bool:
    """Print problems in the format of a CI server or an editor, if one is asked for.

    Args:
        arguments: with ``--format``.
        action: who has found them.
        directories: the sets that were looked at.
        problems: what was found.

    Returns:
        Whether they are printed.
    """
    from fakebus.fixture_files.reports import junit, sarif

    if arguments.format == _JUNIT:
        print_text(junit(problems, directories, action))
    elif arguments.format == _SARIF:
        print_json(sarif(problems))
    return arguments.format in (_JUNIT, _SARIF)
