"""Reading scenarios: ordered steps that publish events and wait."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, ClassVar

from fakebus.fixture_files.events.event_lines import EventFile, EventLine, check_shape
from fakebus.fixture_files.problems import DataError, Position, ProblemList, quoted
from fakebus.fixture_files.sources import FixtureDirectory
from fakebus.fixture_files.structure.declarations import (
    WRONG,
    Model,
    Reading,
    declared,
    read_object,
    reference,
    tell_unknown,
)
from fakebus.fixture_files.structure.kinds import custom, integer, mapping, object_of, several, text
from fakebus.fixture_files.structure.yaml_tree import (
    YamlMapping,
    YamlNode,
    YamlScalar,
    is_null,
    json_value,
    kind_of,
    parse_yaml,
)
from fakebus.fixture_files.times import parse_duration

PUBLISH_FIELDS = ("topic", "key", "value", "headers", "partition", "id")
"""The fields of an event that a scenario may say."""
MAX_REPETITIONS = 10_000
_STEP_HINT = "write  - publish: {...}, - wait: 2s  or  - repeat: {...}"
_STEP_NAMES = ("publish", "wait", "repeat")


@dataclass(slots=True, kw_only=True, eq=False)
class ScenarioLine(EventLine):
    """An event of a scenario."""

    scenario: str = ""
    step: int = 0
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


def _read_pause(node: YamlNode, what: str, reading: Reading) -> Any:
    text = node.text if isinstance(node, YamlScalar) else kind_of(node)
    try:
        return parse_duration(f"+{text}")
    except DataError:
        return reading.wrong(
            node.position,
            f"{quoted(text)} is not a time that one can wait",
            "write a time such as 2s, 500ms or 1m30s",
        )


def _read_step(node: YamlNode, what: str, reading: Reading) -> Any:
    if isinstance(node, YamlMapping):
        named = [name for name in _STEP_NAMES if name in node.entries]
        if len(named) != 1:
            tell_unknown(node, "a step", _STEP_NAMES, reading)
            does = "does nothing" if not named else f"does {len(named)} things at once"
            return reading.wrong(node.position, f"the step {does}", _STEP_HINT)
        [name] = named
        if is_null(node.entries[name].value):
            message = f'a step needs the field "{name}"'
            return reading.wrong(node.position, message, f"add  {name}:")
    return read_object(Step, node, what, reading)


def _read_publish(node: YamlMapping, what: str, reading: Reading) -> Any:
    before = len(reading.problems)
    tell_unknown(node, what, PUBLISH_FIELDS, reading)
    topic = node.entries.get("topic")
    if topic is None or is_null(topic.value):
        reading.wrong(node.position, f'{what} needs the field "topic"', "add  topic:")
    if len(reading.problems) > before:
        return WRONG
    written = {name: json_value(entry.value) for name, entry in node.entries.items()}
    line = ScenarioLine(
        file=EventFile(reading.relative, node.position.file, "", None),
        line=node.position.line,
        text=json.dumps(written),
        fields=written,
        is_converted=True,
        places={name: entry.value.position for name, entry in node.entries.items()},
        publish_at=node.position,
    )
    return line if check_shape(line, reading.problems) else WRONG


PAUSE = custom(_read_pause, {"type": "string", "pattern": "^([0-9]+(w|d|h|m|s|ms))+$"})
STEPS = several(custom(_read_step, reference("step")), empty=("there are no steps", _STEP_HINT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat(Model):
    """Steps that are done several times."""

    WHAT: ClassVar[str] = '"repeat"'

    times: int = declared(integer(1, MAX_REPETITIONS), default=1, required=True)
    every: int = declared(PAUSE, default=0)
    steps: tuple[Step, ...] = declared(STEPS, default=(), required=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Model):
    """Step of a scenario, which does one thing."""

    WHAT: ClassVar[str] = "a step"
    HINT: ClassVar[str] = _STEP_HINT

    publish: ScenarioLine | None = declared(mapping(_read_publish, reference("publish")))
    wait: int | None = declared(PAUSE)
    """In milliseconds."""
    repeat: Repeat | None = declared(object_of(Repeat, "repeat"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioFile(Model):
    """File with a scenario."""

    WHAT: ClassVar[str] = "a scenario"
    KEY: ClassVar[str] = "name"

    version: int | None = declared(integer(1, 1))
    name: str = declared(text(), default="")
    description: str | None = declared(text())
    steps: tuple[Step, ...] = declared(STEPS, default=(), required=True)

    def lines(self) -> list[ScenarioLine]:
        """Return every event once, in the order of the file."""
        return [step.publish for step in _flat(self.steps) if step.publish is not None]


def _flat(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        if step.repeat is not None:
            yield from _flat(step.repeat.steps)


def read_scenario(
    text: str, relative: str, directory: FixtureDirectory, problems: ProblemList
) -> ScenarioFile | None:
    """Return the scenario of a file; ``None`` if it has none that can be used."""
    node = parse_yaml(text, directory.display(relative), problems, begin="steps:")
    if node is None:
        return None
    if not isinstance(node, YamlMapping):
        problems.add(node.position, "a scenario must be an object", "begin with the line  steps:")
        return None
    reading = Reading(directory, problems, relative)
    file: ScenarioFile = read_object(ScenarioFile, node, "", reading)
    if file is WRONG:
        return None
    name = file.name or PurePosixPath(relative).stem
    for number, step in enumerate(_flat(file.steps), 1):
        if step.publish is not None:
            step.publish.scenario, step.publish.step = name, number
    return replace(file, name=name)
