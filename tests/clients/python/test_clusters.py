"""What consoles ask of a cluster, asked of the shared one; and a console served over it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from urllib.parse import urlencode

import pytest

from fakebus.client.connection import Connection
from fakebus.client.reachability import parse_servers
from fakebus.client.registry import RegistryClient
from fakebus.cluster.external import ExternalCluster
from fakebus.web.console.table import page_routes
from tests.clients.cluster import Cluster
from tests.processes import process_of

# The scenarios of the unit tests, on whatever cluster is shared here.
from tests.unit.cluster.test_cluster import *  # noqa: F403
from tests.unit.cluster.test_replay import *  # noqa: F403
from tests.unit.web.console.pages import Browser, Form
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
def console(cluster: Cluster, registry: str) -> Iterator[str]:
    """The address of a console over the shared cluster."""
    command = [sys.executable, "-m", "fakebus", "console", "--http", "127.0.0.1:0"]
    command += ["--bootstrap-server", cluster.bootstrap_servers, "--registry", registry]
    with process_of(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told, _, url = process.stdout.readline().strip().rpartition(": ")
        assert told == f"console of {cluster.bootstrap_servers}"
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def connect(console: str) -> Http:
    host, _, port = console.removeprefix("http://").removesuffix("/ui").rpartition(":")
    return Http(host, int(port))


def test_the_console_is_served_over_any_cluster(console: str) -> None:
    browser = connect(console)
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


ANYWHERE = {
    "start",
    "topics",
    "messages",
    "live",
    "produce",
    "settings",
    "record",
    "flow",
    "groups",
}
ANYWHERE |= {"replay", "schemas", "brokers", "search", "catalogue"}
"""Modules of pages that any cluster can fill."""


def test_every_page_opens_over_any_cluster(console: str, unique: Callable[[str], str]) -> None:
    orders, group, cause = unique("orders"), unique("billing"), unique("cause")
    http = connect(console)
    browser = Browser(http)
    page = browser.send(browser.get("/ui/topics").form("/ui/topics"), name=orders, partitions="1")
    assert page.status == 200
    for number, headers in enumerate((f"ce_id: {cause}", f"ce_causationid: {cause}")):
        form = browser.get(f"/ui/topics/{orders}/produce").form(f"/ui/topics/{orders}/produce")
        page = browser.send(form, value=str(number), headers=headers, do="send")
        assert (page.status, f"{orders}[0]@{number}" in page.text) == (200, True), page.text
    token = {"token": form.fields["token"]}
    for path, fields, problem in (
        ("/ui/topics", {"name": unique("large"), "partitions": "99999999999"}, "cannot be created"),
        (f"/ui/topics/{orders}/partitions", {"partitions": "1"}, "cannot extend"),
        (f"/ui/topics/{orders}/partitions", {"partitions": "0"}, "cannot extend"),
        (f"/ui/topics/{orders}/partitions", {"partitions": "99999999999"}, "cannot extend"),
        (
            f"/ui/topics/{orders}/produce",
            {"value": "1", "value_kind": "text", "partition": "99999999999", "do": "send"},
            "does not take the record",
        ),
        (
            f"/ui/topics/{orders}/produce",
            {"value": "1", "value_kind": "text", "partition": "-5", "do": "send"},
            "no partition",
        ),
        ("/ui/group/reset", {"name": "", "move": f"{orders}-0@1"}, "are not moved"),
    ):
        page = browser.send(Form(path, "post", token), **fields)
        assert (page.status, problem in page.text) == (400, True), (path, page.text)
    move = Form("/ui/group/reset", "post", {**token, "name": group})
    assert browser.send(move, move=f"{orders}-0@1").status == 200
    page = browser.send(browser.get("/ui/schemas").form("/ui/schema"), name=group, text='"int"')
    assert (page.status, group in page.text) == (200, True), page.text
    forged = Form(f"/ui/topics/{orders}/delete", "post", {"confirm": orders})
    assert browser.send(forged, token="0" * 64).status == 403
    refused = set()
    real = {"{topic}": orders, "{partition}": "0", "{offset}": "1"}
    query = urlencode({"name": group, "record": f"{orders}[0]@1", "q": orders, "subject": orders})
    for route in page_routes():
        path = "/".join(real.get(part, part) for part in route.path)
        if route.method != "GET" or route.handler == "live.events":
            continue
        page = browser.get(f"/ui/{path}?{query}")
        if page.status == 501:
            assert "not to be had from" in page.text
            refused.add(route.handler)
        else:
            assert page.status == 200, (path, page.text)
    assert {each for each in refused if each.partition(".")[0] in ANYWHERE} == {
        "catalogue.smells",
    }
    assert {"clients.index", "faults.index"} <= refused
    page = browser.get("/ui/group/why?" + urlencode({"name": group}))
    assert "No member" in page.text
    assert "Not known of this cluster: what clients fetch" in page.text
    page = browser.get("/ui/group/why?name=no-such-group")
    assert (page.status, "there is no group" in page.text) == (404, True)
    page = browser.get("/ui/flow?" + urlencode({"record": f"{orders}[0]@1"}))
    assert f"stated {orders}[0]@0 by" in page.text
    assert "what only the bus itself could know" in page.text
    page = browser.get("/ui/flow?" + urlencode({"find": cause}))
    assert "1 link of cause and effect" in page.text
    http.close()
