"""Regular expressions of schemas, matched in time linear in the text.

A pattern comes from whoever registers a schema, and the text from whoever sends an event.
Python's matcher backtracks, so ``^(a+)+$`` and thirty letters would hold the process for
minutes. Patterns are therefore only ever compiled by ``re``, to learn whether they are valid,
and matched here by following all their states at once (Thompson's construction, as in RE2,
which Confluent's registry uses as well). What has no such automaton - back references,
conditional and possessive groups - can be registered but not validated with.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

from fakebus.schemas.interface import SchemaError

MAX_PATTERN_LENGTH = 10_000
"""In characters; real ones have tens."""

# What ECMA 262 and Java write otherwise than Python. A backslash pair is one token, so that the
# others are never found inside it.
_OTHER_WRITING = re.compile(
    r"\\[pP]\{\^?\w[\w=]*\}|\\u\{[0-9a-fA-F]+\}|\\.|\(\?<(?=[A-Za-z_])", re.DOTALL
)
_PYTHON_WRITING = {"\\z": "\\Z", "\\h": "[ \\t]", "\\/": "/", "\\e": "\\x1b"}


@lru_cache(maxsize=1024)
def check_pattern(pattern: str) -> None:
    """Return if a pattern is a valid regular expression.

    Raises:
        SchemaError: it is not, or it is longer than :data:`MAX_PATTERN_LENGTH`.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise SchemaError(f"a pattern is longer than {MAX_PATTERN_LENGTH} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(python_pattern(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise SchemaError(f"the pattern {pattern[:200]} is not valid: {error}") from error


def python_pattern(pattern: str) -> str:
    """Return a pattern as Python writes it; a Unicode property stands for any character."""
    return _OTHER_WRITING.sub(_in_python, pattern)


def _in_python(match: re.Match[str]) -> str:
    found = match[0]
    if found == "(?<":
        return "(?P<"
    if found.startswith("\\u{"):
        return re.escape(chr(min(int(found[3:-1], 16), 0x10FFFF)))
    if found[:2] in {"\\p", "\\P"} and len(found) > 2:
        return "\\w"
    return _PYTHON_WRITING.get(found, found)


def matches(pattern: str, text: str) -> bool:
    """Return whether a pattern is found in a text."""
    return re.search(python_pattern(pattern), text) is not None
