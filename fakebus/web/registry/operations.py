"""What each route takes and answers, as data for the OpenAPI description."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """One documented method of a path."""

    method: str
    path: str
    summary: str
    answer: str
    """The schema of the answer: a name of ``SCHEMAS``; empty for no body."""
    query: tuple[str, ...] = ()
    """Names of ``QUERY``."""
    body: str = ""
    """The schema of the body: a name of ``SCHEMAS``."""
    errors: tuple[int, ...] = ()
    """Codes of ``ERRORS``."""
    in_contexts: bool = True


ERRORS = {
    40401: "the subject is not there",
    40402: "the version is not there",
    40403: "the schema is not there",
    40404: "the subject is soft-deleted already",
    40405: "the subject was not soft-deleted first",
    40406: "the version is soft-deleted already",
    40407: "the version was not soft-deleted first",
    40408: "the subject has no config of its own",
    40409: "the subject has no mode of its own",
    409: "the schema is not compatible",
    42201: "the schema is not valid",
    42202: "the version is not valid",
    42203: "the compatibility level is not valid",
    42204: "the mode is not valid",
    42205: "the mode does not allow it",
    42206: "another schema refers to it",
    42208: "the subject is not valid",
    42209: "the schema is too large",
    42210: "the rule set is not valid",
    42211: "the context is not empty",
}

_FLAG: dict[str, object] = {"type": "boolean"}
_TEXT: dict[str, object] = {"type": "string"}
_NUMBER: dict[str, object] = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
_TEXTS: dict[str, object] = {"type": "array", "items": _TEXT}

QUERY: dict[str, tuple[dict[str, object], str]] = {
    "subjectPrefix": (_TEXT, "which subjects; `:*:` is all contexts"),
    "deleted": (_FLAG, "include what is soft-deleted"),
    "deletedOnly": (_FLAG, "only what is soft-deleted"),
    "deletedAsNegative": (_FLAG, "soft-deleted versions with a minus sign"),
    "offset": (_NUMBER, "how many to leave out"),
    "limit": (_NUMBER, "how many at most; negative for all"),
    "normalize": (_FLAG, "bring the schema into its stable form first"),
    "format": (_TEXT, "another form of the schema, such as `resolved` or `serialized`"),
    "permanent": (_FLAG, "for ever; only after a soft delete"),
    "key": (_TEXTS, "names of metadata properties"),
    "value": (_TEXTS, "their values, in the same order"),
    "subject": (_TEXT, "in whose context the id is looked for; need not exist"),
    "fetchMaxId": (_FLAG, "answer the context's highest id too"),
    "includeSubjects": (_FLAG, "answer the subjects of the id too (Karapace's)"),
    "latestOnly": (_FLAG, "only the latest version of each subject"),
    "verbose": (_FLAG, "answer the reasons too"),
    "defaultToGlobal": (_FLAG, "the global value if the subject has none"),
    "force": (_FLAG, "even if schemas are there"),
    "recursive": (_FLAG, "for all subjects of the context too"),
    "contextPrefix": (_TEXT, "which contexts"),
    "resourceType": (_TEXT, "such as `topic`"),
    "associationType": (_TEXTS, "such as `value`"),
}

_PAGE = ("offset", "limit")
_ASSOCIATIONS = ("resourceType", "associationType", *_PAGE)
_VERSION = (40401, 40402, 42202)
_SUBJECT = "/subjects/{subject}"
_VERSIONS = "/subjects/{subject}/versions"
_ONE = "/subjects/{subject}/versions/{version}"
_ID = "/schemas/ids/{id}"

OPERATIONS = (
    Operation("GET", "/", "An empty object", "Empty", in_contexts=False),
    Operation("POST", "/", "An empty object", "Empty", in_contexts=False),
    Operation(
        "GET",
        "/subjects",
        "List subjects",
        "Texts",
        query=("subjectPrefix", "deleted", "deletedOnly", *_PAGE),
    ),
    Operation(
        "POST",
        _SUBJECT,
        "Look up the version under which a schema is registered",
        "RegisteredSchema",
        query=("normalize", "format", "deleted"),
        body="SchemaRequest",
        errors=(40401, 40403, 42201, 42208, 42209),
    ),
    Operation(
        "DELETE",
        _SUBJECT,
        "Delete a subject",
        "Numbers",
        query=("permanent",),
        errors=(40401, 40404, 40405, 42205, 42206),
    ),
    Operation(
        "GET",
        "/subjects/{subject}/metadata",
        "Read the latest version that has all the metadata properties",
        "RegisteredSchema",
        query=("key", "value", "format", "deleted"),
        errors=(40401, 40403),
    ),
    Operation(
        "GET",
        _VERSIONS,
        "List versions",
        "Numbers",
        query=("deleted", "deletedOnly", "deletedAsNegative", *_PAGE),
        errors=(40401,),
    ),
    Operation(
        "POST",
        _VERSIONS,
        "Register a schema",
        "Registration",
        query=("normalize", "format"),
        body="SchemaRequest",
        errors=(409, 42201, 42205, 42208, 42209, 42210),
    ),
    Operation(
        "GET",
        _ONE,
        "Read a version",
        "RegisteredSchema",
        query=("format", "deleted"),
        errors=_VERSION,
    ),
    Operation(
        "DELETE",
        _ONE,
        "Delete a version",
        "Number",
        query=("permanent",),
        errors=(*_VERSION, 40406, 40407, 42205, 42206),
    ),
    Operation(
        "GET",
        f"{_ONE}/schema",
        "Read the text of a version's schema",
        "SchemaText",
        query=("format", "deleted"),
        errors=_VERSION,
    ),
    Operation(
        "GET",
        f"{_ONE}/referencedby",
        "List the ids of schemas that refer to a version",
        "Numbers",
        query=_PAGE,
        errors=_VERSION,
    ),
    Operation(
        "GET",
        _ID,
        "Read a schema",
        "Schema",
        query=("subject", "format", "fetchMaxId", "includeSubjects"),
        errors=(40403,),
    ),
    Operation(
        "GET",
        f"{_ID}/schema",
        "Read the text of a schema",
        "SchemaText",
        query=("subject", "format"),
        errors=(40403,),
    ),
    Operation(
        "GET",
        f"{_ID}/subjects",
        "List the subjects of a schema",
        "Texts",
        query=("subject", "deleted", *_PAGE),
        errors=(40403,),
    ),
    Operation(
        "GET",
        f"{_ID}/versions",
        "List the subjects and versions of a schema",
        "SubjectVersions",
        query=("subject", "deleted", *_PAGE),
        errors=(40403,),
    ),
    Operation(
        "GET",
        "/schemas/guids/{guid}",
        "Read a schema by the id that is the same everywhere",
        "Schema",
        query=("format",),
        errors=(40403,),
    ),
    Operation(
        "GET",
        "/schemas/guids/{guid}/ids",
        "List the ids of a schema in each context",
        "ContextIds",
        errors=(40403,),
    ),
    Operation("GET", "/schemas/types", "List the schema languages", "Texts"),
    Operation(
        "GET",
        "/schemas",
        "List schemas",
        "RegisteredSchemas",
        query=("subjectPrefix", "deleted", "latestOnly", *_PAGE),
    ),
    Operation(
        "POST",
        "/compatibility/subjects/{subject}/versions",
        "Check a schema against the versions that the level asks for",
        "Compatibility",
        query=("normalize", "verbose"),
        body="SchemaRequest",
        errors=(42201, 42208, 42209),
    ),
    Operation(
        "POST",
        "/compatibility/subjects/{subject}/versions/{version}",
        "Check a schema against one version",
        "Compatibility",
        query=("normalize", "verbose"),
        body="SchemaRequest",
        errors=(40402, 42201, 42202, 42208, 42209),
    ),
    Operation("GET", "/config", "Read the config", "Config", query=("defaultToGlobal",)),
    Operation(
        "PUT",
        "/config",
        "Change the config",
        "ConfigUpdate",
        body="ConfigUpdate",
        errors=(42203, 42209, 42210),
    ),
    Operation("DELETE", "/config", "Delete the config", "Config"),
    Operation(
        "GET",
        "/config/{subject}",
        "Read a subject's config",
        "Config",
        query=("defaultToGlobal",),
        errors=(40408,),
    ),
    Operation(
        "PUT",
        "/config/{subject}",
        "Change a subject's config",
        "ConfigUpdate",
        body="ConfigUpdate",
        errors=(42203, 42208, 42209, 42210),
    ),
    Operation(
        "DELETE", "/config/{subject}", "Delete a subject's config", "Config", errors=(40401,)
    ),
    Operation("GET", "/mode", "Read the mode", "Mode", query=("defaultToGlobal",)),
    Operation(
        "PUT",
        "/mode",
        "Change the mode",
        "Mode",
        query=("force",),
        body="ModeUpdate",
        errors=(42204, 42205, 42209),
    ),
    Operation("DELETE", "/mode", "Delete the mode", "Mode", query=("recursive",), errors=(42205,)),
    Operation(
        "GET",
        "/mode/{subject}",
        "Read a subject's mode",
        "Mode",
        query=("defaultToGlobal",),
        errors=(40409,),
    ),
    Operation(
        "PUT",
        "/mode/{subject}",
        "Change a subject's mode",
        "Mode",
        query=("force",),
        body="ModeUpdate",
        errors=(42204, 42205, 42208, 42209),
    ),
    Operation(
        "DELETE",
        "/mode/{subject}",
        "Delete a subject's mode",
        "Mode",
        query=("recursive",),
        errors=(40401, 42205),
    ),
    Operation(
        "GET",
        "/associations/subjects/{subject}",
        "List the topics of a subject; always none",
        "Associations",
        query=_ASSOCIATIONS,
    ),
    Operation(
        "GET",
        "/associations/resources/{resource}",
        "List the subjects of a topic's id; always none",
        "Associations",
        query=_ASSOCIATIONS,
    ),
    Operation(
        "GET",
        "/associations/resources/{namespace}/{name}",
        "List the subjects of a topic; always none",
        "Associations",
        query=_ASSOCIATIONS,
    ),
    Operation(
        "GET",
        "/contexts",
        "List contexts",
        "Texts",
        query=("contextPrefix", *_PAGE),
        in_contexts=False,
    ),
    Operation(
        "DELETE",
        "/contexts/{context}",
        "Delete an empty context",
        "",
        errors=(40401, 42211),
        in_contexts=False,
    ),
    Operation("GET", "/v1/metadata/id", "Read the cluster's id", "ServerId", in_contexts=False),
    Operation(
        "GET", "/v1/metadata/version", "Read the version", "ServerVersion", in_contexts=False
    ),
    Operation("GET", "/_health", "Whether the process lives", "Object", in_contexts=False),
    Operation("GET", "/master_available", "Whether writes are taken", "Object", in_contexts=False),
    Operation("GET", "/openapi.json", "This description", "Object", in_contexts=False),
)
