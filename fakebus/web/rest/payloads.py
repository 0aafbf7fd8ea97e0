"""Keys and values in the bodies of the REST Proxy: from the client's form to bytes, and back."""

from __future__ import annotations

import base64
import binascii
import json
from math import isfinite
from typing import Any

from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.problems import DataError
from fakebus.registry.errors import RegistryError
from fakebus.registry.model import SchemaRequest
from fakebus.registry.registry import Registry
from fakebus.registry.sources import RegistrySchema, RegistrySource
from fakebus.schemas.framing import HEADER_SIZE
from fakebus.schemas.interface import DefaultDecoding, SchemaDataError
from fakebus.schemas.payloads import decode, encode
from fakebus.web.errors import RequestError
from fakebus.web.rest.media_types import SCHEMA_TYPES
from fakebus.wording import json_mistake

INVALID_SCHEMA = 42205
SCHEMA_NOT_REGISTERED = 40801


def from_base64(data: object, where: str) -> bytes:
    """Return the bytes that a text in base64 stands for; RequestError 400 if it is none."""
    try:
        if isinstance(data, str):
            return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise RequestError(400, f"{where} must be a text in base64")


def to_base64(data: bytes | None) -> str | None:
    """Return bytes in base64."""
    return None if data is None else base64.b64encode(data).decode()


def plain_bytes(form: str, data: object, where: str) -> bytes:
    """Return the bytes of data that no schema codes.

    Args:
        form: ``binary``, ``json`` or ``string``.
        data: not null.
        where: it stands, for messages.

    Raises:
        RequestError: 400, the data has another form.
    """
    if form == "binary":
        return from_base64(data, where)
    try:
        return FORMATS[form].encode(data) or b""
    except DataError as error:
        raise RequestError(400, f"{where}: {error}") from None


def schema_bytes(schema: RegistrySchema, data: object, where: str) -> bytes:
    """Return data in the framing of its schema; RequestError 422 if it does not fit."""
    try:
        return encode(schema, data)
    except SchemaDataError as error:
        text = f"Object does not fit to stored schema: {where}: {error}"
        raise RequestError(422, text, error_code=INVALID_SCHEMA) from None


async def schema_of_text(registry: Registry, subject: str, form: str, text: str) -> RegistrySchema:
    """Register a schema, unless it is there, and return it.

    Raises:
        RequestError: 408 with 40801 if the subject does not take it, as a REST Proxy has it; 422
            with 42205 if it is none.
    """
    request = SchemaRequest(schema=text, schema_type=SCHEMA_TYPES[form])
    try:
        found = await registry.register(subject, request)
        parsed = await registry.parsed(found.schema_id, subject=subject)
    except RegistryError as error:
        if error.status == 422:
            reason = f"Invalid schema: {error.message}"
            raise RequestError(422, reason, error_code=INVALID_SCHEMA) from None
        reason = f"Error when registering schema under {subject}: {error.message}"
        raise RequestError(408, reason, error_code=SCHEMA_NOT_REGISTERED) from None
    return RegistrySchema(found.schema_id, parsed, subject, found.version)


async def schema_of_id(
    registry: Registry, subject: str, form: str, schema_id: int
) -> RegistrySchema:
    """Return a schema that is registered under a subject.

    Raises:
        RequestError: 422 with 42205, it is not.
    """
    name = SCHEMA_TYPES[form]
    reason = f"Invalid schema. format = {name}, schema_id = {schema_id}: "
    try:
        versions = dict(registry.versions_of_id(schema_id, subject=subject))
        parsed = await registry.parsed(schema_id, subject=subject)
    except RegistryError as error:
        raise RequestError(422, reason + error.message, error_code=INVALID_SCHEMA) from None
    if subject not in versions:
        reason += f"it is not registered under {subject}"
        raise RequestError(422, reason, error_code=INVALID_SCHEMA)
    return RegistrySchema(schema_id, parsed, subject, versions[subject])


def _finite(digits: str) -> float:
    """Return a number; ValueError if it is one that an answer in JSON could not have."""
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{digits[:40]} is no number in JSON")
    return number


async def shown(
    source: RegistrySource, form: str, data: bytes | None, topic: str, *, is_key: bool
) -> Any:
    """Return a key or a value as a consumer of a format is sent it.

    A key of another format comes in base64.

    Raises:
        RequestError: 422, the value is not of that format.
    """
    if data is None:
        return None
    if form == "binary":
        return to_base64(data)
    if form == "json":
        try:
            return json.loads(data, parse_float=_finite, parse_constant=_finite)
        except (ValueError, RecursionError) as error:
            reason = json_mistake(error)
    else:
        await source.prepare(data)
        found = decode(data, source, topic=topic, is_key=is_key)
        if found.schema is not None and found.problem is None:
            parsed = found.schema.parsed
            if isinstance(parsed, DefaultDecoding):
                return parsed.decode_with_defaults(data[HEADER_SIZE:])
            return found.data
        reason = found.problem or "it names no schema of the registry"
    if is_key:
        return to_base64(data)
    raise RequestError(
        422, f"value deserialization error for format {form}: {reason}", error_code=42203
    )
