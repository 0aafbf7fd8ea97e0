from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fakebus.client.registry import RegistryClient, RegistryClientError


class Odd(BaseHTTPRequestHandler):
    """Handler that answers everything alike."""

    status, body = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_GET  # noqa: N815 - as the standard library has it

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [200, 500])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"5",
        b'"x"',
        b'[{"subject": 5}]',
        b'{"schema": 5}',
        b"9" * 5000,
        b'{"schema": "\\"int\\"", "id": "x", "subject": "s", "version": 1, "references": []}',
        b'{"schema": "\\"int\\"", "id": 1, "subject": "s", "version": 1, "references": 5}',
    ],
)
def test_answers_that_no_registry_gives_are_told(
    url: str, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    monkeypatch.setattr(Odd, "status", status)
    monkeypatch.setattr(Odd, "body", body)
    client = RegistryClient(url)
    for ask in (
        lambda: client.versions("s"),
        lambda: client.version("s", 1),
        lambda: client.schema(1, "s", is_key=False),
        lambda: client.post_schema("s", {}) if b'"id": 1' not in body else client.versions("s"),
        lambda: client.level("s"),
    ):
        with pytest.raises(RegistryClientError):
            ask()
