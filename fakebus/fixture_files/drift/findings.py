"""What a drift check finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from fakebus.escaping import printable_lines
from fakebus.fixture_files.problems import FixtureProblem, Position

BREAKING: Final = "breaking"
"""Not compatible under the level that holds; the check fails."""
DRIFT: Final = "drift"
"""Different, and allowed."""
NOTE: Final = "note"
"""Worth knowing."""

Severity = Literal["breaking", "drift", "note"]

RULES: Mapping[str, str] = {
    "drift-breaking": "what services have does not fit the fixture set, and breaks somebody",
    "drift-drift": "what services have differs from the fixture set, compatibly",
    "drift-note": "something about fixtures and services that is worth knowing",
}
"""The rules of :class:`~fakebus.fixture_files.problems.FixtureProblem` for findings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Services that have to do with a subject or a topic."""

    producers: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return both in words; empty if nobody is known."""
        parts = []
        if self.producers:
            parts.append(f"written by {', '.join(self.producers)}")
        if self.consumers:
            parts.append(f"read by {', '.join(self.consumers)}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFinding:
    """Finding of drift: a place where a set and the world differ."""

    severity: Severity
    subject: str
    """The subject, or the topic."""
    file: str
    """Of the set, for people and editors."""
    message: str
    """What is the matter, in one sentence."""
    line: int = 1
    changes: tuple[str, ...] = ()
    """What differs, piece by piece."""
    reasons: tuple[str, ...] = ()
    """Why it is not compatible."""
    hit: Hit = Hit()
    hint: str = ""

    def text(self) -> str:
        """Return the finding for people, on several lines."""
        lines = [f"{self.file}:{self.line}: {self.severity}: {self.message}"]
        for title, entries in (
            ("changed", self.changes),
            ("not compatible", self.reasons),
            ("concerns", (str(self.hit),) if str(self.hit) else ()),
            ("to do", (self.hint,) if self.hint else ()),
        ):
            for index, entry in enumerate(entries):
                label = f"{title}:" if index == 0 else ""
                lines.append(f"  {label:<15} {entry}")
        return printable_lines(lines)

    def problem(self) -> FixtureProblem:
        """Return the finding for the formats of continuous integration and editors."""
        details = [*self.changes, *self.reasons, str(self.hit)]
        message = "; ".join([self.message, *(text for text in details if text)])
        place = Position(self.file, self.line)
        return FixtureProblem.at(place, message, self.hint, f"drift-{self.severity}")


def reading_words(file: str, reads: bool, what: str = "it") -> str:
    """Return in words whether a service reads something.

    Args:
        file: the schema that it reads with.
        reads: whether it is in that schema.
        what: what is read.
    """
    return (
        f"reads {what} by {file}" if reads else f"does not read {what}, as {file} has no such field"
    )
