"""Kinds of values in fixture files: how each is read, told wrong, and described."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from fakebus.fixture_files.problems import DataError, Position, did_you_mean, quoted
from fakebus.fixture_files.sources import MAX_SCHEMA_BYTES
from fakebus.fixture_files.structure.declarations import (
    WRONG,
    Kind,
    Model,
    Reading,
    Schema,
    object_schema,
    read_object,
    reference,
)
from fakebus.fixture_files.structure.yaml_tree import (
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    is_null,
    json_value,
    kind_of,
)

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_ANY_TEXT = {"type": "string", "minLength": 1}


def text(
    parse: Callable[[str], Any] = str,
    *,
    also: Sequence[str] = (),
    words: Mapping[str, Any] = _ANY_TEXT,
) -> Kind:
    """Return the kind of texts that are not empty.

    Args:
        parse: makes the value; raises DataError.
        also: kinds of YAML's that are taken as they are written, without quotes.
        words: the JSON Schema.
    """

    def read(node: YamlNode, what: str, reading: Reading) -> Any:
        if not isinstance(node, YamlScalar) or node.kind not in ("str", *also):
            hint = "write it in quotes" if isinstance(node, YamlScalar) else ""
            message = f"{what} must be a text, not {kind_of(node)}"
            return reading.wrong(node.position, message, hint)
        if not node.text:
            return reading.wrong(node.position, f"{what} is empty", "write a text")
        try:
            return parse(node.text)
        except DataError as error:
            return reading.wrong(node.position, str(error), error.hint)

    return Kind(read, lambda: dict(words))


def choice(known: Sequence[str], unknown: str, *, any_case: bool = False) -> Kind:
    """Return the kind of texts that are one of several.

    Args:
        known: the texts.
        unknown: what is said of another one; ``{}`` is where it goes.
        any_case: whether small letters are taken for large ones.
    """

    def parse(text: str) -> str:
        found = text.upper() if any_case else text
        if found not in known:
            raise DataError(unknown.replace("{}", quoted(text)), did_you_mean(found, known))
        return found

    return text(parse, words={"enum": [*known, *(map(str.lower, known) if any_case else ())]})


def integer(lowest: int = _LOWEST, highest: int = _HIGHEST, *, instead: Any = WRONG) -> Kind:
    """Return the kind of whole numbers between two limits; ``instead`` stands for a wrong one."""
    hint = f"write a number from {lowest} to {highest}"

    def read(node: YamlNode, what: str, reading: Reading) -> Any:
        if not isinstance(node, YamlScalar) or not _INTEGER.fullmatch(node.text):
            shown = quoted(node.text) if isinstance(node, YamlScalar) else kind_of(node)
            reading.wrong(node.position, f"{what} must be a whole number, not {shown}", hint)
            return instead
        number = int(node.text)
        if not lowest <= number <= highest:
            reading.wrong(node.position, f"{what} is {number}", hint)
            return instead
        return number

    limits = {"minimum": lowest} if lowest != _LOWEST else {}
    limits |= {"maximum": highest} if highest != _HIGHEST else {}
    return Kind(read, lambda: {"type": "integer", **limits})


def _read_boolean(node: YamlNode, what: str, reading: Reading) -> Any:
    if isinstance(node, YamlScalar) and node.text.lower() in ("true", "false"):
        return node.text.lower() == "true"
    message = f"{what} must be true or false, not {kind_of(node)}"
    return reading.wrong(node.position, message, "write true or false")


BOOLEAN = Kind(_read_boolean, lambda: {"type": "boolean"})
ANYTHING = Kind(lambda node, what, reading: json_value(node), dict)


def custom(read: Callable[[YamlNode, str, Reading], Any], words: Mapping[str, Any]) -> Kind:
    """Return a kind that a function of its own reads; ``words`` is its JSON Schema."""
    return Kind(read, lambda: dict(words))


def placed(kind: Kind) -> Kind:
    """Return a kind whose values come with their places, for what is found out later."""

    def read(node: YamlNode, what: str, reading: Reading) -> Any:
        value = kind.read(node, what, reading)
        return WRONG if value is WRONG else (value, node.position)

    return Kind(read, kind.schema)


def several(
    of: Kind,
    *,
    single: type[YamlNode] | tuple[type[YamlNode], ...] = (),
    empty: tuple[str, str] | None = None,
) -> Kind:
    """Return the kind of lists, of which the items that are right are kept.

    Args:
        of: the kind of the items.
        single: what is taken for a list of one.
        empty: what is said of an empty list, and the hint.
    """

    def read(node: YamlNode, what: str, reading: Reading) -> Any:
        if isinstance(node, YamlSequence):
            nodes: tuple[YamlNode, ...] = node.items
        elif isinstance(node, single):
            nodes = (node,)
        else:
            message = f"{what} must be a list, not {kind_of(node)}"
            return reading.wrong(node.position, message, "write  - before each")
        if not nodes and empty:
            reading.wrong(node.position, *empty)
        items = [of.read(item, f"an entry of {what}", reading) for item in nodes]
        return tuple(item for item in items if item is not WRONG)

    def schema() -> Schema:
        items = {"items": of.schema(), **({"minItems": 1} if empty else {})}
        if single:
            return {"oneOf": [of.schema(), {"type": "array", **items}]}
        return {"type": "array" if empty else ["array", "null"], **items}

    return Kind(read, schema)


def mapping(read: Callable[[YamlMapping, str, Reading], Any], words: Mapping[str, Any]) -> Kind:
    """Return a kind of objects that a function reads; ``words`` is its JSON Schema."""

    def checked(node: YamlNode, what: str, reading: Reading) -> Any:
        if isinstance(node, YamlMapping):
            return read(node, what, reading)
        message = f"{what} must be an object, not {kind_of(node)}"
        return reading.wrong(node.position, message, "write  name: value")

    return Kind(checked, lambda: dict(words))


def by_name(of: Kind, *, what: str = '"{}"', is_model: bool = False) -> Kind:
    """Return the kind of objects whose fields the author of the file names.

    Args:
        of: the kind of the values.
        what: what a field is called in messages.
        is_model: whether the values are models that know their names.
    """

    def read(node: YamlMapping, own: str, reading: Reading) -> Any:
        found = {}
        for name, entry in node.entries.items():
            if is_null(entry.value) and not is_model:
                reading.wrong(node.position, f'{own} needs the field "{name}"', f"add  {name}:")
                continue
            value = of.read(entry.value, what.replace("{}", name), reading)
            if value is not WRONG:
                found[name] = replace(value, name=name) if is_model else value
        return found

    checked = mapping(read, {})
    words = {"type": ["object", "null"]}
    return Kind(checked.read, lambda: {**words, "additionalProperties": of.schema()})


def object_of(model: type[Model], definition: str = "") -> Kind:
    """Return the kind of objects that a model describes.

    Args:
        model: the model.
        definition: its name in the JSON Schema; written out when empty.
    """
    return Kind(
        lambda node, what, reading: read_object(model, node, what, reading),
        lambda: reference(definition) if definition else object_schema(model),
    )


class SchemaFile(NamedTuple):
    """Schema in a file of its own."""

    written: str
    """The path as it is written."""
    display: str
    """The path for messages."""
    text: str
    inside: Position | None = None
    """Where it stands, if it is a part of another file."""

    def position(self, place: tuple[int, int] = (1, 1)) -> Position:
        """Return a place in the schema as the user finds it.

        Args:
            place: line and column in the text.
        """
        return self.inside or Position(self.display, *place)


_TEXT = text()


def _read_file_name(node: YamlNode, what: str, reading: Reading) -> Any:
    path = _TEXT.read(node, what, reading)
    if path is WRONG:
        return WRONG
    file = reading.directory.resolve(reading.relative, path, node.position)
    return WRONG if file is None else file


def _read_schema_file(node: YamlNode, what: str, reading: Reading) -> Any:
    file = _read_file_name(node, what, reading)
    if file is WRONG or not isinstance(node, YamlScalar):
        return WRONG
    content = reading.directory.read_text(file, node.position, MAX_SCHEMA_BYTES)
    if content is None:
        return WRONG
    return SchemaFile(node.text, reading.directory.display(file), content)


FILE = Kind(_read_file_name, _TEXT.schema)
"""Path of a file within the set, from the folder of the file that names it."""
SCHEMA_FILE = Kind(_read_schema_file, _TEXT.schema)
"""Path of a file with a schema, which is read."""
