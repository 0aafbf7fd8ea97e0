"""Whether data of a writer's schema can be read with a reader's.

The pairs of types that meet are the nodes of a graph, found breadth first, each once. A pair
is bad when something is wrong with it on the spot, or when a part is bad; a reader's union is
bad when no branch of it will do. Badness spreads backwards from the bad pairs until nothing
changes, so recursion ends, and types that refer to one another many times over cost no more
than their number of pairs. What is not proven bad is good, which is what recursion needs.

Source: https://avro.apache.org/docs/1.12.0/specification/ (Schema Resolution). The kinds and
the paths are those of Avro's Java library, which Confluent's registry passes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from fakebus.schemas.avro.nodes import (
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Node,
    Record,
    Union,
    type_name,
)
from fakebus.schemas.interface import Incompatibility

Pair: TypeAlias = tuple[Node, Node]

_PROMOTIONS = frozenset(
    [
        ("long", "int"),
        ("float", "int"),
        ("float", "long"),
        ("double", "int"),
        ("double", "long"),
        ("double", "float"),
        ("string", "bytes"),
        ("bytes", "string"),
    ]
)
"""Reader and writer."""


def incompatibilities(reader: Node, writer: Node) -> list[Incompatibility]:
    """Return why the reader cannot read what the writer writes; empty if it can."""
    meetings = _meetings(reader, writer)
    bad = _bad_pairs(meetings)
    return list(_reasons((reader, writer), meetings, bad))


@dataclass(slots=True, kw_only=True)
class _Meeting:
    """A reader's type that meets a writer's."""

    problems: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind, path below this pair, message."""
    parts: list[tuple[str, Pair]] = field(default_factory=list)
    """Path below this pair, and what meets there; all must be good."""
    choices: list[Pair] | None = None
    """For a reader's union: one must be good."""
    branches_of_writer: bool = False
    """Whether the parts are branches that a reader's union lacks when they are bad."""

    def meets(self) -> list[Pair]:
        """Return the pairs that this one depends on."""
        return [*(part for _, part in self.parts), *(self.choices or ())]


def _meetings(reader: Node, writer: Node) -> dict[Pair, _Meeting]:
    found: dict[Pair, _Meeting] = {}
    waiting = deque([(reader, writer)])
    while waiting:
        pair = waiting.popleft()
        if pair not in found:
            meeting = found[pair] = _meeting(*pair)
            waiting.extend(meeting.meets())
    return found


def _bad_pairs(meetings: dict[Pair, _Meeting]) -> set[Pair]:
    wholes: dict[Pair, list[Pair]] = {}
    for pair, meeting in meetings.items():
        for part in meeting.meets():
            wholes.setdefault(part, []).append(pair)
    good_choices = {
        pair: len(meeting.choices)
        for pair, meeting in meetings.items()
        if meeting.choices is not None
    }
    waiting = deque(pair for pair, one in meetings.items() if one.problems or one.choices == [])
    bad: set[Pair] = set()
    while waiting:
        pair = waiting.popleft()
        if pair in bad:
            continue
        bad.add(pair)
        for whole in wholes.get(pair, ()):
            good_choices[whole] = good_choices.get(whole, 1) - 1
            if good_choices[whole] < 1:
                waiting.append(whole)
    return bad


def _reasons(
    root: Pair, meetings: dict[Pair, _Meeting], bad: set[Pair]
) -> Iterator[Incompatibility]:
    waiting = [("", root)] if root in bad else []
    told: set[Pair] = set()
    while waiting:
        path, pair = waiting.pop()
        if pair in told:
            continue
        told.add(pair)
        meeting = meetings[pair]
        for kind, below, message in meeting.problems:
            yield Incompatibility(kind, f"{path}{below}" or "/", message)
        if meeting.choices is not None:
            yield _missing_branch(path, pair[1])
        bad_parts = [(below, part) for below, part in meeting.parts if part in bad]
        if meeting.branches_of_writer:
            for below, (_, branch) in bad_parts:
                yield _missing_branch(f"{path}{below}", branch)
        else:
            waiting.extend((f"{path}{below}", part) for below, part in reversed(bad_parts))


def _missing_branch(path: str, writer: Node) -> Incompatibility:
    return Incompatibility(
        "MISSING_UNION_BRANCH",
        path or "/",
        f"The reader's union has no branch for the writer's type {type_name(writer)}.",
    )


def _meeting(reader: Node, writer: Node) -> _Meeting:
    match reader, writer:
        case _, Union():
            parts = [(f"/{at}", (reader, one)) for at, one in enumerate(writer.branches)]
            return _Meeting(parts=parts, branches_of_writer=isinstance(reader, Union))
        case Union(), _:
            choices: list[Pair] = [
                (one, writer) for one in reader.branches if not _problem(one, writer)
            ]
            return _Meeting(choices=choices)
        case Array(), Array():
            return _Meeting(parts=[("/items", (reader.items, writer.items))])
        case Map(), Map():
            return _Meeting(parts=[("/values", (reader.values, writer.values))])
    problem = _problem(reader, writer)
    meeting = _Meeting(problems=[problem] if problem else [])
    match reader, writer:
        case Record(), Record():
            _add_fields(meeting, reader, writer)
        case Enum(), Enum():
            _add_symbols(meeting, reader, writer)
        case Fixed(), Fixed() if reader.size != writer.size:
            message = f"The reader's fixed has {reader.size} bytes, the writer's {writer.size}."
            meeting.problems.append(("FIXED_SIZE_MISMATCH", "/size", message))
    return meeting


def _problem(reader: Node, writer: Node) -> tuple[str, str, str] | None:
    """Return what is wrong with two types at first sight: their kinds or their names."""
    if reader.kind != writer.kind:
        if (reader.kind, writer.kind) in _PROMOTIONS:
            return None
        message = f"The reader's {type_name(reader)} cannot take the writer's {type_name(writer)}."
        return "TYPE_MISMATCH", "", message
    if not isinstance(reader, Named) or not isinstance(writer, Named):
        return None
    # Only the last part of a name counts, so that a namespace can change (specification).
    if reader.name.simple == writer.name.simple or writer.name in reader.aliases:
        return None
    message = (
        f"The reader's {reader.kind} is called {reader.name.full}, the writer's"
        f" {writer.name.full}, and there is no alias."
    )
    return "NAME_MISMATCH", "/name", message


def _add_fields(meeting: _Meeting, reader: Record, writer: Record) -> None:
    for at, one in enumerate(reader.fields):
        source = _writers_field(writer, one)
        if source is not None:
            meeting.parts.append((f"/fields/{at}/type", (one.type, source.type)))
        elif not one.has_default:
            message = f"The reader's field {one.name!r} has no default and the writer has no"
            meeting.problems.append(
                ("READER_FIELD_MISSING_DEFAULT_VALUE", f"/fields/{at}", f"{message} such field.")
            )


def _writers_field(writer: Record, reader_field: Field) -> Field | None:
    names = (reader_field.name, *reader_field.aliases)
    return next((writer.by_name[name] for name in names if name in writer.by_name), None)


def _add_symbols(meeting: _Meeting, reader: Enum, writer: Enum) -> None:
    missing = sorted(set(writer.symbols) - set(reader.symbols))
    if missing and reader.default is None:
        message = f"The reader's enum lacks {', '.join(missing)} and has no default."
        meeting.problems.append(("MISSING_ENUM_SYMBOLS", "/symbols", message))
