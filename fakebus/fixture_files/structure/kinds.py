"""Kinds of values in fixture files: how each is read, told wrong, and described."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

from fakebus.fixture_files.problems import DataError, did_you_mean, quoted
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Text that is not empty."""

    parse: Callable[[str], Any] = str
    """Makes the value; raises DataError."""
    may_be_time: bool = False
    """Whether a date or time without quotes is taken as it is written."""
    words: Mapping[str, Any] = field(default_factory=lambda: {"type": "string", "minLength": 1})

    def read(self, node: YamlNode, what: str, reading: Reading) -> Any:
        """Return what is made of the text."""
        right = ("str", "timestamp") if self.may_be_time else ("str",)
        if not isinstance(node, YamlScalar) or node.kind not in right:
            hint = "write it in quotes" if isinstance(node, YamlScalar) else ""
            message = f"{what} must be a text, not {kind_of(node)}"
            return reading.wrong(node.position, message, hint)
        if not node.text:
            return reading.wrong(node.position, f"{what} is empty", "write a text")
        try:
            return self.parse(node.text)
        except DataError as error:
            return reading.wrong(node.position, str(error), error.hint)

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        return dict(self.words)


def choice(known: Sequence[str], unknown: str, *, any_case: bool = False) -> Text:
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

    return Text(parse=parse, words={"enum": [*known, *(map(str.lower, known) if any_case else ())]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    """Whole number between two limits."""

    lowest: int = _LOWEST
    highest: int = _HIGHEST
    instead: Any = WRONG
    """What stands for a wrong one."""

    def read(self, node: YamlNode, what: str, reading: Reading) -> Any:
        """Return the number."""
        hint = f"write a number from {self.lowest} to {self.highest}"
        if not isinstance(node, YamlScalar) or not _INTEGER.fullmatch(node.text):
            shown = quoted(node.text) if isinstance(node, YamlScalar) else kind_of(node)
            reading.wrong(node.position, f"{what} must be a whole number, not {shown}", hint)
            return self.instead
        number = int(node.text)
        if not self.lowest <= number <= self.highest:
            reading.wrong(node.position, f"{what} is {number}", hint)
            return self.instead
        return number

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        limits = {"minimum": self.lowest} if self.lowest != _LOWEST else {}
        limits |= {"maximum": self.highest} if self.highest != _HIGHEST else {}
        return {"type": "integer", **limits}


class Boolean:
    """``true`` or ``false``."""

    def read(self, node: YamlNode, what: str, reading: Reading) -> Any:
        """Return the boolean."""
        if isinstance(node, YamlScalar) and node.text.lower() in ("true", "false"):
            return node.text.lower() == "true"
        message = f"{what} must be true or false, not {kind_of(node)}"
        return reading.wrong(node.position, message, "write true or false")

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Custom:
    """Value that is read by a function of its own."""

    reader: Callable[[YamlNode, str, Reading], Any]
    words: Mapping[str, Any]
    """The JSON Schema."""

    def read(self, node: YamlNode, what: str, reading: Reading) -> Any:
        """Return what the function makes of the node."""
        return self.reader(node, what, reading)

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        return dict(self.words)


ANYTHING = Custom(lambda node, what, reading: json_value(node), {})


@dataclass(frozen=True, slots=True)
class Placed:
    """Value with its place, for what is found out about it later."""

    kind: Kind

    def read(self, node: YamlNode, what: str, reading: Reading) -> Any:
        """Return the value and where it stands."""
        value = self.kind.read(node, what, reading)
        return WRONG if value is WRONG else (value, node.position)

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        return self.kind.schema()


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """List, for which a single item may stand."""

    of: Kind
    single: type[YamlNode] | tuple[type[YamlNode], ...] = ()
    """What is taken for a list of one."""
    empty: tuple[str, str] | None = None
    """What is said of an empty list, and the hint."""

    def read(self, node: YamlNode, what: str, reading: Reading) -> Any:
        """Return the items that are right."""
        if isinstance(node, YamlSequence):
            nodes: tuple[YamlNode, ...] = node.items
        elif isinstance(node, self.single):
            nodes = (node,)
        else:
            message = f"{what} must be a list, not {kind_of(node)}"
            return reading.wrong(node.position, message, "write  - before each")
        if not nodes and self.empty:
            reading.wrong(node.position, *self.empty)
        items = [self.of.read(item, f"an entry of {what}", reading) for item in nodes]
        return tuple(item for item in items if item is not WRONG)

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        least = {"minItems": 1} if self.empty else {}
        items = {"items": self.of.schema(), **least}
        if not self.single:
            return {"type": "array" if self.empty else ["array", "null"], **items}
        return {"oneOf": [self.of.schema(), {"type": "array", **items}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ByName:
    """Object whose fields the author of the file names."""

    of: Kind
    what: str = '"{}"'
    """What a field is called in messages."""
    is_model: bool = False
    """Whether the values are models that know their names."""

    def read(self, node: YamlNode, what: str, reading: Reading) -> Any:
        """Return the fields that are right."""
        if not isinstance(node, YamlMapping):
            message = f"{what} must be an object, not {kind_of(node)}"
            return reading.wrong(node.position, message, "write  name: value")
        found = {}
        for name, entry in node.entries.items():
            if is_null(entry.value) and not self.is_model:
                reading.wrong(node.position, f'{what} needs the field "{name}"', f"add  {name}:")
                continue
            value = self.of.read(entry.value, self.what.replace("{}", name), reading)
            if value is not WRONG:
                found[name] = replace(value, name=name) if self.is_model else value
        return found

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        return {"type": ["object", "null"], "additionalProperties": self.of.schema()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """Object that a model describes."""

    model: type[Model]
    reference: str = ""
    """Its name among the definitions of the JSON Schema; written out when empty."""

    def read(self, node: YamlNode, what: str, reading: Reading) -> Any:
        """Return the model, or :data:`WRONG`."""
        return read_object(self.model, node, what, reading)

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        return reference(self.reference) if self.reference else object_schema(self.model)


@dataclass(frozen=True, slots=True)
class FileName:
    """Path of a file within the set, from the folder of the file that names it."""

    text: ClassVar[Text] = Text()

    def read(self, node: YamlNode, what: str, reading: Reading) -> Any:
        """Return the path from the root."""
        path = self.text.read(node, what, reading)
        if path is WRONG:
            return WRONG
        file = reading.directory.resolve(reading.relative, path, node.position)
        return WRONG if file is None else file

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        return self.text.schema()


class SchemaFile(NamedTuple):
    """Schema in a file of its own."""

    written: str
    """The path as it is written."""
    display: str
    """The path for messages."""
    text: str


@dataclass(frozen=True, slots=True)
class SchemaFileName:
    """Path of a file with a schema, which is read."""

    text: ClassVar[Text] = Text()

    def read(self, node: YamlNode, what: str, reading: Reading) -> Any:
        """Return the schema."""
        file = FileName().read(node, what, reading)
        if file is WRONG or not isinstance(node, YamlScalar):
            return WRONG
        content = reading.directory.read_text(file, node.position, MAX_SCHEMA_BYTES)
        if content is None:
            return WRONG
        return SchemaFile(node.text, reading.directory.display(file), content)

    def schema(self) -> Schema:
        """Return the JSON Schema."""
        return self.text.schema()
