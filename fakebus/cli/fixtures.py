"""Work with directories of fixture files.

fakebus fixtures check reads them as fakebus up would, reports every mistake with file,
line and column, and needs no running bus. The exit code is 1 if there are mistakes, so it
fits into a build.

Examples:
  fakebus fixtures check                       ./fixtures
  fakebus fixtures check fixtures tests/fixtures
  fakebus fixtures check --format json | jq '.[].message'
  fakebus fixtures drift --package openedx-events --registry https://registry.example.org
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import Protocol

from fakebus.cli.fixture_actions import (
    check,
    diff,
    drift,
    generate,
    init,
    lock,
    pack,
    play,
    record,
    schema,
    seed,
)
from fakebus.cli.main import Command
from fakebus.cli.progress import working


class Action(Command, Protocol):
    """Action: a module of :mod:`fakebus.cli.fixture_actions`."""

    NAME: str
    HELP: str
    DESCRIPTION: str


ACTIONS: tuple[Action, ...] = (
    init,
    check,
    seed,
    play,
    record,
    generate,
    drift,
    lock,
    diff,
    pack,
    schema,
)


_WORK = {
    "check": "checking",
    "diff": "comparing",
    "drift": "comparing",
    "generate": "generating",
    "pack": "packing",
    "record": "recording",
}
"""What is said while an action takes long; some wait, or tell more themselves."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions of ``fakebus fixtures``."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action in ACTIONS:
        added = actions.add_parser(action.NAME, help=action.HELP, description=action.DESCRIPTION)
        action.configure(added)
        added.set_defaults(action=action)


def run(arguments: argparse.Namespace) -> int:
    """Carry out the chosen action."""
    action = arguments.action
    with working(_WORK[action.NAME]) if action.NAME in _WORK else nullcontext():
        code: int = action.run(arguments)
    return code
