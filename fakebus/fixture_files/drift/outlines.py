"""Outlines of schemas: every field by its path, with the facts that people care about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fakebus.schemas.interface import ParsedSchema
from fakebus.schemas.json_schema.own_references import settle_references
from fakebus.schemas.json_schema.pointers import pointed_to

Facts = Mapping[str, str]
"""What is known of one place: its type, default, symbols and so on, as short texts."""

Outline = Mapping[str, Facts]
"""The facts by path; the empty path is the schema as a whole."""

TYPE = "type"
DEFAULT = "default"
SYMBOLS = "symbols"
REQUIRED = "required"
NUMBER = "number"

_MAX_DEPTH = 40
_MAX_PLACES = 5_000
"""Schemas that refer to each other have more paths than anybody can look at."""
_PROTOBUF_FIELD = re.compile(
    r"(?P<type>(?:(?:optional|required|repeated) )?[\w.]+(?:<[^>]+>)?) (?P<name>\w+) = "
    r"(?P<number>\d+)"
)
_PROTOBUF_BLOCK = re.compile(r"(?P<kind>message|enum|oneof|extend|service) (?P<name>[\w.]+) \{")
_PROTOBUF_SYMBOL = re.compile(r"(?P<name>\w+) = -?\d+")


def outline(schema: ParsedSchema) -> Outline:
    """Return the outline of a schema of any language."""
    if schema.schema_type == "PROTOBUF":
        return dict(_protobuf(schema.normalized))
    if schema.schema_type not in ("AVRO", "JSON"):
        return {"": {TYPE: schema.normalized}}
    try:
        contents = json.loads(schema.formatted("resolved") or schema.canonical)
        found = _avro(contents, "", frozenset()) if schema.schema_type == "AVRO" else None
        return dict(found if found is not None else _JsonOutline(contents).at(contents, "", ()))
    except RecursionError:
        # Nobody looks through a list of places that are nested so deeply.
        return {"": {TYPE: schema.normalized}}


def _avro(node: Any, path: str, within: frozenset[str]) -> Iterator[tuple[str, Facts]]:
    yield path, {TYPE: _avro_type(node)}
    for inner, step in _avro_parts(node):
        yield from _avro_fields(inner, path + step, within)


def _avro_parts(node: Any, step: str = "") -> Iterator[tuple[Any, str]]:
    """Return the records and enums within a type, with what each adds to the path."""
    if isinstance(node, list):
        for branch in node:
            yield from _avro_parts(branch, step)
    elif isinstance(node, dict):
        if node["type"] == "array":
            yield from _avro_parts(node["items"], step + "[]")
        elif node["type"] == "map":
            yield from _avro_parts(node["values"], step + "{}")
        else:
            yield node, step


def _avro_fields(node: Any, path: str, within: frozenset[str]) -> Iterator[tuple[str, Facts]]:
    if node["type"] == "enum":
        yield f"{path}{' ' if path else ''}(enum)", {SYMBOLS: ", ".join(node["symbols"])}
    if node["type"] not in ("record", "error"):
        return
    name = f"{node.get('namespace', '')}.{node['name']}"
    if name in within or len(within) > _MAX_DEPTH:
        return
    inside = within | {name}
    for field in node["fields"]:
        place = f"{path}.{field['name']}" if path else field["name"]
        facts = {TYPE: _avro_type(field["type"])}
        if "default" in field:
            facts[DEFAULT] = json.dumps(field["default"], ensure_ascii=False)
        yield place, facts
        for inner, step in _avro_parts(field["type"]):
            yield from _avro_fields(inner, place + step, inside)


def _avro_type(node: Any) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, list):
        return " or ".join(map(_avro_type, node))
    kind = node["type"]
    if kind == "array":
        return f"array of {_avro_type(node['items'])}"
    if kind == "map":
        return f"map of {_avro_type(node['values'])}"
    if kind in ("record", "error", "enum", "fixed"):
        namespace = node.get("namespace")
        return f"{kind} {f'{namespace}.' if namespace else ''}{node['name']}"
    text = _avro_type(kind) if isinstance(kind, dict | list) else str(kind)
    logical = node.get("logicalType")
    return f"{text} ({logical})" if logical else text


class _JsonOutline:
    """Outline of a JSON Schema, walked along properties, items and branches."""

    _BRANCHES = ("allOf", "anyOf", "oneOf")
    _WALKED = frozenset({"properties", "items", "required", "$defs", "definitions", *_BRANCHES})
    _SILENT = frozenset({"$schema", "$id", "id", "title", "description", "$comment", "examples"})

    def __init__(self, root: Any) -> None:
        self._root = root
        settle_references(root)
        self._places = 0

    def at(
        self, node: Any, path: str, seen: tuple[str, ...], required: bool | None = None
    ) -> Iterator[tuple[str, Facts]]:
        """Yield a place and all beneath it.

        Args:
            node: the schema of the place.
            path: its path.
            seen: the references that led here.
            required: whether the object around it asks for it; ``None`` if it is no property.
        """
        reference = node.get("$ref") if isinstance(node, dict) else None
        self._places += 1
        followed = reference not in seen and len(seen) < _MAX_DEPTH and self._places < _MAX_PLACES
        if isinstance(reference, str) and followed:
            found = None
            if reference.startswith("#"):
                found = pointed_to(self._root, reference[1:])
            if found is not None:
                yield from self.at(found, path, (*seen, reference), required)
                return
        yield path, dict(self._facts(node, required))
        if not isinstance(node, dict):
            return
        wanted = node.get("required")
        names = wanted if isinstance(wanted, list) else ()
        for name, inner in (node.get("properties") or {}).items():
            place = f"{path}.{name}" if path else name
            yield from self.at(inner, place, seen, name in names)
        if isinstance(node.get("items"), dict):
            yield from self.at(node["items"], f"{path}[]", seen)
        for keyword in self._BRANCHES:
            for index, inner in enumerate(node.get(keyword) or ()):
                yield from self.at(inner, f"{path} ({keyword} {index + 1})".lstrip(), seen)

    def _facts(self, node: Any, required: bool | None) -> Iterator[tuple[str, str]]:
        if not isinstance(node, dict):
            yield TYPE, "anything" if node else "nothing"
            return
        kind = node.get("type")
        if kind is not None:
            yield TYPE, " or ".join(kind) if isinstance(kind, list) else str(kind)
        if required is not None:
            yield REQUIRED, "yes" if required else "no"
        for name, value in node.items():
            if name == "enum" and isinstance(value, list):
                yield SYMBOLS, ", ".join(json.dumps(each, ensure_ascii=False) for each in value)
            elif name != TYPE and name not in self._WALKED and name not in self._SILENT:
                yield name, json.dumps(value, ensure_ascii=False, sort_keys=True)


def _protobuf(text: str) -> Iterator[tuple[str, Facts]]:
    blocks: list[tuple[str, str]] = []
    symbols: list[str] = []
    yield "", {}
    for line in map(str.strip, text.splitlines()):
        block = _PROTOBUF_BLOCK.match(line)
        names = [name for kind, name in blocks if kind != "oneof"]
        if block is not None:
            blocks.append((block["kind"], block["name"]))
            if block["kind"] in ("message", "service"):
                yield ".".join([*names, block["name"]]), {TYPE: block["kind"]}
            continue
        if line.endswith("{"):
            blocks.append(("", line))
        elif line.startswith("}") and blocks:
            kind, _ = blocks.pop()
            if kind == "enum":
                yield f"{'.'.join(names)} (enum)", {SYMBOLS: ", ".join(symbols)}
                symbols = []
        elif blocks and blocks[-1][0] == "enum":
            symbol = _PROTOBUF_SYMBOL.match(line)
            if symbol is not None:
                symbols.append(symbol["name"])
        else:
            field = _PROTOBUF_FIELD.match(line)
            if field is not None and blocks:
                facts = {TYPE: field["type"], NUMBER: field["number"]}
                yield ".".join([*names, field["name"]]), facts
