"""The kinds of differences between two schemas, in Confluent's words.

Only the kinds that break a reader are listed with a sentence. The others are found and named
by the comparisons all the same, since a kind says more than a missing branch; they are
compatible. Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/
serdes-develop/serdes-json.html (JSON Schema compatibility rules).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


_ADDED = "the reader has this constraint and the writer has not"
_RAISED = "the reader's lower limit is higher than the writer's"
_LOWERED = "the reader's upper limit is lower than the writer's"

BREAKING = {
    "SCHEMA_ADDED": "the reader has a schema here and the writer allows anything",
    "TYPE_CHANGED": "the writer's type is none that the reader takes",
    "TYPE_NARROWED": "the writer may write any number and the reader takes integers only",
    "MAX_LENGTH_ADDED": _ADDED,
    "MAX_LENGTH_DECREASED": _LOWERED,
    "MIN_LENGTH_ADDED": _ADDED,
    "MIN_LENGTH_INCREASED": _RAISED,
    "PATTERN_ADDED": _ADDED,
    "PATTERN_CHANGED": "the patterns differ, and nobody knows which strings match both",
    "MAXIMUM_ADDED": _ADDED,
    "MAXIMUM_DECREASED": _LOWERED,
    "MINIMUM_ADDED": _ADDED,
    "MINIMUM_INCREASED": _RAISED,
    "EXCLUSIVE_MAXIMUM_ADDED": _ADDED,
    "EXCLUSIVE_MAXIMUM_DECREASED": _LOWERED,
    "EXCLUSIVE_MINIMUM_ADDED": _ADDED,
    "EXCLUSIVE_MINIMUM_INCREASED": _RAISED,
    "MULTIPLE_OF_ADDED": _ADDED,
    "MULTIPLE_OF_EXPANDED": "the reader takes multiples of a multiple only",
    "MULTIPLE_OF_CHANGED": "the reader takes other multiples than the writer writes",
    "REQUIRED_ATTRIBUTE_ADDED": "the reader requires a property that the writer may leave out",
    "MAX_PROPERTIES_ADDED": _ADDED,
    "MAX_PROPERTIES_DECREASED": _LOWERED,
    "MIN_PROPERTIES_ADDED": _ADDED,
    "MIN_PROPERTIES_INCREASED": _RAISED,
    "ADDITIONAL_PROPERTIES_REMOVED": "the writer may write properties that the reader refuses",
    "ADDITIONAL_PROPERTIES_NARROWED": "the reader constrains properties that the writer does not",
    "UNEVALUATED_PROPERTIES_REMOVED": "the writer may write properties that the reader refuses",
    "UNEVALUATED_PROPERTIES_NARROWED": "the reader constrains properties that the writer does not",
    "DEPENDENCY_ARRAY_ADDED": "the reader requires further properties where this one is present",
    "DEPENDENCY_ARRAY_EXTENDED": "the reader requires more properties where this one is present",
    "DEPENDENCY_ARRAY_CHANGED": "the reader requires other properties where this one is present",
    "DEPENDENCY_SCHEMA_ADDED": "the reader constrains objects in which this property is present",
    "REQUIRED_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL": (
        "the writer's open content model may hold this property as anything or leave it out, "
        "and the reader requires it"
    ),
    "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_OPEN_CONTENT_MODEL": (
        "the writer's open content model may hold anything under this property's name"
    ),
    "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL": (
        "the writer's open content model may hold anything under this property's name"
    ),
    "REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL": (
        "the reader requires a property that the writer does not know"
    ),
    "PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL": (
        "the reader's closed content model refuses a property that the writer may write"
    ),
    "PROPERTY_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL": (
        "what the reader takes as further properties does not cover this one"
    ),
    "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL": (
        "what the writer writes as further properties does not fit this one"
    ),
    "MAX_ITEMS_ADDED": _ADDED,
    "MAX_ITEMS_DECREASED": _LOWERED,
    "MIN_ITEMS_ADDED": _ADDED,
    "MIN_ITEMS_INCREASED": _RAISED,
    "MAX_CONTAINS_ADDED": _ADDED,
    "MAX_CONTAINS_DECREASED": _LOWERED,
    "MIN_CONTAINS_ADDED": _ADDED,
    "MIN_CONTAINS_INCREASED": _RAISED,
    "UNIQUE_ITEMS_ADDED": _ADDED,
    "ADDITIONAL_ITEMS_REMOVED": "the writer may write more items than the reader takes",
    "ADDITIONAL_ITEMS_NARROWED": "the reader constrains further items and the writer does not",
    "UNEVALUATED_ITEMS_REMOVED": "the writer may write items that the reader refuses",
    "UNEVALUATED_ITEMS_NARROWED": "the reader constrains items that the writer does not",
    "ITEM_ADDED_TO_OPEN_CONTENT_MODEL": (
        "the writer's open content model may hold anything as this item"
    ),
    "ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL": (
        "the reader's closed content model refuses an item that the writer may write"
    ),
    "ITEM_REMOVED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL": (
        "what the reader takes as further items does not cover this one"
    ),
    "ITEM_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL": (
        "what the writer writes as further items does not fit this one"
    ),
    "ENUM_ARRAY_NARROWED": "the writer may write a value that the reader no longer lists",
    "ENUM_ARRAY_CHANGED": "the writer may write a value that the reader does not list",
    "COMBINED_TYPE_CHANGED": "the reader combines its schemas in a stricter way",
    "PRODUCT_TYPE_EXTENDED": "the reader asks for more schemas to fit at once",
    "SUM_TYPE_NARROWED": "the reader offers fewer alternatives",
    "COMBINED_TYPE_SUBSCHEMAS_CHANGED": "the combined schemas cannot be paired off compatibly",
    "NOT_TYPE_EXTENDED": "the reader forbids more than the writer does",
    "CONDITION_CHANGED": "the conditions differ, and nobody knows what passes both",
    "COMPARISON_TOO_LARGE": "the schemas refer to each other in too many ways to be compared",
}
"""What each breaking kind means. The last two are not Confluent's."""


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
