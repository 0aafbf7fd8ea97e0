"""What is different between two snapshots of a bus, or between one and now.

Records are read once, by slices; what is kept of them is bounded, and counted beyond that.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from fakebus.broker.activity import Origin
from fakebus.broker.saved_snapshots import Pair
from fakebus.broker.snapshots import LogCopy, Snapshot
from fakebus.broker.turns import in_turns
from fakebus.cluster.embedded import EmbeddedCluster
from fakebus.cluster.event_lines import event_line
from fakebus.cluster.events import Event
from fakebus.cluster.interface import ClusterError, is_internal_topic
from fakebus.fixture_files.recording.reading import SourceRecord, SourceTopic
from fakebus.real_time import monotonic
from fakebus.registry.log_records import read_key, read_value
from fakebus.registry.schema_log import TOPIC as SCHEMAS_TOPIC
from fakebus.servers import Bus
from fakebus.types import TopicPartition
from fakebus.wording import counted

MOST_LINES_BYTES = 8 << 20
"""Bytes of records that are shown; those beyond are counted only."""
COMPARE_S = 10.0
"""How long records are compared; what is different beyond that is not told."""
MOST_EXPORTED = 20_000
MOST_EXPORTED_BYTES = 32 << 20

Json = dict[str, Any]


@dataclass(slots=True)
class _Side:
    """Records that only one of the snapshots has, of one partition."""

    count: int = 0
    lines: list[str] = field(default_factory=list)


async def compare(bus: Bus, pair: Pair, limit: int) -> Json:
    """Return what is different, as ``fakebus snapshot diff --json`` prints it.

    Args:
        bus: whose snapshots they are.
        pair: the older one and the newer one.
        limit: records of each partition that are shown at most.
    """
    before, after = pair
    anew = {
        name
        for name in _shown(before) & _shown(after)
        if before.topics[name].topic_id != after.topics[name].topic_id
    }
    records: list[Json] = []
    complete = await _records(bus, pair, limit, records)
    found: Json = {
        "topics_created": sorted(_shown(after) - _shown(before) | anew),
        "topics_deleted": sorted(_shown(before) - _shown(after) | anew),
        "records": records,
        "offsets": await _offsets(before, after),
        "configs": list(_configs(before, after)),
        "subjects": await _subjects(bus, pair),
    }
    return {"same": complete and not any(found.values()), "complete": complete, **found}


def _shown(snapshot: Snapshot) -> set[str]:
    return {name for name in snapshot.topics if not is_internal_topic(name)}


def _logs(pair: Pair, name: str) -> Iterator[tuple[TopicPartition, LogCopy | None, LogCopy | None]]:
    logs = [topic.logs if (topic := each.topics.get(name)) else [] for each in pair]
    for index in range(max(map(len, logs))):
        old, new = (each[index] if index < len(each) else None for each in logs)
        yield TopicPartition(name, index), old, new


async def _records(bus: Bus, pair: Pair, limit: int, found: list[Json]) -> bool:
    """Add what is different in each partition; return whether there was time for all of it."""
    cluster, room = EmbeddedCluster(bus, Origin(front_end="http")), MOST_LINES_BYTES
    until = monotonic() + COMPARE_S
    for name in sorted(_shown(pair[0]) | _shown(pair[1])):
        async for place, old, new in in_turns(_logs(pair, name)):
            sides = removed, added = _Side(), _Side()
            async with aclosing(bus.broker.saved_snapshots.reader.differences(old, new)) as all_:
                async for both in all_:
                    for side, record in zip(sides, both, strict=True):
                        if record is None:
                            continue
                        side.count += 1
                        if len(side.lines) < limit and room > 0:
                            (event,) = await cluster.events(place, [record])
                            side.lines.append(event_line(event))
                            room -= len(side.lines[-1])
                    if monotonic() > until:
                        break
            if removed.count or added.count:
                found.append(
                    {
                        "topic": name,
                        "partition": place.partition,
                        "added": added.count,
                        "removed": removed.count,
                        "added_lines": added.lines,
                        "removed_lines": removed.lines,
                    }
                )
            if monotonic() > until:
                return False
    return True


async def _offsets(before: Snapshot, after: Snapshot) -> list[Json]:
    found: list[Json] = []
    async for group in in_turns(sorted(before.offsets.keys() | after.offsets.keys())):
        old, new = (
            {p: row.offset for p, row in each.offsets.get(group, {}).items()}
            for each in (before, after)
        )
        found += (
            {
                "group": group,
                "topic": place.topic,
                "partition": place.partition,
                "before": was,
                "after": now,
            }
            for place, was, now in _changed(old, new)
        )
    return found


def _configs(before: Snapshot, after: Snapshot) -> Iterator[Json]:
    for name in sorted(_shown(before) & _shown(after)):
        for key, was, now in _changed(before.topics[name].configs, after.topics[name].configs):
            yield {"kind": "topic", "name": name, "config": key, "before": was, "after": now}
    for kind, name in sorted(
        before.configs.keys() | after.configs.keys(), key=lambda each: (each[0].name, each[1])
    ):
        old, new = (each.configs.get((kind, name), {}) for each in (before, after))
        for key, was, now in _changed(old, new):
            told = {"kind": kind.name.lower(), "name": name, "config": key}
            yield {**told, "before": was, "after": now}


def _changed(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Iterator[tuple[Any, Any, Any]]:
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if was != now:
            yield key, was, now


async def _subjects(bus: Bus, pair: Pair) -> list[Json]:
    _, old, new = next(_logs(pair, SCHEMAS_TOPIC), (None, None, None))
    async with aclosing(bus.broker.saved_snapshots.reader.differences(old, new)) as changes:
        if await anext(changes, None) is None:
            return []
    before, after = [await _versions(bus, each) for each in (old, new)]
    return [
        {"subject": subject, "version": version, "change": change}
        for change, found in (("added", after - before), ("removed", before - after))
        for subject, version in sorted(found)
    ]


async def _versions(bus: Bus, log: LogCopy | None) -> set[tuple[str, int]]:
    """Return the subjects' versions that were not deleted."""
    found: set[tuple[str, int]] = set()
    async for record in bus.broker.saved_snapshots.reader.records(log):
        try:
            key = read_key(record.key or b"")
            value = {} if record.value is None else read_value(record.value)
        except ValueError:
            continue  # the registry passes over it too
        subject = key.subject or ""
        if key.kind == "SCHEMA" and value and value.get("deleted") is not True:
            found.add((subject, key.version))
        elif key.kind == "SCHEMA":
            found.discard((subject, key.version))
        elif key.kind == "DELETE_SUBJECT" and isinstance(upto := value.get("version"), int):
            found -= {each for each in found if each[0] == subject and each[1] <= upto}
    return found


async def emitted_events(bus: Bus, pair: Pair) -> list[Event]:
    """Return the records that only the newer snapshot has, in the order of their timestamps.

    Raises:
        ClusterError: they are too many to be kept in memory.
    """
    cluster, found, size = EmbeddedCluster(bus, Origin(front_end="http")), [], 0
    for name in sorted(_shown(pair[1])):
        async for place, old, new in in_turns(_logs(pair, name)):
            async for _, record in bus.broker.saved_snapshots.reader.differences(old, new):
                if record is None:
                    continue
                found += await cluster.events(place, [record])
                size += found[-1].size_bytes
                if len(found) > MOST_EXPORTED or size > MOST_EXPORTED_BYTES:
                    raise ClusterError(
                        f"more than {counted(MOST_EXPORTED, 'record')} or "
                        f"{MOST_EXPORTED_BYTES >> 20} MiB are different, too many to be taken "
                        "out at once; take the topics themselves, with fakebus fixtures record or "
                        "fakebus replay TOPIC"
                    )
    return sorted(found, key=lambda event: event.timestamp_ms)


def source_record(event: Event) -> SourceRecord:
    """Return a record as a recording begins with."""
    return SourceRecord(
        event.partition, event.offset, event.timestamp_ms, event.key, event.value, event.headers
    )


async def emitted_topics(bus: Bus, pair: Pair) -> list[SourceTopic]:
    """Return the records that only the newer snapshot has, by topic, as a recording begins with.

    Raises:
        ClusterError: they are too many to be exported.
    """
    found: dict[str, list[SourceRecord]] = {}
    for event in await emitted_events(bus, pair):
        found.setdefault(event.topic, []).append(source_record(event))
    topics = {name: pair[1].topics[name] for name in sorted(found)}
    return [
        SourceTopic(
            name=name, partitions=len(topic.logs), config=topic.configs, records=found[name]
        )
        for name, topic in topics.items()
    ]


async def emitted_records(bus: Bus, pair: Pair) -> list[Json]:
    """Return :func:`emitted_topics` as JSON, with the bytes of keys and values in base64."""
    return [
        {
            "name": topic.name,
            "partitions": topic.partitions,
            "config": topic.config,
            "records": list(map(_raw, topic.records)),
        }
        for topic in await emitted_topics(bus, pair)
    ]


def _raw(record: SourceRecord) -> Json:
    return {
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "key": _text(record.key),
        "value": _text(record.value),
        "headers": [[name, _text(data)] for name, data in record.headers],
    }


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
