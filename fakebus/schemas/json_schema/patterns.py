"""Regular expressions of schemas: checked when registered, matched within bounds.

A pattern comes from whoever registers a schema, and the text from whoever sends an event.
Python's matcher backtracks, so ``^(a+)+$`` and thirty letters would hold the process for
minutes. RE2 takes time linear in the text, and matches all patterns but those with assertions
that look around, back references, and counts above a thousand. These go to Python's matcher
where its worst case is small: no repetition inside another, and a text that is short enough.

Patterns are written as in ECMA 262 and in Java. Letters and digits are those of ASCII there.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from typing import Any

from fakebus.schemas.interface import SchemaError

try:
    _re2: Any = import_module("re2")
except ModuleNotFoundError:
    # It comes with JSON Schema; matchers of fixtures do with what backtracks little.
    _re2 = None
_parser: Any = import_module("re._parser")
"""The parser of ``re``: not public, but the same since Python 3.11; the tests hold it."""

MAX_PATTERN_LENGTH = 10_000
"""In characters; real ones have tens."""

_MAX_BACKTRACKING = 5_000_000
"""Steps of Python's matcher in the worst case: some fifty milliseconds."""
_MANY = 100
"""Ways to match a text that are as bad as without end."""
_UNBOUNDED = 2**31
"""No pattern repeats as often as this but one without a limit."""

_OPTIONS: Any = None if _re2 is None else _re2.Options()
if _OPTIONS is not None:
    _OPTIONS.log_errors = False


class Unmatchable(Exception):  # noqa: N818 - it is no error of the pattern
    """A pattern that cannot be matched in bounded time; the message says why."""


# What is written otherwise than in Python or RE2. A backslash pair is one word, so that the others
# are never found inside it.
_OTHER_WRITING = re.compile(
    r"\\[pP]\{(?P<property>\^?[\w=]+)\}"
    r"|\\u(?P<pair>[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|\\u(?:\{(?P<long>[0-9a-fA-F]{1,6})\}|(?P<short>[0-9a-fA-F]{4}))"
    r"|\\.|\(\?<(?=[A-Za-z_])",
    re.DOTALL,
)
_WRITING: Mapping[str, tuple[str, str]] = {
    "(?<": ("(?P<", "(?P<"),
    "\\z": ("\\Z", "\\z"),
    "\\Z": ("\\Z", "\\z"),
    "\\h": ("[ \\t]", "[ \\t]"),
    "\\e": ("\\x1b", "\\x1b"),
}
"""In Python and in RE2."""
_ANY_PROPERTY = "\\uffff"
"""What stands for a property where Python reads a pattern, which knows none."""
_PROPERTIES: Mapping[str, str] = {
    "Alpha": "L",
    "Alphabetic": "L",
    "Letter": "L",
    "Upper": "Lu",
    "Lower": "Ll",
    "Uppercase_Letter": "Lu",
    "Lowercase_Letter": "Ll",
    "Number": "N",
    "Digit": "Nd",
    "Punctuation": "P",
    "Punct": "P",
    "Symbol": "S",
    "Separator": "Z",
    "Space": "Z",
}


@dataclass(frozen=True)
class _Pattern:
    """Pattern in the writing of both matchers."""

    in_python: str
    in_re2: str
    has_properties: bool

    @cached_property
    def re2(self) -> Any:
        """RE2's matcher, or ``None`` if it takes no such pattern."""
        if _re2 is None:
            return None
        try:
            return _re2.compile(self.in_re2, _OPTIONS)
        except _re2.error:
            return None

    @cached_property
    def python(self) -> re.Pattern[str]:
        """Python's matcher."""
        with warnings.catch_warnings():
            # Such as of "[[", which other languages give a meaning; it is nobody's concern here.
            warnings.simplefilter("ignore")
            return re.compile(self.in_python, re.ASCII)

    @cached_property
    def costs(self) -> tuple[int, int]:
        """The size, and how many repetitions can be tried with each other."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = _parser.parse(self.in_python, re.ASCII)
        return _size(tree), _MANY if self.has_properties else _variable_repeats(tree)

    def is_cheap(self, length: int) -> bool:
        """Return whether backtracking through a text of a length is bounded."""
        size, repeats = self.costs
        return repeats < _MANY and size * (length + 2) ** (1 + repeats) <= _MAX_BACKTRACKING


def check_pattern(pattern: str) -> None:
    """Return if a pattern is a valid regular expression; it is compiled and never run.

    Raises:
        SchemaError: it is not, or it is longer than :data:`MAX_PATTERN_LENGTH`.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise SchemaError(f"a pattern is longer than {MAX_PATTERN_LENGTH} characters")
    read = _read(pattern)
    try:
        if read.re2 is None and not read.python:
            raise SchemaError(f"the pattern {pattern[:200]} is not valid")
    except (re.error, OverflowError, RecursionError) as error:
        raise SchemaError(f"the pattern {pattern[:200]} is not valid: {error}") from error


def matches(pattern: str, text: str) -> bool:
    """Return whether a checked pattern is found in a text.

    Raises:
        Unmatchable: nobody can say in bounded time.
    """
    read = _read(pattern)
    if read.re2 is not None:
        return read.re2.search(text) is not None
    if read.is_cheap(len(text)):
        return read.python.search(text) is not None
    raise Unmatchable(f"{pattern[:200]} may take too long over {len(text)} characters")


def backtracks_little(pattern: str, length: int) -> bool:
    """Return whether Python's own matcher may run a pattern over texts of up to a length."""
    try:
        return _read(pattern).is_cheap(length)
    except re.error:
        return False


def is_linear(pattern: str, length: int) -> bool:
    """Return whether a pattern is valid in RE2.

    Where that is not installed, whether Python may run it over texts of up to a length.
    """
    if _re2 is None:
        return backtracks_little(pattern, length)
    return len(pattern) <= MAX_PATTERN_LENGTH and _read(pattern).re2 is not None


@lru_cache(maxsize=1024)
def _read(pattern: str) -> _Pattern:
    has_properties = False

    def written(match: re.Match[str], side: int) -> str:
        nonlocal has_properties
        if (name := match["property"]) is not None:
            has_properties = True
            return _property(match[0][1], name) if side else _ANY_PROPERTY
        code = match["pair"] or match["long"] or match["short"]
        if code is None:
            return _WRITING.get(match[0], (match[0], match[0]))[side]
        return _character(code, side)

    in_python = _OTHER_WRITING.sub(lambda match: written(match, 0), pattern)
    in_re2 = _OTHER_WRITING.sub(lambda match: written(match, 1), pattern)
    return _Pattern(in_python, in_re2, has_properties)


def _character(code: str, side: int) -> str:
    if "\\u" in code:
        high, low = (int(part, 16) for part in code.split("\\u"))
        number = 0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF)
    else:
        number = min(int(code, 16), 0x10FFFF)
    return f"\\x{{{number:x}}}" if side else f"\\U{number:08x}"


def _property(letter: str, name: str) -> str:
    plain = name.removeprefix("^")
    for prefix in ("gc=", "General_Category=", "sc=", "Script=", "Is"):
        plain = plain.removeprefix(prefix)
    inverted = (letter == "P") != name.startswith("^")
    return f"\\{'P' if inverted else 'p'}{{{_PROPERTIES.get(plain, plain)}}}"


_PLAIN = {"LITERAL", "NOT_LITERAL", "ANY", "IN", "AT", "FAILURE"}
_AROUND = {"ASSERT", "ASSERT_NOT"}


def _variable_repeats(tree: Iterable[Any]) -> int:
    """Return how many repetitions of a tree are tried with each other in the worst case."""
    count = most = 0
    for operation, argument in tree:
        name = str(operation)
        if name.endswith("_REPEAT"):
            low, high, body = argument
            inside = _variable_repeats(body)
            if high > 1 and (inside or _has_branch(body)):
                return _MANY
            count += inside + (low != high)
        elif name == "SUBPATTERN":
            count += _variable_repeats(argument[3])
        elif name == "BRANCH":
            count += sum(_variable_repeats(branch) for branch in argument[1])
        elif name in _AROUND:
            # It is left for good once it has been decided, whatever comes after it.
            most = max(most, count + _variable_repeats(argument[1]))
        elif name not in _PLAIN:
            return _MANY
    return max(count, most)


def _size(tree: Iterable[Any]) -> int:
    """Return how many steps a tree has when its counted repetitions are written out."""
    size = 1
    for operation, argument in tree:
        name = str(operation)
        if name.endswith("_REPEAT"):
            low, high, body = argument
            # One character, repeated, is a single step; so is what repeats without a limit.
            counted = low if int(high) >= _UNBOUNDED else high
            size += 1 if len(body) == 1 and str(body[0][0]) in _PLAIN else counted * _size(body)
        elif name == "SUBPATTERN":
            size += _size(argument[3])
        elif name == "BRANCH":
            size += sum(map(_size, argument[1]))
        elif name in _AROUND:
            size += _size(argument[1])
        else:
            size += 1
    return size


def _has_branch(tree: Iterable[Any]) -> bool:
    for operation, argument in tree:
        name = str(operation)
        if name == "BRANCH" or (name == "SUBPATTERN" and _has_branch(argument[3])):
            return True
    return False
