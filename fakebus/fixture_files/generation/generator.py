"""The events that ``generate`` asks for, as lines that are then treated like loaded ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from random import Random
from typing import Any

from fakebus.fixture_files.events.event_lines import EventFile, EventLine
from fakebus.fixture_files.events.field_paths import field_of
from fakebus.fixture_files.formats.wrappers import is_wrapper, unwrapped, wrapped
from fakebus.fixture_files.generation.avro_values import AvroValues
from fakebus.fixture_files.generation.json_schema_values import JsonSchemaValues
from fakebus.fixture_files.generation.references import References
from fakebus.fixture_files.generation.values import Path, Times
from fakebus.fixture_files.generation_hints import Draw, Hint, faker_version, make_value
from fakebus.fixture_files.problems import DataError, Position, ProblemList, did_you_mean, quoted
from fakebus.fixture_files.structure.event_models import FROM_EXAMPLE, Generate
from fakebus.fixture_files.structure.event_models import Format as FormatSpec
from fakebus.fixture_files.structure.models import Topic
from fakebus.fixture_files.structure.schema_set import SchemaSet
from fakebus.fixture_files.times import parse_time
from fakebus.schemas.avro.language import AvroSchema
from fakebus.schemas.interface import ParsedSchema

_KEY_PLACE = "key"


@dataclass(slots=True, kw_only=True, eq=False)
class GeneratedLine(EventLine):
    """An event that stands in no file; its place is that of ``generate``."""

    made_at: Position

    def position(self, field: str = "") -> Position:
        """Return where the event is asked for."""
        return self.made_at


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSettings:
    """Settings that all generated events of a set share."""

    seed: int
    anchor_ms: int
    zone: tzinfo
    schemas: SchemaSet


class Generator:
    """Generator of the events of all topics.

    Args:
        topics: all of the set.
        settings: those of the set.
        lines: the events that are loaded from files, by topic.
        problems: where mistakes go.
    """

    def __init__(
        self,
        topics: Sequence[Topic],
        settings: GenerationSettings,
        lines: Mapping[str, Sequence[EventLine]],
        problems: ProblemList,
    ) -> None:
        self._topics = {topic.name: topic for topic in topics}
        self._settings = settings
        self._problems = problems
        self._lines = {name: list(found) for name, found in lines.items()}
        self._references = References(self._topics, self._lines)

    def lines(self) -> Iterator[EventLine]:
        """Yield every event, topic by topic; those that others refer to come first."""
        for topic in self._ordered():
            made: list[EventLine] = []
            for number, spec in enumerate(topic.generates, 1):
                try:
                    made += self._topic(topic, spec, number)
                except _HintError as error:
                    self._problems.add(error.position, str(error), error.hint)
            self._lines.setdefault(topic.name, []).extend(made)
            yield from made

    def _ordered(self) -> list[Topic]:
        done: dict[str, Topic] = {}
        waiting: list[str] = []
        endless: set[str] = set()

        def visit(topic: Topic) -> None:
            if topic.name in done or not topic.generates:
                return
            if topic.name in waiting:
                circle = [*waiting[waiting.index(topic.name) :], topic.name]
                self._problems.add(
                    topic.generates[0].position,
                    "the generated events refer to each other in a circle: " + " -> ".join(circle),
                    "take one reference out",
                )
                endless.update(circle)
                return
            waiting.append(topic.name)
            for hint in (hint for spec in topic.generates for hint in _hints(spec)):
                if hint.function == "ref":
                    found = self._references.split(str(hint.argument))
                    if found is not None and found[0] in self._topics:
                        visit(self._topics[found[0]])
            waiting.pop()
            done[topic.name] = topic

        for topic in self._topics.values():
            visit(topic)
        return [topic for topic in done.values() if topic.name not in endless]

    def _topic(self, topic: Topic, spec: Generate, number: int) -> Iterator[EventLine]:
        self._check_faker(spec)
        stream = f"{spec.origin.relative}#generate:{topic.name}:{number}"
        name = topic.name if number == 1 else f"{topic.name}-{number}"
        template = _Template(self, topic, spec, name)
        times = self._times(spec)
        files: dict[str, EventFile] = {}
        for index in range(spec.count):
            fields, example = template.make(index)
            if spec.tags:
                fields["tags"] = list(spec.tags)
            fields |= {"id": f"{name}-generated-{index + 1}", "at": times(index)}
            # An event like those of a file is written in the formats of that file.
            origin = "" if example is None else f":{example.file.relative}"
            load = spec.load if example is None else example.file.load
            file = files.setdefault(
                origin,
                EventFile(stream + origin, spec.position.file, "", topic.name, load),
            )
            yield GeneratedLine(
                file=file,
                line=spec.position.line,
                text=json.dumps(fields, ensure_ascii=False),
                fields=fields,
                is_converted=True,
                made_at=spec.position,
            )
        template.check_used()

    def _check_faker(self, spec: Generate) -> None:
        wanted, installed = spec.faker_version, faker_version()
        if wanted is not None and installed is not None and wanted != installed:
            raise _HintError(
                spec.at("faker_version"),
                f"the events are made with faker {wanted}, and faker {installed} is installed, "
                "which may make others",
                f"install faker=={wanted}, or write  faker_version: {installed}",
            )

    def _times(self, spec: Generate) -> Times:
        settings = self._settings
        try:
            first, last = (
                parse_time(text, anchor_ms=settings.anchor_ms, zone=settings.zone)
                for text in (spec.range.first, spec.range.last)
            )
        except DataError as error:
            raise _HintError(spec.at("at"), str(error), error.hint) from None
        if first > last:
            raise _HintError(
                spec.at("at"),
                f"the events would begin at {quoted(spec.range.first)} and end before, "
                f"at {quoted(spec.range.last)}",
                "exchange from and to",
            )
        relative = [
            text == "now" or text[0] in "+-" for text in (spec.range.first, spec.range.last)
        ]
        if relative[0] != relative[1]:
            raise _HintError(
                spec.at("at"),
                "one end of the range is an instant and the other counts from the anchor",
                "write both as instants, or both as offsets",
            )
        anchor = settings.anchor_ms if relative[0] else None
        return Times(first, last, spec.count, anchor, self.seed_of(spec))

    def seed_of(self, spec: Generate) -> int:
        """Return the seed that a topic's events are made with."""
        return self._settings.seed if spec.seed is None else spec.seed

    def lines_of(self, topic: str) -> Sequence[EventLine]:
        """Return the events that a topic has so far."""
        return self._lines.get(topic, ())

    def schema(self, format_: FormatSpec) -> ParsedSchema | None:
        """Return the schema of a format, if it has one that can be used."""
        try:
            return self._settings.schemas.format(format_).schema
        except DataError:
            # Told where the format is written.
            return None

    def values_of(self, reference: str) -> Sequence[object]:
        """Return all values that a reference names; see :class:`References`."""
        return self._references.values_of(reference)


class _HintError(DataError):
    """A mistake with the place where it is written."""

    def __init__(self, position: Position, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.position = position


class _Template:
    """Template of the keys and values of one topic's events."""

    def __init__(self, generator: Generator, topic: Topic, spec: Generate, name: str) -> None:
        self._name = name
        self._generator = generator
        self._topic = topic
        self._spec = spec
        self._used: set[Path] = set()
        self._seen: set[Path] = set()
        self._above = {path[:length] for path in spec.hints for length in range(len(path) + 1)}
        self._examples: Sequence[EventLine] = ()
        self._values: AvroValues | JsonSchemaValues | None = None
        self._key_values: AvroValues | JsonSchemaValues | None = None
        if spec.source == FROM_EXAMPLE:
            self._examples = tuple(generator.lines_of(topic.name))
            if not self._examples:
                raise _HintError(
                    spec.position,
                    f"{topic.name} has no events that could be examples",
                    "load some, or write  from: schema",
                )
            return
        self._values = _values_of(
            generator.schema(spec.load.value_format or topic.value_format), "value"
        )
        if self._values is None and not spec.hints:
            raise _HintError(
                spec.position,
                f"the values of {topic.name} have no Avro schema or JSON Schema to be made from",
                "say what they hold under with, or write  from: example",
            )
        self._key_values = _values_of(
            generator.schema(spec.load.key_format or topic.key_format), "key"
        )

    def make(self, index: int) -> tuple[dict[str, Any], EventLine | None]:
        """Return the fields of one event, and the event that it is like."""
        try:
            return self._make(index)
        except _HintError:
            raise
        except DataError as error:
            raise _HintError(self._spec.position, str(error), error.hint) from None

    def _make(self, index: int) -> tuple[dict[str, Any], EventLine | None]:
        maker = _Maker(self, index)
        example: EventLine | None = None
        fields: dict[str, Any] = {}
        if self._examples:
            example = maker.random("example").choice(self._examples)
            kept = ("key", "value", "headers")
            fields = {
                name: copy.deepcopy(example.fields[name]) for name in kept if name in example.fields
            }
            fields["value"] = self._with_hints(fields.get("value"), maker)
        elif self._values is not None:
            fields["value"] = wrapped(self._values.make(maker))
        else:
            fields["value"] = wrapped(self._from_hints(maker))
        self._add_key(fields, index, maker)
        return fields, example

    def _add_key(self, fields: dict[str, Any], index: int, maker: _Maker) -> None:
        key = self._spec.key
        if isinstance(key, Hint):
            fields["key"] = wrapped(maker.made(key, _KEY_PLACE))
        elif isinstance(key, str):
            try:
                found = field_of(unwrapped(fields["value"]), key)
            except DataError as error:
                raise _HintError(self._spec.at("key"), f"the key: {error}", error.hint) from None
            key_format = self._spec.load.key_format or self._topic.key_format
            is_text = key_format.name == "string" and type(found) is int
            fields["key"] = str(found) if is_text else wrapped(found)
        elif self._key_values is not None and not (
            self._topic.key_field or self._spec.load.key_field
        ):
            without_hints = _Maker(self, index, prefix="key")
            fields["key"] = wrapped(self._key_values.make(without_hints))

    def _with_hints(self, value: Any, maker: _Maker) -> Any:
        wrapper = value if is_wrapper(value) else {"data": value}
        for path in self._spec.hints:
            self._set(wrapper, ("data", *path), path, maker, "$")
        return value if wrapper is value else wrapped(wrapper["data"])

    def _set(self, parent: Any, rest: Path, path: Path, maker: _Maker, place: str) -> None:
        name, inner = rest[0], rest[1:]
        if not isinstance(parent, dict):
            raise _HintError(
                self._spec.hints[path].position,
                f"the examples have no field {quoted('.'.join(path))}",
                "mend the path",
            )
        place = f"{place}.{name}" if inner != path else place
        if not inner:
            parent[name] = maker.hinted(path, place)
            return
        found = parent.get(name)
        for index, item in enumerate(found if isinstance(found, list) else [found]):
            at = f"{place}[{index}]" if isinstance(found, list) else place
            self._set(item, inner, path, maker, at)

    def _from_hints(self, maker: _Maker) -> Any:
        made: dict[str, Any] = {}
        for path in self._spec.hints:
            value = maker.hinted(path, ".".join(("$", *path)))
            if not path:
                return value
            inner = made
            for name in path[:-1]:
                inner = inner.setdefault(name, {})
            inner[path[-1]] = value
        return made

    def check_used(self) -> None:
        """Report hints for fields that no event has.

        Raises:
            DataError: there is one.
        """
        for path, hint in self._spec.hints.items():
            if path not in self._used:
                known = {".".join(seen) for seen in self._seen if seen}
                raise _HintError(
                    hint.position,
                    f"the values have no field {quoted('.'.join(path))}",
                    did_you_mean(".".join(path), known),
                )

    def draw(self, index: int, place: str) -> Draw:
        """Return what one value is made from."""
        return Draw(
            seed=self._generator.seed_of(self._spec),
            topic=self._name,
            index=index,
            place=place,
            values_of=self._generator.values_of,
        )

    def hint(self, path: Path) -> Hint | None:
        """Return the hint at a path, and remember that there is such a field."""
        self._seen.add(path)
        return self._spec.hints.get(path)

    def is_above(self, path: Path) -> bool:
        """Whether a hint stands at a path or below it."""
        return path in self._above

    def use(self, path: Path) -> Hint:
        """Return the hint at a path and remember that it is used."""
        self._used.add(path)
        return self._spec.hints[path]


class _Maker:
    """The values of one event; see :class:`fakebus.fixture_files.generation.values.Maker`."""

    def __init__(self, template: _Template, index: int, prefix: str = "") -> None:
        self._template = template
        self._index = index
        self._prefix = prefix

    def has_hint(self, path: Path) -> bool:
        return not self._prefix and self._template.hint(path) is not None

    def has_hint_below(self, path: Path) -> bool:
        return not self._prefix and self._template.is_above(path)

    def hinted(self, path: Path, place: str) -> object:
        return self.made(self._template.use(path), place)

    def made(self, hint: Hint, place: str) -> object:
        try:
            return make_value(hint, self._template.draw(self._index, place))
        except DataError as error:
            raise _HintError(hint.position, f"{hint.function}: {error}", error.hint) from None

    def random(self, place: str) -> Random:
        return self._template.draw(self._index, self._prefix + place).random()


def _hints(spec: Generate) -> Iterator[Hint]:
    yield from spec.hints.values()
    if isinstance(spec.key, Hint):
        yield spec.key


def _values_of(schema: ParsedSchema | None, name: str) -> AvroValues | JsonSchemaValues | None:
    if isinstance(schema, AvroSchema):
        return AvroValues(schema.node, name)
    if schema is not None and schema.schema_type == "JSON":
        return JsonSchemaValues(schema.canonical, name)
    return None
