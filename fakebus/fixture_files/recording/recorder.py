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
from functools import partial
from pathlib import Path
from typing import Any

from fakebus.errors import FakebusError
from fakebus.fixture_files.formats.wrappers import wrapped
from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.fixture_files.problems import DataError
from fakebus.fixture_files.recording.listing import Listing
from fakebus.fixture_files.recording.reading import (
    ReadRecord,
    RecordReader,
    SourceRecord,
    SourceSchema,
    SourceTopic,
    Written,
    json_bytes,
    told,
)
from fakebus.fixture_files.recording.redaction import Redaction
from fakebus.fixture_files.recording.stable_names import StableNames
from fakebus.fixture_files.recording.written_sets import WrittenSet, file_stems
from fakebus.fixture_files.structure.models import DEFAULT_PARTITIONER, DEFAULT_TOPIC_CONFIG
from fakebus.fixture_files.times import offset_text, parse_duration
from fakebus.nesting import laid_out_text
from fakebus.output_files import read_regular
from fakebus.records.partitioner import PARTITIONERS
from fakebus.schemas.interface import SchemaDataError
from fakebus.schemas.languages import LANGUAGES
from fakebus.schemas.payloads import SchemaSource, encode

MADE_BY = "fakebus fixtures record"
TRACING = re.compile(r"traceparent|tracestate|baggage|x-request-id|x-b3-.*|b3|uber-trace-id", re.I)
"""Headers that only trace a request."""
_NAMED = re.compile(r'\{"\$uuid": "([^"\\]+)"\}')
_AT = re.compile(r'"at": "((?:[-+]\d|now)[^"]*)"')


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
        self._reader = RecordReader(schemas)
        self._redaction = redaction
        self._partitioner = partitioner
        self._keep_tracing = keep_tracing
        self._earlier = earlier
        self.listing = Listing()
        """What was redacted, and what stands in the files as it was."""

    @property
    def notes(self) -> list[str]:
        """What whoever records should know of the files that were made, a sentence each."""
        return self._reader.notes

    def files(self, topics: Sequence[SourceTopic]) -> dict[str, str]:
        """Return every file of the set by its path from the root.

        Raises:
            FakebusError: redaction is strict, and there is something that cannot be read.
        """
        times = [record.timestamp_ms for topic in topics for record in topic.records]
        anchor_ms = max(times, default=0) - self._earlier.newest_ms
        names = StableNames(anchor_ms, self._earlier.names)
        read = {topic.name: self._reader.read(topic) for topic in topics}
        ordered = sorted(topics, key=lambda topic: topic.name)
        self._refuse_unread()
        for topic in ordered:
            for record in read[topic.name]:
                for _, header in record.source.headers:
                    names.expect((header or b"").decode(errors="replace"))
                for written in (record.value, record.key):
                    names.expect(written and written.data)
        self._learn(record for topic in ordered for record in read[topic.name])
        stems = file_stems(topic.name for topic in topics)
        files: dict[str, str] = {}
        described: list[str] = []
        for topic in ordered:
            file = f"events/{stems[topic.name]}.ndjson"
            lines, yaml = self._topic(topic, read.pop(topic.name), names, anchor_ms, file)
            described += yaml
            if lines:
                files[file] = "\n".join(lines) + "\n"
        subjects = list(self._subjects(files))
        root = [f"# Written by: {MADE_BY}", "version: 1", f"partitioner: {self._partitioner}"]
        if any(_repeats(text) for path, text in files.items() if _is_events_file(path)):
            # Producers that try again send twice; what they sent is no mistake of the set.
            root += ["lint: {ignore: [duplicate-event, ce-duplicate-id]}"]
        root += ["subjects:", *subjects] if subjects else []
        root += ["topics:", *described] if described else []
        files["fakebus.yaml"] = "\n".join(root) + "\n"
        return files

    def _refuse_unread(self) -> None:
        unread = self._reader.unread
        if self._redaction.is_strict and unread:
            raise FakebusError(
                "--redact strict, but "
                + "; ".join(f"{topic}: {told(n)}" for topic, n in sorted(unread.items()))
                + "; say where their schemas are, with --registry, or leave the topics out"
            )

    def _learn(self, records: Iterable[ReadRecord]) -> None:
        written = [each for record in records for each in (record.value, record.key) if each]
        readable = [each for each in written if each.format != "binary"]
        self._redaction.learn([each.data for each in readable])
        for each in readable:
            # Finds the forms that schemas take, for all places where the same text stands.
            if each.schema is not None:
                self._redacted(each)
        self._redaction.applied.clear()

    def _redacted(self, written: Written) -> object:
        if written.format == "binary":
            return written.data
        schema = written.schema
        if schema is None:
            return self._redaction.data(written.data)
        return self._redaction.fitting(written.data, partial(_is_accepted, schema))

    def _topic(
        self,
        topic: SourceTopic,
        records: Sequence[ReadRecord],
        names: StableNames,
        anchor_ms: int,
        file: str,
    ) -> tuple[list[str], list[str]]:
        key = _most_common((record.key for record in records), "string")
        value = _most_common((record.value for record in records), "json")
        choose = PARTITIONERS[self._partitioner]
        lines, keyless = [], 0
        for record, record_key, record_value in records:
            event: dict[str, Any] = {"at": offset_text(record.timestamp_ms - anchor_ms)}
            stable_key = None
            if record_key is not None:
                stable_key = self._stable(topic.name, "key", record_key, record, names)
                event["key"] = _typed(record_key, stable_key, key)
            event["value"] = None
            if record_value is not None:
                stable = self._stable(topic.name, "value", record_value, record, names)
                event["value"] = _typed(record_value, stable, value)
            headers = list(self._headers(topic.name, record, names))
            if headers:
                event["headers"] = headers
            chosen = choose(
                self._seeded_key(record_key, stable_key, record, anchor_ms), topic.partitions
            )
            if chosen is None:
                chosen = keyless % topic.partitions
                keyless += record.partition == chosen
            # A key with a time in it is another one whenever the set is seeded.
            if chosen != record.partition or _has_time(stable_key):
                event["partition"] = record.partition
            lines.append(json.dumps(event, ensure_ascii=False))
        return lines, list(_topic_yaml(topic, key, value, file if lines else None))

    def _stable(
        self, topic: str, part: str, written: Written, record: SourceRecord, names: StableNames
    ) -> object:
        redacted = self._redacted(written)
        self.listing.add_redacted(topic, part, self._redaction.applied)
        self._redaction.applied.clear()
        # Avro's times of day are texts as well; elsewhere 09:00 may be when a shop opens.
        is_avro = written.format == "avro"
        stable = names.data(redacted, record.timestamp_ms, time_of_day=is_avro)
        self.listing.add_kept(topic, part, written.data, stable, self._redaction.refused)
        return stable

    def _seeded_key(
        self, written: Written | None, stable: object, record: SourceRecord, anchor_ms: int
    ) -> bytes | None:
        """Return the bytes that the key will have when the set is seeded."""
        if written is None or record.key is None:
            return None
        context = FunctionContext(
            seed=0, anchor_ms=anchor_ms, zone=UTC, event_ms=record.timestamp_ms
        )
        data = expand(stable, context)
        if written.schema is not None:
            return encode(written.schema, data)
        if written.format == "binary":
            return base64.b64decode(str(data))
        if written.format == "json":
            return json_bytes(data)
        return str(data).encode()

    def _headers(self, topic: str, record: SourceRecord, names: StableNames) -> Iterator[list[Any]]:
        for name, data in record.headers:
            if TRACING.fullmatch(name) and not self._keep_tracing:
                continue
            if data is None:
                yield [name, None]
                continue
            try:
                text = data.decode()
            except UnicodeDecodeError:
                bytes_text = base64.b64encode(data).decode()
                yield [name, {"type": "binary", "data": bytes_text}]
                self.listing.add_kept(topic, f"header {name} (bytes)", bytes_text, bytes_text)
                continue
            redacted = self._redaction.data(text, ("headers", name))
            self.listing.add_redacted(topic, f"header {name}", self._redaction.applied)
            self._redaction.applied.clear()
            stable = names.data(redacted, record.timestamp_ms, name=name)
            self.listing.add_kept(topic, f"header {name}", text, stable)
            yield [name, stable]

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

        for _, schema in sorted(self._reader.used.items()):
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


def _repeats(lines: str) -> bool:
    """Return whether events of a file differ in their times alone, with which each line begins."""
    events = [line.partition(", ")[2] for line in lines.splitlines()]
    return len(set(events)) < len(events)


def _most_common(written: Iterable[Written | None], default: str) -> Written:
    kinds = [each for each in written if each is not None]
    counts = Counter((each.format, each.subject) for each in kinds)
    if not counts:
        return Written(default)
    chosen, _ = max(counts.items(), key=lambda item: (item[1], str(item[0])))
    return next(each for each in kinds if (each.format, each.subject) == chosen)


def _typed(written: Written, data: object, default: Written) -> object:
    if (written.format, written.subject) != (default.format, default.subject):
        if written.subject is not None:
            return {"subject": written.subject, "data": data}
        return {"type": written.format, "data": data}
    return {"data": data} if data is None else wrapped(data)


def _topic_yaml(
    topic: SourceTopic, key: Written, value: Written, events_file: str | None
) -> Iterator[str]:
    yield f"  - name: {json.dumps(topic.name)}"
    yield f"    partitions: {topic.partitions}"
    if config := topic.config.items() - DEFAULT_TOPIC_CONFIG.items():
        yield "    config:"
        for name, text in sorted(config):
            yield f"      {name}: {json.dumps(text)}"
    for field, written, default in (("key", key, "string"), ("value", value, "json")):
        if written.subject is not None:
            yield f"    {field}: {{subject: {json.dumps(written.subject)}}}"
        elif written.format != default:
            yield f"    {field}: {{format: {written.format}}}"
    if events_file is not None:
        yield f"    load: {json.dumps(events_file)}"


def _is_accepted(schema: SourceSchema, data: object) -> bool:
    try:
        encode(schema, data)
    except SchemaDataError:
        return False
    return True


def _has_time(data: object) -> bool:
    if isinstance(data, dict):
        return "$time" in data or any(map(_has_time, data.values()))
    return isinstance(data, list) and any(map(_has_time, data))


def _schema_text(schema: SourceSchema) -> str:
    text = laid_out_text(schema.text)
    return text if schema.schema_type == "PROTOBUF" else text + "\n"
