"""What differs between two fixture sets, or between a bus and a set.

Records are compared by what they say, not by their bytes: schema ids differ from registry to
registry, and JSON may be written in many ways.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import islice
from statistics import median_low
from typing import Any

from fakebus.escaping import printable_lines
from fakebus.fixture_files.model import FixtureSet
from fakebus.fixture_files.recording.reading import SourceRecord, SourceTopic
from fakebus.fixture_files.structure.models import DEFAULT_TOPIC_CONFIG
from fakebus.fixture_files.times import offset_text
from fakebus.records.record import NewRecord
from fakebus.schemas.payloads import SchemaSource, decode
from fakebus.wording import counted

_TOO_MANY = 20_000
"""From here on records are matched without their order, which takes no quadratic time."""

_MOST_LIKE = 20
"""Among how many records of the same key the most similar one is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewRecord:
    """A record as people see it."""

    where: str
    """File and line, or topic, partition and offset."""
    timestamp_ms: int
    key: Any
    value: Any
    headers: tuple[tuple[str, Any], ...]

    @property
    def identity(self) -> str:
        """A text that is the same for equal records."""
        fields = [self.timestamp_ms, self.key, self.value, self.headers]
        return json.dumps(fields, sort_keys=True, ensure_ascii=False)


@dataclass(slots=True, kw_only=True)
class ViewTopic:
    """A topic with its records by partition."""

    partitions: int
    config: Mapping[str, str]
    logs: dict[int, list[ViewRecord]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Side of a comparison."""

    name: str
    topics: Mapping[str, ViewTopic]
    subjects: Mapping[str, tuple[str, ...]]
    """The canonical schemas of each subject, oldest first."""
    groups: Mapping[str, Mapping[str, str]] | None
    """Where each group starts; ``None`` if that is not to be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Difference between two sides."""

    place: str
    """The topic with partition, the subject or the group."""
    kind: str
    """``removed``, ``added`` or ``changed``."""
    before: str | None = None
    """Where the first side has it."""
    after: str | None = None
    """Where the second side has it."""
    details: tuple[str, ...]

    def text(self) -> str:
        """Return the difference for people."""
        mark = {"removed": "-", "added": "+", "changed": "~"}[self.kind]
        where = " -> ".join(filter(None, (self.before, self.after)))
        first = f"{mark} {self.place}{f'  {where}' if where else ''}"
        return printable_lines([first, *(f"    {detail}" for detail in self.details)])


def set_view(
    fixture_set: FixtureSet, name: str, schemas: SchemaSource[Any], canonical: Canonical
) -> View:
    """Return a fixture set as people see it.

    Args:
        fixture_set: the set.
        name: what to call it.
        schemas: finds its schemas.
        canonical: the canonical schemas of its subjects.
    """
    topics = {
        topic.name: ViewTopic(partitions=topic.partitions, config=topic.config)
        for topic in fixture_set.topics
    }
    for stream in fixture_set.streams:
        logs = topics[stream.topic].logs
        for event in stream.events:
            where = f"{stream.display_file}:{event.line}"
            logs.setdefault(event.partition, []).append(
                _view_record(where, event.record, schemas, stream.topic)
            )
    groups = {
        group.group: {
            f"{each.topic}/{'*' if each.partition is None else each.partition}": str(each.start)
            for each in group.offsets
        }
        for group in fixture_set.groups
    }
    return View(name=name, topics=topics, subjects=canonical, groups=groups)


Canonical = Mapping[str, tuple[str, ...]]
"""The canonical schemas by subject."""


def bus_view(
    name: str, topics: Iterable[SourceTopic], schemas: SchemaSource[Any] | None, subjects: Canonical
) -> View:
    """Return what is on a bus as people see it.

    Args:
        name: what to call it.
        topics: the topics with their records.
        schemas: finds schemas by id; ``None`` where there is no registry.
        subjects: the canonical schemas of the subjects to compare.
    """
    found = {}
    for topic in topics:
        view = ViewTopic(partitions=topic.partitions, config=topic.config)
        for record in sorted(topic.records, key=lambda each: each[:2]):
            where = f"{topic.name}[{record.partition}]@{record.offset}"
            view.logs.setdefault(record.partition, []).append(
                _view_record(where, record, schemas, topic.name)
            )
        found[topic.name] = view
    return View(name=name, topics=found, subjects=subjects, groups=None)


def time_shift(before: View, after: View) -> int:
    """Return by how many milliseconds most records of the second side are later."""
    shifts = [
        there.timestamp_ms - here.timestamp_ms
        for name, topic in before.topics.items()
        if name in after.topics
        for partition, log in topic.logs.items()
        for here, there in zip(log, after.topics[name].logs.get(partition, ()), strict=False)
    ]
    return median_low(shifts) if shifts else 0


def _view_record(
    where: str, record: NewRecord | SourceRecord, schemas: SchemaSource[Any] | None, topic: str
) -> ViewRecord:
    return ViewRecord(
        where=where,
        timestamp_ms=record.timestamp_ms,
        key=_shown(record.key, schemas, topic, is_key=True),
        value=_shown(record.value, schemas, topic),
        headers=tuple((name, _shown(data, None, "")) for name, data in record.headers),
    )


def _shown(
    data: bytes | None, schemas: SchemaSource[Any] | None, topic: str, *, is_key: bool = False
) -> Any:
    found = decode(data, schemas, topic=topic, is_key=is_key)
    if data is None or found.format == "binary":
        return None if data is None else {"bytes": data.hex()}
    if found.format == "json" and not isinstance(found.data, dict | list):
        # A number's spelling counts, as for any other text.
        return data.decode()
    return found.data


def differences(before: View, after: View) -> Iterator[Difference]:
    """Yield what is not the same, topic by topic."""
    yield from _mappings("subject", before.subjects, after.subjects, _schema_changes)
    for name in dict.fromkeys([*before.topics, *after.topics]):
        here, there = before.topics.get(name), after.topics.get(name)
        if here is None or there is None:
            yield _lone(f"topic {name}", here is None, _topic_words(here or there))
            continue
        changed = list(_topic_changes(here, there))
        if changed:
            yield _changed(f"topic {name}", changed)
        for partition in sorted({*here.logs, *there.logs}):
            place = f"{name}[{partition}]"
            ours, theirs = here.logs.get(partition, []), there.logs.get(partition, [])
            yield from _log_differences(place, ours, theirs)
    if before.groups is not None and after.groups is not None:
        yield from _mappings("group", before.groups, after.groups, _entry_changes)


def _lone(place: str, is_added: bool, details: Iterable[str] = ()) -> Difference:
    kind = "added" if is_added else "removed"
    return Difference(place=place, kind=kind, details=tuple(details))


def _changed(place: str, details: Iterable[str]) -> Difference:
    return Difference(place=place, kind="changed", details=tuple(details))


def _mappings(
    what: str, before: Mapping[str, Any], after: Mapping[str, Any], changes: Any
) -> Iterator[Difference]:
    for name in dict.fromkeys([*before, *after]):
        if name not in before or name not in after:
            yield _lone(f"{what} {name}", name not in before)
        elif before[name] != after[name]:
            yield _changed(f"{what} {name}", changes(before[name], after[name]))


def _schema_changes(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    for number in range(max(len(before), len(after))):
        if number >= len(before):
            yield f"version {number + 1} is new"
        elif number >= len(after):
            yield f"version {number + 1} is gone"
        elif before[number] != after[number]:
            yield f"version {number + 1} is another schema"


def _entry_changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield f"{name}: {before.get(name, 'not set')} -> {after.get(name, 'not set')}"


def _topic_words(topic: ViewTopic | None) -> Iterator[str]:
    if topic is not None:
        count = sum(map(len, topic.logs.values()))
        yield f"{counted(topic.partitions, 'partition')}, {counted(count, 'record')}"


def _topic_changes(before: ViewTopic, after: ViewTopic) -> Iterator[str]:
    if before.partitions != after.partitions:
        yield f"partitions: {before.partitions} -> {after.partitions}"
    # A topic that was recorded without one has the set's default when it is read again.
    yield from _entry_changes(
        {**DEFAULT_TOPIC_CONFIG, **before.config}, {**DEFAULT_TOPIC_CONFIG, **after.config}
    )


def _log_differences(
    place: str, before: Sequence[ViewRecord], after: Sequence[ViewRecord]
) -> Iterator[Difference]:
    here, there = [one.identity for one in before], [one.identity for one in after]
    if here == there:
        return
    for removed, added in _unequal(here, there):
        yield from _paired(place, before[removed], after[added])


def _unequal(here: Sequence[str], there: Sequence[str]) -> Iterator[tuple[slice, slice]]:
    start = 0
    while start < min(len(here), len(there)) and here[start] == there[start]:
        start += 1
    end = 0
    while end < min(len(here), len(there)) - start and here[-1 - end] == there[-1 - end]:
        end += 1
    ours, theirs = here[start : len(here) - end], there[start : len(there) - end]
    if max(len(ours), len(theirs)) > _TOO_MANY:
        yield from _unordered(ours, theirs, start)
        return
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal":
            yield slice(start + a, start + b), slice(start + c, start + d)


def _unordered(
    ours: Sequence[str], theirs: Sequence[str], start: int
) -> Iterator[tuple[slice, slice]]:
    nothing = slice(0, 0)
    left = Counter(theirs)
    for index, one in enumerate(ours, start):
        if left[one]:
            left[one] -= 1
        else:
            yield slice(index, index + 1), nothing
    left = Counter(ours)
    for index, one in enumerate(theirs, start):
        if left[one]:
            left[one] -= 1
        else:
            yield nothing, slice(index, index + 1)


def _paired(
    place: str, removed: Sequence[ViewRecord], added: Sequence[ViewRecord]
) -> Iterator[Difference]:
    """Yield the differences of a stretch; records of the same key or headers belong together."""
    candidates = _Candidates(added)
    for one, partner in [(one, candidates.take(one)) for one in removed]:
        yield Difference(
            place=place,
            kind="changed" if partner else "removed",
            before=one.where,
            after=None if partner is None else partner.where,
            details=tuple(_record_changes(one, partner) if partner else _record_words(one)),
        )
    for one in candidates.left():
        words = tuple(_record_words(one))
        yield Difference(place=place, kind="added", after=one.where, details=words)


class _Candidates:
    """Records that may be the later form of others.

    Args:
        records: all of them.
    """

    def __init__(self, records: Sequence[ViewRecord]) -> None:
        self._records = {id(one): one for one in records}
        self._by_key: dict[str, deque[ViewRecord]] = {}
        self._by_value: dict[str, deque[ViewRecord]] = {}
        for one in records:
            self._by_key.setdefault(_sorted(one.key), deque()).append(one)
            self._by_value.setdefault(_sorted(one.value), deque()).append(one)

    def take(self, one: ViewRecord) -> ViewRecord | None:
        """Return the one that is most like a record, and has its key or its value."""
        found = self._first(self._by_key, one.key) or self._first(self._by_value, one.value)
        if not found:
            return None
        best = max(found, key=lambda each: _likeness(one, each))
        del self._records[id(best)]
        return best

    def _first(self, index: dict[str, deque[ViewRecord]], data: object) -> list[ViewRecord]:
        alike = index.get(_sorted(data))
        if alike is None:
            return []
        while alike and id(alike[0]) not in self._records:
            alike.popleft()
        return list(islice((each for each in alike if id(each) in self._records), _MOST_LIKE))

    def left(self) -> list[ViewRecord]:
        """Return those that nobody has taken."""
        return list(self._records.values())


def _likeness(one: ViewRecord, other: ViewRecord) -> float:
    ours, theirs = dict(_flat("", one)), dict(_flat("", other))
    same = sum(1 for path, data in ours.items() if theirs.get(path, ...) == data)
    return same / max(len(ours), len(theirs), 1)


def _flat(path: str, data: object) -> Iterator[tuple[str, object]]:
    if isinstance(data, ViewRecord):
        yield from _flat("key", data.key)
        yield from _flat("value", data.value)
        for index, (name, header) in enumerate(data.headers):
            repeated = sum(1 for each, _ in data.headers[:index] if each == name)
            yield from _flat(f"header {name}{f' ({repeated + 1})' if repeated else ''}", header)
    elif isinstance(data, dict) and data:
        for name, inner in data.items():
            yield from _flat(f"{path}.{name}", inner)
    elif isinstance(data, list) and data:
        for index, inner in enumerate(data):
            yield from _flat(f"{path}[{index}]", inner)
    else:
        yield path, data


def _record_words(one: ViewRecord) -> Iterator[str]:
    yield f"key {_json(one.key)}, value {_json(one.value)}"


def _record_changes(one: ViewRecord, other: ViewRecord) -> Iterator[str]:
    if one.timestamp_ms != other.timestamp_ms:
        yield f"time: {offset_text(other.timestamp_ms - one.timestamp_ms)}"
    ours, theirs = dict(_flat("", one)), dict(_flat("", other))
    for path in dict.fromkeys([*ours, *theirs]):
        if path not in theirs:
            yield f"{path}: {_json(ours[path])} is gone"
        elif path not in ours:
            yield f"{path}: {_json(theirs[path])} is new"
        elif ours[path] != theirs[path] or type(ours[path]) is not type(theirs[path]):
            yield f"{path}: {_json(ours[path])} -> {_json(theirs[path])}"
    if list(ours) != list(theirs) and ours == theirs:
        yield "the headers are in another order"


def _sorted(data: object) -> str:
    return json.dumps(data, sort_keys=True)


def _json(data: object) -> str:
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= 300 else text[:297] + "..."
