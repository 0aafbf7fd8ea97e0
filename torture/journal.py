"""What writers were told is stored, in files that only they write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Journal of one writer: a line of JSON for each acknowledgement, written at once.

    Args:
        directory: of the journals of all writers.
        writer: its name.
    """

    def __init__(self, directory: Path, writer: str) -> None:
        self._file = (directory / f"{writer}.jsonl").open("a", buffering=1)

    def note(self, *values: Any) -> None:
        """Note what was acknowledged."""
        self._file.write(json.dumps(values) + "\n")


def read(directory: Path, writer: str) -> Iterator[list[Any]]:
    """Give the lines of a writer's journal."""
    path = directory / f"{writer}.jsonl"
    if path.exists():
        with path.open() as lines:
            yield from map(json.loads, lines)
