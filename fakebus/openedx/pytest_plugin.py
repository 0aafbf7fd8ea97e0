"""The pytest fixture ``openedx_events``: what a service sends to the event bus, and gets from it.

The service's own settings say which events go where (``EVENT_BUS_PRODUCER_CONFIG``); the
fixture puts a bus of the test behind them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fakebus.testing import Event, TestBus


class OpenEdxEvents:
    """The events of one test."""

    def __init__(self, bus: TestBus) -> None:
        self.bus = bus

    def emitted(self) -> list[Event]:
        """Return the events that went over the bus since the test began."""
        return [event for event in self.bus.emitted() if event.header("ce_type") is not None]

    def expect(self, event_type: str, data: Any = None, *, timeout: float = 5.0) -> Event:
        """Wait for an event of a type and return it.

        Args:
            event_type: such as ``org.openedx.learning.course.enrollment.created.v1``.
            data: what its data must have among other things, by name; attrs objects as signals
                are sent with, or plain data.
            timeout: how long to wait, in seconds.

        Raises:
            AssertionError: none came; the message shows the nearest.
        """
        topic, wanted = self._topic(event_type), self._plain(event_type, data)
        return self.bus.expect(topic, wanted, headers={"ce_type": event_type}, timeout=timeout)

    def expect_none(self, event_type: str, data: Any = None, *, within: float = 0.1) -> None:
        """Make sure that no such event comes; arguments as for :meth:`expect`."""
        topic, wanted = self._topic(event_type), self._plain(event_type, data)
        self.bus.expect_none(topic, wanted, headers={"ce_type": event_type}, within=within)

    def send(self, event_type: str, data: Mapping[str, Any]) -> None:
        """Deliver an event to the service's receivers, as if another service had sent it.

        Args:
            event_type: its type.
            data: attrs objects as signals are sent with, or plain data as in fixture files.
        """
        from openedx_events.data import EventsMetadata
        from openedx_events.event_bus.avro.deserializer import AvroSignalDeserializer
        from openedx_events.tooling import OpenEdxPublicSignal

        signal = OpenEdxPublicSignal.get_signal_by_type(event_type)
        metadata = EventsMetadata(event_type=event_type, source="openedx/another/web")
        arguments = AvroSignalDeserializer(signal).from_dict(self._plain(event_type, data))
        signal.send_event_with_custom_metadata(metadata, **arguments)

    def _plain(self, event_type: str, data: Any) -> Any:
        from fakebus.openedx.bus import plain_data

        return plain_data(event_type, data)

    def _topic(self, event_type: str) -> str:
        from django.conf import settings

        from fakebus.openedx.bus import full_topic

        config = getattr(settings, "EVENT_BUS_PRODUCER_CONFIG", {}).get(event_type, {})
        topics = [name for name, each in config.items() if each.get("enabled")]
        if not topics:
            raise AssertionError(
                f"EVENT_BUS_PRODUCER_CONFIG sends {event_type} nowhere: enable a topic for it"
            )
        return full_topic(topics[0])


@pytest.fixture
def openedx_events(fakebus: TestBus) -> Iterator[OpenEdxEvents]:
    """The event bus of the service under test; see :class:`OpenEdxEvents`."""
    from django.test.utils import override_settings
    from openedx_events.event_bus import get_producer

    from fakebus.openedx.bus import use_bus

    producer = "fakebus.openedx.bus.create_producer"
    with use_bus(fakebus), override_settings(EVENT_BUS_PRODUCER=producer):
        get_producer.cache_clear()
        yield OpenEdxEvents(fakebus)
    get_producer.cache_clear()
