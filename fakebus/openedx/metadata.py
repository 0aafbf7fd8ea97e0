"""The headers of an event and its metadata, as edx-event-bus-kafka writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from openedx_events.data import EventsMetadata

from fakebus.errors import FakebusError
from fakebus.testing import Event

_METADATA: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "ce_type": ("event_type", str),
    "ce_id": ("id", UUID),
    "ce_minorversion": ("minorversion", int),
    "ce_source": ("source", str),
    "sourcehost": ("sourcehost", str),
    "ce_time": ("time", datetime.fromisoformat),
    "sourcelib": ("sourcelib", lambda text: tuple(map(int, text.split(".")))),
}
"""By header: the field of the metadata, and how it is read."""


def headers_of(metadata: EventsMetadata) -> list[tuple[str, str]]:
    """Return the ten headers of an event."""
    return [
        ("ce_specversion", "1.0"),
        ("content-type", "application/avro"),
        ("ce_datacontenttype", "application/avro"),
        ("ce_type", metadata.event_type),
        ("ce_id", str(metadata.id)),
        ("ce_source", metadata.source),
        ("ce_time", metadata.time.isoformat()),
        ("ce_minorversion", str(metadata.minorversion)),
        ("sourcehost", metadata.sourcehost),
        ("sourcelib", ".".join(map(str, metadata.sourcelib))),
    ]


def metadata_of(event: Event) -> EventsMetadata:
    """Return an event's metadata; what has no header is as EventsMetadata makes it.

    Raises:
        FakebusError: the record has no type or id, so it is no event of the bus, or it has a
            header of the metadata more than once.
    """
    found: dict[str, str] = {}
    for name, value in event.headers:
        if name in found and name in _METADATA:
            raise FakebusError(f"{event} has the header {name} more than once")
        found[name] = (value or b"").decode()
    if not found.get("ce_type") or not found.get("ce_id"):
        raise FakebusError(f"{event} has no ce_type and ce_id, so it is no event of the bus")
    given = {
        field: convert(found[name]) for name, (field, convert) in _METADATA.items() if name in found
    }
    return EventsMetadata(**given)
