"""Records as lines of text and of JSON, in both directions.

What ``fakebus tail --format json`` prints, ``fakebus produce --json`` reads.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from fakebus.client.connection import nearest
from fakebus.client.reading import FetchedRecord
from fakebus.errors import FakebusError
from fakebus.escaping import printable
from fakebus.fixture_files.problems import DataError
from fakebus.fixture_files.times import parse_instant, to_datetime
from fakebus.records.batch import NO_TIMESTAMP

Headers = tuple[tuple[str, bytes | None], ...]

_FIELDS = (
    "key",
    "value",
    "key_base64",
    "value_base64",
    "headers",
    "partition",
    "timestamp",
    "topic",
    "offset",
)


class RecordLineError(FakebusError):
    """Error: a line is not a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """Record that is to be produced."""

    key: bytes | None = None
    value: bytes | None = None
    """``None`` is a tombstone."""
    headers: Headers = ()
    partition: int | None = None
    """``None`` leaves it to the partitioner."""
    timestamp_ms: int = NO_TIMESTAMP
    """The present if there is none."""


def record_from_json(line: str) -> NewRecord:
    """Return the record that one line of NDJSON describes.

    Args:
        line: an object with the fields key, value, headers, partition and timestamp, all of
            them optional. Text stands for itself; any other JSON value becomes its compact
            JSON. key_base64 and value_base64 give bytes. topic and offset, which
            ``fakebus tail`` writes, say nothing here.

    Raises:
        RecordLineError: it is none.
    """
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise RecordLineError(f"not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise RecordLineError('not a JSON object such as {"key": "a", "value": {"n": 1}}')
    for name in fields:
        if name not in _FIELDS:
            raise RecordLineError(f"unknown field {name!r}; {nearest(name, _FIELDS)}")
    return NewRecord(
        key=_payload(fields, "key"),
        value=_payload(fields, "value"),
        headers=_headers(fields.get("headers")),
        partition=_partition(fields.get("partition")),
        timestamp_ms=_timestamp(fields.get("timestamp")),
    )


def _payload(fields: dict[str, Any], name: str) -> bytes | None:
    encoded = fields.get(f"{name}_base64")
    if encoded is None:
        return _bytes(fields.get(name))
    if name in fields:
        raise RecordLineError(f"both {name} and {name}_base64")
    return _decoded(encoded)


def _bytes(value: object) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, str):
        return _utf8(value)
    return _utf8(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise RecordLineError("half of a surrogate pair cannot be written as UTF-8") from None


def _decoded(encoded: object) -> bytes:
    try:
        return base64.b64decode(str(encoded), validate=True)
    except (binascii.Error, ValueError):
        raise RecordLineError(f"{encoded!r} is not base64") from None


def _headers(value: object) -> Headers:
    """Read ``{"name": "value"}``, or pairs where a name comes twice."""
    if value is None:
        return ()
    pairs = list(value.items()) if isinstance(value, dict) else value
    if not isinstance(pairs, list):
        raise RecordLineError('headers are an object, or a list of ["name", "value"] pairs')
    return tuple(_header(pair) for pair in pairs)


def _header(pair: Any) -> tuple[str, bytes | None]:
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
        raise RecordLineError(f'{pair!r} is not a header: write ["name", "value"]')
    name, value = header_name(pair[0]), pair[1]
    if isinstance(value, dict) and set(value) == {"base64"}:
        return name, _decoded(value["base64"])
    return name, _bytes(value)


def header_name(name: str) -> str:
    """Return a name if it is text; RecordLineError if it holds half of a surrogate pair."""
    _utf8(name)
    return name


def _partition(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RecordLineError(f"{value!r} is not a partition: write a number from 0")
    return value


def _timestamp(value: object) -> int:
    if value is None:
        return NO_TIMESTAMP
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    try:
        return parse_instant(str(value), UTC)
    except DataError:
        raise RecordLineError(
            f"{value!r} is not a timestamp: write milliseconds since 1970 or an instant such as "
            '"2024-05-01T09:00:00Z"'
        ) from None


def record_to_json(record: FetchedRecord) -> str:
    """Return one line of NDJSON that ``record_from_json`` reads."""
    fields: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
    }
    if record.timestamp_ms is not None:
        fields["timestamp"] = _instant(record.timestamp_ms)
    fields |= _payload_fields("key", record.key) | _payload_fields("value", record.value)
    if record.headers:
        fields["headers"] = [[name, _header_value(value)] for name, value in record.headers]
    return json.dumps(fields, ensure_ascii=False)


def _instant(timestamp_ms: int) -> str | int:
    try:
        moment = to_datetime(timestamp_ms)
    except OverflowError:
        return timestamp_ms
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _payload_fields(name: str, payload: bytes | None) -> dict[str, str | None]:
    if payload is None:
        return {name: None}
    try:
        return {name: payload.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(payload).decode()}


def _header_value(value: bytes | None) -> object:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def record_to_text(record: FetchedRecord) -> str:
    """Return one line for people: where, when, key, value, headers.

    Line breaks and other control characters are escaped, so that a record is always one
    line and cannot reprogram the terminal.
    """
    parts = [f"{record.topic}-{record.partition}@{record.offset}", _local(record.timestamp_ms)]
    parts.append(f"{_shown(record.key)}:" if record.key is not None else "-")
    parts.append(_shown(record.value) if record.value is not None else "(null)")
    if record.headers:
        headers = (
            f"{name}={_shown(value) if value is not None else '(null)'}"
            for name, value in record.headers
        )
        parts.append(f"[{', '.join(headers)}]")
    return printable("  ".join(parts))


def _local(timestamp_ms: int | None) -> str:
    if timestamp_ms is None:
        return "-"
    try:
        return to_datetime(timestamp_ms).astimezone().isoformat(sep=" ", timespec="milliseconds")
    except OverflowError:
        return str(timestamp_ms)


def _shown(payload: bytes) -> str:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = payload.decode("latin-1")
        return "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in text)
    return text
