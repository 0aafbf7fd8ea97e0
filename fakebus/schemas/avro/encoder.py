"""From plain data to Avro's binary form.

Data is JSON-like. Besides, ``bytes`` and ``fixed`` take Python's bytes or Avro's JSON text (a
character per byte), decimals take digits or numbers, dates and times take ISO 8601 text or
the number, numbers take ``NaN``, ``Infinity`` and ``-Infinity``, and a union takes a plain value
if that can only mean one branch, else ``{"name of the branch": value}``. Fields that are left
out have their default. Source: the specification, Binary Encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeAlias

from fakebus.schemas.avro.defaults import fits_default
from fakebus.schemas.avro.nodes import Array, Field, Map, Node, Record, Union, type_name
from fakebus.schemas.avro.scalars import long_bytes, scalar_bytes, shown
from fakebus.schemas.avro.union_branches import likely_branches, named_branch
from fakebus.schemas.interface import SchemaDataError

MAX_DATA_DEPTH = 200
"""Levels of values in one another."""
MAX_SIZE = 64 * 1024 * 1024
"""In bytes; defaults of defaults can grow without end."""

_Outcome: TypeAlias = bytes | SchemaDataError


Path: TypeAlias = "tuple[Path, str | int] | None"
"""Where a value lies: what it lies in, and its name or number there; ``None`` is the root."""


def place(path: Path) -> str:
    """Return a path as text. It is made for messages only: making it takes longer than a value."""
    parts: list[str] = []
    while path is not None:
        path, part = path
        parts.append(f".{part}" if isinstance(part, str) else f"[{part}]")
    return "$" + "".join(reversed(parts))


def encode(node: Node, data: object) -> bytes:
    """Return the binary form of data.

    Raises:
        SchemaDataError: the data does not fit; the message begins with the place.
    """
    out = bytearray()
    _Encoder().write(out, node, data, None, 0)
    return bytes(out)


@dataclass(slots=True)
class _Encoder:
    tried: dict[tuple[int, int], list[tuple[int, _Outcome]]] = field(default_factory=dict)
    """By union and value: what came of the branches; or else nested unions would be tried
    twice at every level."""
    defaults: dict[Field, bytes] = field(default_factory=dict)
    is_default: bool = False
    """Whether a default is being written: no logical types, and the first branch that fits."""

    def write(self, out: bytearray, node: Node, value: object, path: Path, depth: int) -> None:
        if depth > MAX_DATA_DEPTH:
            raise SchemaDataError(
                f"{place(path)}: the data is nested deeper than {MAX_DATA_DEPTH} levels"
            )
        match node:
            case Record():
                self._write_record(out, node, value, path, depth)
            case Union():
                self._write_union(out, node, value, path, depth)
            case Array():
                self._write_array(out, node, value, path, depth)
            case Map():
                self._write_map(out, node, value, path, depth)
            case _:
                try:
                    out += scalar_bytes(node, value, is_default=self.is_default)
                except ValueError as error:
                    raise SchemaDataError(f"{place(path)}: {error}") from None
        if len(out) > MAX_SIZE:
            raise SchemaDataError(f"{place(path)}: the data takes more than {MAX_SIZE} bytes")

    def _write_record(
        self, out: bytearray, node: Record, value: object, path: Path, depth: int
    ) -> None:
        if not isinstance(value, Mapping):
            raise SchemaDataError(f"{place(path)}: expected {node.name.full}, got {shown(value)}")
        if not self.is_default:
            _refuse_unknown(node, value, path)
        for one in node.fields:
            if one.name in value:
                self.write(out, one.type, value[one.name], (path, one.name), depth + 1)
            elif one.has_default:
                out += self._default(one, (path, one.name), depth + 1)
            else:
                raise SchemaDataError(
                    f"{place(path)}: the field {one.name!r} is missing and has no default"
                )

    def _default(self, one: Field, path: Path, depth: int) -> bytes:
        if one not in self.defaults:
            out = bytearray()
            encoder = _Encoder(defaults=self.defaults, is_default=True)
            encoder.write(out, one.type, one.default, path, depth)
            self.defaults[one] = bytes(out)
        return self.defaults[one]

    def _write_array(
        self, out: bytearray, node: Array, value: object, path: Path, depth: int
    ) -> None:
        if not isinstance(value, list | tuple):
            raise SchemaDataError(f"{place(path)}: expected array, got {shown(value)}")
        if value:
            out += long_bytes(len(value))
        for at, item in enumerate(value):
            self.write(out, node.items, item, (path, at), depth + 1)
        out += b"\0"

    def _write_map(self, out: bytearray, node: Map, value: object, path: Path, depth: int) -> None:
        if not isinstance(value, Mapping):
            raise SchemaDataError(f"{place(path)}: expected map, got {shown(value)}")
        if value:
            out += long_bytes(len(value))
        for key, item in value.items():
            try:
                data = key.encode() if isinstance(key, str) else None
            except UnicodeEncodeError:
                data = None
            if data is None:
                raise SchemaDataError(f"{place(path)}: expected text as a key, got {shown(key)}")
            out += long_bytes(len(data)) + data
            self.write(out, node.values, item, (path, key), depth + 1)
        out += b"\0"

    def _write_union(
        self, out: bytearray, node: Union, value: object, path: Path, depth: int
    ) -> None:
        if self.is_default:
            fitting = (i for i, one in enumerate(node.branches) if fits_default(one, value))
            at = next(fitting, -1)
            if at < 0:
                raise SchemaDataError(f"{place(path)}: the default {shown(value)} fits no branch")
        elif (named := named_branch(node, value)) is not None and isinstance(value, Mapping):
            at, [value] = named, value.values()
        else:
            likely = likely_branches(node, value)
            if len(likely) > 1:
                out += self._tried(node, likely, value, path, depth)
                return
            at = likely[0] if likely else _only_branch(node, value, path)
        out += long_bytes(at)
        self.write(out, node.branches[at], value, path, depth + 1)

    def _tried(
        self, node: Union, likely: list[int], value: object, path: Path, depth: int
    ) -> bytes:
        outcomes = self.tried.get((id(node), id(value)))
        if outcomes is None:
            outcomes = [(at, self._try(node.branches[at], value, path, depth)) for at in likely]
            self.tried[id(node), id(value)] = outcomes
        fitting = [(at, outcome) for at, outcome in outcomes if isinstance(outcome, bytes)]
        if len(fitting) == 1:
            [(at, data)] = fitting
            return long_bytes(at) + data
        names = [type_name(node.branches[at]) for at, _ in fitting or outcomes]
        if fitting:
            raise SchemaDataError(
                f"{place(path)}: {shown(value)} may be {' or '.join(names)};"
                f' write {{"{names[0]}": ...}} to say which'
            )
        raise _deepest([(name, one) for name, (_, one) in zip(names, outcomes, strict=True)])

    def _try(self, branch: Node, value: object, path: Path, depth: int) -> _Outcome:
        out = bytearray()
        try:
            self.write(out, branch, value, path, depth + 1)
        except SchemaDataError as error:
            return error
        return bytes(out)


def _refuse_unknown(node: Record, value: Mapping[object, object], path: Path) -> None:
    for name in value:
        if name not in node.by_name:
            near = get_close_matches(str(name), node.by_name, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SchemaDataError(f"{place(path)}: {node.name.full} has no field {name!r}{hint}")


def _deepest(outcomes: list[tuple[str, _Outcome]]) -> SchemaDataError:
    """Return the refusal that got furthest into the data: the branch that was likely meant."""
    refusals = [(str(outcome), name) for name, outcome in outcomes]
    message, name = max(refusals, key=lambda refusal: len(refusal[0].partition(": ")[0]))
    return SchemaDataError(message if message.endswith(")") else f"{message} (taken as {name})")


def _only_branch(node: Union, value: object, path: Path) -> int:
    """Return the branch beside null, which can say best what is wrong."""
    others = [at for at, branch in enumerate(node.branches) if branch.kind != "null"]
    if len(others) == 1 and value is not None:
        return others[0]
    names = " or ".join(map(type_name, node.branches))
    raise SchemaDataError(f"{place(path)}: expected {names}, got {shown(value)}")
