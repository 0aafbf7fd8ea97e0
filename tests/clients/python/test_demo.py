"""``fakebus demo`` as its users run it: what it prints leads to what is wrong with its shop."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest
from confluent_kafka import Consumer, TopicPartition

import fakebus
from fakebus.cli.main import run
from tests.clients.python.client import wait_until

# One process holds the bus and the services of all of them.
pytestmark = pytest.mark.clients

WAIT_SECONDS = 60.0
FREE = ("--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0")
SERVICES = {"shop", "billing", "shipping"}


def started(directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fakebus", "demo", *FREE]
    return subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, text=True)


def services_of(process: subprocess.Popen[str]) -> dict[str, psutil.Process]:
    """Wait until all are there."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        children = psutil.Process(process.pid).children()
        found = {
            word.rpartition(".")[2]: child
            for child in children
            for word in child.cmdline()
            if word.startswith("fakebus.demo.")
        }
        if found.keys() == SERVICES:
            return found
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Demo:
    """Demo that has printed all that it prints."""

    def __init__(self, directory: Path) -> None:
        self.process = started(directory)
        assert self.process.stdout is not None
        lines = iter(self.process.stdout.readline, "")
        self.told = ""
        while "Ctrl-C" not in self.told:
            self.told += next(lines)

    def ask(self, command: str) -> Any:
        """Run a command that was printed; return what it prints as JSON."""
        [line] = re.findall(rf"fakebus ({command} .*)", self.told)
        words = line.replace("'", "").split()
        done = subprocess.run(
            [sys.executable, "-m", "fakebus", *words, "--json"], capture_output=True, text=True
        )
        assert done.stderr == ""
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    directory = tmp_path_factory.mktemp("demo")
    found = Demo(directory)
    children = services_of(found.process).values()
    yield found
    found.process.send_signal(signal.SIGTERM)
    assert found.process.wait(WAIT_SECONDS) == 0
    assert [child for child in children if child.is_running()] == []
    assert list(directory.iterdir()) == []
    assert found.process.stdout is not None
    found.process.stdout.close()


def test_why_names_the_service_that_does_not_commit(demo: Demo) -> None:
    def is_told() -> bool:
        # One that had to connect anew is given its time again.
        found = demo.ask("why")
        assert found["group"] == "shipping"
        assert found["well"] is not bool(found["causes"])
        return "not_committing" in {cause["code"] for cause in found["causes"]}

    wait_until(is_told, "the service that does not commit is told")


def test_the_flow_of_an_order_leads_through_all_three_services(demo: Demo) -> None:
    found = demo.ask("flow")
    steps = {record["record"]: (record["topic"], record["service"]) for record in found["records"]}
    edges = {
        (steps[edge["from"]], steps[edge["to"]], edge["evidence"]): edge["rivals"]
        for edge in found["edges"]
    }
    assert edges == {
        (("orders", "shop"), ("invoices", "billing"), "observed"): 0,
        (("invoices", "billing"), ("parcels", "shipping"), "stated"): 0,
    }
    [invoice] = [each for each in found["records"] if each["topic"] == "invoices"]
    assert {group["group"]: group["state"] for group in invoice["groups"]} == {
        "shipping": "fetched"
    }


def test_the_catalogue_finds_the_event_that_nobody_reads(demo: Demo) -> None:
    smells = {smell["smell"]: smell["about"] for smell in demo.ask("catalogue")}
    assert smells["nobody_listens"] == "shop.ParcelSent"
    assert "foreign_writer" not in smells


def test_the_page_that_is_named_is_there(demo: Demo) -> None:
    [page] = re.findall(r"http://\S+/ui/\S+", demo.told)
    with urlopen(page) as answer:  # noqa: S310 - http, as it was found
        assert "invoices[0]@" in answer.read().decode()


def test_the_services_go_on_when_the_bus_goes_back_to_a_snapshot(demo: Demo) -> None:
    [at] = re.findall(r"why shipping --http (\S+)", demo.told)
    [servers] = re.findall(r"three services on (\S+):", demo.told)
    before = services_of(demo.process)
    for words in (("save", "now"), ("restore", "now")):
        command = [sys.executable, "-m", "fakebus", "snapshot", *words, "--http", at]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "unused", "log_level": 0})

    def written() -> int:
        return int(consumer.get_watermark_offsets(TopicPartition("invoices", 0), WAIT_SECONDS)[1])

    end = written()
    wait_until(lambda: written() >= end + 3, "the services write on")
    consumer.close()
    assert services_of(demo.process) == before


def test_the_fixtures_of_the_shop_have_no_mistakes() -> None:
    assert run(["fixtures", "check", str(Path(fakebus.__file__).parent / "demo" / "fixtures")]) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_service_outlives_the_demo(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path)
    children = list(services_of(process).values())
    os.kill(process.pid, number)
    assert process.wait(WAIT_SECONDS) in (0, -signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=WAIT_SECONDS)
    assert alive == []
    assert process.stdout is not None
    process.stdout.close()
