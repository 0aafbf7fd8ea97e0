"""What an input is: a way to read events from a file of another tool.

An input turns text into events as NDJSON has them. What the other tool wrote is data to the
last letter, so it is handed on in a way that no ``$`` function and no format is seen in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVarTuple

from fakebus.fixture_files.problems import DataError

Given = TypeVarTuple("Given")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputEvent:
    """Event of a file."""

    line: int
    """Where it begins, from 1."""
    fields: dict[str, Any]
    """As an NDJSON line would have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputMistake:
    """Mistake in a file, instead of an event."""

    line: int
    column: int = 1
    message: str
    hint: str


Read = InputEvent | InputMistake
Reading = Iterator[Read]


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Kind of file of another tool.

    ``read`` takes the text of a file, and whether its events say which topic they go to.
    """

    name: str
    suffixes: tuple[str, ...]
    """How the names of its files end."""
    read: Callable[[str, bool], Reading]
    has_mark: bool = False
    """Whether the tool begins its files with a byte order mark."""
    has_bytes: bool = False
    """Whether the tool writes bytes as they are, which need not be UTF-8; ``read`` gets them as
    lone surrogates."""


def event(line: int, fields: Callable[[*Given], dict[str, Any]], *given: *Given) -> Read:
    """Return the event of a line with what ``fields`` makes of it, or what is wrong with that."""
    try:
        return InputEvent(line=line, fields=fields(*given))
    except DataError as error:
        return InputMistake(line=line, message=str(error), hint=error.hint)


def payload(data: object, format_name: str | None = None) -> object:
    """Return a key or value that stands for foreign data, whatever it looks like.

    Args:
        data: of the other tool; ``None`` is no bytes.
        format_name: how it is written; the topic's format when left out.
    """
    if data is None:
        return None
    wrapped = {"data": literal(data)}
    return wrapped if format_name is None else {"type": format_name, **wrapped}


def literal(data: object) -> object:
    """Return data in which field names that begin with ``$`` are written with two."""
    if isinstance(data, Mapping):
        return {
            f"${name}" if name.startswith("$") else name: literal(value)
            for name, value in data.items()
        }
    return [literal(item) for item in data] if isinstance(data, list) else data
