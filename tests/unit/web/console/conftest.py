"""pytest fixtures: a bus for all pages of a module, and a browser without JavaScript."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from fakebus.app import FakeBus
from fakebus.bus_thread import BusThread
from tests.unit.web.console.pages import Browser
from tests.unit.web.server import bus_thread, connect

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def thread() -> Iterator[BusThread[FakeBus]]:
    """The thread of the bus that the tests of a module share."""
    with bus_thread() as running:
        yield running


@pytest.fixture(scope="module")
def bus(thread: BusThread[FakeBus]) -> FakeBus:
    """A bus that the tests of a module share."""
    return thread.bus


@pytest.fixture
def browser(bus: FakeBus) -> Iterator[Browser]:
    """A browser of the shared bus."""
    connection = connect(bus)
    yield Browser(connection)
    connection.close()


@pytest.fixture
def topic(browser: Browser) -> str:
    """A topic of two partitions that no other test uses."""
    name = f"topic-{next(_numbers)}"
    page = browser.get("/ui/topics")
    assert browser.send(page.form("/ui/topics"), name=name, partitions="2").status == 200
    return name
