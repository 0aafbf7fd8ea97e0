"""Writes fakebus/kafka/protocol/messages.pyi, the types of the generated message classes.

Run it after a change in fakebus/kafka/protocol/definitions/.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fakebus.kafka.protocol import messages
from fakebus.kafka.protocol.schema import FieldSchema, StructSchema, struct_schemas

STUB = Path(messages.__file__).with_suffix(".pyi")

HEAD = '''\
"""The types of the classes in messages.py; written by tools/generate_message_stubs.py."""

from typing import Any
from uuid import UUID

from fakebus.kafka.protocol.struct_classes import Struct
from fakebus.types import Buffer

Records = Buffer | list[Buffer] | list[bytes] | list[memoryview] | tuple[Buffer, ...]
'''

PYTHON_TYPES = {"f64": "float", "bool": "bool", "uuid": "UUID", "str": "str", "bytes": "bytes"}


def python_type(field: FieldSchema) -> str:
    if field.struct is not None:
        name = field.type
    elif field.type == "rec":
        name = "Records"
    else:
        name = PYTHON_TYPES.get(field.type, "int")
    if field.is_array:
        name = f"list[{name}]"
    is_nullable = field.nullable is not None or field.default == "null" or field.type == "rec"
    return f"{name} | None" if is_nullable else name


def class_lines(struct: StructSchema) -> list[str]:
    if not struct.fields:
        return [f"class {struct.name}(Struct):", "    def __init__(self) -> None: ...", ""]
    lines = [f"class {struct.name}(Struct):"]
    lines += [f"    {field.name}: {python_type(field)}" for field in struct.fields]
    lines += ["    def __init__(", "        self,", "        *,"]
    lines += [f"        {field.name}: {python_type(field)} = ...," for field in struct.fields]
    return [*lines, "    ) -> None: ...", ""]


def stub_text() -> str:
    lines = [HEAD]
    for struct in struct_schemas().values():
        lines += class_lines(struct)
    return "\n".join(lines)


def main() -> int:
    STUB.write_text(stub_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
