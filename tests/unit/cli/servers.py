"""Small servers that are not what a Kafka client expects."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from fakebus.addresses import Address
from tools.kafka import free_port

Answer = Callable[[bytes], bytes]


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[Address]:
    """Serve connections: one read, one answer, closed."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(60)
                if connection.recv(1) == b"":
                    continue
                connection.settimeout(0.05)
                with contextlib.suppress(OSError):
                    connection.sendall(answer(_rest(connection)))
            if stop.is_set():
                return

    stop = threading.Event()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    address = Address("127.0.0.1", listener.getsockname()[1])
    try:
        yield address
    finally:
        stop.set()
        with socket.create_connection(address) as last:
            last.sendall(b"x")
            thread.join()
        listener.close()


def _rest(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(TimeoutError):
        while more := connection.recv(4096):
            received += more
    return received


def closed_port() -> Address:
    """Return an address on which nothing listens."""
    return Address("127.0.0.1", free_port())
