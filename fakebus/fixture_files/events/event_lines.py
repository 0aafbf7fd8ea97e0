"""NDJSON: one event a line, read into dicts whose fields have the right shapes.

Blank lines are skipped. What an event means (topics, times, formats) is not decided here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from json.decoder import JSONDecodeError
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from fakebus.fixture_files.formats.format import kind_of_json
from fakebus.fixture_files.headers import HEADERS_SCHEMA
from fakebus.fixture_files.inputs.input import Input, InputMistake
from fakebus.fixture_files.inputs.input_names import input_of
from fakebus.fixture_files.inputs.json_places import field_indexes
from fakebus.fixture_files.problems import (
    DataError,
    Position,
    ProblemList,
    did_you_mean,
    quoted,
)

if TYPE_CHECKING:
    from fakebus.fixture_files.structure.event_models import Load
    from fakebus.fixture_files.structure.models import Topic


class EventField(NamedTuple):
    """Field of an event; ``structure/words.yaml`` tells what it means."""

    words: Mapping[str, Any]
    """The JSON Schema of what may stand in it; null is as if it were missing."""
    fits: Callable[[Any], bool] = lambda data: True
    must_be: str = ""
    """What is said of something else, which ``{}`` stands for."""
    hint: str = ""


_TEXT = EventField(
    {"type": ["string", "null"], "minLength": 1},
    lambda data: isinstance(data, str) and bool(data),
    "a text, not {}",
    "write a text",
)
EVENT_FIELDS: Mapping[str, EventField] = {
    "topic": _TEXT,
    "key": EventField({}),
    "value": EventField({}),
    "headers": EventField(HEADERS_SCHEMA),
    "at": _TEXT,
    "after": _TEXT,
    "partition": EventField(
        {"type": ["integer", "null"], "minimum": 0},
        lambda data: type(data) is int and data >= 0,
        "a whole number from 0",
        "leave it out to let the key decide",
    ),
    "offset": EventField({}),
    "id": _TEXT._replace(words={**_TEXT.words, "pattern": r"^\S+$"}),
    "tags": EventField(
        {"type": ["array", "null"], "items": {"type": "string"}},
        lambda data: isinstance(data, list) and all(isinstance(tag, str) for tag in data),
        "a list of texts",
        'write ["demo"]',
    ),
}
_SPACE = " \t\r"
_LINES_AT_ONCE = 200
_BETWEEN = token_hex()
_DIGEST_SIZE = 8


@dataclass(slots=True, kw_only=True, eq=False)
class EventLine:
    """One line of an events file."""

    file: EventFile
    line: int
    text: str
    """The line without the space around it; JSON of the fields if the file is no NDJSON."""
    fields: dict[str, Any]
    is_converted: bool = False
    """Whether the file is no NDJSON, so that columns mean nothing."""

    @property
    def has_calls(self) -> bool:
        """Whether a ``$`` function may stand in the line."""
        return '"$' in self.text or "\\u0024" in self.text

    def digest(self) -> bytes:
        """Return a short hash of the line as written."""
        raw = self.text.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(raw, digest_size=_DIGEST_SIZE).digest()

    @property
    def name(self) -> str:
        """What tells the event from all others: its id, or its text."""
        return self.fields.get("id") or self.digest().hex()

    def position(self, field: str = "") -> Position:
        """Return where a field's value stands, or the beginning of the line."""
        if self.is_converted:
            return Position(self.file.display, self.line, 1)
        indent = self.file.indent(self.line)
        column = field_indexes(self.text).get(field, 0) if field else 0
        return Position(self.file.display, self.line, indent + column + 1)


class EventFile:
    """An events file.

    Args:
        relative: its path from the set's root.
        display: its path for problems.
        text: its content.
        topic: the topic that loads it, or ``None`` if lines name their topics.
        load: the defaults of its events.
    """

    def __init__(
        self,
        relative: str,
        display: str,
        text: str,
        topic: str | None,
        load: Load | None = None,
    ) -> None:
        self.load = load
        self.relative = relative
        self.display = display
        self.topic = topic
        self._text = text
        self._lines = text.split("\n")

    def indent(self, line: int) -> int:
        """Return how many blanks a line begins with."""
        text = self._lines[line - 1]
        return len(text) - len(text.lstrip(_SPACE))

    def read(self, problems: ProblemList) -> Iterator[EventLine]:
        """Yield everything that is a well-formed event; the rest becomes problems."""
        input_ = input_of(self.relative, self.load.input_name if self.load else None)
        before = len(problems)
        empty = True
        for event in self._events(problems) if input_ is None else self._read(input_, problems):
            empty = False
            if check_shape(event, problems):
                yield event
        if empty and len(problems) == before:
            problems.add(
                Position(self.display),
                "the file has no events",
                "add one on a line of its own, or do not load the file",
            )

    def _events(self, problems: ProblemList) -> Iterator[EventLine]:
        lines = ((number, raw.strip(_SPACE)) for number, raw in enumerate(self._lines, 1))
        filled = (line for line in lines if line[1])
        while part := list(islice(filled, _LINES_AT_ONCE)):
            together = _decoded([text for _, text in part])
            for at, (number, text) in enumerate(part):
                fields = together[at] if together else self._parse(text, number, problems)
                if fields is not None:
                    yield EventLine(file=self, line=number, text=text, fields=fields)

    def _read(self, input_: Input, problems: ProblemList) -> Iterator[EventLine]:
        for found in input_.read(self._text, self.topic is None):
            if isinstance(found, InputMistake):
                position = Position(self.display, found.line, found.column)
                problems.add(position, found.message, found.hint)
                continue
            text = json.dumps(found.fields, ensure_ascii=False)
            yield EventLine(
                file=self, line=found.line, text=text, fields=found.fields, is_converted=True
            )

    def _parse(self, text: str, number: int, problems: ProblemList) -> dict[str, Any] | None:
        def report(column: int, message: str, hint: str) -> None:
            position = Position(self.display, number, self.indent(number) + column)
            problems.add(position, message, hint)

        try:
            data = _decoder.decode(text)
        except JSONDecodeError as error:
            what = error.msg[:1].lower() + error.msg[1:]
            report(error.pos + 1, f"this is not JSON: {what}", _syntax_hint(text))
        except DataError as error:
            report(1, str(error), error.hint)
        except RecursionError:
            report(1, "the JSON is nested too deeply", "flatten it")
        except ValueError:  # CPython refuses numbers of more than 4300 digits
            report(1, "a number has too many digits", "write it as a text")
        else:
            if isinstance(data, dict):
                return data
            report(1, f"an event must be an object, not {kind_of_json(data)}", _syntax_hint(text))
        return None


def _syntax_hint(text: str) -> str:
    if text.startswith(("#", "//")):
        return "NDJSON has no comments; remove the line"
    if text in ("{", "[", "]", "}", "],", "},"):
        return "write each event on one line, without a list around them"
    if text.endswith(","):
        return "remove the comma at the end of the line"
    if "'" in text and '"' not in text:
        return "use double quotes"
    return 'write one object per line, such as {"key": "k", "value": {"n": 1}}'


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"the field {quoted(twice)} stands twice in one object", "remove one")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise DataError(f"JSON has no {name}", "write null or a text")


_decoder = json.JSONDecoder(object_pairs_hook=_unique_fields, parse_constant=_refuse_constant)


def _decoded(lines: Sequence[str]) -> Sequence[dict[str, Any]] | None:
    """Return the objects of lines, which share the names of their fields; nothing if one is wrong.

    No line can hold what stands between the lines: where it is found, a line has ended.
    """
    try:
        found = _decoder.decode(f"[{f',{json.dumps(_BETWEEN)},'.join(lines)}]")
    except (ValueError, DataError, RecursionError):
        return None
    objects = found[::2]
    is_right = len(objects) == len(lines) and found[1::2] == [_BETWEEN] * (len(lines) - 1)
    return objects if is_right and all([type(each) is dict for each in objects]) else None


def check_shape(event: EventLine, problems: ProblemList) -> bool:
    """Report unknown fields and fields of another kind; return whether all is well."""
    fields = event.fields
    before = len(problems)
    if "value" not in fields:
        problems.add(
            event.position(), "the event has no value", 'write "value": null for a tombstone'
        )
    for name, data in fields.items():
        field = EVENT_FIELDS.get(name)
        if field is None:
            hint = did_you_mean(name, EVENT_FIELDS)
            problems.add(event.position(name), f"an event has no field {quoted(name)}", hint)
        elif data is not None and not field.fits(data):
            shown = "empty" if data == "" else kind_of_json(data)
            message = f'"{name}" must be {field.must_be.replace("{}", shown)}'
            problems.add(event.position(name), message, field.hint)
    event_id = fields.get("id")
    if isinstance(event_id, str) and event_id and len(event_id.split()) != 1:
        problems.add(event.position("id"), "an id must not hold spaces", 'write "id": "order-7"')
    if fields.get("at") is not None and fields.get("after") is not None:
        problems.add(event.position("after"), '"at" and "after" exclude each other', "remove one")
    return len(problems) == before


def topic_of(event: EventLine, topics: Mapping[str, Topic], problems: ProblemList) -> Topic | None:
    """Return the topic that an event goes to; ``None`` after telling that there is none."""
    named: str | None = event.fields.get("topic")
    loading = event.file.topic
    if loading is not None:
        if named is not None and named != loading:
            problems.add(
                event.position("topic"),
                f"the event names the topic {quoted(named)}, "
                f"but its file is loaded by {quoted(loading)}",
                'remove "topic", or load the file with include',
            )
            return None
        return topics[loading]
    if named is None:
        problems.add(
            event.position(),
            "the event names no topic, and no topic loads this file",
            'add "topic", or load the file from a topic',
        )
        return None
    if named not in topics:
        problems.add(
            event.position("topic"),
            f"there is no topic {quoted(named)}",
            did_you_mean(named, topics) if topics else "add it under topics",
        )
    return topics.get(named)
