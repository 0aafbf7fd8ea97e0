"""How arrays changed: items by position, further items, and how many of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fakebus.schemas.json_schema.differences import Difference, limit, under
from fakebus.schemas.json_schema.object_comparison import (
    Compare,
    ContentModel,
    ShapeOf,
    covered,
    more_differences,
    unevaluated_differences,
)
from fakebus.schemas.json_schema.schema_documents import is_legacy
from fakebus.schemas.json_schema.shapes import Kind, Node, Shape

_LIMITS = {
    "maxItems": "MAX_ITEMS",
    "minItems": "MIN_ITEMS",
    "maxContains": "MAX_CONTAINS",
    "minContains": "MIN_CONTAINS",
}


class ArrayModel(ContentModel):
    """An array's content model: items by position, then further ones."""

    def __init__(self, shape: Shape, shape_of: ShapeOf) -> None:
        positions, every, further = _items(shape)
        self.positions = [shape.node(contents) for contents in positions]
        self.allows_more = further is not False
        self.every = None if every is None else shape.node(every)
        """The schema of all items, where none is given by position."""
        self.more = None if isinstance(further, bool) else shape.node(further)
        """The schema of the items behind those given by position."""
        super().__init__(shape, shape_of, "unevaluatedItems")
        self.limits = {keyword: shape.keywords.get(keyword) for keyword in _LIMITS}
        if "contains" not in shape.keywords:
            # Beside no "contains" they mean nothing.
            self.limits |= {"maxContains": None, "minContains": None}
        self.unique = bool(shape.keywords.get("uniqueItems"))

    @property
    def is_open(self) -> bool:
        """Whether anything may follow the items given by position."""
        return self.allows_more and self.more is None and self.unevaluated_takes is True

    @property
    def beyond(self) -> Node | None:
        """The schema of an item that has no position, if it has one."""
        if self.more is not None or not self.allows_more:
            return self.more
        return self.unevaluated if self.unevaluated_takes is None else None


def _items(shape: Shape) -> tuple[list[Any], Any, Any]:
    """Return the schemas by position, of every item (``None`` if there is none), and of others.

    A single schema under ``items`` is, as in Confluent's registry, no schema of the items that a
    position is added for: these may have been anything.
    """
    keywords = shape.keywords
    items, additional = keywords.get("items"), keywords.get("additionalItems", True)
    if "prefixItems" in keywords:
        return keywords["prefixItems"], None, True if items is None else items
    if isinstance(items, list):
        return items, None, additional
    if items is None:
        # The specification ignores "additionalItems" here; Confluent's registry does not.
        return [], None, additional
    if is_legacy(shape.scope.draft):
        return [], items, True if additional is False else additional
    return [], None if isinstance(items, bool) else items, items is not False


def array_differences(
    writer: Shape, reader: Shape, compare: Compare, shape_of: ShapeOf
) -> Iterator[Difference]:
    """Yield the changes between two arrays."""
    old, new = ArrayModel(writer, shape_of), ArrayModel(reader, shape_of)
    if old.every is None and new.every is not None:
        # Even if it takes anything: Confluent's registry does not look into it.
        yield Difference("SCHEMA_ADDED", ("items",))
    else:
        yield from under(("items",), compare(old.every, new.every))
    for index in range(max(len(old.positions), len(new.positions))):
        path = ("items", str(index))
        if index >= len(new.positions):
            found = _removed_item(old.positions[index], new, compare, shape_of)
        elif index >= len(old.positions):
            found = _added_item(new.positions[index], old, compare, shape_of)
        else:
            found = iter(compare(old.positions[index], new.positions[index]))
        yield from under(path, found)
    yield from under(("additionalItems",), more_differences("ITEMS", old, new, compare))
    yield from under(("unevaluatedItems",), unevaluated_differences("ITEMS", old, new, compare))
    for keyword, name in _LIMITS.items():
        yield from limit(keyword, name, old.limits[keyword], new.limits[keyword])
    if old.unique != new.unique:
        yield Difference(f"UNIQUE_ITEMS_{'ADDED' if new.unique else 'REMOVED'}", ("uniqueItems",))


def _removed_item(
    before: Node, new: ArrayModel, compare: Compare, shape_of: ShapeOf
) -> Iterator[Difference]:
    if new.is_open:
        yield Difference("ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL")
    elif new.beyond is not None:
        yield from covered("ITEM_REMOVED", compare(before, new.beyond))
    elif shape_of(before).kind is Kind.NOTHING:
        yield Difference("ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL")
    else:
        yield Difference("ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL")


def _added_item(
    after: Node, old: ArrayModel, compare: Compare, shape_of: ShapeOf
) -> Iterator[Difference]:
    if old.is_open:
        anything = shape_of(after).kind is Kind.ANYTHING
        yield Difference(
            f"ITEM_{'WITH_EMPTY_SCHEMA_' if anything else ''}ADDED_TO_OPEN_CONTENT_MODEL"
        )
    elif old.beyond is not None:
        yield from covered("ITEM_ADDED", compare(old.beyond, after))
    else:
        yield Difference("ITEM_ADDED_TO_CLOSED_CONTENT_MODEL")
