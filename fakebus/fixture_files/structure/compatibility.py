"""Whether schemas fit each other, in words for people."""

from __future__ import annotations

from collections.abc import Sequence

from fakebus.registry.compatibility import is_transitive
from fakebus.schemas.interface import Incompatibility, ParsedSchema


def misfits(level: str, new: ParsedSchema, earlier: Sequence[ParsedSchema]) -> list[str]:
    """Return why a schema may not follow earlier ones; empty if it may.

    Args:
        level: a compatibility level.
        new: the later schema.
        earlier: those before it, the newest first.
    """
    if level == "NONE":
        return []
    found: list[str] = []
    direction = level.partition("_")[0]
    for old in earlier if is_transitive(level) else earlier[:1]:
        if direction in ("BACKWARD", "FULL"):
            found += _reasons("with the new schema, older data cannot be read", new, old)
        if direction in ("FORWARD", "FULL"):
            found += _reasons("with the old schema, newer data cannot be read", old, new)
    return list(dict.fromkeys(found))


def _reasons(what: str, reader: ParsedSchema, writer: ParsedSchema) -> list[str]:
    return [f"{what}: {described(one)}" for one in reader.incompatibilities(writer)]


def described(one: Incompatibility) -> str:
    """Return an incompatibility with its place, without a period."""
    message = one.message.rstrip(".")
    return message if one.path in ("", "/", "#/") else f"{message} (at {one.path})"
