"""The text of a schema as Avro's Java library prints it.

Confluent's registry goes by that text: words that mean nothing where they stand are gone,
attributes are in one order, a namespace is said only where it changes, and a type is defined
where it comes first. Facts from org.apache.avro.Schema.toString(); the order of attributes
is held against Java by tests/unit/schemas/avro_java/compare.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from fakebus.schemas.avro.json_text import dump
from fakebus.schemas.avro.nodes import (
    PRIMITIVE_TYPES,
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Name,
    Named,
    Node,
    Primitive,
    Properties,
    Record,
    Union,
)

_TYPE_WORDS = (*PRIMITIVE_TYPES, "record", "enum", "array", "map", "union", "fixed")


def canonical_text(node: Node, known: frozenset[str] = frozenset()) -> str:
    """Return a schema's text.

    Args:
        node: the schema.
        known: full names of types that are defined elsewhere, so that a name will do.
    """
    return dump(_Writer(known=set(known)).tree(node, None))


def normalized_text(node: Node, known: frozenset[str] = frozenset()) -> str:
    """Return a schema's text with full names, and properties sorted by name."""
    return dump(_Writer(known=set(known), normalized=True).tree(node, None))


def identity_text(node: Node, *, documented: bool = True) -> str:
    """Return the text that schemas have in common which are equal for Confluent's registry.

    Types are written out, whoever defines them; the order of properties and aliases, and that
    of the keys in JSON values, makes no difference.

    Args:
        node: the schema.
        documented: whether documentation and aliases count, as for the registry; they do not
            for Avro's Java library by itself.
    """
    return dump(
        _sorted(_Writer(normalized=True, errors=False, documented=documented).tree(node, None))
    )


def definition_text(node: Named) -> str:
    """Return the text that definitions of a type have in common which are equal in Java.

    The types in it are named only.
    """
    return dump(
        _sorted(
            _Writer(normalized=True, errors=False, documented=False, only=node).tree(node, None)
        )
    )


def _sorted(value: object) -> object:
    if isinstance(value, Mapping):
        return {
            key: sorted(one) if key == "aliases" and _is_texts(one) else _sorted(one)
            for key, one in sorted(value.items())
        }
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def _is_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


@dataclass(slots=True, kw_only=True)
class _Writer:
    known: set[str] = field(default_factory=set)
    normalized: bool = False
    documented: bool = True
    errors: bool = True
    """Whether an error is told from a record."""
    only: Named | None = None
    """The one type that is written out, while others are named."""

    def tree(self, node: Node, namespace: str | None) -> object:
        match node:
            case Primitive():
                if not node.properties:
                    return node.kind
                return {"type": node.kind, **self._properties(node.properties)}
            case Array():
                items = self.tree(node.items, namespace)
                return {"type": "array", "items": items, **self._properties(node.properties)}
            case Map():
                values = self.tree(node.values, namespace)
                return {"type": "map", "values": values, **self._properties(node.properties)}
            case Union():
                return [self.tree(branch, namespace) for branch in node.branches]
        if node.name.full in self.known or self.only not in (None, node):
            return self._reference(node.name, namespace)
        self.known.add(node.name.full)
        return self._definition(node, namespace)

    def _definition(self, node: Named, namespace: str | None) -> object:
        is_error = isinstance(node, Record) and node.is_error and self.errors
        tree: dict[str, object] = {"type": "error" if is_error else node.kind}
        tree["name"] = node.name.full if self.normalized else node.name.simple
        # A full name says its namespace, but one without dots means that of the type around it.
        if node.name.namespace != namespace and not (self.normalized and node.name.namespace):
            tree["namespace"] = node.name.namespace or ""
        if node.doc is not None and self.documented:
            tree["doc"] = node.doc
        match node:
            case Record():
                tree["fields"] = [self._field(one, node.name.namespace) for one in node.fields]
            case Enum():
                tree["symbols"] = list(node.symbols)
                if node.default is not None:
                    tree["default"] = node.default
            case Fixed():
                tree["size"] = node.size
        tree |= self._properties(node.properties)
        if node.aliases and self.documented:
            tree["aliases"] = [self._reference(one, node.name.namespace) for one in node.aliases]
        return tree

    def _field(self, one: Field, namespace: str | None) -> object:
        tree: dict[str, object] = {"name": one.name, "type": self.tree(one.type, namespace)}
        if one.doc is not None and self.documented:
            tree["doc"] = one.doc
        if one.has_default:
            tree["default"] = one.default
        if one.order != "ascending":
            tree["order"] = one.order
        if one.aliases and self.documented:
            tree["aliases"] = list(one.aliases)
        return tree | self._properties(one.properties)

    def _reference(self, name: Name, namespace: str | None) -> str:
        # A type that is called like one of Avro's own is that type only with its namespace.
        is_short = name.namespace == namespace and name.simple not in _TYPE_WORDS
        return name.simple if is_short and not self.normalized else name.full

    def _properties(self, properties: Properties) -> dict[str, object]:
        return dict(sorted(properties.items()) if self.normalized else properties.items())
