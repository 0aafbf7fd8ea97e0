"""Taking people and secrets out of recorded data, the same way every time.

Whatever stands for one person or secret before stands for one afterwards: the first e-mail
address that occurs becomes ``person-1@example.org`` wherever it occurs again. Redacting what
is redacted already changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from fakebus.errors import ConfigError

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,24}")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_BEARER = re.compile(r"\b(?:Bearer|Basic) [A-Za-z0-9._~+/=-]{8,}")
_KEY = re.compile(r"\b(?:sk|pk|ghp|gho|xox[abp])[-_][A-Za-z0-9_-]{16,}")

_SECRETS = re.compile(
    r"(?:.*_)?(?:password|passwd|secret|token|api_?key|authorization|cookie|session_?id)", re.I
)
_PERSONAL: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"(?:.*_)?e?_?mail(?:_address)?", re.I), "person-{}@example.org"),
    (re.compile(r"user_?name|login", re.I), "user-{}"),
    (re.compile(r"(?:full|first|last|given|family|sur)_?name", re.I), "Name {}"),
    (re.compile(r"(?:.*_)?(?:phone|mobile)(?:_number)?", re.I), "+1555{:07d}"),
    (re.compile(r"(?:street|postal)_?address|street", re.I), "{} Example Street"),
)
_SHAPES = {
    each: re.compile(r"(\d{1,9})".join(map(re.escape, re.split(r"\{.*\}", each))))
    for each in (*(text for _, text in _PERSONAL), "redacted-{}", "secret-{}", "Name {}")
}
"""What texts look like that were redacted before, with the number in a group."""
_PERSON_MARKS = ("email", "username", "user_name")
"""Beside one of these, ``name`` is a person's; alone it may be a course's."""
_SHORTEST_NAME = 3
"""Shorter texts mean too many other things to be taken for a person elsewhere."""
_STEP = re.compile(r"(\.\.|\.)([A-Za-z_][A-Za-z0-9_-]*|\*)|\[\*\]|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class RedactedPath:
    """A place in data: ``$.user.email``, ``$..email``, ``$.items[*].name``.

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
        if not steps:
            raise ConfigError(f"{text!r} names no field: write $.user.email")
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


class Redaction:
    """Redacts data and remembers what stands for what.

    Args:
        paths: places to redact whatever stands there.
        built_in: whether e-mail addresses, names, tokens and the like are found as well.
    """

    def __init__(self, paths: Iterable[RedactedPath] = (), *, built_in: bool = True) -> None:
        self._paths = tuple(paths)
        self._built_in = built_in
        self._known: dict[str, dict[str, str]] = {}
        self._whole: dict[str, str] = {}
        self._taken: dict[str, set[int]] = {}

    def learn(self, data: Sequence[object]) -> None:
        """Find out who is in data, so that the same texts are redacted elsewhere.

        A key that is somebody's user name does not say so; a value beside it does. What was
        redacted before keeps its numbers, wherever it stands now.
        """
        for each in data:
            self._reserve(each)
        for each in data:
            self.data(each)

    def _reserve(self, data: object) -> None:
        if isinstance(data, dict):
            for inner in data.values():
                self._reserve(inner)
        elif isinstance(data, list):
            for inner in data:
                self._reserve(inner)
        elif isinstance(data, str):
            for replacement, shape in _SHAPES.items():
                for found in shape.finditer(data):
                    self._taken.setdefault(replacement, set()).add(int(found[1]))

    def data(self, data: object, path: tuple[str, ...] = ()) -> object:
        """Return data of a key or value with everything redacted."""
        if isinstance(data, dict):
            person = any(mark in data for mark in _PERSON_MARKS)
            return {
                name: self._field(inner, (*path, name), is_person=person)
                for name, inner in data.items()
            }
        if isinstance(data, list):
            return [self.data(item, (*path, str(index))) for index, item in enumerate(data)]
        if isinstance(data, str):
            if any(each.matches(path) for each in self._paths):
                return self._replace(data, "redacted-{}")
            return self.text(data)
        return data

    def text(self, text: str) -> str:
        """Return a text with the addresses and secrets in it redacted."""
        if not self._built_in:
            return text
        if text in self._whole:
            return self._whole[text]
        for pattern in (_JWT, _BEARER, _KEY):
            text = pattern.sub(self._by("secret-{}"), text)
        return _EMAIL.sub(self._by("person-{}@example.org"), text)

    def _field(self, data: object, path: tuple[str, ...], *, is_person: bool) -> object:
        if not isinstance(data, str) or not data:
            return self.data(data, path)
        if any(each.matches(path) for each in self._paths):
            return self._replace(data, "redacted-{}")
        if not self._built_in:
            return data
        name = path[-1]
        if _SECRETS.fullmatch(name):
            return self._replace(data, "secret-{}")
        for pattern, replacement in _PERSONAL:
            if pattern.fullmatch(name):
                return self._replace(data, replacement)
        if is_person and name in ("name", "display_name"):
            return self._replace(data, "Name {}")
        return self.text(data)

    def _by(self, replacement: str) -> Callable[[re.Match[str]], str]:
        return lambda found: self._replace(found[0], replacement)

    def _replace(self, text: str, replacement: str) -> str:
        known = self._known.setdefault(replacement, {})
        if text not in known:
            known[text] = self._substitute(text, replacement)
            if len(text) >= _SHORTEST_NAME:
                self._whole.setdefault(text, known[text])
        return known[text]

    def _substitute(self, text: str, replacement: str) -> str:
        if _SHAPES[replacement].fullmatch(text):
            return text
        taken = self._taken.setdefault(replacement, set())
        number = next(each for each in count(len(taken) + 1) if each not in taken)
        taken.add(number)
        return replacement.format(number)
