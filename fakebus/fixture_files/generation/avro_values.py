"""Values made from an Avro schema, with hints for some of the places."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from random import Random
from typing import NoReturn

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
from fakebus.schemas.avro.nodes import (
    Array,
    Enum,
    Fixed,
    LogicalType,
    Map,
    Named,
    Node,
    Primitive,
    Record,
    Union,
    type_name,
)

_SIMPLE: Mapping[str, Callable[[Random, str], object]] = {
    "null": lambda _, __: None,
    "boolean": lambda random, _: random.random() < 0.5,
    "int": lambda random, _: random.randint(1, 10_000),
    "long": lambda random, _: random.randint(1, 1_000_000),
    "float": lambda random, _: random.randint(1, 40_000) / 4,
    "double": lambda random, _: round(random.uniform(1, 10_000), 2),
    "string": plain_text,
    "bytes": lambda random, _: latin(random, 8),
}


class AvroValues:
    """Values made from an Avro schema.

    Args:
        root: the type; which names mean which types, and which logical types hold, is settled.
        name: what plain texts are called by.
    """

    def __init__(self, root: Node, name: str = "value") -> None:
        self._name = name
        self._root = root
        self._costs: dict[Record, float] = {}
        self._recursive: dict[Node, bool] = {}
        self._settle_costs()
        namespace = root.name.namespace if isinstance(root, Named) else None
        # Open edX's consumers read an optional value that is falsy as missing.
        self._truthy_optionals = str(namespace).startswith("org.openedx")

    def _settle_costs(self) -> None:
        """Find out how many values each record takes at least; it ends when nothing changes."""
        records = _records(self._root)
        changed = True
        while changed:
            changed = False
            for record in records:
                cost = 1 + sum(self._cost(field.type) for field in record.fields)
                changed |= cost < self._costs.get(record, inf)
                self._costs[record] = cost

    def _cost(self, node: Node) -> float:
        """Return how many values a value takes at least; infinite if it cannot end."""
        if isinstance(node, Union):
            return min(map(self._cost, node.branches), default=inf)
        return self._costs.get(node, inf) if isinstance(node, Record) else 1

    def _is_recursive(self, node: Node, within: tuple[Node, ...] = ()) -> bool:
        """Whether a value may hold values of a type that it lies in."""
        if node in within:
            return True
        if node not in self._recursive:
            inside = (*within, node)
            self._recursive[node] = any(self._is_recursive(part, inside) for part in _parts(node))
        return self._recursive[node]

    def make(self, maker: Maker) -> object:
        """Return one value."""
        return self._make(self._root, maker, (), "$", 0, Growth())

    def _make(
        self, node: Node, maker: Maker, path: Path, place: str, depth: int, growth: Growth
    ) -> object:
        if maker.has_hint(path):
            return maker.hinted(path, place)
        growth.count()
        if isinstance(node, Union):
            return self._union(node, maker, path, place, depth, growth)
        if isinstance(node, Record):
            self._check_end(node, path, depth, growth)
            return {
                field.name: self._make(
                    field.type,
                    maker,
                    (*path, field.name),
                    f"{place}.{field.name}",
                    depth + 1,
                    growth,
                )
                for field in node.fields
            }
        if isinstance(node, Array | Map):
            return self._several(node, maker, path, place, depth, growth)
        return _leaf(node, maker.random(place), path[-1] if path else self._name, growth)

    def _check_end(self, record: Record, path: Path, depth: int, growth: Growth) -> None:
        if self._costs[record] == inf and growth.is_over(depth, recursive=True):
            raise DataError(
                f"the record {quoted(record.name.full)} of {shown(path) or self._name} holds "
                "itself without an end",
                "let a field be null, or give it a hint under with",
            )

    def _several(
        self, node: Array | Map, maker: Maker, path: Path, place: str, depth: int, growth: Growth
    ) -> object:
        is_over = growth.is_over(depth, recursive=self._is_recursive(node))
        count = 0 if is_over else maker.random(f"{place}#").randint(1, 3)
        if isinstance(node, Array):
            return [
                self._make(node.items, maker, path, f"{place}[{index}]", depth + 1, growth)
                for index in range(count)
            ]
        return {
            f"key{index}": self._make(
                node.values, maker, path, f"{place}{{{index}}}", depth + 1, growth
            )
            for index in range(count)
        }

    def _union(
        self, union: Union, maker: Maker, path: Path, place: str, depth: int, growth: Growth
    ) -> object:
        random = maker.random(f"{place}?")
        branches = [branch for branch in union.branches if branch.kind != "null"]
        is_over = growth.is_over(depth, recursive=self._is_recursive(union))
        if len(branches) < len(union.branches) and not maker.has_hint_below(path):
            # A type that holds itself would never end otherwise.
            if not branches or is_over or random.random() < MISSING_SHARE:
                return None
            if self._truthy_optionals and [branch.kind for branch in branches] == ["boolean"]:
                return True
        branches = branches or _nothing_to_choose(path[-1] if path else self._name, "branch")
        branch = min(branches, key=self._cost) if is_over else random.choice(branches)
        made = self._make(branch, maker, path, place, depth, growth)
        return made if len(branches) == 1 else {type_name(branch): made}


def _parts(node: Node) -> list[Node]:
    """Return the types of what lies in a value."""
    match node:
        case Record():
            return [field.type for field in node.fields]
        case Union():
            return list(node.branches)
        case Array():
            return [node.items]
        case Map():
            return [node.values]
    return []


def _records(root: Node) -> list[Record]:
    """Return every record that a type may hold, in the order of the schema."""
    seen: dict[Node, None] = {}
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen[node] = None
            waiting += reversed(_parts(node))
    return [node for node in seen if isinstance(node, Record)]


def _leaf(node: Primitive | Enum | Fixed, random: Random, name: str, growth: Growth) -> object:
    if isinstance(node, Enum):
        return random.choice(node.symbols or _nothing_to_choose(name, "symbol"))
    logical = node.logical
    if logical is not None and logical.name == "decimal":
        return _decimal(logical, random, growth)
    if logical is not None and logical.name in LOGICAL_TYPES:
        return LOGICAL_TYPES[logical.name](random)
    if isinstance(node, Fixed):
        growth.count_letters(node.size)
        return latin(random, node.size)
    return _SIMPLE[node.kind](random, name)


def _decimal(logical: LogicalType, random: Random, growth: Growth) -> str:
    growth.count_letters(logical.scale)
    digits = min(logical.precision, 8)
    return f"{random.randint(1, 10**digits - 1) / 10**logical.scale:.{logical.scale}f}"


def _nothing_to_choose(name: str, what: str) -> NoReturn:
    raise DataError(f"the schema of {name} has no {what}, so no value fits", "mend the schema")
