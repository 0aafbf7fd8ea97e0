"""Services of Open edX in processes of their own, on a bus of ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.openedx.catalogue import CatalogueEvent, load_catalogue

ROOT = Path(__file__).parents[2]
ANY_PORT = Address("127.0.0.1", 0)
DEADLINE_S = 60.0


def wait_until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_S) -> Any:
    """Return what the condition gives as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)  # other processes are watched through files and groups


class Service:
    """One process of a service."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        self._file = log.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.openedx.project", *command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=self._file,
        )

    def output(self) -> str:
        """Wait for its end, and return what it has printed."""
        out, _ = self.process.communicate(timeout=DEADLINE_S)
        assert self.process.returncode == 0, self.log.read_text()[-4000:]
        return out.decode()

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.communicate(timeout=DEADLINE_S)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop(signal.SIGKILL)
        self._file.close()


class Site:
    """Open edX services around one bus."""

    def __init__(self, bus: FakeBus, bus_name: str, directory: Path, stack: ExitStack) -> None:
        self.bus = bus
        self.directory = directory
        self._stack = stack
        module = f"edx_event_bus_{bus_name}"
        consumer = {"kafka": "KafkaEventConsumer", "redis": "RedisEventConsumer"}[bus_name]
        self.environment = {
            **os.environ,
            "BUS_APP": module,
            "BUS_PRODUCER": f"{module}.create_producer",
            "BUS_CONSUMER": f"{module}.{consumer}",
            "BOOTSTRAP_SERVERS": bus.bootstrap_servers,
            "REGISTRY_URL": bus.http_url,
            "REDIS_URL": bus.redis_urls[0] if bus.redis_urls else "",
            "PRODUCER_CONFIG": json.dumps(producer_config()),
            "PYTHONWARNINGS": "ignore",
        }
        self._started = 0

    def start(self, *command: str, received: str | None = None) -> Service:
        """Start a process; ``received`` names the file for what comes from the bus."""
        environment = dict(self.environment)
        if received is not None:
            environment["RECEIVED"] = str(self.directory / received)
        self._started += 1
        service = Service(list(command), environment, self.directory / f"{self._started}.log")
        self._stack.callback(service.close)
        return service

    def received(self, name: str) -> list[dict[str, Any]]:
        path = self.directory / name
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def wait_received(self, name: str, count: int, seconds: float = DEADLINE_S) -> list[Any]:
        def enough() -> list[Any]:
            found = self.received(name)
            return found if len(found) >= count else []

        found: list[Any] = wait_until(enough, f"{count} events in {name}", seconds)
        return found

    def wait_members(self, group: str, count: int, state: str = "Stable") -> None:
        def settled() -> bool:
            described = self.bus.broker.group_coordinator.describe(group)
            return (
                described is not None
                and described.state == state
                and len(described.members) == count
            )

        wait_until(settled, f"{count} members of {group}")

    def produce(self, *, username: str) -> None:
        """Run produce_event, as a person would."""
        data = {
            "user": {
                "id": 5,
                "is_active": True,
                "pii": {"username": username, "email": "a@example.org", "name": "Ämara"},
            }
        }
        self.start(
            "produce_event",
            *("--signal", "openedx_events.learning.signals.SESSION_LOGIN_COMPLETED"),
            *("--topic", "user-login", "--key-field", "user.pii.username"),
            *("--data", json.dumps(data)),
        ).output()

    def users(self, name: str) -> list[str]:
        """Return the user names of what was received, in order."""
        return [
            each["data"]["user"].split("username='")[1].split("'")[0]
            for each in self.received(name)
        ]


def catalogue() -> list[CatalogueEvent]:
    return load_catalogue()


def producer_config() -> dict[str, Any]:
    return {
        each.event_type: {each.topic: {"event_key_field": each.key_field, "enabled": True}}
        for each in catalogue()
    }


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    with ExitStack() as stack:

        def make(bus_name: str = "kafka", **settings: Any) -> Site:
            chosen: dict[str, Any] = {
                "data": None,
                "kafka": (ANY_PORT,),
                "http": (ANY_PORT,),
                "redis": (ANY_PORT,),
                "set": {"fakebus.evict.on.disconnect": "true"},
                **settings,
            }
            running = stack.enter_context(BusThread(FakeBus(Settings(**chosen))))
            return Site(running.bus, bus_name, tmp_path, stack)

        yield make
