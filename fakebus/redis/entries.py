"""Stream entries and records: the same event as Redis and as Kafka see it.

An event of Open edX's Redis bus has its metadata in fields and bare Avro in ``event_data``.
As a record it has the ``ce_`` headers of the Kafka bus and Confluent's framing, if the
registry knows the schema, so that consumers of either bus read what the other one wrote.

An entry's id is ``<timestamp>-<position>``. The position is the offset, with the partition
in the bits above: what partition 0 holds counts like a stream of Redis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fakebus.records.record import NewRecord, Record
from fakebus.redis.protocol import RedisError
from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry
from fakebus.schemas.framing import HEADER_SIZE, frame, framed_id

_PARTITION_SHIFT = 48
_OFFSET_MASK = (1 << _PARTITION_SHIFT) - 1
_MAX_PART = 2**64 - 1
INVALID_ID = "ERR Invalid stream ID specified as stream command argument"
_EVENT_DATA = "event_data"
_CE_FIELDS = frozenset({"type", "id", "source", "time", "minorversion"})
_CONSTANT_HEADERS = (
    ("ce_specversion", b"1.0"),
    ("content-type", b"application/avro"),
    ("ce_datacontenttype", b"application/avro"),
)
_FIELD_PREFIX = "redis."
"""In front of the headers that hold the fields of entries that are no events."""

Fields = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, order=True)
class EntryId:
    """The id of a stream entry."""

    timestamp_ms: int
    position: int

    def __str__(self) -> str:
        return f"{self.timestamp_ms}-{self.position}"

    @classmethod
    def of(cls, partition: int, offset: int, timestamp_ms: int) -> EntryId:
        """Return the id of a record."""
        return cls(max(timestamp_ms, 0), partition << _PARTITION_SHIFT | offset)

    @classmethod
    def parse(cls, text: bytes, *, missing: int = 0) -> EntryId:
        """Return the id that a client sent.

        Args:
            text: as it came.
            missing: the position of an id that has none.

        Raises:
            RedisError: it is none.
        """
        first, dash, second = text.partition(b"-")
        if not first.isdigit() or (dash and not second.isdigit()) or len(text) > 41:
            raise RedisError(INVALID_ID)
        found = cls(int(first), int(second) if dash else missing)
        if max(found.timestamp_ms, found.position) > _MAX_PART:
            raise RedisError(INVALID_ID)
        return found

    @property
    def partition(self) -> int:
        """Which partition the record is in."""
        return self.position >> _PARTITION_SHIFT

    @property
    def offset(self) -> int:
        """The record's offset."""
        return self.position & _OFFSET_MASK


LOWEST_ID, HIGHEST_ID = EntryId(0, 0), EntryId(_MAX_PART, _MAX_PART)


@dataclass(frozen=True, slots=True)
class IdRange:
    """Range of ids, both ends included."""

    first: EntryId
    last: EntryId

    def __contains__(self, entry_id: EntryId) -> bool:
        """Whether an id lies in the range."""
        return self.first <= entry_id <= self.last

    @classmethod
    def parse(cls, first: bytes, last: bytes) -> IdRange:
        """Return the range between two ids as clients write them.

        ``-`` and ``+`` are the ends of a stream, a parenthesis leaves the id itself out, and an
        id without a position begins or ends with its millisecond.

        Raises:
            RedisError: one is no id.
        """
        return cls(_bound(first, missing=0, step=1), _bound(last, missing=_MAX_PART, step=-1))


def _bound(text: bytes, *, missing: int, step: int) -> EntryId:
    if text in (b"-", b"+"):
        return LOWEST_ID if text == b"-" else HIGHEST_ID
    if not text.startswith(b"("):
        return EntryId.parse(text, missing=missing)
    number = _number(EntryId.parse(text[1:], missing=missing)) + step
    if not 0 <= number <= _number(HIGHEST_ID):
        raise RedisError(f"ERR invalid {'start' if step > 0 else 'end'} ID for the interval")
    return EntryId(*divmod(number, _MAX_PART + 1))


def _number(entry_id: EntryId) -> int:
    return entry_id.timestamp_ms * (_MAX_PART + 1) + entry_id.position


def to_record(fields: Fields, topic: str, timestamp_ms: int, registry: Registry) -> NewRecord:
    """Return the record of an entry.

    Args:
        fields: as XADD has them.
        topic: where the record goes; decides the schema's subject.
        timestamp_ms: the record's timestamp.
        registry: gives the id that frames the data.
    """
    named = {_text(name): value for name, value in fields}
    data = named.pop(_EVENT_DATA, None)
    event_type = named.get("type")
    if data is None or event_type is None:
        headers = tuple((_FIELD_PREFIX + _text(name), value) for name, value in fields)
        return NewRecord(None, b"", headers, timestamp_ms)
    event_headers = [
        (f"ce_{name}" if name in _CE_FIELDS else name, value) for name, value in named.items()
    ]
    schema_id = _schema_id(registry, f"{topic}-{_text(event_type)}.CloudEvent")
    value = data if schema_id is None else frame(schema_id, data)
    return NewRecord(None, value, (*event_headers, *_CONSTANT_HEADERS), timestamp_ms)


def to_fields(record: Record, registry: Registry) -> list[bytes]:
    """Return the fields of a record, names and values in turn."""
    headers = record.headers
    if any(name == "ce_type" for name, _ in headers):
        fields = [
            (name.removeprefix("ce_"), value)
            for name, value in headers
            if name.removeprefix("ce_") in _CE_FIELDS or name in ("sourcehost", "sourcelib")
        ]
        fields.append((_EVENT_DATA, _unframed(record.value, registry)))
    elif any(name.startswith(_FIELD_PREFIX) for name, _ in headers):
        fields = [
            (name.removeprefix(_FIELD_PREFIX), value)
            for name, value in headers
            if name.startswith(_FIELD_PREFIX)
        ]
    else:
        fields = [*headers, ("value", record.value)]
        if record.key is not None:
            fields.insert(0, ("key", record.key))
    return [word for name, value in fields for word in (name.encode(), value or b"")]


def _schema_id(registry: Registry, subject: str) -> int | None:
    try:
        return registry.version(subject, "latest").schema_id
    except RegistryError:
        return None


def _unframed(value: bytes | None, registry: Registry) -> bytes | None:
    schema_id = framed_id(value)
    if value is None or schema_id is None:
        return value
    try:
        registry.schema_by_id(schema_id)
    except RegistryError:
        return value
    return value[HEADER_SIZE:]


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise RedisError("ERR the names of fields must be UTF-8, for Kafka's headers are") from None
