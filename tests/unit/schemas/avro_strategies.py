"""Random Avro schemas, and data for a schema."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fakebus.schemas.avro.nodes import (
    PRIMITIVE_TYPES,
    Array,
    Enum,
    Fixed,
    LogicalType,
    Map,
    Node,
    Primitive,
    Record,
    Union,
    type_name,
)

Schema = Any
Names = dict[str, bool]
"""Whether a type is whole: one that is still being made is named in lists alone, so that data
has an end."""

FIELD_NAMES = st.sampled_from(["a", "b", "c", "d"])
SYMBOLS = st.lists(st.sampled_from(["X", "Y", "Z"]), min_size=1, unique=True)
LOGICAL = [
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-nanos"},
    {"type": "long", "logicalType": "local-timestamp-micros"},
    {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 3},
    {"type": "string", "logicalType": "uuid"},
]


@st.composite
def schemas(draw: st.DrawFn, depth: int = 3) -> Schema:
    """Return a schema; its named types are N0, N1 and so on, and later ones name earlier ones."""
    return _schema(draw, {}, depth)


def _schema(draw: st.DrawFn, names: Names, depth: int, *, in_list: bool = False) -> Schema:
    kinds = ["primitive", "logical", "named", "name", "list", "record", "union"]
    kind = draw(st.sampled_from(kinds[: 7 if depth else 4]))
    match kind:
        case "list":
            word = draw(st.sampled_from(["array", "map"]))
            part = _schema(draw, names, depth - 1, in_list=True)
            return {"type": word, "items" if word == "array" else "values": part}
        case "union":
            return _union(draw, names, depth, in_list=in_list)
        case "record":
            return _record(draw, names, depth)
    return _leaf(draw, kind, names, in_list=in_list)


def _leaf(draw: st.DrawFn, kind: str, names: Names, *, in_list: bool) -> Schema:
    if kind == "named":
        name = f"N{len(names)}"
        names[name] = True
        if draw(st.booleans()):
            return {"type": "enum", "name": name, "symbols": draw(SYMBOLS)}
        return {"type": "fixed", "name": name, "size": draw(st.integers(0, 3))}
    known = [name for name, is_whole in names.items() if is_whole or in_list]
    if kind == "name" and known:
        return draw(st.sampled_from(known))
    return draw(st.sampled_from(LOGICAL if kind == "logical" else PRIMITIVE_TYPES))


def _record(draw: st.DrawFn, names: Names, depth: int) -> Schema:
    name = f"N{len(names)}"
    names[name] = False
    fields = []
    for field_name in draw(st.lists(FIELD_NAMES, unique=True, max_size=3)):
        type_ = _schema(draw, names, depth - 1)
        field: dict[str, Any] = {"name": field_name, "type": type_}
        if type_ in ("int", "long") and draw(st.booleans()):
            field["default"] = draw(st.integers(-5, 5))
        if isinstance(type_, list) and type_[0] == "null" and draw(st.booleans()):
            field["default"] = None
        fields.append(field)
    names[name] = True
    return {"type": "record", "name": name, "fields": fields}


def _union(draw: st.DrawFn, names: Names, depth: int, *, in_list: bool) -> Schema:
    branches: dict[str, Schema] = {}
    for _ in range(draw(st.integers(1, 4))):
        before = dict(names)
        branch = _schema(draw, names, depth - 1, in_list=in_list)
        is_union = isinstance(branch, list)
        called = (
            branch if isinstance(branch, str) or is_union else branch.get("name", branch["type"])
        )
        if is_union or called in branches:
            names.clear()
            names.update(before)
        else:
            branches[called] = branch
    return list(branches.values()) or ["null"]


@st.composite
def data_for(draw: st.DrawFn, node: Node, depth: int = 4) -> Any:
    """Return data of a type; branches of unions are named, so that it can mean only one thing."""
    return _data(draw, node, depth)


def _data(draw: st.DrawFn, node: Node, depth: int) -> Any:
    match node:
        case Record():
            return {one.name: _data(draw, one.type, depth - 1) for one in node.fields}
        case Enum():
            return draw(st.sampled_from(node.symbols))
        case Fixed():
            return draw(st.binary(min_size=node.size, max_size=node.size))
        case Array():
            count = draw(st.integers(0, 3)) if depth > 0 else 0
            return [_data(draw, node.items, depth - 1) for _ in range(count)]
        case Map():
            keys = draw(st.lists(st.text(max_size=3), unique=True, max_size=3)) if depth > 0 else []
            return {key: _data(draw, node.values, depth - 1) for key in keys}
        case Union():
            at = draw(st.integers(0, len(node.branches) - 1))
            if depth <= 0:
                at = next((i for i, b in enumerate(node.branches) if b.kind == "null"), at)
            branch = node.branches[at]
            return {type_name(branch): _data(draw, branch, depth - 1)}
        case Primitive():
            return _primitive(draw, node.kind, node.logical)


def _primitive(draw: st.DrawFn, kind: str, logical: LogicalType | None) -> Any:
    if logical is not None and logical.name == "decimal":
        return draw(st.decimals(-99999, 99999, places=logical.scale))
    return draw(
        {
            "null": st.none(),
            "boolean": st.booleans(),
            "int": st.integers(-(2**31), 2**31 - 1),
            "long": st.integers(-(2**63), 2**63 - 1) | st.integers(-(2**40), 2**50),
            "float": st.floats(width=32),
            "double": st.floats(),
            "bytes": st.binary(max_size=5),
            "string": st.text(max_size=5) | st.sampled_from(["NaN", "X", "2024-01-01", "1.5"]),
        }[kind]
    )
