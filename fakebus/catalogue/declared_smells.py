"""Smells that declarations, schemas, configs and events show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fakebus.catalogue.event_types import EventType
from fakebus.catalogue.fields import fields
from fakebus.catalogue.smell_facts import Facts, Found
from fakebus.fixture_files.recording.field_names import name_parts
from fakebus.fixture_files.recording.redaction_rules import rule_table
from fakebus.schemas.interface import ParsedSchema
from fakebus.wording import counted

Limits = Mapping[str, Any]
_SHOWN = 8
_VERSION = re.compile(r"[.\-_]?v?\d+$")
_NOT_PERSONAL = frozenset(("secret", "place", "IP address"))
"""Rules of redaction for what is secret, or says little about a person by itself."""


def nobody_listens(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find event types that are written, and that no consumer is declared or seen for."""
    unread = [
        event
        for event in facts.catalogue.event_types
        if event.topics and (event.producers or event.records) and not event.consumers
    ]
    for topics, events in _by_topics(unread):
        evidence = [f"no consumer of {', '.join(topics)} is declared or was seen"]
        if events[0].records:
            evidence.append(f"{counted(events[0].records, 'record is', 'records are')} there")
        yield _about_all(events, evidence)


def _by_topics(
    events: Iterable[EventType],
) -> Iterable[tuple[tuple[str, ...], list[EventType]]]:
    """Return event types by their topics: what holds for a topic is one finding, not one each."""
    found: dict[tuple[str, ...], list[EventType]] = {}
    for event in events:
        found.setdefault(tuple(event.topics), []).append(event)
    return found.items()


def _about_all(events: Sequence[EventType], evidence: list[str]) -> Found:
    """Return what was found of several event types, or of the only one."""
    if len(events) == 1:
        return _about(events[0], evidence)
    more = f" and {len(events) - _SHOWN} more" if len(events) > _SHOWN else ""
    names = f"its event types: {', '.join(each.name for each in events[:_SHOWN])}{more}"
    about = ", ".join(events[0].topics)
    return Found(about=about, evidence=[*evidence, names], where=events[0].place)


def several_writers(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find event types that more services write than should."""
    for event in facts.catalogue.event_types:
        if len(event.producers) > limits["most_writers"]:
            yield _about(event, [f"{one.service} writes it" for one in event.producers])


def foreign_writer(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find services that were seen to write what others are declared to write."""
    for event in facts.catalogue.event_types:
        declared = [one.service for one in event.producers if one.declared]
        foreign = [one.service for one in event.producers if one.seen and not one.declared]
        if declared and foreign:
            evidence = [f"{name} was seen to write it" for name in foreign]
            yield _about(event, [*evidence, f"{', '.join(declared)} should"])


def ownerless(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find event types without an owner."""
    known = facts.catalogue.event_types
    for _, events in _by_topics(each for each in known if each.owner is None and each.topics):
        yield _about_all(events, ["no owner is declared"])


def command_as_event(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find event types that are named as an order, and have one consumer at most."""
    verbs = frozenset(limits["verbs"])
    for event in facts.catalogue.event_types:
        names = [event.name, *event.topics]
        imperative = next((name for name in names if _first_word(name) in verbs), None)
        is_command = imperative is not None or name_parts(event.name)[-1:] == ("command",)
        if is_command and 0 < len(event.consumers) <= limits["most_consumers"]:
            named = imperative or event.name
            readers = ", ".join(one.service for one in event.consumers)
            yield _about(
                event, [f"{named} tells somebody to do something", f"only {readers} reads it"]
            )


def _first_word(name: str) -> str:
    last = _VERSION.sub("", name).rpartition(".")[2]
    return next(iter(name_parts(last)), "")


def entity_without_key(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find topics whose records have an id in the value and no key."""
    for event in facts.catalogue.event_types:
        keyless = sum(one.sample.without_key for one in facts.topics(event))
        name = _id_field(event)
        if keyless and name:
            sampled = sum(one.sample.records for one in facts.topics(event))
            evidence = [
                f"{keyless} of {counted(sampled, 'record')} that were looked at have no key",
                f'the value says in "{name}" which thing it is about',
            ]
            yield _about(event, evidence)


def _id_field(event: EventType) -> str:
    """Return the field that says which thing an event is about; empty if it has none."""
    names = [name for each in event.examples if isinstance(each, dict) for name in each]
    subjects = {name_parts(each)[:1] for each in (*event.topics, event.name.rpartition(".")[2])}
    for name in dict.fromkeys(names):
        parts = name_parts(name)
        if parts in (("id",), ("uuid",), ("key",)) or (
            parts[-1:] in (("id",), ("uuid",), ("key",)) and parts[:1] in subjects
        ):
            return str(name)
    return ""


def entity_without_compaction(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find topics that repeat things under their keys, whole, and that are not compacted."""
    for event in facts.catalogue.event_types:
        for topic in facts.topics(event):
            is_compacted = "compact" in topic.config.get("cleanup.policy", "")
            repeats = topic.sample.most_of_a_key
            is_state = _first_word(event.name) and not _is_past(event.name)
            if not is_compacted and is_state and repeats >= limits["least_repeats"]:
                if _id_field(event):
                    evidence = [
                        f"a key of {topic.name} has {counted(repeats, 'record')}",
                        "the name says what it is, not what has happened",
                        f"cleanup.policy is {topic.config.get('cleanup.policy', 'delete')}",
                    ]
                    yield _about(event, evidence)


_IRREGULAR = frozenset(
    "begun bought built done drawn found given gone grown held kept known left lost made met paid "
    "put read run seen sent set sold spent taken told won written".split()
)


def _is_past(name: str) -> bool:
    words = name_parts(_VERSION.sub("", name).rpartition(".")[2])
    return any(word.endswith("ed") or word in _IRREGULAR for word in words)


def personal_data_kept_for_ever(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find personal data in the clear, in topics that never delete it."""
    undecided: list[tuple[EventType, str]] = []
    for event in facts.catalogue.event_types:
        named = _personal_fields(facts, event)
        shown = ", ".join(f'"{path}" ({what})' for path, what in list(named.items())[:_SHOWN])
        for topic in facts.topics(event) if named else ():
            policy = topic.config.get("cleanup.policy", "delete")
            if "delete" not in policy:
                kept = (
                    f"{topic.name} has cleanup.policy = {policy}, and keeps the newest of each key"
                )
            elif topic.config.get("retention.ms") == "-1":
                kept = f"{topic.name} has retention.ms = -1"
            else:
                continue
            if "delete" in policy and topic.parties.keeps_by_default:
                undecided.append((event, shown))
            else:
                yield _about(event, [shown, kept])
    yield from _kept_undecided(undecided)


def _kept_undecided(found: Sequence[tuple[EventType, str]]) -> Iterator[Found]:
    """Yield what is kept only as nothing is said of it: that is one thing to decide, not many."""
    if len(found) == 1:
        event, shown = found[0]
        yield _about(event, [shown, f"{event.topics[0]} has retention.ms = -1"])
    elif found:
        topics = sorted({topic for event, _ in found for topic in event.topics})
        yield Found(
            about=f"{counted(len(topics), 'topic')} without a declared retention",
            evidence=[
                "nothing is said of how long they keep records, and without retention.ms fixtures "
                f"keep them for ever: {', '.join(topics)}",
                *(f"{event.name}: {shown}" for event, shown in found),
            ],
            where=found[0][0].place,
        )


def _personal_fields(facts: Facts, event: EventType) -> dict[str, str]:
    paths = [each.path for each in fields(_schema(facts, event))] if event.subject else []
    paths += [path for each in event.examples for path in _paths(each)]
    found: dict[str, str] = {}
    for path in dict.fromkeys(paths):
        parent, _, name = path.rpartition(".")
        rule = rule_table().of_field(name, parent.rpartition(".")[2])
        if rule is not None and rule.rule not in _NOT_PERSONAL:
            found[path] = rule.rule
    return found


def _schema(facts: Facts, event: EventType) -> ParsedSchema:
    return facts.landscape.subjects[str(event.subject)].latest.parsed


def _paths(data: object, path: str = "") -> Iterator[str]:
    """Yield the paths of an example, which is not deep."""
    if isinstance(data, dict):
        for name, inner in data.items():
            place = f"{path}.{name}" if path else str(name)
            yield place
            yield from _paths(inner, place)
    elif isinstance(data, list):
        for inner in data:
            yield from _paths(inner, path)


def fat_event(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find large events, and those most of whose fields no reader has."""
    for event in facts.catalogue.event_types:
        evidence = [
            f"of 100 records of {topic.name} 5 have {topic.sample.p95_bytes} bytes or more"
            for topic in facts.topics(event)
            if topic.sample.p95_bytes >= limits["p95_bytes"]
        ]
        unread, count = _unread(facts, event)
        if len(unread) >= limits["unread_fields"] and len(unread) >= count * limits["unread_share"]:
            shown = ", ".join(f'"{path}"' for path in unread[:_SHOWN])
            evidence.append(f"{len(unread)} of {counted(count, 'field')} no reader has: {shown}")
        if evidence:
            yield _about(event, evidence)


def _unread(facts: Facts, event: EventType) -> tuple[list[str], int]:
    """Return the fields that no reader has, and how many there are; none if not all are known."""
    if event.subject is None or not event.consumers:
        return [], 0
    subject = facts.landscape.subjects[event.subject]
    readers = subject.read_by()
    if {one.service for one in event.consumers} - readers.keys():
        return [], 0
    read = {place for schema in readers.values() for each in fields(schema) for place in each.read}
    own = [each for each in fields(subject.latest.parsed) if each.path.count(".") == 0]
    return [each.path for each in own if each.written not in read], len(own)


def service_cycle(facts: Facts, limits: Limits) -> Iterator[Found]:
    """Find services that read, over others, what they cause."""
    steps: dict[str, dict[str, str]] = {}
    for event in facts.catalogue.event_types:
        for writer in event.producers:
            for reader in event.consumers:
                if reader.service != writer.service:
                    steps.setdefault(writer.service, {}).setdefault(reader.service, event.name)
    told: set[frozenset[str]] = set()
    for start in sorted(steps):
        circle = _way_back(start, steps)
        if circle and frozenset(circle) not in told:
            told.add(frozenset(circle))
            pairs = zip(circle, [*circle[1:], circle[0]], strict=True)
            evidence = [
                f"{one} writes {steps[one][other]}, which {other} reads" for one, other in pairs
            ]
            yield Found(about=" -> ".join([*circle, circle[0]]), evidence=evidence)


def _way_back(start: str, steps: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return the shortest way from a service to itself; empty if there is none."""
    ways: dict[str, list[str]] = {start: [start]}
    waiting = [start]
    for service in waiting:
        for other in steps.get(service, ()):
            if other == start:
                return ways[service]
            if other not in ways:
                ways[other] = [*ways[service], other]
                waiting.append(other)
    return []


def _about(event: EventType, evidence: list[str]) -> Found:
    return Found(about=event.name, evidence=evidence, where=event.place)
