"""The records of the ``_schemas`` topic, as Confluent's registry writes them.

A record whose key is of another kind is of no interest; one that cannot be understood is a
ValueError, which the reader logs before it goes on.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from fakebus.registry.contexts import normalized
from fakebus.registry.identity import guid
from fakebus.registry.model import MAX_NUMBER, Reference, RegisteredSchema

NewLogRecord = tuple[bytes, bytes | None]
"""Key and value."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


class LogKey(NamedTuple):
    """The key of a record."""

    kind: str
    """``SCHEMA``, ``CONFIG``, ``MODE``, ``DELETE_SUBJECT``, ``CLEAR_SUBJECT``, ``CONTEXT``…"""
    subject: str | None
    version: int = 0
    context: str = ""


def read_key(data: bytes) -> LogKey:
    """Return the parts of a key.

    Raises:
        ValueError: it is not a key of this topic.
    """
    found = _object(data)
    kind, subject = found.get("keytype"), found.get("subject")
    version, context = found.get("version", 0), found.get("context", "")
    if not isinstance(kind, str) or not isinstance(subject, str | None):
        raise ValueError("keytype and subject must be strings")
    if type(version) is not int or not 0 <= version <= MAX_NUMBER or not isinstance(context, str):
        raise ValueError("version must be a whole number, and context a string")
    return LogKey(kind, subject if subject is None else normalized(subject), version, context)


def read_value(data: bytes) -> dict[str, object]:
    """Return a value.

    Raises:
        ValueError: it is no JSON object.
    """
    return _object(data)


def _object(data: bytes) -> dict[str, object]:
    try:
        found = _decode(data.decode())
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def schema_of(key: LogKey, value: dict[str, object], timestamp_ms: int) -> RegisteredSchema:
    """Return the schema that a SCHEMA record holds.

    Raises:
        ValueError: something is missing or has the wrong type.
    """
    schema_id, text = value.get("id"), value.get("schema")
    schema_type = value.get("schemaType") or "AVRO"
    metadata, rule_set = value.get("metadata"), value.get("ruleSet")
    if type(schema_id) is not int or not 0 <= schema_id <= MAX_NUMBER:
        raise ValueError("id must be a whole number")
    if not isinstance(text, str) or not isinstance(schema_type, str):
        raise ValueError("schema and schemaType must be strings")
    # Raises a ValueError for halves of characters, which JSON has and UTF-8 has not.
    text.encode()
    if not isinstance(metadata, dict | None) or not isinstance(rule_set, dict | None):
        raise ValueError("metadata and ruleSet must be objects")
    if not key.subject or key.version < 1:
        raise ValueError("a schema needs a subject and a version")
    references = _references(value.get("references"))
    found = value.get("guid")
    if not isinstance(found, str):
        found = guid(text, references, metadata, rule_set)
    return RegisteredSchema(
        subject=key.subject,
        version=key.version,
        schema_id=schema_id,
        guid=found,
        schema_type=schema_type,
        schema=text,
        references=references,
        metadata=metadata,
        rule_set=rule_set,
        deleted=value.get("deleted") is True,
        timestamp_ms=timestamp_ms,
    )


def _references(value: object) -> tuple[Reference, ...]:
    if not value:
        return ()
    if not isinstance(value, list):
        raise ValueError("references must be an array")
    found = []
    for one in value:
        name, subject, version = (one.get(key) for key in ("name", "subject", "version"))
        if not isinstance(name, str) or not isinstance(subject, str) or type(version) is not int:
            raise ValueError("a reference needs a name, a subject and a version")
        found.append(Reference(name, subject, version))
    return tuple(found)


def schema_key(subject: str, version: int) -> bytes:
    """Return the key of a version."""
    return _bytes({"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1})


def schema_record(schema: RegisteredSchema, *, deleted: bool = False) -> NewLogRecord:
    """Return the record of a version; ``deleted`` makes it the soft deletion."""
    value: dict[str, object] = {
        "subject": schema.subject,
        "version": schema.version,
        "id": schema.schema_id,
        "guid": schema.guid,
    }
    if schema.schema_type != "AVRO":
        value["schemaType"] = schema.schema_type
    if schema.references:
        value["references"] = [
            {"name": one.name, "subject": one.subject, "version": one.version}
            for one in schema.references
        ]
    if schema.metadata is not None:
        value["metadata"] = schema.metadata
    if schema.rule_set is not None:
        value["ruleSet"] = schema.rule_set
    value |= {"schema": schema.schema, "deleted": deleted}
    return schema_key(schema.subject, schema.version), _bytes(value)


def schema_tombstone(subject: str, version: int) -> NewLogRecord:
    """Return the record by which a version is deleted for ever."""
    return schema_key(subject, version), None


def subject_deletion(subject: str, version: int) -> NewLogRecord:
    """Return the record by which a subject is soft-deleted up to a version."""
    key = {"keytype": "DELETE_SUBJECT", "subject": subject, "magic": 0}
    return _bytes(key), _bytes({"subject": subject, "version": version})


def config_record(subject: str | None, config: dict[str, object] | None) -> NewLogRecord:
    """Return the record of a config; ``None`` deletes it."""
    key = _bytes({"keytype": "CONFIG", "subject": subject, "magic": 0})
    return key, None if config is None else _bytes({"subject": subject, **config})


def mode_record(subject: str | None, mode: str | None) -> NewLogRecord:
    """Return the record of a mode; ``None`` deletes it."""
    key = _bytes({"keytype": "MODE", "subject": subject, "magic": 0})
    return key, None if mode is None else _bytes({"subject": subject, "mode": mode})


def context_record(context: str, *, deleted: bool = False) -> NewLogRecord:
    """Return the record of a context."""
    key = {"keytype": "CONTEXT", "tenant": "default", "context": context, "magic": 0}
    return _bytes(key), None if deleted else _bytes({"tenant": "default", "context": context})


def _bytes(value: dict[str, object]) -> bytes:
    return _encode(value).encode()
