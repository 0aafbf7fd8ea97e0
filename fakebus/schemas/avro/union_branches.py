"""Which branch of a union a plain value means.

A value means the branch whose own form it has; if there is none, the branch that takes it in
another form, such as text for bytes. ``{"name of the branch": value}``, Avro's own JSON, says
it outright and always goes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time

from fakebus.schemas.avro.nodes import (
    Array,
    Enum,
    Fixed,
    Map,
    Node,
    Primitive,
    Record,
    Union,
    type_name,
)
from fakebus.schemas.avro.scalars import scalar_bytes

PLAIN_TYPES = frozenset((str, int, bool, float, type(None)))
"""Of values that name no branch: to ask whether one is a mapping takes longer."""

_OWN_FORMS: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "int": (int, date, time),
    "long": (int, date, time),
    "float": (float,),
    "double": (float,),
    "string": (str,),
    "enum": (str,),
    "bytes": (bytes, bytearray),
    "fixed": (bytes, bytearray),
    "array": (list, tuple),
    "map": (Mapping,),
    "record": (Mapping,),
}


def is_optional(union: Union) -> bool:
    """Return whether a union is of ``null`` and one other branch."""
    return len(union.branches) == 2 and any(one.kind == "null" for one in union.branches)


def is_plainly_optional(union: Union) -> bool:
    """Return whether a value that is read of either branch means it, unless it names one."""
    return is_optional(union) and not any(
        isinstance(one, Primitive | Fixed) and (one.logical or one.kind in ("bytes", "fixed"))
        for one in union.branches
    )


def named_branch(union: Union, value: object) -> int | None:
    """Return the branch that a value names, if it has that form."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return None
    [name] = value
    for at, branch in enumerate(union.branches):
        if type_name(branch) == name:
            return at
    return None


def likely_branches(union: Union, value: object) -> list[int]:
    """Return the branches that a value may mean, as far as its outside tells."""
    taking = [at for at, branch in enumerate(union.branches) if _takes(branch, value)]
    own = [at for at in taking if isinstance(value, _OWN_FORMS[union.branches[at].kind])]
    return own or taking


def is_plain(union: Union, at: int, value: object) -> bool:
    """Return whether a value means a branch without naming it."""
    return named_branch(union, value) is None and likely_branches(union, value) == [at]


def _takes(branch: Node, value: object) -> bool:
    match branch:
        case Primitive(kind="null"):
            return value is None
        case Array() | Map() | Record():
            return isinstance(value, _OWN_FORMS[branch.kind])
        case Primitive() | Enum() | Fixed():
            try:
                scalar_bytes(branch, value)
            except ValueError:
                return False
            return True
    return False
