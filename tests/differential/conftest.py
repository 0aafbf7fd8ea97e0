"""Tests that ask fakebus and a real Kafka the same and compare the answers.

make test-kafka                                # with all else that runs on Kafka
python -m pytest tests/differential            # starts a Kafka of its own (Java 17, Maven)
python -m pytest tests/differential --kafka-bootstrap 127.0.0.1:19092     # takes `make kafka`'s
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.config import Settings
from tests.differential.raw_client import RawClient
from tests.differential.sides import Side, Sides
from tests.differential.taken_away import take_away_credentials, take_away_quotas
from tools.kafka import kafka_cluster


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kafka-bootstrap",
        help="HOST:PORT of a real Apache Kafka 4.3 that runs already, for tests/differential",
    )


@pytest.fixture(scope="session")
def kafka_address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a real Kafka listens, as host:port."""
    address = request.config.getoption("--kafka-bootstrap", default=None)
    if address:
        yield address
        return
    with kafka_cluster() as bootstrap_servers:
        yield bootstrap_servers


@pytest.fixture(scope="session")
def kafka(kafka_address: str) -> Iterator[RawClient]:
    """A connection to the real Kafka."""
    host, port = kafka_address.rsplit(":", 1)
    with RawClient(host, int(port)) as client:
        yield client


@pytest.fixture(scope="session")
def bus() -> Iterator[RawClient]:
    """A connection to a bus of our own, with the defaults of everything."""
    settings = Settings(data=None, kafka=(Address("127.0.0.1", 0),), http=())
    with FakeBus.thread(settings) as running:
        [listener] = running.listeners
        with RawClient(*listener.address) as client:
            yield client


@pytest.fixture(scope="session")
def shared_sides(kafka_address: str) -> Iterator[Sides]:
    """A real Kafka and a bus, each with a connection that scenarios may break."""
    # As Kafka has it here: a transaction is asked whether it has the partition of a group.
    configs = {"offsets.topic.num.partitions": "1"}
    settings = Settings(data=None, kafka=(Address("127.0.0.1", 0),), http=(), set=configs)
    with FakeBus.thread(settings) as running:
        yield Sides(Side(kafka_address), Side(running.bootstrap_servers))


@pytest.fixture(scope="module")
def sides(shared_sides: Sides) -> Iterator[Sides]:
    """The two brokers of all modules, which meet no quotas and credentials of each other."""
    yield shared_sides
    for side in (shared_sides.kafka, shared_sides.bus):
        side.clean_up()
        take_away_quotas(side)
        take_away_credentials(side)
