"""Typed access to the fields of a YAML object; every mistake becomes a problem."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fakebus.fixture_files.problems import Position, ProblemList, did_you_mean, quoted
from fakebus.fixture_files.yaml_tree import (
    YamlEntry,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
)

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)


def kind_of(node: YamlNode) -> str:
    """Return what a node is, for messages."""
    if isinstance(node, YamlMapping):
        return "an object"
    if isinstance(node, YamlSequence):
        return "a list"
    if node.is_null:
        return "nothing"
    return {"str": "a text", "int": "a number", "float": "a number", "bool": "a boolean"}.get(
        node.kind, f"a {node.kind}"
    )


class FieldReader:
    """Reads the fields of one object.

    Args:
        mapping: the object.
        what: its name for messages, such as ``a topic``.
        known: the names of the fields it may have; others are reported at once.
        problems: where mistakes go.
    """

    def __init__(
        self, mapping: YamlMapping, what: str, known: Sequence[str], problems: ProblemList
    ) -> None:
        self._mapping = mapping
        self._what = what
        self._problems = problems
        for name, entry in mapping.entries.items():
            if name not in known:
                self._report_unknown(name, entry, known)

    def _report_unknown(self, name: str, entry: YamlEntry, known: Sequence[str]) -> None:
        self._problems.add(
            entry.key.position,
            f"{self._what} has no field {quoted(name)}",
            did_you_mean(name, known),
        )

    def position(self, name: str) -> Position:
        """Return where a field's value stands, or the object if it has no such field."""
        entry = self._mapping.entries.get(name)
        return self._mapping.position if entry is None else entry.value.position

    def node(self, name: str, *, required: bool = False) -> YamlNode | None:
        """Return a field; ``None`` if it is missing or null."""
        entry = self._mapping.entries.get(name)
        if entry is None or (isinstance(entry.value, YamlScalar) and entry.value.is_null):
            if required:
                self._problems.add(
                    self._mapping.position,
                    f'{self._what} needs the field "{name}"',
                    f"add  {name}:",
                )
            return None
        return entry.value

    def text(self, name: str, *, required: bool = False) -> str | None:
        """Return a text that is not empty."""
        node = self.node(name, required=required)
        return None if node is None else self.as_text(node, f'"{name}"')

    def as_text(self, node: YamlNode, what: str) -> str | None:
        """Return a node that must be a text."""
        if not isinstance(node, YamlScalar) or node.kind != "str":
            hint = "write it in quotes" if isinstance(node, YamlScalar) else ""
            self._problems.add(node.position, f"{what} must be a text, not {kind_of(node)}", hint)
            return None
        if not node.text:
            self._problems.add(node.position, f"{what} is empty", "write a text")
            return None
        return node.text

    def integer(self, name: str, *, lowest: int, highest: int) -> int | None:
        """Return a whole number between two limits."""
        node = self.node(name)
        if node is None:
            return None
        if not isinstance(node, YamlScalar) or not _INTEGER.fullmatch(node.text):
            shown = quoted(node.text) if isinstance(node, YamlScalar) else kind_of(node)
            self._problems.add(
                node.position,
                f'"{name}" must be a whole number, not {shown}',
                f"write a number from {lowest} to {highest}",
            )
            return None
        number = int(node.text)
        if not lowest <= number <= highest:
            self._problems.add(
                node.position,
                f'"{name}" is {number}',
                f"write a number from {lowest} to {highest}",
            )
            return None
        return number

    def boolean(self, name: str) -> bool | None:
        """Return ``true`` or ``false``."""
        node = self.node(name)
        if node is None:
            return None
        if isinstance(node, YamlScalar) and node.text.lower() in ("true", "false"):
            return node.text.lower() == "true"
        self._problems.add(
            node.position,
            f'"{name}" must be true or false, not {kind_of(node)}',
            "write true or false",
        )
        return None

    def mapping(
        self, name: str, *, required: bool = False, hint: str = "write  name: value"
    ) -> YamlMapping | None:
        """Return an object; the hint is what to write instead of anything else."""
        node = self.node(name, required=required)
        return None if node is None else self.as_mapping(node, f'"{name}"', hint)

    def as_mapping(
        self, node: YamlNode, what: str, hint: str = "write  name: value"
    ) -> YamlMapping | None:
        """Return a node that must be an object; the hint is as for :meth:`mapping`."""
        if isinstance(node, YamlMapping):
            return node
        self._problems.add(node.position, f"{what} must be an object, not {kind_of(node)}", hint)
        return None

    def items(self, name: str) -> tuple[YamlNode, ...]:
        """Return the items of a list; none if the field is missing."""
        node = self.node(name)
        if node is None:
            return ()
        if isinstance(node, YamlSequence):
            return node.items
        self._problems.add(
            node.position, f'"{name}" must be a list, not {kind_of(node)}', "write  - before each"
        )
        return ()

    def texts(self, name: str, *, or_one: bool = False) -> list[tuple[str, Position]]:
        """Return a list of texts with their places.

        Args:
            name: the field.
            or_one: whether a single text may stand for a list of one.
        """
        node = self.node(name)
        if or_one and isinstance(node, YamlScalar):
            nodes: tuple[YamlNode, ...] = (node,)
        else:
            nodes = self.items(name)
        found = [(self.as_text(item, f'an entry of "{name}"'), item.position) for item in nodes]
        return [(text, position) for text, position in found if text is not None]
