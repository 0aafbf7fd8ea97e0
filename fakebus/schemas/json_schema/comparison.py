"""Whether a reader's JSON schema takes everything that a writer's allows.

The rules are those that Confluent documents for its registry: the two schemas are walked side
by side, and every change has a kind that is compatible or is not. That is not set inclusion: it
refuses some changes that are harmless (another pattern for the same strings) and lets some pass
that are not (see the decision record). Answering as the real registry does is the point.

Three things keep it finite and fast. Each pair of schemas is compared once and remembered.
Where references lead back to a pair that is being compared, the pair is assumed to fit; if it
turns out not to, everything is compared again with that knowledge, until nothing new comes out.
The same assumption is made for pairs that lie too deep for the stack, which are then compared
from the top. And there is a ceiling on the number of pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from fakebus.schemas.json_schema.array_comparison import array_differences
from fakebus.schemas.json_schema.differences import MAX_DIFFERENCES, Difference, under
from fakebus.schemas.json_schema.json_text import normalized
from fakebus.schemas.json_schema.matching import largest_matching
from fakebus.schemas.json_schema.object_comparison import object_differences
from fakebus.schemas.json_schema.schema_documents import SchemaDocuments
from fakebus.schemas.json_schema.shapes import (
    COMBINED,
    Kind,
    Node,
    Part,
    Scope,
    Shape,
    ShapeReader,
)
from fakebus.schemas.json_schema.value_comparison import (
    const_differences,
    enum_differences,
    number_differences,
    string_differences,
)

MAX_COMPARISONS = 500_000
"""Questions about pairs in one comparison: a second or so. Schemas of 100 kB ask thousands."""

_MAX_DEPTH = 40
"""Pairs inside each other on the stack, each of some nine frames."""

_VALUES: dict[Kind, Callable[[Shape, Shape], Iterator[Difference]]] = {
    Kind.STRING: string_differences,
    Kind.NUMBER: number_differences,
    Kind.ENUM: enum_differences,
    Kind.CONST: const_differences,
}


class _TooLargeError(Exception):
    pass


def breaking_differences(writer: SchemaDocuments, reader: SchemaDocuments) -> list[Difference]:
    """Return the changes for which the reader could fail on data of the writer."""
    try:
        return _Comparison().between(_root(writer), _root(reader))
    except (_TooLargeError, RecursionError):
        return [Difference("COMPARISON_TOO_LARGE")]


def _root(documents: SchemaDocuments) -> Node:
    scope = Scope(resolver=documents.resolver, draft=documents.draft)
    return Node(contents=documents.contents, scope=scope)


Pair = tuple[int, int]


class _Comparison:
    def __init__(self) -> None:
        self._shapes = ShapeReader()
        self._known: dict[Pair, list[Difference]] = {}
        self._open: set[Pair] = set()
        self._broken: dict[Pair, list[Difference]] = {}
        self._assumed = False
        self._waiting: list[tuple[Shape, Shape]] = []
        self._count = 0

    def between(self, writer: Node, reader: Node) -> list[Difference]:
        """Return the differences, once no assumption is left that failed."""
        while True:
            self._known, self._assumed = dict(self._broken), False
            found = self.compare(writer, reader)
            while self._waiting:
                self.compare(*self._waiting.pop())
            # What fails although everything else is assumed to fit fails for good.
            broken = {pair: differences for pair, differences in self._known.items() if differences}
            if not self._assumed or len(broken) == len(self._broken):
                return found
            self._broken = broken

    def compare(self, writer: Part | None, reader: Part | None) -> list[Difference]:
        """Return the breaking differences of a pair; ``None`` is a schema that is not there."""
        if reader is None:
            return []
        new = self._shapes.shape(reader)
        if writer is None:
            return [] if new.kind is Kind.ANYTHING else [Difference("SCHEMA_ADDED")]
        self._count += 1
        if self._count > MAX_COMPARISONS:
            raise _TooLargeError
        old = self._shapes.shape(writer)
        pair = (id(old), id(new))
        if (known := self._known.get(pair)) is not None:
            return known
        if pair in self._open or len(self._open) >= _MAX_DEPTH:
            if pair not in self._open:
                self._waiting.append((old, new))
            self._assumed = True
            return []
        self._open.add(pair)
        try:
            found = list(islice(_breaking(self._shape_differences(old, new)), MAX_DIFFERENCES))
        finally:
            self._open.discard(pair)
        self._known[pair] = found
        return found

    def _shape_differences(self, old: Shape, new: Shape) -> Iterator[Difference]:
        if (old.kind in COMBINED) != (new.kind in COMBINED) and self._one_part_fits(old, new):
            return
        if old.kind in COMBINED and new.kind in COMBINED:
            yield from self._combination(old, new)
        elif old.kind is not new.kind:
            if old.kind is not Kind.NOTHING and new.kind is not Kind.ANYTHING:
                yield from _changed_type(old, new)
        elif (values := _VALUES.get(old.kind)) is not None:
            yield from values(old, new)
        elif old.kind is Kind.OBJECT:
            yield from object_differences(old, new, self.compare, self._shapes.shape)
        elif old.kind is Kind.ARRAY:
            yield from array_differences(old, new, self.compare, self._shapes.shape)
        elif old.kind is Kind.NOT:
            # What is forbidden may shrink: the writer's ban has to cover the reader's.
            covered = not self.compare(new.parts[0], old.parts[0])
            yield Difference(f"NOT_TYPE_{'NARROWED' if covered else 'EXTENDED'}", ("not",))
        elif old.kind is Kind.CONDITION:
            yield from self._condition(old, new)

    def _one_part_fits(self, old: Shape, new: Shape) -> bool:
        """Return whether a single schema and one part of a combination are enough.

        A writer's schema fits a reader's alternatives if it fits one of them; a writer's
        schemas that hold at once fit a reader's schema if one of them does.
        """
        if new.kind in COMBINED:
            alternatives = new.kind is not Kind.ALL or len(new.parts) == 1
            return alternatives and any(not self.compare(old, part) for part in new.parts)
        at_once = old.kind is Kind.ALL or len(old.parts) == 1
        return at_once and any(not self.compare(part, new) for part in old.parts)

    def _combination(self, old: Shape, new: Shape) -> Iterator[Difference]:
        if not _criterion_allows(old, new):
            yield Difference("COMBINED_TYPE_CHANGED")
            return
        before, after = _distinct(old.parts), _distinct(new.parts)
        if len(before) < len(after):
            yield Difference(f"{'PRODUCT' if new.kind is Kind.ALL else 'SUM'}_TYPE_EXTENDED")
        elif len(before) > len(after):
            yield Difference(f"{'PRODUCT' if old.kind is Kind.ALL else 'SUM'}_TYPE_NARROWED")
        if self._pairs(before, after) < min(len(before), len(after)):
            yield Difference("COMBINED_TYPE_SUBSCHEMAS_CHANGED", (str(old.kind),))

    def _pairs(self, before: dict[object, Part], after: dict[object, Part]) -> int:
        lefts, rights = list(before.values()), list(after.values())
        # What is written alike probably fits, though references in it may lead elsewhere.
        place_of = {text: place for place, text in enumerate(after)}
        preferred = [
            place_of.get(text, min(index, len(rights) - 1)) for index, text in enumerate(before)
        ]
        return largest_matching(
            preferred,
            len(rights),
            lambda left, right: not self.compare(lefts[left], rights[right]),
        )

    def _condition(self, old: Shape, new: Shape) -> Iterator[Difference]:
        # Stricter than Confluent's registry, which takes any condition for any other.
        if self._differ(old, new, "if"):
            yield Difference("CONDITION_CHANGED", ("if",))
            return
        for branch in ("then", "else"):
            yield from under((branch,), self.compare(_inner(old, branch), _inner(new, branch)))

    def _differ(self, old: Shape, new: Shape, keyword: str) -> bool:
        before, after = _inner(old, keyword), _inner(new, keyword)
        return bool(self.compare(before, after) or self.compare(after, before))


def _inner(shape: Shape, keyword: str) -> Node | None:
    return shape.node(shape.keywords[keyword]) if keyword in shape.keywords else None


def _breaking(differences: Iterable[Difference]) -> Iterator[Difference]:
    return (difference for difference in differences if difference.breaks)


def _changed_type(old: Shape, new: Shape) -> Iterator[Difference]:
    # Kafka Connect's converters once wrote decimals as strings, then as numbers.
    if not all(shape.keywords.get("connect.type") == "bytes" for shape in (old, new)):
        yield Difference("TYPE_CHANGED", ("type",) if "type" in new.keywords else ())


def _criterion_allows(old: Shape, new: Shape) -> bool:
    if old.kind is new.kind or new.kind is Kind.ANY:
        return True
    if len(old.parts) == 1 and (len(new.parts) == 1 or new.kind is Kind.ONE):
        return True
    return len(new.parts) == 1 and old.kind is Kind.ALL


def _distinct(parts: tuple[Part, ...]) -> dict[object, Part]:
    return {_text(part): part for part in parts} if len(parts) > 1 else {None: parts[0]}


def _text(part: Part) -> object:
    """Return what is equal for parts that are written alike."""
    if isinstance(part, Node):
        return normalized(part.contents)
    return (part.kind, part.integer)
