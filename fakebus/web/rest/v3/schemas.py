"""The schema that a record of version 3 names: by its text, id or version, or the latest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fakebus.registry.errors import RegistryError
from fakebus.registry.parsing import name_of
from fakebus.registry.registry import Registry
from fakebus.registry.sources import RegistrySchema
from fakebus.web.errors import RequestError
from fakebus.web.rest.call import field
from fakebus.web.rest.media_types import SCHEMA_TYPES
from fakebus.web.rest.payloads import INVALID_SCHEMA, schema_of_id, schema_of_text

_STRATEGIES = ("TOPIC_NAME", "RECORD_NAME", "TOPIC_RECORD_NAME")
_FORMS = {name.upper(): name for name in SCHEMA_TYPES}


async def schema_of(
    registry: Registry, topic: str, part: Mapping[str, Any], what: str, form: str
) -> RegistrySchema:
    """Return the schema of a key or value.

    Args:
        registry: where it is, or will be.
        topic: where the record is for.
        part: what the client says of it.
        what: ``key`` or ``value``.
        form: the format that it names, in capitals; empty if none.

    Raises:
        RequestError: 400 or 422, there is no such format or schema.
    """
    if form and form not in _FORMS:
        known = ", ".join(("BINARY", "JSON", "STRING", *_FORMS))
        raise RequestError(400, f"the type of a {what} is one of {known}")
    text, number = field(part, "schema", str), field(part, "schema_id", int)
    if text is not None:
        if not form:
            raise RequestError(400, f"the schema of the {what} needs its type, such as AVRO")
        language = SCHEMA_TYPES[_FORMS[form]]
        subject = _subject(topic, part, what, lambda: name_of(language, text))
        return await schema_of_text(registry, subject, _FORMS[form], text)
    if number is not None:
        subject = _subject(topic, part, what, lambda: registry.record_name(number))
        return await schema_of_id(registry, subject, _FORMS.get(form, "avro"), number)
    return await _of_subject(registry, _subject(topic, part, what, lambda: None), part, what)


def _subject(
    topic: str, part: Mapping[str, Any], what: str, record_name: Callable[[], str | None]
) -> str:
    given = field(part, "subject", str)
    strategy = str(part.get("subject_name_strategy") or _STRATEGIES[0]).upper()
    if strategy not in _STRATEGIES:
        raise RequestError(400, f"subject_name_strategy is one of {', '.join(_STRATEGIES)}")
    if given is not None:
        return str(given)
    if strategy == "TOPIC_NAME":
        return f"{topic}-{what}"
    name = _named(record_name)
    if name is None:
        raise RequestError(400, f"the {what} names no schema that has a name: give its subject")
    return name if strategy == "RECORD_NAME" else f"{topic}-{name}"


def _named(find: Callable[[], str | None]) -> str | None:
    try:
        return find()
    except RegistryError as error:
        raise RequestError(422, error.message, error_code=INVALID_SCHEMA) from None


async def _of_subject(
    registry: Registry, subject: str, part: Mapping[str, Any], what: str
) -> RegistrySchema:
    version = part.get("schema_version") or "latest"
    if type(version) is not int and version != "latest":
        raise RequestError(400, "schema_version is a whole number, or latest")
    try:
        found = registry.version(subject, version)
        parsed = await registry.parsed(found.schema_id, subject=subject)
    except RegistryError as error:
        reason = f"{error.message} To write the {what} without a schema, give its type"
        raise RequestError(422, reason, error_code=INVALID_SCHEMA) from None
    return RegistrySchema(found.schema_id, parsed, found.subject, found.version)
