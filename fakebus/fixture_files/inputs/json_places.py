"""JSON of other tools, with the lines its parts begin in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.decoder import JSONDecodeError
from typing import NoReturn

from fakebus.fixture_files.inputs.input import InputMistake
from fakebus.wording import json_mistake

_SPACE = re.compile(r"[ \t\r\n]*")


def parse(text: str, line: int = 1) -> object | InputMistake:
    """Return a JSON value, or what is wrong with it.

    Args:
        text: the value, with blanks around it.
        line: the line of the file that the text begins in.
    """
    try:
        value: object = _decoder.decode(text)
    except JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        return InputMistake(
            line=line + error.lineno - 1,
            column=error.colno,
            message=f"this is not JSON: {what}",
            hint="write the file with the tool again",
        )
    except RecursionError:
        return InputMistake(line=line, message="the JSON is nested too deeply", hint="flatten it")
    except ValueError as error:
        what = f"this is not JSON: {json_mistake(error)}"
        return InputMistake(line=line, message=what, hint="mend the number")
    return value


def items(text: str, index: int = 0) -> Iterator[tuple[int, object]]:
    """Yield the items of a list, each with the line that it begins in; the JSON is valid."""
    index = _skip(text, _skip(text, index) + 1)
    line, counted = 1, 0
    while text[index] != "]":
        item, end = _decoder.raw_decode(text, index)
        line += text.count("\n", counted, index)
        counted = index
        yield line, item
        index = _skip(text, end)
        if text[index] == ",":
            index = _skip(text, index + 1)


def field_indexes(text: str) -> dict[str, int]:
    """Return where the value of each field of an object begins; the JSON is valid."""
    found: dict[str, int] = {}
    index = _skip(text, _skip(text, 0) + 1)
    while text[index] == '"':
        name, index = _decoder.raw_decode(text, index)
        index = _skip(text, _skip(text, index) + 1)
        found[name] = index
        _, index = _decoder.raw_decode(text, index)
        index = _skip(text, index)
        if text[index] == ",":
            index = _skip(text, index + 1)
    return found


def _skip(text: str, index: int) -> int:
    match = _SPACE.match(text, index)
    return index if match is None else match.end()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
