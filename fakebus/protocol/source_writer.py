"""Lines of Python being generated, and the names that they use."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

FIXED_FORMATS = {
    "i8": "b",
    "i16": "h",
    "i32": "i",
    "i64": "q",
    "u16": "H",
    "f64": "d",
    "bool": "?",
    "uuid": "16s",
}
"""The :mod:`struct` format of each type of fixed size; the byte order is big-endian."""

FIXED_SIZES = {name: struct.calcsize(">" + code) for name, code in FIXED_FORMATS.items()}


class SourceWriter:
    """Collects indented lines, fresh variable names, and the constants the lines refer to."""

    def __init__(self, constants: dict[str, Any]) -> None:
        self.constants = constants
        self._lines: list[str] = []
        self._depth = 0
        self._names = 0

    def line(self, text: str) -> None:
        """Add a line at the current depth."""
        self._lines.append(" " * self._depth + text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add a line that opens a block; what is added meanwhile is inside it."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    def name(self, prefix: str) -> str:
        """Return a variable name that nothing else has."""
        self._names += 1
        return f"{prefix}{self._names}"

    def struct_method(self, formats: str, method: str) -> str:
        """Return the name of a precompiled struct's bound method."""
        name = f"{method}_{formats}".replace("?", "t")
        if name not in self.constants:
            self.constants[name] = getattr(struct.Struct(">" + formats), method)
        return name

    def source(self) -> str:
        """Return everything as one text."""
        return "\n".join(self._lines) + "\n"
