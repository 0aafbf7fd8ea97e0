"""Sample events of every type, fitted to the schemas of the installed version.

They are data: ``samples.ndjson`` has an event a line, and ``world.yaml`` the people and courses
that they speak of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent
_PART = "$part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Sample event of a type."""

    name: str
    """Unique among the samples of its type."""
    at: str
    """When, from now."""
    data: Mapping[str, Any]


def samples_of(event_type: str, schema: Mapping[str, Any]) -> list[Sample]:
    """Return the sample events of a type; none for a type that is not known here.

    Args:
        event_type: such as ``org.openedx.learning.course.enrollment.created.v1``.
        schema: the Avro schema of the installed version; fields that it does not have are
            left out.
    """
    types: dict[str, Any] = {}
    return [
        Sample(name=each["name"], at=each["at"], data=_fitted(each["data"], schema, types))
        for each in _samples()
        if each["type"] == event_type
    ]


@cache
def _samples() -> list[dict[str, Any]]:
    world = yaml.safe_load((_FOLDER / "world.yaml").read_text(encoding="utf-8"))

    def whole(data: dict[str, Any]) -> dict[str, Any]:
        return world[data[_PART]] if data.keys() == {_PART} else data

    text = (_FOLDER / "samples.ndjson").read_text(encoding="utf-8")
    return [json.loads(line, object_hook=whole) for line in text.splitlines()]


def _fitted(data: Any, schema: Any, types: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        # Optional values are unions of null and one other type.
        return data if data is None else _fitted(data, schema[-1], types)
    if isinstance(schema, str):
        schema = types.get(schema, schema)
    if not isinstance(schema, dict):
        return data
    if schema["type"] == "array":
        return [_fitted(item, schema["items"], types) for item in data]
    if schema["type"] != "record":
        return data
    types[schema["name"]] = schema
    known = {field["name"]: field["type"] for field in schema["fields"]}
    return {name: _fitted(data[name], kind, types) for name, kind in known.items() if name in data}
