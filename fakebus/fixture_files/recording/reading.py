"""Records of a cluster, read in the formats that a fixture set has for them."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, NoReturn

from fakebus.fixture_files.functions import MAX_DEPTH
from fakebus.nesting import is_deeper
from fakebus.schemas.framing import framed_id
from fakebus.schemas.interface import ParsedSchema, ResolvedReference, SchemaDataError
from fakebus.schemas.payloads import Payload, SchemaSource, decode, encode
from fakebus.wording import counted


class SourceRecord(NamedTuple):
    """A record of a cluster."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTopic:
    """A topic of a cluster with the records to keep."""

    name: str
    partitions: int
    config: Mapping[str, str]
    """The configs that are not the cluster's defaults."""
    records: Sequence[SourceRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSchema:
    """A schema of a registry."""

    schema_id: int
    subject: str
    version: int
    schema_type: str
    text: str
    references: tuple[tuple[str, str, int], ...]
    """Name, subject and version of each."""
    parsed: ParsedSchema
    dependencies: tuple[SourceSchema, ...] = ()
    """The schemas that the references stand for."""

    def resolved(self) -> dict[str, ResolvedReference]:
        """Return all that the schema builds on, dependencies first, by the names it goes by."""
        return resolved_references(self.references, self.dependencies)


def resolved_references(
    references: Sequence[tuple[str, str, int]], dependencies: Sequence[SourceSchema]
) -> dict[str, ResolvedReference]:
    """Return what references lead to, dependencies first, by the names that schemas give it.

    Args:
        references: name, subject and version of each.
        dependencies: the schemas that they stand for.
    """
    found: dict[str, ResolvedReference] = {}
    for (name, _, _), dependency in zip(references, dependencies, strict=True):
        for inner in dependency.resolved().values():
            found.setdefault(inner.name, inner)
        found.setdefault(name, ResolvedReference(name=name, text=dependency.text))
    return found


@dataclass(frozen=True, slots=True)
class Written:
    """Data of a key or value in the format that it is written in."""

    format: str
    schema: SourceSchema | None = None
    data: object = None

    @property
    def subject(self) -> str | None:
        """The subject of the schema."""
        return None if self.schema is None else self.schema.subject


class ReadRecord(NamedTuple):
    """Record with what its key and value hold."""

    source: SourceRecord
    key: Written | None
    value: Written | None


class RecordReader:
    """Reader of records: what their keys and values hold, and in which format.

    Args:
        schemas: finds schemas; ``None`` where there is no registry.
    """

    def __init__(self, schemas: SchemaSource[SourceSchema] | None) -> None:
        self._schemas = schemas
        self._framed: set[str] = set()
        self.used: dict[tuple[str, int], SourceSchema] = {}
        """The schemas that were read with, by subject and version."""
        self.unread: Counter[str] = Counter()
        """By topic, how many keys and values could not be read."""

    @property
    def notes(self) -> list[str]:
        """What whoever records should know of the files that were made, a sentence each."""
        return [
            f"{topic}: {told(count)}"
            + (
                "; they begin like those of a schema registry, which --registry names"
                if topic in self._framed
                else ""
            )
            for topic, count in sorted(self.unread.items())
        ]

    def read(self, topic: SourceTopic) -> list[ReadRecord]:
        """Return the records of a topic in the order of the files."""
        by_time = sorted(topic.records, key=lambda each: (each.timestamp_ms, *each[:2]))
        # Within a partition the order of the log counts, whatever the timestamps.
        return [
            ReadRecord(
                record,
                self._payload(record.key, topic.name, True),
                self._payload(record.value, topic.name, False),
            )
            for record in _in_log_order(by_time)
        ]

    def _payload(self, data: bytes | None, topic: str, is_key: bool) -> Written | None:
        if data is None:
            return None
        written = self._understood(data, topic, is_key)
        framed = written.schema is None and framed_id(data) is not None
        if framed or written.format == "binary":
            self.unread[topic] += 1
        if framed and self._schemas is None:
            self._framed.add(topic)
        return written

    def _understood(self, data: bytes, topic: str, is_key: bool) -> Written:
        found = decode(data, self._schemas, topic=topic, is_key=is_key)
        if found.schema is not None:
            if not is_deeper(found.data, MAX_DEPTH) and _is_written_so(data, found):
                schema = found.schema
                self.used[schema.subject, schema.version] = schema
                return Written(found.format, schema, found.data)
            found = decode(data, topic=topic, is_key=is_key)
        if found.format == "binary":
            return Written("binary", None, base64.b64encode(data).decode())
        if (
            found.format == "json"
            and found.data is not None
            and not is_deeper(found.data, MAX_DEPTH)
        ):
            # The bytes of a key choose its partition; a value may be spaced otherwise.
            if _is_json_written_so(data, found.data) or (not is_key and _is_plain_json(data)):
                return Written("json", None, found.data)
        return Written("string", None, data.decode())


def _in_log_order(records: Sequence[SourceRecord]) -> list[SourceRecord]:
    queues: dict[int, list[SourceRecord]] = {}
    for record in records:
        queues.setdefault(record.partition, []).append(record)
    for queue in queues.values():
        queue.sort(key=lambda each: each.offset, reverse=True)
    return [queues[record.partition].pop() for record in records]


def _is_written_so(data: bytes, found: Payload[SourceSchema]) -> bool:
    """Return whether seeding what was found would give the same bytes again."""
    if found.schema is None or found.problem is not None:
        return False
    try:
        return encode(found.schema, found.data) == data
    except SchemaDataError:
        return False


def _is_json_written_so(data: bytes, found: object) -> bool:
    """Return whether seeding JSON would give the same bytes again."""
    try:
        return json_bytes(found) == data
    except ValueError:
        return False


def _is_plain_json(data: bytes) -> bool:
    """Return whether JSON holds nothing that is lost when it is read and written again."""

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(fields := dict(pairs)) != len(pairs):
            raise ValueError("a name stands twice")
        return fields

    def exactly(kind: type[float], text: str) -> float:
        if repr(number := kind(text)) != text:
            raise ValueError("the number is written in another way")
        return number

    def refused(text: str) -> NoReturn:
        raise ValueError("no JSON")

    try:
        found = json.loads(
            data,
            object_pairs_hook=once,
            parse_float=partial(exactly, float),
            parse_int=partial(exactly, int),
            parse_constant=refused,
        )
        json_bytes(found)
    except ValueError:
        return False
    return isinstance(found, dict | list)


def told(count: int) -> str:
    """Return what is said of keys and values that could not be read."""
    return (
        f"{counted(count, 'key or value', 'keys and values')} could not be read and stand in the "
        "files as they are; nothing in them is redacted"
    )


def json_bytes(data: object) -> bytes:
    """Return data as seeding writes it where the format is JSON.

    Raises:
        ValueError: it holds what JSON has no number for, as Python writes and reads it.
    """
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
