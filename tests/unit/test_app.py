"""A whole bus: what it opens and in which order, and that it closes all of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.broker.broker import Broker
from fakebus.config import Settings
from fakebus.errors import ConfigError
from fakebus.kafka.server import KafkaServer
from fakebus.redis.server import RedisServer
from fakebus.registry.registry import Registry
from fakebus.web.server import WebServer

ANY_PORT = Address("127.0.0.1", 0)
FRONT_ENDS = ("kafka", "http", "redis")


def settings(**changed: object) -> Settings:
    chosen = {"data": None, **dict.fromkeys(FRONT_ENDS, (ANY_PORT,)), **changed}
    return Settings(**chosen)  # type: ignore[arg-type]


@pytest.mark.parametrize("part", [KafkaServer, WebServer, RedisServer, Registry, Broker])
def test_everything_is_closed_although_one_part_fails_to_close(
    part: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = part.close

    async def fail(self: Any) -> None:
        await close(self)
        raise OSError("by design")

    async def run() -> list[Address]:
        bus = FakeBus(settings())
        await bus.__aenter__()
        addresses = [each for server in bus.servers for each in server.addresses]
        with pytest.raises(OSError, match="by design"):
            await bus.close()
        await bus.close()
        return addresses

    monkeypatch.setattr(part, "close", fail)
    before = set(threading.enumerate())
    for address in asyncio.run(run()):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
    # The thread of storage is the one that would live on.
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_port_that_is_taken_is_told_before_anything_is_written(
    front_end: str, tmp_path: Path
) -> None:
    fixtures = tmp_path / "fixtures"
    fixtures.mkdir()
    (fixtures / "fakebus.yaml").write_text("version: 1\ntopics:\n  - name: seeded\n")
    chosen: dict[str, object] = {"data": tmp_path / "bus.db", "fixtures": (fixtures,)}
    with socket.create_server(ANY_PORT) as taken:
        address = Address(*taken.getsockname())
        with (
            pytest.raises(ConfigError, match=rf"on {address}: .*{front_end} 127.0.0.1:0 takes"),
            FakeBus.thread(settings(**chosen, **{front_end: (address,)})),
        ):
            pass
    with FakeBus.thread(settings(data=tmp_path / "bus.db")) as bus:
        assert [topic.name for topic in bus.broker.topics] == []


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "no-such-host.invalid"])
@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_host_that_is_none_is_told(front_end: str, host: str) -> None:
    chosen = settings(**{front_end: (Address(host, 0),)})
    with (
        pytest.raises(ConfigError, match="the host name cannot be resolved"),
        FakeBus.thread(chosen),
    ):
        pass


def test_groups_of_streams_go_back_also_while_redis_is_not_served(tmp_path: Path) -> None:
    served = settings(redis=(ANY_PORT,), data=tmp_path / "bus.db")

    @contextlib.contextmanager
    def bus(settings: Settings) -> Iterator[tuple[FakeBus, Callable[[Any], Any]]]:
        with BusThread(FakeBus(settings)) as running:
            loop = running.loop
            yield (
                running.bus,
                lambda work: asyncio.run_coroutine_threadsafe(work, loop).result(60),
            )

    with bus(served) as (one, run), redis.Redis.from_url(one.redis_urls[0]) as client:
        first = client.xadd("stream", {"n": 1})
        client.xgroup_create("stream", "g", "0")
        run(one.broker.saved_snapshots.save("s"))
        client.xgroup_create("stream", "later", "0")
        client.xreadgroup("g", "c", {"stream": ">"})
    with bus(replace(served, redis=())) as (one, run):
        run(one.broker.saved_snapshots.restore("s"))
    with bus(served) as (one, run), redis.Redis.from_url(one.redis_urls[0]) as client:
        assert [each["name"] for each in client.xinfo_groups("stream")] == [b"g"]
        ((_, found),) = client.xreadgroup("g", "c", {"stream": ">"})
        assert [entry_id for entry_id, _ in found] == [first]


def test_several_ports_of_redis_serve_the_same_groups() -> None:
    with FakeBus.thread(settings(redis=(ANY_PORT, ANY_PORT))) as bus:
        first, second = (redis.Redis.from_url(url) for url in bus.redis_urls)
        with first, second:
            first.xgroup_create("s", "g", mkstream=True)
            entry_id = first.xadd("s", {"a": "b"})
            assert second.xreadgroup("g", "c", {"s": ">"})
            assert first.xack("s", "g", entry_id) == 1
            assert second.xpending("s", "g")["pending"] == 0


def test_the_log_tells_where_clients_are_served(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fakebus"), FakeBus.thread(settings()) as bus:
        addresses = f"Kafka on {bus.bootstrap_servers}, HTTP on {bus.http_url}, Redis on "
        assert f"{addresses}{bus.redis_urls[0]}, 0 topics" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO, "fakebus"), FakeBus.thread(settings(http=(), redis=())):
        assert "HTTP on no port, 0 topics" in caplog.text


def test_the_ready_file_is_there_while_the_bus_is_ready(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    path.write_text('{"pid": 1, "bootstrap_servers": "left:1", "http_url": "behind"}')
    with FakeBus.thread(settings(ready_file=path)) as bus:
        assert bus.ready
        told = json.loads(path.read_text())
        assert (told["http"], told["redis"]) == (bus.http_urls, bus.redis_urls)
        assert told["bootstrap_servers"] == bus.bootstrap_servers
    assert not path.exists()
    assert not bus.ready
    assert list(tmp_path.iterdir()) == []
