"""Patterns matched by following all their states at once (Thompson's construction).

The time is the length of the text times the size of the pattern, whatever both hold. Confluent's
registry matches the same way, with RE2. What has no such automaton is refused: back
references, conditional, possessive and atomic groups, and flags.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakebus.schemas.json_schema.pattern_syntax import PROPERTY_MARKS, Unmatchable, has_property

MAX_STATES = 5_000
"""``a{1,1000}`` has two thousand."""

MAX_STEPS = 1_000_000
"""States entered for one text: a second or so."""

Test = Callable[[str], bool]


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


_CATEGORIES: dict[str, Test] = {
    "DIGIT": lambda character: "0" <= character <= "9",
    "SPACE": lambda character: character in " \t\n\r\f\v",
    "WORD": _is_word,
}
UNBOUNDED = 2**31
"""No pattern repeats as often as this but one without a limit."""


class _Budget:
    """What an automaton and those inside its assertions may use together."""

    def __init__(self) -> None:
        self.states = 0
        self.steps = 0

    def add_state(self) -> None:
        self.states += 1
        if self.states > MAX_STATES:
            raise Unmatchable(f"it has more than {MAX_STATES} states")

    def take_steps(self, count: int) -> None:
        self.steps += count
        if self.steps > MAX_STEPS:
            raise Unmatchable("the text takes too long")


class Automaton:
    """The states of a pattern.

    Args:
        tree: as Python's parser gives it.
        budget: of the automaton that this one is an assertion in.

    Raises:
        Unmatchable: it has no automaton, or one of more than :data:`MAX_STATES`.
    """

    def __init__(self, tree: Any, budget: _Budget | None = None) -> None:
        self._budget = budget or _Budget()
        # A state reads a character (its test, then the next state), or leads to others at once.
        self._tests: list[Test | None] = []
        self._next: list[list[int]] = []
        self._guards: list[Callable[[str, int], bool] | None] = []
        self._add_all(tree)
        self._accept = self._state()
        self._next[self._accept] = []

    def is_found_in(self, text: str) -> bool:
        """Return whether the pattern matches anywhere in a text.

        Raises:
            Unmatchable: that takes more than :data:`MAX_STEPS`.
        """
        self._budget.steps = 0
        return self._run(text, 0, anywhere=True)

    def _run(self, text: str, start: int, *, anywhere: bool) -> bool:
        states: set[int] = set()
        for position in range(start, len(text) + 1):
            if anywhere or position == start:
                states.add(0)
            states = self._reached(states, text, position)
            if self._accept in states:
                return True
            self._budget.take_steps(len(states) + 1)
            if position < len(text):
                states = self._after(states, text[position])
                if not states and not anywhere:
                    return False
        return False

    def _reached(self, states: set[int], text: str, position: int) -> set[int]:
        reached: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state in reached:
                continue
            guard = self._guards[state]
            if guard is not None and not guard(text, position):
                continue
            reached.add(state)
            if self._tests[state] is None:
                waiting += self._next[state]
        return reached

    def _after(self, states: set[int], character: str) -> set[int]:
        after: set[int] = set()
        for state in states:
            test = self._tests[state]
            if test is not None and test(character):
                after.update(self._next[state])
        return after

    def _state(
        self, test: Test | None = None, guard: Callable[[str, int], bool] | None = None
    ) -> int:
        self._budget.add_state()
        number = len(self._tests)
        self._tests.append(test)
        self._guards.append(guard)
        self._next.append([number + 1])
        return number

    def _add_all(self, tree: Any) -> None:
        for operation, argument in tree:
            self._add(str(operation), argument)

    def _add(self, name: str, argument: Any) -> None:
        if name in _TESTS:
            self._state(_TESTS[name](argument))
        elif name in {"MAX_REPEAT", "MIN_REPEAT"}:
            self._add_repeat(*argument)
        elif name == "BRANCH":
            self._add_branch(argument[1])
        elif name == "SUBPATTERN" and not argument[1] and not argument[2]:
            self._add_all(argument[3])
        elif name == "AT":
            self._state(guard=_position_guard(str(argument)))
        elif name in {"ASSERT", "ASSERT_NOT"}:
            self._add_look(argument[0], argument[1], wanted=name == "ASSERT")
        else:
            raise Unmatchable(f"it uses {name.lower().replace('_', ' ')}")

    def _add_repeat(self, low: int, high: int, body: Any) -> None:
        for _ in range(low):
            self._state()  # So that repeating nothing is not free either.
            self._add_all(body)
        if int(high) >= UNBOUNDED:
            fork = self._state()
            self._add_all(body)
            back = self._state()
            self._next[back] = [fork]
            self._next[fork].append(back + 1)
            return
        forks = []
        for _ in range(high - low):
            forks.append(self._state())
            self._add_all(body)
        for fork in forks:
            self._next[fork].append(len(self._tests))

    def _add_branch(self, branches: Any) -> None:
        fork = self._state()
        self._next[fork] = []
        ends = []
        for branch in branches:
            self._next[fork].append(len(self._tests))
            self._add_all(branch)
            ends.append(self._state())
        for end in ends:
            self._next[end] = [len(self._tests)]

    def _add_look(self, direction: int, body: Any, *, wanted: bool) -> None:
        inner = Automaton(body, self._budget)
        low, high = body.getwidth()
        if direction < 0 and low != high:
            raise Unmatchable("it looks behind without a fixed length")
        back = low if direction < 0 else 0

        def guard(text: str, position: int) -> bool:
            start = position - back
            return (start >= 0 and inner._run(text, start, anywhere=False)) == wanted

        self._state(guard=guard)


def _literal(code: int) -> Test:
    character = chr(code)
    if character in PROPERTY_MARKS:
        return lambda found: has_property(character, found)
    return lambda found: found == character


def _not_literal(code: int) -> Test:
    test = _literal(code)
    return lambda found: not test(found)


def _any(_: Any) -> Test:
    return lambda found: found != "\n"


def _one_of(items: Any) -> Test:
    negated = bool(items) and str(items[0][0]) == "NEGATE"
    tests = [_TESTS[str(name)](argument) for name, argument in items[1 if negated else 0 :]]
    return lambda found: any(test(found) for test in tests) != negated


def _range(limits: tuple[int, int]) -> Test:
    low, high = limits
    return lambda found: low <= ord(found) <= high


def _category(name: Any) -> Test:
    kind = str(name).removeprefix("CATEGORY_")
    test = _CATEGORIES[kind.removeprefix("NOT_")]
    if kind.startswith("NOT_"):
        return lambda found: not test(found)
    return test


_TESTS: dict[str, Callable[[Any], Test]] = {
    "LITERAL": _literal,
    "NOT_LITERAL": _not_literal,
    "ANY": _any,
    "IN": _one_of,
    "RANGE": _range,
    "CATEGORY": _category,
}


def _at_start(text: str, position: int) -> bool:
    del text
    return position == 0


def _at_end(text: str, position: int) -> bool:
    return position == len(text) or (position == len(text) - 1 and text[-1] == "\n")


def _at_very_end(text: str, position: int) -> bool:
    return position == len(text)


def _at_boundary(text: str, position: int) -> bool:
    before = position > 0 and _is_word(text[position - 1])
    return before != (position < len(text) and _is_word(text[position]))


def _not_at_boundary(text: str, position: int) -> bool:
    return not _at_boundary(text, position)


_POSITIONS = {
    "AT_BEGINNING": _at_start,
    "AT_BEGINNING_STRING": _at_start,
    "AT_END": _at_end,
    "AT_END_STRING": _at_very_end,
    "AT_BOUNDARY": _at_boundary,
    "AT_NON_BOUNDARY": _not_at_boundary,
}


def _position_guard(name: str) -> Callable[[str, int], bool]:
    return _POSITIONS[name]
