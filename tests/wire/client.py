"""A client made of raw frames, for what no well-behaved client would send."""

from __future__ import annotations

import itertools
import socket
import struct
from typing import Any

from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey

_correlation_ids = itertools.count(1)


class RawClient:
    """One TCP connection to a bus.

    Args:
        bootstrap_servers: ``host:port``.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        host, port = bootstrap_servers.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=150)

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send_bytes(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send(self, api: ApiKey, version: int, message: Any, client_id: str | None = "raw") -> int:
        """Send a request without waiting; return its correlation id."""
        correlation_id = next(_correlation_ids)
        body = b"".join(codec.encode_request(int(api), version, message))
        self.send_bytes(frame(int(api), version, correlation_id, client_id, body))
        return correlation_id

    def receive_frame(self) -> bytes:
        """Return the next response frame; EOFError when the connection was closed."""
        (length,) = struct.unpack(">i", self._read(4))
        return self._read(length)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                piece = self.socket.recv(count - len(data))
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise EOFError("the connection was closed")
            data += piece
        return data

    def receive(self, api: ApiKey, version: int) -> tuple[int, Any]:
        """Return the next response's correlation id and body."""
        data = self.receive_frame()
        (correlation_id,) = struct.unpack_from(">i", data)
        header = codec.encode_response_header(int(api), version, correlation_id)
        return correlation_id, codec.decode_response(
            int(api), version, memoryview(data), len(header)
        )

    def call(self, api: ApiKey, version: int, message: Any) -> Any:
        """Send a request and return its response's body."""
        sent = self.send(api, version, message)
        received, response = self.receive(api, version)
        assert received == sent
        return response

    def is_closed_by_peer(self) -> bool:
        """Wait until the other side closes the connection; false when it answers instead."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def frame(
    api_key: int, version: int, correlation_id: int, client_id: str | None, body: bytes
) -> bytes:
    """Return a request frame with its length in front."""
    encoded = b"" if client_id is None else client_id.encode()
    length = -1 if client_id is None else len(encoded)
    header = struct.pack(">hhih", api_key, version, correlation_id, length) + encoded
    if codec.valid_versions(api_key) and codec.encode_response_header(api_key, version, 0)[4:]:
        header += b"\0"
    elif api_key == ApiKey.API_VERSIONS and version >= 3:
        header += b"\0"
    return struct.pack(">i", len(header) + len(body)) + header + body
