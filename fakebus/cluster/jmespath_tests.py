"""Tests of records by JMESPath, in bounded time: an expression may double what it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

MAX_LETTERS = 1000
_MOST_EFFORT = 1_000_000
"""Nodes visited for one record, and the items or letters of what they give."""


class _ExhaustedError(Exception):
    """Error: an expression would take longer than any record is worth."""


class _Interpreter(TreeInterpreter):
    """Interpreter of one expression for one record, bounded in time and memory."""

    _effort = 0

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what a node gives; _ExhaustedError if that is too much by now."""
        found = super().visit(node, *args, **kwargs)
        self._effort += 1 + (len(found) if isinstance(found, str | list | dict) else 0)
        if self._effort > _MOST_EFFORT:
            raise _ExhaustedError
        return found


def jmespath_test(text: str, roots: Sequence[str]) -> Callable[[Mapping[str, Any]], bool]:
    """Return whether an expression gives something, as a function of a record's fields.

    Args:
        text: JMESPath over an object with the roots.
        roots: the names of the fields.

    Raises:
        ValueError: it is no JMESPath; the message says why.
    """
    if len(text) > MAX_LETTERS:
        raise ValueError(f"JMESPath has at most {MAX_LETTERS} characters")
    try:
        tree = jmespath.compile(text).parsed
    except (JMESPathError, RecursionError) as error:
        raise ValueError(f"no JMESPath: {_first_line(error)}") from None
    if unknown := _unknown_function(tree):
        raise ValueError(f"no JMESPath: Unknown function: {unknown}")

    def test(fields: Mapping[str, Any]) -> bool:
        try:
            return _holds(_Interpreter().visit(tree, {name: fields.get(name) for name in roots}))
        except (JMESPathError, _ExhaustedError, RecursionError, TypeError):
            # A function of numbers over a record that has a text there: it does not hold.
            return False

    return test


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _unknown_function(tree: Any) -> str:
    """Return a function that JMESPath does not have; it would be told at the first record only."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if node.get("type") == "function_expression" and node["value"] not in (
            Functions.FUNCTION_TABLE
        ):
            return str(node["value"])
        waiting += [each for each in node.get("children", ()) if isinstance(each, dict)]
    return ""


def _holds(found: Any) -> bool:
    """Return whether a result is true in JMESPath's sense, in which 0 is and nothing is not."""
    return found is not None and found is not False and found not in ("", [], {})
