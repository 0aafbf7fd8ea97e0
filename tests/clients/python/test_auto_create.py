"""Topics that come into being when they are first used."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.clients.cluster import Cluster, running_cluster
from tests.clients.python.client import Client, read_topic
from tests.clients.python.clients import CLIENTS

pytestmark = pytest.mark.clients

Unique = Callable[[str], str]


@pytest.fixture(scope="module")
def creating_cluster(cluster_name: str) -> Iterator[Cluster]:
    """A cluster that creates topics, unlike the shared one."""
    settings = {"auto.create.topics.enable": "true", "num.partitions": "3"}
    with running_cluster(cluster_name, settings) as running:
        yield running


@pytest.fixture(params=sorted(CLIENTS))
def creating_client(request: pytest.FixtureRequest, creating_cluster: Cluster) -> Iterator[Client]:
    """The library under test, connected to that cluster."""
    connected = CLIENTS[request.param](creating_cluster.bootstrap_servers)
    yield connected
    connected.close()


def test_first_record_creates_its_topic_with_the_brokers_defaults(
    creating_client: Client, unique: Unique
) -> None:
    topic = unique("made-by-use")
    assert topic not in creating_client.topics()
    producer = creating_client.producer()

    assert producer.send(topic, b"first", partition=2)() == (2, 0)

    producer.close()
    assert creating_client.topics()[topic] == 3
    (message,) = read_topic(creating_client, topic, 1, partitions=3)
    assert (message.partition.number, message.value) == (2, b"first")
