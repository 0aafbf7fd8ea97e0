"""What a recording has redacted and what it has left as it was, field by field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from fakebus.fixture_files.recording.redaction import Path
from fakebus.wording import counted

_MOST_NAMES = 40
"""How many fields of one object are listed; more are the keys of a map."""
_REFUSED = "its schema takes nothing else"


class ListedField(NamedTuple):
    """Field of a topic's records in the list."""

    topic: str
    field: str
    """``key``, ``value.user.email``, ``value.items[*].name`` or ``header NAME``."""
    rule: str | None
    """What has redacted it, or why it was not; nothing if it was left as it was."""
    times: int


class Listing:
    """List of what was redacted in a recording, and what was left as it was."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, Path, str | None]] = Counter()

    def add_redacted(self, topic: str, part: str, applied: Mapping[tuple[Path, str], int]) -> None:
        """Note what rules have done to a key, a value or a header.

        Args:
            topic: where the record is.
            part: ``key``, ``value`` or ``header NAME``.
            applied: the places and the rules that have redacted something there.
        """
        for (path, rule), count in applied.items():
            inside = () if part.startswith("header") else path
            self._counts[topic, part, _without_indexes(inside), rule] += count

    def add_kept(
        self,
        topic: str,
        part: str,
        original: object,
        written: object,
        refused: Container[str] = (),
    ) -> None:
        """Note the texts and numbers that stand in a file as they were.

        Args:
            topic: where the record is.
            part: ``key``, ``value`` or ``header NAME``.
            original: the data.
            written: the same data with everything in it that was replaced.
            refused: texts that would have been redacted if their schema took something else.
        """
        for path, text in _same(original, written, ()):
            rule = _REFUSED if text in refused else None
            self._counts[topic, part, path, rule] += 1

    def fields(self) -> list[ListedField]:
        """Return the list by topic and field; the keys of large maps are one field."""
        names: dict[tuple[str, str, Path], set[str]] = {}
        for topic, part, path, _ in self._counts:
            for end, name in enumerate(path):
                names.setdefault((topic, part, path[:end]), set()).add(name)
        found: Counter[tuple[str, str, str | None]] = Counter()
        for (topic, part, path, rule), count in self._counts.items():
            shown = part
            for end, name in enumerate(path):
                is_map = len(names[topic, part, path[:end]]) > _MOST_NAMES
                step = "*" if is_map else name
                shown += "[*]" if name == "[*]" else f".{step}"
            found[topic, shown, rule] += count
        return sorted(
            (ListedField(*key, count) for key, count in found.items()),
            key=lambda each: (each.topic, each.rule is None, each.field, each.rule or ""),
        )

    def lines(self) -> Iterator[str]:
        """Yield the list as lines: for each topic what was redacted, and what was not."""
        topics: dict[str, tuple[list[str], list[str]]] = {}
        for topic, field, rule, times in self.fields():
            redacted, kept = topics.setdefault(topic, ([], []))
            if rule is None or rule == _REFUSED:
                kept.append(field if rule is None else f"{field} ({rule})")
            else:
                redacted.append(f"{field} ({rule}, {counted(times, 'time')})")
        for topic, (redacted, kept) in topics.items():
            yield f"{topic}: redacted {', '.join(redacted) or 'nothing'}"
            yield f"{topic}: left as it was: {', '.join(kept) or 'nothing'}"


def _without_indexes(path: Path) -> Path:
    return tuple("[*]" if name.isdigit() else name for name in path)


def _same(original: object, written: object, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the places of texts and numbers that are the same in both."""
    if isinstance(original, dict) and isinstance(written, dict):
        # The keys of maps are redacted as well, but in the same order.
        for inner, (name, other) in zip(original.values(), written.items(), strict=False):
            yield from _same(inner, other, (*path, name.removeprefix("$")))
    elif isinstance(original, list) and isinstance(written, list):
        for inner, other in zip(original, written, strict=True):
            yield from _same(inner, other, (*path, "[*]"))
    elif isinstance(original, str | int | float) and not isinstance(original, bool):
        if type(original) is type(written) and original == written and original != "":
            yield path, str(original)
