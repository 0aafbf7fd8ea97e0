"""Keys, values and headers as pages show them: decoded if possible, and always bounded."""

from __future__ import annotations

import asyncio
import json
from codecs import getincrementaldecoder
from dataclasses import dataclass, replace
from typing import Any

import msgpack

from fakebus.cluster.events import Event
from fakebus.cluster.filters import MOST_DECODED
from fakebus.nesting import laid_out
from fakebus.schemas.languages import LANGUAGES
from fakebus.schemas.payloads import Payload, decode

_INLINE = 64 << 10
"""Bytes that are decoded in the event loop."""
CELL = 300
"""Letters of a payload in a table."""
CUT = 20_000
"""Letters of a payload on its own page, until all of it is asked for."""
MAX_SHOWN = 2_000_000
"""Letters of a payload that a page ever shows; what is longer can be downloaded."""
_PIECE = 16 << 10
"""Bytes that are decoded in one go; each that is no text takes its time."""
_DUMP_LINE = 76
"""Letters of a line of 16 bytes."""
FORMS = ("auto", "text", "json", "msgpack", "hex")
"""Ways to read a payload's bytes that can be chosen."""
_NAMES = {
    **{each.format_name: each.title for each in LANGUAGES.values()},
    "json": "JSON",
    "string": "text",
    "binary": "bytes",
    "msgpack": "MessagePack",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadView:
    """Payload as it is shown."""

    format: str
    text: str
    """On several lines where it is indented or a dump of bytes."""
    size: int
    is_cut: bool = False
    """Whether there is more than was asked for."""
    schema_id: int | None = None
    problem: str | None = None
    """Why the bytes do not fit the schema that they name."""


async def view(
    event: Event, *, is_key: bool = False, form: str = "auto", letters: int = CELL, indent: int = 0
) -> PayloadView:
    """Return an event's value or key as it is shown, decoded beside the loop if it is large.

    Args:
        event: the record.
        is_key: whether its key is wanted.
        form: one of ``FORMS``.
        letters: where the text is cut.
        indent: of JSON; on one line when 0.
    """
    data = event.key if is_key else event.value
    if data is None or len(data) <= _INLINE:
        return _view(event, data, is_key, form, letters, indent)
    return await asyncio.to_thread(lambda: _view(event, data, is_key, form, letters, indent))


def _view(
    event: Event, data: bytes | None, is_key: bool, form: str, letters: int, indent: int
) -> PayloadView:
    if data is None:
        return PayloadView(format="null", text="null", size=0)
    if form == "hex":
        return _bytes_view(data, letters)
    if form == "text" or len(data) > MOST_DECODED:
        text = beginning(data, letters + 1)
        return PayloadView(
            format="text", text=text[:letters], size=len(data), is_cut=len(text) > letters
        )
    schemas = event.schemas if form == "auto" else None
    framed = data if schemas is None else event.framed(is_key=is_key)
    found = decode(framed, schemas, topic=event.topic, is_key=is_key and form == "auto")
    if form == "msgpack" or (found.format == "binary" and found.problem is None):
        found = _msgpack(data, found)
    if isinstance(found.data, bytes):
        shown = _bytes_view(data, letters)
    else:
        name = _NAMES[found.format]
        if name == "JSON" and is_cloud_event(event):
            name = "CloudEvents JSON"
        text = found.data if isinstance(found.data, str) else _json(found.data, data, indent)
        shown = PayloadView(
            format=name, text=text[:letters], size=len(data), is_cut=len(text) > letters
        )
    if found.schema_id is None or (found.schema is None and found.format != "binary"):
        return shown
    problem = found.problem
    if found.schema is None:
        problem = f"it looks as if it named the schema {found.schema_id}, which is not known"
    return replace(shown, schema_id=found.schema_id, problem=problem)


def beginning(data: bytes, letters: int) -> str:
    """Return the text that bytes begin with; others get their turns while it is decoded."""
    decoder, text = getincrementaldecoder("utf-8")("backslashreplace"), ""
    for at in range(0, len(data), _PIECE):
        text += decoder.decode(data[at : at + _PIECE], at + _PIECE >= len(data))
        if len(text) >= letters:
            break
    return text[:letters]


def _json(data: Any, source: bytes, indent: int) -> str:
    try:
        if indent:
            return laid_out(data, _as_text)
        return json.dumps(data, ensure_ascii=False, default=_as_text)
    except (RecursionError, ValueError):
        return source.decode("utf-8", "backslashreplace")


def _as_text(data: object) -> object:
    if isinstance(data, bytes):
        return data.decode("utf-8", "backslashreplace")
    return str(data)


def _msgpack(data: bytes, otherwise: Payload[Any]) -> Payload[Any]:
    """Return bytes that are one map or list of MessagePack, and nothing else, as that."""
    try:
        found = msgpack.unpackb(data, strict_map_key=False, timestamp=3)
    except (ValueError, msgpack.UnpackException, RecursionError, OverflowError, TypeError):
        return otherwise
    if not isinstance(found, dict | list):
        return otherwise
    return Payload(format="msgpack", data=found, schema_id=otherwise.schema_id)


def _bytes_view(data: bytes, letters: int) -> PayloadView:
    if letters <= CELL:
        text, shown = data[: letters // 3].hex(" "), letters // 3
    else:
        shown = letters // _DUMP_LINE * 16
        text = "\n".join(hex_lines(data[:shown]))
    return PayloadView(format="bytes", text=text, size=len(data), is_cut=shown < len(data))


def hex_lines(data: bytes) -> list[str]:
    """Return lines of 16 bytes each: where they are, the bytes, and their letters."""
    lines = []
    for at in range(0, len(data), 16):
        part = data[at : at + 16]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{at:08x}  {part.hex(' '):<47}  {letters}")
    return lines


def is_cloud_event(event: Event) -> bool:
    """Return whether a record is a CloudEvent, in either mode of Kafka's binding."""
    kind = event.header("content-type") or b""
    return kind.startswith(b"application/cloudevents") or event.header("ce_specversion") is not None


def header_text(value: bytes | None, letters: int = CELL) -> str:
    """Return a header's value: text, or its bytes if it is none."""
    if value is None:
        return "null"
    try:
        # A letter that the cut goes through is no reason to show all of them as bytes.
        is_whole = len(value) <= 4 * letters
        text = getincrementaldecoder("utf-8")().decode(value[: 4 * letters], is_whole)
    except UnicodeDecodeError:
        text = value[: letters // 3].hex(" ")
        return text + (" …" if len(value) > letters // 3 else "")
    return text[:letters] + ("…" if len(text) > letters or not is_whole else "")
