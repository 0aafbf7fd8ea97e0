"""pytest fixtures: one seeded bus for all pages, and a browser without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakebus.app import FakeBus
from tests.unit.web.console.pages import Browser
from tests.unit.web.server import connect, http_bus


@pytest.fixture(scope="module")
def bus() -> Iterator[FakeBus]:
    """A bus that the tests of a module share."""
    with http_bus() as running:
        yield running


@pytest.fixture
def browser(bus: FakeBus) -> Iterator[Browser]:
    """A browser of the shared bus."""
    connection = connect(bus)
    yield Browser(connection)
    connection.close()
