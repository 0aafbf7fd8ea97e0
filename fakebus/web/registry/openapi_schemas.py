"""The JSON Schemas of bodies and answers, for the OpenAPI description."""

from __future__ import annotations

_Schema = dict[str, object]


def _reference(name: str) -> _Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(items: _Schema) -> _Schema:
    return {"type": "array", "items": items}


def _object(*required: str, **properties: _Schema) -> _Schema:
    schema: _Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    return schema


_TEXT: _Schema = {"type": "string"}
_FLAG: _Schema = {"type": "boolean"}
_NUMBER: _Schema = {"type": "integer"}
_INT32: _Schema = {"type": "integer", "minimum": -1, "maximum": 2**31 - 1}
_SCHEMA_TYPE: _Schema = {"type": "string", "enum": ["AVRO", "JSON", "PROTOBUF"]}
_MODES: _Schema = {
    "type": "string",
    "enum": ["READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT", "FORWARD"],
}
_LEVELS: _Schema = {
    "type": "string",
    "enum": [
        "NONE",
        "BACKWARD",
        "BACKWARD_TRANSITIVE",
        "FORWARD",
        "FORWARD_TRANSITIVE",
        "FULL",
        "FULL_TRANSITIVE",
    ],
}

_CONTENT: dict[str, _Schema] = {
    "schemaType": _SCHEMA_TYPE | {"description": "absent for AVRO"},
    "references": _list_of(_reference("Reference")),
    "metadata": {"type": "object"},
    "ruleSet": {"type": "object"},
    "schema": _TEXT,
}
_NEWER: dict[str, _Schema] = {"guid": _TEXT, "ts": _NUMBER, "deleted": _FLAG}
_CONFIG: dict[str, _Schema] = {
    "alias": _TEXT,
    "normalize": _FLAG,
    "compatibilityGroup": _TEXT,
    "validateFields": _FLAG,
    "validateNewSchemas": _FLAG,
    "validateRules": _FLAG,
    "defaultMetadata": {"type": "object"},
    "overrideMetadata": {"type": "object"},
    "defaultRuleSet": {"type": "object"},
    "overrideRuleSet": {"type": "object"},
}

SCHEMAS: dict[str, _Schema] = {
    "Error": _object("error_code", "message", error_code=_NUMBER, message=_TEXT),
    "Empty": {"type": "object", "maxProperties": 0},
    "Object": {"type": "object"},
    "Texts": _list_of(_TEXT),
    "Numbers": _list_of(_NUMBER),
    "Number": _NUMBER,
    "SchemaText": {"description": "the schema as it is, without quotes"},
    "Reference": _object("name", "subject", "version", name=_TEXT, subject=_TEXT, version=_INT32),
    "SchemaRequest": _object(
        "schema",
        **_CONTENT | {"schemaType": _SCHEMA_TYPE},
        id=_INT32,
        version=_INT32,
    )
    | {"examples": [{"schema": '{"type":"string"}'}]},
    "Registration": _object("id", **_CONTENT | _NEWER, id=_NUMBER, subject=_TEXT, version=_NUMBER),
    "RegisteredSchema": _object(
        "subject",
        "version",
        "id",
        "schema",
        **_CONTENT | _NEWER,
        subject=_TEXT,
        version=_NUMBER,
        id=_NUMBER,
    ),
    "RegisteredSchemas": _list_of(_reference("RegisteredSchema")),
    "Schema": _object(
        "schema",
        **_CONTENT | _NEWER,
        subject=_TEXT,
        version=_NUMBER,
        maxId=_NUMBER,
        subjects=_list_of(_TEXT),
    ),
    "SubjectVersions": _list_of(_object("subject", "version", subject=_TEXT, version=_NUMBER)),
    "ContextIds": _list_of(_object("context", "id", context=_TEXT, id=_NUMBER)),
    "Compatibility": _object("is_compatible", is_compatible=_FLAG, messages=_list_of(_TEXT)),
    "Config": _object(compatibilityLevel=_LEVELS, **_CONFIG),
    "ConfigUpdate": _object(compatibility=_LEVELS, **_CONFIG),
    "Mode": _object("mode", mode=_TEXT),
    "ModeUpdate": _object("mode", mode=_MODES),
    "Associations": {"type": "array", "maxItems": 0},
    "ServerId": _object("scope", "id", scope={"type": "object"}, id=_TEXT),
    "ServerVersion": _object("version", "commitId", version=_TEXT, commitId=_TEXT),
}
