"""A schema with what it refers to: its draft, its references, where each ``$ref`` leads.

Nothing is ever fetched: the documents are the schema, the given references, and the
meta-schemas that come with the library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import referencing.jsonschema as dialects
from jsonschema import (
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
)
from jsonschema.exceptions import SchemaError as InvalidSchema
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from referencing import Registry, Resource, Specification
from referencing.exceptions import Unresolvable

from fakebus.schemas.interface import SchemaError
from fakebus.schemas.json_schema.json_text import normalized
from fakebus.schemas.json_schema.meta_schemas import META_SCHEMAS, schema_validator
from fakebus.schemas.json_schema.own_references import REFERENCES
from fakebus.schemas.json_schema.patterns import check_pattern

Contents = Any
"""A schema as read from JSON: an object or a boolean."""

Resolver = Any
"""A :class:`referencing.Resolver`, whose own type is private to its package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A version of JSON Schema."""

    specification: Specification[Contents]
    validator: type[Validator]


_DRAFTS = {
    "json-schema.org/draft-04/schema": Draft(
        specification=dialects.DRAFT4, validator=Draft4Validator
    ),
    "json-schema.org/draft-06/schema": Draft(
        specification=dialects.DRAFT6, validator=Draft6Validator
    ),
    "json-schema.org/draft-07/schema": Draft(
        specification=dialects.DRAFT7, validator=Draft7Validator
    ),
    "json-schema.org/draft/2019-09/schema": Draft(
        specification=dialects.DRAFT201909, validator=Draft201909Validator
    ),
    "json-schema.org/draft/2020-12/schema": Draft(
        specification=dialects.DRAFT202012, validator=Draft202012Validator
    ),
}
_DEFAULT_DRAFT = _DRAFTS["json-schema.org/draft-07/schema"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaDocuments:
    """A checked schema, and the registry that its references are looked up in."""

    written: Contents
    """The schema as it is stored."""
    contents: Contents
    """The schema as it is read, with everything where a ``$ref`` looks for it."""
    draft: Draft
    references: Mapping[str, object]
    registry: Registry[Contents]
    resolver: Resolver

    def same_as(self, other: SchemaDocuments) -> bool:
        """Return whether two schemas are written alike, with their references."""
        return normalized(self.contents) == normalized(other.contents) and normalized(
            dict(self.references)
        ) == normalized(dict(other.references))


def draft_of(contents: Contents) -> Draft:
    """Return the draft that a schema names; draft-07 by default, as in Confluent's registry."""
    declared = contents.get("$schema") if isinstance(contents, dict) else None
    if not isinstance(declared, str):
        return _DEFAULT_DRAFT
    key = declared.partition("://")[2].rstrip("#").rstrip("/")
    return _DRAFTS.get(key, _DEFAULT_DRAFT)


def is_legacy(draft: Draft) -> bool:
    """Return whether a draft is 4, 6 or 7, before vocabularies and ``unevaluated`` keywords."""
    return draft.validator in (Draft4Validator, Draft6Validator, Draft7Validator)


def schema_documents(contents: object, references: Mapping[str, object]) -> SchemaDocuments:
    """Return a schema with its references, all checked.

    Args:
        contents: the schema.
        references: other schemas by the URI that a ``$ref`` names them by; a relative one is
            also found where the schema's own ``$id`` makes it absolute.

    Raises:
        SchemaError: it is not a schema of its draft, or a ``$ref`` leads nowhere.
    """
    draft = draft_of(contents)
    _check(contents, draft, "")
    usable = _with_defs(contents)
    root = draft.specification.create_resource(usable)
    base = root.id() or ""
    resources: list[tuple[str, Resource[Contents]]] = []
    for name, reference in references.items():
        its_draft = draft_of(reference)
        _check(reference, its_draft, f"reference {name}: ")
        resource = its_draft.specification.create_resource(_with_defs(reference))
        resources += [(name, resource), (urljoin(base, name), resource)]
        if (its_id := resource.id()) is not None:
            resources.append((its_id, resource))
    resources.append((base, root))
    registry: Registry[Contents] = META_SCHEMAS.with_resources(resources)
    documents = SchemaDocuments(
        written=contents,
        contents=usable,
        draft=draft,
        references=references,
        registry=registry,
        resolver=registry.resolver(base),
    )
    _check_references(root, documents.resolver)
    return documents


def _with_defs(contents: Contents) -> Contents:
    """Return a schema whose ``definitions`` are found under ``$defs`` too, as Confluent does."""
    definitions = contents.get("definitions") if isinstance(contents, dict) else None
    defs = contents.get("$defs", {}) if isinstance(contents, dict) else None
    if not isinstance(definitions, dict) or not isinstance(defs, dict):
        return contents
    return {**contents, "$defs": {**definitions, **defs}}


def _check(contents: object, draft: Draft, place: str) -> None:
    if not isinstance(contents, dict | bool):
        raise SchemaError(f"{place}a JSON schema is an object or a boolean")
    try:
        error = best_match(schema_validator(draft.validator).iter_errors(contents))
    except RecursionError as recursion:
        raise SchemaError(f"{place}nested too deeply") from recursion
    except InvalidSchema as invalid:
        raise SchemaError(f"{place}{invalid.message}") from invalid
    if error is not None:
        raise SchemaError(f"{place}{error.message[:500]} at {error.json_path}")


def _check_references(root: Resource[Contents], resolver: Resolver) -> None:
    """Follow every reference once, through the given documents too."""
    seen: set[int] = set()
    waiting = [(root, resolver)]
    while waiting:
        resource, resolver = waiting.pop()
        contents = resource.contents
        if not isinstance(contents, dict) or id(contents) in seen:
            continue
        seen.add(id(contents))
        _check_patterns(contents)
        for keyword in REFERENCES:
            if isinstance(target := contents.get(keyword), str):
                found = _look_up(resolver, target)
                specification = draft_of(found.contents).specification
                waiting.append((specification.create_resource(found.contents), found.resolver))
        for part in resource.subresources():
            waiting.append((part, resolver.in_subresource(part)))


def _look_up(resolver: Resolver, target: str) -> Any:
    try:
        found = resolver.lookup(target)
    except (Unresolvable, ValueError) as error:
        raise SchemaError(f"the reference {target} leads nowhere") from error
    if not isinstance(found.contents, dict | bool):
        raise SchemaError(f"the reference {target} does not lead to a schema")
    return found


def _check_patterns(contents: dict[str, Any]) -> None:
    patterns = [contents["pattern"]] if isinstance(contents.get("pattern"), str) else []
    by_pattern = contents.get("patternProperties")
    if isinstance(by_pattern, dict):
        patterns += by_pattern
    for pattern in patterns:
        check_pattern(pattern)
