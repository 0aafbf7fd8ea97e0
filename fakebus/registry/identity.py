"""Which schemas are the same, and the guid that says so across registries.

A guid is the MD5 over the canonical text, the references, the metadata and the rule set, in
the form of a UUID. Source: Confluent's registry from 8.0 on; compared with its golden data.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Mapping
from typing import Protocol
from uuid import UUID

from fakebus.registry.model import JsonObject, Reference, RegisteredSchema

Identity = tuple[str, str, tuple[Reference, ...], str, str]
"""Type, text, references, metadata and rule set: what the same id is given for."""

_NOT_NULL = b"\x01"


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...


def identity(
    schema_type: str,
    text: str,
    references: tuple[Reference, ...],
    metadata: JsonObject | None,
    rule_set: JsonObject | None,
) -> Identity:
    """Return what tells a schema from others."""
    return schema_type, text, references, _stable(metadata), _stable(rule_set)


def identity_of(schema: RegisteredSchema) -> Identity:
    """Return what tells a registered schema from others."""
    return identity(
        schema.schema_type, schema.schema, schema.references, schema.metadata, schema.rule_set
    )


def _stable(value: JsonObject | None) -> str:
    return "" if value is None else json.dumps(value, sort_keys=True)


def guid(
    text: str,
    references: Iterable[Reference] = (),
    metadata: JsonObject | None = None,
    rule_set: JsonObject | None = None,
) -> str:
    """Return the guid of a schema.

    Args:
        text: the canonical text.
        references: with the versions they stand for.
        metadata: in canonical form; see :mod:`fakebus.registry.metadata`.
        rule_set: in canonical form.
    """
    digest = hashlib.md5(text.encode(), usedforsecurity=False)
    for reference in references:
        digest.update(reference.name.encode() + reference.subject.encode())
        digest.update(struct.pack(">i", reference.version))
    if metadata is not None:
        digest.update(_NOT_NULL)
        _hash_metadata(digest, metadata)
    if rule_set is not None:
        digest.update(_NOT_NULL)
        for kind in ("migrationRules", "domainRules", "encodingRules"):
            for rule in _objects(rule_set.get(kind)):
                _hash_rule(digest, rule)
        _hash_text(digest, rule_set.get("enableAt"))
    return str(UUID(bytes=digest.digest()))


def _hash_metadata(digest: _Hash, metadata: JsonObject) -> None:
    for tag, values in sorted(_members(metadata.get("tags"))):
        digest.update(tag.encode())
        _hash_texts(digest, values)
    _hash_pairs(digest, metadata.get("properties"))
    _hash_texts(digest, metadata.get("sensitive"))


def _hash_rule(digest: _Hash, rule: Mapping[str, object]) -> None:
    for name in ("name", "doc", "kind", "mode", "type"):
        _hash_text(digest, rule.get(name))
    _hash_texts(digest, rule.get("tags"))
    _hash_pairs(digest, rule.get("params"))
    for name in ("expr", "onSuccess", "onFailure"):
        _hash_text(digest, rule.get(name))
    if rule.get("disabled"):
        digest.update(_NOT_NULL)


def _hash_text(digest: _Hash, value: object) -> None:
    if value is not None:
        digest.update(str(value).encode())


def _hash_texts(digest: _Hash, values: object) -> None:
    for value in sorted(str(value) for value in values) if isinstance(values, list) else ():
        digest.update(value.encode())


def _hash_pairs(digest: _Hash, pairs: object) -> None:
    for key, value in sorted(_members(pairs)):
        digest.update(key.encode() + str(value).encode())


def _members(value: object) -> Iterable[tuple[str, object]]:
    return value.items() if isinstance(value, Mapping) else ()


def _objects(value: object) -> Iterable[Mapping[str, object]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else ()
