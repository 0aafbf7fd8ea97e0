"""What happened during a test, line by line, for the report of its failure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from fakebus.broker.activity import Activity
from fakebus.escaping import printable_lines
from fakebus.testing.events import Event, shown

_MOST_LINES = 200
_VALUE_LENGTH = 120
_HEADERS_OF_NOTE = ("ce_type", "ce_id", "ce_source", "content-type", "traceparent", "event-type")
_OTHER_HEADERS = 3


def draw_timeline(
    events: Sequence[Event],
    activities: Sequence[Activity],
    published: Collection[tuple[str, int, int]],
    began_ms: int,
) -> str:
    """Return one line for each record and for each time that one was fetched or committed.

    Args:
        events: the records since the test began.
        activities: what clients did.
        published: topic, partition and offset of the records that the test wrote itself.
        began_ms: when the test began, in milliseconds since the epoch.
    """
    producers = {
        (each.topic, each.partition, offset): each
        for each in activities
        if each.verb == "produced"
        for offset in range(each.offset, each.last_offset + 1)
    }
    lines: list[tuple[int, Callable[[], str]]] = []
    for event in events:
        place = event.topic, event.partition, event.offset
        write = producers.get(place)
        at_ms = event.timestamp_ms if write is None else write.at_ms
        who = "the test" if place in published else "" if write is None else str(write.origin)
        lines.append((at_ms, partial(_event_line, event, who)))
    others = (each for each in activities if each.verb != "produced")
    lines += [(each.at_ms, partial(_activity_line, each)) for each in others]
    lines.sort(key=lambda line: line[0])
    # Only what is shown is decoded.
    shown_lines = lines[-_MOST_LINES:]
    drawn = [f"{(at_ms - began_ms) / 1000:+9.3f} s  {draw()}" for at_ms, draw in shown_lines]
    if len(lines) > len(drawn):
        drawn.insert(0, f"… {len(lines) - len(drawn)} earlier lines")
    return printable_lines(drawn)


def _event_line(event: Event, who: str) -> str:
    parts = [f"{event.topic}[{event.partition}]@{event.offset}"]
    if event.key is not None:
        parts.append(f"key={shown(event.key_data, _VALUE_LENGTH)}")
    parts += [f"{name}={shown(_text(value), _VALUE_LENGTH)}" for name, value in _headers(event)]
    parts.append(f"value={shown(event.data, _VALUE_LENGTH)}")
    if who:
        parts.append(f"produced by {who}")
    return "  ".join(parts)


def _headers(event: Event) -> list[tuple[str, bytes | None]]:
    noted = [header for header in event.headers if header[0] in _HEADERS_OF_NOTE]
    return noted or list(event.headers[:_OTHER_HEADERS])


def _text(value: bytes | None) -> str | bytes | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return value


def _activity_line(activity: Activity) -> str:
    offsets = str(activity.offset)
    if activity.last_offset != activity.offset:
        offsets += f"-{activity.last_offset}"
    where = f"{activity.topic}[{activity.partition}]@{offsets}"
    group = f" for group {activity.group}" if activity.group else ""
    return f"{where}  {activity.verb} by {activity.origin}{group}"
