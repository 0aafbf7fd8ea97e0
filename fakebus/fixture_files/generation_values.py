"""Values made from a schema, with hints for some of the places."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Protocol
from uuid import UUID

from fakebus.fixture_files.problems import DataError, quoted

Path = tuple[str, ...]

_MAX_DEPTH = 20
_MISSING_SHARE = 0.2
"""How many of the optional values are left out."""


class Maker(Protocol):
    """What gives the values of one event: hints and random sources by place."""

    def has_hint(self, path: Path) -> bool:
        """Whether a hint stands at a path."""

    def has_hint_below(self, path: Path) -> bool:
        """Whether a hint stands at a path or below it."""

    def hinted(self, path: Path, place: str) -> object:
        """Return what the hint at a path makes."""

    def random(self, place: str) -> Random:
        """Return the random source of a place."""


class AvroValues:
    """Makes values of an Avro schema.

    Args:
        text: the schema, references written out.
        name: what plain texts are called by.
    """

    def __init__(self, text: str, name: str = "value") -> None:
        self._name = name
        self._root = json.loads(text)
        self._types: dict[str, Any] = {}
        self._full_names: dict[int, str] = {}
        self._collect(self._root, "")
        namespace = self._root.get("namespace", "") if isinstance(self._root, dict) else ""
        # Open edX's consumers read an optional value that is falsy as missing.
        self._truthy_optionals = str(namespace).startswith("org.openedx")
        self._simple: Mapping[str, Callable[[Random, str], object]] = {
            "null": lambda _, __: None,
            "boolean": lambda random, _: random.random() < 0.5,
            "int": lambda random, _: random.randint(1, 10_000),
            "long": lambda random, _: random.randint(1, 1_000_000),
            "float": lambda random, _: random.randint(1, 40_000) / 4,
            "double": lambda random, _: round(random.uniform(1, 10_000), 2),
            "string": _text,
            "bytes": lambda random, _: _latin(random, 8),
        }

    def _collect(self, schema: Any, namespace: str) -> None:
        if isinstance(schema, list):
            for branch in schema:
                self._collect(branch, namespace)
        if not isinstance(schema, dict):
            return
        if "name" in schema:
            full = schema["name"]
            inner = schema.get("namespace", namespace)
            if "." not in full and inner:
                full = f"{inner}.{full}"
            namespace = full.rpartition(".")[0]
            self._full_names[id(schema)] = full
            self._types.setdefault(full, schema)
            self._types.setdefault(schema["name"], schema)
        for field in schema.get("fields", ()):
            self._collect(field["type"], namespace)
        for part in ("items", "values"):
            self._collect(schema.get(part), namespace)
        if not isinstance(schema.get("type"), str):
            self._collect(schema.get("type"), namespace)

    def make(self, maker: Maker) -> object:
        """Return one value."""
        return self._make(self._root, maker, (), "$", 0)

    def _make(self, schema: Any, maker: Maker, path: Path, place: str, depth: int) -> object:
        if maker.has_hint(path):
            return maker.hinted(path, place)
        if isinstance(schema, list):
            return self._union(schema, maker, path, place, depth)
        if isinstance(schema, str):
            if schema in self._simple:
                return self._simple[schema](maker.random(place), path[-1] if path else self._name)
            schema = self._types[schema]
        kind = schema["type"]
        if isinstance(kind, list | dict):
            return self._make(kind, maker, path, place, depth)
        if kind == "record":
            return {
                field["name"]: self._make(
                    field["type"],
                    maker,
                    (*path, field["name"]),
                    f"{place}.{field['name']}",
                    depth + 1,
                )
                for field in schema["fields"]
            }
        if kind in ("array", "map"):
            return self._several(schema, maker, path, place, depth)
        return self._leaf(schema, maker.random(place), path[-1] if path else self._name)

    def _several(self, schema: Any, maker: Maker, path: Path, place: str, depth: int) -> object:
        count = 0 if depth > _MAX_DEPTH else maker.random(f"{place}#").randint(1, 3)
        if schema["type"] == "array":
            return [
                self._make(schema["items"], maker, path, f"{place}[{index}]", depth + 1)
                for index in range(count)
            ]
        return {
            f"key{index}": self._make(
                schema["values"], maker, path, f"{place}{{{index}}}", depth + 1
            )
            for index in range(count)
        }

    def _union(self, schema: Any, maker: Maker, path: Path, place: str, depth: int) -> object:
        random = maker.random(f"{place}?")
        branches = [branch for branch in schema if branch != "null"]
        wanted = maker.has_hint_below(path)
        if "null" in schema and not wanted:
            # A type that holds itself would never end otherwise.
            if not branches or depth > _MAX_DEPTH or random.random() < _MISSING_SHARE:
                return None
            if self._truthy_optionals and branches == ["boolean"]:
                return True
        branch = random.choice(branches)
        made = self._make(branch, maker, path, place, depth)
        return made if len(branches) == 1 else {self._branch_name(branch): made}

    def _branch_name(self, branch: Any) -> str:
        if isinstance(branch, str):
            if branch in self._simple:
                return branch
            branch = self._types[branch]
        return self._full_names.get(id(branch)) or str(branch["type"])

    def _leaf(self, schema: Any, random: Random, name: str) -> object:
        kind, logical = schema["type"], schema.get("logicalType")
        if kind == "enum":
            return random.choice(schema["symbols"])
        if logical == "decimal":
            scale = schema.get("scale", 0)
            digits = min(schema["precision"], 8)
            return f"{random.randint(1, 10**digits - 1) / 10**scale:.{scale}f}"
        if kind == "fixed":
            return _latin(random, schema["size"])
        if logical in _LOGICAL:
            return _LOGICAL[logical](random)
        return self._simple[kind](random, name)


def _latin(random: Random, size: int) -> str:
    return "".join(chr(random.randrange(256)) for _ in range(size))


def _text(random: Random, name: str) -> str:
    return f"{name}-{random.randint(1, 9999)}"


def _call(offset_days: int, form: str) -> Callable[[Random], object]:
    def make(random: Random) -> object:
        seconds = random.randint(0, 86_400 * offset_days)
        return {"$time": f"at -{seconds}s" if seconds else "at", "as": form}

    return make


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


_LOGICAL: Mapping[str, Callable[[Random], object]] = {
    "uuid": _uuid,
    "date": _call(30, "date"),
    "timestamp-millis": _call(1, "timestamp-millis"),
    "timestamp-micros": _call(1, "timestamp-micros"),
    "local-timestamp-millis": _call(1, "timestamp-millis"),
    "local-timestamp-micros": _call(1, "timestamp-micros"),
    "time-millis": lambda random: random.randrange(86_400_000),
    "time-micros": lambda random: random.randrange(86_400_000_000),
}

_FORMATS: Mapping[str, Callable[[Random], object]] = {
    "date-time": _call(1, "iso"),
    "date": _call(30, "date"),
    "time": lambda random: (
        datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(86_400))
    ).strftime("%H:%M:%SZ"),
    "duration": lambda random: f"PT{random.randint(1, 59)}M",
    "email": lambda random: f"user{random.randint(1, 9999)}@example.org",
    "hostname": lambda random: f"host{random.randint(1, 9999)}.example.org",
    "ipv4": lambda random: f"192.0.2.{random.randint(1, 254)}",
    "ipv6": lambda random: f"2001:db8::{random.randint(1, 9999)}",
    "uri": lambda random: f"https://example.org/{random.randint(1, 9999)}",
    "uuid": _uuid,
}


class JsonSchemaValues:
    """Makes values of a JSON Schema.

    Args:
        text: the schema.
        name: what plain texts are called by.
    """

    def __init__(self, text: str, name: str = "value") -> None:
        self._name = name
        self._root = json.loads(text)

    def make(self, maker: Maker) -> object:
        """Return one value."""
        return self._make(self._root, maker, (), "$", 0)

    def _make(self, schema: Any, maker: Maker, path: Path, place: str, depth: int) -> object:
        if maker.has_hint(path):
            return maker.hinted(path, place)
        if depth > 2 * _MAX_DEPTH:
            raise DataError(
                f"the schema of {'.'.join(path)} holds itself without an end",
                "give it a hint under with",
            )
        random = maker.random(place)
        schema = self._resolved(schema, maker.random(f"{place}?"), maker, path)
        for keyword in ("enum", "examples"):
            if schema.get(keyword) and not maker.has_hint_below(path):
                return random.choice(schema[keyword])
        if "const" in schema:
            return schema["const"]
        kind = _json_kind(schema, random)
        if kind == "object":
            return self._object(schema, maker, path, place, depth)
        if kind == "array":
            return self._array(schema, maker, path, place, depth)
        if kind == "string":
            return _string(schema, random, path or (self._name,))
        return _scalar(kind, schema, random)

    def _resolved(self, schema: Any, random: Random, maker: Maker, path: Path) -> Mapping[str, Any]:
        for _ in range(_MAX_DEPTH):
            if not isinstance(schema, dict):
                return {}
            if "$ref" in schema:
                schema = self._target(schema["$ref"])
            elif "allOf" in schema:
                schema = _merged(
                    [{key: part for key, part in schema.items() if key != "allOf"}]
                    + [self._resolved(part, random, maker, path) for part in schema["allOf"]]
                )
            elif "oneOf" in schema or "anyOf" in schema:
                word = "oneOf" if "oneOf" in schema else "anyOf"
                rest = {key: part for key, part in schema.items() if key != word}
                branches = schema[word]
                if maker.has_hint_below(path):
                    branches = [one for one in branches if not _is_null(one)] or branches
                schema = _merged(
                    [rest, self._resolved(random.choice(branches), random, maker, path)]
                )
            else:
                return schema
        raise DataError("the schema's references never end", "mend the schema")

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#"):
            raise DataError(
                f"the schema refers to {quoted(reference)}, which lies outside of it",
                "give the field a hint under with",
            )
        found = self._root
        for name in reference[1:].split("/")[1:]:
            name = name.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found.get(name, {})
        return found

    def _object(
        self, schema: Any, maker: Maker, path: Path, place: str, depth: int
    ) -> dict[str, object]:
        required = schema.get("required", ())
        made: dict[str, object] = {}
        for name, inner in schema.get("properties", {}).items():
            at, where = (*path, name), f"{place}.{name}"
            if name not in required and not maker.has_hint_below(at):
                if depth > _MAX_DEPTH or maker.random(f"{where}?").random() < _MISSING_SHARE:
                    continue
            # What begins with a dollar sign would be taken for a function.
            written = f"${name}" if name.startswith("$") else name
            made[written] = self._make(inner, maker, at, where, depth + 1)
        for name in required:
            if name not in schema.get("properties", {}):
                made[name] = self._make({}, maker, (*path, name), f"{place}.{name}", depth + 1)
        return made

    def _array(self, schema: Any, maker: Maker, path: Path, place: str, depth: int) -> list[object]:
        lowest = schema.get("minItems", 0 if depth > _MAX_DEPTH else 1)
        highest = min(schema.get("maxItems", lowest + 2), lowest + 2)
        count = maker.random(f"{place}#").randint(lowest, max(lowest, highest))
        positions = schema.get("prefixItems", ())
        items = schema.get("items", {})
        if isinstance(items, list):
            positions, items = items, schema.get("additionalItems", {})
        count = max(count, len(positions))
        return [
            self._make(
                positions[index] if index < len(positions) else items,
                maker,
                path,
                f"{place}[{index}]",
                depth + 1,
            )
            for index in range(count)
        ]


def _merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, ()), *value]
            else:
                merged[key] = value
    return merged


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "null"


def _json_kind(schema: Mapping[str, Any], random: Random) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds = [each for each in kind if each != "null"]
        if "null" in kind and (not kinds or random.random() < _MISSING_SHARE):
            return "null"
        return str(random.choice(kinds))
    if kind is not None:
        return str(kind)
    for keyword, meant in (("properties", "object"), ("items", "array"), ("minimum", "number")):
        if keyword in schema:
            return meant
    return "string"


def _string(schema: Mapping[str, Any], random: Random, path: Path) -> object:
    if "pattern" in schema:
        raise DataError(
            f"the texts of {'.'.join(path)} must match a pattern",
            "give it a hint under with, such as  {choice: [...]}",
        )
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]](random)
    text = _text(random, path[-1])
    shortest = schema.get("minLength", 0)
    return (text + "x" * (shortest - len(text)))[: schema.get("maxLength")]


def _scalar(kind: str, schema: Mapping[str, Any], random: Random) -> object:
    if kind == "boolean":
        return random.random() < 0.5
    if kind == "null":
        return None
    lowest, highest = _limits(schema)
    step = schema.get("multipleOf")
    if step:
        first, last = -(-lowest // step), highest // step
        return random.randint(int(first), int(max(first, last))) * step
    if kind == "integer":
        first = -int(-lowest // 1)
        return random.randint(first, max(first, int(highest // 1)))
    return min(max(round(random.uniform(lowest, highest), 2), lowest), highest)


def _limits(schema: Mapping[str, Any]) -> tuple[float, float]:
    lowest, highest = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    tiny = 1 if schema.get("type") == "integer" else 0.01
    # Draft 4 has booleans that make minimum and maximum exclusive.
    if above is True and lowest is not None:
        lowest += tiny
    elif above is not None and not isinstance(above, bool):
        lowest = above + tiny
    if below is True and highest is not None:
        highest -= tiny
    elif below is not None and not isinstance(below, bool):
        highest = below - tiny
    if lowest is None:
        lowest = 1 if highest is None or highest >= 1 else highest - 1000
    return lowest, lowest + 1000 if highest is None else highest
