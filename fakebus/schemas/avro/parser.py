"""From the JSON of a schema to its types.

What is refused is what Avro's Java library refuses of a new schema: names, defaults, symbols
and unions are checked here, so that nothing later meets a schema that makes no sense. As in
that library since 1.12, a type may be used before it is defined, and defined again if the second
definition is equal to the first. Source: https://avro.apache.org/docs/1.12.0/specification/
(Schema Declaration); org.apache.avro.ParseContext.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from fakebus.schemas.avro.canonical_text import definition_text
from fakebus.schemas.avro.defaults import as_number, check_default
from fakebus.schemas.avro.json_text import MAX_DEPTH, load
from fakebus.schemas.avro.logical_types import logical_type
from fakebus.schemas.avro.names import check_simple_name, parse_name
from fakebus.schemas.avro.nodes import (
    NO_DEFAULT,
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
    type_name,
)
from fakebus.schemas.interface import STORED, Checks, SchemaError

JsonObject: TypeAlias = Mapping[str, object]

_TYPE_WORDS = frozenset(
    ("doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases")
)
_ENUM_WORDS = _TYPE_WORDS | {"default"}
_FIELD_WORDS = frozenset(("default", "doc", "name", "order", "type", "aliases"))
_NAMED = ("record", "error", "enum", "fixed")
_ORDERS = ("ascending", "descending", "ignore")


class Parser:
    """Parser of types; those with a name can be named by what is read after them."""

    def __init__(self) -> None:
        self.names: dict[str, Named] = {}
        """The types that are defined so far, by full name."""
        self._checks = STORED
        self._later: dict[str, tuple[JsonObject, str | None]] | None = None
        self._early: dict[int, Named] = {}
        """Types that were used before the text comes to them, by their declaration's identity."""
        self._text: object = None
        self._heights: dict[Node, int] = {}

    def parse_text(self, text: str, checks: Checks) -> Node:
        """Return the type that a text declares.

        Raises:
            SchemaError: it declares none, or not as the checks want it.
        """
        self._checks = checks
        self._text, self._later, self._early = load(text), None, {}
        return self.parse(self._text)

    def parse(self, declared: object, namespace: str | None = None) -> Node:
        """Return the type that a JSON value declares.

        Args:
            declared: a name, an object or a list of union branches.
            namespace: of the record around it.

        Raises:
            SchemaError: it declares none.
        """
        if isinstance(declared, str):
            return self._named(declared, namespace)
        if isinstance(declared, list):
            return self._union(declared, namespace)
        if not isinstance(declared, Mapping):
            raise SchemaError(f"A type is a name, an object or a list, not {declared!r}.")
        kind = declared.get("type")
        if not isinstance(kind, str):
            raise SchemaError(f'A type in braces needs a "type" that is a name, not {kind!r}.')
        if kind in PRIMITIVE_TYPES:
            return self._primitive(kind, _properties(declared, _TYPE_WORDS))
        return self._complex(kind, declared, namespace)

    def _complex(self, kind: str, declared: JsonObject, namespace: str | None) -> Node:
        match kind:
            case "record" | "error" | "enum" | "fixed":
                return self._definition(declared, namespace)
            case "array":
                items = self._part(declared, "items", namespace)
                node: Node = Array(items=items, properties=_properties(declared, _TYPE_WORDS))
                return self._with_height(node, items)
            case "map":
                values = self._part(declared, "values", namespace)
                node = Map(values=values, properties=_properties(declared, _TYPE_WORDS))
                return self._with_height(node, values)
        return self._named(kind, namespace)

    def _primitive(self, kind: str, properties: Properties) -> Primitive:
        logical = logical_type(kind, properties, strict=self._checks.strict)
        return Primitive(kind=kind, properties=properties, logical=logical)

    def _named(self, text: str, namespace: str | None) -> Node:
        if text in PRIMITIVE_TYPES:
            return self._primitive(text, {})
        names = [f"{namespace}.{text}", text] if "." not in text and namespace else [text]
        for name in names:
            if name in self.names:
                return self.names[name]
        if self._later is None:
            self._later = dict(_definitions(self._text, None))
        for name in names:
            if name in self._later:
                declared, around = self._later.pop(name)
                found = self._early[id(declared)] = self._definition(declared, around)
                return found
        inside = f" in the namespace {namespace!r}" if namespace and "." not in text else ""
        raise SchemaError(
            f"There is no type {text!r}{inside}: define it, or refer to a schema that does."
        )

    def _definition(self, declared: JsonObject, namespace: str | None) -> Named:
        early = self._early.get(id(declared))
        if early is not None:
            return early
        match declared["type"]:
            case "enum":
                return self._enum(declared, namespace)
            case "fixed":
                return self._fixed(declared, namespace)
        return self._record(declared, namespace, is_error=declared["type"] == "error")

    def _defined(self, node: Named) -> Named:
        """Return the type of this name, which is another if it was defined before.

        Raises:
            SchemaError: the other is not equal.
        """
        known = self.names.setdefault(node.name.full, node)
        if known is node:
            return node
        is_around = isinstance(known, Record) and not known.is_complete
        if is_around or definition_text(known) != definition_text(node):
            raise SchemaError(f"The type {node.name.full!r} is defined twice, differently.")
        return known

    def _part(self, declared: JsonObject, word: str, namespace: str | None) -> Node:
        if word not in declared:
            raise SchemaError(f'A type {declared["type"]!r} needs "{word}".')
        return self.parse(declared[word], namespace)

    def _union(self, declared: list[object], namespace: str | None) -> Union:
        branches = tuple(self.parse(branch, namespace) for branch in declared)
        seen: set[str] = set()
        for branch in branches:
            if isinstance(branch, Union):
                raise SchemaError("A union cannot stand in a union.")
            if type_name(branch) in seen:
                raise SchemaError(f"A union has {type_name(branch)!r} twice.")
            seen.add(type_name(branch))
        node = Union(branches=branches)
        self._with_height(node, *branches)
        return node

    def _enum(self, declared: JsonObject, namespace: str | None) -> Named:
        name = self._name(declared, namespace)
        what = f"a symbol of {name.full}"
        symbols = declared.get("symbols")
        if not isinstance(symbols, list):
            raise SchemaError(f'The enum {name.full!r} needs "symbols", a list of names.')
        checked = tuple(check_simple_name(one, what, checks=self._checks) for one in symbols)
        if len(set(checked)) < len(checked):
            [(twice, _)] = Counter(checked).most_common(1)
            raise SchemaError(f"The enum {name.full!r} has the symbol {twice!r} twice.")
        default = declared.get("default")
        if default is not None and default not in checked:
            raise SchemaError(f"The enum {name.full!r} has no symbol {default!r} for its default.")
        node = Enum(
            name=name,
            doc=_text(declared, "doc"),
            symbols=checked,
            default=default if isinstance(default, str) else None,
            aliases=self._type_aliases(declared, name),
            properties=_properties(declared, _ENUM_WORDS),
        )
        return self._defined(node)

    def _fixed(self, declared: JsonObject, namespace: str | None) -> Named:
        name = self._name(declared, namespace)
        size = declared.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**31:
            raise SchemaError(f'The fixed {name.full!r} needs a "size" in bytes, not {size!r}.')
        properties = _properties(declared, _TYPE_WORDS)
        node = Fixed(
            name=name,
            doc=_text(declared, "doc"),
            size=size,
            aliases=self._type_aliases(declared, name),
            properties=properties,
            logical=logical_type("fixed", properties, size=size, strict=self._checks.strict),
        )
        return self._defined(node)

    def _record(self, declared: JsonObject, namespace: str | None, *, is_error: bool) -> Named:
        name = self._name(declared, namespace)
        node = Record(
            name=name,
            doc=_text(declared, "doc"),
            aliases=self._type_aliases(declared, name),
            properties=_properties(declared, _TYPE_WORDS),
            is_error=is_error,
        )
        self.names.setdefault(node.name.full, node)
        fields = declared.get("fields")
        if not isinstance(fields, list):
            raise SchemaError(f'The record {name.full!r} needs "fields", a list of fields.')
        by_name: dict[str, Field] = {}
        for one in fields:
            field = self._field(one, name)
            if field.name in by_name:
                raise SchemaError(f"The record {name.full!r} has the field {field.name!r} twice.")
            by_name[field.name] = field
        node.fields, node.by_name, node.is_complete = tuple(by_name.values()), by_name, True
        self._with_height(node, *(field.type for field in node.fields))
        return self._defined(node)

    def _field(self, declared: object, record: Name) -> Field:
        if not isinstance(declared, Mapping):
            raise SchemaError(f"A field of {record.full!r} must be an object, not {declared!r}.")
        name = check_simple_name(
            declared.get("name"), f"a field of {record.full}", checks=self._checks
        )
        what = f"The field {name!r} of {record.full!r}"
        if "type" not in declared:
            raise SchemaError(f'{what} needs a "type".')
        node = self.parse(declared["type"], record.namespace)
        order = declared.get("order", "ascending")
        if not isinstance(order, str) or order.lower() not in _ORDERS:
            raise SchemaError(f'{what} has the "order" {order!r}; it is one of {_ORDERS}.')
        default = declared.get("default", NO_DEFAULT)
        if default is not NO_DEFAULT:
            default = as_number(node, default)
            if self._checks.new:
                check_default(node, default, what)
        return Field(
            name=name,
            type=node,
            doc=_text(declared, "doc"),
            default=default,
            order=order.lower(),
            aliases=_aliases(declared),
            properties=_properties(declared, _FIELD_WORDS),
        )

    def _name(self, declared: JsonObject, namespace: str | None) -> Name:
        own = declared.get("namespace")
        around = own if isinstance(own, str) else namespace
        kind = declared["type"]
        return parse_name(declared.get("name"), around, f"a type {kind!r}", checks=self._checks)

    def _type_aliases(self, declared: JsonObject, name: Name) -> tuple[Name, ...]:
        what = f"an alias of {name.full}"
        return tuple(
            parse_name(alias, name.namespace, what, checks=self._checks)
            for alias in _aliases(declared)
        )

    def _with_height(self, node: Node, *parts: Node) -> Node:
        # A record that is still being read counts as nothing: it is a level further out.
        height = 1 + max((self._heights.get(part, 0) for part in parts), default=0)
        if height > MAX_DEPTH:
            raise SchemaError(f"The schema is nested deeper than {MAX_DEPTH} types.")
        self._heights[node] = height
        return node


def defined_name(declared: JsonObject, namespace: str | None) -> str | None:
    """Return the full name of the type that a declaration defines, if it defines one."""
    name, own = declared.get("name"), declared.get("namespace")
    if declared.get("type") not in _NAMED or not isinstance(name, str):
        return None
    before, dot, simple = name.rpartition(".")
    around = before if dot else own if isinstance(own, str) else namespace
    return f"{around}.{simple}" if around else simple


def _definitions(
    declared: object, namespace: str | None
) -> Iterator[tuple[str, tuple[JsonObject, str | None]]]:
    """Yield the names that a text defines, with their declarations and what they stand in."""
    waiting = [(declared, namespace)]
    while waiting:
        declared, namespace = waiting.pop()
        if isinstance(declared, list):
            waiting += [(branch, namespace) for branch in declared]
        if not isinstance(declared, Mapping):
            continue
        around = namespace
        if (name := defined_name(declared, namespace)) is not None:
            around = name.rpartition(".")[0]
            yield name, (declared, namespace)
        fields = declared.get("fields") if declared.get("type") in ("record", "error") else None
        for field in fields if isinstance(fields, list) else ():
            waiting.append((field.get("type") if isinstance(field, Mapping) else None, around))
        waiting += [(declared.get("items"), namespace), (declared.get("values"), namespace)]


def _properties(declared: JsonObject, words: frozenset[str]) -> Properties:
    return {name: value for name, value in declared.items() if name not in words}


def _text(declared: JsonObject, word: str) -> str | None:
    value = declared.get(word)
    return value if isinstance(value, str) else None


def _aliases(declared: JsonObject) -> tuple[str, ...]:
    aliases = declared.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise SchemaError(f'"aliases" must be a list of names, not {aliases!r}.')
    return tuple(dict.fromkeys(aliases))
