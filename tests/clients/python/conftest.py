"""pytest fixtures of the Python clients."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from tests.clients.cluster import Cluster
from tests.clients.python.client import Client, Committed, Partition, wait_until
from tests.clients.python.clients import CLIENTS
from tests.clients.python.confluent import ConfluentClient


@pytest.fixture(scope="package", autouse=True)
def patient_commands() -> Iterator[None]:
    """Let commands wait for a bus that is there and slow, as one beside many others is."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fakebus.client.connection.METADATA_TIMEOUT_S", 60.0)
        yield


@pytest.fixture(scope="session")
def coordinated_cluster(cluster: Cluster) -> Cluster:
    """The shared cluster, once its group coordinator answers.

    Kafka creates __consumer_offsets at the first use of a group, and meanwhile tells clients that
    there is no coordinator. Consumers ask again; some admin clients fail.
    """
    with contextlib.closing(ConfluentClient(cluster.bootstrap_servers)) as warming:
        topic = f"warming-{uuid.uuid4().hex}"
        warming.create_topic(topic)
        wait_until(lambda: topic in warming.topics(), "the topic is there")
        warming.consumer(topic).commit({Partition(topic, 0): Committed(0, "")})
    return cluster


@pytest.fixture(params=sorted(CLIENTS))
def client(request: pytest.FixtureRequest, coordinated_cluster: Cluster) -> Iterator[Client]:
    """The library under test, connected to the shared cluster."""
    connected = CLIENTS[request.param](coordinated_cluster.bootstrap_servers)
    yield connected
    connected.close()


@pytest.fixture
def confluent(coordinated_cluster: Cluster) -> Iterator[ConfluentClient]:
    """Confluent's library, for what it alone can do."""
    connected = ConfluentClient(coordinated_cluster.bootstrap_servers)
    yield connected
    connected.close()


@pytest.fixture
def new_topic(cluster: Cluster, unique: Callable[[str], str]) -> Callable[..., str]:
    """Create a topic of its own, with `create_topic`'s arguments, and return its name."""
    admin = ConfluentClient(cluster.bootstrap_servers)

    def create(partitions: int = 1, **configs: str) -> str:
        topic = unique("topic")
        dotted = {key.replace("_", "."): value for key, value in configs.items()}
        admin.create_topic(topic, partitions, dotted)
        # Kafka answers before its broker has heard of the topic from the controller.
        wait_until(lambda: admin.topics().get(topic) == partitions, f"{topic} is there")
        return topic

    return create


@pytest.fixture
def registry_url(imported_modules: None) -> Iterator[str]:
    """A schema registry, which is the one of a fakebus of its own."""
    any_port = Address("127.0.0.1", 0)
    settings = Settings(data=None, kafka=(any_port,), http=(any_port,))
    with BusThread(FakeBus(settings)) as running:
        yield running.bus.http_urls[0]
