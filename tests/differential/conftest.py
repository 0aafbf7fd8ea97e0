"""Tests that ask fakebus and a real Kafka the same and compare the answers.

    python -m pytest tests/differential --kafka-bootstrap 127.0.0.1:19092

`make kafka` starts such a Kafka. Without the option they are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakebus.app import FakeBus
from fakebus.config import Address, Settings
from tests.differential.raw_client import RawClient
from tests.differential.sides import Side, Sides


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kafka-bootstrap", help="HOST:PORT of a real Apache Kafka 4.3")


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[RawClient]:
    """A connection to the real Kafka."""
    address = request.config.getoption("--kafka-bootstrap", default=None)
    if not address:
        pytest.skip("needs a real Kafka: pytest tests/differential --kafka-bootstrap HOST:PORT")
    host, port = address.rsplit(":", 1)
    with RawClient(host, int(port)) as client:
        yield client


@pytest.fixture(scope="session")
def bus() -> Iterator[RawClient]:
    """A connection to a bus of our own, with the defaults of everything."""
    settings = Settings(data=None, kafka=(Address("127.0.0.1", 0),), http=())
    with FakeBus.thread(settings) as running:
        [listener] = running.listeners
        with RawClient(listener.host, listener.port) as client:
            yield client


@pytest.fixture(scope="session")
def sides(request: pytest.FixtureRequest) -> Iterator[Sides]:
    """A real Kafka and a bus, each with a connection that scenarios may break."""
    address = request.config.getoption("--kafka-bootstrap", default=None)
    if not address:
        pytest.skip("needs a real Kafka: pytest tests/differential --kafka-bootstrap HOST:PORT")
    settings = Settings(data=None, kafka=(Address("127.0.0.1", 0),), http=())
    with FakeBus.thread(settings) as running:
        yield Sides(Side(address), Side(running.bootstrap_servers))
