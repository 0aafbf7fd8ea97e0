"""From records to a fixture set: the way back of seeding.

The same log gives the same files: records are ordered by time, partition and offset, times
count from the newest record, ids have names, people and secrets are redacted, and headers
that only trace a request are left out.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple

from fakebus.errors import FakebusError
from fakebus.fixture_files.formats.wrappers import wrapped
from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.fixture_files.problems import DataError
from fakebus.fixture_files.recording.redaction import Redaction
from fakebus.fixture_files.recording.stable_names import StableNames, offset_text
from fakebus.fixture_files.recording.written_sets import WrittenSet, file_stems
from fakebus.fixture_files.structure.models import DEFAULT_PARTITIONER
from fakebus.fixture_files.times import parse_duration
from fakebus.output_files import read_regular
from fakebus.records.partitioner import PARTITIONERS
from fakebus.schemas.framing import framed_id
from fakebus.schemas.interface import ParsedSchema, SchemaDataError
from fakebus.schemas.languages import LANGUAGES
from fakebus.schemas.payloads import Payload, SchemaSource, decode, encode

MADE_BY = "fakebus fixtures record"
TRACING = re.compile(r"traceparent|tracestate|baggage|x-request-id|x-b3-.*|b3|uber-trace-id", re.I)
"""Headers that only trace a request."""
_NAMED = re.compile(r'\{"\$uuid": "([^"\\]+)"\}')
_AT = re.compile(r'"at": "((?:[-+]\d|now)[^"]*)"')


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


@dataclass(frozen=True, slots=True)
class _Written:
    format: str
    subject: str | None
    data: object
    original: object = None
    """The data before it was redacted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRecording:
    """Recording that is replaced: what is kept of it, so that edits survive."""

    names: tuple[str, ...] = ()
    """Names of ids."""
    newest_ms: int = 0
    """How far the newest event lies from the anchor."""


_NOTHING_EARLIER = EarlierRecording()


class Recorder:
    """Recorder: from records to the files of a set.

    Args:
        schemas: finds schemas; ``None`` where there is no registry.
        redaction: takes people and secrets out.
        partitioner: the one that the set names.
        keep_tracing: whether headers of tracing stay.
        earlier: the recording that is replaced.
    """

    def __init__(
        self,
        schemas: SchemaSource[SourceSchema] | None,
        redaction: Redaction,
        *,
        partitioner: str = DEFAULT_PARTITIONER,
        keep_tracing: bool = False,
        earlier: EarlierRecording = _NOTHING_EARLIER,
    ) -> None:
        self._schemas = schemas
        self._redaction = redaction
        self._partitioner = partitioner
        self._keep_tracing = keep_tracing
        self._earlier = earlier
        self._used: dict[tuple[str, int], SourceSchema] = {}
        self._unread: Counter[str] = Counter()
        self._framed_topics: set[str] = set()

    @property
    def notes(self) -> list[str]:
        """What whoever records should know of the files that were made, a sentence each."""
        return [
            f"{topic}: {count} keys and values could not be read and stand in the files as they "
            "are; nothing in them is redacted"
            + (
                "; they begin like those of a schema registry, which --registry names"
                if topic in self._framed_topics
                else ""
            )
            for topic, count in sorted(self._unread.items())
        ]

    def files(self, topics: Sequence[SourceTopic]) -> dict[str, str]:
        """Return every file of the set by its path from the root."""
        times = [record.timestamp_ms for topic in topics for record in topic.records]
        anchor_ms = max(times, default=0) - self._earlier.newest_ms
        names = StableNames(anchor_ms, self._earlier.names)
        self._learn(topics, names)
        stems = file_stems(topic.name for topic in topics)
        files: dict[str, str] = {}
        described: list[str] = []
        for topic in sorted(topics, key=lambda topic: topic.name):
            file = f"events/{stems[topic.name]}.ndjson"
            lines, yaml = self._topic(topic, names, anchor_ms, file)
            described += yaml
            if lines:
                files[file] = "\n".join(lines) + "\n"
        subjects = list(self._subjects(files))
        root = [f"# Written by: {MADE_BY}", "version: 1", f"partitioner: {self._partitioner}"]
        root += ["subjects:", *subjects] if subjects else []
        root += ["topics:", *described] if described else []
        files["fakebus.yaml"] = "\n".join(root) + "\n"
        return files

    def _learn(self, topics: Sequence[SourceTopic], names: StableNames) -> None:
        originals = []
        for topic in sorted(topics, key=lambda topic: topic.name):
            for record in sorted(topic.records, key=lambda each: (each.timestamp_ms, *each[:2])):
                for _, header in record.headers:
                    names.expect((header or b"").decode(errors="replace"))
                for data, is_key in ((record.value, False), (record.key, True)):
                    written = self._data(data, topic, is_key)
                    if written is not None:
                        self._note(topic.name, data, written)
                        names.expect(written.original)
                        if not is_key:
                            originals.append(written.original)
        self._redaction.learn(originals)

    def _topic(
        self, topic: SourceTopic, names: StableNames, anchor_ms: int, file: str
    ) -> tuple[list[str], list[str]]:
        ordered = sorted(topic.records, key=lambda each: (each.timestamp_ms, *each[:2]))
        # Within a partition the order of the log counts, whatever the timestamps.
        ordered = _in_log_order(ordered)
        written = [
            (record, self._data(record.key, topic, True), self._data(record.value, topic, False))
            for record in ordered
        ]
        key = _most_common((key for _, key, _ in written), "string")
        value = _most_common((value for _, _, value in written), "json")
        choose = PARTITIONERS[self._partitioner]
        lines, keyless = [], 0
        for record, record_key, record_value in written:
            event: dict[str, Any] = {"at": offset_text(record.timestamp_ms - anchor_ms)}
            stable_key = None
            if record_key is not None:
                stable_key = names.data(record_key.data, record.timestamp_ms)
                event["key"] = _typed(record_key, stable_key, key)
            event["value"] = None
            if record_value is not None:
                stable = names.data(record_value.data, record.timestamp_ms)
                event["value"] = _typed(record_value, stable, value)
            headers = list(self._headers(record, names))
            if headers:
                event["headers"] = headers
            chosen = choose(
                self._seeded_key(record_key, stable_key, record, anchor_ms), topic.partitions
            )
            if chosen is None:
                chosen = keyless % topic.partitions
                keyless += record.partition == chosen
            if chosen != record.partition:
                event["partition"] = record.partition
            lines.append(json.dumps(event, ensure_ascii=False))
        return lines, list(_topic_yaml(topic, key, value, file if lines else None))

    def _seeded_key(
        self, written: _Written | None, stable: object, record: SourceRecord, anchor_ms: int
    ) -> bytes | None:
        """Return the bytes that the key will have when the set is seeded."""
        if written is None or record.key is None:
            return None
        context = FunctionContext(
            seed=0, anchor_ms=anchor_ms, zone=UTC, event_ms=record.timestamp_ms
        )
        data = expand(stable, context)
        if written.subject is not None:
            schema_id = framed_id(record.key)
            schema = self._find(schema_id, written)
            if schema_id is not None and schema is not None:
                return encode(schema, data)
        if written.format == "binary":
            return base64.b64decode(str(data))
        if written.format == "json":
            return _json_bytes(data)
        return str(data).encode()

    def _note(self, topic: str, data: bytes | None, written: _Written) -> None:
        framed = written.subject is None and framed_id(data) is not None
        if framed or written.format == "binary":
            self._unread[topic] += 1
        if framed and self._schemas is None:
            self._framed_topics.add(topic)

    def _find(self, schema_id: int | None, written: _Written) -> SourceSchema | None:
        for schema in self._used.values():
            if schema.schema_id == schema_id and schema.subject == written.subject:
                return schema
        return None

    def _data(self, data: bytes | None, topic: SourceTopic, is_key: bool) -> _Written | None:
        if data is None:
            return None
        found = decode(data, self._schemas, topic=topic.name, is_key=is_key)
        if found.schema is not None:
            if _is_written_so(data, found):
                schema = found.schema
                self._used[schema.subject, schema.version] = schema
                redacted = self._redaction.data(found.data)
                return _Written(found.format, schema.subject, redacted, found.data)
            found = decode(data, topic=topic.name, is_key=is_key)
        if found.format == "binary":
            return _Written("binary", None, base64.b64encode(data).decode())
        if found.format == "json" and found.data is not None and _json_bytes(found.data) == data:
            return _Written("json", None, self._redaction.data(found.data), found.data)
        return _Written("string", None, self._redaction.text(data.decode()))

    def _headers(self, record: SourceRecord, names: StableNames) -> Iterator[list[Any]]:
        for name, data in record.headers:
            if TRACING.fullmatch(name) and not self._keep_tracing:
                continue
            if data is None:
                yield [name, None]
                continue
            try:
                text = self._redaction.text(data.decode())
            except UnicodeDecodeError:
                yield [name, {"type": "binary", "data": base64.b64encode(data).decode()}]
            else:
                yield [name, names.data(text, record.timestamp_ms)]

    def _subjects(self, files: dict[str, str]) -> Iterator[str]:
        counts: Counter[str] = Counter()
        ordered = self._in_dependency_order()
        stems = file_stems(schema.subject for schema in ordered)
        for schema in ordered:
            subject = schema.subject
            # Counted within the set, as a registry that is seeded from it will count.
            counts[subject] += 1
            suffix = LANGUAGES[schema.schema_type].suffix
            file = f"schemas/{stems[subject]}-v{counts[subject]}.{suffix}"
            files[file] = _schema_text(schema)
            yield f"  - subject: {json.dumps(subject)}"
            yield f"    schema: {json.dumps(file)}"
            if schema.references:
                yield "    references:"
            for name, of, _ in schema.references:
                yield f"      - {{name: {json.dumps(name)}, subject: {json.dumps(of)}}}"

    def _in_dependency_order(self) -> list[SourceSchema]:
        ordered: dict[tuple[str, int], SourceSchema] = {}

        def add(schema: SourceSchema) -> None:
            for each in schema.dependencies:
                add(each)
            ordered.setdefault((schema.subject, schema.version), schema)

        for _, schema in sorted(self._used.items()):
            add(schema)
        return list(ordered.values())


def earlier_recording(directory: Path) -> EarlierRecording:
    """Return what an earlier recording in a directory says, edited or not.

    Raises:
        FakebusError: what is there is no recording, or its events cannot be read.
    """
    WrittenSet(directory, MADE_BY).listed()
    names: dict[str, None] = {}
    offsets: list[int] = []
    for path in sorted((directory / "events").glob("*.ndjson")):
        try:
            text = (read_regular(path) or b"").decode()
        except UnicodeDecodeError as error:
            raise FakebusError(
                f"{path} cannot be read: {error}; remove it, or choose another directory"
            ) from None
        names |= dict.fromkeys(_NAMED.findall(text))
        for at in _AT.findall(text):
            with contextlib.suppress(DataError):
                offsets.append(0 if at == "now" else parse_duration(at))
    return EarlierRecording(names=tuple(names), newest_ms=max(offsets, default=0))


def write_files(directory: Path, files: Mapping[str, str]) -> None:
    """Write a recorded set in the place of an earlier one.

    Raises:
        FakebusError: a file would be overwritten that is not one of a recording.
    """
    # Events that were edited and seeded are recorded as they were edited.
    WrittenSet(directory, MADE_BY).write(files, editable=_is_events_file)


def _is_events_file(path: str) -> bool:
    return path.startswith("events/")


def _in_log_order(records: Sequence[SourceRecord]) -> list[SourceRecord]:
    queues: dict[int, list[SourceRecord]] = {}
    for record in records:
        queues.setdefault(record.partition, []).append(record)
    for queue in queues.values():
        queue.sort(key=lambda each: each.offset, reverse=True)
    return [queues[record.partition].pop() for record in records]


def _most_common(written: Iterable[_Written | None], default: str) -> _Written:
    counts = Counter((each.format, each.subject) for each in written if each is not None)
    if not counts:
        return _Written(default, None, None)
    (format_, subject), _ = max(counts.items(), key=lambda item: (item[1], str(item[0])))
    return _Written(format_, subject, None)


def _typed(written: _Written, data: object, default: _Written) -> object:
    if (written.format, written.subject) != (default.format, default.subject):
        if written.subject is not None:
            return {"subject": written.subject, "data": data}
        return {"type": written.format, "data": data}
    return {"data": data} if data is None else wrapped(data)


def _topic_yaml(
    topic: SourceTopic, key: _Written, value: _Written, events_file: str | None
) -> Iterator[str]:
    yield f"  - name: {json.dumps(topic.name)}"
    yield f"    partitions: {topic.partitions}"
    if topic.config:
        yield "    config:"
        for name, text in sorted(topic.config.items()):
            yield f"      {name}: {json.dumps(text)}"
    for field, written, default in (("key", key, "string"), ("value", value, "json")):
        if written.subject is not None:
            yield f"    {field}: {{subject: {json.dumps(written.subject)}}}"
        elif written.format != default:
            yield f"    {field}: {{format: {written.format}}}"
    if events_file is not None:
        yield f"    load: {json.dumps(events_file)}"


def _is_written_so(data: bytes, found: Payload[SourceSchema]) -> bool:
    """Return whether seeding what was found would give the same bytes again."""
    if found.schema is None or found.problem is not None:
        return False
    try:
        return encode(found.schema, found.data) == data
    except SchemaDataError:
        return False


def _schema_text(schema: SourceSchema) -> str:
    if schema.schema_type not in ("AVRO", "JSON"):
        return schema.text
    return json.dumps(json.loads(schema.text), indent=2, ensure_ascii=False) + "\n"


def _json_bytes(data: object) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
