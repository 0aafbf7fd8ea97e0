"""What happens on a bus, as clients of server-sent events see it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from httpx2 import AsyncClient, EventSource, ServerSentEvent

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.broker import activity
from fakebus.broker.activity import Origin
from fakebus.config import Settings
from fakebus.lineage import live
from fakebus.types import TopicPartition
from fakebus.web import sending
from fakebus.web.admin import events
from tests.unit.broker.batches import batch

PATH = "/_fakebus/v1/events"
SHOP = Origin(front_end="kafka", client_id="shop")
SETTINGS = Settings(data=None, kafka=(), http=(Address("127.0.0.1", 0),))


@pytest.fixture
async def bus() -> AsyncIterator[FakeBus]:
    async with FakeBus(SETTINGS) as bus:
        for topic in ("t", "u"):
            await bus.broker.topics.create(topic, 1, {})
        await bus.lineage.settle()
        yield bus


@asynccontextmanager
async def watching(bus: FakeBus, after: str = "", **query: str) -> AsyncIterator[EventSource]:
    headers = {"Last-Event-ID": after} if after else {}
    async with (
        AsyncClient(base_url=bus.http_url) as http,
        http.sse(PATH, params=query, headers=headers) as source,
    ):
        yield source


async def until(bus: FakeBus, watchers: int) -> None:
    """Return when so many watch; a watcher that has gone is noticed with the next event."""
    async with asyncio.timeout(60):
        while len(events._watchers) != watchers:
            await write(bus, b"x", "u")
            await bus.lineage.settle()


async def write(bus: FakeBus, value: bytes, topic: str = "t") -> None:
    await bus.broker.produce(TopicPartition(topic, 0), batch(value), origin=SHOP)


async def first(source: EventSource, count: int) -> list[ServerSentEvent]:
    found = []
    async for event in source:
        found.append(event)
        if len(found) == count:
            break
    return found


async def test_what_clients_do_is_told_as_it_happens_and_from_where_one_was(bus: FakeBus) -> None:
    async with watching(bus, topic="t") as source:
        await write(bus, b"1", "u")
        await write(bus, b"2")
        [told] = await first(source, 1)
    assert told.event == "message"
    fields = told.json()
    assert {name: fields[name] for name in ("verb", "client_id", "service", "topic", "offset")} == {
        "verb": "produced",
        "client_id": "shop",
        "service": "shop",
        "topic": "t",
        "offset": 0,
    }
    await write(bus, b"3", "u")
    topic = bus.broker.topics.get("u")
    assert topic is not None
    await bus.broker.topics.delete(topic)
    async with watching(bus, told.id) as source:
        later = await first(source, 2)
        assert [(each.json()["verb"], each.json()["topic"]) for each in later] == [
            ("produced", "u"),
            ("topic deleted", "u"),
        ]
    async with watching(bus, later[0].id, verb="topic deleted") as source:
        [deleted] = await first(source, 1)
        assert deleted.id == later[1].id


async def test_only_what_one_service_does_is_told_if_that_is_asked_for(bus: FakeBus) -> None:
    bill = Origin(front_end="kafka", client_id="billing")
    async with watching(bus, service="billing", verb="produced") as source:
        await write(bus, b"1")
        await bus.broker.produce(TopicPartition("u", 0), batch(b"2"), origin=bill)
        [told] = await first(source, 1)
    assert (told.json()["service"], told.json()["topic"]) == ("billing", "u")


async def test_who_was_away_too_long_is_told_how_much_was_missed(
    bus: FakeBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_AT_ONCE", 2)
    before = str(bus.broker.activity.number)
    # What goes on where it was before is one event, and in the same millisecond one activity.
    for topic in ("t", "u", "t", "u", "u"):
        await write(bus, b"x", topic)
        await asyncio.sleep(0.002)
    async with watching(bus, before) as source:
        missed, last = await first(source, 2)
    assert (missed.event, missed.json()) == ("missed", {"activities": 3})
    assert (last.json()["offset"], last.json()["last_offset"]) == (1, 2)
    assert int(last.id) == int(before) + 5


async def test_a_number_of_another_time_or_that_is_none_begins_now(bus: FakeBus) -> None:
    for number in ("9" * 19, "9" * 99, "x", "-1"):
        async with watching(bus, number) as source:
            await write(bus, b"x")
            [told] = await first(source, 1)
            assert told.json()["verb"] == "produced"


async def test_head_is_answered_with_a_head_and_watches_nothing(bus: FakeBus) -> None:
    host, _, port = bus.http_url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"HEAD {PATH} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b"text/event-stream" in head
    assert rest.startswith(b"HTTP/1.1 200 ")
    assert not events._watchers


async def test_watchers_are_bounded_and_questions_are_checked(
    bus: FakeBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_WATCHERS", 2)
    async with AsyncClient(base_url=bus.http_url) as http:
        assert (await http.get(PATH, params={"verb": "stole"})).status_code == 422
        async with AsyncExitStack() as stack:
            for _ in range(2):
                await stack.enter_async_context(watching(bus))
            assert (await http.get(PATH)).status_code == 503
        await until(bus, watchers=0)


async def test_nothing_is_kept_for_a_watcher_that_does_not_read(
    bus: FakeBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WRITE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(activity, "_MOST_LETTERS", 1 << 20)
    host, _, port = bus.http_url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port))) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await until(bus, watchers=1)
        for _ in range(20):
            bus.broker.activity.note("asked for", SHOP, detail="x" * (1 << 20))
        bus.lineage._write()
        await until(bus, watchers=0)


async def test_a_listener_that_is_gone_before_the_first_word_is_no_failure(
    bus: FakeBus, caplog: pytest.LogCaptureFixture
) -> None:
    address = bus.http_url.removeprefix("http://").split(":")
    for path in (PATH, "/ui/search/events?q=x", "/ui/topics/t/live/events"):
        with socket.create_connection((address[0], int(address[1]))) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    async with AsyncClient(base_url=bus.http_url) as http:
        for _ in range(3):
            await http.get("/health")
    assert "Traceback" not in caplog.text
