"""Regular expressions of schemas: checked when registered, matched within bounds.

A pattern comes from whoever registers a schema, and the text from whoever sends an event.
Python's matcher backtracks, so ``^(a+)+$`` and thirty letters would hold the process for
minutes. So ``re`` gets a pattern and a text only where its worst case is small: no repetition
inside another and a short text. Everything else goes through
:mod:`fakebus.schemas.json_schema.automaton`, which takes time linear in the text.

Letters and digits are those of ASCII, as in ECMA 262 and in Java.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fakebus.schemas.interface import SchemaError
from fakebus.schemas.json_schema.automaton import UNBOUNDED, Automaton
from fakebus.schemas.json_schema.pattern_syntax import PROPERTY_MARKS, parse_pattern

MAX_PATTERN_LENGTH = 10_000
"""In characters; real ones have tens."""

_MAX_BACKTRACKING = 1_000_000
"""Steps of Python's matcher in the worst case: some ten milliseconds."""

_MANY = 100
"""Ways to match a text that are as bad as without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    compiled: re.Pattern[str]
    tree: Any
    variable_repeats: int
    size: int

    def is_cheap(self, length: int) -> bool:
        """Return whether backtracking through a text of a length is bounded."""
        if self.variable_repeats >= _MANY:
            return False
        steps: int = self.size * (length + 2) ** (1 + self.variable_repeats)
        return steps <= _MAX_BACKTRACKING


def check_pattern(pattern: str) -> None:
    """Return if a pattern is a valid regular expression; it is compiled and never run.

    Raises:
        SchemaError: it is not, or it is longer than :data:`MAX_PATTERN_LENGTH`.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise SchemaError(f"a pattern is longer than {MAX_PATTERN_LENGTH} characters")
    try:
        _read(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise SchemaError(f"the pattern {pattern[:200]} is not valid: {error}") from error


def matches(pattern: str, text: str) -> bool:
    """Return whether a checked pattern is found in a text.

    Raises:
        Unmatchable: nobody can say in bounded time.
    """
    read = _read(pattern)
    if read.is_cheap(len(text)):
        return read.compiled.search(text) is not None
    return _automaton(pattern).is_found_in(text)


def backtracks_little(pattern: str, length: int) -> bool:
    """Return whether Python's own matcher may run a pattern over texts of up to a length."""
    return _read(pattern).is_cheap(length)


@lru_cache(maxsize=512)
def _automaton(pattern: str) -> Automaton:
    return Automaton(_read(pattern).tree)


@lru_cache(maxsize=1024)
def _read(pattern: str) -> _Pattern:
    with warnings.catch_warnings():
        # Such as of "[[", which other languages give a meaning; it is nobody's concern here.
        warnings.simplefilter("ignore")
        text, tree = parse_pattern(pattern)
        compiled = re.compile(text, re.ASCII)
    marked = any(mark in text for mark in PROPERTY_MARKS)
    repeats = _MANY if marked else _variable_repeats(tree)
    return _Pattern(compiled=compiled, tree=tree, variable_repeats=repeats, size=_size(tree))


def _variable_repeats(tree: Iterable[Any]) -> int:
    """Return how many repetitions of a tree may take more or fewer characters."""
    count = 0
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
        elif name not in _PLAIN:
            return _MANY
    return count


_PLAIN = {"LITERAL", "NOT_LITERAL", "ANY", "IN", "AT", "FAILURE"}


def _size(tree: Iterable[Any]) -> int:
    """Return how many steps a tree has when its counted repetitions are written out."""
    size = 1
    for operation, argument in tree:
        name = str(operation)
        if name.endswith("_REPEAT"):
            low, high, body = argument
            # One character, repeated, is a single step; so is what repeats without a limit.
            counted = low if int(high) >= UNBOUNDED else high
            size += 1 if len(body) == 1 and str(body[0][0]) in _PLAIN else counted * _size(body)
        elif name == "SUBPATTERN":
            size += _size(argument[3])
        elif name == "BRANCH":
            size += sum(map(_size, argument[1]))
        else:
            size += 1
    return size


def _has_branch(tree: Iterable[Any]) -> bool:
    for operation, argument in tree:
        name = str(operation)
        if name == "BRANCH" or (name == "SUBPATTERN" and _has_branch(argument[3])):
            return True
    return False
