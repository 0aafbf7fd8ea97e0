"""From an event line to a record: formats, functions, headers, partition."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, NamedTuple

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.errors import ConfigError
from fakebus.fixture_files.encoding.batching import size_of
from fakebus.fixture_files.encoding.unwrapping import unwrap
from fakebus.fixture_files.events.event_lines import EventFile, EventLine
from fakebus.fixture_files.events.field_paths import field_of
from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.functions import FunctionContext, expand, settle
from fakebus.fixture_files.headers import Headers, RecordHeader, parse_headers
from fakebus.fixture_files.model import EventCalls, FixtureEvent, FormattedData, WrittenData
from fakebus.fixture_files.problems import DataError, Position, ProblemList, quoted
from fakebus.fixture_files.structure.event_models import Format as FormatSpec
from fakebus.fixture_files.structure.event_models import Load
from fakebus.fixture_files.structure.models import Topic
from fakebus.fixture_files.structure.schema_set import SchemaSet
from fakebus.fixture_files.structure.topic_rules import config_problem
from fakebus.fixture_files.times import to_datetime
from fakebus.records.batch import HEADER_SIZE
from fakebus.records.builder import build_batch
from fakebus.records.partitioner import PARTITIONERS
from fakebus.records.record import NewRecord
from fakebus.schemas.interface import SchemaDataError

if TYPE_CHECKING:
    from fakebus.fixture_files.lint import Linter


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingSettings:
    """Settings that all topics of a set share."""

    seed: int
    anchor_ms: int
    now_ms: int
    zone: tzinfo
    partitioner: str
    schemas: SchemaSet
    linter: Linter | None
    """Looks at every event, which is decoded again and compared; ``None`` to load only."""
    keep_calls: bool = False
    """Whether events keep the data whose calls give something else at another time."""
    keep_written: bool = False
    """Whether events keep their data with a schema as they are written."""


class TopicEncoder:
    """Encoder of one topic's events."""

    def __init__(
        self,
        topic: Topic,
        config: TopicConfig,
        settings: EncodingSettings,
        problems: ProblemList,
    ) -> None:
        self._topic = topic
        self._config = config
        self._settings = settings
        self._problems = problems
        self._partitioner = PARTITIONERS[topic.partitioner or settings.partitioner]
        self._keyless = 0
        self._defaults: dict[str, _FileDefaults] = {}
        self._keys: dict[tuple[int, object], _Encoded] = {}
        """By format, which what is known keeps alive, and text."""
        self._key_format = self._default_format(topic.key_format, topic.at("key"))
        self._value_format = self._default_format(topic.value_format, topic.at("value"))

    def encode(
        self, event: EventLine, timestamp_ms: int, now_ms: int | None = None
    ) -> FixtureEvent | None:
        """Return the record of a line, or ``None`` after saying what is wrong with it.

        Args:
            event: the line.
            timestamp_ms: the record's.
            now_ms: the present, if it is not that of the set any more.
        """
        before = len(self._problems)
        context = FunctionContext(
            seed=self._settings.seed,
            anchor_ms=self._settings.anchor_ms,
            zone=self._settings.zone,
            event_ms=timestamp_ms,
            event_name=event.name,
        )
        defaults = self._defaults_of(event.file)
        written = event.fields.get("key")
        if defaults.key_field is not None and "key" not in event.fields:
            written = self._key_from_value(event, defaults.key_field, defaults)
        encoded_key = self._data(event, "key", written, defaults.key_format, context)
        key = encoded_key.data
        value = self._data(
            event, "value", event.fields.get("value"), defaults.value_format, context
        )
        headers = self._headers(event, defaults, context)
        partition = self._partition(event, key)
        record = NewRecord(key, value.data, headers, timestamp_ms)
        if len(self._problems) == before:
            self._check(event, record, self._settings.now_ms if now_ms is None else now_ms)
            if self._settings.linter is not None:
                schema = None if value.format is None else value.format.schema
                self._settings.linter.event(event, self._topic, record, schema, value.decoded)
        if len(self._problems) != before:
            return None
        return FixtureEvent(
            event.line,
            event.digest(),
            partition,
            record,
            event_id=event.fields.get("id"),
            tags=tuple(event.fields.get("tags") or ()),
            calls=self._calls(event, written, defaults, context),
            written=WrittenData(encoded_key.written, value.written)
            if self._settings.keep_written
            else None,
        )

    def _calls(
        self, event: EventLine, key: object, defaults: _FileDefaults, context: FunctionContext
    ) -> EventCalls | None:
        if not self._settings.keep_calls:
            return None
        headers = parse_headers(event.fields.get("headers")).over(defaults.headers)
        pairs = [(name, *settle(data, context)) for name, data in headers.pairs]
        value = event.fields.get("value")
        return EventCalls(
            anchor_ms=context.anchor_ms,
            key=self._moving(event, key, defaults.key_format, context),
            value=self._moving(event, value, defaults.value_format, context),
            headers=tuple((name, data) for name, data, _ in pairs)
            if any(moves for _, _, moves in pairs)
            else None,
            key_decides=event.fields.get("partition") is None,
        )

    def _moving(
        self, event: EventLine, data: object, default: Format | None, context: FunctionContext
    ) -> FormattedData | None:
        if data is None or not event.has_calls:
            return None
        format_, plain = unwrap(data, default, self._settings.schemas.format)
        settled, moves = settle(plain, context)
        if format_ is None or not moves:
            return None
        return FormattedData(None if format_.schema else format_.name, settled)

    def _defaults_of(self, file: EventFile) -> _FileDefaults:
        found = self._defaults.get(file.relative)
        if found is None:
            found = self._defaults[file.relative] = self._read_defaults(file.load)
        return found

    def _read_defaults(self, load: Load | None) -> _FileDefaults:
        topic = self._topic
        headers = topic.headers if load is None else load.headers.over(topic.headers)
        defaults = _FileDefaults(
            key_format=self._key_format,
            value_format=self._value_format,
            headers=headers,
            ready_headers=headers.ready(),
            key_field=topic.key_field,
            has_calls=headers.has_calls,
        )
        if load is None:
            return defaults
        if load.key_format is not None:
            defaults.key_format = self._default_format(load.key_format, load.at("key"))
        if load.value_format is not None:
            defaults.value_format = self._default_format(load.value_format, load.at("value"))
        defaults.key_field = load.key_field or topic.key_field
        return defaults

    def _default_format(self, spec: FormatSpec, position: Position) -> Format | None:
        try:
            return self._settings.schemas.format(spec)
        except DataError as error:
            self._problems.add(position, str(error), error.hint)
            return None

    def _key_from_value(self, event: EventLine, field: str, defaults: _FileDefaults) -> object:
        try:
            _, data = unwrap(
                event.fields.get("value"), defaults.value_format, self._settings.schemas.format
            )
            found = field_of(data, field)
        except DataError as error:
            self._problems.add(
                event.position("value"),
                f"the key is to come from {quoted(field)} in the value, but {error}",
                error.hint,
            )
            return None
        if type(found) is int and defaults.key_format is FORMATS["string"]:
            found = str(found)
        # Wrapped, so that a key with fields named "type" and "data" stays as it is.
        return {"data": found}

    def _data(
        self,
        event: EventLine,
        name: str,
        data: object,
        default: Format | None,
        context: FunctionContext,
    ) -> _Encoded:
        if data is None:
            return _NO_DATA
        try:
            format_, data = unwrap(data, default, self._settings.schemas.format)
            if event.has_calls:
                data = expand(data, context)
            if data is None or format_ is None:
                return _NO_DATA
            # Keys come again and again; a text is written once in each format.
            known = self._keys if name == "key" and type(data) is str else None
            found = None if known is None else known.get((id(format_), data))
            if found is None:
                found = self._encoded(format_, data)
                if self._settings.keep_written and format_.schema is not None:
                    found = found._replace(written=json.dumps(data).encode())
                if known is not None:
                    if len(known) >= _KNOWN_KEYS:
                        known.clear()
                    known[id(format_), data] = found
            return found
        except DataError as error:
            self._problems.add(event.position(name), f'"{name}": {error}', error.hint)
            return _NO_DATA

    def _encoded(self, format_: Format, data: object) -> _Encoded:
        if format_.encode_plain is not None:
            plain = format_.encode_plain(data)
            if plain is not None:
                return _Encoded(plain, format_, data)
        encoded = format_.encode(data)
        if self._settings.linter is None or encoded is None:
            return _Encoded(encoded, format_)
        return _Encoded(encoded, format_, _verify(format_, data, encoded))

    def _headers(
        self, event: EventLine, defaults: _FileDefaults, context: FunctionContext
    ) -> tuple[RecordHeader, ...]:
        written = event.fields.get("headers")
        if not written and defaults.constant_headers is not None:
            return defaults.constant_headers
        try:
            headers = defaults.ready_headers
            if written:
                headers = parse_headers(written).over(headers)
            encoded = headers.encode(context)
        except DataError as error:
            self._problems.add(event.position("headers"), str(error), error.hint)
            return ()
        if not written and not defaults.has_calls:
            defaults.constant_headers = encoded
        return encoded

    def _partition(self, event: EventLine, key: bytes | None) -> int:
        count = self._topic.partitions
        partition: int | None = event.fields.get("partition")
        if partition is not None:
            if partition >= count:
                self._problems.add(
                    event.position("partition"),
                    f"there is no partition {partition}: {self._topic.name} has {count}",
                    f"write a number from 0 to {count - 1}, or give the topic more partitions",
                )
            return partition
        partition = self._partitioner(key, count)
        if partition is None:
            partition = self._keyless % count
            self._keyless += 1
        return partition

    def _check(self, event: EventLine, record: NewRecord, now_ms: int) -> None:
        config = self._config
        if record.key is None and config.compact:
            self._problems.add(
                event.position(),
                f"the event has no key, but {self._topic.name} is compacted",
                'add "key", or take "compact" out of cleanup.policy',
            )
        size = size_of(record) + HEADER_SIZE
        if size > config.max_message_bytes:
            size = len(build_batch([record]))
        if size > config.max_message_bytes:
            self._problems.add(
                event.position(),
                f"the event takes {size} bytes, more than max.message.bytes = "
                f"{config.max_message_bytes} of {self._topic.name}",
                "make it smaller, or set max.message.bytes in the topic's config",
            )
        if not config.log_append_time:
            self._check_timestamp(event, record.timestamp_ms, now_ms)

    def _check_timestamp(self, event: EventLine, timestamp_ms: int, now_ms: int) -> None:
        config = self._config
        field = "after" if event.fields.get("after") is not None else "at"
        if timestamp_ms > now_ms + config.timestamp_after_max_ms:
            side, limit = "after", config.timestamp_after_max_ms
        elif timestamp_ms < now_ms - config.timestamp_before_max_ms:
            side, limit = "before", config.timestamp_before_max_ms
        else:
            return
        self._problems.add(
            event.position(field),
            f"the event's time {to_datetime(timestamp_ms).isoformat()} lies too far {side} the "
            f"present, {to_datetime(now_ms).isoformat(timespec='seconds')}",
            f"move it, or raise message.timestamp.{side}.max.ms = {limit} in the topic's config",
        )


class _Encoded(NamedTuple):
    """A key or value as it will be, and as it is read back where it is checked."""

    data: bytes | None = None
    format: Format | None = None
    decoded: object = None
    written: bytes | None = None
    """The data as JSON if it has a schema and is asked for."""


_NO_DATA = _Encoded()
_KNOWN_KEYS = 10_000


@dataclass(slots=True, kw_only=True)
class _FileDefaults:
    """Defaults of the events of one file."""

    key_format: Format | None
    """``None`` after a mistake that is reported already."""
    value_format: Format | None
    headers: Headers
    ready_headers: Headers
    key_field: str | None
    has_calls: bool
    """Whether headers that no event says itself may differ from record to record."""
    constant_headers: tuple[RecordHeader, ...] | None = None


def _verify(format_: Format, data: object, encoded: bytes) -> object:
    """Return what is read back, after seeing that nothing is lost on the way."""
    if format_.decode is None:
        return None
    try:
        decoded = format_.decode(encoded)
        # Defaults are filled in and times are written out, so that it need not be the same.
        again = encoded if _is_same(data, decoded) else format_.encode(decoded)
    except (SchemaDataError, DataError) as error:
        raise DataError(f"what was written cannot be read back: {error}") from None
    if again != encoded:
        raise DataError(
            "what was written is read back as something else",
            "a field is lost on the way; write the data as the schema has it",
        )
    return decoded


def _is_same(data: object, decoded: object) -> bool:
    """Whether data is what was read back, but for fields that are null and were left out."""
    if decoded == data:
        return True
    if type(data) is not dict or type(decoded) is not dict:
        return False
    filled = 0
    for name, item in decoded.items():
        if name not in data:
            # Null is written in one way alone.
            if item is not None:
                return False
            filled += 1
        elif item != (own := data[name]) and not _is_same(own, item):
            return False
    return len(decoded) == len(data) + filled


def topic_config(topic: Topic, config: BrokerConfig, problems: ProblemList) -> TopicConfig:
    """Return a topic's configs; those that contradict each other are told."""
    # Configs with mistakes are reported already; checks go on with the defaults.
    valid = {
        name: text for name, text in topic.config.items() if config_problem(name, text) is None
    }
    try:
        return TopicConfig(valid, config)
    except ConfigError as error:
        problems.add(topic.position, f"the configs of {topic.name} contradict each other: {error}")
        return TopicConfig({}, config)
