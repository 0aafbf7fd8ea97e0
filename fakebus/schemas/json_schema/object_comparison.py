"""How objects changed, by their content models.

A content model is open when an object may hold any further properties, closed when it may hold
none, and partially open when further properties have to fit a schema. Removing a property is
safe if the reader's model is open, adding one if the writer's is closed: so no model is safe both
ways, which is what makes JSON Schema unlike Avro.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from fakebus.schemas.json_schema.differences import Difference, limit, under, unevaluated
from fakebus.schemas.json_schema.patterns import Unmatchable, matches
from fakebus.schemas.json_schema.schema_documents import is_legacy
from fakebus.schemas.json_schema.shapes import Kind, Node, Part, Shape

Compare = Callable[[Part | None, Part | None], list[Difference]]
"""Returns the breaking differences from a writer's schema to a reader's."""

ShapeOf = Callable[[Part], Shape]


class ContentModel:
    """Content model: what an object or an array may hold besides what it lists."""

    allows_more: bool
    more: Node | None
    """The schema of what is not listed, if it has one."""

    def __init__(self, shape: Shape, shape_of: ShapeOf, unevaluated_keyword: str) -> None:
        self.unevaluated = _unevaluated_node(shape, unevaluated_keyword)
        self.unevaluated_takes = _what_it_takes(self.unevaluated, shape_of)


class ObjectModel(ContentModel):
    """An object's content model."""

    def __init__(self, shape: Shape, shape_of: ShapeOf) -> None:
        keywords = shape.keywords
        self._shape = shape
        self._patterns: Mapping[str, Any] = keywords.get("patternProperties", {})
        self.properties = {
            name: shape.node(contents) for name, contents in keywords.get("properties", {}).items()
        }
        required = keywords.get("required", ())
        self.required = frozenset(required if isinstance(required, list) else ())
        additional = keywords.get("additionalProperties", True)
        self.allows_more = additional is not False
        self.more = None if isinstance(additional, bool) else shape.node(additional)
        super().__init__(shape, shape_of, "unevaluatedProperties")

    @property
    def is_open(self) -> bool:
        """Whether any further property may hold anything."""
        return (
            self.allows_more
            and self.more is None
            and not self._patterns
            and self.unevaluated_takes is True
        )

    def further(self, name: str) -> Node | None:
        """Return the schema that a property of this name has without being listed, if any."""
        for pattern, contents in self._patterns.items():
            if _covers(pattern, name):
                return self._shape.node(contents)
        if self.more is not None or not self.allows_more:
            return self.more
        return self.unevaluated if self.unevaluated_takes is None else None


def _covers(pattern: str, name: str) -> bool:
    try:
        return matches(pattern, name)
    except Unmatchable:
        return False


def _unevaluated_node(shape: Shape, keyword: str) -> Node | None:
    """Return the schema of an ``unevaluated`` keyword, which drafts before 2019-09 lack."""
    if keyword not in shape.keywords or is_legacy(shape.scope.draft):
        return None
    return shape.node(shape.keywords[keyword])


def _what_it_takes(node: Node | None, shape_of: ShapeOf) -> bool | None:
    """Return whether a schema takes everything or nothing; ``None`` if it takes some values."""
    kind = Kind.ANYTHING if node is None else shape_of(node).kind
    return {Kind.ANYTHING: True, Kind.NOTHING: False}.get(kind)


def object_differences(
    writer: Shape, reader: Shape, compare: Compare, shape_of: ShapeOf
) -> Iterator[Difference]:
    """Yield the changes between two objects."""
    old, new = ObjectModel(writer, shape_of), ObjectModel(reader, shape_of)
    yield from _required(old, new)
    names = dict.fromkeys((*old.properties, *new.properties))
    for name in names:
        yield from under(("properties", name), _property(name, old, new, compare, shape_of))
    yield from _dependencies(writer, reader, compare)
    yield from under(("additionalProperties",), more_differences("PROPERTIES", old, new, compare))
    yield from under(
        ("unevaluatedProperties",), unevaluated_differences("PROPERTIES", old, new, compare)
    )
    for keyword, kind in (("maxProperties", "MAX_PROPERTIES"), ("minProperties", "MIN_PROPERTIES")):
        yield from limit(keyword, kind, writer.keywords.get(keyword), reader.keywords.get(keyword))


def _required(old: ObjectModel, new: ObjectModel) -> Iterator[Difference]:
    # Only of properties that both list: a property added or removed has kinds of its own.
    for name in old.properties.keys() & new.properties.keys():
        before, after = name in old.required, name in new.required
        if before == after:
            continue
        if before:
            kind = "REQUIRED_ATTRIBUTE_REMOVED"
        elif new.properties[name].has_default:
            kind = "REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED"
        else:
            kind = "REQUIRED_ATTRIBUTE_ADDED"
        yield Difference(kind, ("required", name))


def _property(
    name: str, old: ObjectModel, new: ObjectModel, compare: Compare, shape_of: ShapeOf
) -> Iterable[Difference]:
    before, after = old.properties.get(name), new.properties.get(name)
    if before is None and after is not None:
        return _added_property(name, after, old, new, compare, shape_of)
    if before is not None and after is None:
        return _removed_property(name, before, new, compare, shape_of)
    return compare(before, after)


def _removed_property(
    name: str, before: Node, new: ObjectModel, compare: Compare, shape_of: ShapeOf
) -> Iterator[Difference]:
    if new.is_open:
        yield Difference("PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL")
    elif (further := new.further(name)) is not None:
        yield from covered("PROPERTY_REMOVED", compare(before, further))
    elif shape_of(before).kind is Kind.NOTHING:
        yield Difference("PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL")
    else:
        yield Difference("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL")


def _added_property(
    name: str,
    after: Node,
    old: ObjectModel,
    new: ObjectModel,
    compare: Compare,
    shape_of: ShapeOf,
) -> Iterator[Difference]:
    if name not in new.required:
        need = "OPTIONAL_PROPERTY_ADDED"
    elif after.has_default:
        need = "REQUIRED_PROPERTY_WITH_DEFAULT_ADDED"
    else:
        need = "REQUIRED_PROPERTY_ADDED"
    if old.is_open:
        if shape_of(after).kind is Kind.ANYTHING:
            yield Difference("PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL")
        else:
            yield Difference(f"{need}_TO_OPEN_CONTENT_MODEL")
        return
    if (further := old.further(name)) is not None:
        yield from covered("PROPERTY_ADDED", compare(further, after))
    yield Difference(f"{need}_TO_UNOPEN_CONTENT_MODEL")


def covered(what: str, found: Sequence[Difference]) -> Iterator[Difference]:
    """Yield how a listed part compares with what may stand unlisted, and whether that covers it."""
    yield from found
    cover = "NOT_COVERED" if found else "IS_COVERED"
    yield Difference(f"{what}_{cover}_BY_PARTIALLY_OPEN_CONTENT_MODEL")


def more_differences(
    what: str, old: ContentModel, new: ContentModel, compare: Compare
) -> Iterable[Difference]:
    """Return how the ``additional`` keyword of properties or items changed."""
    if old.allows_more != new.allows_more:
        change = "ADDED" if new.allows_more else "REMOVED"
    elif (old.more is None) == (new.more is None):
        return compare(old.more, new.more)
    else:
        change = "NARROWED" if old.more is None else "EXTENDED"
    return [Difference(f"ADDITIONAL_{what}_{change}")]


def unevaluated_differences(
    what: str, old: ContentModel, new: ContentModel, compare: Compare
) -> Iterable[Difference]:
    """Return how the ``unevaluated`` keyword of properties or items changed."""
    if old.unevaluated_takes is None and new.unevaluated_takes is None:
        return compare(old.unevaluated, new.unevaluated)
    return unevaluated(f"UNEVALUATED_{what}", old.unevaluated_takes, new.unevaluated_takes)


def _dependencies(writer: Shape, reader: Shape, compare: Compare) -> Iterator[Difference]:
    old_names, old_schemas = _dependencies_of(writer)
    new_names, new_schemas = _dependencies_of(reader)
    for name in dict.fromkeys((*old_names, *new_names)):
        before, after = old_names.get(name), new_names.get(name)
        if before == after:
            continue
        if before is None or after is None:
            change = "ADDED" if before is None else "REMOVED"
        else:
            change = "EXTENDED" if before < after else "NARROWED" if before > after else "CHANGED"
        yield Difference(f"DEPENDENCY_ARRAY_{change}", ("dependencies", name))
    for name in dict.fromkeys((*old_schemas, *new_schemas)):
        path = ("dependencies", name)
        if name not in old_schemas:
            yield Difference("DEPENDENCY_SCHEMA_ADDED", path)
        elif name not in new_schemas:
            yield Difference("DEPENDENCY_SCHEMA_REMOVED", path)
        else:
            yield from under(path, compare(old_schemas[name], new_schemas[name]))


def _dependencies_of(shape: Shape) -> tuple[dict[str, frozenset[str]], dict[str, Node]]:
    # Draft 2019-09 split "dependencies" in two; the old keyword lives on in schemas.
    keywords = shape.keywords
    both = {
        **keywords.get("dependencies", {}),
        **keywords.get("dependentRequired", {}),
    }
    names = {name: frozenset(value) for name, value in both.items() if isinstance(value, list)}
    schemas = {name: value for name, value in both.items() if not isinstance(value, list)}
    schemas |= keywords.get("dependentSchemas", {})
    return names, {name: shape.node(value) for name, value in schemas.items()}
