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
DEADLINE_S = 120.0


def wait_until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_S) -> Any:
    """Return what the condition gives as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)  # other processes are watched through files and groups


MANAGE = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    + """
if sys.argv[1] in ("lms", "cms"):
    # As the manage.py of edx-platform, which holds two services.
    del sys.argv[1]
from tests.openedx.project.__main__ import main
main()
"""
)


class Service:
    """One process of a service."""

    def __init__(
        self, command: list[str], environment: dict[str, str], log: Path, project: Path
    ) -> None:
        self.log = log
        self._file = log.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", *command],
            cwd=project,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._file,
        )

    def run(self, *command: str) -> None:
        """Have a process of ``run-commands`` run a command of Django, and wait until it is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"done\n", self.log.read_text()[-4000:]

    def output(self) -> str:
        """Wait for its end, and return what it has printed."""
        out, _ = self.process.communicate(timeout=DEADLINE_S)
        assert self.process.returncode == 0, self.log.read_text()[-4000:]
        return out.decode()

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.communicate(timeout=DEADLINE_S)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=DEADLINE_S)
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
        self._producer: Service | None = None

    def start(
        self, *command: str, received: str | None = None, name: str = "lms", **more: str
    ) -> Service:
        """Start a process of a service.

        Args:
            command: of Django, or one that only tests want.
            received: the name of a file for what comes from the bus.
            name: of the service.
            more: for the environment.
        """
        is_platform = name in ("lms", "cms")
        project = self.directory / ("edx-platform" if is_platform else name)
        project.mkdir(exist_ok=True)
        (project / "manage.py").write_text(MANAGE)
        environment = {**self.environment, "SERVICE_NAME": name, **more}
        if received is not None:
            environment["RECEIVED"] = str(self.directory / received)
        self._started += 1
        log = self.directory / f"{self._started}.log"
        words = [name, *command] if is_platform else list(command)
        service = Service(words, environment, log, project)
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
        """Run produce_event, as a person would, in the LMS."""
        data = {
            "user": {
                "id": 5,
                "is_active": True,
                "pii": {"username": username, "email": "a@example.org", "name": "Ämara"},
            }
        }
        if self._producer is None:
            self._producer = self.start("run-commands")
        self._producer.run(
            "produce_event",
            *("--signal", "openedx_events.learning.signals.SESSION_LOGIN_COMPLETED"),
            *("--topic", "user-login", "--key-field", "user.pii.username"),
            *("--data", json.dumps(data)),
        )

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
