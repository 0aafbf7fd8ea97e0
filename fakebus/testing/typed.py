"""Schemas in tests: events by their data, and whether a schema may be changed as planned."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fakebus.cluster.interface import ClusterError, NewSchema, NotFoundError, Schemas
from fakebus.escaping import printable, printable_lines
from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry

Schema = str | Mapping[str, Any]
"""A schema's text, or Avro's and JSON Schema's as data."""


def _new(schema: Schema, schema_type: str) -> NewSchema:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return NewSchema(text=text, schema_type=schema_type)


@contextmanager
def _judged() -> Iterator[None]:
    """Let a test fail with what a registry has to say against its schema or its data."""
    try:
        yield
    except (NotFoundError, ClusterError) as error:
        raise AssertionError(printable(str(error))) from None


async def framed(
    schemas: Schemas, subject: str, data: Any, schema: Schema | None, schema_type: str
) -> bytes:
    """Return data coded with a subject's schema, in Confluent's framing.

    Args:
        schemas: the registry that has the schema, or is given it.
        subject: whose latest version is used.
        data: what the schema describes.
        schema: registered first, if given, and used.
        schema_type: of ``schema``.

    Raises:
        AssertionError: the subject is unknown, the schema is refused, or the data does not
            fit; the message says what and where.
    """
    with _judged():
        version: int | str = "latest"
        if schema is not None:
            schema_id = await schemas.register(subject, _new(schema, schema_type))
            version = await _version_of(schemas, subject, schema_id)
        return await schemas.encode(subject, data, version)


async def _version_of(schemas: Schemas, subject: str, schema_id: int) -> int | str:
    # Most are the newest; what was registered before may not be.
    for version in reversed(await schemas.versions(subject)):
        if (await schemas.version(subject, version)).schema_id == schema_id:
            return version
    return "latest"


async def check_compatible(
    schemas: Schemas, subject: str, schema: Schema, schema_type: str
) -> None:
    """Make sure that a schema could be registered as the next version of a subject.

    Raises:
        AssertionError: it could not; the message gives every reason.
    """
    with _judged():
        problems = await schemas.check(subject, _new(schema, schema_type))
        if problems:
            level = await schemas.level(subject)
            lines = [f"the schema is not compatible with {subject} under {level}:"]
            lines += [f"  {problem}" for problem in problems]
            raise AssertionError(printable_lines(lines))


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
