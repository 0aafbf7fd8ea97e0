"""Forms of a record in streams: as events of fixture files have it, or byte for byte.

Both are what ``fakebus tail --json`` and fixture files know, or can be made of it: a line is an
event; MessagePack has what no text can hold, and so is the form for copies.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fakebus.broker.topics import Topic
from fakebus.cluster.event_lines import event_fields
from fakebus.cluster.events import Event
from fakebus.records.batch import NO_TIMESTAMP
from fakebus.records.record import NewRecord
from fakebus.types import TopicPartition
from fakebus.web.errors import RequestError
from fakebus.web.media_types import accepted
from fakebus.wording import counted

JSON = "application/json"
LINES = "application/x-ndjson"
MSGPACK = "application/msgpack"
_TYPES = {
    JSON: JSON,
    "*/*": JSON,
    "application/*": JSON,
    LINES: LINES,
    "application/jsonl": LINES,
    "application/ndjson": LINES,
    MSGPACK: MSGPACK,
    "application/x-msgpack": MSGPACK,
    "application/vnd.msgpack": MSGPACK,
}
_PACKED = frozenset(("topic", "partition", "offset", "timestamp_ms", "key", "value", "headers"))
_MOST_DIGITS = 18


def wanted_form(accept: str) -> str:
    """Return the form that an ``Accept`` prefers; RequestError 406 if it takes none."""
    if not accept.strip():
        return JSON
    for name in accepted(accept):
        if name in _TYPES:
            return _TYPES[name]
    raise RequestError(406, f"records are sent as {JSON}, {LINES} or {MSGPACK}")


def sent_form(content_type: str) -> str:
    """Return the form of a body; RequestError 415 if it is none."""
    form = _TYPES.get(content_type or JSON)
    if form is None or "*" in content_type:
        raise RequestError(415, f"records are read as {JSON}, {LINES} or {MSGPACK}")
    return form


def packed(event: Event) -> bytes:
    """Return a record in MessagePack, key, value and headers byte for byte."""
    import msgpack

    fields = {
        "topic": event.topic,
        "partition": event.partition,
        "offset": event.offset,
        "timestamp_ms": event.timestamp_ms,
        "key": event.key,
        "value": event.value,
        "headers": event.headers,
    }
    # Names of headers that were no UTF-8 are kept as surrogates.
    data: bytes = msgpack.packb(fields, unicode_errors="surrogateescape")
    return data


def unpacked(fields: Mapping[str, Any]) -> tuple[int | None, NewRecord]:
    """Return the partition and the record of what :func:`packed` has made; 422 if it is none."""
    partition, timestamp_ms = fields.get("partition"), fields.get("timestamp_ms", NO_TIMESTAMP)
    key, value = fields.get("key"), fields.get("value")
    headers = fields.get("headers") or ()
    are_right = (
        fields.keys() <= _PACKED
        and isinstance(key, bytes | None)
        and isinstance(value, bytes | None)
        and (partition is None or type(partition) is int)
        and type(timestamp_ms) is int
        and isinstance(headers, list | tuple)
        and all(
            isinstance(each, list | tuple)
            and len(each) == 2
            and isinstance(each[0], str)
            and isinstance(each[1], bytes | None)
            for each in headers
        )
    )
    if not are_right:
        raise RequestError(
            422,
            "a record has key and value of bytes, headers of names and bytes, and may have "
            "partition and timestamp_ms",
        )
    pairs = tuple((name, data) for name, data in headers)
    return partition, NewRecord(key, value, pairs, max(timestamp_ms, NO_TIMESTAMP))


def line(event: Event) -> str:
    """Return a record as a line, in ASCII."""
    return json.dumps(event_fields(event)) + "\n"


def cursor_text(positions: Mapping[TopicPartition, int]) -> str:
    """Return where reading goes on, by partition: ``0:12,1-9:7``."""
    runs: list[tuple[int, int, int]] = []
    for place, offset in sorted(positions.items()):
        first, last, before = runs[-1] if runs else (0, -2, 0)
        if (last + 1, before) == (place.partition, offset):
            runs[-1] = first, place.partition, offset
        else:
            runs.append((place.partition, place.partition, offset))
    return ",".join(
        f"{first}:{offset}" if first == last else f"{first}-{last}:{offset}"
        for first, last, offset in runs
    )


def cursor_of(topic: Topic, text: str) -> dict[TopicPartition, int]:
    """Return the positions that :func:`cursor_text` has written; RequestError 400 if it is none.

    One beyond the end of a log is left out: the log was cut, or its topic made anew, since. As a
    consumer of Kafka, who asks begins there where it would without a position.
    """
    found, named = {}, 0
    for part in filter(None, text.split(",")):
        run, _, offset = part.partition(":")
        first, _, last = run.partition("-")
        if not all(
            each.isascii() and each.isdigit() and len(each) <= _MOST_DIGITS
            for each in (first, last or first, offset)
        ):
            raise RequestError(400, f"{part[:80]!r} is no PARTITION:OFFSET, where to go on")
        named += max(int(last or first) - int(first) + 1, 1)
        if named > len(topic.partitions):
            told = f"{topic.name} has {counted(len(topic.partitions), 'partition')}"
            raise RequestError(400, f"where to go on is told of more partitions: {told}")
        for partition in range(int(first), int(last or first) + 1):
            log = topic.partition(partition)
            if log is None or int(offset) <= max(log.log_end_offset, log.former_end_offset):
                found[TopicPartition(topic.name, partition)] = int(offset)
    return found
