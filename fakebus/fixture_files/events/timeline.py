"""The timestamp of every event: ``at`` an instant or offset, or ``after`` another event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from fakebus.fixture_files.events.event_lines import EventLine
from fakebus.fixture_files.problems import DataError, ProblemList, did_you_mean, quoted
from fakebus.fixture_files.times import check_range, parse_duration, parse_time

_AFTER_HINT = 'write "after": "id-of-an-event +5s"'


class Timeline:
    """Computes timestamps.

    Args:
        anchor_ms: what offsets count from, and the time of events that give none.
        zone: the zone of instants without an offset.
        by_id: all events that have an id.
        problems: where mistakes go.
    """

    def __init__(
        self,
        *,
        anchor_ms: int,
        zone: tzinfo,
        by_id: Mapping[str, EventLine],
        problems: ProblemList,
    ) -> None:
        self._anchor_ms = anchor_ms
        self._zone = zone
        self._by_id = by_id
        self._problems = problems
        self._known: dict[EventLine, int] = {}

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
        # A chain of "after" may be as long as the file, so this does not recurse.
        chain: dict[EventLine, int] = {}
        current = event
        while current not in self._known:
            if current.fields.get("after") is None:
                self._known[current] = self._absolute(current)
                break
            if current in chain:
                self._report_cycle(list(chain)[list(chain).index(current) :])
                self._known[current] = self._anchor_ms
                break
            target, delay_ms = self._target(current)
            if target is None:
                self._known[current] = self._anchor_ms
                break
            chain[current] = delay_ms
            current = target
        timestamp = self._known[current]
        for link, delay_ms in reversed(chain.items()):
            timestamp = self._later(link, timestamp, delay_ms)
            self._known.setdefault(link, timestamp)

    def _later(self, event: EventLine, timestamp: int, delay_ms: int) -> int:
        try:
            return check_range(timestamp + delay_ms)
        except DataError as error:
            self._problems.add(event.position("after"), str(error), error.hint)
            return self._anchor_ms

    def _target(self, event: EventLine) -> tuple[EventLine | None, int]:
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
        target = self._by_id.get(words[0])
        if target is None:
            hint = did_you_mean(words[0], self._by_id) if len(self._by_id) < 1000 else _AFTER_HINT
            self._problems.add(
                event.position("after"), f"there is no event with the id {quoted(words[0])}", hint
            )
        return target, delay_ms

    def _report_cycle(self, cycle: Sequence[EventLine]) -> None:
        ids = [str(event.fields.get("id")) for event in cycle[:5]]
        self._problems.add(
            cycle[0].position("after"),
            "the events wait for each other: " + " after ".join([*ids, ids[0]]),
            'give one of them "at"',
        )
