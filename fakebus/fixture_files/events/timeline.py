"""The timestamp of every event: ``at`` an instant or offset, or ``after`` another event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo

from fakebus.fixture_files.events.event_lines import EventLine
from fakebus.fixture_files.problems import DataError, ProblemList, did_you_mean, quoted
from fakebus.fixture_files.times import check_range, parse_duration, parse_time

_AFTER_HINT = 'write "after": "id-of-an-event +5s"'


class Timeline:
    """Timestamps of the events of a set.

    Args:
        problems: where mistakes go.
    """

    def __init__(self, problems: ProblemList) -> None:
        self._problems = problems
        self._anchor_ms = 0
        self._zone: tzinfo = UTC
        self._by_id: dict[str, EventLine] = {}
        self._known: dict[EventLine, int] = {}
        self.used: Sequence[Timeline] = ()
        """Those of the sets that the set uses, whose ids it must not give again."""
        self.beside: Sequence[Timeline] = ()
        """Those of sets that are loaded beside it, whose events it may name."""

    def starts(self, anchor_ms: int, zone: tzinfo) -> None:
        """Count offsets from here; an event that says no time happens at it.

        Args:
            anchor_ms: the moment.
            zone: the zone of instants without an offset.
        """
        self._anchor_ms = anchor_ms
        self._zone = zone

    def add(self, event: EventLine) -> None:
        """Know an event by its id, if it has one; an id that is taken is told."""
        event_id = event.fields.get("id")
        if event_id is None:
            return
        first = self._by_id.setdefault(event_id, event)
        for other in self.used:
            first = other._by_id.get(event_id, first)
        if first is not event:
            self._problems.add(
                event.position("id"),
                f"the id {quoted(event_id)} is used twice "
                f"(first in {first.file.display}:{first.line})",
                "give each event its own id",
            )

    def timestamp_of(self, event: EventLine) -> int:
        """Return an event's timestamp in milliseconds; the anchor if it cannot be told."""
        if event.fields.get("after") is None:
            return self._absolute(event)
        self._resolve_chain(event)
        return self._known[event]

    def _absolute(self, event: EventLine) -> int:
        text = event.fields.get("at")
        if text is None:
            return self._anchor_ms
        try:
            return parse_time(text, anchor_ms=self._anchor_ms, zone=self._zone)
        except DataError as error:
            self._problems.add(event.position("at"), str(error), error.hint)
            return self._anchor_ms

    def _resolve_chain(self, event: EventLine) -> None:
        # A chain of "after" may be as long as the file, and lead from set to set, so this does not
        # recurse. Each event is told of by the timeline of its own set.
        chain: dict[EventLine, tuple[Timeline, int]] = {}
        current, timeline = event, self
        while current not in timeline._known:
            if current.fields.get("after") is None:
                timeline._known[current] = timeline._absolute(current)
                break
            if current in chain:
                timeline._report_cycle(list(chain)[list(chain).index(current) :])
                timeline._known[current] = timeline._anchor_ms
                break
            target, delay_ms = timeline._target(current)
            if target is None:
                timeline._known[current] = timeline._anchor_ms
                break
            chain[current] = timeline, delay_ms
            current, timeline = target
        timestamp = timeline._known[current]
        for link, (owner, delay_ms) in reversed(chain.items()):
            timestamp = owner._later(link, timestamp, delay_ms)
            owner._known.setdefault(link, timestamp)

    def _later(self, event: EventLine, timestamp: int, delay_ms: int) -> int:
        try:
            return check_range(timestamp + delay_ms)
        except DataError as error:
            self._problems.add(event.position("after"), str(error), error.hint)
            return self._anchor_ms

    def _target(self, event: EventLine) -> tuple[tuple[EventLine, Timeline] | None, int]:
        words: Sequence[str] = event.fields["after"].split()
        try:
            if len(words) not in (1, 2):
                raise DataError("it must be an id and a delay")
            delay_ms = parse_duration(words[1]) if len(words) == 2 else 0
            if delay_ms < 0:
                raise DataError("the delay must not be negative")
        except DataError as error:
            self._problems.add(event.position("after"), f'"after": {error}', _AFTER_HINT)
            return None, 0
        return self._named(words[0], event), delay_ms

    def _named(self, name: str, event: EventLine) -> tuple[EventLine, Timeline] | None:
        timelines = [self, *self.used, *self.beside]
        found = [(each._by_id[name], each) for each in timelines if name in each._by_id]
        if found and (len(found) == 1 or found[0][1] is self):
            return found[0]
        if found:
            places = " and ".join(f"{line.file.display}:{line.line}" for line, _ in found)
            message = f"several sets have an event with the id {quoted(name)}: {places}"
            hint = "give one of them another id"
        else:
            ids = [known for each in timelines for known in each._by_id]
            message = f"there is no event with the id {quoted(name)}"
            hint = did_you_mean(name, ids) if len(ids) < 1000 else _AFTER_HINT
        self._problems.add(event.position("after"), message, hint)
        return None

    def _report_cycle(self, cycle: Sequence[EventLine]) -> None:
        ids = [str(event.fields.get("id")) for event in cycle[:5]]
        self._problems.add(
            cycle[0].position("after"),
            "the events wait for each other: " + " after ".join([*ids, ids[0]]),
            'give one of them "at"',
        )
