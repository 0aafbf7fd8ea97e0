"""Values made from an Avro schema, with hints for some of the places."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import inf
from random import Random
from typing import Any, NoReturn

from fakebus.fixture_files.generation.values import (
    LOGICAL_TYPES,
    MISSING_SHARE,
    Growth,
    Maker,
    Path,
    latin,
    plain_text,
    shown,
)
from fakebus.fixture_files.problems import DataError, quoted


class AvroValues:
    """Values made from an Avro schema.

    Args:
        text: the schema, references written out.
        name: what plain texts are called by.
    """

    def __init__(self, text: str, name: str = "value") -> None:
        self._name = name
        self._root = json.loads(text)
        self._types: dict[str, Any] = {}
        self._full_names: dict[int, str] = {}
        self._costs: dict[int, float] = {}
        self._recursive: dict[int, bool] = {}
        self._collect(self._root, "")
        self._settle_costs()
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
            "string": plain_text,
            "bytes": lambda random, _: latin(random, 8),
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

    def _settle_costs(self) -> None:
        """Find out how many values each record takes at least; it ends when nothing changes."""
        changed = True
        while changed:
            changed = False
            for schema in self._types.values():
                if schema["type"] == "record":
                    cost = 1 + sum(self._cost(field["type"]) for field in schema["fields"])
                    changed |= cost < self._costs.get(id(schema), inf)
                    self._costs[id(schema)] = cost

    def _cost(self, schema: Any) -> float:
        """Return how many values a value takes at least; infinite if it cannot end."""
        if isinstance(schema, list):
            return min(map(self._cost, schema), default=inf)
        if isinstance(schema, str):
            return self._cost(self._types[schema]) if schema in self._types else 1
        if schema["type"] == "record":
            return self._costs.get(id(schema), inf)
        return self._cost(schema["type"]) if isinstance(schema["type"], list | dict) else 1

    def _is_recursive(self, schema: Any, within: tuple[int, ...] = ()) -> bool:
        """Whether a value may hold values of a type that it lies in."""
        if isinstance(schema, list):
            return any(self._is_recursive(branch, within) for branch in schema)
        if isinstance(schema, str):
            return schema in self._types and self._is_recursive(self._types[schema], within)
        own = id(schema)
        if own in within:
            return True
        if own not in self._recursive:
            parts = [field["type"] for field in schema.get("fields", ())]
            parts += [schema[name] for name in ("items", "values") if name in schema]
            if isinstance(schema["type"], list | dict):
                parts.append(schema["type"])
            inside = (*within, own)
            self._recursive[own] = any(self._is_recursive(part, inside) for part in parts)
        return self._recursive[own]

    def make(self, maker: Maker) -> object:
        """Return one value."""
        return self._make(self._root, maker, (), "$", 0, Growth())

    def _make(
        self, schema: Any, maker: Maker, path: Path, place: str, depth: int, growth: Growth
    ) -> object:
        if maker.has_hint(path):
            return maker.hinted(path, place)
        growth.count()
        if isinstance(schema, list):
            return self._union(schema, maker, path, place, depth, growth)
        if isinstance(schema, str):
            if schema in self._simple:
                return self._simple[schema](maker.random(place), path[-1] if path else self._name)
            schema = self._types[schema]
        kind = schema["type"]
        if isinstance(kind, list | dict):
            return self._make(kind, maker, path, place, depth, growth)
        if kind == "record":
            self._check_end(schema, path, depth, growth)
            return {
                field["name"]: self._make(
                    field["type"],
                    maker,
                    (*path, field["name"]),
                    f"{place}.{field['name']}",
                    depth + 1,
                    growth,
                )
                for field in schema["fields"]
            }
        if kind in ("array", "map"):
            return self._several(schema, maker, path, place, depth, growth)
        return self._leaf(schema, maker.random(place), path[-1] if path else self._name, growth)

    def _check_end(self, schema: Any, path: Path, depth: int, growth: Growth) -> None:
        if self._costs[id(schema)] == inf and growth.is_over(depth, recursive=True):
            name = self._full_names[id(schema)]
            raise DataError(
                f"the record {quoted(name)} of {shown(path) or self._name} holds itself "
                "without an end",
                "let a field be null, or give it a hint under with",
            )

    def _several(
        self, schema: Any, maker: Maker, path: Path, place: str, depth: int, growth: Growth
    ) -> object:
        is_over = growth.is_over(depth, recursive=self._is_recursive(schema))
        count = 0 if is_over else maker.random(f"{place}#").randint(1, 3)
        if schema["type"] == "array":
            return [
                self._make(schema["items"], maker, path, f"{place}[{index}]", depth + 1, growth)
                for index in range(count)
            ]
        return {
            f"key{index}": self._make(
                schema["values"], maker, path, f"{place}{{{index}}}", depth + 1, growth
            )
            for index in range(count)
        }

    def _union(
        self, schema: Any, maker: Maker, path: Path, place: str, depth: int, growth: Growth
    ) -> object:
        random = maker.random(f"{place}?")
        branches = [branch for branch in schema if branch != "null"]
        is_over = growth.is_over(depth, recursive=self._is_recursive(schema))
        if "null" in schema and not maker.has_hint_below(path):
            # A type that holds itself would never end otherwise.
            if not branches or is_over or random.random() < MISSING_SHARE:
                return None
            if self._truthy_optionals and branches == ["boolean"]:
                return True
        branches = branches or _nothing_to_choose(path[-1] if path else self._name, "branch")
        branch = min(branches, key=self._cost) if is_over else random.choice(branches)
        made = self._make(branch, maker, path, place, depth, growth)
        return made if len(branches) == 1 else {self._branch_name(branch): made}

    def _branch_name(self, branch: Any) -> str:
        if isinstance(branch, str):
            if branch in self._simple:
                return branch
            branch = self._types[branch]
        return self._full_names.get(id(branch)) or str(branch["type"])

    def _leaf(self, schema: Any, random: Random, name: str, growth: Growth) -> object:
        kind, logical = schema["type"], schema.get("logicalType")
        if kind == "enum":
            return random.choice(schema["symbols"] or _nothing_to_choose(name, "symbol"))
        if logical == "decimal":
            scale = schema.get("scale", 0)
            growth.count_letters(scale)
            digits = min(schema["precision"], 8)
            return f"{random.randint(1, 10**digits - 1) / 10**scale:.{scale}f}"
        if kind == "fixed":
            growth.count_letters(schema["size"])
            return latin(random, schema["size"])
        if logical in LOGICAL_TYPES:
            return LOGICAL_TYPES[logical](random)
        return self._simple[kind](random, name)


def _nothing_to_choose(name: str, what: str) -> NoReturn:
    raise DataError(f"the schema of {name} has no {what}, so no value fits", "mend the schema")
