"""What ``kcat -C -J`` prints: one record a line, with everything but the schema.

kcat writes what is not ASCII as it is, so that a line with binary data is no UTF-8; its bytes
can still be had exactly.

Source: https://github.com/edenhill/kcat (README, JSON output).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fakebus.fixture_files.inputs.input import Input, InputMistake, Reading, event, payload
from fakebus.fixture_files.inputs.json_places import parse
from fakebus.fixture_files.problems import DataError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HINT = "write the file with: kcat -C -e -J -b ... -t ..."


def _read(text: str, names_topics: bool) -> Reading:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        record = parse(line, number)
        if isinstance(record, InputMistake):
            yield record
        elif not isinstance(record, Mapping) or "payload" not in record:
            yield InputMistake(line=number, message="this is no record of kcat", hint=_HINT)
        else:
            yield event(number, _fields, record, names_topics)


def _fields(record: Mapping[str, Any], names_topics: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if names_topics:
        fields["topic"] = record.get("topic")
    if record.get("partition") is not None:
        fields["partition"] = record["partition"]
    milliseconds = record.get("ts")
    # kcat writes 0 or -1 for a record without a timestamp.
    if isinstance(milliseconds, int) and milliseconds > 0:
        fields["at"] = _instant(milliseconds)
    if record.get("headers"):
        fields["headers"] = _headers(record["headers"])
    for part in ("key", "payload"):
        # It stands beside a null, which would be taken for a record without one.
        if record.get(f"{part}_error") is not None:
            raise DataError(
                f"kcat could not read the {part}: {record[f'{part}_error']}",
                "write the file without -s and -r, so that the bytes stand in it as they are",
            )
    fields["key"] = _part(record.get("key"))
    fields["value"] = _part(record["payload"])
    return fields


def _part(data: object) -> object:
    # A text is the bytes as they are; anything else was decoded with a schema.
    if not isinstance(data, str):
        return payload(data)
    encoded = _base64(data)
    return payload(data, "string") if encoded is None else payload(encoded, "binary")


def _base64(data: str) -> str | None:
    """Return bytes that are not UTF-8 as base64; ``None`` for all others."""
    try:
        raw = data.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Half of a surrogate pair stands there as an escape of JSON, which is told later.
        return None
    try:
        raw.decode()
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode()
    return None


def _headers(flat: object) -> list[list[object]]:
    if isinstance(flat, Mapping) and all(isinstance(values, list) for values in flat.values()):
        # Newer versions can write each name once, with all its values.
        return [[name, _header(each)] for name, values in flat.items() for each in values]
    if not isinstance(flat, list) or len(flat) % 2:
        raise DataError('"headers" must be a list of names and values in turn', _HINT)
    return [[name, _header(value)] for name, value in zip(flat[::2], flat[1::2], strict=True)]


def _header(value: object) -> object:
    encoded = _base64(value) if isinstance(value, str) else None
    return value if encoded is None else {"type": "binary", "data": encoded}


def _instant(milliseconds: int) -> str:
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise DataError(f'the time "ts" {milliseconds} is beyond the year 9999', _HINT) from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


KCAT = Input(
    name="kcat",
    suffixes=(".kcat", ".kcat.json", ".kcat.jsonl"),
    read=_read,
    has_bytes=True,
)
