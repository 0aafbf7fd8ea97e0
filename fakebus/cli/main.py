"""The command line: which commands there are, and what their failures look like."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from typing import Protocol

from fakebus import __version__
from fakebus.cli import doctor, fixtures, groups, openedx, produce, tail, topics, up
from fakebus.errors import FakebusError

EXIT_OK = 0
EXIT_FAILED_CHECK = 1
EXIT_BAD_INPUT = 2


class Command(Protocol):
    """A module of this package that is a command."""

    NAME: str
    HELP: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Carry the command out and return the exit code."""


COMMANDS: tuple[Command, ...] = (
    up,
    topics,
    produce,
    tail,
    groups,
    doctor,
    fixtures,
    openedx,
)

_DESCRIPTION = """\
The Kafka you don't have to run: one small process that speaks the Kafka protocol, keeps
its data in one SQLite file and is seeded from fixture files.
"""

_EPILOG = """\
Try this:
  fakebus up                          Kafka on 127.0.0.1:9092, seeded from ./fixtures
  fakebus topics                      what is on the bus
  fakebus tail my-topic --from earliest
  fakebus doctor                      why does my client not see anything?

Exit codes: 0 fine, 1 a check failed, 2 wrong usage or bad input.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fakebus",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fakebus {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        added = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.configure(added)
        added.set_defaults(command=command)
    return parser


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code.

    Args:
        arguments: the words after ``fakebus``.
    """
    parsed = _parser().parse_args(arguments)
    if parsed.command is not up:
        gc.enable()
    try:
        code: int = parsed.command.run(parsed)
    except FakebusError as error:
        print(f"fakebus: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except BrokenPipeError:
        # The reader of our output has gone, as in `fakebus tail … | head`.
        sys.stderr.close()
        return EXIT_OK
    except KeyboardInterrupt:
        return EXIT_OK
    return code
