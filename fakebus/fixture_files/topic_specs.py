"""The ``topics`` of a fixture set, with their defaults filled in."""

from __future__ import annotations

from dataclasses import dataclass

from fakebus.fixture_files.format_names import format_named
from fakebus.fixture_files.formats.registered import FORMATS_BY_TYPE
from fakebus.fixture_files.generation_specs import (
    GENERATE_FIELDS,
    GenerateSpec,
    is_key_format,
    read_generate,
)
from fakebus.fixture_files.headers import Headers, parse_headers
from fakebus.fixture_files.input_names import INPUT_NAMES
from fakebus.fixture_files.load_specs import FormatSpec, KeyField, LoadSpec
from fakebus.fixture_files.problems import DataError, Position, ProblemList, did_you_mean, quoted
from fakebus.fixture_files.sources import FixtureDirectory
from fakebus.fixture_files.topic_rules import check_topic_config, topic_name_problem
from fakebus.fixture_files.yaml_fields import FieldReader
from fakebus.fixture_files.yaml_tree import YamlMapping, YamlNode, YamlScalar, plain
from fakebus.records.partitioner import PARTITIONERS

MAX_PARTITIONS = 10_000
_TOPIC_FIELDS = (
    "name",
    "partitions",
    "config",
    "key",
    "value",
    "headers",
    "load",
    "generate",
    "owner",
    "consumers",
    "partitioner",
)
_LOAD_FIELDS = ("file", "format", "key", "value", "headers")
_FORMAT_FIELDS = ("format", "subject", "version")
_KEY_FIELDS = (*_FORMAT_FIELDS, "field")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic as written, with defaults filled in."""

    name: str
    position: Position
    partitions: int
    config: dict[str, str]
    key_format: FormatSpec
    value_format: FormatSpec
    format_positions: tuple[Position, Position]
    """Where the formats of keys and values are written."""
    key_field: KeyField | None
    headers: Headers
    loads: tuple[LoadSpec, ...]
    generates: tuple[GenerateSpec, ...]
    owner: str | None
    consumers: tuple[str, ...]
    partitioner: str | None


def read_partitioner(fields: FieldReader, problems: ProblemList) -> str | None:
    """Return the partitioner that an object names, if it is a known one."""
    name = fields.text("partitioner")
    if name is not None and name not in PARTITIONERS:
        problems.add(
            fields.position("partitioner"),
            f"there is no partitioner {quoted(name)}",
            did_you_mean(name, PARTITIONERS),
        )
        return None
    return name


class TopicReader:
    """Reads topics.

    Args:
        directory: the set, which bounds the paths of events files.
        problems: where mistakes go.
    """

    def __init__(self, directory: FixtureDirectory, problems: ProblemList) -> None:
        self._directory = directory
        self._problems = problems

    def read(self, node: YamlNode, relative: str) -> TopicSpec | None:
        """Return a topic without the parts that are wrong; ``None`` if it has no name.

        Args:
            node: the topic.
            relative: the file that it stands in, from the root.
        """
        if not isinstance(node, YamlMapping):
            self._problems.add(
                node.position, "a topic must be an object", "write  - name: my-topic"
            )
            return None
        fields = FieldReader(node, "a topic", _TOPIC_FIELDS, self._problems)
        name = self._name(fields)
        topic = TopicSpec(
            name=name or "",
            position=fields.position("name"),
            partitions=self._partitions(fields),
            config=self._config(fields),
            key_format=self._format(fields, "key") or FormatSpec(name="string"),
            value_format=self._format(fields, "value") or FormatSpec(name="json"),
            format_positions=(fields.position("key"), fields.position("value")),
            key_field=self._key_field(fields),
            headers=self._headers(fields),
            loads=self._loads(fields, relative),
            generates=self._generates(fields, relative),
            owner=fields.text("owner"),
            consumers=tuple(text for text, _ in fields.texts("consumers")),
            partitioner=read_partitioner(fields, self._problems),
        )
        return None if name is None else topic

    def _partitions(self, fields: FieldReader) -> int:
        if fields.node("partitions") is None:
            return 1
        # After a mistake here, the events' partitions are not complained about as well.
        count = fields.integer("partitions", lowest=1, highest=MAX_PARTITIONS)
        return MAX_PARTITIONS if count is None else count

    def _name(self, fields: FieldReader) -> str | None:
        name = fields.text("name", required=True)
        problem = None if name is None else topic_name_problem(name)
        if problem is None:
            return name
        self._problems.add(fields.position("name"), *problem)
        return None

    def _config(self, fields: FieldReader) -> dict[str, str]:
        mapping = fields.mapping("config")
        if mapping is None:
            return {}
        config = {}
        for key, entry in mapping.entries.items():
            if not isinstance(entry.value, YamlScalar) or entry.value.is_null:
                self._problems.add(
                    entry.value.position,
                    f"the config {quoted(key)} must be a text, a number or a boolean",
                    "join several values with commas",
                )
                continue
            text = entry.value.text
            # YAML's booleans may be capitalised; Kafka's are not.
            config[key] = text.lower() if entry.value.kind == "bool" else text
            check_topic_config(key, config[key], entry, self._problems)
        return config

    def _format(self, fields: FieldReader, name: str) -> FormatSpec | None:
        mapping = fields.mapping(name, hint=f"write  {name}: {{format: json}}")
        if mapping is None:
            return None
        known = _KEY_FIELDS if name == "key" else _FORMAT_FIELDS
        inner = FieldReader(mapping, f'"{name}"', known, self._problems)
        format_name = inner.text("format")
        subject = inner.text("subject")
        version = inner.integer("version", lowest=1, highest=2**31 - 1)
        if format_name is not None:
            format_name = format_name.lower()
        if subject is None:
            try:
                format_named(format_name or "json")
            except DataError as error:
                self._problems.add(inner.position("format"), str(error), error.hint)
                return None
            return None if format_name is None else FormatSpec(name=format_name)
        if format_name is not None and format_name not in FORMATS_BY_TYPE.values():
            self._problems.add(
                inner.position("format"),
                f"the format {quoted(format_name)} has no subject",
                did_you_mean(format_name, FORMATS_BY_TYPE.values()),
            )
            return None
        return FormatSpec(name=format_name, subject=subject, version=version)

    def _key_field(self, fields: FieldReader) -> KeyField | None:
        node = fields.node("key")
        if not isinstance(node, YamlMapping):
            return None
        # What else stands in the object is looked at together with the format.
        inner = FieldReader(node, '"key"', tuple(node.entries), self._problems)
        path = inner.text("field")
        return None if path is None else KeyField(path=path, position=inner.position("field"))

    def _headers(self, fields: FieldReader) -> Headers:
        node = fields.node("headers")
        if node is None:
            return Headers()
        try:
            return parse_headers(plain(node))
        except DataError as error:
            self._problems.add(node.position, str(error), error.hint)
            return Headers()

    def _loads(self, fields: FieldReader, relative: str) -> tuple[LoadSpec, ...]:
        node = fields.node("load")
        if isinstance(node, YamlScalar | YamlMapping):
            nodes: tuple[YamlNode, ...] = (node,)
        else:
            nodes = fields.items("load")
        loads = [self._load(fields, item, relative) for item in nodes]
        return tuple(load for load in loads if load is not None)

    def _generates(self, fields: FieldReader, relative: str) -> tuple[GenerateSpec, ...]:
        node = fields.node("generate")
        if isinstance(node, YamlMapping):
            nodes: tuple[YamlNode, ...] = (node,)
        else:
            nodes = fields.items("generate")
        found = []
        for item in nodes:
            mapping = fields.as_mapping(item, 'an entry of "generate"')
            if mapping is None:
                continue
            inner = FieldReader(mapping, '"generate"', GENERATE_FIELDS, self._problems)
            written = mapping.entries.get("key")
            key_is_format = written is not None and is_key_format(written.value)
            load = LoadSpec(
                file="",
                position=mapping.position,
                key_format=self._format(inner, "key") if key_is_format else None,
                key_position=inner.position("key"),
                key_field=self._key_field(inner) if key_is_format else None,
                value_format=self._format(inner, "value"),
                value_position=inner.position("value"),
                headers=self._headers(inner),
            )
            spec = read_generate(mapping, inner, load, relative, self._problems)
            if spec is not None:
                found.append(spec)
        return tuple(found)

    def _load(self, fields: FieldReader, node: YamlNode, relative: str) -> LoadSpec | None:
        if not isinstance(node, YamlMapping):
            path = fields.as_text(node, 'an entry of "load"')
            file = path and self._directory.resolve(relative, path, node.position)
            return LoadSpec(file=file, position=node.position) if file else None
        inner = FieldReader(node, 'an entry of "load"', _LOAD_FIELDS, self._problems)
        path = inner.text("file", required=True)
        file = path and self._directory.resolve(relative, path, inner.position("file"))
        input_name = self._input_name(inner)
        key_format = self._format(inner, "key")
        value_format = self._format(inner, "value")
        headers = self._headers(inner)
        if not file:
            return None
        return LoadSpec(
            file=file,
            position=inner.position("file"),
            input_name=input_name,
            key_format=key_format,
            value_format=value_format,
            key_position=inner.position("key"),
            key_field=self._key_field(inner),
            value_position=inner.position("value"),
            headers=headers,
        )

    def _input_name(self, fields: FieldReader) -> str | None:
        name = fields.text("format")
        if name is None or name in INPUT_NAMES:
            return name
        self._problems.add(
            fields.position("format"),
            f"there is no format {quoted(name)} of events files",
            did_you_mean(name, INPUT_NAMES),
        )
        return None
