"""The events that a consumer of a shared topic has to take, in every form in which they may come.

That is every event of the set and of its profiles; each again in every newer version of its schema;
and one of each type with a field that nobody knows, as a producer that is ahead would send it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fakebus.fixture_files.contracts.shared import Content, SharedTopic
from fakebus.fixture_files.drift.set_subjects import SubjectVersion
from fakebus.fixture_files.model import FixtureSchema
from fakebus.records.record import NewRecord
from fakebus.schemas.framing import HEADER_SIZE, frame, framed_id
from fakebus.schemas.interface import SchemaDataError
from fakebus.schemas.languages import language
from fakebus.schemas.payloads import Payload

UNKNOWN_FIELD = "fakebus_unknown_field"
_UNKNOWN_PROTOBUF_FIELD = b"\xf8\xff\xff\xff\x0f\x01"
"""The highest field number that there is, with the value 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCase:
    """Event that a consumer has to take."""

    topic: str
    event_type: str
    where: str
    """File, from the root of the set, and line."""
    form: str
    """What was made of it; empty for the event as it is in the set."""
    record: NewRecord
    """Framed with the ids of ``schemas``."""
    data: Mapping[str, Any]
    """Key, value and headers, decoded."""
    schemas: tuple[FixtureSchema, ...]
    """The set's schemas, and the one that was made for this case."""

    @property
    def has_unknown_field(self) -> bool:
        """Whether there is a field in it that nobody knows."""
        return self.form == UNKNOWN_FIELD

    def __str__(self) -> str:
        """Return a name for reports."""
        return f"{self.topic} {self.where}{f' {self.form}' if self.form else ''}"


def shared_cases(shared: SharedTopic, schemas: Sequence[FixtureSchema]) -> Iterator[SharedCase]:
    """Yield every event that a consumer of a topic has to take.

    Args:
        shared: the topic.
        schemas: of its set.
    """
    for event_type, events in shared.events.items():
        with_unknown = False
        for one in events:
            case = SharedCase(
                topic=shared.topic.name,
                event_type=event_type,
                where=one.where,
                form="",
                record=one.event.record,
                data=one.content.data,
                schemas=tuple(schemas),
            )
            yield case
            yield from _newer(case, one.content, shared)
            if not with_unknown:
                made = _unknown(case, one.content)
                if made is not None:
                    with_unknown = True
                    yield made


def _newer(case: SharedCase, content: Content, shared: SharedTopic) -> Iterator[SharedCase]:
    written = content.value.schema
    if not isinstance(written, SubjectVersion):
        return
    for version in shared.subjects[written.schema.subject].versions:
        if version.schema.version > written.schema.version:
            try:
                payload = version.parsed.encode(_without_dropped(content.value, version))
            except SchemaDataError:
                # It asks for what events of the older version do not have.
                continue
            value = frame(version.schema_id, payload)
            form = f"version {version.schema.version}"
            yield replace(case, form=form, record=case.record._replace(value=value))


def _without_dropped(value: Payload[Any], version: SubjectVersion) -> Any:
    """Return the data of a value without the fields that a newer version has no more."""
    document = json.loads(version.schema.text) if value.format == "avro" else None
    if not isinstance(value.data, Mapping) or not isinstance(document, dict):
        return value.data
    names = {each["name"] for each in document.get("fields", ())}
    return {name: data for name, data in value.data.items() if name in names}


def _unknown(case: SharedCase, content: Content) -> SharedCase | None:
    found = content.value
    if not isinstance(found.data, Mapping) or UNKNOWN_FIELD in found.data:
        return None
    data = {**found.data, UNKNOWN_FIELD: "nobody knows it"}
    schema, schemas = found.schema, case.schemas
    if schema is None:
        if found.format != "json":
            return None
        value = json.dumps(data, ensure_ascii=False).encode()
    elif found.format == "protobuf":
        value, data = (case.record.value or b"") + _UNKNOWN_PROTOBUF_FIELD, dict(found.data)
    else:
        if found.format == "avro":
            made = _widened(schema, schemas)
            if made is None:
                return None
            schema, schemas = made, (*schemas, made.schema)
        try:
            value = frame(schema.schema_id, schema.parsed.encode(data))
        except SchemaDataError:
            # The schema allows no other fields.
            return None
    return replace(
        case,
        form=UNKNOWN_FIELD,
        record=case.record._replace(value=value),
        data={**content.data, "value": data},
        schemas=schemas,
    )


def _widened(version: SubjectVersion, schemas: Sequence[FixtureSchema]) -> SubjectVersion | None:
    """Return the version that a subject might have next, with one field more."""
    document = json.loads(version.schema.text)
    if not isinstance(document, dict) or document.get("type") not in ("record", "error"):
        return None
    more = {"name": UNKNOWN_FIELD, "type": ["null", "string"], "default": None}
    document["fields"] = [*document["fields"], more]
    subject = version.schema.subject
    made = replace(
        version.schema,
        text=json.dumps(document),
        version=1 + max(each.version for each in schemas if each.subject == subject),
        schema_id=1 + max(each.schema_id for each in schemas),
        pinned_id=None,
    )
    parsed = language(made.schema_type).parse(made.text, version.references)
    return SubjectVersion(schema=made, parsed=parsed, references=version.references)


def reframed(case: SharedCase, ids: Mapping[tuple[str, int], int]) -> NewRecord:
    """Return the record of a case with the ids that a registry has given.

    Args:
        case: the case.
        ids: by subject and version.
    """
    new = {each.schema_id: ids[each.subject, each.version] for each in case.schemas}

    def with_id(data: bytes | None) -> bytes | None:
        schema_id = framed_id(data)
        if data is None or schema_id not in new:
            return data
        return frame(new[schema_id], data[HEADER_SIZE:])

    return case.record._replace(key=with_id(case.record.key), value=with_id(case.record.value))
