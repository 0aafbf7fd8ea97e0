"""The command line: which commands there are, and what their failures look like."""

from __future__ import annotations

import argparse
import errno
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn, Protocol, cast

from fakebus import __version__
from fakebus.cli.command_settings import complete
from fakebus.cli.output import abandon_output, print_text
from fakebus.config import unknown_variables
from fakebus.errors import FakebusError
from fakebus.escaping import printable, shortened
from fakebus.wording import close_names

EXIT_OK = 0
EXIT_FAILED_CHECK = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
"""As shells tell it: with 0 a script would go on as if all had been done."""
_CHECKS = ("contract", "doctor", "fixtures", "impact", "status", "why")
"""Commands whose exit code is a finding, which is not "fine" where nobody has taken it."""


class Command(Protocol):
    """Command: a module of this package."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Carry the command out and return the exit code."""


COMMANDS: Mapping[str, str] = {
    "demo": "show what this is for: a small shop with a mistake to find",
    "up": "start the bus",
    "down": "stop the bus that was started in the background",
    "status": "tell whether the bus in the background runs",
    "topics": "show, create and delete topics",
    "produce": "write records to a topic",
    "sql": "ask topics by SQL",
    "tail": "print the records of topics as they arrive",
    "clients": "show the clients of a fakebus, and what they do",
    "groups": "show consumer groups, move their offsets, delete them",
    "top": "show topics, groups and lag as they change",
    "console": "serve the console of any Kafka cluster",
    "snapshot": "keep the state of a whole bus, go back to it, compare",
    "replay": "write records once more, to their topic or another",
    "brokers": "stop and start the brokers that a fakebus seems to have",
    "faults": "let requests of clients fail on purpose, for a time",
    "mcp": "give coding agents tools for the bus",
    "why": "explain why a consumer group is stuck",
    "doctor": "find out why a client sees nothing",
    "fixtures": "work with fixture files",
    "contract": "compare what services produce and accept",
    "catalogue": "show every event type, and who owns, writes and reads it",
    "flow": "show what caused a record, what it caused, and what became of it",
    "impact": "say whom a change of a schema would break",
    "openedx": "write a fixture set from the installed openedx-events",
}
"""Each command, which is the name of its module, and what it is for in a few words."""

_DESCRIPTION = """\
The Kafka you don't have to run: one small process that speaks the Kafka protocol, keeps
its data in one SQLite file and is seeded from fixture files.
"""

_EPILOG = """\
Try this:
  fakebus demo                        a small shop, its events, and what is wrong with it
  fakebus up                          Kafka on 127.0.0.1:9092, seeded from ./fixtures
  fakebus topics                      what is on the bus
  fakebus tail my-topic --from earliest
  fakebus doctor                      why does my client not see anything?

Exit codes: 0 fine, 1 a check failed, 2 wrong usage or bad input, 130 interrupted by Ctrl-C.
"""


def command_module(name: str) -> Command:
    """Return the module of a command."""
    return cast(Command, import_module(f"fakebus.cli.{name}"))


class _Actions(argparse._SubParsersAction):  # type: ignore[type-arg]
    """Actions of a command; options that may come several times add to those before the action."""

    def __call__(self, parser: Any, namespace: Any, *rest: Any) -> None:
        """Parse what follows an action's name."""
        before = {name: given for name, given in vars(namespace).items() if isinstance(given, list)}
        super().__call__(parser, namespace, *rest)
        for name, given in before.items():
            behind = getattr(namespace, name)
            if behind is not given:
                setattr(namespace, name, [*given, *behind])


class _Parser(argparse.ArgumentParser):
    """Parser of a command line that quotes what it refuses so that it prints."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register("action", "parsers", _Actions)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is, and end with the exit code of wrong usage."""
        super().error(f"{printable(shortened(message))} (see {self.prog} --help)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuse what is left over here, where the command's options are known by name."""
        parsed, left = super().parse_known_args(args, namespace)
        if left:
            options = self._option_string_actions
            near = close_names(left[0].partition("=")[0], options, 1)
            # As in "topics create orders", where the first word was taken for a name.
            near = [f"--{word}" for word in args or () if f"--{word}" in options][:1] or near
            hint = f"; did you mean {near[0]}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(left)}{hint}")
        return parsed, left

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(value, str) and action.choices and value not in action.choices:
            for near in close_names(value, map(str, action.choices), 1):
                told = f"there is no {value!r}; did you mean {near}?"
                raise argparse.ArgumentError(action, told)
        super()._check_value(action, value)

    def _get_option_tuples(self, option_string: str) -> Any:
        found = super()._get_option_tuples(option_string)
        # The beginning of two names of one option is as good as of one.
        return found[:1] if len({id(each[0]) for each in found}) == 1 else found


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="fakebus",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fakebus {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, help_text in COMMANDS.items():
        added = commands.add_parser(
            name, help=help_text, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        # The other commands' modules take a fifth of the time that a bus needs to start.
        if name == chosen:
            command = command_module(name)
            added.description = command.__doc__
            command.configure(added)
            added.set_defaults(command=command)
    return parser


def _problem_outside(error: OSError | UnicodeEncodeError, arguments: Sequence[str]) -> str | None:
    """Return what the system or the words of the command have brought about."""
    if isinstance(error, UnicodeEncodeError):
        # Paths may have any bytes; names of topics, groups and snapshots are texts.
        words = (word for word in arguments if not _is_text(word))
        return next((f"{word!r:.100} is not UTF-8, as names are" for word in words), None)
    if error.errno == errno.ENAMETOOLONG:
        return f"the path {str(error.filename)[:100]}… cannot be used: {error.strerror}"
    if error.errno == errno.ENOSPC:
        abandon_output()
        return "the output cannot be written: the disk is full"
    return None


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code.

    Args:
        arguments: the words after ``fakebus``.
    """
    if "_ARGCOMPLETE" in os.environ:
        # The shell has called for argcomplete, and not the user.
        from fakebus.cli.completion import propose

        propose(_parser, os.environ)
    chosen = arguments[0] if arguments else ""
    parsed = _parser(chosen).parse_args(arguments)
    try:
        if chosen != "up":
            gc.enable()
            for text in unknown_variables(os.environ):
                print_text(f"fakebus: {text}", error=True)
            complete(parsed, os.environ)
        code: int = parsed.command.run(parsed)
        sys.stdout.flush()
    except FakebusError as error:
        print_text(f"fakebus: {error}", error=True)
        return EXIT_BAD_INPUT
    except BrokenPipeError:
        # The reader of our output has gone, as in `fakebus tail … | head`.
        abandon_output()
        return EXIT_FAILED_CHECK if chosen in _CHECKS else EXIT_OK
    except (OSError, UnicodeEncodeError) as error:
        told = _problem_outside(error, arguments)
        if told is None:
            raise
        print_text(f"fakebus: {told}", error=True)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        # A command that goes on until then has caught it: this one has not come to its end.
        return EXIT_INTERRUPTED
    return code
