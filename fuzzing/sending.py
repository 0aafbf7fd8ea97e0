"""Connections that send whatever they are given, and read what comes back."""

from __future__ import annotations

import contextlib
import random
import selectors
import socket
import struct
import time

CONNECTIONS = 24
PATIENCE_S = 0.2
"""How long an answer is waited for: some requests have none, and some wait for others."""


class Sender:
    """Sender of frames over several connections, one at a time on each.

    Args:
        ports: of the bus's listener, and of the one that wants a login.
        choice: chance.
    """

    def __init__(self, ports: list[int], choice: random.Random) -> None:
        self.sent = 0
        self.answered = 0
        self.refused = 0
        self.given_up = 0
        self._ports = ports
        self._choice = choice
        self._selector = selectors.DefaultSelector()
        self._idle: list[socket.socket] = []
        self._busy: dict[socket.socket, float] = {}
        self._to_come: dict[socket.socket, list[bytes]] = {}

    def send(self, frame: bytes) -> None:
        """Send a frame by a connection that waits for nothing."""
        self._wait()
        # One in ten wants a login.
        fresh = self._idle.pop() if self._idle else self._connect(self._choice.random() < 0.1)
        self._write(fresh, frame)
        self._read(0)

    def converse(self, frames: list[bytes], is_login: bool) -> None:
        """Send frames by a connection of their own, each when the one before is answered."""
        self._wait()
        if self._idle and len(self._busy) + len(self._idle) >= CONNECTIONS:
            self._drop(self._idle[0])
        connection = self._connect(is_login)
        self._to_come[connection] = frames[:0:-1]
        self._write(connection, frames[0])
        self._read(0)

    def _write(self, connection: socket.socket, frame: bytes) -> None:
        self._busy.pop(connection, None)
        self._busy[connection] = time.monotonic()
        self.sent += 1
        try:
            connection.sendall(struct.pack(">i", len(frame)) + frame)
        except OSError:
            self._drop(connection)

    def _wait(self) -> None:
        """Wait until a connection is idle, or one more may be opened."""
        while not self._idle and len(self._busy) >= CONNECTIONS:
            self._read(0.01)
            oldest, since = next(iter(self._busy.items()), (None, 0.0))
            if oldest is not None and time.monotonic() - since > PATIENCE_S:
                self.given_up += 1
                self._drop(oldest)

    def _connect(self, is_login: bool) -> socket.socket:
        port = self._ports[is_login]
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.settimeout(PATIENCE_S)
        self._selector.register(connection, selectors.EVENT_READ)
        return connection

    def _read(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            data = b""
            with contextlib.suppress(OSError):
                data = connection.recv(1 << 20)
            if not data:
                self.refused += connection in self._busy
                self._drop(connection)
            elif self._busy.pop(connection, None) is not None:
                self.answered += 1
                if self._to_come.get(connection):
                    self._write(connection, self._to_come[connection].pop())
                else:
                    self._idle.append(connection)

    def _drop(self, connection: socket.socket) -> None:
        self._busy.pop(connection, None)
        self._to_come.pop(connection, None)
        if connection in self._idle:
            self._idle.remove(connection)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection)
        connection.close()

    def close(self) -> None:
        """Close all connections."""
        for connection in (*self._busy, *self._idle):
            self._drop(connection)
