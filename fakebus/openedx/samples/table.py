"""The sample events of every type, fitted to the schemas of the installed version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fakebus.openedx.samples import authoring, enterprise, exams, people, results, talk
from fakebus.openedx.samples.sample import Sample, Samples

_PREFIX = "org.openedx."
_SAMPLES: Samples = {
    **authoring.SAMPLES,
    **enterprise.SAMPLES,
    **exams.SAMPLES,
    **people.SAMPLES,
    **results.SAMPLES,
    **talk.SAMPLES,
}


def samples_of(event_type: str, schema: Mapping[str, Any]) -> list[Sample]:
    """Return the sample events of a type; none for a type that is not known here.

    Args:
        event_type: such as ``org.openedx.learning.course.enrollment.created.v1``.
        schema: the Avro schema of the installed version; fields that it does not have are
            left out.
    """
    make = _SAMPLES.get(event_type.removeprefix(_PREFIX))
    if make is None:
        return []
    types: dict[str, Any] = {}
    return [
        Sample(name=each.name, at=each.at, data=_fitted(each.data, schema, types))
        for each in make()
    ]


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
