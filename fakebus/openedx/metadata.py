"""The headers of an event and its metadata, as edx-event-bus-kafka writes them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from openedx_events.data import EventsMetadata

from fakebus.errors import FakebusError
from fakebus.testing import Event


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
    """Return an event's metadata.

    Raises:
        FakebusError: the record has no type or id, so it is no event of the bus.
    """
    found = {name: (value or b"").decode() for name, value in event.headers}
    if not found.get("ce_type") or not found.get("ce_id"):
        raise FakebusError(f"{event} has no ce_type and ce_id, so it is no event of the bus")
    return EventsMetadata(
        event_type=found["ce_type"],
        id=UUID(found["ce_id"]),
        minorversion=int(found.get("ce_minorversion", 0)),
        source=found.get("ce_source", ""),
        sourcehost=found.get("sourcehost", ""),
        time=datetime.fromisoformat(found["ce_time"]),
        sourcelib=tuple(map(int, found.get("sourcelib", "0").split("."))),
    )
