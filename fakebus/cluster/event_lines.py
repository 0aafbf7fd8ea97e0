"""Records as lines: as events of a fixture file, and for people.

What :func:`event_line` writes, ``fakebus produce`` writes to a topic again, byte for byte, and a
fixture set loads.
"""

from __future__ import annotations

import base64
import json
from codecs import getincrementaldecoder
from contextlib import suppress
from datetime import UTC
from typing import Any, Protocol

from fakebus.cluster.events import Event
from fakebus.cluster.filters import bytes_as_text, instant
from fakebus.escaping import printable
from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.formats.wrappers import wrapped
from fakebus.fixture_files.functions import FunctionContext, expand
from fakebus.fixture_files.inputs.input import literal, payload
from fakebus.fixture_files.problems import DataError
from fakebus.fixture_files.times import to_datetime
from fakebus.schemas.interface import ParsedSchema, SchemaDataError
from fakebus.schemas.payloads import Payload, encode

_MOST_LETTERS = 10_000
"""Of a key or a value on a line for people."""
_HEADER_LETTERS = 1_000
_MOST_HEADERS = 100
_CONTEXT = FunctionContext(seed=0, anchor_ms=0, zone=UTC, event_ms=0)


class _NamedSchema(Protocol):
    schema_id: int
    subject: str
    version: int
    parsed: ParsedSchema


def event_line(event: Event, *, with_place: bool = True) -> str:
    """Return a record as a line of a fixture file; see :func:`event_fields`."""
    return json.dumps(event_fields(event, with_place=with_place), ensure_ascii=False)


def event_fields(event: Event, *, with_place: bool = True) -> dict[str, Any]:
    """Return a record as an event of a fixture file.

    Args:
        event: the record; the source of its schemas tells their subjects.
        with_place: whether its offset is told, and when it was written.
    """
    fields: dict[str, Any] = {"topic": event.topic, "partition": event.partition}
    if with_place:
        fields["offset"] = event.offset
        at = instant(event.timestamp_ms)
        if at is not None:
            fields["at"] = at
    fields["key"] = _written(event.key, event.key_payload, is_key=True)
    fields["value"] = _written(event.value, event.payload, is_key=False)
    if event.headers:
        fields["headers"] = [[name, _text_or_binary(data)] for name, data in event.headers]
    return fields


def event_text(event: Event) -> str:
    """Return one line for people: where, when, key, value, headers.

    Line breaks and other control characters are escaped, so that a record is always one line and
    cannot reprogram the terminal.
    """
    parts = [f"{event.topic}-{event.partition}@{event.offset}", local_time(event.timestamp_ms)]
    parts.append("-" if event.key is None else f"{_shown(event.key, event.key_payload)}:")
    parts.append(_shown(event.value, event.payload))
    if event.headers:
        shown = [
            f"{name[:_HEADER_LETTERS]}={_shown(data, most=_HEADER_LETTERS)}"
            for name, data in event.headers[:_MOST_HEADERS]
        ]
        if len(event.headers) > _MOST_HEADERS:
            shown.append(f"and {len(event.headers) - _MOST_HEADERS} more")
        parts.append(f"[{', '.join(shown)}]")
    return printable("  ".join(parts))


def local_time(timestamp_ms: int) -> str:
    """Return a time in the zone of this machine; the number where the calendar ends before it."""
    if timestamp_ms < 0:
        return "-"
    try:
        return to_datetime(timestamp_ms).astimezone().isoformat(sep=" ", timespec="milliseconds")
    except OverflowError:
        return str(timestamp_ms)


def _shown(data: bytes | None, found: Payload[Any] | None = None, most: int = _MOST_LETTERS) -> str:
    if data is None:
        return "(null)"
    if found is not None and found.schema is not None and found.problem is None:
        text = json.dumps(found.data, ensure_ascii=False)
    else:
        text = _beginning(data, 4 * most)
    if len(text) <= most and len(data) <= 4 * most:
        return text
    return f"{text[:most]}… ({len(data)} bytes; --json has them all)"


def _beginning(data: bytes, size: int) -> str:
    # A letter has four bytes at most; the last one may be cut in two.
    head = data[:size]
    try:
        return getincrementaldecoder("utf-8")().decode(head, len(head) == len(data))
    except UnicodeDecodeError:
        return bytes_as_text(head)


def _written(data: bytes | None, found: Payload[_NamedSchema], *, is_key: bool) -> object:
    """Return a key or value as events have them, so that it becomes the same bytes again."""
    if data is None:
        return None
    if found.schema is not None:
        schema = found.schema
        try:
            if found.problem is None and encode(schema, found.data) == data:
                return {
                    "type": found.format,
                    "subject": schema.subject,
                    "version": schema.version,
                    "data": _as_data(found.data, data),
                }
        except (SchemaDataError, DataError):
            pass  # what its schema would write in other words stays as it is
        return _text_or_binary(data, wrap_text=True)
    if found.format == "json" and not is_key and found.data is not None:
        for name in ("json", "json-python"):
            with suppress(DataError):  # such as NaN, which is no JSON
                if FORMATS[name].encode(found.data) == data:
                    written = _as_data(found.data, data)
                    return wrapped(written) if name == "json" else {"type": name, "data": written}
    return _text_or_binary(data, wrap_text=not is_key)


def _as_data(decoded: object, data: bytes) -> object:
    """Return data in which no function is seen; DataError where it is nested too deeply for it."""
    if b"$" not in data:
        return decoded
    written = literal(decoded)
    expand(written, _CONTEXT)
    return written


def _text_or_binary(data: bytes | None, *, wrap_text: bool = False) -> object:
    if data is None:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return payload(base64.b64encode(data).decode(), "binary")
    return payload(text, "string") if wrap_text else text
