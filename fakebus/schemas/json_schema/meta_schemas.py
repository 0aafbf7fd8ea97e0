"""Validators for schemas themselves.

Since draft 2019-09 a meta-schema is spread over vocabularies that find each other dynamically,
for which a check of 100 kB takes seconds. Nobody extends them here, so they are put together into
one schema that refers to itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema.protocols import Validator
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from referencing import Registry

META_SCHEMAS: Registry[Any] = REGISTRY
"""The meta-schemas of all drafts, by their URIs; nothing else is in it or fetched for it."""

_TO_ITSELF = ({"$dynamicRef": "#meta"}, {"$recursiveRef": "#"})


@cache
def schema_validator(validator: type[Validator]) -> Validator:
    """Return what checks schemas of a draft.

    Args:
        validator: the draft's validator for data.
    """
    meta_schema: Any = validator.META_SCHEMA
    vocabularies = meta_schema.get("allOf")
    if not vocabularies:
        return validator(meta_schema, registry=META_SCHEMAS)
    resolver = META_SCHEMAS.resolver(meta_schema["$id"])
    together: dict[str, Any] = {
        "$schema": meta_schema["$schema"],
        "type": ["object", "boolean"],
        "properties": dict(meta_schema.get("properties", {})),
        "$defs": dict(meta_schema.get("$defs", {})),
    }
    for vocabulary in vocabularies:
        contents = resolver.lookup(vocabulary["$ref"]).contents
        for keyword in ("properties", "$defs"):
            together[keyword] |= contents.get(keyword, {})
    return validator(_referring_to_itself(together), registry=META_SCHEMAS)


def _referring_to_itself(value: Any) -> Any:
    if value in _TO_ITSELF:
        return {"$ref": "#"}
    if isinstance(value, dict):
        return {
            # "meta/validation#/$defs/stringArray" is in here too.
            key: f"#{item.partition('#')[2]}"
            if key == "$ref" and isinstance(item, str)
            else _referring_to_itself(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_referring_to_itself(item) for item in value]
    return value
