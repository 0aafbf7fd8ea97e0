"""What is not HTTP, what comes too slowly, and what is too much."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator

import pytest
import requests

from fakebus.app import FakeBus
from fakebus.web import body, connection
from tests.unit.web.http_client import Http
from tests.unit.web.server import connect, http_bus

POST = (
    b"POST /subjects/s/versions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
)


@pytest.fixture
def embedded_bus() -> Iterator[FakeBus]:
    """A bus whose limits a test may change before it connects."""
    with http_bus() as running:
        yield running


def _open(bus: FakeBus) -> socket.socket:
    host, _, port = bus.http_url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def _answer(client: socket.socket) -> tuple[int, dict[str, object] | None]:
    """Return the status and the content of the answer after which the connection ends."""
    answer = b""
    while part := client.recv(65_536):
        answer += part
    head, _, content = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else 0), (json.loads(content) if content else None)


def test_who_speaks_http_2_at_once_is_told_what_is_spoken_here(bus: FakeBus) -> None:
    with _open(bus) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        status, answer = _answer(client)
    assert status == 400
    assert answer is not None
    assert "HTTP/1.1" in str(answer["message"])


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"\0" * 50 + b"\r\n\r\n",
        b"hello there\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad\x00Name: x\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"XADD s * a b\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[:24]),
)
def test_what_is_not_http_is_told_in_one_line(
    bus: FakeBus,
    sent: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG), _open(bus) as client:
        client.sendall(sent)
        status, content = _answer(client)
    assert status == 400
    assert content is not None
    assert set(content) == {"error_code", "message"}
    records = [record for record in caplog.records if record.levelno >= logging.INFO]
    assert [record.name for record in records] == ["fakebus.web"]
    assert records[0].exc_info is None
    assert "\n" not in records[0].getMessage()


def test_rubbish_in_a_loop_fills_no_log(bus: FakeBus, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(30):
        with _open(bus) as client:
            client.sendall(b"hello there\r\n\r\n")
            assert _answer(client)[0] == 400
    assert 0 < len(caplog.records) <= 10


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: loc"])
def test_headers_that_do_not_come_end_the_connection(
    embedded_bus: FakeBus, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEADERS_TIMEOUT_S", 0.2)
    with _open(embedded_bus) as client:
        client.sendall(sent)
        assert _answer(client) == (0, None)


def test_an_answer_may_take_longer_than_headers(
    embedded_bus: FakeBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = {"schema": '"string"'}
    requests.post(f"{embedded_bus.http_url}/subjects/s/versions", json=schema, timeout=60)
    monkeypatch.setattr(connection, "HEADERS_TIMEOUT_S", 0.2)
    with _open(embedded_bus) as client:
        client.sendall(
            b"GET /_fakebus/v1/topics/_schemas/records?wait_for=9&timeout=1000 HTTP/1.1\r\n"
            b"Host: localhost\r\nConnection: close\r\n\r\n"
        )
        assert _answer(client)[0] == 408


def test_a_body_that_does_not_come_is_told(
    embedded_bus: FakeBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODY_TIMEOUT_S", 0.2)
    with _open(embedded_bus) as client:
        client.sendall(POST + b"Content-Length: 100\r\n\r\n{")
        assert b" 408 " in client.recv(65_536)


def test_a_body_without_an_end_is_refused_before_it_fills_memory(embedded_bus: FakeBus) -> None:
    with _open(embedded_bus) as client:
        client.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        sent = 0
        while sent < 40:
            try:
                client.sendall(chunk)
            except (BrokenPipeError, ConnectionResetError):
                break
            sent += 1
            client.setblocking(False)
            try:
                if b" 413 " in client.recv(65_536):
                    break
            except BlockingIOError:
                pass
            finally:
                client.settimeout(60)
        assert 16 <= sent < 40


def test_large_bodies_of_many_clients_are_bounded_together(
    embedded_bus: FakeBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body._budget, "limit", 100_000)
    with _open(embedded_bus) as client:
        client.sendall(POST + b"Content-Length: 200000\r\n\r\n" + b" " * 150_000)
        assert b" 503 " in client.recv(65_536)
    other = connect(embedded_bus)
    assert other.register("s-value", {"type": "string"}) == 1
    other.close()
    assert body._budget.used == 0


def test_more_clients_than_there_may_be_are_refused(
    embedded_bus: FakeBus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 2)
    served = [connect(embedded_bus) for _ in range(2)]
    assert [client.get("/subjects").status for client in served] == [200, 200]
    with _open(embedded_bus) as refused:
        assert _answer(refused) == (0, None)
    assert [record.getMessage() for record in caplog.records] == [
        "an HTTP client was refused: there are 2 of them"
    ]
    served.pop().close()
    _until_served(embedded_bus)
    served.pop().close()


def _until_served(bus: FakeBus) -> None:
    for _ in range(500):
        client: Http = connect(bus)
        try:
            if client.get("/subjects").status == 200:
                return
        except ConnectionError:
            continue
        finally:
            client.close()
    raise AssertionError("nobody is served any more")


def test_an_expectation_that_nobody_knows_is_refused_in_json(http: Http) -> None:
    for path in ("/subjects", "/nowhere"):
        answer = http.request("GET", path, None, {"Expect": "200-ok"})
        assert answer.status == 417
        assert answer.json == {"error_code": 417, "message": "HTTP 417: Unknown Expect: 200-ok"}
