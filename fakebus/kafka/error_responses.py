"""Responses that answer everything in a request with one and the same error.

Kafka has such a method for every API (``AbstractRequest.getErrorResponse``). Here the
definitions of the messages are enough: a response names what its request named, and has an
error code beside it.

APIs that Kafka answers and fakebus does not serve are answered so. They are not advertised; a
client that sends such a request without having asked for versions is answered UNSUPPORTED_VERSION,
where there is a place for that: closing the connection would also take its other requests, and
Kafka would not close it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import cache
from typing import Any

from fakebus.errors import ErrorCode
from fakebus.kafka.api import CloseConnection, Handler, RequestContext
from fakebus.limited_log import LimitedLog
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.codec import api_name, valid_versions
from fakebus.protocol.schema import FieldSchema, StructSchema, api_schema
from fakebus.protocol.struct_classes import struct_class

_ERROR_CODES = ("error_code", "partition_error_code")
_INDEX_NAMES = ("partition_index", "index", "partition", "partition_id")
_UNKNOWN = frozenset(
    (
        *("base_offset", "high_watermark", "offset", "committed_offset", "low_watermark"),
        *("node_id", "port"),
    )
)
"""What is -1 beside an error."""
_BOTH = (int(ApiKey.ELECT_LEADERS), int(ApiKey.ALTER_PARTITION_REASSIGNMENTS))
"""APIs whose answers say of each thing too what is wrong with the whole."""
_WITHOUT_TEXT = frozenset(
    map(
        int,
        (
            *(ApiKey.PRODUCE, ApiKey.DESCRIBE_CLIENT_QUOTAS, ApiKey.DESCRIBE_GROUPS),
            *(ApiKey.CREATE_PARTITIONS, ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS),
            *(ApiKey.CONSUMER_GROUP_DESCRIBE, ApiKey.SHARE_GROUP_DESCRIBE),
            *(ApiKey.STREAMS_GROUP_DESCRIBE, ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS),
            *(ApiKey.SHARE_FETCH, ApiKey.SHARE_ACKNOWLEDGE),
        ),
    )
)
_CODE_ONLY = (
    int(ApiKey.CONSUMER_GROUP_HEARTBEAT),
    int(ApiKey.SHARE_GROUP_HEARTBEAT),
    int(ApiKey.STREAMS_GROUP_HEARTBEAT),
)
"""APIs of members, whose answers say nothing of a member that is not let in."""
_SIDE_LISTS = frozenset(("forgotten_topics_data",))
"""What a request names besides what it asks for."""

_log = LimitedLog(logging.getLogger("fakebus.kafka"))

_MOST_BYTES = 64 * 1024
"""A longer request is not worth the time that it takes to say no to all that it names."""


def error_response(api_key: int, version: int, request: Any, error: ErrorCode) -> Any:
    """Return the response that says an error about all that the request asks for.

    Args:
        api_key: the API.
        version: the request's version.
        request: the decoded request.
        error: what is said; every API's response has a place for it, in all versions.
    """
    schema = api_schema(api_key)
    assert schema is not None  # noqa: S101 - the request has been read
    return _answer(schema.response.root, schema.request.root, request, version, error)


def refusing_response(
    api_key: int, version: int, request: Any, error: ErrorCode, text: str = "", *, whole: bool
) -> Any:
    """Return the response that refuses a request, with a text where Kafka gives one.

    Args:
        api_key: the API.
        version: the request's version.
        request: the decoded request.
        error: why it is refused.
        text: that in words, if they say more than those of the error.
        whole: whether it is refused as one, so that it is told once where there is a place.
    """
    answer = error_response(api_key, version, request, error)
    schema = api_schema(api_key)
    assert schema is not None  # noqa: S101 - it has a response
    root = schema.response.root
    if api_key in _CODE_ONLY:
        more: dict[str, Any] = {"status": []} if api_key == ApiKey.STREAMS_GROUP_HEARTBEAT else {}
        return struct_class(root)(error_code=error.code, **more)
    if api_key == ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS:
        return _of_groups(answer, error)
    fields = {field.name: field for field in root.fields_in(version)}
    if whole and "error_code" in fields:
        answer.error_code = error.code
        for name, field in fields.items():
            if field.struct is not None and field.is_array and api_key not in _BOTH:
                setattr(answer, name, None if field.is_nullable_in(version) else [])
            elif name == "protocol_name" and field.is_nullable_in(version):
                answer.protocol_name = None
            elif name == "producer_epoch":
                answer.producer_epoch = -1
    if api_key not in _WITHOUT_TEXT:
        _explain(answer, root, version, text or error.text)
    return answer


def _of_groups(answer: Any, error: ErrorCode) -> Any:
    """Say of each group what is wrong, and not of what it was asked."""
    for group in answer.groups:
        group.error_code, group.topics = error.code, []
    return answer


def _explain(answer: Any, struct: StructSchema, version: int, text: str) -> None:
    """Put a text beside each error."""
    for field in struct.fields_in(version):
        if field.name == "error_message" and answer.error_code:
            answer.error_message = text
        elif field.struct is not None and field.is_array:
            for item in getattr(answer, field.name) or ():
                _explain(item, field.struct, version, text)


@cache
def _has_error(struct: StructSchema, version: int) -> bool:
    return any(
        field.name in _ERROR_CODES
        or (field.struct is not None and _has_error(field.struct, version))
        for field in struct.fields_in(version)
    )


def _answer(
    struct: StructSchema,
    asked: StructSchema | None,
    request: Any,
    version: int,
    error: ErrorCode,
) -> Any:
    answer: Any = struct_class(struct)()
    inner_error = False
    for field in struct.fields_in(version):
        if field.struct is not None and field.is_array and _has_error(field.struct, version):
            items = _answers(field.struct, asked, request, version, error)
            inner_error = inner_error or bool(items)
            setattr(answer, field.name, items)
        elif field.type == "rec" and not field.is_nullable_in(version):
            setattr(answer, field.name, b"")
        elif field.name not in _ERROR_CODES:
            _copy(answer, field, request)
    # Beside errors about single things, one about the whole would hide them.
    if not inner_error:
        for name in _ERROR_CODES:
            if hasattr(answer, name):
                setattr(answer, name, error.code)
    return answer


def _answers(
    struct: StructSchema,
    asked: StructSchema | None,
    request: Any,
    version: int,
    error: ErrorCode,
) -> list[Any]:
    answers = []
    for source in _lists_asked(asked, version):
        for item in getattr(request, source.name) or ():
            answer = _answer(struct, source.struct, item, version, error)
            # An item of this name is about that producer; a response of itself gives a new id.
            if hasattr(answer, "producer_id") and hasattr(item, "producer_id"):
                answer.producer_id = item.producer_id
            answers.append(answer)
    return answers


def _lists_asked(asked: StructSchema | None, version: int) -> list[FieldSchema]:
    lists = [
        field
        for field in (asked.fields_in(version) if asked is not None else ())
        if field.is_array and field.name not in _SIDE_LISTS
    ]
    # Lists of structs beat those of names and numbers.
    return [field for field in lists if field.struct is not None] or lists[:1]


def _copy(answer: Any, field: FieldSchema, request: Any) -> None:
    """Take over what the thing is called; a bare name or number is the thing itself."""
    if isinstance(request, str | int):
        value = request if _fits(field, request) and not _is_taken(answer) else None
    else:
        value = next(
            (getattr(request, name) for name in _names(field) if hasattr(request, name)), None
        )
    if value is not None:
        setattr(answer, field.name, value)
    elif field.name in _UNKNOWN:
        setattr(answer, field.name, -1)


def _names(field: FieldSchema) -> Iterable[str]:
    if field.name in _INDEX_NAMES:
        return _INDEX_NAMES
    if field.name == "user":
        return ("name",)
    return (field.name,) if field.name in _SAME_IN_BOTH else ()


_SAME_IN_BOTH = frozenset(
    (
        *("name", "topic", "topic_name", "topic_id", "group_id", "member_id", "group_instance_id"),
        *("resource_type", "resource_name", "key", "transactional_id", "entity"),
    )
)


def _fits(field: FieldSchema, value: str | int) -> bool:
    if isinstance(value, str):
        return field.type == "str" and not field.name.endswith(("message", "state"))
    return field.name in _INDEX_NAMES


def _is_taken(answer: Any) -> bool:
    """Whether a bare name has found its place already."""
    return any(
        getattr(answer, name, None) not in ("", None) for name in ("name", "group_id", "key")
    )


@cache
def unserved(api_key: int) -> Handler | None:
    """Return what answers an API that has no handler; ``None`` when there is no such API."""
    versions = valid_versions(api_key)
    if versions.min > versions.max:
        return None
    return Handler(ApiKey(api_key), versions.min, versions.max, _refuse)


def _refuse(request: Any, context: RequestContext) -> Any:
    name = api_name(context.api_key)
    client = context.client_id or context.connection.client_host
    _log.warning("%s of %s: this API is not served, see docs/skipped.md", name, client)
    if context.frame_bytes > _MOST_BYTES:
        raise CloseConnection(f"{name} is not served, and its request is too long to be answered")
    return error_response(
        context.api_key, context.api_version, request, ErrorCode.UNSUPPORTED_VERSION
    )
