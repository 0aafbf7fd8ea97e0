"""``fakebus groups`` of groups that the client library cannot describe."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.broker.broker import Broker
from fakebus.cli.main import run
from fakebus.config import Settings
from tests.unit.kafka.handlers.test_share_fetch import ShareConsumer
from tests.unit.kafka.handlers.test_streams_group_heartbeat import Thread, topology

ANY_PORT = (Address("127.0.0.1", 0),)


async def begin(broker: Broker) -> None:
    """Let a streams application and a share consumer begin."""
    await broker.topics.create("t", 1, {})
    await Thread(broker, "a", "app").join(topology=topology("t"))
    await ShareConsumer(broker).heartbeat()


def bus_with(http: tuple[Address, ...]) -> Iterator[FakeBus]:
    with BusThread(FakeBus(Settings(data=None, kafka=ANY_PORT, http=http))) as running:
        begun = begin(running.bus.broker)
        asyncio.run_coroutine_threadsafe(begun, running.loop).result(60)
        yield running.bus


@pytest.fixture
def bus() -> Iterator[FakeBus]:
    yield from bus_with(ANY_PORT)


@pytest.fixture
def bus_without_http() -> Iterator[FakeBus]:
    yield from bus_with(())


def asked(bus: FakeBus, *words: str) -> int:
    return run(["groups", *words, "-b", bus.bootstrap_servers])


def test_share_and_streams_groups_are_listed_and_described(
    bus: FakeBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(bus, "--json") == 0
    listed = {each["group"]: each["type"] for each in json.loads(capsys.readouterr().out)}
    assert listed == {"app": "streams", "g": "share"}
    for name, kind in listed.items():
        assert asked(bus, name, "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["group"], found["type"], len(found["members"])) == (name, kind, 1)
        assert asked(bus, name) == 0
        [first, *_] = capsys.readouterr().out.splitlines()
        assert first == f"{name}: {kind} group, {found['state']}, 1 member"


def test_a_group_of_another_cluster_is_told_to_be_one_of_those(
    bus_without_http: FakeBus, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(bus_without_http) == 0
    assert capsys.readouterr().out.count("share or streams") == 2
    assert asked(bus_without_http, "app") == 2
    assert "kafka-streams-groups.sh --describe --group app" in capsys.readouterr().err
    assert asked(bus_without_http, "apq") == 2
    assert "there is no group 'apq'" in capsys.readouterr().err
