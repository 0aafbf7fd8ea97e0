"""Groups of Kafka's own consumer and of kcat that are stuck, or only seem to be."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from confluent_kafka import Producer

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.client.bus_http import BusHttp, BusHttpError
from fakebus.config import Settings
from tests.clients.build import java_command, kcat_command
from tests.clients.program_fixtures import needed
from tests.clients.scenarios import TOOLS

pytestmark = pytest.mark.clients

ANY_PORT = (Address("127.0.0.1", 0),)
WAIT_S = 60
RECORDS = 20
TOPIC = "orders"
JAVA = {
    "java": [],
    "java-killed": [],
    "java-never-commits": ["--consumer-property", "enable.auto.commit=false"],
}
KCAT = {
    "kcat": [],
    # It sets only a property of the legacy consumer of that name, and commits nevertheless.
    "kcat-no-auto-commit": ["-X", "enable.auto.commit=false"],
    "kcat-never-commits": ["-X", "enable.auto.offset.store=false"],
}


class Groups:
    """Groups of consumers that run at the same time, so that they are waited for only once."""

    def __init__(self, bus: FakeBus, stack: contextlib.ExitStack) -> None:
        self._http = BusHttp(bus.http_url)
        self._servers = bus.bootstrap_servers
        self._stack = stack
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def write(self) -> None:
        producer = Producer({"bootstrap.servers": self._servers})
        for number in range(RECORDS):
            producer.produce(TOPIC, b"%d" % number)
        assert producer.flush(WAIT_S) == 0

    def start(self, group: str, command: list[str]) -> None:
        process = self._stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        self._stack.callback(process.kill)
        self.processes[group] = process

    def start_all(self) -> None:
        *java, _ = needed(partial(java_command, "Client"))
        needed(kcat_command)
        for group, options in JAVA.items():
            where = ["--bootstrap-server", self._servers, "--topic", TOPIC, "--group", group]
            main = f"{TOOLS}.consumer.ConsoleConsumer"
            self.start(group, [*java, main, *where, "--from-beginning", *options])
        for group, options in KCAT.items():
            reading = ["-X", "auto.offset.reset=earliest", "-G", group, TOPIC]
            self.start(group, ["kcat", "-b", self._servers, *options, *reading])

    def why(self, group: str) -> dict[str, Any]:
        with contextlib.suppress(BusHttpError):
            found: dict[str, Any] = self._http.get(f"/why/{group}")
            return found
        return {"lag": None, "well": True, "causes": []}

    def wait(self, group: str, code: str) -> dict[str, Any]:
        """Return the likeliest cause, once it has a code."""
        deadline = time.monotonic() + WAIT_S
        while not (causes := self.why(group)["causes"]) or causes[0]["code"] != code:
            assert time.monotonic() < deadline, (group, causes)
            time.sleep(0.1)
        return dict(causes[0])


@pytest.fixture(scope="module")
def groups() -> Iterator[Groups]:
    settings = Settings(data=None, kafka=ANY_PORT, http=ANY_PORT)
    with BusThread(FakeBus(settings)) as running, contextlib.ExitStack() as stack:
        groups = Groups(running.bus, stack)
        groups.write()
        groups.start_all()
        yield groups


@pytest.mark.parametrize("group", ["java", "kcat", "kcat-no-auto-commit"])
def test_who_commits_by_a_timer_is_well(groups: Groups, group: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while (found := groups.why(group))["lag"] != 0:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert found["well"], found


@pytest.mark.parametrize("group", ["java-never-commits", "kcat-never-commits"])
def test_who_is_sent_records_and_does_not_commit_is_told(groups: Groups, group: str) -> None:
    cause = groups.wait(group, "not_committing")
    evidence = cause["evidence"]
    assert f"up to offset {evidence['sent_to'] - 1} " in cause["text"]
    assert evidence["sent_to"] in (RECORDS, 2 * RECORDS)
    assert evidence["next_record"] == f"{TOPIC}[0]@0"
    assert evidence["has_ever_committed"] is False
    assert evidence["process"]["pid"] == groups.processes[group].pid
    assert groups.why(group)["lag"] is None


def test_a_java_consumer_that_was_killed_is_told_with_its_process(groups: Groups) -> None:
    test_who_commits_by_a_timer_is_well(groups, "java-killed")
    process = groups.processes["java-killed"]
    os.kill(process.pid, signal.SIGKILL)
    process.wait(WAIT_S)
    groups.write()
    cause = groups.wait("java-killed", "not_fetching")
    assert "its connection was closed" in cause["text"]
    assert "fakebus.evict.on.disconnect=true" in cause["remedy"]
    assert cause["evidence"]["process"]["pid"] == process.pid
