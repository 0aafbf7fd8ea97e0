"""Links of causes and effects, and how they are known."""

from __future__ import annotations

from typing import NamedTuple

from fakebus.lineage.candidates import Candidates
from fakebus.lineage.place import Place

STATED, CORRELATED, OBSERVED, HINTED = ("stated", "correlated", "observed", "hinted")
"""How a cause is known, the strongest first."""


class Link(NamedTuple):
    """Link of a cause and its effect."""

    cause: Place
    effect: Place
    evidence: str
    by: str
    """What says so: the header, ``fetch`` or ``key``."""
    rank: int
    rivals: int


class Possible(NamedTuple):
    """Possible causes of a record, and how it is known that they are."""

    candidates: Candidates
    evidence: str
    by: str


NOTHING_KNOWN = Possible(Candidates(()), OBSERVED, "fetch")
