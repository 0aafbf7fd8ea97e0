"""Lines of JSON as records, and what was fetched as events."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from fakebus.cli.bootstrap import registry_of
from fakebus.cli.output import print_lines
from fakebus.client.connection import Connection
from fakebus.client.reading import FetchedRecord
from fakebus.cluster.events import Event, event_of
from fakebus.fixture_files.encoding.unwrapping import unwrap
from fakebus.fixture_files.events.event_lines import EventFile, EventLine
from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.formats.wrappers import WrittenFormat
from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.fixture_files.headers import RecordHeader, parse_headers
from fakebus.fixture_files.problems import DataError, FixtureError, ProblemList
from fakebus.fixture_files.times import parse_time
from fakebus.records.batch import NO_TIMESTAMP
from fakebus.records.record import NewRecord
from fakebus.schemas.framing import framings_of
from fakebus.schemas.payloads import FORMATS as FORMATS_BY_TYPE
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.client.registry import RegistryClient
    from fakebus.fixture_files.recording.reading import SourceSchema

Answer = TypeVar("Answer")


class Schemas:
    """Schemas of a cluster's registry, which is looked for when the first one is needed.

    Args:
        arguments: with ``--registry``.
        connection: the cluster.
    """

    def __init__(self, arguments: argparse.Namespace, connection: Connection) -> None:
        self._arguments = arguments
        self._connection = connection
        self._has_failed = False
        self._formats: dict[WrittenFormat, Format] = {}

    @cached_property
    def client(self) -> RegistryClient | None:
        """The registry, if there is one."""
        return registry_of(self._arguments, self._connection)

    def __call__(self, schema_id: int, topic: str, is_key: bool) -> SourceSchema | None:
        """Return the schema of an id; without it records are shown as bytes, which is told."""
        return self._asked(lambda client: client.schema(schema_id, topic, is_key))

    def _id_of_guid(self, guid: str) -> int | None:
        return self._asked(lambda client: client.id_of_guid(guid))

    def _asked(self, question: Callable[[RegistryClient], Answer | None]) -> Answer | None:
        from fakebus.client.registry import RegistryClientError

        if self.client is None or self._has_failed:
            return None
        try:
            return question(self.client)
        except RegistryClientError as error:
            self._has_failed = True
            print_lines(f"fakebus: {error}; what has a schema is shown as bytes", error=True)
            return None

    def event(self, record: FetchedRecord) -> Event:
        """Return a record that was fetched as an event."""
        timestamp_ms = NO_TIMESTAMP if record.timestamp_ms is None else record.timestamp_ms
        place = TopicPartition(record.topic, record.partition)
        framings = framings_of(record.headers, self._id_of_guid)
        return event_of(place, record.offset, timestamp_ms, record, self, framings)

    def format(self, spec: WrittenFormat) -> Format:
        """Return the format of data with the schema of a subject.

        Raises:
            DataError: there is no such subject or version, or it is of another kind.
            RegistryClientError: the registry does not answer.
        """
        if spec not in self._formats:
            self._formats[spec] = self._format(spec)
        return self._formats[spec]

    def _format(self, spec: WrittenFormat) -> Format:
        from fakebus.client.registry import RegistryRefusalError
        from fakebus.fixture_files.formats.registered import registered_format

        if self.client is None:
            raise DataError(
                "the cluster does not tell where its schemas are", "name it with --registry URL"
            )
        try:
            schema = self.client.version(spec.subject or "", spec.version or "latest")
        except RegistryRefusalError as error:
            raise DataError(f"the registry at {self.client.url}: {error}") from None
        if schema is None:
            raise DataError(f"the schema of {spec.subject} cannot be parsed here")
        name = FORMATS_BY_TYPE[schema.schema_type]
        if spec.name not in (None, name):
            raise DataError(
                f"the schema of {spec.subject} is {schema.schema_type}, so the format cannot be "
                f"{spec.name}",
                f"write {name}, or leave the type out",
            )
        return registered_format(name, schema.parsed, schema.schema_id)


class WrittenRecord(NamedTuple):
    """Record that is to be produced, and where to."""

    record: NewRecord
    partition: int | None = None
    """``None`` leaves it to the partitioner."""
    topic: str | None = None
    """``None`` if the line names none."""


def record_of_event(
    line: str, place: tuple[str, int], schemas: Schemas, key: Format, value: Format
) -> WrittenRecord:
    """Return the record that an event is, without the set that it may come from.

    Args:
        line: NDJSON.
        place: file and line, for messages.
        schemas: those that the event may name.
        key: the format of plain keys.
        value: the format of plain values.

    Raises:
        FixtureError: it is no event, or one that needs its set.
        RegistryClientError: the registry does not answer.
    """
    problems = ProblemList()
    found: WrittenRecord | None = None
    for event in EventFile("", place[0], line, None).read(problems):
        found = _record(event, problems, schemas, {"key": key, "value": value})
    if len(problems) or found is None:
        raise FixtureError([replace(each, line=place[1]) for each in problems.sorted()])
    return found


def _record(
    event: EventLine, problems: ProblemList, schemas: Schemas, plain: dict[str, Format]
) -> WrittenRecord:
    now_ms = time.time_ns() // 1_000_000
    context = FunctionContext(
        seed=0, anchor_ms=now_ms, zone=UTC, event_ms=now_ms, event_name=event.name
    )
    timestamp_ms = NO_TIMESTAMP
    headers: tuple[RecordHeader, ...] = ()
    data: dict[str, bytes | None] = {}
    field = "at"
    try:
        if event.fields.get("at") is not None:
            timestamp_ms = parse_time(event.fields["at"], anchor_ms=now_ms, zone=UTC)
            context = context._replace(event_ms=timestamp_ms)
        field = "after"
        if event.fields.get("after") is not None:
            raise DataError(
                "only a fixture set knows the other event", "seed it:  fakebus fixtures seed DIR"
            )
        for field in ("key", "value"):
            data[field] = _encoded(event, event.fields.get(field), plain[field], context, schemas)
        field = "headers"
        headers = parse_headers(event.fields.get("headers")).encode(context)
    except DataError as error:
        problems.add(event.position(field), f'"{field}": {error}', error.hint)
    record = NewRecord(data.get("key"), data.get("value"), headers, timestamp_ms)
    return WrittenRecord(record, event.fields.get("partition"), event.fields.get("topic"))


def _encoded(
    event: EventLine, written: object, plain: Format, context: FunctionContext, schemas: Schemas
) -> bytes | None:
    if written is None:
        return None
    format_, data = unwrap(written, plain, schemas.format)
    if event.has_calls:
        data = expand(data, context)
    return None if data is None or format_ is None else format_.encode(data)
