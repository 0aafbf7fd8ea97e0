"""The kinds of differences between two schemas, in Confluent's words.

Only the kinds that break a reader are listed, with a sentence, in ``breaking.txt``. The others are
found and named by the comparisons all the same, since a kind says more than a missing branch;
they are compatible. Source: https://docs.confluent.io/platform/current/schema-registry/
fundamentals/serdes-develop/serdes-json.html (JSON Schema compatibility rules).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

MAX_DIFFERENCES = 50
"""How many are kept for one pair of schemas: shared definitions can multiply them without end."""


class Difference(NamedTuple):
    """A change from the writer's schema to the reader's."""

    kind: str
    path: tuple[str, ...] = ()
    """Keywords and names from the compared pair downwards."""

    @property
    def breaks(self) -> bool:
        """Whether a reader of the new schema could fail on data of the old one."""
        return self.kind in BREAKING

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer in a URI fragment."""
        return "#/" + "/".join(part.replace("~", "~0").replace("/", "~1") for part in self.path)


def _table() -> dict[str, str]:
    text = (Path(__file__).parent / "breaking.txt").read_text(encoding="utf-8")
    rows = (line.partition(": ") for line in text.splitlines() if line and line[0] != "#")
    return {kind: sentence for kind, _, sentence in rows}


BREAKING = _table()
"""What each breaking kind means."""


def under(path: tuple[str, ...], differences: Iterable[Difference]) -> Iterator[Difference]:
    """Yield differences as seen from further up."""
    for difference in differences:
        yield Difference(difference.kind, path + difference.path)


def limit(path: str, name: str, writer: float | None, reader: float | None) -> Iterator[Difference]:
    """Yield how a numeric constraint changed.

    Args:
        path: its keyword.
        name: what its kinds begin with.
        writer: its value in the writer's schema.
        reader: its value in the reader's.
    """
    if writer == reader:
        return
    if writer is None:
        change = "ADDED"
    elif reader is None:
        change = "REMOVED"
    else:
        change = "INCREASED" if reader > writer else "DECREASED"
    yield Difference(f"{name}_{change}", (path,))


def unevaluated(name: str, writer: bool | None, reader: bool | None) -> Iterator[Difference]:
    """Yield how an ``unevaluated`` keyword changed, apart from a schema to a schema.

    Args:
        name: what its kinds begin with.
        writer: ``False`` if the writer refuses what is left over, ``None`` if it constrains it
            by a schema, ``True`` if it takes anything.
        reader: the same of the reader.
    """
    if writer == reader:
        return
    if reader is False:
        yield Difference(f"{name}_REMOVED")
    elif writer is False:
        yield Difference(f"{name}_ADDED")
    else:
        yield Difference(f"{name}_NARROWED" if writer else f"{name}_EXTENDED")
