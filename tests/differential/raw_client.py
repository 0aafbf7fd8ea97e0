"""A blocking client that sends one request after the other, in any version."""

from __future__ import annotations

import socket
import struct
from typing import Any, Self

from fakebus.kafka.api import Handler
from fakebus.protocol.codec import decode_response, encode_request
from fakebus.protocol.schema import api_schema

_CLIENT_ID = b"differential"


class RawClient:
    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), timeout=150)
        self._correlation_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._socket.close()

    def ask(self, handler: Handler, request: Any) -> Any:
        """Send a request in the newest version that we serve and return the response."""
        key, version = int(handler.api_key), handler.max_version
        schema = api_schema(key)
        assert schema is not None
        flexible = schema.request.is_flexible(version)
        self._correlation_id += 1
        header = struct.pack(">hhih", key, version, self._correlation_id, len(_CLIENT_ID))
        tags = b"\0" if flexible else b""
        body = b"".join(bytes(buffer) for buffer in encode_request(key, version, request))
        frame = header + _CLIENT_ID + tags + body
        self._socket.sendall(struct.pack(">i", len(frame)) + frame)
        (length,) = struct.unpack(">i", self._read(4))
        data = memoryview(self._read(length))
        return decode_response(key, version, data, 5 if flexible else 4)

    def _read(self, length: int) -> bytes:
        parts = b""
        while len(parts) < length:
            part = self._socket.recv(length - len(parts))
            assert part, "the broker closed the connection"
            parts += part
        return parts
