"""Names of types, fields and symbols.

Source: https://avro.apache.org/docs/1.12.0/specification/ (Names). Older libraries check the
letters of the last part of a name, of any alphabet, and let any namespace pass; Open edX has
a namespace with a hyphen in it. ``strict`` is the specification's own rule.
"""

from __future__ import annotations

import re

from fakebus.schemas.avro.nodes import PRIMITIVE_TYPES, Name
from fakebus.schemas.interface import Checks, SchemaError

_ANY_ALPHABET = re.compile(r"[^\W\d]\w*")
_NOT_EMPTY = re.compile(r".+", re.DOTALL)
_SPECIFIED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_simple_name(text: object, what: str, *, checks: Checks) -> str:
    """Return a name without dots.

    Raises:
        SchemaError: it is not one.
    """
    if not isinstance(text, str):
        raise SchemaError(f"The name of {what} must be a string, not {text!r}.")
    if checks.new:
        allowed = _SPECIFIED if checks.strict else _ANY_ALPHABET
    else:
        # What is stored, or comes from another registry, has its names.
        allowed = _NOT_EMPTY
    if not allowed.fullmatch(text):
        raise SchemaError(f"{text!r} is not a name for {what}: use letters, digits and _.")
    return text


def parse_name(text: object, namespace: str | None, what: str, *, checks: Checks) -> Name:
    """Return the name of a type; a dot in it outdoes the namespace.

    Raises:
        SchemaError: it is no name, or in strict mode the namespace is none.
    """
    if not isinstance(text, str):
        raise SchemaError(f"The name of {what} must be a string, not {text!r}.")
    before, dot, simple = text.rpartition(".")
    name = Name(
        simple=check_simple_name(simple, what, checks=checks),
        namespace=(before if dot else namespace) or None,
    )
    if checks.strict and name.namespace is not None:
        for part in name.namespace.split("."):
            check_simple_name(part, f"a part of the namespace {name.namespace!r}", checks=checks)
    if name.full in PRIMITIVE_TYPES:
        raise SchemaError(f"{name.full!r} is a type of Avro's own and cannot be defined.")
    return name
