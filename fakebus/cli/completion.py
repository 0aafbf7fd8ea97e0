"""Completion of command lines in the shell, with the topics and groups of the cluster.

argcomplete runs the command with the words so far whenever the user presses TAB, and reads what
it proposes; the user has told the shell so by  register-python-argcomplete fakebus.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence

from fakebus.cli.bootstrap import connection_for
from fakebus.cli.command_settings import complete
from fakebus.client.connection import Connection
from fakebus.client.groups import list_groups
from fakebus.errors import FakebusError

_TOPICS = ("topic", "topics")
_GROUPS = ("group",)


def propose(
    parser_of: Callable[[str], argparse.ArgumentParser], environ: Mapping[str, str]
) -> None:
    """Tell the shell how the line may go on, and end the process.

    Args:
        parser_of: gives the parser of all command lines for a command that was chosen.
        environ: holds the line.
    """
    import argcomplete

    words = environ.get("COMP_LINE", "").split()
    chosen = words[1] if len(words) > 1 else ""
    parser = parser_of(chosen)
    _show_commands(parser)
    for commands in parser._actions:
        if isinstance(commands, argparse._SubParsersAction) and chosen in commands.choices:
            for action in commands.choices[chosen]._actions:
                names = _names_for(action.dest, chosen)
                if names is not None:
                    # argcomplete looks for this attribute, which argparse does not know.
                    action.completer = names
    argcomplete.autocomplete(parser)


def _show_commands(parser: argparse.ArgumentParser) -> None:
    """Let argcomplete see the commands of a parser: it follows those of argparse's own class."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            action.__class__ = argparse._SubParsersAction
            for each in action.choices.values():
                _show_commands(each)


def _names_for(option: str, command: str) -> Callable[..., Sequence[str]] | None:
    if option in _TOPICS or (option == "delete" and command == "topics"):
        return _completer(Connection.topic_names)
    if option in _GROUPS or (option == "delete" and command == "groups"):
        return _completer(lambda cluster: [str(each.group_id) for each in list_groups(cluster)])
    return None


def _completer(ask: Callable[[Connection], Sequence[str]]) -> Callable[..., Sequence[str]]:
    def names(*, parsed_args: argparse.Namespace, **_: object) -> Sequence[str]:
        try:
            complete(parsed_args, os.environ)
            return ask(connection_for(parsed_args, "completion"))
        except FakebusError:
            return ()  # nothing to say so to: the line is still being written

    return names
