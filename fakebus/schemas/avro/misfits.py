"""Data, or bytes, that do not fit their schema."""

from __future__ import annotations

from collections.abc import Iterable

MAX_DATA_DEPTH = 200
"""Levels of values in one another."""


class Misfit(Exception):  # noqa: N818 - it never leaves the package
    """Refusal of a value.

    Args:
        message: what is wrong.
        path: names and numbers that lead to the value, the innermost first; whatever it lies in
            adds its own when the refusal passes.
    """

    def __init__(self, message: str, path: Iterable[str | int] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.path = list(path)

    @property
    def place(self) -> str:
        """Where the value lies, such as ``$.items[3].name``."""
        parts = (f".{one}" if isinstance(one, str) else f"[{one}]" for one in reversed(self.path))
        return "$" + "".join(parts)

    def __str__(self) -> str:
        """Return the message behind the place."""
        return f"{self.place}: {self.message}"


def too_deep() -> Misfit:
    """Return the refusal of data that is nested too deeply."""
    return Misfit(f"the data is nested deeper than {MAX_DATA_DEPTH} levels")
