"""Schemas that the tests register."""

from __future__ import annotations

FIRST = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}
SECOND = {
    "type": "record",
    "name": "Order",
    "fields": [{"name": "id", "type": "long"}, {"name": "note", "type": "string", "default": ""}],
}
"""Compatible with FIRST in all directions."""
THIRD = {
    "type": "record",
    "name": "Order",
    "fields": [{"name": "id", "type": "long"}, {"name": "price", "type": "double"}],
}
"""Cannot read what FIRST wrote."""
CUSTOMER = {"type": "record", "name": "Customer", "fields": [{"name": "name", "type": "string"}]}
SALE = {
    "type": "record",
    "name": "Sale",
    "fields": [{"name": "customer", "type": "Customer"}],
}
"""Refers to CUSTOMER."""
JSON_SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}}
PROTO = 'syntax = "proto3";\nmessage Order {\n  int64 id = 1;\n}\n'


def named(name: str) -> dict[str, object]:
    """Return an Avro schema that only the caller uses."""
    return {"type": "record", "name": name, "fields": [{"name": "id", "type": "long"}]}
