"""What happened during a test, line by line, for the report of its failure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial

from fakebus.broker.activity import Activity
from fakebus.broker.verbs import TRANSACTION_ENDS
from fakebus.cluster.events import Event, shown
from fakebus.escaping import printable_lines
from fakebus.testing.groups import Start, missing_topic, starts

_MOST_LINES = 200
_VALUE_LENGTH = 120
_HEADERS_OF_NOTE = ("ce_type", "ce_id", "ce_source", "content-type", "traceparent", "event-type")
_OTHER_HEADERS = 3
_GROUP_WORDS = {"joined": "to read", "was assigned": ""}
_OWN_LINES = ("fetched", "committed", "acknowledged", "commit refused", "out of range")
"""What stands neither in the line of a record, of where a member begins or of a missing topic, nor
is done by the bus itself."""


def draw_timeline(
    events: Sequence[Event],
    activities: Sequence[Activity],
    topics: Collection[str],
    published: Collection[tuple[str, int, int]],
    began_ms: int,
) -> str:
    """Return one line for each record and for each thing that a client did.

    Args:
        events: the records since the test began.
        activities: what clients did.
        topics: all that there are.
        published: topic, partition and offset of the records that the test wrote itself.
        began_ms: when the test began, in milliseconds since the epoch.
    """
    producers = {
        (each.topic, each.partition, offset): each
        for each in activities
        if each.verb in ("produced", "replayed")
        for offset in range(each.offset, each.last_offset + 1)
    }
    # Of what happened in one millisecond, a topic is asked for before it is written to.
    asked = (each for each in activities if each.verb == "asked for")
    lines: list[tuple[int, Callable[[], str]]] = [
        (each.at_ms, partial(_missing_line, each, topics)) for each in asked
    ]
    for event in events:
        place = event.topic, event.partition, event.offset
        write = producers.get(place)
        at_ms = event.timestamp_ms if write is None else write.at_ms
        who = "the test" if place in published else "" if write is None else str(write.origin)
        lines.append((at_ms, partial(_event_line, event, who)))
    began = {id(start.at): start for start in starts(activities)}
    for each in _without_repetitions(activities):
        if id(each) in began:
            lines.append((each.at_ms, partial(_start_line, began[id(each)])))
        elif each.verb in _GROUP_WORDS:
            lines.append((each.at_ms, partial(_member_line, each)))
        elif each.verb in _OWN_LINES:
            lines.append((each.at_ms, partial(_activity_line, each)))
    seen = {(event.topic, event.partition, event.offset) for event in events}
    lines += _transaction_lines(activities, seen)
    lines.sort(key=lambda line: line[0])
    # Only what is shown is decoded.
    shown_lines = lines[-_MOST_LINES:]
    drawn = [f"{(at_ms - began_ms) / 1000:+9.3f} s  {draw()}" for at_ms, draw in shown_lines]
    if len(lines) > len(drawn):
        drawn.insert(0, f"… {len(lines) - len(drawn)} earlier lines")
    return printable_lines(drawn)


def _transaction_lines(
    activities: Sequence[Activity], seen: Collection[tuple[str, int, int]]
) -> Iterator[tuple[int, Callable[[], str]]]:
    """Yield a line for each record that no reader of committed records sees, and why."""
    unseen: dict[str, list[Activity]] = {}
    for each in activities:
        if each.verb == "produced" and each.member:
            if (each.topic, each.partition, each.offset) not in seen:
                unseen.setdefault(each.member, []).append(each)
        elif each.verb in TRANSACTION_ENDS:
            is_aborted = each.verb == "transaction aborted"
            why = f"which was aborted: {each.detail}"
            for write in unseen.pop(each.member, ()) if is_aborted else ():
                yield write.at_ms, partial(_unseen_line, write, why)
            unseen.pop(each.member, None)
    for write in (each for left in unseen.values() for each in left):
        yield write.at_ms, partial(_unseen_line, write, "which is open: no commit has come")


def _unseen_line(activity: Activity, why: str) -> str:
    return f"{_activity_line(activity)} in the transaction of {activity.member}, {why}"


def _without_repetitions(activities: Iterable[Activity]) -> Iterator[Activity]:
    """Yield activities without commits of what is committed, which some clients never tire of."""
    committed: dict[tuple[str, str, str, int], int] = {}
    for each in activities:
        place = each.origin.client_id, each.group, each.topic, each.partition
        if each.verb != "committed" or committed.get(place) != each.offset:
            yield each
        if each.verb == "committed":
            committed[place] = each.offset


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


def _start_line(start: Start) -> str:
    at = start.at
    where = f"{at.topic}[{at.partition}]@{at.offset}"
    return f"{where}  {at.origin} starts here for group {start.group}: {start.how}"


def _member_line(activity: Activity) -> str:
    words = [activity.verb, _GROUP_WORDS[activity.verb], activity.detail]
    did = " ".join(filter(None, words if activity.detail else words[:1]))
    return f"group {activity.group}  {activity.origin} {did}"


def _missing_line(activity: Activity, topics: Collection[str]) -> str:
    return f"{activity.topic}  {missing_topic(activity, topics)}"
