"""The events of the installed openedx-events: types, schemas, keys.

Needs the package ``openedx-events`` of the service whose events are wanted; nothing else of
Open edX, and no settings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fakebus.errors import FakebusError
from fakebus.openedx.topics import route_of


class MissingEventsError(FakebusError):
    """openedx-events is not installed; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueEvent:
    """Public signal that the event bus can carry."""

    event_type: str
    topic: str
    """Without the prefix."""
    key_field: str
    owner: str
    consumers: tuple[str, ...]
    schema: Mapping[str, Any]
    """The Avro schema of the value, as the producers send it."""

    @property
    def subject(self) -> str:
        """The subject of the value's schema, without the topic's prefix."""
        return f"{self.topic}-{self.event_type}.CloudEvent"

    @property
    def key_type(self) -> str:
        """The Avro type of the key: ``string`` or ``long``."""
        node: Any = self.schema
        for name in self.key_field.split("."):
            fields = {field["name"]: field["type"] for field in node["fields"]}
            node = fields[name]
        if not isinstance(node, str):
            raise FakebusError(f"the key {self.key_field} of {self.event_type} is not a plain type")
        return node


def set_up_django() -> None:
    """Make openedx-events importable where no Django project is configured."""
    try:
        import django
        from django.conf import settings
    except ImportError as error:
        raise MissingEventsError(
            "openedx-events is not installed here; run fakebus in the service's own "
            "environment, or: pip install openedx-events"
        ) from error
    if not settings.configured:
        settings.configure(INSTALLED_APPS=["openedx_events"], EVENT_BUS_PRODUCER_CONFIG={})
        django.setup()


def events_version() -> str:
    """Return the version of the installed openedx-events.

    Raises:
        MissingEventsError: it is not installed.
    """
    try:
        return version("openedx-events")
    except PackageNotFoundError as error:
        raise MissingEventsError(
            "openedx-events is not installed here; run fakebus in the service's own "
            "environment, or: pip install openedx-events"
        ) from error


def load_catalogue() -> list[CatalogueEvent]:
    """Return every event that the event bus can carry, by type.

    Raises:
        MissingEventsError: openedx-events is not installed.
    """
    events_version()
    set_up_django()
    from openedx_events.event_bus.avro.serializer import AvroSignalSerializer
    from openedx_events.tooling import (
        KNOWN_UNSERIALIZABLE_SIGNALS,
        OpenEdxPublicSignal,
        load_all_signals,
    )

    load_all_signals()
    found = []
    for signal in sorted(OpenEdxPublicSignal.all_events(), key=lambda each: each.event_type):
        if signal.event_type in KNOWN_UNSERIALIZABLE_SIGNALS:
            continue
        route = route_of(signal.event_type)
        schema = json.loads(AvroSignalSerializer(signal).schema_string())
        found.append(
            CatalogueEvent(
                event_type=signal.event_type,
                topic=_other_topic(signal.event_type) if route is None else route.topic,
                key_field=_first_key(schema) if route is None else route.key_field,
                owner="lms" if route is None else route.owner,
                consumers=() if route is None else route.consumers,
                schema=schema,
            )
        )
    return found


def _other_topic(event_type: str) -> str:
    words = event_type.removeprefix("org.openedx.").split(".")
    return "-".join(words[:2]).replace("_", "-") + "-lifecycle"


def _first_key(schema: Mapping[str, Any]) -> str:
    """Return the path of the first text or number in the data."""
    path = []
    node: Any = schema
    while isinstance(node, dict) and node.get("type") == "record":
        field = node["fields"][0]
        path.append(field["name"])
        node = field["type"]
    return ".".join(path)
