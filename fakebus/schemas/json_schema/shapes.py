"""Schemas as shapes: what a schema says, whatever keywords and references say it.

A schema is an object with keywords of many kinds side by side. To be compared it is read as one
shape of one kind: an object, a string, an enumeration, or a combination of several shapes.
``{"type": "string", "enum": [...]}`` is all of a string and an enumeration; two types are any of
two shapes; a reference is what it leads to. Confluent's registry compares at this grain, so the
grain decides which changes have a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fakebus.schemas.json_schema.own_references import REFERENCES
from fakebus.schemas.json_schema.schema_documents import (
    Contents,
    Draft,
    Resolver,
    draft_of,
    is_legacy,
)


class Kind(StrEnum):
    """Kind of a shape; two shapes of one kind have their keywords compared."""

    ANYTHING = "anything"
    NOTHING = "nothing"
    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NULL = "null"
    OBJECT = "object"
    ARRAY = "array"
    ENUM = "enum"
    CONST = "const"
    NOT = "not"
    CONDITION = "if"
    ALL = "allOf"
    ANY = "anyOf"
    ONE = "oneOf"


COMBINED = (Kind.ALL, Kind.ANY, Kind.ONE)

_TYPES = {
    "string": Kind.STRING,
    "number": Kind.NUMBER,
    "integer": Kind.NUMBER,
    "boolean": Kind.BOOLEAN,
    "null": Kind.NULL,
    "object": Kind.OBJECT,
    "array": Kind.ARRAY,
}
# Keywords that speak of one type say so even where no ``type`` does.
_KEYWORDS_OF_TYPES = {
    Kind.STRING: {"minLength", "maxLength", "pattern"},
    Kind.NUMBER: {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
    Kind.OBJECT: {
        "properties",
        "required",
        "minProperties",
        "maxProperties",
        "dependencies",
        "dependentRequired",
        "dependentSchemas",
        "patternProperties",
        "additionalProperties",
        "propertyNames",
        "unevaluatedProperties",
    },
    Kind.ARRAY: {
        "items",
        "prefixItems",
        "additionalItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "contains",
        "unevaluatedItems",
    },
}
_NOT_IN_LEGACY_DRAFTS = {
    "prefixItems",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "unevaluatedItems",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Scope of a schema: what its references are relative to, and its draft."""

    resolver: Resolver
    draft: Draft


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """A schema as it is written, with its place."""

    contents: Contents
    scope: Scope

    @property
    def has_default(self) -> bool:
        """Whether it gives a default, which is what a newly required property needs."""
        return isinstance(self.contents, dict) and "default" in self.contents


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """A schema as it is compared."""

    kind: Kind
    keywords: Mapping[str, Any]
    scope: Scope
    parts: tuple[Node | Shape, ...] = ()
    """Of a combination: what it combines. Of a negation: what it denies."""
    integer: bool = False

    def node(self, contents: Contents) -> Node:
        """Return a schema that stands inside this one."""
        return Node(contents=contents, scope=self.scope)


Part = Node | Shape


class ShapeReader:
    """Reads shapes, each schema once: the same schema is always the same object."""

    def __init__(self) -> None:
        self._shapes: dict[int, Shape] = {}
        self._reading: set[int] = set()
        # Identities are keys, so what they belong to has to stay.
        self._kept: list[Contents] = []

    def shape(self, part: Part) -> Shape:
        """Return the shape of a schema, with references followed."""
        if isinstance(part, Shape):
            return part
        contents = part.contents
        if isinstance(contents, bool):
            kind = Kind.ANYTHING if contents else Kind.NOTHING
            return Shape(kind=kind, keywords={}, scope=part.scope)
        key = id(contents)
        if (known := self._shapes.get(key)) is not None:
            return known
        if key in self._reading:
            # References that lead round in a circle, with nothing on the way, ask for nothing.
            return Shape(kind=Kind.ANYTHING, keywords={}, scope=part.scope)
        self._reading.add(key)
        try:
            shape = self._read(contents, _scope_inside(part))
        finally:
            self._reading.discard(key)
        self._kept.append(contents)
        self._shapes[key] = shape
        return shape

    def _read(self, contents: Mapping[str, Any], scope: Scope) -> Shape:
        facets: list[Part]
        if is_legacy(scope.draft) and isinstance(target := contents.get("$ref"), str):
            # Up to draft-07 a reference stands alone; what is beside it counts for nothing.
            facets = [_followed(target, scope)]
        else:
            facets = _facets(contents, scope)
        if not facets:
            return Shape(kind=Kind.ANYTHING, keywords=contents, scope=scope)
        if len(facets) == 1:
            return self.shape(facets[0])
        return Shape(kind=Kind.ALL, keywords=contents, scope=scope, parts=tuple(facets))


def _scope_inside(node: Node) -> Scope:
    contents, scope = node.contents, node.scope
    draft = draft_of(contents) if "$schema" in contents else scope.draft
    resolver = scope.resolver
    if "$id" in contents or "id" in contents:
        resolver = resolver.in_subresource(draft.specification.create_resource(contents))
    return Scope(resolver=resolver, draft=draft)


def _followed(target: str, scope: Scope) -> Node:
    found = scope.resolver.lookup(target)
    return Node(contents=found.contents, scope=Scope(resolver=found.resolver, draft=scope.draft))


def _facets(contents: Mapping[str, Any], scope: Scope) -> list[Part]:
    facets: list[Part] = []
    if not is_legacy(scope.draft):
        facets += [
            _followed(contents[keyword], scope)
            for keyword in REFERENCES
            if isinstance(contents.get(keyword), str)
        ]
    facets += _typed_facets(contents, scope)
    for kind in (Kind.ENUM, Kind.CONST, Kind.NOT):
        if kind in contents:
            parts = (Node(contents=contents[kind], scope=scope),) if kind is Kind.NOT else ()
            facets.append(Shape(kind=kind, keywords=contents, scope=scope, parts=parts))
    if "if" in contents and ("then" in contents or "else" in contents):
        facets.append(Shape(kind=Kind.CONDITION, keywords=contents, scope=scope))
    for kind in COMBINED:
        if kind in contents:
            nodes = tuple(Node(contents=item, scope=scope) for item in contents[kind])
            facets.append(Shape(kind=kind, keywords=contents, scope=scope, parts=nodes))
    return facets


def _typed_facets(contents: Mapping[str, Any], scope: Scope) -> list[Part]:
    types = contents.get("type")
    if types is None:
        legacy = is_legacy(scope.draft)
        return [
            Shape(kind=kind, keywords=contents, scope=scope)
            for kind, keywords in _KEYWORDS_OF_TYPES.items()
            if any(
                keyword in contents
                for keyword in (keywords - _NOT_IN_LEGACY_DRAFTS if legacy else keywords)
            )
        ]
    shapes = [
        Shape(kind=_TYPES[name], keywords=contents, scope=scope, integer=name == "integer")
        for name in ([types] if isinstance(types, str) else types)
    ]
    if len(shapes) == 1:
        return [shapes[0]]
    return [Shape(kind=Kind.ANY, keywords={}, scope=scope, parts=tuple(shapes))]
