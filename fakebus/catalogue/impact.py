"""What a change of a subject breaks: readers, consumers, fixture events, other subjects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from fakebus.catalogue.carried_types import carried_types
from fakebus.catalogue.fields import NONE, Field, fields, lost_fields, without_field
from fakebus.catalogue.loading_tests import loading_tests
from fakebus.catalogue.subjects import FixtureUse, Landscape, LiveConsumer, Subject
from fakebus.errors import FakebusError
from fakebus.fixture_files.drift.changes import changes
from fakebus.fixture_files.drift.findings import reading_words
from fakebus.fixture_files.problems import did_you_mean, quoted
from fakebus.fixture_files.structure.compatibility import described, misfits
from fakebus.schemas.interface import (
    STORED,
    ParsedSchema,
    ResolvedReference,
    SchemaDataError,
    SchemaError,
)
from fakebus.schemas.languages import language

_TOLD_BY_FIELDS = frozenset(
    ("PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL", "OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL")
)
"""That a reader knows a property which the writer does not name stops nobody from reading; what it
finds instead is told with the field."""

Kind = Literal["reader", "consumer", "fixture", "level", "event"]


class UnknownSubjectError(FakebusError):
    """There is no such subject."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """Party that a change breaks, or that it concerns without breaking it."""

    who: str
    kind: Kind
    why: str
    where: str
    """File and line, or the name of a record."""


@dataclass(slots=True, kw_only=True)
class Impact:
    """Impact of a change."""

    subject: str
    compatible: bool
    """Whether the registry would take it under the level, whoever it breaks."""
    level: str
    breaks: list[Break] = field(default_factory=list)
    concerned: list[Break] = field(default_factory=list)
    """Who has to do with what changes, and goes on working."""
    changes: list[str] = field(default_factory=list)
    """What is different in the new schema."""
    tests: list[str] = field(default_factory=list)
    """Where tests are told to load the sets whose events break: file and line."""

    def as_json(self) -> dict[str, object]:
        """Return the impact as commands and HTTP give it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Change that is proposed: a new schema, a field that goes, or the end of the subject."""

    schema: str | None = None
    """The text of the new schema."""
    schema_type: str | None = None
    """That of the subject when left out."""
    file: str = "the schema"
    """Where the text is, for messages."""
    field: str | None = None
    """The field that goes, such as ``address.street``."""

    def schema_for(self, subject: Subject) -> ParsedSchema | None:
        """Return the subject's next schema; ``None`` if the subject goes.

        Raises:
            FakebusError: it is not valid, or there is no such field.
        """
        latest = subject.latest
        if self.field is not None:
            return without_field(latest.parsed, latest.resolved, self.field)
        if self.schema is None:
            return None
        kind = self.schema_type or latest.parsed.schema_type
        try:
            return language(kind).parse(self.schema, latest.resolved)
        except SchemaError as error:
            line, column = error.place
            raise FakebusError(f"{self.file}:{line}:{column}: {error}") from None


def subject_of(landscape: Landscape, name: str) -> Subject:
    """Return a subject.

    Raises:
        UnknownSubjectError: there is none of this name; the text names the nearest.
    """
    found = landscape.subjects.get(name)
    if found is None:
        hint = did_you_mean(name, landscape.subjects)
        raise UnknownSubjectError(f"there is no subject {quoted(name)}; {hint}")
    return found


def impact_of(
    landscape: Landscape,
    name: str,
    proposal: Proposal,
    *,
    refusals: Sequence[str] | None = None,
) -> Impact:
    """Return what a change of a subject breaks.

    Args:
        landscape: what there is.
        name: the subject.
        proposal: what changes.
        refusals: why the registry would not take the schema, if it was asked.

    Raises:
        UnknownSubjectError: there is none of this name.
        FakebusError: the proposal is not valid.
    """
    subject = subject_of(landscape, name)
    found = _impact(landscape, subject, proposal.schema_for(subject), refusals)
    if any(one.kind == "fixture" for one in found.breaks):
        found.tests = [place for root in landscape.roots for place in loading_tests(root)]
    return found


def _impact(
    landscape: Landscape, subject: Subject, new: ParsedSchema | None, refusals: Sequence[str] | None
) -> Impact:
    if new is None:
        return _removal(landscape, subject)
    try:
        return _changed(landscape, subject, new, refusals)
    except SchemaError as error:
        raise FakebusError(f"a version of {subject.name} cannot be read: {error}") from None


def _changed(
    landscape: Landscape, subject: Subject, new: ParsedSchema, refusals: Sequence[str] | None
) -> Impact:
    name, old = subject.name, subject.latest.parsed
    if refusals is None:
        earlier = [one.parsed for one in reversed(subject.versions)]
        refusals = misfits(subject.level, new, earlier)
    found = Impact(
        subject=name, compatible=not refusals, level=subject.level, changes=changes(old, new)
    )
    if refusals:
        why = f"{subject.level} does not allow it: {'; '.join(refusals)}"
        found.breaks.append(Break(who=name, kind="level", why=why, where=subject.place))
    change = _Change(landscape, subject, new)
    for breaks, party in (*change.readers(), *change.consumers(), *change.others()):
        (found.breaks if breaks else found.concerned).append(party)
    found.breaks += change.fixtures()
    return found


def _removal(landscape: Landscape, subject: Subject) -> Impact:
    referring = [
        Break(
            who=other.name,
            kind="event",
            why=f"refers to {subject.name} as {name}",
            where=other.place,
        )
        for other in landscape.subjects.values()
        if other.name != subject.name
        for name, of, _ in other.latest.references
        if of == subject.name
    ]
    found = Impact(
        subject=subject.name,
        compatible=not referring,
        level=subject.level,
        changes=[f"{subject.name} is gone"],
    )
    if referring:
        why = "a registry does not delete what other subjects refer to"
        found.breaks.append(Break(who=subject.name, kind="level", why=why, where=subject.place))
    for reader in subject.readers:
        why = reading_words(reader.display_file, True, subject.name)
        found.breaks.append(_reader_break(reader.service, why, reader.display_file, 1))
    for party in _unknown_readers(landscape, subject):
        found.breaks.append(party)
    why = f"it is an event of {subject.name}"
    for use in landscape.uses.get(subject.name, ()):
        found.breaks.append(Break(who=use.who, kind="fixture", why=why, where=use.where))
    found.breaks += referring
    return found


def _reader_break(service: str, why: str, file: str, line: int) -> Break:
    return Break(who=service, kind="reader", why=why, where=f"{file}:{line}")


def _unknown_readers(landscape: Landscape, subject: Subject) -> Iterator[Break]:
    """Yield the consumers of which no schema is known: those that are declared, and live ones."""
    known = {reader.service for reader in subject.readers if reader.text}
    live: dict[str, LiveConsumer] = {}
    for one in landscape.live:
        if one.topic in subject.topics and known.isdisjoint(one.names):
            declared = [each for each in one.names if each in subject.consumers]
            live.setdefault(declared[0] if declared else one.group, one)
    for name in dict.fromkeys([*subject.consumers, *live]):
        if name in known:
            continue
        here = live.get(name)
        said = f"is declared to read {subject.name}" if name in subject.consumers else ""
        seen = "" if here is None else f"reads {here.topic} as group {here.group}"
        why = " and ".join(filter(None, (said, seen)))
        where = subject.place if here is None else here.where
        yield Break(who=name, kind="consumer", why=why, where=where)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Verdict on a reader: whether it reads data of a new schema, and with what loss."""

    reasons: tuple[str, ...]
    """Why not; empty if it can."""
    losses: tuple[str, ...]
    """What is found instead of fields that are gone."""
    paths: tuple[str, ...]
    """The fields that are read and gone."""


def _verdict(reader: ParsedSchema, old: ParsedSchema, new: ParsedSchema) -> _Verdict:
    before = {described(one) for one in reader.incompatibilities(old)}
    reasons = [
        described(one)
        for one in reader.incompatibilities(new)
        if one.kind not in _TOLD_BY_FIELDS and described(one) not in before
    ]
    lost = lost_fields(old, new)
    read = {place: each for each in reversed(fields(reader)) for place in each.read}
    mine = [read[each.written] for each in lost if each.written in read]
    if not reasons:
        # Protobuf reads on and finds nothing, which its reader takes for an empty value.
        reasons = [
            f'"{each.path}" would always be empty, and it cannot tell'
            for each in mine
            if each.instead is None
        ]
    losses = [f'"{each.path}": {each.instead}' for each in mine if each.instead is not None]
    return _Verdict(tuple(reasons), tuple(losses), tuple(each.path for each in mine))


Party = tuple[bool, Break]
"""Whether it breaks, and who."""


class _Change:
    """Change of a subject to a new schema.

    Args:
        landscape: what there is.
        subject: what changes.
        new: its next schema.
    """

    def __init__(self, landscape: Landscape, subject: Subject, new: ParsedSchema) -> None:
        self._landscape = landscape
        self._subject = subject
        self._old = subject.latest.parsed
        self._new = new

    def readers(self) -> Iterator[Party]:
        """Yield the services whose schemas are known and that read what changes."""
        schemas = self._subject.read_by()
        for reader in self._subject.readers:
            if reader.service not in schemas:
                continue
            verdict = _verdict(schemas[reader.service], self._old, self._new)
            if not verdict.reasons and not verdict.losses:
                continue
            what = " and ".join(f'"{path}"' for path in verdict.paths) or self._subject.name
            words = reading_words(reader.display_file, True, what)
            why = f"{words}; {_told(verdict)}"
            line = _line_of(reader.text, verdict.paths)
            broken = _reader_break(reader.service, why, reader.display_file, line)
            yield bool(verdict.reasons), broken

    def consumers(self) -> Iterator[Party]:
        """Yield the consumers whose schemas nobody has told, as readers with the latest one."""
        verdict = _verdict(self._old, self._old, self._new)
        if not verdict.reasons and not verdict.losses:
            return
        number = self._subject.latest.number
        for one in _unknown_readers(self._landscape, self._subject):
            why = (
                f"{one.why}; with the schema of version {number}, as no reader of its own is "
                f"declared, {_told(verdict)}"
            )
            found = Break(who=one.who, kind=one.kind, why=why, where=one.where)
            yield bool(verdict.reasons), found

    def fixtures(self) -> Iterator[Break]:
        """Yield the events that the new schema cannot carry."""
        lost = lost_fields(self._old, self._new)
        for use in self._landscape.uses.get(self._subject.name, ()):
            problem = self._problem(use, lost)
            if problem:
                why = f"the event cannot be written with the new schema: {problem}"
                yield Break(who=use.who, kind="fixture", why=why, where=use.where)

    def _problem(self, use: FixtureUse, lost: Sequence[Field]) -> str:
        try:
            data = use.data()
            for each in () if use.is_written else lost:
                # A default that nobody has written is in what was decoded all the same.
                _drop_default(data, each.written, each.default)
            self._new.encode(data)
        except SchemaDataError as error:
            return str(error)
        held = [each for each in lost if _holds(data, each.written)]
        return "" if not held else f'it has "{held[0].path}", which is gone'

    def others(self) -> Iterator[Party]:
        """Yield the other subjects that carry the same types."""
        before, after = carried_types(self._old), carried_types(self._new)
        texts = {one.parsed.canonical for one in self._subject.versions}
        texts |= {one.text for one in self._subject.versions}
        for other in self._landscape.subjects.values():
            if other.name == self._subject.name:
                continue
            if any(one.text in texts for one in other.latest.resolved):
                yield self._referring(other, texts)
                continue
            if other.latest.schema_type != self._old.schema_type:
                continue
            for name, theirs in carried_types(other.latest.parsed).items():
                old, new = before.get(name), after.get(name)
                if old is None or new is None or old.canonical == new.canonical:
                    continue
                if theirs.canonical == new.canonical:
                    continue
                verdict = _verdict(theirs, old, new)
                told = _told(verdict) if verdict.reasons or verdict.losses else "it stays as it is"
                why = f"carries {name} as well, as it was before; {told}"
                found = Break(who=other.name, kind="event", why=why, where=other.place)
                yield bool(verdict.reasons), found
                break

    def _referring(self, other: Subject, texts: set[str]) -> Party:
        latest = other.latest
        references = [
            ResolvedReference(name=one.name, text=self._new.canonical) if one.text in texts else one
            for one in latest.resolved
        ]
        why = f"builds on {self._subject.name}"
        try:
            built = language(latest.parsed.schema_type).parse(latest.text, references, STORED)
            reasons = misfits(other.level, built, [latest.parsed])
        except SchemaError as error:
            reasons = [str(error)]
        if reasons:
            why += f"; with the new schema, under {other.level}: {'; '.join(reasons)}"
        return bool(reasons), Break(who=other.name, kind="event", why=why, where=other.place)


def _told(verdict: _Verdict) -> str:
    if verdict.reasons:
        return f"it cannot read what is new: {'; '.join(verdict.reasons)}"
    return f"it would find {'; '.join(verdict.losses)}"


def _line_of(text: str, paths: Sequence[str]) -> int:
    """Return the line of a schema's text where the first of some fields stands, or else 1."""
    names = [path.rpartition(".")[2] for path in paths]
    for number, line in enumerate(text.splitlines(), 1):
        if any(name in line.replace('"', " ").split() for name in names):
            return number
    return 1


def _drop_default(data: object, steps: Sequence[str], default: object) -> None:
    if default is NONE:
        return
    for place in _places(data, steps):
        if place[steps[-1]] == default:
            del place[steps[-1]]


def _holds(data: object, steps: Sequence[str]) -> bool:
    return any(True for _ in _places(data, steps))


def _places(data: object, steps: Sequence[str]) -> Iterator[dict[str, object]]:
    """Yield the objects that hold a field, through lists, maps and branches."""
    if isinstance(data, list):
        for each in data:
            yield from _places(each, steps)
    elif isinstance(data, dict):
        if len(steps) == 1 and steps[0] in data:
            yield data
        elif steps[0] in data:
            yield from _places(data[steps[0]], steps[1:])
        else:
            for inner in data.values():
                if isinstance(inner, dict | list):
                    yield from _places(inner, steps)
