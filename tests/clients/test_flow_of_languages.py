"""Flows of orders that services pass along: of three languages, and in containers of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from tests.clients.build import node_command
from tests.clients.flow_scene import AIOKAFKA, ANY_PORT, CONFLUENT, TRACEPARENT, Scene, edges
from tests.clients.program_fixtures import needed

pytestmark = pytest.mark.clients

STEPS = (("billing", "invoices"), ("shipping", "parcels"), ("mailing", "letters"))


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    forward = needed(partial(node_command, "forward"))
    settings = Settings(data=None, kafka=ANY_PORT, http=ANY_PORT)
    with BusThread(FakeBus(settings)) as running, contextlib.ExitStack() as stack:
        scene = Scene(running.bus, stack, tmp_path_factory.mktemp("services"))
        scene.write("orders")
        scene.service(CONFLUENT, "billing", "orders", "invoices")
        scene.flow_of("orders[0]@0", 2)
        scene.service(AIOKAFKA, "shipping", "invoices", "parcels")
        scene.flow_of("orders[0]@0", 3)
        scene.start(forward, "mailing", "parcels", "letters")
        scene.flow_of("orders[0]@0", 4)
        yield scene


@pytest.mark.parametrize(
    ("headers", "evidence", "by"),
    [
        ({}, "observed", "fetch"),
        ({"traceparent": TRACEPARENT % 1}, "correlated", "traceparent"),
        ({"ce_id": "order-1"}, "stated", "ce_causationid"),
    ],
    ids=["without headers", "traced", "with causation ids"],
)
def test_an_order_is_followed_through_three_languages_with_the_evidence_that_there_is(
    services: Scene, headers: dict[str, str], evidence: str, by: str
) -> None:
    order = services.write("orders", '{"order": 17}', headers)
    offset = order.partition("@")[2]
    names = [order, *(f"{topic}[0]@{offset}" for _, topic in STEPS)]
    flow = services.flow_of(order, len(names))
    wanted = [(cause, effect, evidence, by, 0) for cause, effect in pairwise(names)]
    assert edges(flow) == wanted
    told = {each["record"]: each for each in flow["records"]}
    assert list(told) == names
    writers = [told[name] for name in names[1:]]
    assert len({writer["process"]["pid"] for writer in writers}) == len(STEPS)
    assert [writer["service"] for writer in writers] == [
        "billing_service",
        "shipping_service",
        "forward",
    ]
    for record, writer, (group, _) in zip(names, writers, STEPS, strict=False):
        state = services.group(record, group, "handled")
        assert (state["service"], state["attempts"]) == (writer["service"], 1)
        assert state["fetched_at_ms"] <= state["committed_at_ms"]
    assert services.group(names[-2], "mailing", "handled")["member"].startswith("kafkajs-")
    for name in names[1:]:
        assert edges(services.flow(name)) == wanted


def container(stack: contextlib.ExitStack, number: int) -> tuple[str, list[str]]:
    """Make a network like a container's.

    Returns:
        The address of this machine in it, and what a command that runs in it begins with.
    """
    namespace, link = f"fakebus-{os.getpid()}-{number}", f"fbus{os.getpid() % 10**6}n{number}"
    network, inside = f"10.211.{number}", ["ip", "-n", namespace]
    outer = ["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace]
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    stack.callback(subprocess.run, ["ip", "netns", "del", namespace], check=True)
    for command in (
        outer,
        ["ip", "addr", "add", f"{network}.1/24", "dev", link],
        ["ip", "link", "set", link, "up"],
        [*inside, "addr", "add", f"{network}.2/24", "dev", "eth0"],
        [*inside, "link", "set", "eth0", "up"],
    ):
        subprocess.run(command, check=True)
    return f"{network}.1", ["ip", "netns", "exec", namespace, sys.executable]


@pytest.mark.skipif(
    (os.geteuid() != 0 or shutil.which("ip") is None) and os.environ.get("CI") != "true",
    reason="only root may make networks, with iproute2",
)
def test_services_in_containers_are_told_by_their_addresses(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        networks = [container(stack, number) for number in (1, 2)]
        hosts = ["127.0.0.1", *(host for host, _ in networks)]
        kafka = tuple(Address(host, 0) for host in hosts)
        settings = Settings(data=None, kafka=kafka, http=ANY_PORT)
        running = stack.enter_context(BusThread(FakeBus(settings)))
        scene = Scene(running.bus, stack, tmp_path)
        scene.write("orders")
        services = zip(STEPS, ("orders", "invoices"), (CONFLUENT, AIOKAFKA), strict=False)
        for number, ((group, writes), reads, program) in enumerate(services):
            # Such files are called alike in many containers, and no process is to be found there.
            path = tmp_path / group / "main.py"
            path.parent.mkdir()
            path.write_text(program)
            scene.servers = str(running.bus.kafka_addresses[number + 1])
            scene.start([*networks[number][1], str(path)], group, reads, writes)
            scene.flow_of("orders[0]@0", number + 2)
        order = scene.write("orders")
        flow = scene.flow_of(order, 3)
        names = [order, "invoices[0]@1", "parcels[0]@1"]
        assert edges(flow) == [(*pair, "observed", "fetch", 0) for pair in pairwise(names)]
        for number, told in enumerate(flow["records"][1:]):
            assert told["address"] == f"10.211.{number + 1}.2"
            assert told["process"] is None
            assert told["service"] == STEPS[number][0]
            assert scene.group(names[number], STEPS[number][0], "handled")
