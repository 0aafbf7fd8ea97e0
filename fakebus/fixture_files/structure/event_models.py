"""Where a topic's events come from, as ``fakebus.yaml`` says it: formats, files, generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from fakebus.fixture_files.formats.format_names import format_named
from fakebus.fixture_files.generation_hints import HINTS, Hint
from fakebus.fixture_files.headers import HEADERS_SCHEMA, Headers, parse_headers
from fakebus.fixture_files.inputs.input_names import INPUT_NAMES
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
    FILE,
    choice,
    custom,
    integer,
    mapping,
    object_of,
    several,
    text,
)
from fakebus.fixture_files.structure.yaml_tree import (
    YamlMapping,
    YamlNode,
    YamlScalar,
    json_value,
    kind_of,
    plain,
)
from fakebus.schemas.payloads import FORMATS as FORMATS_BY_TYPE

MAX_GENERATED = 100_000
FROM_EXAMPLE = "example"
SOURCES = ("schema", FROM_EXAMPLE)
"""What the values are made from: the schema of the topic, or its other events."""
ROOT_PATH = "$"
"""The path of the whole value."""
TEXTS = several(text(), single=YamlScalar)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format(Model):
    """Format of keys or values: its name, a subject, or both."""

    name: str | None = declared(text(str.lower), name="format")
    subject: str | None = declared(text())
    version: int | None = declared(integer(1, 2**31 - 1))

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
    """Format of keys, and where they come from."""

    field: str | None = declared(text())


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


KEY_FORMAT = custom(
    lambda node, what, reading: _read_format(KeyFormat, node, what, reading), reference("key")
)
VALUE_FORMAT = custom(
    lambda node, what, reading: _read_format(Format, node, what, reading), reference("format")
)
HEADERS = custom(_read_headers, HEADERS_SCHEMA)
_NO_HEADERS = Headers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(Model):
    """Events file that is named somewhere, with defaults for its events."""

    WHAT: ClassVar[str] = 'an entry of "load"'
    KEY: ClassVar[str] = "file"

    file: str = declared(FILE, default="", required=True)
    input_name: str | None = declared(
        choice(INPUT_NAMES, "there is no format {} of events files"), name="format"
    )
    key: KeyFormat | None = declared(KEY_FORMAT)
    value: Format | None = declared(VALUE_FORMAT)
    headers: Headers = declared(HEADERS, default=_NO_HEADERS)

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
    file = FILE.read(node, what, reading)
    origin = Origin(node.position, {}, reading.relative)
    return WRONG if file is WRONG else Load(origin=origin, file=file)


LOADS = several(
    custom(read_load, {"oneOf": [text().schema(), reference("load")]}),
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


def _read_hints(node: YamlMapping, what: str, reading: Reading) -> Any:
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
        return text().read(node, what, reading)
    if {"format", "subject", "version", "field"} & node.entries.keys():
        return _read_format(KeyFormat, node, what, reading)
    return read_hint(node, what, reading)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRange(Model):
    """Range of time in which generated events happen."""

    first: str = declared(text(also=("timestamp",)), name="from", default="-30d")
    last: str = declared(text(also=("timestamp",)), name="to", default="now")


_ANY_TIME = TimeRange()


@dataclass(frozen=True, slots=True, kw_only=True)
class Generate(Model):
    """Events that a topic has made for it."""

    WHAT: ClassVar[str] = '"generate"'
    IS_WHOLE: ClassVar[bool] = True

    count: int = declared(integer(1, MAX_GENERATED), default=1, required=True)
    source: str = declared(
        choice(SOURCES, "nothing can be generated from {}"), name="from", default=SOURCES[0]
    )
    seed: int | None = declared(integer())
    hints: Mapping[tuple[str, ...], Hint] = declared(
        mapping(
            _read_hints, {"type": ["object", "null"], "additionalProperties": reference("hint")}
        ),
        name="with",
        default=dict,
    )
    key: Hint | str | KeyFormat | None = declared(
        custom(
            _read_generated_key, {"anyOf": [text().schema(), reference("hint"), reference("key")]}
        )
    )
    value: Format | None = declared(VALUE_FORMAT)
    headers: Headers = declared(HEADERS, default=_NO_HEADERS)
    range: TimeRange = declared(object_of(TimeRange), name="at", default=_ANY_TIME, inner=TimeRange)
    tags: tuple[str, ...] = declared(TEXTS, default=())
    faker_version: str | None = declared(text())

    @property
    def load(self) -> Load:
        """The formats and headers of the events, where they are not the topic's."""
        return Load(
            origin=self.origin,
            key=self.key if isinstance(self.key, KeyFormat) else None,
            value=self.value,
            headers=self.headers,
        )


GENERATES = several(object_of(Generate, "generate"), single=YamlMapping)
