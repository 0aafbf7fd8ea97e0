"""How registry values look as JSON.

Empty fields are left out, and ``schemaType`` for Avro too: kafkajs takes its absence for Avro.
What registering answers has more than the id only for clients that send
``Confluent-Accept-Unknown-Properties: true``; all others ignore what they do not know anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from json import JSONEncoder

from aiohttp import web

from fakebus.registry.contexts import relative
from fakebus.registry.model import RegisteredSchema
from fakebus.web.errors import RequestError
from fakebus.web.large_answers import json_answer
from fakebus.web.media_types import accepted

CONTENT_TYPES = (
    "application/vnd.schemaregistry.v1+json",
    "application/vnd.schemaregistry+json",
    "application/json",
)
"""What answers may be labelled as; the first is the default."""

_QUALIFIED = "qualified"
_ENCODER = JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is sent as it is, without quotes: the text of a schema."""

    value: str


NOTHING = None
"""The answer 204 without a body."""


async def response(request: web.Request, answer: object, content_type: str) -> web.StreamResponse:
    """Return the response of a handler's answer.

    Args:
        request: what is answered.
        answer: JSON-like data, :class:`Text`, or :data:`NOTHING`.
        content_type: from :func:`answer_type`.
    """
    if answer is NOTHING:
        return web.Response(status=204)
    if isinstance(answer, Text):
        return web.Response(body=answer.value.encode(), content_type=content_type)
    return await json_answer(request, answer, content_type=content_type, encoder=_ENCODER)


def answer_type(accept: str) -> str:
    """Return the content type that an ``Accept`` prefers.

    Raises:
        RequestError: 406, it takes none.
    """
    if not accept.strip():
        return CONTENT_TYPES[0]
    for name in accepted(accept):
        # JAX-RS takes a range without a type for all, whatever its subtype.
        if name == "application/*" or name.startswith("*"):
            return CONTENT_TYPES[0]
        if name in CONTENT_TYPES:
            return name
    raise RequestError(406, "HTTP 406 Not Acceptable")


def schema_of_id(
    schema: RegisteredSchema, text: str, *, reference_format: str = ""
) -> dict[str, object]:
    """Return what ``GET /schemas/ids/{id}`` answers.

    Args:
        schema: one registration of it.
        text: in the form asked for.
        reference_format: ``qualified`` for subjects of references with the context that they are
            in, where that is not the default one.
    """
    answer = registered(schema, text, reference_format=reference_format)
    del answer["id"]
    return answer


def registered(
    schema: RegisteredSchema, text: str, *, reference_format: str = ""
) -> dict[str, object]:
    """Return a schema with its subject and version; arguments as for :func:`schema_of_id`."""
    answer: dict[str, object] = {
        "subject": schema.subject,
        "version": schema.version,
        "id": schema.schema_id,
        "guid": schema.guid,
    }
    answer |= _content(schema, text, schema.subject if reference_format == _QUALIFIED else "")
    answer["ts"] = schema.timestamp_ms
    if schema.deleted:
        answer["deleted"] = True
    return answer


def _content(schema: RegisteredSchema, text: str, parent: str) -> dict[str, object]:
    answer = dict[str, object]()
    if schema.schema_type != "AVRO":
        answer["schemaType"] = schema.schema_type
    if schema.references:
        answer["references"] = [
            {
                "name": found.name,
                "subject": relative(found.subject, parent) if parent else found.subject,
                "version": found.version,
            }
            for found in schema.references
        ]
    if schema.metadata:
        answer["metadata"] = schema.metadata
    if schema.rule_set:
        answer["ruleSet"] = schema.rule_set
    answer["schema"] = text
    return answer


def without_empty(values: Mapping[str, object]) -> dict[str, object]:
    """Return the values that are there."""
    return {key: value for key, value in values.items() if value is not None}
