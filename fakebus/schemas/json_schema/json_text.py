"""JSON as text: read with bounds, written compactly."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import NoReturn, cast

from fakebus.schemas.interface import SchemaError
from fakebus.wording import json_mistake

MAX_DEPTH = 100
"""Nested arrays and objects in one text; checking a schema takes some nine frames a level."""

# Strings count as one token, closed or not, so that no text makes the scan start over.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)


class WrittenNumber(float):
    """Number that was written otherwise than a float is, such as 1.50 or 1e10.

    Confluent's registry keeps the digits of a schema's numbers, as Java's ``BigDecimal`` does.
    """

    written: str


def read_json(text: str) -> object:
    """Return the value of a JSON text; how its numbers were written is kept.

    Raises:
        SchemaError: it is not JSON (RFC 8259: so no ``NaN``), is nested more deeply than
            :data:`MAX_DEPTH`, or holds a number or a string that cannot be kept.
    """
    _check_depth(text)
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant, parse_float=_float)
        # A lone surrogate has an escape in JSON but no UTF-8, so it could not be stored.
        compact(value).encode()
    except UnicodeEncodeError as error:
        raise SchemaError("a string holds half of a surrogate pair") from error
    except json.JSONDecodeError as error:
        raise SchemaError(f"not JSON: {error}", (error.lineno, error.colno)) from error
    except SchemaError:
        raise
    except ValueError as error:
        raise SchemaError(json_mistake(error)) from error
    return value


def compact(value: object) -> str:
    """Return a value as JSON without spaces, keys in their order, as Jackson writes a tree."""
    return _text(value, sort_keys=False)


def sorted_text(value: object) -> str:
    """Return a value as JSON without spaces and with sorted keys."""
    return _text(value, sort_keys=True)


def normalized(value: object) -> str:
    """Return a value as JSON with sorted keys and one way of writing equal numbers."""
    return json.dumps(
        _plain_numbers(value),
        ensure_ascii=False,
        separators=(",", ":"),
        allow_nan=False,
        sort_keys=True,
    )


def _text(value: object, *, sort_keys: bool) -> str:
    if isinstance(value, WrittenNumber):
        return value.written
    if not _has_written_numbers(value):
        return json.dumps(
            value,
            ensure_ascii=False,
            separators=(",", ":"),
            allow_nan=False,
            sort_keys=sort_keys,
        )
    if isinstance(value, dict):
        items = sorted(value.items()) if sort_keys else value.items()
        parts = (f"{compact(key)}:{_text(item, sort_keys=sort_keys)}" for key, item in items)
        return "{" + ",".join(parts) + "}"
    parts = (_text(item, sort_keys=sort_keys) for item in cast("list[object]", value))
    return "[" + ",".join(parts) + "]"


def _has_written_numbers(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_written_numbers, value.values()))
    if isinstance(value, list):
        return any(map(_has_written_numbers, value))
    return isinstance(value, WrittenNumber)


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise SchemaError(f"nested more than {MAX_DEPTH} levels deep")
        elif first in "]}":
            depth -= 1


def _refuse_constant(name: str) -> NoReturn:
    raise SchemaError(f"{name} is not JSON")


def _float(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise SchemaError(f"the number {text[:40]} is too large")
    # A BigDecimal has no negative zero; else it is written as Python's are.
    written = str(Decimal(text)).removeprefix("-" if number == 0 else "")
    if written == repr(number):
        return number
    kept = WrittenNumber(number)
    kept.written = written
    return kept


def _plain_numbers(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() else float(value)
    return value
