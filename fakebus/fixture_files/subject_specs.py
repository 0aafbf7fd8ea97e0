"""The ``subjects`` of a fixture set: schemas in files of their own, as services use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fakebus.config import COMPATIBILITY_LEVELS
from fakebus.fixture_files.problems import Position, ProblemList, did_you_mean, quoted
from fakebus.fixture_files.sources import MAX_SCHEMA_BYTES, FixtureDirectory
from fakebus.fixture_files.yaml_fields import FieldReader
from fakebus.fixture_files.yaml_tree import YamlMapping, YamlNode

_FIELDS = (
    "subject",
    "schema",
    "type",
    "references",
    "compatibility",
    "id",
    "owner",
    "consumers",
    "readers",
)
_REFERENCE_FIELDS = ("name", "subject", "version")
_TYPES_BY_SUFFIX: Mapping[str, str] = {".avsc": "AVRO", ".json": "JSON", ".proto": "PROTOBUF"}
_TYPES = ("AVRO", "JSON", "PROTOBUF")
MAX_SCHEMA_ID = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSpec:
    """A schema that another one builds on, by its subject in the same set."""

    name: str
    subject: str
    version: int | None
    """Counted from 1 in the order of the set; ``None`` is the latest."""
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderSpec:
    """The schema that a service reads a subject's data with."""

    service: str
    display_file: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectSpec:
    """One version of a subject."""

    subject: str
    position: Position
    file: str
    display_file: str
    text: str
    schema_type: str
    references: tuple[ReferenceSpec, ...]
    compatibility: str | None
    pinned_id: int | None
    id_position: Position
    owner: str | None = None
    consumers: tuple[str, ...] = ()
    readers: tuple[ReaderSpec, ...] = ()


def read_level(fields: FieldReader, problems: ProblemList) -> str | None:
    """Return the compatibility level that an object names, if it is a known one."""
    level = fields.text("compatibility")
    if level is not None and level.upper() not in COMPATIBILITY_LEVELS:
        problems.add(
            fields.position("compatibility"),
            f"there is no compatibility level {quoted(level)}",
            did_you_mean(level.upper(), COMPATIBILITY_LEVELS),
        )
        return None
    return None if level is None else level.upper()


class SubjectReader:
    """Reads subjects.

    Args:
        directory: the set, which bounds the paths of schema files.
        problems: where mistakes go.
    """

    def __init__(self, directory: FixtureDirectory, problems: ProblemList) -> None:
        self._directory = directory
        self._problems = problems

    def read(self, node: YamlNode, relative: str) -> SubjectSpec | None:
        """Return one version of a subject; ``None`` if it cannot be used.

        Args:
            node: the entry of ``subjects``.
            relative: the file that it stands in, from the root.
        """
        if not isinstance(node, YamlMapping):
            self._problems.add(
                node.position,
                "a subject must be an object",
                "write  - {subject: orders-value, schema: schemas/order.avsc}",
            )
            return None
        fields = FieldReader(node, "a subject", _FIELDS, self._problems)
        subject = fields.text("subject", required=True)
        path = fields.text("schema", required=True)
        references = self._references(fields)
        compatibility = read_level(fields, self._problems)
        pinned_id = fields.integer("id", lowest=1, highest=MAX_SCHEMA_ID)
        readers = self._readers(fields, relative)
        if subject is None or path is None:
            return None
        schema_type = self._type(fields, path)
        file = self._directory.resolve(relative, path, fields.position("schema"))
        if file is None or schema_type is None:
            return None
        text = self._directory.read_text(file, fields.position("schema"), MAX_SCHEMA_BYTES)
        if text is None:
            return None
        return SubjectSpec(
            subject=subject,
            position=fields.position("subject"),
            file=file,
            display_file=self._directory.display(file),
            text=text,
            schema_type=schema_type,
            references=references,
            compatibility=compatibility,
            pinned_id=pinned_id,
            id_position=fields.position("id"),
            owner=fields.text("owner"),
            consumers=tuple(text for text, _ in fields.texts("consumers", or_one=True)),
            readers=readers,
        )

    def _readers(self, fields: FieldReader, relative: str) -> tuple[ReaderSpec, ...]:
        mapping = fields.mapping("readers")
        if mapping is None:
            return ()
        found = []
        reader = FieldReader(mapping, '"readers"', tuple(mapping.entries), self._problems)
        for service in mapping.entries:
            path = reader.text(service, required=True)
            if path is None:
                continue
            position = reader.position(service)
            file = self._directory.resolve(relative, path, position)
            text = file and self._directory.read_text(file, position, MAX_SCHEMA_BYTES)
            if file is not None and text is not None:
                display_file = self._directory.display(file)
                found.append(ReaderSpec(service=service, display_file=display_file, text=text))
        return tuple(found)

    def _type(self, fields: FieldReader, path: str) -> str | None:
        written = fields.text("type")
        if written is not None:
            if written.upper() in _TYPES:
                return written.upper()
            self._problems.add(
                fields.position("type"),
                f"there is no schema type {quoted(written)}",
                did_you_mean(written.upper(), _TYPES),
            )
            return None
        for suffix, schema_type in _TYPES_BY_SUFFIX.items():
            if path.endswith(suffix):
                return schema_type
        self._problems.add(
            fields.position("schema"),
            f"the name of {quoted(path)} does not say what kind of schema it is",
            "add  type: AVRO, JSON or PROTOBUF, or name it .avsc, .json or .proto",
        )
        return None

    def _references(self, fields: FieldReader) -> tuple[ReferenceSpec, ...]:
        found = []
        for item in fields.items("references"):
            mapping = fields.as_mapping(item, 'an entry of "references"')
            if mapping is None:
                continue
            reader = FieldReader(mapping, "a reference", _REFERENCE_FIELDS, self._problems)
            name = reader.text("name", required=True)
            subject = reader.text("subject", required=True)
            version = reader.integer("version", lowest=1, highest=MAX_SCHEMA_ID)
            if name is not None and subject is not None:
                found.append(
                    ReferenceSpec(
                        name=name, subject=subject, version=version, position=mapping.position
                    )
                )
        return tuple(found)
