"""A set's schemas against the ones that somebody really has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fakebus.fixture_files.drift.changes import changes
from fakebus.fixture_files.drift.findings import BREAKING, DRIFT, NOTE, DriftFinding
from fakebus.fixture_files.drift.schema_files import parse_files
from fakebus.fixture_files.drift.set_subjects import SetSubject, SubjectVersion
from fakebus.fixture_files.problems import Position
from fakebus.fixture_files.structure.compatibility import described, misfits
from fakebus.schemas.interface import (
    ParsedSchema,
    SchemaDataError,
)
from fakebus.schemas.languages import language


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSchema:
    """A schema that a package or a folder has."""

    name: str | None
    """The full name of what it describes."""
    file_name: str
    """What its file is called, without folders."""
    parsed: ParsedSchema
    where: str
    """For messages, such as ``openedx-events 11.2.0``."""


def against_schemas(
    subjects: Mapping[str, SetSubject],
    found: Sequence[FoundSchema],
    where: str,
    *,
    covers: str | None = None,
) -> Iterator[DriftFinding]:
    """Compare a set with the schemas of a package or folder.

    A schema belongs to a subject if it describes the same and its file is called the same,
    or else if it is the only one that describes the same.

    Args:
        subjects: the set's.
        found: what is there.
        where: what was looked at, for messages.
        covers: how the names of the files begin that can only come from there, so that
            what it does not have is gone; nothing when left out.
    """
    matched: set[int] = set()
    shared = _shared_names(subjects)
    for subject in subjects.values():
        current = _match(subject, found, shared)
        file = _file_name(subject.latest)
        if current is not None:
            matched.add(id(current))
            yield from _against(subject, current.parsed, current.where, subject.level)
        elif covers is not None and file.startswith(covers):
            yield subject.finding(
                BREAKING,
                f"{where} has no {file}, which {subject.name} is made of",
                "use the version that the set is made with; or, if the event is gone, take it "
                "out of the set and tell who reads it",
            )
    if covers is None:
        return
    for one in found:
        if id(one) not in matched and one.file_name.startswith(covers):
            yield DriftFinding(
                severity=NOTE,
                subject=one.file_name,
                file=one.file_name,
                message=f"{where} has {one.file_name}, of which the set has no events",
            )


def _shared_names(subjects: Mapping[str, SetSubject]) -> frozenset[str | None]:
    """Return the names that several schemas have; Open edX calls everything CloudEvent."""
    latest = {
        subject.latest.parsed.canonical: subject.latest.parsed for subject in subjects.values()
    }
    counts = Counter(one.name for one in latest.values())
    return frozenset(name for name, count in counts.items() if name is None or count > 1)


def _match(
    subject: SetSubject, found: Sequence[FoundSchema], shared: frozenset[str | None]
) -> FoundSchema | None:
    name, file = subject.latest.parsed.name, _file_name(subject.latest)
    same = [one for one in found if one.name == name]
    for one in same:
        if one.file_name == file:
            return one
    return same[0] if len(same) == 1 and name not in shared else None


def _file_name(version: SubjectVersion) -> str:
    return version.schema.display_file.replace("\\", "/").rpartition("/")[2]


def _against(
    subject: SetSubject, current: ParsedSchema, where: str, level: str
) -> Iterator[DriftFinding]:
    texts = [one.parsed.canonical for one in subject.versions]
    if current.canonical == texts[-1]:
        return
    if current.canonical in texts:
        yield from ahead(subject, [current], where, level)
        return
    yield from behind(subject, current, where, level)


def behind(
    subject: SetSubject, current: ParsedSchema, where: str, level: str
) -> Iterator[DriftFinding]:
    """Compare a subject with a schema that came after it."""
    earlier = [one.parsed for one in reversed(subject.versions)]
    reasons = misfits(level, current, earlier)
    yield subject.finding(
        BREAKING if reasons else DRIFT,
        f"{where} has another schema for {subject.name}, {_verdict(reasons, level)}",
        f"take it over into {subject.file}, and look at the events",
        changes=changes(subject.latest.parsed, current),
        reasons=reasons,
    )
    yield from stale(subject, current, where)


def ahead(
    subject: SetSubject, earlier: Sequence[ParsedSchema], where: str, level: str
) -> Iterator[DriftFinding]:
    """Compare a subject with a place that does not have its newest schema yet.

    Args:
        subject: the set's.
        earlier: what the place has, the newest first.
        where: the place.
        level: the level that holds there.
    """
    reasons = misfits(level, subject.latest.parsed, earlier)
    verdict = _verdict(reasons, level)
    yield subject.finding(
        BREAKING if reasons else DRIFT,
        f"{where} does not have the set's schema of {subject.name} yet, {verdict}",
        "make it compatible, or change the events back" if reasons else "",
        changes=changes(earlier[0], subject.latest.parsed),
        reasons=reasons,
    )


def _verdict(reasons: Sequence[str], level: str) -> str:
    if reasons:
        return f"which is not compatible under {level}"
    return "which NONE allows" if level == "NONE" else f"compatible under {level}"


def stale(subject: SetSubject, current: ParsedSchema, where: str) -> Iterator[DriftFinding]:
    """Find the set's events that cannot be written with a schema any more."""
    first: tuple[Position, str] | None = None
    count = 0
    for use in subject.events:
        try:
            current.encode(use.data())
        except SchemaDataError as error:
            count += 1
            first = first or (Position(use.stream.display_file, use.event.line), str(error))
    if first is None:
        return
    place, reason = first
    events = "this event" if count == 1 else f"{count} events, this is the first,"
    yield subject.finding(
        DRIFT,
        f"{events} cannot be written with the schema that {where} has: {reason}",
        "no producer sends such events any more; bring them up to date",
        at=place,
    )


def against_readers(
    subjects: Mapping[str, SetSubject], found: Mapping[str, Sequence[FoundSchema]]
) -> Iterator[DriftFinding]:
    """Check that every consumer can read what the set's events are written with.

    Args:
        subjects: the set's, with the readers that they name.
        found: further reader schemas by service, matched as in :func:`against_schemas`.
    """
    shared = _shared_names(subjects)
    for subject in subjects.values():
        for service, reader, where in _readers(subject, found, shared):
            for version in subject.versions:
                reasons = [described(one) for one in reader.incompatibilities(version.parsed)]
                if reasons:
                    yield subject.finding(
                        BREAKING,
                        f"{service} cannot read {subject.name} version "
                        f"{version.schema.version} with its schema {where}",
                        f"update {service} before such events reach it",
                        changes=changes(version.parsed, reader),
                        reasons=reasons,
                    )


def _readers(
    subject: SetSubject,
    found: Mapping[str, Sequence[FoundSchema]],
    shared: frozenset[str | None],
) -> Iterator[tuple[str, ParsedSchema, str]]:
    latest = subject.latest
    for reader in latest.schema.readers:
        parsed = language(latest.schema.schema_type).parse(reader.text, latest.references)
        yield reader.service, parsed, reader.display_file
    for service, schemas in found.items():
        one = _match(subject, schemas, shared)
        if one is not None:
            yield service, one.parsed, one.where


def parse_found(
    files: Iterable[tuple[str, str]], where: str
) -> tuple[list[FoundSchema], list[DriftFinding]]:
    """Parse the schema files of a package or folder.

    Files may refer to each other: Avro by full names, Protobuf and JSON Schema by paths.

    Returns:
        The schemas, and a finding for each file that is none.
    """
    schemas, broken = parse_files(files)
    found = [
        FoundSchema(
            name=schema.name,
            file_name=path.replace("\\", "/").rpartition("/")[2],
            parsed=schema,
            where=f"{where} ({path})",
        )
        for path, schema in schemas
    ]
    findings = [
        DriftFinding(
            severity=NOTE,
            subject=path,
            file=path,
            message=f"{where} has a schema that cannot be read: {error}",
        )
        for path, error in broken
    ]
    return found, findings
