"""Tests that replace Python's clocks, as those of Django projects do, and a bus beside them.

Clients in C stamp their records by the machine's clock all the while.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import freezegun
import pytest
import redis
import time_machine
from confluent_kafka import Consumer, Message, Producer

from fakebus import real_time
from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.config import Settings
from fakebus.testing import TestBus, running_bus
from fakebus.testing.external_bus import ExternalBus

pytestmark = pytest.mark.clients

PAST = datetime(2020, 1, 1, tzinfo=UTC)
FUTURE = datetime(2060, 1, 1, tzinfo=UTC)
CLOCKS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "frozen": lambda: freezegun.freeze_time(PAST),
    "frozen, ticking": lambda: freezegun.freeze_time(FUTURE, tick=True),
    "frozen, real asyncio": lambda: freezegun.freeze_time(PAST, real_asyncio=True),
    "travelled": lambda: time_machine.travel(PAST, tick=False),
    "travelled, ticking": lambda: time_machine.travel(FUTURE, tick=True),
}


@pytest.fixture(params=CLOCKS)
def replace_clocks(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[Any]]:
    return CLOCKS[request.param]


@pytest.fixture(scope="module")
def bus() -> Iterator[TestBus]:
    with running_bus() as bus:
        yield bus


@pytest.fixture
def topic(unique: Callable[[str], str]) -> str:
    return unique("clocks")


def send(bus: TestBus, topic: str) -> Message:
    reports: list[tuple[Any, Message]] = []
    producer = Producer({"bootstrap.servers": bus.bootstrap_servers})
    producer.produce(topic, b"1", callback=lambda error, message: reports.append((error, message)))
    assert producer.flush(60) == 0
    [(error, message)] = reports
    assert error is None, error
    return message


def test_producers_are_served(
    bus: TestBus, topic: str, replace_clocks: Callable[[], AbstractContextManager[Any]]
) -> None:
    with replace_clocks():
        replaced = time.time()
        send(bus, topic)
        event = bus.expect(topic)
        own = bus.publish(topic, {"a": 1})
    assert abs(replaced - time.time()) > 86_400
    assert abs(event.timestamp_ms - time.time() * 1000) < 60_000
    assert abs(own.timestamp_ms - time.time() * 1000) < 60_000


def test_waits_end(
    bus: TestBus, topic: str, replace_clocks: Callable[[], AbstractContextManager[Any]]
) -> None:
    began = real_time.monotonic()
    with replace_clocks():
        bus.expect_none(topic, within=0.2)
        with pytest.raises(AssertionError):
            bus.expect(topic, timeout=0.2)
    assert 0.4 <= real_time.monotonic() - began < 20


def test_groups_are_served(
    bus: TestBus,
    topic: str,
    unique: Callable[[str], str],
    replace_clocks: Callable[[], AbstractContextManager[Any]],
) -> None:
    group = unique("group")
    with replace_clocks():
        send(bus, topic)
        config = {
            "bootstrap.servers": bus.bootstrap_servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
        }
        consumer = Consumer(config)
        consumer.subscribe([topic])
        message = consumer.poll(60)
        assert message is not None
        assert message.value() == b"1"
        consumer.commit(message)
        consumer.close()


def test_the_clock_of_the_bus_alone_moves_it(
    topic: str, replace_clocks: Callable[[], AbstractContextManager[Any]]
) -> None:
    with running_bus() as bus, replace_clocks():
        before = bus.publish(topic, {"a": 1}).timestamp_ms
        bus.clock.freeze()
        bus.clock.advance(3600)
        after = bus.publish(topic, {"a": 2}).timestamp_ms
        assert bus.publish(topic, {"a": 3}).timestamp_ms == after
    assert abs(before - time.time() * 1000) < 60_000
    assert 3_600_000 <= after - before < 3_660_000


def test_waits_on_a_foreign_kafka_end(
    bus: TestBus, topic: str, replace_clocks: Callable[[], AbstractContextManager[Any]]
) -> None:
    began = real_time.monotonic()
    with ExternalBus(bus.bootstrap_servers, "") as external, external.test() as handle:
        with replace_clocks():
            handle.publish(topic, {"a": 1})
            assert handle.expect(topic).value == b'{"a":1}'
            handle.expect_none(f"{topic}-other", within=0.2)
    assert 0.2 <= real_time.monotonic() - began < 60


def test_a_bus_that_starts_while_clocks_are_replaced_has_the_real_time(
    topic: str, replace_clocks: Callable[[], AbstractContextManager[Any]]
) -> None:
    with replace_clocks(), running_bus() as bus:
        assert abs(bus.publish(topic, {}).timestamp_ms - real_time.now_ms()) < 60_000
        send(bus, topic)
        bus.expect_none(f"{topic}-other", within=0.1)
    assert abs(real_time.now_ms() - time.time() * 1000) < 60_000


def test_a_bus_in_the_event_loop_of_a_test_keeps_the_time(
    replace_clocks: Callable[[], AbstractContextManager[Any]],
) -> None:
    async def run() -> None:
        settings = Settings(data=None, kafka=(), http=(), redis=(Address("127.0.0.1", 0),))
        async with FakeBus(settings) as bus:
            client = redis.asyncio.Redis.from_url(bus.redis_urls[0], socket_timeout=None)
            entry_id = await client.xadd("s", {"a": "b"})
            assert abs(int(entry_id.split(b"-")[0]) - real_time.now_ms()) < 60_000
            # It waits by the clock of the loop.
            assert not await client.xread({"s": "$"}, block=100)
            await client.aclose()

    with replace_clocks():
        asyncio.run(run())


def test_a_module_that_is_imported_while_clocks_are_frozen_has_the_real_time() -> None:
    code = (
        "import freezegun, time\n"
        "with freezegun.freeze_time('2020-01-01'):\n"
        "    from fakebus import real_time\n"
        "    frozen, now = time.time(), real_time.now_ms() / 1000\n"
        "    first = real_time.monotonic()\n"
        "assert abs(time.time() - now) < 60 < abs(frozen - now), (frozen, now)\n"
        "assert 0 < real_time.monotonic() - first < 60\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


GREEN = {
    "gevent": ("from gevent import monkey", "monkey.patch_all({})", "thread=False, queue=False"),
    "eventlet": ("import eventlet", "eventlet.monkey_patch({})", "thread=False"),
}
USE = """
from fakebus.testing import running_bus
with running_bus() as bus:
    bus.publish("t", {"a": 1})
    print(bus.expect("t").value)
    bus.expect_none("u", within=0.1)
"""


def run_green(
    library: str, how: str, code: str, directory: Path
) -> subprocess.CompletedProcess[str]:
    load, patch, _ = GREEN[library]
    return run(f"{load}\n{patch.format(how)}\n{code}", directory)


def run(code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    script = directory / "green.py"
    script.write_text(code)
    command = [sys.executable, "-W", "ignore", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.parametrize("library", GREEN)
def test_greenlets_in_the_place_of_threads_are_told_at_once_and_what_to_do(
    library: str, tmp_path: Path
) -> None:
    done = run_green(library, "", USE, tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert (
        f"FakebusError: {library} has put greenlets in the place of this process's threads" in last
    )
    assert GREEN[library][1].format(GREEN[library][2]) in last
    assert "`fakebus up`" in last


@pytest.mark.parametrize("library", GREEN)
def test_a_bus_runs_where_only_the_rest_is_patched(library: str, tmp_path: Path) -> None:
    done = run_green(library, GREEN[library][2], USE, tmp_path)
    assert done.stdout.splitlines() == ["b'{\"a\":1}'"], done.stderr


@pytest.mark.parametrize("library", GREEN)
def test_clients_on_greenlets_use_a_bus_beside_them(library: str, tmp_path: Path) -> None:
    with running_bus() as bus:
        code = (
            "from kafka import KafkaProducer\n"
            f"producer = KafkaProducer(bootstrap_servers={bus.bootstrap_servers!r})\n"
            "producer.send('t', b'1').get(20)\n"
            "producer.close()\n"
        )
        done = run_green(library, "", code, tmp_path)
        assert done.returncode == 0, done.stderr
        assert bus.expect("t").value == b"1"


@pytest.mark.parametrize("library", GREEN)
def test_threads_that_become_greenlets_while_a_bus_runs_are_told(
    library: str, tmp_path: Path
) -> None:
    load, patch, _ = GREEN[library]
    code = (
        "from fakebus.testing import running_bus\n"
        "import os\n"
        f"{load}\n"
        "running = running_bus()\n"
        "bus = running.__enter__()\n"
        f"{patch.format('')}\n"
        "try:\n"
        "    bus.publish('t', {})\n"
        "except Exception as error:\n"
        "    print(error, flush=True)\n"
        "os._exit(0)\n"
    )
    done = run(code, tmp_path)
    assert f"{library} has put greenlets in the place" in done.stdout, done.stderr


FROZEN = """
import freezegun
from fakebus.testing import running_bus
with freezegun.freeze_time("2020-01-01"), running_bus(fixtures=".") as bus:
    assert bus.bootstrap_servers
"""


def test_what_a_set_needs_is_loaded_in_frozen_time_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "fakebus.yaml").write_text(
        "version: 1\ntopics: [{name: t, value: {format: msgpack}, load: t.ndjson}]\n"
    )
    (tmp_path / "t.ndjson").write_text('{"value": 7}\n')
    subprocess.run([sys.executable, "-W", "error", "-c", FROZEN], cwd=tmp_path, check=True)
