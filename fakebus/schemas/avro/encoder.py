"""From plain data to Avro's binary form.

Data is JSON-like. Besides, ``bytes`` and ``fixed`` take Python's bytes or Avro's JSON text (a
character per byte), decimals take digits or numbers, dates and times take ISO 8601 text or
the number, numbers take ``NaN``, ``Infinity`` and ``-Infinity``, and a union takes a plain value
if that can only mean one branch, else ``{"name of the branch": value}``. Fields that are left
out have their default. Source: the specification, Binary Encoding.

A schema becomes a tree of functions, one for each type, so that nothing has to be found out
about it again for each value. They know no place: it grows from the inside out when something
does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias

from fakebus.schemas.avro.defaults import INT_RANGE, LONG_RANGE, fits_default
from fakebus.schemas.avro.misfits import MAX_DATA_DEPTH, Misfit, too_deep
from fakebus.schemas.avro.nodes import (
    Array,
    Field,
    Map,
    Node,
    Record,
    Union,
    type_name,
)
from fakebus.schemas.avro.scalars import Scalar, long_bytes, scalar_bytes, shown
from fakebus.schemas.avro.union_branches import (
    PLAIN_TYPES,
    is_optional,
    likely_branches,
    named_branch,
)
from fakebus.schemas.interface import SchemaDataError

MAX_SIZE = 64 * 1024 * 1024
"""In bytes; defaults of defaults can grow without end."""

_Outcome: TypeAlias = bytes | Misfit
_Tried: TypeAlias = dict[tuple[int, int], list[tuple[int, _Outcome]]]
"""By union and value: what came of the branches; or else nested unions would be tried twice at
every level."""
_Write: TypeAlias = Callable[[bytearray, Any, int, _Tried], None]
"""Appends the binary form of a value, which lies so many levels deep."""
_MISSING = object()
_LISTS = list, tuple


def encoder_of(node: Node) -> Callable[[object], bytes]:
    """Return what turns data of a type into its binary form.

    It raises a SchemaDataError for data that does not fit; the message begins with the place.
    """
    write = _Writers().of(node)

    def encode(data: object) -> bytes:
        out = bytearray()
        try:
            write(out, data, 0, {})
            _check_size(out)
        except Misfit as misfit:
            raise SchemaDataError(str(misfit)) from None
        return bytes(out)

    return encode


def _check_size(out: bytearray) -> None:
    if len(out) > MAX_SIZE:
        raise Misfit(f"the data takes more than {MAX_SIZE} bytes")


class _Writers:
    """Writers of types, each made once.

    Args:
        of_defaults: whether they write defaults: no logical types, no names of branches, and the
            first branch that fits.
    """

    def __init__(self, *, of_defaults: bool = False) -> None:
        self._known: dict[Node, _Write] = {}
        self._of_defaults = of_defaults
        self._default_writers = self if of_defaults else None

    def of(self, node: Node) -> _Write:
        """Return what writes values of a type."""
        if node not in self._known:
            match node:
                case Record():
                    # Its fields are added behind, for they may be of the same type.
                    parts: list[tuple[str, _Write, Callable[[int], bytes] | None]] = []
                    refuse = _ignore_unknown if self._of_defaults else _refuse_unknown
                    self._known[node] = _record_writer(node, parts, refuse)
                    parts += [
                        (one.name, self.of(one.type), self._default(one)) for one in node.fields
                    ]
                case Array():
                    self._known[node] = _array_writer(self.of(node.items))
                case Map():
                    self._known[node] = _map_writer(self.of(node.values))
                case Union():
                    branches = [self.of(branch) for branch in node.branches]
                    self._known[node] = self._union(node, branches)
                case _:
                    self._known[node] = _scalar_writer(node, is_default=self._of_defaults)
        return self._known[node]

    def _union(self, node: Union, branches: list[_Write]) -> _Write:
        if self._of_defaults:
            return _default_union_writer(node, branches)
        return (
            _optional_writer(node, branches) if is_optional(node) else _union_writer(node, branches)
        )

    def _default(self, one: Field) -> Callable[[int], bytes] | None:
        if not one.has_default:
            return None
        if self._default_writers is None:
            self._default_writers = _Writers(of_defaults=True)
        writers, found = self._default_writers, list[bytes]()

        def default(depth: int) -> bytes:
            # Not before it is needed: what is stored may have defaults that do not fit.
            if not found:
                out = bytearray()
                writers.of(one.type)(out, one.default, depth, {})
                found.append(bytes(out))
            return found[0]

        return default


def _scalar_writer(node: Scalar, *, is_default: bool) -> _Write:
    def exact(out: bytearray, value: Any, depth: int, tried: _Tried) -> None:
        try:
            out += scalar_bytes(node, value, is_default=is_default)
        except ValueError as error:
            raise Misfit(str(error)) from None

    # What most values are, without a call; all else goes the exact way.
    def string(out: bytearray, value: Any, depth: int, tried: _Tried) -> None:
        try:
            data = value.encode() if type(value) is str else b""
        except UnicodeEncodeError:
            data = b""
        if not 0 < len(data) < 0x40:
            return exact(out, value, depth, tried)
        out.append(len(data) << 1)
        out += data

    def integer(out: bytearray, value: Any, depth: int, tried: _Tried) -> None:
        if type(value) is not int or value not in numbers:
            return exact(out, value, depth, tried)
        out += long_bytes(value)

    def boolean(out: bytearray, value: Any, depth: int, tried: _Tried) -> None:
        if value is True or value is False:
            out.append(value)
        else:
            exact(out, value, depth, tried)

    numbers = INT_RANGE if node.kind == "int" else LONG_RANGE
    return {"string": string, "int": integer, "long": integer, "boolean": boolean}.get(
        node.kind, exact
    )


def _record_writer(
    node: Record,
    parts: list[tuple[str, _Write, Callable[[int], bytes] | None]],
    refuse_unknown: Callable[[Record, Mapping[object, object]], None],
) -> _Write:
    def write(out: bytearray, value: Any, depth: int, tried: _Tried) -> None:
        if type(value) is not dict and not isinstance(value, Mapping):
            raise Misfit(f"expected {node.name.full}, got {shown(value)}")
        if depth > MAX_DATA_DEPTH:
            raise too_deep()
        known, name, missing = 0, "", False
        try:
            for name, part, default in parts:
                item = value.get(name, _MISSING)
                if item is not _MISSING:
                    part(out, item, depth + 1, tried)
                    known += 1
                elif default is None:
                    missing = True
                    break
                else:
                    out += default(depth + 1)
                    _check_size(out)
        except Misfit as misfit:
            refuse_unknown(node, value)
            misfit.path.append(name)
            raise
        if known != len(value):
            refuse_unknown(node, value)
        if missing:
            raise Misfit(f"the field {name!r} is missing and has no default")

    return write


def _refuse_unknown(node: Record, value: Mapping[object, object]) -> None:
    for name in value:
        if name not in node.by_name:
            near = get_close_matches(str(name), node.by_name, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise Misfit(f"{node.name.full} has no field {name!r}{hint}")


def _ignore_unknown(node: Record, value: Mapping[object, object]) -> None:
    """Accept all: a default may say more than its record has."""


def _array_writer(items: _Write) -> _Write:
    def write(out: bytearray, value: Any, depth: int, tried: _Tried) -> None:
        if not isinstance(value, _LISTS):
            raise Misfit(f"expected array, got {shown(value)}")
        if depth > MAX_DATA_DEPTH:
            raise too_deep()
        if value:
            out += long_bytes(len(value))
        at = 0
        try:
            for item in value:
                items(out, item, depth + 1, tried)
                _check_size(out)
                at += 1
        except Misfit as misfit:
            misfit.path.append(at)
            raise
        out.append(0)

    return write


def _map_writer(values: _Write) -> _Write:
    def write(out: bytearray, value: Any, depth: int, tried: _Tried) -> None:
        if not isinstance(value, Mapping):
            raise Misfit(f"expected map, got {shown(value)}")
        if depth > MAX_DATA_DEPTH:
            raise too_deep()
        if value:
            out += long_bytes(len(value))
        for key, item in value.items():
            data = _key_bytes(key)
            out += long_bytes(len(data)) + data
            try:
                values(out, item, depth + 1, tried)
                _check_size(out)
            except Misfit as misfit:
                misfit.path.append(key)
                raise
        out.append(0)

    return write


def _key_bytes(key: object) -> bytes:
    try:
        if isinstance(key, str):
            return key.encode()
    except UnicodeEncodeError:
        pass
    raise Misfit(f"expected text as a key, got {shown(key)}")


def _default_union_writer(node: Union, branches: list[_Write]) -> _Write:
    def write(out: bytearray, value: Any, depth: int, tried: _Tried) -> None:
        if depth > MAX_DATA_DEPTH:
            raise too_deep()
        for at, branch in enumerate(node.branches):
            if fits_default(branch, value):
                out += long_bytes(at)
                return branches[at](out, value, depth + 1, tried)
        raise Misfit(f"the default {shown(value)} fits no branch")

    return write


def _optional_writer(node: Union, branches: list[_Write]) -> _Write:
    """Return the writer of ``null`` and one other branch, which is what all else means."""
    null = next(at for at, branch in enumerate(node.branches) if branch.kind == "null")
    other = 1 - null

    def write(out: bytearray, value: Any, depth: int, tried: _Tried) -> None:
        if depth > MAX_DATA_DEPTH:
            raise too_deep()
        at = null if value is None else other
        if type(value) not in PLAIN_TYPES and (named := named_branch(node, value)) is not None:
            at, [value] = named, value.values()
        out.append(at << 1)
        branches[at](out, value, depth + 1, tried)

    return write


def _union_writer(node: Union, branches: list[_Write]) -> _Write:
    def write(out: bytearray, value: Any, depth: int, tried: _Tried) -> None:
        if depth > MAX_DATA_DEPTH:
            raise too_deep()
        if (named := named_branch(node, value)) is not None:
            at, [value] = named, value.values()
        else:
            likely = likely_branches(node, value)
            if len(likely) > 1:
                outcomes = tried.get((id(node), id(value)))
                if outcomes is None:
                    outcomes = [(at, _try(branches[at], value, depth, tried)) for at in likely]
                    tried[id(node), id(value)] = outcomes
                out += _only_fitting(node, value, outcomes)
                return
            at = likely[0] if likely else _only_branch(node, value)
        out += long_bytes(at)
        branches[at](out, value, depth + 1, tried)

    return write


def _try(branch: _Write, value: Any, depth: int, tried: _Tried) -> _Outcome:
    out = bytearray()
    try:
        branch(out, value, depth + 1, tried)
    except Misfit as misfit:
        return misfit
    return bytes(out)


def _only_fitting(node: Union, value: object, outcomes: list[tuple[int, _Outcome]]) -> bytes:
    fitting = [(at, found) for at, found in outcomes if isinstance(found, bytes)]
    if len(fitting) == 1:
        [(at, data)] = fitting
        return long_bytes(at) + data
    names = [type_name(node.branches[at]) for at, _ in fitting or outcomes]
    if fitting:
        raise Misfit(
            f'{shown(value)} may be {" or ".join(names)}; write {{"{names[0]}": ...}} to say which'
        )
    refusals = [found for _, found in outcomes if isinstance(found, Misfit)]
    raise _deepest(list(zip(names, refusals, strict=True)))


def _deepest(refusals: list[tuple[str, Misfit]]) -> Misfit:
    """Return the refusal that got furthest into the data: the branch that was likely meant."""
    name, found = max(refusals, key=lambda refusal: len(refusal[1].place))
    is_told = found.message.endswith(")")
    return Misfit(found.message if is_told else f"{found.message} (taken as {name})", found.path)


def _only_branch(node: Union, value: object) -> int:
    """Return the branch beside null, which can say best what is wrong."""
    others = [at for at, branch in enumerate(node.branches) if branch.kind != "null"]
    if len(others) == 1 and value is not None:
        return others[0]
    names = " or ".join(map(type_name, node.branches))
    raise Misfit(f"expected {names}, got {shown(value)}")
