"""From an event line to a record: formats, functions, headers, partition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo

from fakebus.broker.configs.topic_config import TopicConfig
from fakebus.fixture_files.batching import size_of
from fakebus.fixture_files.event_lines import EventLine
from fakebus.fixture_files.format_names import format_named
from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.fixture_files.headers import RecordHeader, parse_headers
from fakebus.fixture_files.model import FixtureEvent
from fakebus.fixture_files.problems import DataError, ProblemList
from fakebus.fixture_files.times import to_datetime
from fakebus.fixture_files.topic_specs import TopicSpec
from fakebus.records.batch import HEADER_SIZE
from fakebus.records.builder import build_batch
from fakebus.records.partitioner import PARTITIONERS
from fakebus.records.record import NewRecord

_TYPED = frozenset({"type", "data"})
_WRAP_HINT = 'a payload of its own with the fields "type" and "data" is written {"data": {...}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingSettings:
    """What all topics of a set share."""

    seed: int
    anchor_ms: int
    now_ms: int
    zone: tzinfo
    partitioner: str


class TopicEncoder:
    """Makes the records of one topic.

    Args:
        topic: as the set describes it.
        config: its configs, resolved.
        settings: those of the set.
        problems: where mistakes go.
    """

    def __init__(
        self,
        topic: TopicSpec,
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
        self._headers_have_calls = topic.headers.has_calls
        self._constant_headers: tuple[RecordHeader, ...] | None = None

    def encode(self, event: EventLine, timestamp_ms: int) -> FixtureEvent | None:
        """Return the record of a line, or ``None`` after saying what is wrong with it."""
        before = len(self._problems)
        context = FunctionContext(
            seed=self._settings.seed,
            anchor_ms=self._settings.anchor_ms,
            zone=self._settings.zone,
            event_ms=timestamp_ms,
        )
        key = self._data(event, "key", self._topic.key_format, context)
        value = self._data(event, "value", self._topic.value_format, context)
        headers = self._headers(event, context)
        partition = self._partition(event, key)
        record = NewRecord(key, value, headers, timestamp_ms)
        if len(self._problems) == before:
            self._check(event, record)
        if len(self._problems) != before:
            return None
        return FixtureEvent(
            line=event.line,
            digest=event.digest(),
            partition=partition,
            record=record,
            event_id=event.fields.get("id"),
            tags=tuple(event.fields.get("tags") or ()),
        )

    def _data(
        self, event: EventLine, name: str, default: Format, context: FunctionContext
    ) -> bytes | None:
        data = event.fields.get(name)
        if data is None:
            return None
        try:
            format_, data = _unwrap(data, default)
            if event.has_calls:
                data = expand(data, context)
            return None if data is None else format_.encode(data)
        except DataError as error:
            self._problems.add(event.position(name), f'"{name}": {error}', error.hint)
            return None

    def _headers(self, event: EventLine, context: FunctionContext) -> tuple[RecordHeader, ...]:
        written = event.fields.get("headers")
        if not written and self._constant_headers is not None:
            return self._constant_headers
        try:
            headers = self._topic.headers
            if written:
                headers = parse_headers(written).over(headers)
            encoded = headers.encode(context)
        except DataError as error:
            self._problems.add(event.position("headers"), str(error), error.hint)
            return ()
        if not written and not self._headers_have_calls:
            self._constant_headers = encoded
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

    def _check(self, event: EventLine, record: NewRecord) -> None:
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
            self._check_timestamp(event, record.timestamp_ms)

    def _check_timestamp(self, event: EventLine, timestamp_ms: int) -> None:
        config, now_ms = self._config, self._settings.now_ms
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


def _unwrap(data: object, default: Format) -> tuple[Format, object]:
    if not isinstance(data, dict) or not data.keys() <= _TYPED:
        return default, data
    type_name = data.get("type")
    if "data" not in data:
        return (FORMATS["null"], None) if _is_null_type(data) else (default, data)
    if type_name is None:
        return default, data["data"]
    if not isinstance(type_name, str):
        raise DataError('"type" must be the name of a format', _WRAP_HINT)
    try:
        return format_named(type_name), data["data"]
    except DataError as error:
        raise DataError(str(error), f"{error.hint}; {_WRAP_HINT}") from None


def _is_null_type(data: Mapping[str, object]) -> bool:
    type_name = data.get("type")
    return isinstance(type_name, str) and type_name.lower() == "null"
