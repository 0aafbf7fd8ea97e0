"""What consoles ask of a cluster, asked of the shared one; and a console served over it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from fakebus.client.connection import Connection
from fakebus.client.reachability import parse_servers
from fakebus.client.registry import RegistryClient
from fakebus.cluster.external import ExternalCluster
from tests.clients.cluster import Cluster

# The scenarios of the unit tests, on whatever cluster is shared here.
from tests.unit.cluster.test_cluster import *  # noqa: F403
from tests.unit.web.http_client import Http
from tests.unit.web.server import http_bus


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """A schema registry, which is the one of a fakebus of its own."""
    with http_bus() as running:
        yield running.http_url


@pytest.fixture
async def view(coordinated_cluster: Cluster, registry: str) -> AsyncIterator[ExternalCluster]:
    """The shared cluster as consoles see it, with a registry of its own."""
    connection = Connection("tests", parse_servers(coordinated_cluster.bootstrap_servers))
    found = await asyncio.to_thread(ExternalCluster, connection, RegistryClient(registry))
    yield found
    await found.close()


@pytest.fixture
def orders(unique: Callable[[str], str]) -> str:
    return unique("orders")


@pytest.fixture
def billing(unique: Callable[[str], str]) -> str:
    return unique("billing")


@pytest.fixture
def console(cluster: Cluster) -> Iterator[str]:
    """The address of a console over the shared cluster, without a registry."""
    command = [sys.executable, "-m", "fakebus", "console", "--http", "127.0.0.1:0"]
    command += ["--bootstrap-server", cluster.bootstrap_servers]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told, _, url = process.stdout.readline().strip().rpartition(": ")
        assert told == f"console of {cluster.bootstrap_servers}"
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_the_console_is_served_over_any_cluster(console: str) -> None:
    host, _, port = console.removeprefix("http://").removesuffix("/ui").rpartition(":")
    browser = Http(host, int(port))
    page = browser.get("/ui")
    assert page.status == 200
    assert page.body.startswith(b"<!doctype html>")
    front = browser.get("/", Accept="text/html")
    assert (front.status, front.headers["Location"]) == (302, "/ui")
    refused = browser.get("/_fakebus/v1/clients")
    assert refused.status == 501
    assert "/_fakebus/v1/clients tells is not to be had" in refused.json["message"]
    assert browser.get("/ui", Host="attacker.example").status == 421
    browser.close()
