"""What a request says: its subject, query and body.

Lenient where clients differ: booleans of any case, unknown names ignored, the Python client's
own spellings understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TypeVar

from aiohttp import web

from fakebus.nesting import is_deeper
from fakebus.registry.contexts import context_name, context_prefix
from fakebus.registry.model import MAX_NUMBER, Reference, SchemaRequest
from fakebus.registry.registry import Registry
from fakebus.web.body import demand_few_values, read_body
from fakebus.web.errors import RequestError
from fakebus.wording import json_mistake

MAX_BODY_BYTES = 4 * 1024 * 1024
"""More than any schema that Kafka's default message size lets a registry store."""

MAX_DEPTH = 100
"""How deep metadata and rules may be nested; what is read must be writable too."""

SCHEMA_TOO_LARGE = 42209
_BODY_TYPES = frozenset(
    (
        "application/vnd.schemaregistry.v1+json",
        "application/vnd.schemaregistry+json",
        "application/json",
        "application/octet-stream",
    )
)
_INTEGER = re.compile(r"-?[0-9]{1,10}\Z")
_CAPITAL = re.compile(r"([A-Z])")

Item = TypeVar("Item")


class Call:
    """One request to the registry.

    Args:
        registry: what it is for.
        request: as it came.
        cluster_id: the broker's.
    """

    __slots__ = ("_context", "cluster_id", "registry", "request")

    def __init__(self, registry: Registry, request: web.Request, *, cluster_id: str) -> None:
        self.registry = registry
        self.request = request
        self.cluster_id = cluster_id
        context = request.match_info.get("context")
        self._context = "" if context is None else context_prefix(context_name(context))

    # Where

    @property
    def subject(self) -> str:
        """The path's subject, in the path's context."""
        return self.qualified(self.request.match_info["subject"])

    @property
    def target(self) -> str | None:
        """What a config or a mode is of: the path's subject, its whole context, or all."""
        if "subject" in self.request.match_info:
            return self.subject
        return self._context or None

    @property
    def subject_hint(self) -> str:
        """The query's subject, by which ids are looked for in its context."""
        return self.qualified(self.text("subject"))

    @property
    def subject_prefix(self) -> str:
        """Which subjects are listed; all contexts if nothing is said."""
        prefix = self.text("subjectPrefix", "subject")
        if not prefix and "context" not in self.request.match_info:
            given = self.request.query.keys() & {"subjectPrefix", "subject_prefix", "subject"}
            return "" if given else ":*:"
        return self.qualified(prefix)

    def qualified(self, subject: str) -> str:
        """Return a subject in the path's context, unless it names its own."""
        return subject if subject.startswith((":.", ":*:")) else self._context + subject

    @property
    def version(self) -> int | str:
        """The path's version: a number, or a text that the registry judges."""
        text = self.request.match_info["version"]
        return int(text) if _INTEGER.match(text) else text

    @property
    def schema_id(self) -> int:
        """The path's schema id.

        Raises:
            RequestError: 404, it is no number, as for a path that does not exist.
        """
        return _integer(self.request.match_info["id"], "the schema id")

    # Query

    def text(self, *names: str) -> str:
        """Return the first of the parameters that is given, or an empty text.

        The Python client writes some names in snake case.
        """
        query = self.request.query
        spellings = (each for name in names for each in (name, _CAPITAL.sub(r"_\1", name).lower()))
        return next((query[name] for name in spellings if name in query), "")

    def flag(self, name: str) -> bool:
        """Return whether a parameter is ``true``, in any case."""
        return self.text(name).lower() == "true"

    def integer(self, name: str, default: int) -> int:
        """Return a number.

        Raises:
            RequestError: 404, it is no number; so does Confluent's.
        """
        text = self.text(name)
        return _integer(text, f"the parameter {name}") if text else default

    def page(self, items: Sequence[Item], *, most: int = -1) -> list[Item]:
        """Return the part that ``offset`` and ``limit`` ask for.

        Args:
            items: all.
            most: the limit if none is given, and its maximum; negative for none.
        """
        offset = max(self.integer("offset", 0), 0)
        limit = self.integer("limit", -1)
        if most >= 0:
            limit = min(limit, most) if limit >= 0 else most
        return list(items[offset:] if limit < 0 else items[offset : offset + limit])

    @property
    def takes_newer_fields(self) -> bool:
        """Whether the client ignores fields that it does not know."""
        header = self.request.headers.get("Confluent-Accept-Unknown-Properties", "")
        return header.lower() == "true"

    # Body

    async def body(self) -> dict[str, object]:
        """Return the body, an empty one as an empty object.

        Raises:
            RequestError: 400 for what is no JSON object, 415 for another content type,
                422 for one that is too large; else as for :func:`read_body`.
        """
        request = self.request
        if "Content-Type" in request.headers and request.content_type not in _BODY_TYPES:
            raise RequestError(415, "HTTP 415 Unsupported Media Type")
        data = await read_body(request)
        if len(data) > MAX_BODY_BYTES:
            raise RequestError(
                422,
                f"Schema is too large: {len(data)} bytes, at most {MAX_BODY_BYTES} are taken",
                error_code=SCHEMA_TOO_LARGE,
            )
        return _json_object(data)

    async def schema_request(self) -> SchemaRequest:
        """Return the body as a schema to register, look up or compare.

        Raises:
            RequestError: as for :meth:`body`, and 400 for a field of the wrong type.
        """
        body = await self.body()
        return SchemaRequest(
            schema=field(body, "schema", str) or "",
            schema_type=field(body, "schemaType", str) or "AVRO",
            references=tuple(_reference(found) for found in field(body, "references", list) or ()),
            metadata=field(body, "metadata", dict),
            rule_set=field(body, "ruleSet", dict),
            schema_id=field(body, "id", int) or -1,
            version=field(body, "version", int) or -1,
        )


Field = TypeVar("Field")


def field(body: dict[str, object], name: str, kind: type[Field]) -> Field | None:
    """Return a field of a body; ``null`` is as good as absent.

    Raises:
        RequestError: 400, it has another type.
    """
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise RequestError(400, f"{name} must be {_KINDS[kind]}")
    if isinstance(value, int) and abs(value) > MAX_NUMBER:
        raise RequestError(400, f"{name} is out of range")
    return value


_KINDS: dict[type, str] = {
    str: "a string",
    int: "an integer",
    bool: "true or false",
    list: "an array",
    dict: "an object",
}


def _reference(value: object) -> Reference:
    if not isinstance(value, dict):
        raise RequestError(400, "references must be objects with name, subject and version")
    version = field(value, "version", int)
    return Reference(
        name=field(value, "name", str) or "",
        subject=field(value, "subject", str) or "",
        version=-1 if version is None else version,
    )


def _json_object(data: bytes) -> dict[str, object]:
    if not data.strip():
        return {}
    demand_few_values(data)
    try:
        # UTF-8, 16 or 32, with or without a byte order mark, as RFC 7159 and Confluent have it.
        text = data.decode(json.detect_encoding(data))
        value = json.loads(text)
        # A lone surrogate is valid JSON, but nothing that can be stored or sent.
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise RequestError(400, "the body is nested too deeply") from None
    except ValueError as error:
        raise RequestError(400, f"the body is not valid JSON: {json_mistake(error)}") from None
    if not isinstance(value, dict):
        raise RequestError(400, "the body must be a JSON object")
    if is_deeper(value, MAX_DEPTH):
        raise RequestError(400, "the body is nested too deeply")
    return value


def _integer(text: str, what: str) -> int:
    if not _INTEGER.match(text) or abs(int(text)) > MAX_NUMBER:
        raise RequestError(404, f"HTTP 404 Not Found: {what} is not an integer")
    return int(text)
