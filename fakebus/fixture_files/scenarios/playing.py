"""Playing scenarios: through a real client, into a bus under test, or only on paper."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from fakebus.clock import SystemClock
from fakebus.fixture_files.encoding.encoder import TopicEncoder
from fakebus.fixture_files.problems import (
    FixtureError,
    FixtureProblem,
    Position,
    ProblemList,
    did_you_mean,
    quoted,
)
from fakebus.fixture_files.scenarios.scenario_specs import ScenarioFile, ScenarioLine, Step
from fakebus.records.record import NewRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRecord:
    """A record that is published while a scenario plays."""

    topic: str
    partition: int
    record: NewRecord
    """Key, value, headers and timestamp."""
    event_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario that can be played.

    ``encoders`` are those of the set's topics, and ``problems`` is where they tell what is
    wrong with an event.
    """

    spec: ScenarioFile
    encoders: Mapping[str, TopicEncoder]
    problems: ProblemList

    @property
    def name(self) -> str:
        """What the scenario is called."""
        return self.spec.name

    def topics(self) -> list[str]:
        """Return the topics that it publishes to."""
        return sorted({str(line.fields["topic"]) for line in self.spec.lines()})

    def moments(
        self, *, now_ms: Callable[[], int] | None = None, run: str = ""
    ) -> Iterator[ScenarioRecord | float]:
        """Yield what happens: records to publish, and seconds to wait.

        A caller who publishes with ``await`` goes through these himself.

        Args:
            now_ms: the clock that gives records their timestamps; the machine's if left out.
            run: a name for this time. Two runs of one name give the same ids and UUIDs of
                events, so that consumers take the second for a repetition of the first.

        Raises:
            FixtureError: an event cannot be encoded.
        """
        clock = now_ms or SystemClock().now_ms
        yield from self._moments(self.spec.steps, clock, run)

    def _moments(
        self, steps: tuple[Step, ...], now_ms: Callable[[], int], run: str
    ) -> Iterator[ScenarioRecord | float]:
        for step in steps:
            if step.publish is not None:
                yield self._record(step.publish, now_ms(), run)
            elif step.wait is not None:
                yield step.wait / 1000
            elif step.repeat is not None:
                for number in range(step.repeat.times):
                    if number and step.repeat.every:
                        yield step.repeat.every / 1000
                    name = f"{run}/{number + 1}" if run else str(number + 1)
                    yield from self._moments(step.repeat.steps, now_ms, name)

    def _record(self, line: ScenarioLine, timestamp_ms: int, run: str) -> ScenarioRecord:
        topic = str(line.fields["topic"])
        played = replace(line, repetition=run)
        event = self.encoders[topic].encode(played, timestamp_ms, now_ms=timestamp_ms)
        self.problems.raise_if_any()
        assert event is not None  # noqa: S101 - otherwise there is a problem
        return ScenarioRecord(
            topic=topic, partition=event.partition, record=event.record, event_id=event.event_id
        )


def play(
    scenario: Scenario,
    publish: Callable[[ScenarioRecord], object],
    sleep: Callable[[float], object] = time.sleep,
    *,
    speed: float = 1.0,
    now_ms: Callable[[], int] | None = None,
    run: str = "",
) -> int:
    """Play a scenario and return how many records were published.

    Args:
        scenario: from :func:`fakebus.fixture_files.loader.load_scenarios`.
        publish: called with each record, in order.
        sleep: called with the seconds of each pause.
        speed: how many times faster than written.
        now_ms: the clock that gives records their timestamps; the machine's if left out.
        run: see :meth:`Scenario.moments`.

    Raises:
        FixtureError: an event cannot be encoded.
    """
    published = 0
    for moment in scenario.moments(now_ms=now_ms, run=run):
        if isinstance(moment, ScenarioRecord):
            publish(moment)
            published += 1
        else:
            sleep(moment / speed)
    return published


def scenario_named(scenarios: Mapping[str, Scenario], name: str, file: str) -> Scenario:
    """Return a scenario of a set.

    Args:
        scenarios: all of them.
        name: the one that is asked for.
        file: the set's ``fakebus.yaml``, for the message.

    Raises:
        FixtureError: there is none of that name.
    """
    if name in scenarios:
        return scenarios[name]
    hint = did_you_mean(name, scenarios) if scenarios else "name its file under scenarios"
    message = f"the set has no scenario {quoted(name)}"
    raise FixtureError([FixtureProblem.at(Position(file), message, hint)])
