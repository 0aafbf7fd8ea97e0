"""What has changed between two schemas, in words."""

from __future__ import annotations

from collections.abc import Container, Iterator

from fakebus.fixture_files.drift.outlines import (
    DEFAULT,
    NUMBER,
    REQUIRED,
    SYMBOLS,
    TYPE,
    Facts,
    Outline,
    outline,
)
from fakebus.schemas.interface import ParsedSchema

_AROUND = ".[{ "
"""What stands behind the path of something that holds more; the last before an enum."""
_NOTHING = "only documentation, the order or the names of types differ"


def changes(old: ParsedSchema, new: ParsedSchema) -> list[str]:
    """Return what is different in the new schema; empty only if the two are the same."""
    if old.schema_type != new.schema_type:
        return [f"the schema is {new.schema_type} now, was {old.schema_type}"]
    if old.canonical == new.canonical:
        return []
    return [words for _, words in outline_changes(outline(old), outline(new))] or [_NOTHING]


def outline_changes(old: Outline, new: Outline) -> Iterator[tuple[str, str]]:
    """Yield what differs between two outlines, each with the path that it is about."""
    for path, facts in old.items():
        if path not in new:
            if not is_within_missing(path, old, new, _AROUND):
                yield path, f'"{path}" ({_shown(facts)}) is gone'
        elif new[path] != facts:
            yield from ((path, words) for words in _fact_changes(path, facts, new[path]))
    for path, facts in new.items():
        if path not in old and not is_within_missing(path, new, old, _AROUND):
            yield path, f'"{path}" ({_shown(facts)}) is new{_obligation(facts)}'


def is_within_missing(
    path: str, here: Container[str], there: Container[str], steps: str = ".[{"
) -> bool:
    """Return whether something around a path is missing there as well, and so says it all."""
    return any(
        path[at] in steps and path[:at] in here and path[:at] not in there
        for at in range(1, len(path))
    )


def _shown(facts: Facts) -> str:
    parts = [facts.get(TYPE, "anything" if SYMBOLS not in facts else facts[SYMBOLS])]
    if DEFAULT in facts:
        parts.append(f"default {facts[DEFAULT]}")
    if NUMBER in facts:
        parts.append(f"number {facts[NUMBER]}")
    if facts.get(REQUIRED) == "yes":
        parts.append("required")
    return ", ".join(parts)


def _obligation(facts: Facts) -> str:
    is_avro_field = not facts.keys() - {TYPE, DEFAULT}
    return " and has no default" if is_avro_field and DEFAULT not in facts else ""


def _fact_changes(path: str, old: Facts, new: Facts) -> Iterator[str]:
    place = f'"{path}"' if path else "the schema"
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        if name == TYPE:
            yield f"{place} is {after or 'of any type'} now, was {before or 'of any type'}"
        elif name == SYMBOLS:
            yield f"{place} {_symbol_changes(before, after)}"
        elif name == REQUIRED:
            yield f"{place} is {'required' if after == 'yes' else 'optional'} now"
        else:
            yield f"{place} has {_having(name, after)} now, had {_having(name, before)}"


def _having(name: str, value: str | None) -> str:
    return f"no {name}" if value is None else f"the {name} {value}"


def _symbol_changes(before: str | None, after: str | None) -> str:
    if before is None:
        return f"allows only {after} now"
    if after is None:
        return "allows any value now"
    old, new = before.split(", "), after.split(", ")
    gained = [one for one in new if one not in old]
    lost = [one for one in old if one not in new]
    words = [f"has gained {', '.join(gained)}"] if gained else []
    words += [f"has lost {', '.join(lost)}"] if lost else []
    return " and ".join(words) or "has its values in another order"
