"""Pact files with messages: each message that a consumer expects is an event.

The contents become the value; of the metadata ``key`` becomes the key, ``topic`` the topic
where the file is included, ``contentType`` the header ``content-type``, the rest headers.
Sources: https://github.com/pact-foundation/pact-specification (versions 3 and 4).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fakebus.fixture_files.inputs.input import Input, InputMistake, Reading, event, payload
from fakebus.fixture_files.inputs.json_places import field_indexes, items, parse
from fakebus.fixture_files.problems import DataError

_LISTS = ("messages", "interactions")
_MESSAGE_TYPE = "Asynchronous/Messages"
_HINT = "name a pact file of version 3 or 4 with messages"


def _read(text: str, names_topics: bool) -> Reading:
    pact = parse(text)
    if isinstance(pact, InputMistake):
        yield pact
        return
    lists = [name for name in _LISTS if isinstance(pact, Mapping) and name in pact]
    if not isinstance(pact, Mapping) or not lists or not isinstance(pact[lists[0]], list):
        yield InputMistake(line=1, message="this is no pact with messages", hint=_HINT)
        return
    for line, message in items(text, field_indexes(text)[lists[0]]):
        # Other interactions of version 4 are requests over HTTP.
        if isinstance(message, Mapping) and message.get("type", _MESSAGE_TYPE) != _MESSAGE_TYPE:
            continue
        yield event(line, _fields, message, names_topics)


def _fields(message: object, names_topics: bool) -> dict[str, Any]:
    if not isinstance(message, Mapping) or "contents" not in message:
        raise DataError("the message has no contents", _HINT)
    metadata = message.get("metaData", message.get("metadata")) or {}
    if not isinstance(metadata, Mapping):
        raise DataError("the metadata of the message is no object", _HINT)
    fields: dict[str, Any] = {"value": _value(message)}
    headers = []
    for name, value in metadata.items():
        if name == "key":
            fields["key"] = payload(value)
        elif name == "topic":
            fields |= {"topic": value} if names_topics else {}
        elif value is not None:
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            headers.append(["content-type" if name == "contentType" else name, shown])
    if headers:
        fields["headers"] = headers
    return fields


def _value(message: Mapping[str, Any]) -> object:
    contents = message["contents"]
    # Version 4 says of which kind the content is; version 3 has the content itself.
    if message.get("type") != _MESSAGE_TYPE or not isinstance(contents, Mapping):
        return payload(contents)
    content = contents.get("content")
    if contents.get("encoded") in ("base64", True):
        return payload(content, "binary")
    is_json = "json" in str(contents.get("contentType") or "application/json")
    return payload(content, "string" if isinstance(content, str) and not is_json else None)


PACT = Input(name="pact", suffixes=(".pact.json", ".pact"), read=_read)
