"""What the connections of a listener have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fakebus.kafka.authentication import SaslPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """Settings of a listener, as its connections need them."""

    name: str
    max_frame_bytes: int
    """socket.request.max.bytes"""
    max_token_bytes: int
    """sasl.server.max.receive.size: the longest frame before the login."""
    sasl: SaslPolicy | None
    """How clients log in; they need not when it is ``None``."""
    monotonic: Callable[[], float]
    """Gives the time in seconds."""
