"""The JSON Schemas of fixture files, for editors; they follow from the declarations."""

from __future__ import annotations

from collections.abc import Iterable

from fakebus.fixture_files.events.event_lines import EVENT_FIELDS
from fakebus.fixture_files.scenarios.scenario_specs import (
    PUBLISH_FIELDS,
    Repeat,
    ScenarioFile,
    Step,
)
from fakebus.fixture_files.structure.declarations import Schema, object_schema, words
from fakebus.fixture_files.structure.event_models import (
    Format,
    Generate,
    KeyFormat,
    Load,
)
from fakebus.fixture_files.structure.kinds import text
from fakebus.fixture_files.structure.lineage_models import IdField, IdHeader, Service
from fakebus.fixture_files.structure.models import Group, Profile, RootFile, Topic
from fakebus.fixture_files.structure.subject_models import Reference, Subject
from fakebus.fixture_files.structure.uses import Use

_DRAFT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
DEFINITIONS = {
    "subject": Subject,
    "reference": Reference,
    "format": Format,
    "key": KeyFormat,
    "topic": Topic,
    "load": Load,
    "generate": Generate,
    "group": Group,
    "profile": Profile,
    "service": Service,
    "idHeader": IdHeader,
    "idField": IdField,
    "use": Use,
}


def root_schema() -> Schema:
    """Return the JSON Schema of ``fakebus.yaml`` and of the files that it includes."""
    definitions = {name: object_schema(model) for name, model in DEFINITIONS.items()}
    return {
        **_DRAFT,
        "title": "fakebus.yaml, and the files that it includes",
        **object_schema(RootFile),
        "$defs": {**definitions, "hint": _hint_schema()},
    }


def _hint_schema() -> Schema:
    """Return the JSON Schema of the functions that make values."""
    functions = words()["functions"].items()
    branches = [_object(properties, name) for name, properties in functions]
    return {"description": "how a value is made", "oneOf": branches}


def event_schema() -> Schema:
    """Return the JSON Schema of a line of an NDJSON file."""
    both = {"at": {"type": "string"}, "after": {"type": "string"}}
    return {
        **_DRAFT,
        "title": "an event of a fixture set, one line of an NDJSON file",
        **_object(_event_fields(EVENT_FIELDS), "value"),
        "not": {"required": [*both], "properties": both},
    }


def scenario_schema() -> Schema:
    """Return the JSON Schema of a scenario."""
    step = object_schema(Step)
    event = _event_fields(PUBLISH_FIELDS)
    topic = {**text().schema(), "description": "one of the set's topics"}
    steps = [
        {**step, "properties": {name: one}, "required": [name]}
        for name, one in step["properties"].items()
    ]
    return {
        **_DRAFT,
        "title": "a scenario of a fixture set",
        **object_schema(ScenarioFile),
        "$defs": {
            "step": {"oneOf": steps},
            "publish": _object({**event, "topic": topic}, "topic", "value"),
            "repeat": object_schema(Repeat),
        },
    }


def _event_fields(names: Iterable[str]) -> Schema:
    means = words()["events"]
    return {name: {**EVENT_FIELDS[name].words, "description": means[name]} for name in names}


def _object(fields: object, *required: str) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": fields,
        "required": list(required),
    }


SCHEMAS = {"fakebus": root_schema, "event": event_schema, "scenario": scenario_schema}
"""Every schema by its name."""
