"""Where a topic's events come from, as ``fakebus.yaml`` says it: formats, files, generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fakebus.fixture_files.format_names import format_named
from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.formats.registered import FORMATS_BY_TYPE
from fakebus.fixture_files.generation_hints import HINTS, Hint
from fakebus.fixture_files.headers import HEADERS_SCHEMA, Headers, parse_headers
from fakebus.fixture_files.input_names import INPUT_NAMES
from fakebus.fixture_files.problems import DataError, did_you_mean, quoted
from fakebus.fixture_files.structure.declarations import (
    WRONG,
    Model,
    Origin,
    Reading,
    declared,
    read_object,
    reference,
    tell_unknown,
)
from fakebus.fixture_files.structure.kinds import (
    Custom,
    FileName,
    Integer,
    Object,
    Several,
    Text,
    choice,
)
from fakebus.fixture_files.structure.yaml_tree import (
    YamlMapping,
    YamlNode,
    YamlScalar,
    json_value,
    kind_of,
    plain,
)

MAX_GENERATED = 100_000
FROM_EXAMPLE = "example"
SOURCES = ("schema", FROM_EXAMPLE)
"""What the values are made from: the schema of the topic, or its other events."""
ROOT_PATH = "$"
"""The path of the whole value."""
TEXTS = Several(of=Text(), single=YamlScalar)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format(Model):
    """How keys or values are written: a format, a subject, or both."""

    name: str | None = declared(
        Text(parse=str.lower),
        f"the format of plain data: `{'`, `'.join((*FORMATS, *FORMATS_BY_TYPE.values()))}`",
        "`string` for keys, `json` for values; the subject's",
        name="format",
    )
    subject: str | None = declared(Text(), "one of `subjects`")
    version: int | None = declared(
        Integer(lowest=1, highest=2**31 - 1), "of the subject, from 1 in this set", "the latest"
    )

    def finished(self, reading: Reading) -> Any:
        """Return the format if there is such a one."""
        if self.subject is None:
            try:
                format_named(self.name or "json")
            except DataError as error:
                return reading.wrong(self.at("format"), str(error), error.hint)
        elif self.name not in (None, *FORMATS_BY_TYPE.values()):
            return reading.wrong(
                self.at("format"),
                f"the format {quoted(self.name or '')} has no subject",
                did_you_mean(self.name or "", FORMATS_BY_TYPE.values()),
            )
        return self

    @property
    def is_named(self) -> bool:
        """Whether there is a format, and not only something else about a key."""
        return self.name is not None or self.subject is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFormat(Format):
    """How keys are written, and where they come from."""

    field: str | None = declared(
        Text(), "the field of the value that is the key of events without one, see below"
    )


def _read_format(model: type[Format], node: YamlNode, what: str, reading: Reading) -> Any:
    if isinstance(node, YamlMapping):
        return read_object(model, node, what, reading)
    message = f"{what} must be an object, not {kind_of(node)}"
    return reading.wrong(node.position, message, f"write  {what[1:-1]}: {{format: json}}")


def _read_headers(node: YamlNode, what: str, reading: Reading) -> Any:
    try:
        return parse_headers(plain(node))
    except DataError as error:
        return reading.wrong(node.position, str(error), error.hint)


KEY_FORMAT = Custom(
    lambda node, what, reading: _read_format(KeyFormat, node, what, reading), reference("key")
)
VALUE_FORMAT = Custom(
    lambda node, what, reading: _read_format(Format, node, what, reading), reference("format")
)
HEADERS = Custom(_read_headers, HEADERS_SCHEMA)
_HEADERS_DOC = "headers of every event: an object, or a list of pairs"
_NO_HEADERS = Headers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(Model):
    """Events file that is named somewhere, with defaults for its events."""

    WHAT: ClassVar[str] = 'an entry of "load"'
    KEY: ClassVar[str] = "file"

    file: str = declared(FileName(), "the file", default="", required=True)
    input_name: str | None = declared(
        choice(INPUT_NAMES, "there is no format {} of events files"),
        f"`{'`, `'.join(INPUT_NAMES)}`",
        "the file's name says it",
        name="format",
    )
    key: KeyFormat | None = declared(KEY_FORMAT, "how keys are written in it", "the topic's")
    value: Format | None = declared(VALUE_FORMAT, "how values are written in it", "the topic's")
    headers: Headers = declared(HEADERS, _HEADERS_DOC, "the topic's", default=_NO_HEADERS)

    @property
    def key_format(self) -> Format | None:
        """How keys are written, if it is said."""
        return self.key if self.key is not None and self.key.is_named else None

    @property
    def value_format(self) -> Format | None:
        """How values are written, if it is said."""
        return self.value if self.value is not None and self.value.is_named else None

    @property
    def key_field(self) -> str | None:
        """The field of the value that is the key of events without one."""
        return None if self.key is None else self.key.field


def read_load(node: YamlNode, what: str, reading: Reading) -> Any:
    """Return what an entry of ``load`` says; a text is the file."""
    if isinstance(node, YamlMapping):
        return read_object(Load, node, what, reading)
    file = FileName().read(node, what, reading)
    origin = Origin(node.position, {}, reading.relative)
    return WRONG if file is WRONG else Load(origin=origin, file=file)


LOADS = Several(
    of=Custom(read_load, {"oneOf": [Text().schema(), reference("load")]}),
    single=(YamlScalar, YamlMapping),
)


def read_hint(node: YamlNode, what: str, reading: Reading) -> Any:
    """Return how one value is made."""
    shape = "write a function and what it takes, such as  {sequence: 1}"
    if not isinstance(node, YamlMapping):
        message = f"{what} must be an object, not {kind_of(node)}"
        return reading.wrong(node.position, message, shape)
    named = [name for name in node.entries if name in HINTS]
    if len(named) > 1:
        message = f"{what} has more than one function: {', '.join(named)}"
        return reading.wrong(node.position, message, "keep one")
    if not named:
        hint = did_you_mean(next(iter(node.entries), ""), HINTS)
        return reading.wrong(node.position, f"{what} names no function that makes values", hint)
    [function] = named
    tell_unknown(node, f'"{function}"', (function, *HINTS[function].options), reading)
    values = {name: json_value(entry.value) for name, entry in node.entries.items()}
    found = Hint(
        function=function,
        argument=values.pop(function),
        options=values,
        position=node.position,
    )
    try:
        HINTS[function].check(found)
    except DataError as error:
        position = node.entries[function].value.position
        return reading.wrong(position, f"{function}: {error}", error.hint)
    return found


def _read_hints(node: YamlNode, what: str, reading: Reading) -> Any:
    if not isinstance(node, YamlMapping):
        message = f"{what} must be an object, not {kind_of(node)}"
        return reading.wrong(node.position, message, "write  name: value")
    found: dict[tuple[str, ...], Hint] = {}
    for path, entry in node.entries.items():
        names = () if path == ROOT_PATH else tuple(path.split("."))
        hint = read_hint(entry.value, quoted(path), reading)
        clash = next((other for other in found if _one_in_the_other(names, other)), None)
        if clash is not None:
            reading.wrong(
                entry.key.position,
                f"{quoted(path)} and {quoted('.'.join(clash))} lie one in the other",
                "keep one of them",
            )
        elif hint is not WRONG:
            found[names] = hint
    return found


def _one_in_the_other(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _read_generated_key(node: YamlNode, what: str, reading: Reading) -> Any:
    if not isinstance(node, YamlMapping):
        return Text().read(node, what, reading)
    if {"format", "subject", "version", "field"} & node.entries.keys():
        return _read_format(KeyFormat, node, what, reading)
    return read_hint(node, what, reading)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange(Model):
    """When generated events happen."""

    first: str = declared(
        Text(may_be_time=True),
        "the events are spread from here: an instant, `now`, or an offset from the anchor",
        "`-30d`",
        name="from",
        default="-30d",
    )
    last: str = declared(
        Text(may_be_time=True),
        "to here, in order; both offsets or both instants",
        "`now`",
        name="to",
        default="now",
    )


_ANY_TIME = TimeRange()


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate(Model):
    """Events that a topic has made for it."""

    WHAT: ClassVar[str] = '"generate"'
    IS_WHOLE: ClassVar[bool] = True

    count: int = declared(
        Integer(lowest=1, highest=MAX_GENERATED),
        f"how many events, 1 to {MAX_GENERATED}",
        default=1,
        required=True,
    )
    source: str = declared(
        choice(SOURCES, "nothing can be generated from {}"),
        "`schema`, or `example`: events like those that the topic's files hold, in the formats "
        "and with the headers of these files",
        "`schema`",
        name="from",
        default=SOURCES[0],
    )
    seed: int | None = declared(Integer(), "a number", "the set's")
    hints: Mapping[tuple[str, ...], Hint] = declared(
        Custom(
            _read_hints,
            {"type": ["object", "null"], "additionalProperties": reference("hint")},
        ),
        "how single values are made, by the path of the field; the items of a list share the "
        "path of the list; `$` is the whole value",
        name="with",
        default=dict,
    )
    key: Hint | str | KeyFormat | None = declared(
        Custom(
            _read_generated_key, {"anyOf": [Text().schema(), reference("hint"), reference("key")]}
        ),
        "a field of the value, or a function of those below; or `subject`, `format` and `field` "
        "as in a topic",
        "the topic's `key.field`, else from the key's schema",
    )
    value: Format | None = declared(VALUE_FORMAT, "as in a topic, for these events", "the topic's")
    headers: Headers = declared(HEADERS, _HEADERS_DOC, "the topic's", default=_NO_HEADERS)
    range: TimeRange = declared(
        Object(model=TimeRange), "when they happen", name="at", default=_ANY_TIME, inner=TimeRange
    )
    tags: tuple[str, ...] = declared(TEXTS, "tags of the events, for profiles", default=())
    faker_version: str | None = declared(
        Text(),
        "the version of faker that the set was made with; another one is a mistake",
    )

    @property
    def load(self) -> Load:
        """The formats and headers of the events, where they are not the topic's."""
        return Load(
            origin=self.origin,
            key=self.key if isinstance(self.key, KeyFormat) else None,
            value=self.value,
            headers=self.headers,
        )


GENERATES = Several(of=Object(model=Generate, reference="generate"), single=YamlMapping)


def hint_schema() -> dict[str, Any]:
    """Return the JSON Schema of the functions that make values."""
    return {
        "description": "how a value is made",
        "oneOf": [
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {name: one.takes, **one.options},
                "required": [name],
            }
            for name, one in HINTS.items()
        ],
    }
