"""Patterns as ECMA 262 and Java write them, read with Python's parser."""

from __future__ import annotations

import re
import unicodedata
from importlib import import_module
from typing import Any

_parser: Any = import_module("re._parser")
"""The parser of ``re``: not public, but the same since Python 3.11; the tests hold it."""


class Unmatchable(Exception):  # noqa: N818 - it is no error of the pattern
    """A pattern that cannot be matched in bounded time; the message says why."""


# What is written otherwise than in Python. A backslash pair is one token, so that the others are
# never found inside it.
_OTHER_WRITING = re.compile(
    r"\\[pP]\{\^?[\w=]+\}|\\u\{[0-9a-fA-F]{1,6}\}|\\.|\(\?<(?=[A-Za-z_])", re.DOTALL
)
_PYTHON_WRITING = {"\\z": "\\Z", "\\h": "[ \\t]", "\\e": "\\x1b"}

_CATEGORIES = {
    "Alpha": "L",
    "Alphabetic": "L",
    "IsAlphabetic": "L",
    "Letter": "L",
    "Upper": "Lu",
    "Lower": "Ll",
    "Uppercase_Letter": "Lu",
    "Lowercase_Letter": "Ll",
    "Number": "N",
    "Digit": "Nd",
    "IsDigit": "Nd",
    "Punctuation": "P",
    "Punct": "P",
    "Symbol": "S",
    "Separator": "Z",
    "Space": "Z",
}
_GENERAL_CATEGORY = re.compile(r"[LMNPSZC][a-z]?")

# A Unicode property becomes one character of a plane for private use, which the automaton takes
# for the property again.
_FIRST_MARK = 0xF0000
PROPERTY_MARKS: dict[str, str] = {}
"""Property by mark, as ``L`` or, negated, ``^L``."""


def parse_pattern(pattern: str) -> tuple[str, Any]:
    """Return a pattern in Python's writing and its parse tree.

    Raises:
        re.error: it is not valid.
    """
    text = _OTHER_WRITING.sub(_in_python, pattern)
    return text, _parser.parse(text, re.ASCII)


def has_property(mark: str, character: str) -> bool:
    """Return whether a character has the property that a mark stands for.

    Raises:
        Unmatchable: the property is none that is known here, such as a script.
    """
    name = PROPERTY_MARKS[mark]
    plain = name.removeprefix("^").removeprefix("gc=").removeprefix("Is")
    category = _CATEGORIES.get(plain, plain)
    if not _GENERAL_CATEGORY.fullmatch(category):
        raise Unmatchable(f"the property {plain} of characters is not known")
    return unicodedata.category(character).startswith(category) != name.startswith("^")


def _in_python(match: re.Match[str]) -> str:
    found = match[0]
    if found == "(?<":
        return "(?P<"
    if found.startswith("\\u{"):
        return re.escape(chr(min(int(found[3:-1], 16), 0x10FFFF)))
    if found[:2] in {"\\p", "\\P"} and len(found) > 2:
        inverted = (found[1] == "P") != found.startswith("^", 3)
        return _mark(("^" if inverted else "") + found[3:-1].removeprefix("^"))
    return _PYTHON_WRITING.get(found, found)


def _mark(name: str) -> str:
    for mark, known in PROPERTY_MARKS.items():
        if known == name:
            return mark
    if len(PROPERTY_MARKS) >= 256:
        raise re.error("too many properties of characters")
    mark = chr(_FIRST_MARK + len(PROPERTY_MARKS))
    PROPERTY_MARKS[mark] = name
    return mark
