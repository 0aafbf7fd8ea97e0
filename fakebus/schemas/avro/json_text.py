"""JSON as the Java library reads and writes it.

A registry goes by the text that Avro's Java library prints, so numbers and control characters
are written in Jackson's way; comments are let in because that library lets them in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal

from fakebus.schemas.interface import SchemaError
from fakebus.wording import json_mistake

MAX_DEPTH = 200
"""Levels of brackets in a text, and of types in one another; real schemas have some ten."""

_TOKENS = re.compile(r'"(?:\\.|[^"\\])*+"?|//[^\n]*|/\*.*?\*/|[\[\]{}]', re.DOTALL)
_ESCAPES = {code: f"\\u{code:04X}" for code in range(0x20)} | {
    ord('"'): '\\"',
    ord("\\"): "\\\\",
    ord("\b"): "\\b",
    ord("\t"): "\\t",
    ord("\n"): "\\n",
    ord("\f"): "\\f",
    ord("\r"): "\\r",
}
# Java prints a double between these two without an exponent (Double.toString).
_SMALLEST_PLAIN, _FIRST_SCIENTIFIC = 1e-3, 1e7


def load(text: str) -> object:
    """Return the JSON value of a text that may have comments.

    Raises:
        SchemaError: it is no JSON, or nested deeper than :data:`MAX_DEPTH`.
    """
    bare = _without_comments(text)
    try:
        bare.encode()
        value: object = json.loads(bare, parse_constant=_refuse_constant)
        # A lone surrogate has an escape in JSON but no UTF-8, so it could not be stored.
        if "\\u" in bare:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise SchemaError("The schema has half of a surrogate pair in it.") from None
    except json.JSONDecodeError as error:
        raise SchemaError(
            f"The schema is not JSON: {error.msg} in line {error.lineno}, column {error.colno}.",
            (error.lineno, error.colno),
        ) from None
    except ValueError as error:
        raise SchemaError(f"The schema is not JSON: {json_mistake(error)}.") from None
    return value


def dump(value: object) -> str:
    """Return the compact text of a JSON value, as Jackson writes it."""
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPES)}"'
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{dump(key)}:{dump(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(dump, value)) + "]"
    raise TypeError(f"{value!r} is not a JSON value")


def _without_comments(text: str) -> str:
    depth = 0

    def kept(token: re.Match[str]) -> str:
        nonlocal depth
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise SchemaError(f"The schema is nested deeper than {MAX_DEPTH} levels.")
        elif token[0] in "]}":
            depth -= 1
        return " " if token[0].startswith("/") else token[0]

    return _TOKENS.sub(kept, text)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def _double(value: float) -> str:
    if value == 0 or _SMALLEST_PLAIN <= abs(value) < _FIRST_SCIENTIFIC:
        return repr(value)
    if value in (float("inf"), float("-inf")):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    if value != value:
        return '"NaN"'
    number = Decimal(repr(value)).normalize()
    first, *rest = map(str, number.as_tuple().digits)
    sign = "-" if value < 0 else ""
    return f"{sign}{first}.{''.join(rest) or '0'}E{number.adjusted()}"
