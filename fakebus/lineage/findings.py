"""Findings of questions that come one after the other; each is worked out once for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeVar, cast

T = TypeVar("T")
_ANY = 0
"""Question that stands for all of them."""


class _Finding(NamedTuple):
    """Finding, and what was noted beside it."""

    found: Any
    question: int
    """For which it holds."""
    left_out: Mapping[tuple[str, object], int]
    notes: Mapping[Any, Any]


class Findings:
    """Findings, and what was left out of those that the present question has to do with."""

    def __init__(self) -> None:
        self.left_out: dict[tuple[str, object], int] = {}
        """How much, by what it is and where."""
        self.notes: dict[Any, Any] = {}
        """What is told beside the findings."""
        self.is_own = False
        """Whether what is being found holds for the present question only."""
        self._question = 1
        self._known: dict[object, _Finding] = {}

    def begin(self) -> None:
        """Begin another question, of whose answer nothing was left out so far."""
        self._question += 1
        self.left_out, self.notes, self.is_own = {}, {}, False

    def has(self, what: object) -> bool:
        """Whether something was found already."""
        return what in self._known

    async def once(self, what: object, find: Callable[[], Awaitable[T]]) -> T:
        """Return what is found, which was found before if that holds for the present question."""
        known = self._known.get(what)
        if known is None or known.question not in (_ANY, self._question):
            before = self.left_out, self.notes, self.is_own
            self.left_out, self.notes, self.is_own = {}, {}, False
            try:
                found = await find()
                question = self._question if self.is_own else _ANY
                known = self._known[what] = _Finding(found, question, self.left_out, self.notes)
            finally:
                self.left_out, self.notes, self.is_own = before
        self.left_out |= known.left_out
        self.notes |= known.notes
        self.is_own |= known.question != _ANY
        return cast(T, known.found)

    def cut(self) -> Counter[str]:
        """Return what was left out of the answer to the present question, and how much of it."""
        found = Counter[str]()
        for (what, _), count in self.left_out.items():
            found[what] += count
        return found
