"""Several sets as one: what they say equally merges, what they say differently is a mistake.

Nobody overrides what another set says: events would lie in formats and partitions that the other
does not expect, and which one wins would depend on the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fakebus.broker.topic_names import metric_name
from fakebus.fixture_files.model import (
    FixtureGroup,
    FixtureSchema,
    FixtureSet,
    FixtureStream,
    FixtureTopic,
    PlacedRule,
    StartOffset,
    TopicContract,
)
from fakebus.fixture_files.problems import FixtureProblem, Position, quoted
from fakebus.fixture_files.structure.schema_set import SchemaIdTable
from fakebus.lineage.services import ServiceRule

_HINT = "say the same in both, or leave it to one of them"
_Said = tuple[str, object, object]
"""Something that two sets say differently: what it is, here, and there."""


def conflicts(sets: Sequence[FixtureSet]) -> Iterator[FixtureProblem]:
    """Yield every contradiction, at the place of the later set."""
    yield from _topic_conflicts(sets)
    yield from _subject_conflicts(sets)
    yield from _group_conflicts(sets)
    yield from _stream_conflicts(sets)
    yield from _identity_conflicts(sets)


def only_in_one(one: FixtureSet, other: FixtureSet) -> Iterator[str]:
    """Yield in words what a set has and another has not, where they do not contradict."""
    known = set(_contents(other))
    for said, made_by in _contents(one):
        if (said, made_by) not in known:
            yield f"has {said}"


def once(sets: Sequence[FixtureSet]) -> list[FixtureSet]:
    """Return equal sets of one name, which are one set that was reached in several ways, as one."""
    found: dict[str | Path, FixtureSet] = {}
    for one in sets:
        found.setdefault(one.name or one.root, one)
    return list(found.values())


def _contents(one: FixtureSet) -> Iterator[tuple[str, str]]:
    yield from ((f"the topic {quoted(topic.name)}", "") for topic in one.topics)
    yield from ((f"the subject {quoted(name)}", "") for name in _by_subject(one))
    yield from ((f"the group {quoted(group.group)}", "") for group in one.groups)
    for stream in one.streams:
        # Other times and headers are other events too, though the lines are the same.
        yield f"such events for {quoted(stream.topic)} in {stream.file}", stream.settings_digest


def _identity_conflicts(sets: Sequence[FixtureSet]) -> Iterator[FixtureProblem]:
    first: dict[str, PlacedRule] = {}
    for one in (one for each in sets for one in each.identity_rules):
        rule, there = one.rule, first.setdefault(one.rule.key, one)
        if rule[1:3] != there.rule[1:3]:
            said, before = (" in ".join(each[1:3]) for each in (rule, there.rule))
            message = f"the {rule.key} has the id {said} here and {before}"
            yield _problem(one.position, message, there.position)


def _topic_conflicts(sets: Sequence[FixtureSet]) -> Iterator[FixtureProblem]:
    topics: dict[str, FixtureTopic] = {}
    for fixture_set in sets:
        metrics = {metric_name(name): topic for name, topic in topics.items()}
        for topic in fixture_set.topics:
            first = topics.setdefault(topic.name, topic)
            yield from topic_conflicts(topic, first)
            other = metrics.get(metric_name(topic.name), topic)
            if other.name != topic.name:
                message = f'{quoted(topic.name)} collides, because Kafka takes "." and "_" for the '
                message += f"same, with {quoted(other.name)}"
                yield _problem(topic.position, message, other.position, "rename one of them")


def topic_conflicts(topic: FixtureTopic, first: FixtureTopic) -> Iterator[FixtureProblem]:
    """Yield what two sets say differently of a topic, at the place of the later one."""
    for what, here, there in _topic_differences(topic, first):
        message = f"the topic {quoted(topic.name)} has {what} {here} here and {there}"
        yield _problem(topic.position, message, first.position)


def _topic_differences(topic: FixtureTopic, first: FixtureTopic) -> Iterator[_Said]:
    if topic.partitions != first.partitions:
        yield "partitions:", topic.partitions, first.partitions
    for part, here, there in zip(("keys", "values"), topic.formats, first.formats, strict=True):
        # Packs of older versions do not say.
        if here and there and here != there:
            yield f"{part} in", here, there
    for name in sorted({*topic.config, *first.config}):
        here, there = (one.config.get(name, "not set") for one in (topic, first))
        if here != there:
            yield f"{name}:", here, there
    if topic.partitioner != first.partitioner:
        yield "the partitioner", topic.partitioner, first.partitioner
    if topic.contract.is_said and first.contract.is_said and topic.contract != first.contract:
        yield "the contract", _shown(topic.contract), _shown(first.contract)
    if topic.owner and first.owner and topic.owner != first.owner:
        yield "owner:", topic.owner, first.owner


def _shown(contract: TopicContract) -> str:
    types = ", ".join(contract.match) or "no types"
    return f"type: {contract.type or 'as usual'}, match: {types}"


def _subject_conflicts(sets: Sequence[FixtureSet]) -> Iterator[FixtureProblem]:
    subjects: dict[str, list[FixtureSchema]] = {}
    for fixture_set in sets:
        for name, versions in _by_subject(fixture_set).items():
            first = subjects.setdefault(name, versions)
            if first is versions:
                continue
            if len(versions) != len(first):
                here, there = versions[-1], first[-1]
                message = f"the subject {quoted(name)} has {here.version} "
                message += f"version{'s' * (here.version > 1)} here and {there.version}"
                yield _problem(here.position, message, there.position)
            for here, there in zip(versions, first, strict=False):
                for what, mine, other in _schema_differences(here, there):
                    message = f"version {here.version} of the subject {quoted(name)} has {what} "
                    message += f"{mine} here and {other}" if mine else "here than"
                    yield _problem(here.position, message, there.position)


def _by_subject(fixture_set: FixtureSet) -> Mapping[str, list[FixtureSchema]]:
    found: dict[str, list[FixtureSchema]] = {}
    for schema in fixture_set.schemas:
        found.setdefault(schema.subject, []).append(schema)
    return found


def _schema_differences(here: FixtureSchema, there: FixtureSchema) -> Iterator[_Said]:
    if not _is_same(here, there):
        yield "another schema", "", ""
    if here.pinned_id and there.pinned_id and here.pinned_id != there.pinned_id:
        yield "the id", here.pinned_id, there.pinned_id
    if here.compatibility and there.compatibility and here.compatibility != there.compatibility:
        yield "compatibility:", here.compatibility, there.compatibility
    if here.owner and there.owner and here.owner != there.owner:
        yield "owner:", here.owner, there.owner


def _is_same(here: FixtureSchema, there: FixtureSchema) -> bool:
    if here.schema_type != there.schema_type or here.references != there.references:
        return False
    # Schemas that mean the same have one id.
    return here.schema_id == there.schema_id or here.text.split() == there.text.split()


def _group_conflicts(sets: Sequence[FixtureSet]) -> Iterator[FixtureProblem]:
    known: dict[tuple[str, str], tuple[_Starts, Position]] = {}
    for fixture_set in sets:
        # What one set says twice is told when it is read.
        starts = {
            (group.group, topic): (each, group.position)
            for group in fixture_set.groups
            for topic, each in _starts(group).items()
        }
        for (group, topic), (here, position) in starts.items():
            there, first = known.setdefault((group, topic), (here, position))
            for partition in {**here, **there}:
                if here.get(partition) != there.get(partition):
                    place = topic if partition is None else f"{topic}-{partition}"
                    message = f"the group {quoted(group)} begins to read {place} "
                    message += f"{_start(here.get(partition))} here and "
                    yield _problem(position, message + _start(there.get(partition)), first)


_Starts = Mapping[int | None, StartOffset]


def _starts(group: FixtureGroup) -> dict[str, _Starts]:
    found: dict[str, dict[int | None, StartOffset]] = {}
    for offset in group.offsets:
        found.setdefault(offset.topic, {})[offset.partition] = offset.start
    return {**found}


def _start(offset: StartOffset | None) -> str:
    return "at no offset of its own" if offset is None else f"at {offset}"


def _stream_conflicts(sets: Sequence[FixtureSet]) -> Iterator[FixtureProblem]:
    known: dict[tuple[str, str | None, str], FixtureStream] = {}
    for stream in (stream for each in sets for stream in each.streams):
        first = known.setdefault(_key(stream), stream)
        if stream is not first and _digests(stream) != _digests(first):
            yield _problem(
                Position(stream.display_file),
                f"once they are seeded, these events for {stream.topic} could not be told from "
                f"those of the file of the same name",
                Position(first.display_file),
                "give the set a name of its own, with  name:  in its fakebus.yaml",
            )


def _key(stream: FixtureStream) -> tuple[str, str | None, str]:
    return stream.topic, stream.set_name, stream.file


def _digests(stream: FixtureStream) -> list[bytes]:
    return [event.digest for event in stream.events]


def _problem(
    position: Position, message: str, other: Position, hint: str = _HINT
) -> FixtureProblem:
    return FixtureProblem.at(position, f"{message} in {other.where}", hint)


def merged(
    named: Sequence[FixtureSet], sets: Sequence[FixtureSet], ids: SchemaIdTable, now_ms: int
) -> FixtureSet:
    """Return sets without contradictions as one.

    Args:
        named: the sets that were asked for.
        sets: these and all that they use, each behind what it builds on and each once.
        ids: the ids of their schemas.
        now_ms: the present.
    """
    by_version: dict[tuple[str, int], FixtureSchema] = {}
    for schema in (schema for each in sets for schema in each.schemas):
        key = (schema.subject, schema.version)
        by_version[key] = _with_both(by_version.get(key, schema), schema)
    # Else the registry would give an id to another schema before it comes to the one that pins it.
    schemas = _pinned_first(by_version) if ids.has_skipped else by_version.values()
    parts: dict[str, Any] = {
        "schemas": tuple(schemas),
        "topics": tuple(_topics(sets)),
        "streams": tuple({_key(one): one for each in sets for one in each.streams}.values()),
        "groups": tuple(_groups(sets)),
        "services": tuple(_services(sets)),
        "identity_rules": tuple(
            {one.rule.key: one for each in sets for one in each.identity_rules}.values()
        ),
    }
    if len(sets) > 1:
        parts["parts"] = tuple(sets)
    if len(named) == 1:
        return replace(named[0], **parts)
    return FixtureSet(root=Path(), anchor_ms=now_ms, now_ms=now_ms, **parts)


def _with_both(first: FixtureSchema, schema: FixtureSchema) -> FixtureSchema:
    readers = {reader.service: reader for reader in (*schema.readers, *first.readers)}
    return replace(
        first,
        compatibility=first.compatibility or schema.compatibility,
        pinned_id=first.pinned_id or schema.pinned_id,
        owner=first.owner or schema.owner,
        consumers=_union(first.consumers, schema.consumers),
        readers=tuple(readers.values()),
    )


def _union(first: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *other]))


def _topics(sets: Sequence[FixtureSet]) -> Iterable[FixtureTopic]:
    found: dict[str, FixtureTopic] = {}
    for topic in (topic for each in sets for topic in each.topics):
        first = found.get(topic.name, topic)
        found[topic.name] = replace(
            first,
            owner=first.owner or topic.owner,
            consumers=_union(first.consumers, topic.consumers),
            producers=_union(first.producers, topic.producers),
            description=first.description or topic.description,
            contract=first.contract if first.contract.is_said else topic.contract,
            subjects=_union(first.subjects, topic.subjects),
        )
    return found.values()


def _groups(sets: Sequence[FixtureSet]) -> Iterable[FixtureGroup]:
    found: dict[str, FixtureGroup] = {}
    for group in (group for each in sets for group in each.groups):
        first = found.get(group.group, group)
        offsets = {(each.topic, each.partition): each for each in (*first.offsets, *group.offsets)}
        found[group.group] = replace(first, offsets=tuple(offsets.values()))
    return found.values()


def _services(sets: Sequence[FixtureSet]) -> Iterable[ServiceRule]:
    found: dict[str, ServiceRule] = {}
    for rule in (rule for each in sets for rule in each.services):
        first = found.get(rule.service, rule).patterns
        both = {name: _union(first[name], other) for name, other in rule.patterns.items()}
        found[rule.service] = ServiceRule(rule.service, **both)
    return found.values()


def _pinned_first(
    schemas: Mapping[tuple[str, int], FixtureSchema],
) -> Iterable[FixtureSchema]:
    found: dict[tuple[str, int], FixtureSchema] = {}

    def take(key: tuple[str, int]) -> None:
        if key in found:
            return
        subject, version = key
        if version > 1:
            take((subject, version - 1))
        for _, name, number in schemas[key].references:
            take((name, number))
        found[key] = schemas[key]

    for key in sorted(schemas, key=lambda key: schemas[key].pinned_id is None):
        take(key)
    return found.values()
