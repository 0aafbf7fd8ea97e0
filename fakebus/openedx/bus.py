"""Open edX's event bus in the process of the tests, without a Kafka client.

Settings: ``EVENT_BUS_PRODUCER = "fakebus.openedx.bus.create_producer"`` and
``EVENT_BUS_CONSUMER = "fakebus.openedx.bus.FakebusEventConsumer"``. The bus is the one of
:func:`use_bus`, which the pytest fixture ``openedx_events`` calls. Topics, keys, headers,
subjects and framing are those of edx-event-bus-kafka, so its consumers read what is sent here.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from openedx_events.data import EventsMetadata
from openedx_events.event_bus import EventBusConsumer, EventBusProducer
from openedx_events.event_bus.avro.deserializer import AvroSignalDeserializer
from openedx_events.event_bus.avro.serializer import AvroSignalSerializer
from openedx_events.tooling import OpenEdxPublicSignal

from fakebus.errors import FakebusError
from fakebus.openedx.metadata import headers_of, metadata_of
from fakebus.testing import Event, TestBus

logger = logging.getLogger("fakebus.openedx")

_POLL_S = 0.2
_current: list[TestBus] = []


@contextmanager
def use_bus(bus: TestBus) -> Iterator[None]:
    """Let producers and consumers of this process use a bus while the block runs."""
    _current.append(bus)
    try:
        yield
    finally:
        _current.remove(bus)


def _bus() -> TestBus:
    if not _current:
        raise FakebusError(
            "no bus is in use: ask for the pytest fixture openedx_events, or open "
            "fakebus.openedx.bus.use_bus(bus)"
        )
    return _current[-1]


def full_topic(topic: str) -> str:
    """Return a topic's name with the prefix that the service's settings give."""
    from django.conf import settings

    prefix = getattr(settings, "EVENT_BUS_TOPIC_PREFIX", None)
    return f"{prefix}-{topic}" if prefix else topic


def create_producer() -> FakebusProducer:
    """Return a producer, as the setting ``EVENT_BUS_PRODUCER`` wants it."""
    return FakebusProducer()


class FakebusProducer(EventBusProducer):  # type: ignore[misc]
    """Sends events to the bus in use."""

    def send(
        self,
        *,
        signal: OpenEdxPublicSignal,
        topic: str,
        event_key_field: str,
        event_data: Mapping[str, Any],
        event_metadata: EventsMetadata,
    ) -> None:
        """Send one event; see openedx_events.event_bus.EventBusProducer.send.

        Raises:
            FakebusError: no bus is in use.
        """
        serializer = AvroSignalSerializer(signal)
        data = serializer.to_dict(event_data)
        name = full_topic(topic)
        key: Any = data
        key_type: Any = serializer.schema
        for part in event_key_field.split("."):
            key = key[part]
            fields = {field["name"]: field["type"] for field in key_type["fields"]}
            key_type = fields[part]
        _bus().publish_event(
            name,
            data,
            subject=f"{name}-{signal.event_type}.CloudEvent",
            schema=serializer.schema_string(),
            key=key,
            key_subject=f"{name}-{key_type}",
            key_schema=json.dumps(key_type),
            headers=headers_of(event_metadata),
        )


class FakebusEventConsumer(EventBusConsumer):  # type: ignore[misc]
    """Receives the events of one topic for one group, from the bus in use.

    Args:
        topic: without the prefix.
        group_id: the group, whose committed offset says where it begins.
        extra: what other consumers take; not looked at.
    """

    def __init__(self, topic: str, group_id: str, **extra: Any) -> None:
        self._topic = full_topic(topic)
        self._group_id = group_id
        self._stopping = threading.Event()

    def consume_indefinitely(self) -> None:
        """Receive events until :meth:`stop` is called.

        One that cannot be delivered is logged and passed over, as on other buses.
        """
        while not self._stopping.is_set():
            for event in self._take(_POLL_S):
                try:
                    deliver(event)
                except Exception:
                    logger.exception("an event cannot be delivered: %s", event)

    def consume(self, *, timeout: float = 0.0) -> int:
        """Receive what is there, and return how many events it was.

        Args:
            timeout: how long to wait for a first one, in seconds.

        Raises:
            ExceptionGroup: events cannot be delivered; all others are.
        """
        events = self._take(timeout)
        failures: list[Exception] = []
        for event in events:
            try:
                deliver(event)
            except Exception as failure:  # noqa: BLE001 - raised when the others are delivered
                failure.add_note(f"this is about {event}")
                failures.append(failure)
        if failures:
            raise ExceptionGroup("events cannot be delivered", failures)
        return len(events)

    def _take(self, timeout: float) -> list[Event]:
        return _bus().take(self._topic, self._group_id, timeout=timeout)

    def stop(self) -> None:
        """Let :meth:`consume_indefinitely` end."""
        self._stopping.set()


def plain_data(event_type: str, data: Any) -> Any:
    """Return data as openedx-events puts it on the bus: attrs objects, keys and times.

    Args:
        event_type: the type of the event that the data is for, whole or in part.
        data: what a signal is sent with, plain data, or a mixture.

    Raises:
        TypeError: a value is of a class that openedx-events cannot send.
    """
    if data is None or isinstance(data, str | bytes | int | float) or callable(data):
        return data
    if isinstance(data, Mapping):
        return {name: plain_data(event_type, value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain_data(event_type, value) for value in data]
    serializer = AvroSignalSerializer(OpenEdxPublicSignal.get_signal_by_type(event_type))
    try:
        return serializer.to_dict({"": data})[""]
    except ValueError:
        raise TypeError(f"openedx-events has no serializer for {type(data).__name__}") from None


def deliver(event: Event) -> None:
    """Send an event of the bus to the Django receivers of its signal."""
    metadata = metadata_of(event)
    signal = OpenEdxPublicSignal.get_signal_by_type(metadata.event_type)
    data = AvroSignalDeserializer(signal).from_dict(event.data)
    signal.send_event_with_custom_metadata(metadata, **data)
