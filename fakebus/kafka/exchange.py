"""A request of a client and, once it is there, its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fakebus.kafka.connection import frame_response
from fakebus.protocol import codec
from fakebus.types import Buffer


@dataclass(slots=True)
class Exchange:
    """A request under way and, once it is there, its answer."""

    api_key: int
    api_version: int
    correlation_id: int
    frame_bytes: int
    done: bool = False
    response: Any = None
    raw_token: bytes | None = None
    """The answer instead of a response, when the client sent a bare SASL token."""
    task: asyncio.Future[Any] | None = None
    abandon: Callable[[], None] | None = None
    """Stops what only the client waits for, when it goes away."""

    def encode(self) -> list[Buffer]:
        """Return the answer's bytes; nothing when the client expects none."""
        if self.raw_token is not None:
            return frame_response(b"", [self.raw_token])
        if self.response is None:
            return []
        return frame_response(
            codec.encode_response_header(self.api_key, self.api_version, self.correlation_id),
            codec.encode_response(self.api_key, self.api_version, self.response),
        )
