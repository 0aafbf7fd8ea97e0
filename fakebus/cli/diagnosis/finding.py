"""What the doctor has to say: something that is fine, worth knowing, or wrong."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Severity(Enum):
    """Severity of a finding."""

    FINE = "ok"
    NOTE = "note"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """Finding: one sentence about the way to the records, and what to do about it."""

    severity: Severity
    text: str
    advice: tuple[str, ...] = ()
    """What to do, in the order in which to try it."""


def fine(text: str) -> Finding:
    """Return a finding that needs nothing done."""
    return Finding(Severity.FINE, text)


def note(text: str, *advice: str) -> Finding:
    """Return a finding that is no mistake but may explain something."""
    return Finding(Severity.NOTE, text, advice)


def problem(text: str, *advice: str) -> Finding:
    """Return a finding that makes the doctor's exit code 1."""
    return Finding(Severity.PROBLEM, text, advice)
