"""A record as something to paste elsewhere: a line of a fixture file, a command, a program."""

from __future__ import annotations

import base64
import json
import shlex
from typing import NamedTuple

from fakebus.cluster.event_lines import event_line
from fakebus.cluster.events import Event
from fakebus.fixture_files.problems import DataError

MAX_BYTES = 16 << 10
"""Bytes of a record that are written into something to paste; of larger ones nothing is."""


class Copy(NamedTuple):
    """Text to paste."""

    name: str
    text: str


def copies_of(event: Event, bootstrap: str, http: str) -> list[Copy]:
    """Return a record in all forms; nothing if it is too large to paste.

    Args:
        event: the record.
        bootstrap: where Kafka's clients connect to.
        http: where the bus is; empty for another cluster.
    """
    if event.size_bytes > MAX_BYTES:
        return []
    line = _line(event)
    produce = f"fakebus produce {shlex.quote(event.topic)} --bootstrap-server {bootstrap}"
    copies = [
        Copy("Fixture line", line),
        Copy("fakebus", f"printf '%s\\n' {shlex.quote(line)} |\n  {produce} --json"),
        Copy("Python", _python(event, bootstrap)),
    ]
    if http:
        copies.insert(2, Copy("curl", _curl(line, http)))
    return copies


def _line(event: Event) -> str:
    try:
        return event_line(event, with_place=False)
    except (DataError, RecursionError):
        # What is nested beyond what a line may hold is still its bytes.
        plain = {"topic": event.topic, "partition": event.partition}
        return json.dumps(plain | {"key": _base64(event.key), "value": _base64(event.value)})


def _base64(data: bytes | None) -> object:
    if data is None:
        return None
    return {"type": "binary", "data": base64.b64encode(data).decode()}


def _curl(line: str, http: str) -> str:
    return (
        f"curl -s {http}/_fakebus/v1/records -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(line)}"
    )


def _python(event: Event, bootstrap: str) -> str:
    headers = "".join(f"        ({name!r}, {value!r}),\n" for name, value in event.headers)
    return (
        "from confluent_kafka import Producer\n\n"
        f'producer = Producer({{"bootstrap.servers": {bootstrap!r}}})\n'
        "producer.produce(\n"
        f"    {event.topic!r},\n"
        f"    partition={event.partition},\n"
        f"    key={event.key!r},\n"
        f"    value={event.value!r},\n"
        + (f"    headers=[\n{headers}    ],\n" if headers else "")
        + ")\nproducer.flush()\n"
    )
