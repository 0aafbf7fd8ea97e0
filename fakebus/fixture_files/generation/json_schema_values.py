"""Values made from a JSON Schema, with hints for some of the places."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain
from itertools import count as count_from
from math import inf
from random import Random
from typing import Any, NamedTuple

from fakebus.fixture_files.generation.json_schema_merging import Merging
from fakebus.fixture_files.generation.values import (
    FORMATS,
    MISSING_SHARE,
    Growth,
    Maker,
    Path,
    plain_text,
    shown,
)
from fakebus.fixture_files.inputs.input import literal
from fakebus.fixture_files.problems import DataError, quoted
from fakebus.schemas.json_schema.own_references import REFERENCES, settle_references
from fakebus.schemas.json_schema.pointers import pointed_to

_BRANCHES = ("allOf", "oneOf", "anyOf")
_MAX_STEPS = 200
"""How many references and branches may lie between a place and its type."""
_MORE_TRIES = 30
"""How many more items are made where all have to be different and some are not."""
_MOST_STEPS = 2**62
"""How many multiples of a number are counted; of more, chance finds none."""


class JsonSchemaValues:
    """Values made from a JSON Schema.

    Args:
        text: the schema.
        name: what plain texts are called by.
    """

    def __init__(self, text: str, name: str = "value") -> None:
        self._name = name
        self._root = json.loads(text)
        settle_references(self._root)
        self._costs: dict[str, float] = {}
        self._recursive: dict[int, bool] = {}
        self._merging = Merging()
        draft = str(self._root.get("$schema")) if isinstance(self._root, dict) else ""
        self._ref_stands_alone = not ("2019-09" in draft or "2020-12" in draft)
        """Older drafts ignore what stands beside a reference."""
        self._settle_costs()

    def make(self, maker: Maker) -> object:
        """Return one value."""
        return self._make(self._root, maker, (), "$", 0, Growth())

    def _make(
        self, schema: Any, maker: Maker, path: Path, place: str, depth: int, growth: Growth
    ) -> object:
        if maker.has_hint(path):
            return maker.hinted(path, place)
        growth.count()
        if growth.is_over(depth, recursive=True) and self._cost(schema) == inf:
            raise DataError(
                f"the schema of {shown(path) or self._name} holds itself without an end",
                "give it a hint under with",
            )
        random = maker.random(place)
        choice = _Choice(maker.random(f"{place}?"), maker.has_hint_below(path), depth, growth)
        schema = self._resolved(schema, choice)
        for keyword in ("enum", "examples"):
            if schema.get(keyword) and not choice.has_hint_below:
                return literal(random.choice(schema[keyword]))
        if "const" in schema:
            return literal(schema["const"])
        kind = self._kind(schema, random, depth, growth)
        if kind == "object":
            return self._object(schema, maker, path, place, depth, growth)
        if kind == "array":
            return self._array(schema, maker, path, place, depth, growth)
        if kind == "string":
            return _string(schema, random, path or (self._name,), growth)
        return _scalar(kind, schema, random)

    def _kind(self, schema: Mapping[str, Any], random: Random, depth: int, growth: Growth) -> str:
        kinds = _json_kinds(schema)
        recursive = any(map(self._is_recursive, _parts_of_value(schema)))
        if growth.is_over(depth, recursive=recursive):
            return min(kinds, key=lambda kind: self._kind_cost(kind, schema))
        others = [kind for kind in kinds if kind != "null"]
        if "null" in kinds and (not others or random.random() < MISSING_SHARE):
            return "null"
        return random.choice(others) if isinstance(schema.get("type"), list) else others[0]

    def _resolved(
        self, schema: Any, choice: _Choice, steps: Iterator[int] | None = None
    ) -> Mapping[str, Any]:
        """Return a schema without references and branches."""
        steps = iter(range(_MAX_STEPS)) if steps is None else steps
        for _ in steps:
            if not isinstance(schema, dict):
                return {}
            if (reference := _reference(schema)) is not None:
                beside = {key: part for key, part in schema.items() if key not in REFERENCES}
                schema = self._target(reference)
                if beside and not self._ref_stands_alone:
                    schema = {"allOf": [schema], **beside}
            elif "allOf" in schema:
                schema = self._merging.merged(
                    [{key: part for key, part in schema.items() if key != "allOf"}]
                    + [self._resolved(part, choice, steps) for part in schema["allOf"]]
                )
            elif "oneOf" in schema or "anyOf" in schema:
                word = "oneOf" if "oneOf" in schema else "anyOf"
                rest = {key: part for key, part in schema.items() if key != word}
                branch = self._resolved(self._branch(schema[word], choice), choice, steps)
                schema = self._merging.merged([rest, branch])
            else:
                return schema
        raise DataError("the schema's references never end", "mend the schema")

    def _branch(self, branches: Sequence[Any], choice: _Choice) -> Any:
        if choice.has_hint_below:
            branches = [one for one in branches if not _is_null(one)] or branches
        recursive = any(map(self._is_recursive, branches))
        if choice.growth.is_over(choice.depth, recursive=recursive):
            return min(branches, key=self._cost)
        return choice.random.choice(branches)

    def _settle_costs(self) -> None:
        """Find out how many values each reference takes at least; it ends when nothing changes."""
        self._costs = dict.fromkeys(_references(self._root), inf)
        changed = True
        while changed:
            changed = False
            for reference, before in self._costs.items():
                self._costs[reference] = self._cost(self._target(reference))
                changed |= self._costs[reference] < before

    def _cost(self, schema: Any) -> float:
        """Return how many values a value takes at least; infinite if it cannot end."""
        if not isinstance(schema, dict):
            return inf if schema is False else 1
        if (reference := _reference(schema)) is not None:
            return self._costs.get(reference, 1)
        if "const" in schema or schema.get("enum") or schema.get("examples"):
            return 1
        cost = min(self._kind_cost(kind, schema) for kind in _json_kinds(schema))
        for part in schema.get("allOf", ()):
            cost += self._cost(part)
        for word in ("oneOf", "anyOf"):
            if schema.get(word):
                cost += min(map(self._cost, schema[word]))
        return cost

    def _kind_cost(self, kind: str, schema: Mapping[str, Any]) -> float:
        if kind == "object":
            fields, required = schema.get("properties", {}), schema.get("required", ())
            others = sorted(self._cost(one) for name, one in fields.items() if name not in required)
            missing = int(max(schema.get("minProperties", 0) - len(required), 0))
            further = max(missing - len(others), 0)
            return (
                1
                + sum(self._cost(fields.get(name)) for name in required)
                + sum(others[:missing])
                + (further and further * self._cost(schema.get("additionalProperties")))
            )
        if kind == "array":
            positions, items = _items(schema)
            further = int(max(schema.get("minItems", 0) - len(positions), 0))
            return 1 + sum(map(self._cost, positions)) + (further and further * self._cost(items))
        return 1

    def _is_recursive(self, schema: Any, within: tuple[int, ...] = ()) -> bool:
        """Whether a value may hold values of a schema that it lies in."""
        if not isinstance(schema, dict):
            return False
        own = id(schema)
        if own in within:
            return True
        if own not in self._recursive:
            parts = [part for word in _BRANCHES for part in schema.get(word, ())]
            if (reference := _reference(schema)) in self._costs:
                parts.append(self._target(reference))
            inside = (*within, own)
            self._recursive[own] = any(
                self._is_recursive(part, inside) for part in (*parts, *_parts_of_value(schema))
            )
        return self._recursive[own]

    def _target(self, reference: Any) -> Any:
        if not reference.startswith("#"):
            raise DataError(
                f"the schema refers to {quoted(reference)}, which lies outside of it",
                "give the field a hint under with",
            )
        found = pointed_to(self._root, reference[1:])
        return {} if found is None else found

    def _object(
        self, schema: Any, maker: Maker, path: Path, place: str, depth: int, growth: Growth
    ) -> dict[str, object]:
        fields = schema.get("properties", {})
        required = list(dict.fromkeys(schema.get("required", ())))
        lowest = int(schema.get("minProperties", 0))
        highest = int(min(schema.get("maxProperties", inf), lowest + len(fields) + len(required)))
        chosen, left_out = list[str](), list[str]()
        for name, inner in fields.items():
            if name in required or inner is False:
                continue
            is_hinted = maker.has_hint_below((*path, name))
            is_over = growth.is_over(depth, recursive=self._is_recursive(inner))
            is_missing = maker.random(f"{place}.{name}?").random() < MISSING_SHARE
            (chosen if is_hinted or not (is_over or is_missing) else left_out).append(name)
        del chosen[max(highest - len(required), 0) :]
        left_out.sort(key=lambda name: self._cost(fields[name]))
        chosen += left_out[: max(lowest - len(required) - len(chosen), 0)]
        names = [name for name in fields if name in required or name in chosen]
        names += [name for name in required if name not in fields]
        made: dict[str, object] = {}
        for name in chain(names, _further_names(schema, names, lowest - len(names))):
            inner = fields.get(name, schema.get("additionalProperties", {}))
            at, where = (*path, name), f"{place}.{name}"
            # What begins with a dollar sign would be taken for a function.
            written = f"${name}" if name.startswith("$") else name
            made[written] = self._make(inner, maker, at, where, depth + 1, growth)
        return made

    def _array(
        self, schema: Any, maker: Maker, path: Path, place: str, depth: int, growth: Growth
    ) -> list[object]:
        positions, items = _items(schema)
        is_over = growth.is_over(depth, recursive=self._is_recursive(items))
        # JSON Schema's whole numbers may be written as 3.0.
        lowest = int(schema.get("minItems", 0 if is_over else 1))
        highest = lowest if is_over else int(min(schema.get("maxItems", lowest + 2), lowest + 2))
        count = maker.random(f"{place}#").randint(lowest, max(lowest, highest))
        count = int(min(max(count, len(positions)), schema.get("maxItems", inf)))
        if items is False:
            count, needed = min(count, len(positions)), int(schema.get("minItems", 0))
            if needed > count:
                raise DataError(
                    f"{shown(path) or self._name} needs {needed} items, and no more than "
                    f"{count} are allowed",
                    "mend the schema",
                )
        made: list[object] = []
        seen = set[str]()
        is_unique = schema.get("uniqueItems")
        for index in range(count + _MORE_TRIES if is_unique else count):
            if len(made) == count:
                break
            inner = positions[index] if index < len(positions) else items
            item = self._make(inner, maker, path, f"{place}[{index}]", depth + 1, growth)
            text = json.dumps(item, sort_keys=True) if is_unique else str(index)
            if text not in seen:
                seen.add(text)
                made.append(item)
        return made


class _Choice(NamedTuple):
    """Circumstances of a choice between the branches of a schema."""

    random: Random
    has_hint_below: bool
    depth: int
    growth: Growth


def _references(schema: Any) -> Iterator[str]:
    """Yield every reference to a part of the schema."""
    if isinstance(schema, list):
        for item in schema:
            yield from _references(item)
    elif isinstance(schema, dict):
        reference = _reference(schema)
        if reference is not None and reference.startswith("#"):
            yield reference
        for inner in schema.values():
            yield from _references(inner)


def _reference(schema: Mapping[str, Any]) -> str | None:
    """Return where a schema refers to, if it does."""
    found = (schema[word] for word in REFERENCES if isinstance(schema.get(word), str))
    return next(found, None)


def _further_names(schema: Mapping[str, Any], names: Sequence[str], count: int) -> Iterator[str]:
    """Return names of properties that a schema does not list and needs to have enough.

    They are named one by one, as a schema may demand more than any event has.
    """
    if count > 0 and schema.get("additionalProperties") is False:
        has_patterns = bool(schema.get("patternProperties"))
        raise DataError(
            f"an object needs {len(names) + count} properties, and no more than {len(names)} "
            f"{'have names that are listed' if has_patterns else 'are allowed'}",
            "give it a hint under with" if has_patterns else "mend the schema",
        )
    listed = {*names, *schema.get("properties", {})}
    numbered = (f"property{number}" for number in count_from(1))
    fresh = (name for name in numbered if name not in listed)
    return (name for _, name in zip(range(count), fresh, strict=False))


def _items(schema: Mapping[str, Any]) -> tuple[Sequence[Any], Any]:
    """Return the schemas of an array's first items, and that of all others."""
    items = schema.get("items")
    if isinstance(items, list):
        return items, schema.get("additionalItems")
    return schema.get("prefixItems", ()), items


def _parts_of_value(schema: Mapping[str, Any]) -> list[Any]:
    """Return the schemas of what lies in an object or array."""
    positions, items = _items(schema)
    return [*schema.get("properties", {}).values(), *positions, items]


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "null"


def _json_kinds(schema: Mapping[str, Any]) -> list[str]:
    kind = schema.get("type")
    if kind is not None:
        return list(map(str, kind)) if isinstance(kind, list) else [str(kind)]
    for keyword, meant in (("properties", "object"), ("items", "array"), ("minimum", "number")):
        if keyword in schema:
            return [meant]
    return ["string"]


def _string(schema: Mapping[str, Any], random: Random, path: Path, growth: Growth) -> object:
    if "pattern" in schema:
        raise DataError(
            f"the texts of {'.'.join(path)} must match a pattern",
            "give it a hint under with, such as  {choice: [...]}",
        )
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]](random)
    text = plain_text(random, path[-1])
    # These may be written as 3.0, too.
    shortest, longest = int(schema.get("minLength", 0)), schema.get("maxLength")
    growth.count_letters(shortest)
    return text.ljust(shortest, "x")[: None if longest is None else int(longest)]


def _scalar(kind: str, schema: Mapping[str, Any], random: Random) -> object:
    if kind == "boolean":
        return random.random() < 0.5
    if kind == "null":
        return None
    lowest, highest = _limits(schema)
    step = schema.get("multipleOf")
    if step and highest // step < _MOST_STEPS:
        if kind == "integer":
            # Of 0.5 every second one is whole, and of 1.5 too.
            step = Fraction(str(step)).numerator
        first, last = -(-lowest // step), highest // step
        return random.randint(int(first), int(max(first, last))) * step
    if kind == "integer":
        first = -int(-lowest // 1)
        return random.randint(first, max(first, int(highest // 1)))
    return min(max(round(random.uniform(lowest, highest), 2), lowest), highest)


def _limits(schema: Mapping[str, Any]) -> tuple[float, float]:
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    # Draft 4 has booleans that make minimum and maximum exclusive.
    above = (lowest if above else None) if isinstance(above, bool) else above
    below = (highest if below else None) if isinstance(below, bool) else below
    if schema.get("type") == "integer":
        lowest = _outer(max, lowest, None if above is None else above // 1 + 1)
        highest = _outer(min, highest, None if below is None else -(-below // 1) - 1)
    else:
        first, last = _outer(max, lowest, above), _outer(min, highest, below)
        room = inf if first is None or last is None else last - first
        tiny = min(0.01, room / 4)
        lowest = _outer(max, lowest, None if above is None else above + tiny)
        highest = _outer(min, highest, None if below is None else below - tiny)
    if lowest is None:
        lowest = 1 if highest is None or highest >= 1 else highest - 1000
    return lowest, lowest + 1000 if highest is None else highest


def _outer(choose: Callable[..., float], one: float | None, other: float | None) -> float | None:
    given = [limit for limit in (one, other) if limit is not None]
    return choose(given) if given else None
