"""pytest fixtures: one server for all tests here, and names that no other test uses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import requests

from fakebus.app import FakeBus
from tests.unit.web.http_client import Http
from tests.unit.web.registry.schemas import FIRST, JSON_SCHEMA
from tests.unit.web.server import connect, http_bus

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def bus() -> Iterator[FakeBus]:
    """One bus; each test uses subjects of its own."""
    with http_bus() as running:
        connection = connect(running)
        # The first schema of a language waits for its libraries.
        for schema_type, schema in (("AVRO", FIRST), ("JSON", JSON_SCHEMA)):
            connection.register(f"warm-{schema_type}", schema, schemaType=schema_type)
        connection.close()
        yield running


@pytest.fixture
def http(bus: FakeBus) -> Iterator[Http]:
    """A connection to the shared bus."""
    connection = connect(bus)
    yield connection
    connection.close()


@pytest.fixture
def fresh() -> Iterator[Http]:
    """A connection to an empty bus, for what is global."""
    with http_bus() as running:
        connection = connect(running)
        yield connection
        connection.close()


@pytest.fixture
def subject() -> str:
    """A subject that no other test uses."""
    return f"subject-{next(_numbers)}-value"


@pytest.fixture(scope="session")
def session() -> Iterator[requests.Session]:
    """One connection for what schemathesis sends."""
    with requests.Session() as kept:
        # It would read all environment variables for a proxy at each request.
        kept.trust_env = False
        yield kept
