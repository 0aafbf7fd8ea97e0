"""What happened during a test, line by line, for the report of its failure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from fakebus.escaping import printable_lines
from fakebus.kafka.traffic import Deed
from fakebus.testing.events import Event, shown

_MOST_LINES = 200
_VALUE_LENGTH = 120
_HEADERS_OF_NOTE = ("ce_type", "ce_id", "ce_source", "content-type", "traceparent", "event-type")
_OTHER_HEADERS = 3


def draw_timeline(
    events: Sequence[Event],
    deeds: Sequence[Deed],
    published: Collection[tuple[str, int, int]],
    began_ms: int,
) -> str:
    """Return one line for each record and for each time that one was fetched or committed.

    Args:
        events: the records since the test began.
        deeds: what clients did.
        published: topic, partition and offset of the records that the test wrote itself.
        began_ms: when the test began, in milliseconds since the epoch.
    """
    producers = {
        (deed.topic, deed.partition, offset): deed
        for deed in deeds
        if deed.verb == "produced"
        for offset in range(deed.offset, deed.last_offset + 1)
    }
    lines: list[tuple[int, Callable[[], str]]] = []
    for event in events:
        place = event.topic, event.partition, event.offset
        deed = producers.get(place)
        at_ms = event.timestamp_ms if deed is None else deed.at_ms
        who = "the test" if place in published else deed.client_id if deed is not None else ""
        lines.append((at_ms, partial(_event_line, event, who)))
    lines += [(deed.at_ms, partial(_deed_line, deed)) for deed in deeds if deed.verb != "produced"]
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


def _deed_line(deed: Deed) -> str:
    offsets = str(deed.offset)
    if deed.last_offset != deed.offset:
        offsets += f"-{deed.last_offset}"
    where = f"{deed.topic}[{deed.partition}]@{offsets}"
    group = f" for group {deed.group}" if deed.group else ""
    return f"{where}  {deed.verb} by {deed.client_id}{group}"
