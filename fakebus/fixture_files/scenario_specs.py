"""Reading scenarios: ordered steps that publish events and wait."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from fakebus.fixture_files.event_lines import EventFile, EventLine, check_shape
from fakebus.fixture_files.model import FixtureEvent
from fakebus.fixture_files.problems import DataError, Position, ProblemList, quoted
from fakebus.fixture_files.times import parse_duration
from fakebus.fixture_files.yaml_fields import FieldReader, kind_of
from fakebus.fixture_files.yaml_tree import (
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    parse_yaml,
)
from fakebus.fixture_files.yaml_values import json_value

MAX_REPETITIONS = 10_000
_SCENARIO_FIELDS = ("version", "name", "description", "steps")
_STEP_FIELDS = ("publish", "wait", "repeat")
_PUBLISH_FIELDS = ("topic", "key", "value", "headers", "partition", "id")
_REPEAT_FIELDS = ("times", "every", "steps")
_STEP_HINT = "write  - publish: {...}, - wait: 2s  or  - repeat: {...}"

Encode = Callable[[EventLine, int], FixtureEvent | None]
"""From a line and a time in milliseconds to a record; ``None`` after telling a problem."""


@dataclass(slots=True, kw_only=True, eq=False)
class ScenarioLine(EventLine):
    """An event of a scenario."""

    scenario: str
    step: int
    """Counted from 1 through the whole file."""
    places: Mapping[str, Position]
    """Where the fields stand."""
    publish_at: Position
    repetition: str = ""
    """What tells the event from the same one at another time."""

    @property
    def name(self) -> str:
        """What tells the event from all others."""
        own = str(self.fields.get("id") or f"{self.scenario}/{self.step}")
        return f"{own}/{self.repetition}" if self.repetition else own

    def position(self, field: str = "") -> Position:
        """Return where a field's value stands, or the step."""
        return self.places.get(field, self.publish_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishStep:
    """An event is published."""

    line: ScenarioLine


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStep:
    """Time passes."""

    milliseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatStep:
    """Steps are done several times."""

    times: int
    every_ms: int
    """The pause between two times."""
    steps: tuple[Step, ...]


Step = PublishStep | WaitStep | RepeatStep


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioSpec:
    """A scenario as written."""

    name: str
    position: Position
    description: str
    steps: tuple[Step, ...]

    def lines(self) -> list[ScenarioLine]:
        """Return every event once, in the order of the file."""
        found: list[ScenarioLine] = []
        _collect(self.steps, found)
        return found


def _collect(steps: tuple[Step, ...], found: list[ScenarioLine]) -> None:
    for step in steps:
        if isinstance(step, PublishStep):
            found.append(step.line)
        elif isinstance(step, RepeatStep):
            _collect(step.steps, found)


def read_scenario(
    text: str, relative: str, display: str, problems: ProblemList
) -> ScenarioSpec | None:
    """Return the scenario of a file; ``None`` if it has none that can be used.

    Args:
        text: the file.
        relative: its path from the root.
        display: its path for problems.
        problems: where mistakes go.
    """
    node = parse_yaml(text, display, problems)
    if node is None:
        return None
    if not isinstance(node, YamlMapping):
        problems.add(node.position, "a scenario must be an object", "begin with the line  steps:")
        return None
    fields = FieldReader(node, "a scenario", _SCENARIO_FIELDS, problems)
    name = fields.text("name") or PurePosixPath(relative).stem
    fields.integer("version", lowest=1, highest=1)
    fields.node("steps", required=True)
    reader = _StepReader(name, EventFile(relative, display, "", None), problems)
    return ScenarioSpec(
        name=name,
        position=fields.position("name"),
        description=fields.text("description") or "",
        steps=reader.steps(fields),
    )


class _StepReader:
    def __init__(self, scenario: str, file: EventFile, problems: ProblemList) -> None:
        self._scenario = scenario
        self._file = file
        self._problems = problems
        self._count = 0

    def steps(self, fields: FieldReader) -> tuple[Step, ...]:
        node = fields.node("steps")
        if isinstance(node, YamlSequence) and not node.items:
            self._problems.add(node.position, "there are no steps", _STEP_HINT)
        found = [self._step(item) for item in fields.items("steps")]
        return tuple(step for step in found if step is not None)

    def _step(self, node: YamlNode) -> Step | None:
        self._count += 1
        if not isinstance(node, YamlMapping):
            self._problems.add(node.position, "a step must be an object", _STEP_HINT)
            return None
        fields = FieldReader(node, "a step", _STEP_FIELDS, self._problems)
        named = [name for name in _STEP_FIELDS if name in node.entries]
        if len(named) != 1:
            what = "does nothing" if not named else f"does {len(named)} things at once"
            self._problems.add(node.position, f"the step {what}", _STEP_HINT)
            return None
        if named == ["wait"]:
            pause = self._pause(fields, "wait")
            return None if pause is None else WaitStep(milliseconds=pause)
        mapping = fields.mapping(named[0], required=True)
        if mapping is None:
            return None
        return self._publish(mapping) if named == ["publish"] else self._repeat(mapping)

    def _pause(self, fields: FieldReader, name: str) -> int | None:
        node = fields.node(name, required=True)
        if node is None:
            return None
        text = node.text if isinstance(node, YamlScalar) else kind_of(node)
        try:
            return parse_duration(f"+{text}")
        except DataError:
            self._problems.add(
                node.position,
                f"{quoted(text)} is not a time that one can wait",
                "write a time such as 2s, 500ms or 1m30s",
            )
            return None

    def _publish(self, mapping: YamlMapping) -> PublishStep | None:
        before = len(self._problems)
        fields = FieldReader(mapping, '"publish"', _PUBLISH_FIELDS, self._problems)
        fields.node("topic", required=True)
        written = {
            name: json_value(entry.value)
            for name, entry in mapping.entries.items()
            if name in _PUBLISH_FIELDS
        }
        line = ScenarioLine(
            file=self._file,
            line=mapping.position.line,
            text=json.dumps(written),
            fields=written,
            is_converted=True,
            scenario=self._scenario,
            step=self._count,
            places={name: entry.value.position for name, entry in mapping.entries.items()},
            publish_at=mapping.position,
        )
        usable = check_shape(line, self._problems) and len(self._problems) == before
        return PublishStep(line=line) if usable else None

    def _repeat(self, mapping: YamlMapping) -> RepeatStep | None:
        fields = FieldReader(mapping, '"repeat"', _REPEAT_FIELDS, self._problems)
        fields.node("times", required=True)
        fields.node("steps", required=True)
        times = fields.integer("times", lowest=1, highest=MAX_REPETITIONS)
        every = self._pause(fields, "every") if "every" in mapping.entries else 0
        steps = self.steps(fields)
        if times is None or every is None:
            return None
        return RepeatStep(times=times, every_ms=every, steps=steps)
