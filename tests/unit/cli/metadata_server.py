"""A broker that knows nothing but where clients should go on to."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator

from fakebus.addresses import Address

METADATA, API_VERSIONS = 3, 18
UNSUPPORTED_VERSION = 35


@contextlib.contextmanager
def metadata_server(told: Address) -> Iterator[Address]:
    """Answer ApiVersions and Metadata; the one broker has the address ``told``."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError, struct.error):
                while True:
                    (size,) = struct.unpack(">i", self._read(4))
                    api_key, version, correlation_id = struct.unpack(">hhi", self._read(size)[:8])
                    body = struct.pack(">i", correlation_id) + _answer(api_key, version, told)
                    self.request.sendall(struct.pack(">i", len(body)) + body)

        def _read(self, size: int) -> bytes:
            received: bytes = self.request.recv(size, socket.MSG_WAITALL)
            return received

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield Address("127.0.0.1", server.server_address[1])
        server.shutdown()
        thread.join()


def _answer(api_key: int, version: int, told: Address) -> bytes:
    if api_key == API_VERSIONS:
        # Newer versions are refused with an answer in version 0, as KIP-511 says.
        error = UNSUPPORTED_VERSION if version > 0 else 0
        return struct.pack(">hi6h", error, 2, METADATA, 0, 1, API_VERSIONS, 0, 0)
    host = told.host.encode()
    broker = struct.pack(">iih", 1, 1, len(host)) + host + struct.pack(">ih", told.port, -1)
    # Metadata version 1: brokers, controller id, topics.
    return broker + struct.pack(">ii", 1, 0)
