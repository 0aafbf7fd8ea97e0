"""pytest fixtures: the shared bus as a REST Proxy."""

from __future__ import annotations

import pytest
import requests

from fakebus.app import FakeBus
from tests.unit.web.rest.proxy import Proxy


@pytest.fixture
def proxy(bus: FakeBus, session: requests.Session) -> Proxy:
    """The shared bus; each test uses topics and groups of its own."""
    return Proxy(bus.http_url, session)
