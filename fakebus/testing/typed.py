"""Schemas in tests: events by their data, and whether a schema may be changed as planned."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fakebus.escaping import printable, printable_lines
from fakebus.registry.errors import RegistryError
from fakebus.registry.model import SchemaRequest
from fakebus.registry.registry import Registry
from fakebus.registry.sources import RegistrySchema
from fakebus.schemas.interface import SchemaDataError
from fakebus.schemas.payloads import KnownSchema, encode

Schema = str | Mapping[str, Any]
"""A schema's text, or Avro's and JSON Schema's as data."""


def schema_text(schema: Schema) -> str:
    """Return the text of a schema."""
    return schema if isinstance(schema, str) else json.dumps(schema)


def refused(subject: str, reason: str) -> AssertionError:
    """Return the failure of a test whose schema a registry does not take or know."""
    return AssertionError(printable(f"{subject}: {reason}"))


def coded(subject: str, schema: KnownSchema, data: Any) -> bytes:
    """Return data in the framing of a subject's schema; AssertionError if it does not fit."""
    try:
        return encode(schema, data)
    except SchemaDataError as error:
        reason = f"the data does not fit the schema of {subject}: {error}"
        raise AssertionError(printable(reason)) from None


def assert_compatible(subject: str, level: object, problems: Sequence[object]) -> None:
    """Fail if there are reasons why a schema may not be a subject's next version."""
    if problems:
        lines = [f"the schema is not compatible with {subject} under {level}:"]
        raise AssertionError(printable_lines([*lines, *(f"  {problem}" for problem in problems)]))


async def framed(
    registry: Registry, subject: str, data: Any, schema: Schema | None, schema_type: str
) -> bytes:
    """Return data coded with a subject's schema, in Confluent's framing.

    Args:
        registry: has the schema, or is given it.
        subject: whose latest version is used.
        data: what the schema describes.
        schema: registered first, if given.
        schema_type: of ``schema``.

    Raises:
        AssertionError: the subject is unknown, the schema is refused, or the data does not
            fit; the message says what and where.
    """
    try:
        if schema is not None:
            request = SchemaRequest(schema=schema_text(schema), schema_type=schema_type)
            found = await registry.register(subject, request)
        else:
            found = registry.version(subject, "latest")
        parsed = await registry.parsed(found.schema_id, subject=subject)
    except RegistryError as error:
        known = ", ".join(registry.subjects()) or "none"
        raise refused(subject, f"{error.message}; subjects: {known}") from None
    return coded(subject, RegistrySchema(found.schema_id, parsed), data)


async def check_compatible(
    registry: Registry, subject: str, schema: Schema, schema_type: str
) -> None:
    """Make sure that a schema could be registered as the next version of a subject.

    Raises:
        AssertionError: it could not; the message gives every reason.
    """
    request = SchemaRequest(schema=schema_text(schema), schema_type=schema_type)
    try:
        problems = await registry.check_compatibility(subject, None, request)
    except RegistryError as error:
        raise refused(subject, error.message) from None
    level = registry.config(subject, default_to_global=True).get("compatibilityLevel")
    assert_compatible(subject, level, problems)


async def delete_subjects(registry: Registry, wanted: Callable[[str], bool]) -> None:
    """Delete subjects for good, except what other subjects still refer to.

    Args:
        registry: has them.
        wanted: whether a subject is one of them.
    """
    for permanent in (False, True):
        left = [name for name in registry.subjects(deleted=permanent) if wanted(name)]
        while left:
            kept = [name for name in left if not await _delete(registry, name, permanent)]
            if len(kept) == len(left):
                break
            # What referred to them may be gone now.
            left = kept


async def _delete(registry: Registry, subject: str, permanent: bool) -> bool:
    try:
        await registry.delete_subject(subject, permanent=permanent)
    except RegistryError:
        return False
    return True
