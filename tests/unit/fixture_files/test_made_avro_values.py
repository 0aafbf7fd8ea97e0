"""Values made from Avro schemas: names and logical types mean what Avro says they do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakebus.fixture_files.loader import check_fixtures
from tests.unit.fixture_files.conftest import WriteSet

SET = (
    "version: 1\nseed: 7\nsubjects: [{subject: v, schema: v.avsc}]\n"
    "topics: [{name: t, value: {subject: v}, generate: {count: 30}}]\n"
)


def record(name: str, *types: Any, **properties: Any) -> dict[str, Any]:
    """Return a record with fields of these types."""
    fields = [{"name": f"f{number}", "type": each} for number, each in enumerate(types)]
    return {"type": "record", "name": name, "fields": fields, **properties}


def logical(kind: str, logical_type: Any, **properties: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": logical_type, **properties}


SCHEMAS: dict[str, Any] = {
    "one simple name in three namespaces": record(
        "n1.T",
        record("n2.O", record("T", "string"), "T", ["null", "n1.T"]),
        ["null", "T"],
        record("T", "int", namespace="n3"),
        "n3.T",
    ),
    "an error": {"type": "error", "name": "E", "fields": [{"name": "code", "type": "int"}]},
    "a type that is used before it is defined": record("A", "B", record("B", "int")),
    "decimals that are none": record(
        "D",
        logical("bytes", "decimal"),
        logical("bytes", "decimal", precision=4, scale=-2),
        logical("bytes", "decimal", precision="4", scale=2),
        logical("bytes", "decimal", precision=2, scale=5),
        logical("fixed", "decimal", name="F", size=1, precision=30, scale=2),
        logical("double", "decimal", precision=3),
    ),
    "logical types on what they do not stand on": record(
        "L",
        logical("string", "timestamp-millis"),
        logical("int", "uuid"),
        logical("long", "date"),
        logical("int", "timestamp-micros"),
        logical("fixed", "uuid", name="F", size=3),
    ),
    "logical types that are no names": record(
        "O", logical("string", {"a": 1}), logical("int", ["date"]), logical("bytes", None)
    ),
    "logical types that are less common": record(
        "N",
        logical("long", "timestamp-nanos"),
        logical("long", "local-timestamp-nanos"),
        logical("fixed", "duration", name="Twelve", size=12),
        logical("fixed", "uuid", name="Sixteen", size=16),
        logical("bytes", "big-decimal"),
    ),
    "a union of records that hold it": [
        record("R1", ["null", "int"]),
        record(
            "R2", ["R1", "R2", "null"], {"type": "map", "values": {"type": "map", "values": "R2"}}
        ),
    ],
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_values_are_what_their_schema_takes(write_set: WriteSet, schema: Any) -> None:
    root = write_set({"fakebus.yaml": SET, "v.avsc": json.dumps(schema)})
    assert check_fixtures(root, now_ms=1_700_000_000_000) == []
