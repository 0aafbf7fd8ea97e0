"""A record that is being written in a form, and one that is to be sent again with changes."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from fakebus.cluster.events import Event
from fakebus.cluster.header_policies import copied_headers
from fakebus.cluster.interface import Cluster
from fakebus.records.record import NewRecord
from fakebus.schemas.framing import GUID_HEADERS
from fakebus.schemas.payloads import Payload
from fakebus.web.console.call import Fields
from fakebus.web.console.rendering import laid_out
from fakebus.web.errors import RequestError
from fakebus.wording import json_mistake

MAX_EDITED = 256 << 10
"""Bytes of a payload that a form holds."""
KINDS = ("text", "json", "hex", "base64", "null")
SCHEMA = "schema:"
"""What a kind begins with that names a subject."""
_HEX = "hex:"
"""What a header begins with that is no text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Record as the fields of the form hold it."""

    key: str = ""
    key_kind: str = "text"
    value: str = ""
    value_kind: str = "json"
    headers: str = ""
    """One a line: a name, a colon, the value."""
    partition: str = ""


def draft_of_form(form: Fields) -> Draft:
    """Return what was written into the form."""
    return Draft(
        key=form.raw("key"),
        key_kind=form.text("key_kind", "text"),
        value=form.raw("value"),
        value_kind=form.text("value_kind", "json"),
        headers=form.raw("headers"),
        partition=form.text("partition"),
    )


def draft_of_event(event: Event, policy: str, now_ms: int) -> Draft:
    """Return a record to be sent again.

    Raises:
        RequestError: 413, it is too large to be edited.
    """
    if event.size_bytes > MAX_EDITED:
        raise RequestError(
            413,
            f"the record has {event.size_bytes} bytes, too many for a form; download it, or "
            "use fakebus tail --json and fakebus produce --json",
        )
    key_kind, key = _written(event.key, event.key_payload, is_key=True)
    value_kind, value = _written(event.value, event.payload, is_key=False)
    return Draft(
        key=key,
        key_kind=key_kind,
        value=value,
        value_kind=value_kind,
        headers="\n".join(
            _header_line(name, value)
            for name, value in copied_headers(event, policy, now_ms)
            # What is written by its schema names it in its framing.
            if name not in GUID_HEADERS
        ),
        partition=str(event.partition) if event.key is None else "",
    )


def _written(data: bytes | None, found: Payload[Any], *, is_key: bool) -> tuple[str, str]:
    if data is None:
        return "null", ""
    subject = getattr(found.schema, "subject", "")
    if subject and found.problem is None:
        return SCHEMA + subject, laid_out(found.data)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "hex", data.hex(" ")
    # A field of a form has no other line breaks, and a text would come back changed.
    if "\r" in text or "\0" in text:
        return "hex", data.hex(" ")
    return ("json" if found.format == "json" and not is_key else "text"), text


def _header_line(name: str, value: bytes | None) -> str:
    if value is None:
        return f"{name}"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    is_plain = text.isprintable() and text == text.strip() and not text.startswith(_HEX)
    if is_plain and (text or not value):
        return f"{name}: {text}"
    return f"{name}: {_HEX}{value.hex()}"


async def record_of_draft(cluster: Cluster, draft: Draft) -> NewRecord:
    """Return a draft as a record.

    Raises:
        RequestError: 400, a field holds what it cannot hold.
        ClusterError: the data does not fit its schema; the message names the place.
    """
    key = await _bytes(cluster, "the key", draft.key, draft.key_kind)
    value = await _bytes(cluster, "the value", draft.value, draft.value_kind)
    return NewRecord(key, value, tuple(_headers(draft.headers)))


async def _bytes(cluster: Cluster, what: str, text: str, kind: str) -> bytes | None:
    if kind == "null":
        return None
    text = text.replace("\r\n", "\n")
    try:
        if kind == "text":
            return text.encode()
        if kind == "hex":
            return bytes.fromhex(text)
        if kind == "base64":
            return base64.b64decode(text, validate=True)
        if kind == "json" or kind.startswith(SCHEMA):
            data = json.loads(text)
            if kind == "json":
                return text.strip().encode()
            return await cluster.schemas.encode(kind.removeprefix(SCHEMA), data)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise RequestError(
            400, f"{what} is not {kind.partition(':')[0]}: {json_mistake(error)}"
        ) from None
    raise RequestError(400, f"{what} cannot be written as {kind!r}")


def _headers(text: str) -> list[tuple[str, bytes | None]]:
    headers: list[tuple[str, bytes | None]] = []
    for line in filter(str.strip, text.replace("\r\n", "\n").split("\n")):
        name, colon, value = line.partition(":")
        value = value.strip()
        try:
            data = bytes.fromhex(value[len(_HEX) :]) if value.startswith(_HEX) else value.encode()
        except ValueError:
            raise RequestError(400, f"the header {name!r} is not hexadecimal") from None
        headers.append((name.strip(), data if colon else None))
    return headers
