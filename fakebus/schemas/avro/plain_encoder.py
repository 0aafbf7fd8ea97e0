"""The quick way to write plain data: Python source for each schema, compiled once.

Data is plain if a look at it tells which binary form it has, and that it is read back as what it
is: texts, numbers, booleans, symbols and times where the schema has them, in objects without
unknown fields, in which only fields that are null by default are left out. All else is for
:mod:`fakebus.schemas.avro.encoder`, which knows every form and says what is wrong.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from fakebus.schemas.avro.defaults import INT_RANGE, LONG_RANGE
from fakebus.schemas.avro.logical_values import number_of
from fakebus.schemas.avro.misfits import MAX_DATA_DEPTH
from fakebus.schemas.avro.nodes import (
    Array,
    Enum,
    Field,
    Map,
    Node,
    Primitive,
    Record,
    Union,
    type_name,
)
from fakebus.schemas.avro.scalars import long_bytes
from fakebus.schemas.avro.union_branches import is_optional

_MOST_TYPES = MAX_DATA_DEPTH // 3
"""With parts; values of fewer cannot lie too deep in one another, as none contains itself."""
_OTHERWISE = "else: raise NotPlain"


class NotPlain(Exception):  # noqa: N818 - it never leaves the module
    """Data, or a schema, that the quick way does not take."""


def plain_encoder_of(node: Node, max_size: int) -> Callable[[object], bytes | None] | None:
    """Return what gives the binary form of plain data and nothing for all else.

    There is none for types that contain themselves, or values that take no byte.

    Args:
        node: the type.
        max_size: the most bytes that data may take.
    """
    source = _Source()
    try:
        body = source.statements(node)
    except NotPlain:
        return None
    source.define("write", ["out, x = bytearray(), data", *body, "return out"], "data")
    namespace: dict[str, object] = {
        "NotPlain": NotPlain,
        "long_bytes": long_bytes,
        "double_bytes": struct.Struct("<d").pack,
        "number_of": number_of,
        "INTS": INT_RANGE,
        "LONGS": LONG_RANGE,
        **source.constants,
    }
    # Names of fields stand in it as Python writes texts.
    exec("\n".join(source.lines), namespace)  # noqa: S102
    write: Callable[[object], bytearray] = namespace["write"]  # type: ignore[assignment]

    def encode(data: object) -> bytes | None:
        try:
            out = write(data)
        # A field or a symbol that is not there; a text that has no bytes, or is no time.
        except (NotPlain, KeyError, ValueError):
            return None
        return bytes(out) if len(out) <= max_size else None

    return encode


_TEXT = [
    "if type(x) is not str: raise NotPlain",
    "x = x.encode()",
    "if len(x) < 64: out.append(len(x) << 1)",
    "else: out += long_bytes(len(x))",
    "out += x",
]
_SCALARS = {
    "boolean": ["if x is True or x is False: out.append(x)", _OTHERWISE],
    "int": ["if type(x) is int and x in INTS: out += long_bytes(x)", _OTHERWISE],
    "long": ["if type(x) is int and x in LONGS: out += long_bytes(x)", _OTHERWISE],
    # What has no end is no number after it.
    "double": ["if type(x) is float and x - x == 0: out += double_bytes(x)", _OTHERWISE],
    "string": _TEXT,
}


class _Source:
    """Source of functions that write values with parts, one for each type."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, object] = {}
        self._functions: dict[Node, str | None] = {}
        """Nothing while the function is being written."""

    def define(self, name: str, body: Sequence[str], arguments: str) -> None:
        """Add a function."""
        self.lines += [f"def {name}({arguments}):", *_indented(body)]

    def statements(self, node: Node) -> list[str]:
        """Return what appends the value ``x`` of a type to ``out``."""
        match node:
            case Record() | Array() | Map():
                return [f"{self._function(node)}(out, x)"]
            case Union():
                return self._union(node)
            case Enum():
                symbols = {one: long_bytes(at) for at, one in reversed([*enumerate(node.symbols)])}
                return [f"if type(x) is str: out += {self._constant(symbols)}[x]", _OTHERWISE]
            case Primitive(kind="null"):
                raise NotPlain
            case Primitive(kind="int" | "long") if node.logical:
                # It is read back as a text, which is falsy never.
                time = f"if type(x) is str: x = number_of({self._constant(node.logical)}, x)"
                return [time, "if x == 0: raise NotPlain", *_SCALARS[node.kind]]
            case Primitive() if node.kind in _SCALARS:
                return _SCALARS[node.kind]
        return ["raise NotPlain"]

    def _constant(self, value: object) -> str:
        name = f"constant{len(self.constants)}"
        self.constants[name] = value
        return name

    def _function(self, node: Record | Array | Map) -> str:
        if node not in self._functions:
            if len(self._functions) >= _MOST_TYPES:
                raise NotPlain
            self._functions[node] = None
            match node:
                case Record():
                    body = self._record(node)
                case Array():
                    body = _block("x in value", "list", self.statements(node.items))
                case Map():
                    entry = ["x = name", *_TEXT, "x = item", *self.statements(node.values)]
                    body = _block("name, item in value.items()", "dict", entry)
            name = f"write{len(self.lines)}"
            self.define(name, body, "out, value")
            self._functions[node] = name
        known = self._functions[node]
        if known is None:
            raise NotPlain
        return known

    def _record(self, node: Record) -> list[str]:
        if not node.fields:
            raise NotPlain
        optional = [one.name for one in node.fields if _may_be_left_out(one)]
        required = len(node.fields) - len(optional)
        # All that are required are read below, so that there are no others among so many.
        count = "".join(f" + ({name!r} in value)" for name in optional)
        wrong = f"len(value) != {required}" + (count and f" and len(value) != {required}{count}")
        body = [f"if type(value) is not dict or {wrong}: raise NotPlain"]
        for one in node.fields:
            get = f".get({one.name!r})" if one.name in optional else f"[{one.name!r}]"
            body += [f"x = value{get}", *self.statements(one.type)]
        return body

    def _union(self, node: Union) -> list[str]:
        null = _null_branch(node)
        if null is None:
            return ["raise NotPlain"]
        body = ["raise NotPlain"]
        if is_optional(node):
            other = node.branches[1 - null]
            body = [f"out.append({(1 - null) << 1})", *self.statements(other)]
            if isinstance(other, Record | Map):
                # An object with one field may name the branch, also when its default was filled in.
                names = {type_name(branch) for branch in node.branches}
                named = f"type(x) is dict and len(x) < 2 and x.keys() <= {names!r}"
                body.insert(0, f"if {named}: raise NotPlain")
        return [f"if x is None: out += {long_bytes(null)!r}", "else:", *_indented(body)]


def _may_be_left_out(one: Field) -> bool:
    return (
        one.default is None and isinstance(one.type, Union) and _null_branch(one.type) is not None
    )


def _null_branch(node: Union) -> int | None:
    return next((at for at, one in enumerate(node.branches) if one.kind == "null"), None)


def _block(each: str, kind: str, body: Sequence[str]) -> list[str]:
    """Return what writes a list or a map, whose items ``body`` writes."""
    return [
        f"if type(value) is not {kind}: raise NotPlain",
        "if value: out += long_bytes(len(value))",
        f"for {each}:",
        *_indented(body),
        "out.append(0)",
    ]


def _indented(body: Sequence[str]) -> list[str]:
    return [f" {line}" for line in body]
