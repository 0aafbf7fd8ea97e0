"""What can be wrong with fixture files, and how it is told.

A set is read to the end before anything is said, so that one run shows all mistakes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fakebus.errors import FakebusError
from fakebus.escaping import printable, shortened

INVALID = "invalid"
"""The rule of what cannot be used at all."""

_SHOWN = 100


class Position(NamedTuple):
    """A place in a fixture file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    @property
    def where(self) -> str:
        """The place within a sentence."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixtureProblem:
    """Mistake in a fixture set.

    ``file`` is the path as the user gave it, with the directory in front. ``line`` and
    ``column`` count from 1. ``hint`` says how to mend it.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    rule: str = INVALID
    """The rule that found it, see :mod:`fakebus.fixture_files.lint`."""

    @classmethod
    def at(
        cls, position: Position, message: str, hint: str = "", rule: str = INVALID
    ) -> FixtureProblem:
        """Return the problem of a place."""
        return cls(**position._asdict(), message=message, hint=hint, rule=rule)

    def __str__(self) -> str:
        """Return ``file:line:column: what is wrong; how to mend it``."""
        tail = f"; {self.hint}" if self.hint else ""
        return printable(shortened(f"{self.file}:{self.line}:{self.column}: {self.message}{tail}"))


class FixtureError(FakebusError):
    """A fixture set cannot be used; nothing of it was written.

    Args:
        problems: every mistake that was found, at least one. The text of the error
            shows the first hundred, one per line.
    """

    def __init__(self, problems: Sequence[FixtureProblem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """Return the problems, one a line."""
        lines = [str(problem) for problem in self.problems[:_SHOWN]]
        if len(self.problems) > _SHOWN:
            lines.append(f"and {len(self.problems) - _SHOWN} more problems")
        return "\n".join(lines)


class DataError(FakebusError):
    """A piece of fixture data is wrong; whoever knows its place makes a problem of it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ProblemList:
    """List of problems, collected while a set is read."""

    def __init__(self) -> None:
        self._problems: list[FixtureProblem] = []

    def add(self, position: Position, message: str, hint: str = "", *, rule: str = INVALID) -> None:
        """Keep one problem."""
        self.append(FixtureProblem.at(position, message, hint, rule))

    def append(self, problem: FixtureProblem) -> None:
        """Keep one that is made already."""
        self._problems.append(problem)

    def extend(self, others: ProblemList) -> None:
        """Keep all of another list."""
        self._problems += others._problems

    def __len__(self) -> int:
        return len(self._problems)

    @property
    def has_invalid(self) -> bool:
        """Whether something cannot be used at all."""
        return any(problem.rule == INVALID for problem in self._problems)

    def sorted(self) -> list[FixtureProblem]:
        """Return all problems, file by file in the order of reading, then by place."""
        order: dict[str, int] = {}
        for problem in self._problems:
            order.setdefault(problem.file, len(order))
        return sorted(
            dict.fromkeys(self._problems),
            key=lambda problem: (order[problem.file], problem.line, problem.column),
        )

    def raise_if_any(self) -> None:
        """Raise what was collected.

        Raises:
            FixtureError: there is at least one problem.
        """
        if self._problems:
            raise FixtureError(self.sorted())


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, lists them all, or says there are none."""
    choices = sorted(known)
    nearest = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    if nearest:
        return f'did you mean "{nearest[0]}"?'
    return "known: " + ", ".join(choices) if choices else "there are none"


def quoted(text: str) -> str:
    """Return user text for a message: quoted, on one line, at most 60 characters."""
    shown = text if len(text) <= 60 else text[:57] + "..."
    return f'"{printable(shown)}"'
