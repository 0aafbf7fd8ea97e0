"""Pins of used sets: what a lock keeps of them, and in words what has changed since.

A pin is plain data: the topics, the fields of events and the fingerprints of schemas and lines.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from fakebus.fixture_files.drift.changes import outline_changes
from fakebus.fixture_files.drift.findings import Hit, reading_words
from fakebus.fixture_files.drift.outlines import REQUIRED, TYPE, Outline, outline
from fakebus.fixture_files.drift.set_subjects import SetSubject, set_subjects
from fakebus.fixture_files.model import FixtureSchema, FixtureSet, FixtureStream, FixtureTopic
from fakebus.fixture_files.problems import quoted
from fakebus.fixture_files.shapes import shape_of
from fakebus.schemas.languages import language
from fakebus.wording import counted

_MAX_EVENTS = 1000
"""The events of a file whose names a lock keeps; of more it keeps one fingerprint."""
_SHOWN = 5
_WHOLE = "$"
"""Stands for the schema as a whole, whose path is empty."""

Pin = dict[str, Any]


def fingerprint(schema: FixtureSchema) -> str:
    """Return a hash of a schema's type, text and references; white space does not count."""
    text = " ".join(schema.text.split())
    parts = [schema.schema_type, text, *(f"{name}={of}:{at}" for name, of, at in schema.references)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def pins(fixture_set: FixtureSet) -> dict[str, Pin]:
    """Return a pin for each set that a set uses, by its name, or by the way to it."""
    used = fixture_set.uses
    subjects = set_subjects(fixture_set) if used else {}
    return {
        part.name or os.path.relpath(part.root, fixture_set.root): _pin(part, subjects)
        for part in used
    }


def _pin(part: FixtureSet, subjects: Mapping[str, SetSubject]) -> Pin:
    versions: dict[str, list[dict[str, Any]]] = {}
    for schema in part.schemas:
        parsed = subjects[schema.subject].versions[schema.version - 1].parsed
        fields = {path or _WHOLE: dict(facts) for path, facts in outline(parsed).items()}
        pinned = {"sha256": fingerprint(schema), "fields": fields}
        versions.setdefault(schema.subject, []).append(pinned)
    events: dict[str, dict[str, Any]] = {}
    for stream in part.streams:
        events.setdefault(stream.topic, {})[stream.file] = _events(stream)
    return {
        "version": part.version or "",
        "topics": {topic.name: _topic(topic) for topic in part.topics},
        "subjects": versions,
        "fields": dict(_fields(part)),
        "events": events,
    }


def _topic(topic: FixtureTopic) -> dict[str, str]:
    keys, values = topic.formats
    facts = {"partitions": str(topic.partitions), "keys": keys, "values": values}
    facts |= {"owner": topic.owner or "", "consumers": ", ".join(topic.consumers)}
    return {name: text for name, text in (facts | dict(topic.config)).items() if text}


def _fields(part: FixtureSet) -> Iterator[tuple[str, dict[str, dict[str, str]]]]:
    """Yield the fields of the events of topics without a schema."""
    plain = [topic.name for topic in part.topics if topic.formats[1] == "json"]
    for name in plain:
        streams = (one for one in part.streams if one.topic == name)
        values = (event.record.value for one in streams for event in one.events)
        data = map(_json, islice(values, _MAX_EVENTS))
        shape = shape_of(each for each in data if isinstance(each, Mapping))
        if shape:
            yield (
                name,
                {
                    path: {
                        TYPE: " or ".join(sorted(field.types)),
                        REQUIRED: "yes" if field.always else "no",
                    }
                    for path, field in shape.items()
                },
            )


def _json(value: bytes | None) -> Any:
    try:
        return None if value is None else json.loads(value)
    except ValueError:
        # An event may have a schema although its topic has none.
        return None


def _events(stream: FixtureStream) -> dict[str, Any]:
    found: dict[str, Any] = {"made_by": stream.settings_digest}
    if len(stream.events) > _MAX_EVENTS:
        digests = b"".join(event.digest for event in stream.events)
        return found | {"count": len(stream.events), "sha256": hashlib.sha256(digests).hexdigest()}
    lines = [
        " ".join(filter(None, (event.event_id, event.digest.hex()))) for event in stream.events
    ]
    return found | {"lines": lines}


def pin_changes(old: Pin, new: Pin, fixture_set: FixtureSet) -> Iterator[str]:
    """Yield in words what differs between two pins of a set.

    Args:
        old: what the lock has.
        new: what is there now.
        fixture_set: the set that uses it; its name is that of the service which it belongs to.
    """
    who = _Services(old, new, fixture_set)
    topics = _both(old["topics"], new["topics"], "the topic", who.of_topic)
    subjects = _both(old["subjects"], new["subjects"], "the subject", who.of_subject)
    yield from topics
    for name in _common(old["topics"], new["topics"]):
        for words in _topic_changes(old["topics"][name], new["topics"][name]):
            yield f"the topic {quoted(name)} {words}{who.of_topic(name)}"
    yield from subjects
    for name in _common(old["subjects"], new["subjects"]):
        yield from _subject_changes(name, old["subjects"][name], new["subjects"][name], who)
    for name in _common(old["topics"], new["topics"]):
        before, after = (pin["fields"].get(name, {}) for pin in (old, new))
        if before and after:
            for _, words in outline_changes(before, after):
                yield f"{words}, in the events of {name}{who.of_topic(name)}"
    for name in _common(old["topics"], new["topics"]):
        before, after = (pin["events"].get(name, {}) for pin in (old, new))
        # What becomes of a line depends on schemas and formats too, of which all is said above.
        same = old["subjects"] == new["subjects"] and old["topics"][name] == new["topics"][name]
        for words in _event_changes(name, before, after, same):
            yield f"{words}{who.of_topic(name)}"


def _common(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [name for name in old if name in new]


def _both(
    old: Mapping[str, Any], new: Mapping[str, Any], what: str, who: Callable[[str], str]
) -> Iterator[str]:
    for name in old:
        if name not in new:
            yield f"{what} {quoted(name)} is gone{who(name)}"
    for name in new:
        if name not in old:
            yield f"{what} {quoted(name)} is new{who(name)}"


def _topic_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name, "not set"), new.get(name, "not set")
        if before != after:
            yield f"has {name}: {after} now, was {before}"


def _subject_changes(
    name: str, old: Sequence[Any], new: Sequence[Any], who: _Services
) -> Iterator[str]:
    if len(old) != len(new):
        versions = counted(len(new), "version")
        yield f"the subject {quoted(name)} has {versions} now, was {len(old)}{who.of_subject(name)}"
    before, after = old[-1], new[-1]
    told = False
    for path, words in outline_changes(_outline(before), _outline(after)):
        told = True
        yield f"{words}, in {name}{who.of_subject(name, path)}"
    if not told and before["sha256"] != after["sha256"]:
        words = f"the schema of {quoted(name)} is written otherwise, with the same fields"
        yield f"{words}{who.of_subject(name)}"
    elif any(one["sha256"] != other["sha256"] for one, other in zip(old[:-1], new, strict=False)):
        yield f"an older version of {quoted(name)} is another schema now{who.of_subject(name)}"


def _outline(pinned: Mapping[str, Any]) -> Outline:
    return {"" if path == _WHOLE else path: facts for path, facts in pinned["fields"].items()}


def _event_changes(
    topic: str, old: Mapping[str, Any], new: Mapping[str, Any], same_formats: bool
) -> Iterator[str]:
    for file in dict.fromkeys([*old, *new]):
        before, after = old.get(file, {}), new.get(file, {})
        if before == after:
            continue
        where = f"in {file} for {topic}"
        parts = list(_line_changes(_by_name(before), _by_name(after)))
        count, number = (one.get("count", len(one.get("lines", ()))) for one in (before, after))
        if parts:
            yield f"{where}: {'; '.join(parts)}"
        elif count != number or before.get("sha256") != after.get("sha256"):
            yield f"{where}: {counted(number, 'event')} now, were {count}, and not all the same"
        elif before.get("lines") != after.get("lines"):
            yield f"{where}: the events have another order"
        elif same_formats:
            yield f"{where}: the headers, formats, seed, clock or partitioner are others"


def _by_name(pinned: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for line in pinned.get("lines", ()):
        name, _, digest = str(line).rpartition(" ")
        found[name or digest] = digest
    return found


def _line_changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for words, names in {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "changed": [name for name in new if name in old and old[name] != new[name]],
    }.items():
        if names:
            # An event without an id has only a digest, which tells nobody anything.
            named = [name for name in names if name not in {**old, **new}.values()]
            shown = f" ({', '.join(named[:_SHOWN])}{', …' if len(named) > _SHOWN else ''})"
            yield f"{counted(len(names), 'event')} {words}{shown if named else ''}"


class _Services:
    """Services that a change concerns, in words."""

    def __init__(self, old: Pin, new: Pin, fixture_set: FixtureSet) -> None:
        self._name = fixture_set.name
        self._topics = [*old["topics"].items(), *new["topics"].items()]
        self._subjects = set_subjects(fixture_set)

    def of_topic(self, name: str) -> str:
        """Return what services do with a topic."""
        return self._words(self._using(lambda topic, facts: topic == name))

    def of_subject(self, name: str, path: str = "") -> str:
        """Return what services do with the data of a subject, or with a field of it."""
        hit = self._using(lambda topic, facts: name in (facts.get("keys"), facts.get("values")))
        subject = self._subjects.get(name)
        if subject is None:
            return self._words(hit)
        producers = _union(hit.producers, subject.hit.producers)
        consumers = _union(hit.consumers, subject.hit.consumers)
        reading = dict(_reading(subject, path)) if path else {}
        return self._words(Hit(producers=producers, consumers=consumers), reading)

    def _using(self, is_meant: Callable[[str, Mapping[str, str]], bool]) -> Hit:
        topics = [facts for name, facts in self._topics if is_meant(name, facts)]
        consumers = [each for one in topics for each in one.get("consumers", "").split(", ")]
        return Hit(
            producers=_union([one["owner"] for one in topics if "owner" in one]),
            consumers=_union(filter(None, consumers)),
        )

    def _words(self, hit: Hit, reading: Mapping[str, str] | None = None) -> str:
        words = []
        for name in sorted(_union(hit.producers, hit.consumers), key=lambda one: one != self._name):
            does = ["writes it"] if name in hit.producers else []
            if name in hit.consumers:
                does.append((reading or {}).get(name, "reads it"))
            here = " (this service)" if name == self._name else ""
            words.append(f"{name}{here} {' and '.join(does)}")
        return f"; {', '.join(words)}" if words else ""


def _union(*names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for each in names for name in each))


def _reading(subject: SetSubject, path: str) -> Iterator[tuple[str, str]]:
    """Yield what services do with a field whose schemas the set knows that they read with."""
    latest = subject.latest
    for reader in latest.schema.readers:
        parsed = language(latest.schema.schema_type).parse(reader.text, latest.references)
        yield reader.service, reading_words(reader.display_file, path in outline(parsed))
