"""The class of each struct: one for all versions, made on first use.

A class has a slot for every field of any version, a constructor that takes keywords with
Kafka's defaults, equality by value and a readable ``repr``. The constructor is generated
source: it is called for every partition of every response.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fakebus.protocol.schema import FieldSchema, StructSchema
from fakebus.types import ZERO_UUID

UNSET: Any = object()
"""Stands for a default that must be a new object each time."""

ZEROS = {"str": "''", "bytes": "b''", "bool": "False", "f64": "0.0", "uuid": "ZERO_UUID"}
"""The default of a type without a default of its own, as source; ``0`` for the others."""


class Struct:
    """A Kafka message, or a struct inside one."""

    __slots__: tuple[str, ...] = ()
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        values = (f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"{type(self).__name__}({', '.join(values)})"


_classes: dict[str, type[Struct]] = {}


def default_source(field: FieldSchema, constants: dict[str, Any]) -> str:
    """Return the expression for a field's default; a fresh one where it is mutable.

    Args:
        field: the field.
        constants: receives the class that the expression refers to.
    """
    if field.default == "null" or field.type == "rec":
        return "None"
    if field.is_array:
        return "[]"
    if field.struct is not None:
        constants[f"C_{field.type}"] = struct_class(field.struct)
        return f"C_{field.type}()"
    if field.default is not None:
        return repr(field.default) if field.type == "str" else field.default.capitalize()
    return ZEROS.get(field.type, "0")


def struct_class(schema: StructSchema) -> type[Struct]:
    """Return the class of a struct, which is the same for every use of its name."""
    found = _classes.get(schema.name)
    if found is None:  # setdefault: another thread may be as far
        found = _classes.setdefault(schema.name, _make_class(schema))
    return found


def _make_class(schema: StructSchema) -> type[Struct]:
    names = [field.name for field in schema.fields]
    namespace: dict[str, Any] = {"UNSET": UNSET, "ZERO_UUID": ZERO_UUID, "UUID": UUID}
    parameters, body = [], []
    for field in schema.fields:
        default = default_source(field, namespace)
        if default.endswith(("[]", "()")):
            parameters.append(f"{field.name}=UNSET")
            value = f"{default} if {field.name} is UNSET else {field.name}"
        else:
            parameters.append(f"{field.name}={default}")
            value = field.name
        body.append(f" self.{field.name} = {value}")
    signature = f"self, *, {', '.join(parameters)}" if parameters else "self"
    source = "\n".join([f"def __init__({signature}):", *body, " return None"])
    exec(source, namespace)  # noqa: S102 - made from our own definitions
    members = {
        "__slots__": tuple(names),
        "__init__": namespace["__init__"],
        "__module__": "fakebus.protocol.messages",
        "__doc__": f"Kafka's {schema.name}.",
    }
    return type(schema.name, (Struct,), members)
