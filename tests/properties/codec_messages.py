"""Random messages for the codec, as plain values: dicts by field name, lists, scalars.

Plain values, so that they can be handed to other libraries in other processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import UUID

from fakebus.protocol.schema import FieldSchema, MessageSchema, StructSchema, all_messages
from fakebus.protocol.struct_classes import Struct, struct_class

INTEGER_BITS = {"i8": 8, "i16": 16, "i32": 32, "i64": 64}
ERROR_CODES = [-1, 0, 1, 3, 35, 87]
TEXTS = ["", "a", "topic-1", "Zoë", "日本", "x" * 126, "y" * 127, "z" * 300]

Values = dict[str, Any]


def every_version() -> Iterator[tuple[MessageSchema, int]]:
    """Yield every message with every version of it."""
    for message in all_messages():
        for version in range(message.versions.min, message.versions.max + 1):
            yield message, version


def random_values(random: Random, struct: StructSchema, version: int) -> Values:
    """Return a value for each field that the version has."""
    fields = struct.fields_in(version) + struct.tagged_fields_in(version)
    return {field.name: _random_field(random, field, version) for field in fields}


def _random_field(random: Random, field: FieldSchema, version: int) -> Any:
    if field.is_nullable_in(version) and random.random() < 0.3:
        return None
    if field.is_array:
        lengths = [0, 1, 2, 3] if field.struct else [0, 1, 2, 130]
        count = random.choices(lengths, [3, 3, 3, 1])[0]
        return [_random_element(random, field, version) for _ in range(count)]
    return _random_element(random, field, version)


def _random_element(random: Random, field: FieldSchema, version: int) -> Any:
    if field.struct is not None:
        return random_values(random, field.struct, version)
    if field.name.endswith("error_code"):
        return random.choice(ERROR_CODES)
    if field.name.endswith("_ms"):
        return random.choice([0, 1, 30_000, 2**31 - 1])
    if field.type in INTEGER_BITS:
        limit = 1 << INTEGER_BITS[field.type] - 1
        return random.choice([0, 1, -1, limit - 1, -limit, random.randrange(-limit, limit)])
    return _random_scalar(random, field.type)


def _random_scalar(random: Random, type_name: str) -> Any:
    if type_name == "str":
        return random.choice(TEXTS)
    if type_name in {"bytes", "rec"}:
        return random.randbytes(random.choice([0, 1, 61, 127, 128, 5000]))
    if type_name == "uuid":
        return UUID(int=random.choice([0, random.getrandbits(128)]))
    if type_name == "bool":
        return random.random() < 0.5
    if type_name == "u16":
        return random.randrange(1 << 16)
    return random.choice([0.0, -1.5, 1e300])


def to_message(struct: StructSchema, values: Values) -> Struct:
    """Return the values as an object of the message's class."""
    arguments = {
        field.name: _to_object(field, values[field.name])
        for field in struct.fields
        if field.name in values
    }
    return struct_class(struct)(**arguments)


def _to_object(field: FieldSchema, value: Any) -> Any:
    if field.struct is None or value is None:
        return value
    if field.is_array:
        return [to_message(field.struct, each) for each in value]
    return to_message(field.struct, value)


def without_default_tags(struct: StructSchema, version: int, values: Values) -> Values:
    """Return the values without the tagged fields that are not written."""
    default = struct_class(struct)()
    kept: Values = {}
    for field in struct.fields:
        if field.name not in values:
            continue
        value = values[field.name]
        if field.is_tagged_in(version) and _to_object(field, value) == getattr(default, field.name):
            continue
        kept[field.name] = _without_default_tags(field, version, value)
    return kept


def _without_default_tags(field: FieldSchema, version: int, value: Any) -> Any:
    if field.struct is None or value is None:
        return value
    if field.is_array:
        return [without_default_tags(field.struct, version, each) for each in value]
    return without_default_tags(field.struct, version, value)
