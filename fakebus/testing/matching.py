"""Whether an event is the one that a test waits for, and if not, why."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fakebus.cluster.events import Event, Headers, encode, header_pairs, shown
from fakebus.fixture_files.matchers import differences

Match = Callable[[Event], bool] | Mapping[str, Any] | Sequence[Any] | str | bytes | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Wish of a test: what it waits for; see :meth:`fakebus.testing.observer.Observer.expect`."""

    match: Match | None = None
    key: Any = None
    headers: Headers | None = None

    def problems(self, event: Event) -> list[str]:
        """Return why an event is not wanted; an empty list when it is."""
        problems = mismatches(event, self.match)
        if self.key is not None and event.key != encode(self.key):
            problems.append(f"key is {shown(event.key_data)}, not {shown(self.key)}")
        for name, value in header_pairs(self.headers):
            if (name, value) in event.headers:
                continue
            if name not in dict(event.headers):
                problems.append(f"header {name} is missing")
            else:
                found = event.header(name)
                problems.append(f"header {name} is {_plain(found)}, not {_plain(value)}")
        return problems

    def __str__(self) -> str:
        """Return what is wanted, for a failure report; empty if anything is."""
        parts = [] if self.match is None or callable(self.match) else [repr(self.match)]
        parts += [] if self.key is None else [f"key={self.key!r}"]
        parts += [] if self.headers is None else [f"headers={self.headers!r}"]
        return " ".join(parts)


def _plain(value: bytes | None) -> str:
    try:
        return repr(None if value is None else value.decode())
    except UnicodeDecodeError:
        return repr(value)


def mismatches(event: Event, match: Match | None) -> list[str]:
    """Return why ``event`` does not match; an empty list when it does.

    Args:
        event: the record.
        match: ``None`` matches everything; a function decides; bytes are the exact value,
            a text the exact value as UTF-8 or JSON; a mapping names the fields that the
            decoded value must have, nested ones too, others are free; an object such as
            ``{"$type": "number"}`` is one of the matchers of :mod:`fakebus.fixture_files.matchers`.
            A function that
            raises an exception says no, so it may take one kind of event for granted.

    Raises:
        TypeError: the function is a coroutine.
    """
    if match is None:
        return []
    if isinstance(match, bytes):
        return [] if event.value == match else [f"value is {shown(event.data)}"]
    if isinstance(match, str) and event.value == match.encode():
        return []
    if callable(match):
        return _objections(match, event)
    value = event.data
    if isinstance(value, bytes):
        return [f"value is neither JSON nor text: {shown(value)}"]
    return list(differences("value", match, value))


def _objections(match: Callable[[Event], bool], event: Event) -> list[str]:
    try:
        fits: object = match(event)
    except Exception as error:  # noqa: BLE001 - a function may be made for one kind of event only
        first_line = (str(error).splitlines() or [""])[0]
        return [f"the function raised {type(error).__name__}: {first_line}"]
    if inspect.iscoroutine(fits):
        fits.close()
        raise TypeError("a function that looks at an event cannot be a coroutine")
    return [] if fits else ["the function said no"]
