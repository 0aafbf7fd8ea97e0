"""Writes fakebus/protocol/messages.pyi, the types of the generated message classes.

Run it after a change in fakebus/protocol/definitions/.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fakebus.protocol import messages
from fakebus.protocol.schema import (
    FieldSchema,
    StructSchema,
    all_messages,
)

STUB = Path(messages.__file__).with_suffix(".pyi")

HEAD = '''\
"""The types of the classes in messages.py; written by tools/generate_message_stubs.py."""

from uuid import UUID

from fakebus.protocol.struct_classes import Struct
from fakebus.types import Buffer

Records = Buffer | list[Buffer] | list[bytes] | list[memoryview] | tuple[Buffer, ...]
'''

PYTHON_TYPES = {"f64": "float", "bool": "bool", "uuid": "UUID", "str": "str", "bytes": "bytes"}


def request_structs() -> set[str]:
    requests = (m.root for m in all_messages() if m.root.name.endswith("Request"))
    return {struct.name for request in requests for struct in request.walk()}


def python_type(field: FieldSchema, is_request: bool) -> str:
    if field.struct is not None:
        name = field.type
    elif field.type == "rec":
        name = "Buffer" if is_request else "Records"
    else:
        name = PYTHON_TYPES.get(field.type, "int")
    if field.is_array:
        name = f"list[{name}]"
    is_nullable = field.nullable is not None or field.default == "null" or field.type == "rec"
    return f"{name} | None" if is_nullable else name


def class_lines(struct: StructSchema, is_request: bool) -> list[str]:
    if not struct.fields:
        return [f"class {struct.name}(Struct):", "    def __init__(self) -> None: ...", ""]
    fields = [f"{field.name}: {python_type(field, is_request)}" for field in struct.fields]
    lines = [f"class {struct.name}(Struct):", *(f"    {field}" for field in fields)]
    lines += ["    def __init__(", "        self,", "        *,"]
    lines += [f"        {field} = ...," for field in fields]
    return [*lines, "    ) -> None: ...", ""]


def stub_text() -> str:
    lines = [HEAD]
    requests = request_structs()
    structs = {struct.name: struct for message in all_messages() for struct in message.root.walk()}
    for struct in structs.values():
        lines += class_lines(struct, struct.name in requests)
    return "\n".join(lines)


def main() -> int:
    STUB.write_text(stub_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
