"""The metadata of events that other producers have written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid1

import pytest

from fakebus.errors import FakebusError
from fakebus.openedx.catalogue import set_up_django
from fakebus.openedx.metadata import headers_of, metadata_of
from fakebus.testing import Event

ID = str(uuid1())


@pytest.fixture(autouse=True)
def django_settings() -> None:
    """The library takes what an event does not say from the settings."""
    set_up_django()


def event(*headers: tuple[str, str]) -> Event:
    pairs = tuple((name, value.encode()) for name, value in headers)
    return Event(
        topic="t", partition=0, offset=0, timestamp_ms=0, key=None, value=b"", headers=pairs
    )


def test_metadata_come_back_as_they_were_written() -> None:
    sparse = metadata_of(event(("ce_type", "org.x.y.v1"), ("ce_id", ID)))
    assert metadata_of(event(*headers_of(sparse))) == sparse


def test_what_has_no_header_is_as_the_library_makes_it() -> None:
    found = metadata_of(event(("ce_type", "org.x.y.v1"), ("ce_id", ID)))
    assert (found.event_type, found.id, found.minorversion) == ("org.x.y.v1", UUID(ID), 0)
    assert datetime.now(UTC) - found.time < timedelta(minutes=1)


def test_what_is_no_event_of_the_bus_is_refused() -> None:
    with pytest.raises(FakebusError, match="no ce_type and ce_id"):
        metadata_of(event(("ce_type", "org.x.y.v1")))
    with pytest.raises(FakebusError, match="the header ce_id more than once"):
        metadata_of(event(("ce_type", "org.x.y.v1"), ("ce_id", ID), ("ce_id", ID)))
