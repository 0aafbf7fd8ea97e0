"""What a connection may do to the others: strangers on the port, and memory."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import psutil
import pytest
import redis

from fakebus import limited_log
from fakebus.app import BusThread
from fakebus.broker import turns
from fakebus.memory_budget import MemoryBudget
from fakebus.redis import long_answers
from fakebus.redis.connection import MAX_WAITING_BYTES, RedisConnection, WaitingRequests
from fakebus.redis.protocol import PIECE_BYTES, CrossProtocolError, Parser, Status
from fakebus.redis.server import RedisServer
from fakebus.redis.streams import MAX_ANSWER_BYTES
from tests.unit.redis.conftest import redis_bus

XADD = b"XADD %b * event evil\r\n"


@pytest.fixture
def bus() -> Iterator[BusThread]:
    with redis_bus() as running:
        yield running


def _open(bus: BusThread) -> socket.socket:
    host, port = bus.bus.redis_urls[0].removeprefix("redis://").rstrip("/").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def _said(bus: BusThread, words: bytes) -> bytes:
    with _open(bus) as client:
        client.sendall(words)
        answer = b""
        try:
            while part := client.recv(65_536):
                answer += part
        except ConnectionResetError:
            # It was closed before it had read everything.
            pass
        return answer


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\n",
        b"post / HTTP/1.1\r\nHost: 127.0.0.1:6379\r\n",
        b"PUT /x HTTP/1.1\r\nContent-Type: text/plain\r\n",
        b"GET / HTTP/1.0\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n",
        b"POST\r\n",
        b"M-SEARCH\r\nhost: 239.255.255.250\r\n",
        b"PING\r\nHOST: a\r\n",
        b"*1\r\n$4\r\nPOST\r\n",
    ],
)
def test_nothing_that_a_web_page_sends_is_carried_out(bus: BusThread, head: bytes) -> None:
    resp = b"*5\r\n$4\r\nXADD\r\n$1\r\nt\r\n$1\r\n*\r\n$1\r\na\r\n$1\r\nb\r\n"
    answer = _said(bus, head + b"\r\n" + XADD % b"t" + resp)
    assert answer in (b"", b"+PONG\r\n") or answer.startswith(b"-ERR unknown command 'M-SEARCH'")
    assert bus.bus.broker.topics.get("t") is None


def test_http_is_recognized_however_its_bytes_come() -> None:
    parser = Parser()
    for byte in b"POST / HTTP/1.1\r":
        assert list(parser.feed(bytes((byte,)))) == []
    with pytest.raises(CrossProtocolError):
        list(parser.feed(b"\n"))


def test_what_only_looks_like_http_is_a_command(bus: BusThread) -> None:
    with closing(redis.Redis.from_url(bus.bus.redis_urls[0])) as client:
        client.xadd("s", {"POST": "Host:"})
        assert client.echo("HTTP/1.1") == b"HTTP/1.1"
        assert client.execute_command("CLIENT", "SETNAME", "HTTP/1.1")


def test_strangers_are_told_of_in_a_few_lines(
    bus: BusThread, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The minute must not end meanwhile, however long the machine makes this take.
    monkeypatch.setattr(limited_log, "monotonic", lambda: 0.0)
    with caplog.at_level(logging.WARNING, "fakebus.redis"):
        for _ in range(30):
            assert _said(bus, b"POST / HTTP/1.1\r\n\r\n") == b""
    lines = [record.getMessage() for record in caplog.records]
    assert 0 < len(lines) <= 10
    assert all("this is HTTP" in line for line in lines)


def test_refusals_and_deletions_have_one_line_each(
    bus: BusThread, caplog: pytest.LogCaptureFixture
) -> None:
    def lines(level: int) -> list[str]:
        found = [
            each.getMessage()
            for each in caplog.records
            if each.levelno == level and each.name == "fakebus.redis"
        ]
        caplog.clear()
        return found

    url = bus.bus.redis_urls[0]
    with caplog.at_level(logging.DEBUG), closing(redis.Redis.from_url(url)) as client:
        client.client_setname("tester")
        client.xadd("s", {"a": "b"})
        client.xgroup_create("s", "g", "0")
        client.xreadgroup("g", "c", {"s": ">"})
        lines(logging.DEBUG)
        with pytest.raises(redis.ResponseError):
            client.xgroup_create("s", "g")
        assert lines(logging.DEBUG) == [
            "XGROUP of tester is refused: BUSYGROUP Consumer Group name already exists"
        ]
        client.xgroup_delconsumer("s", "g", "c")
        client.xgroup_destroy("s", "g")
        client.xtrim("s", 0, approximate=False)
        assert lines(logging.INFO) == [
            "consumer c of group g of stream s is removed, with 1 pending entry",
            "group g of stream s is removed, as a client has asked",
            "XTRIM has removed 1 entry of stream s",
        ]


def test_a_client_that_sends_behind_a_blocked_command_is_not_read_from(bus: BusThread) -> None:
    with closing(redis.Redis.from_url(bus.bus.redis_urls[0])) as other:
        other.xgroup_create("s", "g", mkstream=True)
        before = psutil.Process().memory_info().rss
        with _open(bus) as blocked:
            blocked.sendall(b"XREADGROUP GROUP g c BLOCK 0 STREAMS s >\r\n")
            blocked.settimeout(1)
            word = b"*2\r\n$4\r\nECHO\r\n$100000\r\n" + b"x" * 100_000 + b"\r\n"
            sent = 0
            try:
                while sent < 100_000_000:
                    blocked.sendall(word)
                    sent += len(word)
            except TimeoutError:
                pass
            assert sent < 50_000_000
            assert psutil.Process().memory_info().rss - before < 60_000_000
            # It goes on where it was, and loses nothing.
            other.xadd("s", {"a": "b"})
            blocked.settimeout(60)
            answer = bytearray()
            whole = sent // len(word)
            while len(answer) < whole * 100_000:
                answer += blocked.recv(1 << 20)
        assert other.ping()


def test_large_requests_of_many_clients_are_bounded_together(
    bus: BusThread, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    [server] = [each for each in bus.bus.servers if isinstance(each, RedisServer)]
    monkeypatch.setattr(server._budget, "limit", 8_000_000)
    part = b"*2\r\n$4\r\nECHO\r\n$60000000\r\n" + b"x" * 5_000_000
    with _open(bus) as first, _open(bus) as second:
        first.sendall(part)
        _until(lambda: server._budget.used > 4_000_000)
        # What was not read when the connection is closed may take the answer along.
        with suppress(ConnectionError):
            second.sendall(part)
            assert b"all clients together" in second.recv(4096)
        _until(lambda: "all clients together" in caplog.text)
        # Small requests of others go on, and what is closed is counted no more.
        with closing(redis.Redis.from_url(bus.bus.redis_urls[0])) as client:
            assert client.ping()
        first.close()
        _until(lambda: server._budget.used == 0)


def test_small_requests_go_on_while_large_ones_take_all_room(
    bus: BusThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    [server] = [each for each in bus.bus.servers if isinstance(each, RedisServer)]
    with _open(bus) as large, closing(redis.Redis.from_url(bus.bus.redis_urls[0])) as client:
        large.sendall(b"*2\r\n$4\r\nECHO\r\n$60000000\r\n" + b"x" * 5_000_000)
        _until(lambda: server._budget.used >= 5_000_000)
        monkeypatch.setattr(server._budget, "limit", 1_000_000)
        assert client.ping()


def test_requests_wait_for_room_in_their_order() -> None:
    async def run() -> None:
        waiting = WaitingRequests()
        large = [b"x" * MAX_WAITING_BYTES]
        await waiting.put(large)
        putting = asyncio.ensure_future(waiting.put([b"PING"]))
        await asyncio.sleep(0)
        assert not putting.done()
        assert await waiting.get() is large
        await asyncio.sleep(0)
        # What is being carried out takes its memory until it is answered.
        assert not putting.done()
        waiting.answered(large)
        await putting
        waiting.end(None)
        assert [await waiting.get(), await waiting.get()] == [[b"PING"], None]

    asyncio.run(run())


def _until(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_who_takes_nothing_of_a_long_answer_makes_room_for_others(
    bus: BusThread, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(long_answers, "PATIENCE_S", 0.2)
    monkeypatch.setattr(long_answers, "MOST_AT_ONCE", 2)
    with closing(redis.Redis.from_url(bus.bus.redis_urls[0])) as client, ExitStack() as deaf:
        for _ in range(30):
            client.xadd("long", {"v": b"x" * 500_000})
        for _ in range(6):
            deaf.enter_context(_open(bus)).sendall(b"XRANGE long - +\r\n")
        # They have their turn one after the other, and so has one that reads.
        assert len(client.xrange("long")) == 30
        until = time.monotonic() + 60
        while "took nothing of a long answer" not in caplog.text:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert len(client.xrange("long")) == 30


class _Writer:
    """Writer whose client takes everything at once."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.transport = self
        self.write = self.sent.extend

    def get_extra_info(self, _: str) -> None:
        """Know nothing of the client."""

    def abort(self) -> None:
        """End nothing."""

    async def drain(self) -> None:
        """Wait for nothing."""

    def close(self) -> None:
        """Close nothing."""

    wait_closed = drain


@pytest.mark.parametrize("request_bytes", [b"\n", b"*0\r\n", b"PING\r\n"])
async def test_others_have_their_turns_while_one_sends_tiny_requests_without_end(
    request_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "SLICE_S", 0.0)
    reader, writer, others = asyncio.StreamReader(), _Writer(), 0
    reader.feed_data(request_bytes * (256 * 1024 // len(request_bytes)))
    reader.feed_eof()

    async def run(session: object, request: list[bytes]) -> Status:
        return Status("PONG")

    async def go_on() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(go_on())
    budget = MemoryBudget(1_000_000)
    waiting: Any = writer
    connection = RedisConnection(run, budget, long_answers.Turns(), reader, waiting)
    await connection.serve()
    other.cancel()
    assert others >= 16
    if request_bytes == b"PING\r\n":
        assert len(writer.sent) == 256 * 1024 // 6 * 7
        # Each of the answers, too, may have to wait for others.
        assert others > 256 * 1024 // 6


class _Lost(_Writer):
    """Writer whose client vanishes while it is answered, as asyncio tells of it."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__()
        self._reader = reader

    async def drain(self) -> None:
        """Raise what ended the connection, which the reader keeps."""
        if self._reader.exception() is None:
            self._reader.set_exception(ConnectionResetError("it has gone"))
        error = self._reader.exception()
        assert error is not None
        raise error


class _Answer(list[bytes]):
    """Answer that tells when nothing holds it any more."""


async def test_the_answer_of_a_client_that_has_vanished_is_let_go_without_a_collection() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"PING\r\n")
    held: list[weakref.ref[_Answer]] = []

    async def run(session: object, request: list[bytes]) -> _Answer:
        answer = _Answer([b"x" * PIECE_BYTES] * 3)
        held.append(weakref.ref(answer))
        return answer

    waiting: Any = _Lost(reader)
    connection = RedisConnection(run, MemoryBudget(1_000), long_answers.Turns(), reader, waiting)
    gc.disable()
    try:
        await connection.serve()
        assert [each() for each in held] == [None]
    finally:
        gc.enable()
    assert isinstance(reader.exception(), ConnectionResetError)


def test_long_answers_that_are_put_together_take_a_quarter_of_a_gigabyte_at_most() -> None:
    entries_and_answer = 2 * MAX_ANSWER_BYTES
    assert long_answers.MOST_AT_ONCE * entries_and_answer <= 256 * 1024 * 1024
