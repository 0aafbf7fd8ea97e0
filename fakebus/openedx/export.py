"""Write a fixture set of every event that the installed openedx-events can put on the bus.

The set holds the schemas as the producers register them, a catalogue, and sample events
that fit together; see :mod:`fakebus.openedx.samples`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakebus.clock import SystemClock
from fakebus.fixture_files.drift.lock import check_lock_target, write_lock
from fakebus.fixture_files.lint import is_oep41_type
from fakebus.fixture_files.loader import load_fixtures
from fakebus.fixture_files.recording.written_sets import ROOT_FILE, WrittenSet
from fakebus.fixture_files.times import parse_duration
from fakebus.openedx.catalogue import CatalogueEvent, events_version, load_catalogue
from fakebus.openedx.samples import Sample, samples_of

DEFAULT_PREFIX = "dev"
_HOSTS = {"cms": "cms.devstack.edx", "lms": "edx.devstack.lms"}
MADE_BY = "fakebus openedx export"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """Report of an export."""

    version: str
    """Of openedx-events."""
    event_types: int
    topics: int
    events: int
    without_samples: tuple[str, ...]
    """Event types that are newer than this fakebus: schema and topic only."""


def export(directory: Path, *, prefix: str = DEFAULT_PREFIX) -> ExportReport:
    """Write the set.

    Args:
        directory: created if needed. A set that this wrote is replaced; other files stay.
        prefix: ``EVENT_BUS_TOPIC_PREFIX`` of the services; empty for none.

    Raises:
        MissingEventsError: openedx-events is not installed.
        FakebusError: a file would be overwritten that was not written by this, or has been
            changed since.
    """
    catalogue = load_catalogue()
    version = events_version()
    files = files_of_set(catalogue, version, prefix)
    check_lock_target(directory)
    WrittenSet(directory, MADE_BY).write(files)
    fixture_set = load_fixtures(directory, now_ms=SystemClock().now_ms())
    write_lock(fixture_set, f"openedx-events {version}")
    events = {each.event_type: _samples(each) for each in catalogue}
    return ExportReport(
        version=version,
        event_types=len(catalogue),
        topics=len({each.topic for each in catalogue}),
        events=sum(map(len, events.values())),
        without_samples=tuple(name for name, found in events.items() if not found),
    )


def files_of_set(
    catalogue: Sequence[CatalogueEvent], version: str, prefix: str = DEFAULT_PREFIX
) -> dict[str, str]:
    """Return the files of the set by their paths, without the lock.

    Args:
        catalogue: the events, by type.
        version: of openedx-events.
        prefix: as for :func:`export`.
    """
    files = {f"schemas/{each.event_type}.avsc": _schema_text(each.schema) for each in catalogue}
    for key_type in sorted({each.key_type for each in catalogue}):
        files[f"schemas/key-{key_type}.avsc"] = json.dumps(key_type)
    topics = _by_topic(catalogue)
    for topic, types in topics.items():
        lines = "\n".join(_event_lines(types, prefix))
        if lines:
            files[f"events/{topic}.ndjson"] = lines
    files["catalog.json"] = json.dumps(_catalogue_rows(catalogue), indent=1)
    files[ROOT_FILE] = "\n".join(_yaml(topics, version, prefix))
    return {path: f"{text}\n" for path, text in files.items()}


def _samples(event: CatalogueEvent) -> list[Sample]:
    return samples_of(event.event_type, event.schema)


def _schema_text(schema: object) -> str:
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False)


def _by_topic(catalogue: Sequence[CatalogueEvent]) -> Mapping[str, list[CatalogueEvent]]:
    topics: dict[str, list[CatalogueEvent]] = {}
    for each in catalogue:
        topics.setdefault(each.topic, []).append(each)
    return dict(sorted(topics.items()))


def _prefixed(prefix: str, name: str) -> str:
    return f"{prefix}-{name}" if prefix else name


def _event_lines(types: Sequence[CatalogueEvent], prefix: str) -> Iterator[str]:
    timed: list[tuple[int, str]] = []
    for each in types:
        for sample in _samples(each):
            timed.append((parse_duration(sample.at), _event_line(each, sample, prefix)))
    # Stable: what happened at the same time stays in the order of the types.
    for _, line in sorted(timed, key=lambda pair: pair[0]):
        yield line


def _event_line(each: CatalogueEvent, sample: Sample, prefix: str) -> str:
    short = each.event_type.removeprefix("org.openedx.")
    event: dict[str, Any] = {
        "id": f"{short}/{sample.name}",
        "at": sample.at,
        "key": _key_of(each, sample.data),
        "headers": {"ce_type": each.event_type},
        "value": {"subject": _prefixed(prefix, each.subject), "data": sample.data},
    }
    return json.dumps(event, ensure_ascii=False)


def _key_of(each: CatalogueEvent, data: Any) -> Any:
    for name in each.key_field.split("."):
        data = data[name]
    return data


def _catalogue_rows(catalogue: Sequence[CatalogueEvent]) -> list[dict[str, Any]]:
    return [
        {
            "event_type": each.event_type,
            "topic": each.topic,
            "event_key_field": each.key_field,
            "owner": each.owner,
            "consumers": list(each.consumers),
        }
        for each in catalogue
    ]


def _yaml(
    topics: Mapping[str, Sequence[CatalogueEvent]], version: str, prefix: str
) -> Iterator[str]:
    yield f"# Written by: {MADE_BY} (openedx-events {version})."
    yield "# Every event that Open edX's services can put on the bus, with sample events."
    yield "version: 1"
    # Sets for several prefixes may be used together, and are told apart by their names.
    yield "name: openedx" + ("" if prefix == DEFAULT_PREFIX else f"-{prefix or 'unprefixed'}")
    yield f'release: "{version}"'
    yield "clock: {anchor: now, tz: UTC}  # all times are relative: yesterday stays yesterday"
    yield "partitioner: consistent_random  # what confluent-kafka does"
    yield "compatibility: FORWARD  # Open edX's policy: fields may be added"
    misnamed = [
        each.event_type
        for types in topics.values()
        for each in types
        if not is_oep41_type(each.event_type)
    ]
    if misnamed:
        yield "lint:"
        yield "  ignore:  # types that Open edX itself has named otherwise than OEP-41 says"
        for event_type in sorted(misnamed):
            yield f"    - oep41-type/{event_type}"
    yield ""
    yield "subjects:"
    for topic, types in topics.items():
        for key_type in sorted({each.key_type for each in types}):
            subject = _prefixed(prefix, f"{topic}-{key_type}")
            yield f"  - {{subject: {subject}, schema: schemas/key-{key_type}.avsc}}"
        for each in types:
            yield f"  - subject: {_prefixed(prefix, each.subject)}"
            yield f"    schema: schemas/{each.event_type}.avsc"
    yield ""
    yield "topics:"
    seen: set[str] = set()
    for topic, types in topics.items():
        yield from _yaml_topic(topic, types, version, prefix, seen)
        if any(map(_samples, types)):
            yield f"    load: events/{topic}.ndjson"
    yield ""
    yield "# A group begins at the end of a topic unless it has committed something; these have."
    yield "groups:"
    yield from _yaml_groups(topics, prefix)


def _yaml_topic(
    topic: str, types: Sequence[CatalogueEvent], version: str, prefix: str, seen: set[str]
) -> Iterator[str]:
    owner = types[0].owner
    consumers = sorted({name for each in types for name in each.consumers})
    key_types = sorted({each.key_type for each in types})
    yield f"  - name: {_prefixed(prefix, topic)}"
    yield f"    owner: {owner}"
    if consumers:
        yield f"    consumers: [{', '.join(consumers)}]"
    yield f"    key: {{subject: {_prefixed(prefix, f'{topic}-{key_types[0]}')}}}"
    if owner in seen:
        yield f"    headers: *{owner}"
        return
    seen.add(owner)
    # The headers of edx-event-bus-kafka; ce_type stands with each event.
    yield f"    headers: &{owner}"
    yield "      ce_id: {$event: uuid}"
    yield f"      ce_source: openedx/{owner}/web"
    yield '      ce_specversion: "1.0"'
    yield "      ce_time: {$time: at}"
    yield '      ce_minorversion: "0"'
    yield f"      sourcehost: {_HOSTS.get(owner, f'edx.devstack.{owner}')}"
    yield f'      sourcelib: "{version}"'
    yield "      content-type: application/avro"
    yield "      ce_datacontenttype: application/avro"


def _yaml_groups(topics: Mapping[str, Sequence[CatalogueEvent]], prefix: str) -> Iterator[str]:
    reads: dict[str, list[str]] = {}
    for topic, types in topics.items():
        for consumer in sorted({name for each in types for name in each.consumers}):
            reads.setdefault(consumer, []).append(topic)
    for consumer, names in sorted(reads.items()):
        yield f"  - group: {_prefixed(prefix, consumer)}"
        yield "    offsets:"
        for topic in names:
            yield f'      {_prefixed(prefix, topic)}: {{"*": earliest}}'
