"""Whether a new schema fits to earlier ones, and why not, in Confluent's words.

Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/schema-evolution.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fakebus.registry.errors import RegistryError, invalid_level, invalid_schema
from fakebus.schemas.interface import Incompatibility, ParsedSchema, SchemaError
from fakebus.types import COMPATIBILITY_LEVELS

_MAX_QUOTED = 10 * 1024
_TRANSITIVE = "_TRANSITIVE"

_END = re.compile(r"\b([Tt]he) (reader|writer)\b(?:(?:'s)? schema\b)?")

Earlier = tuple[int, ParsedSchema]
"""A version and its schema."""


def checked_level(value: object) -> str:
    """Return a level in capitals.

    Raises:
        RegistryError: 42203.
    """
    if isinstance(value, str) and value.upper() in COMPATIBILITY_LEVELS:
        return value.upper()
    raise invalid_level(
        "Invalid compatibility level. Valid values are none, backward, forward, full, "
        "backward_transitive, forward_transitive, and full_transitive"
    )


def is_transitive(level: str) -> bool:
    """Return whether a level asks for all earlier versions rather than the latest one."""
    return level.endswith(_TRANSITIVE)


def messages(
    level: str, schema: ParsedSchema, earlier: Sequence[Earlier], *, validate_fields: bool = False
) -> list[str]:
    """Return why a schema does not fit; empty if it does.

    Args:
        level: one of :data:`~fakebus.types.COMPATIBILITY_LEVELS`.
        schema: the new one.
        earlier: what it is compared with, the latest first; the first misfit counts.
        validate_fields: the setting of that name, which is told with a misfit.

    Raises:
        RegistryError: 42201, an earlier one was stored by others and cannot be used.
    """
    if level == "NONE":
        return []
    direction = level.removesuffix(_TRANSITIVE)
    if not is_transitive(level):
        earlier = earlier[:1]
    for version, other in earlier:
        try:
            found = _between(direction, schema, version, other)
        except SchemaError as error:
            raise not_comparable(version, error) from None
        if found:
            fields = str(validate_fields).lower()
            return [*found, f"{{validateFields: '{fields}', compatibility: '{level}'}}"]
    return []


def not_comparable(version: int, error: Exception) -> RegistryError:
    """Return the error for a version that was stored by others and cannot be used.

    Whoever asks has another schema in hand, in which the mistake is not.
    """
    return invalid_schema(
        f"Version {version} cannot be compared with: {error}; "
        "delete that version, or set the compatibility of the subject to NONE"
    )


def _between(direction: str, new: ParsedSchema, version: int, old: ParsedSchema) -> list[str]:
    if new.schema_type != old.schema_type:
        return ["Incompatible because of different schema type"]
    found = list[str]()
    if direction in ("FORWARD", "FULL"):
        found += _described(old.incompatibilities(new), reader="old", writer="new")
        if found and direction == "FORWARD":
            found += _quoted(version, old)
    if direction in ("BACKWARD", "FULL"):
        backward = _described(new.incompatibilities(old), reader="new", writer="old")
        if backward:
            found += [*backward, *_quoted(version, old)]
    return found


def _described(found: Sequence[Incompatibility], *, reader: str, writer: str) -> list[str]:
    return [
        f"{{errorType:'{one.kind}', description:'{_named(one.message, reader, writer)}', "
        f"additionalInfo:'{one.path}'}}"
        for one in found
    ]


def _named(message: str, reader: str, writer: str) -> str:
    # Languages speak of the two ends; Confluent's messages say which of them is new.
    names = {"reader": reader, "writer": writer}
    return _END.sub(lambda found: f"{found[1]} {names[found[2]]} schema", message)


def _quoted(version: int, old: ParsedSchema) -> list[str]:
    text = old.canonical
    if len(text) > _MAX_QUOTED:
        return [
            f"{{oldSchemaVersion: {version}}}",
            f"{{oldSchema: <truncated> '{text[:_MAX_QUOTED]}...'}}",
        ]
    return [f"{{oldSchemaVersion: {version}}}", f"{{oldSchema: '{text}'}}"]
