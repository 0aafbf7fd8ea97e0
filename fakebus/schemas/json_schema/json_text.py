"""JSON as text: read with bounds, written compactly."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from fakebus.schemas.interface import SchemaError
from fakebus.wording import json_mistake

MAX_DEPTH = 100
"""Nested arrays and objects in one text; checking a schema takes some nine frames a level."""

# Strings count as one token, closed or not, so that no text makes the scan start over.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)


def read_json(text: str) -> object:
    """Return the value of a JSON text.

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
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def normalized(value: object) -> str:
    """Return a value as JSON with sorted keys and one way of writing each number."""
    return json.dumps(
        _plain_numbers(value),
        ensure_ascii=False,
        separators=(",", ":"),
        allow_nan=False,
        sort_keys=True,
    )


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
    return number


def _plain_numbers(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
