"""Taking people and secrets out of recorded data, the same way every time.

Whatever stands for one person or secret before stands for one afterwards: the first e-mail
address that occurs becomes ``person-1@example.org`` wherever it occurs again. Redacting what
is redacted already changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from fakebus.errors import ConfigError
from fakebus.fixture_files.functions import MAX_DEPTH
from fakebus.fixture_files.recording.field_names import field_names
from fakebus.fixture_files.recording.redaction_rules import Rule, rule_table
from fakebus.fixture_files.recording.relative_times import is_time
from fakebus.fixture_files.recording.replacements import (
    AS_IT_WAS,
    BIRTH,
    CHECKS,
    NORMAL,
    Replacements,
)
from fakebus.fixture_files.recording.stable_names import UUID
from fakebus.nesting import is_deeper

PATH_RULE = Rule(rule="a path that was named", instead="redacted-{}", numbers=True)
STRICT_RULE = Rule(rule="strict", instead="redacted-{}")
_PERSON_MARKS = ("e-mail address", "user name")
"""Beside a field of one of these rules, ``name`` is a person's; alone it may be a course's."""
_SHORTEST_NAME = 3
"""Shorter texts mean too many other things to be taken for a person elsewhere."""
_SHORTEST_VALUE = 6
"""In letters: a@b.co."""
_SHORTEST_BASE64 = 12
_SMALLEST_NUMBER = 1000
"""Smaller numbers are no secret, and stand for too many other things."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_MAX_NESTED = 4
"""How deep JSON in texts of JSON is looked into."""
_STEP = re.compile(r"(\.\.|\.)([A-Za-z_][A-Za-z0-9_-]*|\*)|\[\*\]|\[(\d+)\]")

Path = tuple[str, ...]
Redacted = TypeVar("Redacted", str, int)


@dataclass(frozen=True, slots=True)
class RedactedPath:
    """Place in data: ``$.user.email``, ``$..email``, ``$.items[*].name``, or ``$`` for all of it.

    Args:
        steps: (any depth, name) pairs; a name ``*`` is any.
    """

    steps: tuple[tuple[bool, str], ...]

    @classmethod
    def parse(cls, text: str) -> RedactedPath:
        """Return the path that a person wrote.

        Raises:
            ConfigError: it is none.
        """
        if not text.startswith("$"):
            raise ConfigError(f"{text!r} is not a path: write $.user.email, $..email or $.a[*].b")
        steps, position = [], 1
        while position < len(text):
            found = _STEP.match(text, position)
            if found is None:
                raise ConfigError(f"{text!r} is not a path from column {position + 1} on")
            name = found[2] or found[3] or "*"
            steps.append((found[1] == "..", name))
            position = found.end()
        return cls(tuple(steps))

    def matches(self, path: Sequence[str]) -> bool:
        """Whether a place, as the names that lead to it, is meant."""
        return _matches(self.steps, path)


def _matches(steps: Sequence[tuple[bool, str]], path: Sequence[str]) -> bool:
    if not steps:
        return not path
    anywhere, name = steps[0]
    starts = range(len(path)) if anywhere else range(min(1, len(path)))
    return any(
        name in ("*", path[start]) and _matches(steps[1:], path[start + 1 :]) for start in starts
    )


def _any_matches(paths: Iterable[RedactedPath], place: Sequence[str]) -> bool:
    """Whether a place, or something around it, is meant by any of some paths."""
    return any(each.matches(place[:end]) for each in paths for end in range(len(place) + 1))


class Redaction:
    """Redaction of one recording, which remembers what stands for what.

    Args:
        paths: places to redact whatever stands there.
        allowed: places that are left as they are, whatever the rules say.
        built_in: whether the rules of ``redaction_rules.yaml`` hold.
        strict: whether every other text that is no time and no id is replaced, too.
    """

    def __init__(
        self,
        paths: Iterable[RedactedPath] = (),
        *,
        allowed: Iterable[RedactedPath] = (),
        built_in: bool = True,
        strict: bool = False,
    ) -> None:
        self._paths = tuple(paths)
        self._allowed = tuple(allowed)
        self._table = rule_table() if built_in else None
        self.is_strict = strict
        insteads = {rule.instead for rule in (*rule_table().rules, PATH_RULE)}
        self._replacements = Replacements(sorted(insteads))
        self._whole: dict[str, tuple[Rule, str]] = {}
        self._forms: dict[str, int] = {}
        """Texts that a schema takes in another form only."""
        self._only: str | None = None
        """The one text that is redacted, while its form is looked for."""
        self.refused: set[str] = set()
        """Texts that schemas take in no other form."""
        self.applied: Counter[tuple[Path, str]] = Counter()
        """How often which rule has redacted what place; names of items are ``*``."""

    def learn(self, data: Sequence[object]) -> None:
        """Find out who is in data, so that the same texts are redacted elsewhere.

        A key that is somebody's user name does not say so; a value beside it does. What was
        redacted before keeps its numbers, wherever it stands now.
        """
        seen: set[str] = set()
        for each in data:
            self._reserve(each, seen)
        for each in data:
            self.data(each)
        self.applied.clear()

    def _reserve(self, data: object, seen: set[str]) -> None:
        if isinstance(data, dict):
            for name, inner in data.items():
                self._reserve(name, seen)
                self._reserve(inner, seen)
        elif isinstance(data, list):
            for inner in data:
                self._reserve(inner, seen)
        elif isinstance(data, str) and data not in seen:
            seen.add(data)
            self._replacements.reserve(data)

    def fitting(self, data: object, accepts: Callable[[object], bool]) -> object:
        """Return data of a key or value, redacted so that a schema still takes it.

        Args:
            data: the original.
            accepts: whether the schema takes something.
        """
        redacted = self.data(data)
        if redacted == data or accepts(redacted):
            return redacted
        applied = self.applied.copy()
        for text in dict.fromkeys(_texts(data)):
            self._only = text
            while (one := self.data(data)) != data and not accepts(one):
                self._forms[text] = self._forms.get(text, NORMAL) + 1
                if self._forms[text] == AS_IT_WAS:
                    self.refused.add(text)
        self._only = None
        self.applied = applied
        return self.data(data)

    def data(self, data: object, path: Path = (), *, is_person: bool = False) -> object:
        """Return data of a key, value or header with everything redacted.

        Args:
            data: as it was.
            path: where it stands; nothing for a whole key or value.
            is_person: whether what stands beside it belongs to a person.
        """
        if isinstance(data, dict):
            person = self._table is not None and any(
                (mark := self._table.of_field(name)) is not None and mark.rule in _PERSON_MARKS
                for name in data
            )
            # Places are told by the names that they have afterwards.
            names = {self._map_key(name, path): inner for name, inner in data.items()}
            return {
                name: self.data(inner, (*path, name), is_person=person)
                for name, inner in names.items()
            }
        if isinstance(data, list):
            return [
                self.data(item, (*path, str(index)), is_person=is_person)
                for index, item in enumerate(data)
            ]
        if isinstance(data, bool) or not isinstance(data, str | int):
            return data
        text = str(data)
        if not text or self._forms.get(text) == AS_IT_WAS or self._only not in (None, text):
            return data
        if _any_matches(self._allowed, path):
            return data
        if isinstance(data, str):
            only, self._only = self._only, None
            try:
                return self._leaf(data, path, is_person)
            finally:
                self._only = only
        rule = self._rule_of_place(path, is_person) or self._rule_of_whole(text, path)
        if rule is None or not rule.numbers or abs(data) < _SMALLEST_NUMBER:
            return data
        return self._noted(data, self._replacements.number(data, rule.instead), path, rule)

    def _leaf(self, text: str, path: Path, is_person: bool) -> str:
        rule = self._rule_of_place(path, is_person)
        if rule is not PATH_RULE:
            # An id is given a name in a recording, whoever it belongs to; so it is with times.
            if UUID.fullmatch(text) or (is_time(text) and (rule is None or rule.instead != BIRTH)):
                return text
            if rule is None or rule.rule != "secret":
                rule = self._rule_of_whole(text, path) or rule
        if rule is None and (nested := self._nested(text, path)) is not None:
            return nested
        if rule is None and self._table is not None:
            name = next(field_names(path), "")
            rule = self._table.of_named_person(name, text)
        if rule is not None:
            return self._replaced(text, path, rule, is_whole=rule is not PATH_RULE)
        if text in self._whole:
            rule, replacement = self._whole[text]
            return self._noted(text, replacement, path, rule)
        found = self._parts(text, path)
        if found == text and self.is_strict:
            return self._replaced(text, path, STRICT_RULE, is_whole=False)
        return found

    def _rule_of_place(self, path: Path, is_person: bool) -> Rule | None:
        if _any_matches(self._paths, path):
            return PATH_RULE
        if self._table is None or not path:
            return None
        names = field_names(path)
        name = next(names, "")
        return self._table.of_field(name, next(names, ""), is_person=is_person)

    def _rule_of_whole(self, text: str, path: Path) -> Rule | None:
        """Return the rule for what a whole text is."""
        return next(
            (
                rule
                for rule in self._rules_of_values(text, path)
                for pattern in rule.values
                if (found := pattern.search(text)) and found[0] == text and _passes(rule, text)
            ),
            None,
        )

    def _parts(self, text: str, path: Path) -> str:
        """Return a text with everything replaced in it that shows what it is."""
        redacted = text
        for rule in self._rules_of_values(text, path):
            replace = partial(self._replaced_part, text, path, rule)
            for pattern in rule.values:
                redacted = pattern.sub(replace, redacted)
        return redacted

    def _rules_of_values(self, text: str, path: Path) -> Iterable[Rule]:
        if self._table is None or len(text) < _SHORTEST_VALUE:
            return ()
        name = next(field_names(path), "")
        return self._table.for_values(text, name)

    def _replaced_part(self, whole: str, path: Path, rule: Rule, found: re.Match[str]) -> str:
        if not _passes(rule, found[0]):
            return found[0]
        form = self._forms.get(whole, NORMAL)
        replacement = self._replacements.text(found[0], rule.instead, form)
        return self._noted(found[0], replacement, path, rule)

    def _replaced(self, text: str, path: Path, rule: Rule, *, is_whole: bool) -> str:
        replacement = self._replacements.text(text, rule.instead, self._forms.get(text, NORMAL))
        if is_whole and len(text) >= _SHORTEST_NAME and replacement != text:
            self._whole[text] = rule, replacement
        return self._noted(text, replacement, path, rule)

    def _map_key(self, name: str, path: Path) -> str:
        """Return the name of a field, redacted if it is itself an address or a secret."""
        if self._only is not None and name != self._only:
            return name
        return self._parts(name, (*path, "*"))

    def _nested(self, text: str, path: Path) -> str | None:
        """Return JSON, or a text in base64, with everything in it redacted."""
        if text[0] in "{[":
            try:
                data = json.loads(text)
            except (ValueError, RecursionError):
                return None
            if is_deeper(data, MAX_DEPTH) or path.count(_INSIDE) >= _MAX_NESTED:
                return None
            redacted = self.data(data, (*path, _INSIDE))
            return text if redacted == data else _json_like(redacted, text)
        if len(text) < _SHORTEST_BASE64 or len(text) % 4 or not _BASE64.fullmatch(text):
            return None
        try:
            inner = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        if not inner.isprintable():
            return None
        found = self._nested(inner, path) if inner[0] in "{[" else self._parts(inner, path)
        return None if found in (None, inner) else base64.b64encode(str(found).encode()).decode()

    def _noted(self, before: Redacted, after: Redacted, path: Path, rule: Rule) -> Redacted:
        if before != after:
            self.applied[path, rule.rule] += 1
        return after


_SCALAR = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,:\[\]{}"]+')
_INSIDE = "(JSON)"
"""Step of a path from a text to the JSON in it."""


def _passes(rule: Rule, text: str) -> bool:
    return not rule.check or CHECKS[rule.check](text)


def _texts(data: object) -> Iterable[str]:
    return (str(each) for each in _scalars(data) if isinstance(each, str | int))


def _json_like(data: object, text: str) -> str:
    """Return JSON that is written as another text of the same structure."""
    scalars = list(_scalars(data))
    if len(scalars) != len(_SCALAR.findall(text)):
        # A name stands twice in an object.
        return json.dumps(data, ensure_ascii=text.isascii())
    left = iter(scalars)

    def written(found: re.Match[str]) -> str:
        scalar = next(left)
        is_same = json.loads(found[0]) == scalar
        return found[0] if is_same else json.dumps(scalar, ensure_ascii=text.isascii())

    return _SCALAR.sub(written, text)


def _scalars(data: object) -> Iterator[object]:
    """Yield names and values of JSON in the order in which they are written."""
    if isinstance(data, dict):
        for name, inner in data.items():
            yield name
            yield from _scalars(inner)
    elif isinstance(data, list):
        for inner in data:
            yield from _scalars(inner)
    else:
        yield data
