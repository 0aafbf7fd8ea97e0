"""The OpenAPI 3.1 description of the registry, made from :mod:`operations`."""

from __future__ import annotations

import re
from functools import cache

from fakebus import __version__
from fakebus.web.registry.answers import CONTENT_TYPES
from fakebus.web.registry.openapi_schemas import SCHEMAS
from fakebus.web.registry.operations import ERRORS, OPERATIONS, QUERY, Operation
from fakebus.web.registry.parameters import Call

_CONTEXT = "/contexts/{context}"
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_TEXT: dict[str, object] = {"type": "string", "minLength": 1}
_PATH: dict[str, tuple[dict[str, object], object, str]] = {
    "context": (_TEXT, ".staging", "a name space; `.` is the default one"),
    "subject": (_TEXT, "orders-value", "often a topic's name with `-key` or `-value`"),
    "version": (_TEXT, "1", "a number, or `latest`, which is the same as `-1`"),
    "id": ({"type": "integer", "minimum": 0, "maximum": 2**31 - 1}, 1, "the schema's id"),
    "guid": (_TEXT, "8c3c4d94-6a1b-5c0e-9b57-1d7a2f0e4d11", "the schema's id everywhere"),
    "namespace": (_TEXT, "-", "the Kafka cluster, or `-` for any"),
    "name": (_TEXT, "orders", "the topic"),
    "resource": (_TEXT, "orders", "the topic's id"),
}

_GENERAL_ERRORS = {404: "there is no such path or number", 406: "no acceptable content type"}
_BODY_ERRORS = {
    400: "the body is no JSON object of this form",
    403: "a page of another origin writes",
    415: "the body has another content type",
}


async def read_description(call: Call) -> object:
    """Answer GET /openapi.json."""
    return description()


@cache
def description() -> dict[str, object]:
    """Return the description; not to be changed."""
    paths: dict[str, dict[str, object]] = {}
    for operation in OPERATIONS:
        prefixes = ("", _CONTEXT) if operation.in_contexts else ("",)
        for prefix in prefixes:
            path = paths.setdefault(prefix + operation.path, {})
            path[operation.method.lower()] = _operation(operation, prefix + operation.path)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "fakebus Schema Registry",
            "version": __version__,
            "description": "Confluent's Schema Registry REST interface.",
        },
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }


def _operation(operation: Operation, path: str) -> dict[str, object]:
    answer: dict[str, object] = {
        "summary": operation.summary,
        "operationId": _operation_id(operation.method, path),
        "parameters": [
            *(_path_parameter(name) for name in _PATH_PARAMETER.findall(path)),
            *(_query_parameter(name) for name in operation.query),
        ],
        "responses": _responses(operation),
    }
    if operation.body:
        # A body may be left out; then all its fields are.
        answer["requestBody"] = {"content": _content(operation.body)}
    return answer


def _operation_id(method: str, path: str) -> str:
    words = re.findall(r"\w+", path) or ["root"]
    return "_".join((method.lower(), *words))


def _path_parameter(name: str) -> dict[str, object]:
    schema, example, meaning = _PATH[name]
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": schema,
        "example": example,
        "description": meaning,
    }


def _query_parameter(name: str) -> dict[str, object]:
    schema, meaning = QUERY[name]
    return {"name": name, "in": "query", "schema": schema, "description": meaning}


def _responses(operation: Operation) -> dict[str, object]:
    general = dict(_GENERAL_ERRORS)
    if operation.method != "GET":
        general[403] = _BODY_ERRORS[403]
    if operation.body:
        general |= _BODY_ERRORS
    reasons: dict[int, list[str]] = {status: [text] for status, text in general.items()}
    for code in operation.errors:
        status = code if code < 1000 else code // 100
        reasons.setdefault(status, []).append(f"{code}: {ERRORS[code]}")
    success: dict[str, object] = {"description": "done"}
    if operation.answer:
        success["content"] = _content(operation.answer)
    responses: dict[str, object] = {"200" if operation.answer else "204": success}
    for status, texts in sorted(reasons.items()):
        content = _content("Error", first_only=True)
        responses[str(status)] = {"description": "; ".join(texts), "content": content}
    return responses


def _content(name: str, *, first_only: bool = False) -> dict[str, object]:
    schema = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    return {kind: schema for kind in (CONTENT_TYPES[:1] if first_only else CONTENT_TYPES)}
