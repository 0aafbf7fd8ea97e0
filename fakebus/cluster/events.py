"""Events: records with what their bytes stand for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fakebus.escaping import printable
from fakebus.lineage.place import Place
from fakebus.schemas.payloads import Payload, SchemaSource, decode
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.client.reading import FetchedRecord
    from fakebus.records.record import NewRecord, Record

Headers = Mapping[str, str | bytes | None] | Sequence[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One record on the bus."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    schemas: SchemaSource[Any] | None = field(default=None, compare=False, repr=False)
    """Where the schemas are that key and value may name."""
    framings: tuple[bytes, bytes] = (b"", b"")
    """What value and key begin with in Confluent's framing, where headers name their schemas."""

    @property
    def name(self) -> str:
        """The record's name: ``topic[partition]@offset``."""
        return str(self.place)

    @property
    def place(self) -> Place:
        """Where the record is."""
        return Place(self.topic, self.partition, self.offset)

    @property
    def payload(self) -> Payload[Any]:
        """The value with its format, and why it could not be decoded if it could not."""
        return self._decoded(is_key=False)

    @property
    def key_payload(self) -> Payload[Any]:
        """The key with its format, and why it could not be decoded if it could not."""
        return self._decoded(is_key=True)

    def _decoded(self, *, is_key: bool) -> Payload[Any]:
        data = self.key if is_key else self.value
        found = decode(self.framed(is_key=is_key), self.schemas, topic=self.topic, is_key=is_key)
        return found._replace(data=data) if found.format == "binary" else found

    def framed(self, *, is_key: bool = False) -> bytes | None:
        """Return the value or the key in the framing of its schema, where a header names that."""
        data = self.key if is_key else self.value
        # A Protobuf message may have no bytes at all.
        return None if data is None else self.framings[is_key] + data

    @property
    def size_bytes(self) -> int:
        """The bytes of key, value and headers."""
        parts = (self.key, self.value, *(part for pair in self.headers for part in pair))
        return sum(len(part) for part in parts if part is not None)

    @property
    def data(self) -> Any:
        """The value decoded: with its schema if it names one, else as JSON, text or bytes."""
        return self.payload.data

    @property
    def key_data(self) -> Any:
        """The key decoded with its schema if it names one, else as text or bytes."""
        found = self.key_payload
        return self.key.decode() if self.key and found.format == "json" else found.data

    @property
    def text(self) -> str | None:
        """The value as UTF-8 text; raises UnicodeDecodeError if it is none."""
        return None if self.value is None else self.value.decode()

    def json(self) -> Any:
        """Return the value parsed as JSON, or decoded with the schema that it names.

        Raises:
            ValueError: it is neither; the message says what it is and what takes it.
        """
        found = self.payload
        if found.format not in ("string", "binary"):
            return found.data
        if found.schema_id is None:
            raise ValueError(f"the value is not JSON: {shown(found.data)}; use text or value")
        if found.problem is not None:
            reason = f"does not fit the schema of id {found.schema_id}: {found.problem}"
        else:
            reason = (
                f"names the schema of id {found.schema_id}, which no registry here has (that of a "
                "Kafka elsewhere is named by --fakebus-registry URL)"
            )
        raise ValueError(f"the value {reason}; use value for its bytes")

    @property
    def time(self) -> datetime:
        """The record's timestamp."""
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)

    def header(self, name: str) -> bytes | None:
        """Return the last header of that name; ``None`` when there is none."""
        return next((value for key, value in reversed(self.headers) if key == name), None)

    def __str__(self) -> str:
        """Return one line for a failure report."""
        return printable(f"{self.name} key={shown(self.key_data)} value={shown(self.data)}")


def event_of(
    place: TopicPartition,
    offset: int,
    timestamp_ms: int,
    record: NewRecord | Record | FetchedRecord,
    schemas: SchemaSource[Any] | None,
    framings: tuple[bytes, bytes] = (b"", b""),
) -> Event:
    """Return a record as an event, with where it is and where its schemas are."""
    return Event(
        topic=place.topic,
        partition=place.partition,
        offset=offset,
        timestamp_ms=timestamp_ms,
        key=record.key,
        value=record.value,
        headers=tuple(record.headers),
        schemas=schemas,
        framings=framings,
    )


def shown(data: Any, limit: int = 300) -> str:
    """Return a decoded key or value for people, cut off where it gets too long."""
    if isinstance(data, str):
        text = data
    elif isinstance(data, bytes):
        text = repr(data)
    else:
        text = json.dumps(data, ensure_ascii=False, default=repr)
    return printable(text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)")


def encode(value: Any) -> bytes | None:
    """Return the bytes of a value: bytes as they are, text as UTF-8, anything else as JSON."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def header_pairs(headers: Headers | None) -> tuple[tuple[str, bytes | None], ...]:
    """Return headers as names and bytes."""
    if headers is None:
        return ()
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return tuple((name, encode(value)) for name, value in pairs)
