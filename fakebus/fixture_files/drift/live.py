"""A set against the records that really flow on a bus."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fakebus.fixture_files.drift.changes import is_within_missing
from fakebus.fixture_files.drift.comparison import behind
from fakebus.fixture_files.drift.findings import BREAKING, DRIFT, NOTE, DriftFinding, Hit, Severity
from fakebus.fixture_files.drift.outlines import SYMBOLS, outline
from fakebus.fixture_files.drift.set_subjects import SetSubject, set_source
from fakebus.fixture_files.matchers import type_of
from fakebus.fixture_files.model import FixtureSet, FixtureStream, FixtureTopic
from fakebus.fixture_files.recording.reading import SourceRecord, SourceSchema, SourceTopic
from fakebus.fixture_files.recording.recorder import TRACING
from fakebus.records.record import NewRecord
from fakebus.schemas.interface import ParsedSchema
from fakebus.schemas.payloads import Known, Payload, SchemaSource, decode
from fakebus.wording import counted

_SHOWN = 20


@dataclass(slots=True)
class _Seen:
    """Contents that the records of a topic have been seen to hold."""

    records: int = 0
    paths: dict[str, Counter[str]] = field(default_factory=dict)
    """The kinds of value by path; the path begins with ``key``, ``value`` or ``header``."""
    symbols: dict[str, set[str]] = field(default_factory=dict)
    """The values of enums by path."""

    def note(self, path: str, data: object, enums: Mapping[str, object]) -> None:
        found = type_of(data)
        # Whether a number has a fraction says little of those that are still to come.
        kind = "number" if found == "integer" else found
        self.paths.setdefault(path, Counter())[kind] += 1
        if path in enums and isinstance(data, str):
            self.symbols.setdefault(path, set()).add(data)
        if isinstance(data, dict):
            is_map = f"{path}{{}}" in enums
            for name, inner in data.items():
                self.note(f"{path}{{}}" if is_map else f"{path}.{name}", inner, enums)
        elif isinstance(data, list):
            for inner in data:
                self.note(f"{path}[]", inner, enums)


def against_topics(
    fixture_set: FixtureSet,
    subjects: Mapping[str, SetSubject],
    topics: Iterable[SourceTopic],
    schemas: SchemaSource[SourceSchema] | None,
    where: str,
) -> Iterator[DriftFinding]:
    """Compare a set with what is on a bus.

    Args:
        fixture_set: the set.
        subjects: its subjects.
        topics: the set's topics as the bus has them, with records.
        schemas: finds schemas by id; ``None`` where there is no registry.
        where: the bus, for messages.
    """
    there = {topic.name: topic for topic in topics}
    streams: dict[str, list[FixtureStream]] = {}
    for stream in fixture_set.streams:
        streams.setdefault(stream.topic, []).append(stream)
    for topic in fixture_set.topics:
        found = there.get(topic.name)
        if found is None:
            yield _finding(topic, NOTE, f"{where} has no topic {topic.name}")
        else:
            comparison = _Topic(topic, found, subjects, schemas, where)
            yield from comparison.findings(streams.get(topic.name, ()))


def _finding(
    topic: FixtureTopic, severity: Severity, message: str, changes: Sequence[str] = ()
) -> DriftFinding:
    producers = () if topic.owner is None else (topic.owner,)
    return DriftFinding(
        severity=severity,
        subject=topic.name,
        file=topic.position.file,
        line=topic.position.line,
        message=message,
        changes=tuple(changes),
        hit=Hit(producers=producers, consumers=topic.consumers),
    )


class _Topic:
    """Topic of the set and its counterpart."""

    def __init__(
        self,
        topic: FixtureTopic,
        found: SourceTopic,
        subjects: Mapping[str, SetSubject],
        schemas: SchemaSource[SourceSchema] | None,
        where: str,
    ) -> None:
        self._topic = topic
        self._found = found
        self._subjects = subjects
        self._schemas = schemas
        self._where = f"{topic.name} on {where}"
        self._enums: dict[tuple[str, str], Mapping[str, object]] = {}
        self._problems: dict[str, list[SourceRecord]] = {}
        self._used: dict[tuple[str, int], SourceSchema] = {}
        self._uses: Counter[tuple[str, int]] = Counter()

    def findings(self, streams: Sequence[FixtureStream]) -> Iterator[DriftFinding]:
        """Yield everything that differs."""
        if self._found.partitions != self._topic.partitions:
            yield _finding(
                self._topic,
                DRIFT,
                f"{self._where} has {counted(self._found.partitions, 'partition')}, "
                f"the set's has {self._topic.partitions}; keys go to other partitions",
            )
        if not self._found.records:
            yield _finding(self._topic, NOTE, f"{self._where} has no records to compare with")
            return
        ours, framed = self._ours(streams)
        theirs = self._theirs(framed)
        for message, records in self._problems.items():
            first = records[0]
            yield _finding(
                self._topic,
                BREAKING,
                f"{self._where}: {counted(len(records), 'record')} {message}; "
                f"the first is partition {first.partition}, offset {first.offset}",
            )
        yield from self._schema_findings()
        if ours.records:
            yield from self._data_findings(ours, theirs)

    def _ours(self, streams: Sequence[FixtureStream]) -> tuple[_Seen, set[str]]:
        """Return what the set's events hold, and which of key and value are framed."""
        source = set_source(self._subjects.values())
        seen, framed = _Seen(), set()
        for stream in streams:
            for event in stream.events:
                seen.records += 1
                for part, found in self._parts(event.record, source):
                    if found.schema is not None:
                        framed.add(part)
                    self._note(seen, part, found)
                _note_headers(seen, event.record.headers)
        return seen, framed

    def _theirs(self, framed: set[str]) -> _Seen:
        seen = _Seen()
        for record in self._found.records:
            seen.records += 1
            for part, found in self._parts(record, self._schemas):
                if found.schema is not None:
                    use = found.schema.subject, found.schema.schema_id
                    self._used[use] = found.schema
                    self._uses[use] += 1
                elif part in framed and found.format != "null" and self._schemas is not None:
                    self._problem(_unframed(part, found), record)
                if found.problem is not None:
                    self._problem(f"whose {part} does not fit its schema: {found.problem}", record)
                else:
                    self._note(seen, part, found)
            _note_headers(seen, record.headers)
        return seen

    def _parts(
        self, record: NewRecord | SourceRecord, schemas: SchemaSource[Known] | None
    ) -> Iterator[tuple[str, Payload[Known]]]:
        name = self._topic.name
        yield "key", decode(record.key, schemas, topic=name, is_key=True)
        yield "value", decode(record.value, schemas, topic=name)

    def _problem(self, message: str, record: SourceRecord) -> None:
        self._problems.setdefault(message, []).append(record)

    def _note(self, seen: _Seen, part: str, found: Payload[Any]) -> None:
        enums = {} if found.schema is None else self._walked(part, found.schema.parsed)
        seen.note(part, found.data, enums)

    def _walked(self, part: str, schema: ParsedSchema) -> Mapping[str, object]:
        """Return the places of enums and maps in a schema."""
        key = (part, schema.canonical)
        if key not in self._enums:
            places: dict[str, object] = {}
            for path, facts in outline(schema).items():
                place = path.removesuffix("(enum)").rstrip()
                joined = f"{part}{place}" if place[:1] in "[{" else f"{part}.{place}"
                joined = joined.rstrip(".")
                if SYMBOLS in facts:
                    places[joined] = facts[SYMBOLS]
                elif facts.get("type", "").find("map of ") >= 0:
                    places[f"{joined}{{}}"] = None
            self._enums[key] = places
        return self._enums[key]

    def _schema_findings(self) -> Iterator[DriftFinding]:
        for (name, schema_id), found in sorted(self._used.items(), key=lambda item: item[0]):
            subject = self._subjects.get(name)
            records = counted(self._uses[name, schema_id], "record")
            if subject is None:
                message = f"{self._where} has {records} of {name}, a subject that is not in the set"
                yield _finding(self._topic, DRIFT, message)
                continue
            texts = [version.parsed.canonical for version in subject.versions]
            if found.parsed.canonical == texts[-1]:
                continue
            where = f"{self._where} ({records} of version {found.version})"
            if found.parsed.canonical in texts:
                message = f"{where} still has an older schema of {name} than the set's newest"
                yield _finding(self._topic, NOTE, message)
            else:
                yield from behind(subject, found.parsed, where, subject.level)

    def _data_findings(self, ours: _Seen, theirs: _Seen) -> Iterator[DriftFinding]:
        new = [
            f'"{path}" ({_kinds(kinds)}) in {counted(kinds.total(), "place")}'
            for path, kinds in theirs.paths.items()
            if path not in ours.paths and not is_within_missing(path, theirs.paths, ours.paths)
        ]
        other = []
        for path, kinds in theirs.paths.items():
            unseen = kinds.keys() - ours.paths.get(path, kinds).keys()
            if unseen:
                here = _kinds(ours.paths[path])
                other.append(f'"{path}" is also {" or ".join(sorted(unseen))}, here only {here}')
        other += [
            f'"{path}" has the value {json.dumps(value, ensure_ascii=False)} as well'
            for path, values in theirs.symbols.items()
            for value in sorted(values - ours.symbols.get(path, values))
        ]
        gone = [
            f'"{path}" ({_kinds(kinds)})'
            for path, kinds in ours.paths.items()
            if path not in theirs.paths and not is_within_missing(path, ours.paths, theirs.paths)
        ]
        outcomes: tuple[tuple[Severity, str, list[str]], ...] = (
            (DRIFT, "holds what the set's events never do", new + other),
            (NOTE, "never holds what the set's events do", gone),
        )
        for severity, what, found in outcomes:
            if found:
                message = f"{self._where} {what} ({counted(theirs.records, 'record')} read)"
                more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
                yield _finding(self._topic, severity, message, [*found[:_SHOWN], *more])


def _note_headers(seen: _Seen, headers: Sequence[tuple[str, bytes | None]]) -> None:
    for name, data in headers:
        if not TRACING.fullmatch(name):
            seen.note(f"header {name}", None if data is None else "", {})


def _unframed(part: str, found: Payload[Any]) -> str:
    if found.schema_id is None:
        return f"whose {part} has no schema id, as the set's have and consumers expect"
    return f"whose {part} has the schema id {found.schema_id}, unknown to the registry"


def _kinds(kinds: Counter[str]) -> str:
    return " or ".join(sorted(kinds))
