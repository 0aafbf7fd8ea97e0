"""``generate`` in a topic: how many events are made, of what, and when they happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fakebus.fixture_files.generation_hints import HINTS, Hint
from fakebus.fixture_files.load_specs import LoadSpec
from fakebus.fixture_files.problems import DataError, Position, ProblemList, did_you_mean, quoted
from fakebus.fixture_files.yaml_fields import FieldReader, kind_of
from fakebus.fixture_files.yaml_tree import YamlMapping, YamlNode, YamlScalar
from fakebus.fixture_files.yaml_values import json_value

MAX_GENERATED = 100_000
FROM_SCHEMA = "schema"
FROM_EXAMPLE = "example"
SOURCES = (FROM_SCHEMA, FROM_EXAMPLE)
"""What the values are made from: the schema of the topic, or its other events."""
ROOT_PATH = "$"
"""The path of the whole value."""
_DEFAULT_RANGE = ("-30d", "now")
GENERATE_FIELDS = (
    "count",
    "from",
    "seed",
    "with",
    "key",
    "value",
    "headers",
    "at",
    "tags",
    "faker_version",
)
KEY_FORMAT_FIELDS = frozenset({"format", "subject", "version", "field"})
_RANGE_FIELDS = ("from", "to")


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateSpec:
    """The events that a topic has made for it."""

    position: Position
    load: LoadSpec
    """The formats and headers of its events, where they are not the topic's."""
    relative: str
    """The YAML file, from the root."""
    count: int
    source: str
    seed: int | None
    """``None`` is the set's."""
    hints: Mapping[tuple[str, ...], Hint]
    """By the names of the fields that lead to a value."""
    key: Hint | str | None
    """A hint, or the path of a field of the value."""
    key_position: Position
    first: str
    last: str
    range_position: Position
    tags: tuple[str, ...]
    faker_version: str | None
    faker_position: Position


def default_generate(topic_at: Position, relative: str) -> GenerateSpec:
    """Return what stands for ``generate`` in a topic that has none.

    Args:
        topic_at: where the topic stands.
        relative: the file that it stands in, from the root.
    """
    return GenerateSpec(
        position=topic_at,
        load=LoadSpec(file="", position=topic_at),
        relative=relative,
        count=1,
        source=FROM_SCHEMA,
        seed=None,
        hints={},
        key=None,
        key_position=topic_at,
        first=_DEFAULT_RANGE[0],
        last=_DEFAULT_RANGE[1],
        range_position=topic_at,
        tags=(),
        faker_version=None,
        faker_position=topic_at,
    )


def is_key_format(node: YamlNode) -> bool:
    """Whether ``key`` says how keys are written, and not how they are made."""
    return isinstance(node, YamlMapping) and bool(KEY_FORMAT_FIELDS & node.entries.keys())


def read_generate(
    mapping: YamlMapping,
    inner: FieldReader,
    load: LoadSpec,
    relative: str,
    problems: ProblemList,
) -> GenerateSpec | None:
    """Return an entry of a topic's ``generate``; ``None`` if it cannot be used.

    Args:
        mapping: the entry.
        inner: its fields.
        load: the formats and headers of its events.
        relative: the file that it stands in, from the root.
        problems: where mistakes go.
    """
    before = len(problems)
    inner.node("count", required=True)
    count = inner.integer("count", lowest=1, highest=MAX_GENERATED)
    first, last = _range(inner, problems)
    spec = GenerateSpec(
        position=mapping.position,
        load=load,
        relative=relative,
        count=count or 1,
        source=_source(inner, problems),
        seed=inner.integer("seed", lowest=-(2**63), highest=2**63 - 1),
        hints=_hints(inner, problems),
        key=_key(inner, problems),
        key_position=inner.position("key"),
        first=first,
        last=last,
        range_position=inner.position("at"),
        tags=tuple(text for text, _ in inner.texts("tags", or_one=True)),
        faker_version=inner.text("faker_version"),
        faker_position=inner.position("faker_version"),
    )
    return spec if len(problems) == before else None


def _source(fields: FieldReader, problems: ProblemList) -> str:
    source = fields.text("from")
    if source is not None and source not in SOURCES:
        problems.add(
            fields.position("from"),
            f"nothing can be generated from {quoted(source)}",
            did_you_mean(source, SOURCES),
        )
    return source or FROM_SCHEMA


def _range(fields: FieldReader, problems: ProblemList) -> tuple[str, str]:
    mapping = fields.mapping("at")
    if mapping is None:
        return _DEFAULT_RANGE
    inner = FieldReader(mapping, '"at"', _RANGE_FIELDS, problems)
    return _time(inner, "from") or _DEFAULT_RANGE[0], _time(inner, "to") or _DEFAULT_RANGE[1]


def _time(fields: FieldReader, name: str) -> str | None:
    node = fields.node(name)
    if isinstance(node, YamlScalar) and node.kind == "timestamp":
        return node.text
    return fields.text(name)


def _hints(fields: FieldReader, problems: ProblemList) -> dict[tuple[str, ...], Hint]:
    mapping = fields.mapping("with")
    if mapping is None:
        return {}
    found: dict[tuple[str, ...], Hint] = {}
    for path, entry in mapping.entries.items():
        names = path_of(path)
        hint = read_hint(entry.value, path, problems)
        clash = next((other for other in found if _one_in_the_other(names, other)), None)
        if clash is not None:
            problems.add(
                entry.key.position,
                f"{quoted(path)} and {quoted('.'.join(clash))} lie one in the other",
                "keep one of them",
            )
        elif hint is not None:
            found[names] = hint
    return found


def path_of(text: str) -> tuple[str, ...]:
    """Return the names that a path consists of; none for the whole value."""
    return () if text == ROOT_PATH else tuple(text.split("."))


def _one_in_the_other(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _key(fields: FieldReader, problems: ProblemList) -> Hint | str | None:
    node = fields.node("key")
    if node is not None and is_key_format(node):
        return None
    if isinstance(node, YamlMapping):
        return read_hint(node, "key", problems)
    return fields.text("key")


def read_hint(node: YamlNode, path: str, problems: ProblemList) -> Hint | None:
    """Return how one value is made; ``None`` after saying what is wrong with it."""
    shape = "write a function and what it takes, such as  {sequence: 1}"
    if not isinstance(node, YamlMapping):
        problems.add(node.position, f"{quoted(path)} must be an object, not {kind_of(node)}", shape)
        return None
    named = [name for name in node.entries if name in HINTS]
    if len(named) != 1:
        message = f"{quoted(path)} has more than one function: {', '.join(named)}"
        hint = "keep one"
        if not named:
            message = f"{quoted(path)} names no function that makes values"
            hint = did_you_mean(next(iter(node.entries), ""), HINTS)
        problems.add(node.position, message, hint)
        return None
    [function] = named
    known = (function, *HINTS[function].options)
    FieldReader(node, f'"{function}"', known, problems)
    values = {name: json_value(entry.value) for name, entry in node.entries.items()}
    found = Hint(
        function=function,
        argument=values.pop(function),
        options=values,
        path=path,
        position=node.position,
    )
    try:
        HINTS[function].check(found)
    except DataError as error:
        problems.add(node.entries[function].value.position, f"{function}: {error}", error.hint)
        return None
    return found
