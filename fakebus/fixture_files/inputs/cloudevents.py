"""CloudEvents in JSON (structured mode), as records in Kafka's binary mode.

A file is one event, a list of them (the batch format), or one a line. Attributes become headers
with ``ce_``, the data becomes the value, ``partitionkey`` the key and ``time`` the timestamp.
Sources: https://github.com/cloudevents/spec (JSON Event Format, Kafka Protocol Binding).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fakebus.fixture_files.inputs.input import Input, InputMistake, Reading, event, payload
from fakebus.fixture_files.inputs.json_places import items, parse
from fakebus.fixture_files.problems import DataError, quoted

_REQUIRED = ("specversion", "id", "source", "type")
_NOT_HEADERS = ("data", "data_base64", "datacontenttype", "partitionkey")


def _read(text: str, names_topics: bool) -> Reading:
    for line, found in _events(text):
        yield found if isinstance(found, InputMistake) else event(line, _fields, found)


def _events(text: str) -> Iterator[tuple[int, object]]:
    whole = parse(text)
    if isinstance(whole, list):
        yield from items(text)
    elif not isinstance(whole, InputMistake):
        yield 1 + text[: len(text) - len(text.lstrip())].count("\n"), whole
    elif whole.message.endswith("extra data"):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield number, parse(line, number)
    elif text.strip():
        yield whole.line, whole


def _fields(event: object) -> dict[str, Any]:
    if not isinstance(event, Mapping):
        raise DataError("this is no CloudEvent", "write an object with specversion, id and type")
    for name in _REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise DataError(f"the CloudEvent has no {quoted(name)}", "add it; it is required")
    headers = [
        [f"ce_{name}", _attribute(name, value)]
        for name, value in event.items()
        if name not in _NOT_HEADERS and value is not None
    ]
    content_type = event.get("datacontenttype")
    if content_type is not None:
        headers.append(["content-type", _attribute("datacontenttype", content_type)])
    fields: dict[str, Any] = {"headers": headers, "value": _value(event)}
    if event.get("partitionkey") is not None:
        fields["key"] = payload(_attribute("partitionkey", event["partitionkey"]))
    if event.get("time") is not None:
        fields["at"] = event["time"]
    return fields


def _value(event: Mapping[str, Any]) -> object:
    if "data_base64" in event:
        return payload(event["data_base64"], "binary")
    data = event.get("data")
    is_json = "json" in str(event.get("datacontenttype") or "application/json")
    return payload(data, "string" if isinstance(data, str) and not is_json else None)


def _attribute(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise DataError(
        f"the attribute {quoted(name)} must be a text, a number or a boolean",
        'put it into "data"',
    )


CLOUDEVENTS = Input(
    name="cloudevents", suffixes=(".cloudevents.json", ".cloudevents", ".ce.json"), read=_read
)
