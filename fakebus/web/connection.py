"""One HTTP connection: what is not HTTP is told in one line, to the client and to the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from fakebus.broker.activity import Activities, Origin
from fakebus.broker.peer import Peer
from fakebus.limited_log import LimitedLog
from fakebus.web.errors import error_response
from fakebus.web.turn_share import TurnShare

logger = logging.getLogger("fakebus.web")
_limited = LimitedLog(logger)

MAX_CONNECTIONS = 1_000
HEADERS_TIMEOUT_S = 60.0
"""How long the headers of a request may take, from the connection or the answer before."""
# Subjects are as long as they like, and what is longer gets no answer in JSON.
_MAX_LINE_BYTES = 64 * 1024
_MOST_LETTERS = 200
_IN_OTHER_WORDS = {"Pause on PRI/Upgrade": "HTTP/2 is not spoken here, but HTTP/1.1"}
_MOST_ORIGINS = 100


def origin_of(request: web.Request, front_end: str, activity: Activities) -> Origin:
    """Return who has sent a request, by its connection and what it calls itself.

    Args:
        request: one that changes something.
        front_end: the door that it has come in by.
        activity: lets the client's process be looked for.
    """
    client_id = request.headers.get("User-Agent", "")
    if isinstance(request.protocol, HttpConnection):
        return request.protocol.origin(front_end, client_id, activity)
    return Origin(front_end=front_end, client_id=client_id)


class HttpConnection(web.RequestHandler):
    """Connection of an HTTP client.

    Args:
        server: the connections of all ports.
        share: of all requests in a turn of the event loop.
    """

    __slots__ = ("_share", "_silent", "origins", "peer")

    def __init__(self, server: web.Server, share: TurnShare) -> None:
        self._share = share
        self._silent: asyncio.TimerHandle | None = None
        """Ends the connection if no request comes; older aiohttp sees to later ones only."""
        self.origins: dict[tuple[str, str], Origin] = {}
        self.peer: Peer | None = None
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # as aiohttp's own runner passes it
            keepalive_timeout=HEADERS_TIMEOUT_S,
            # No registry client compresses what it sends, and a small body stays a small one.
            auto_decompress=False,
            max_line_size=_MAX_LINE_BYTES,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve the client unless there are too many."""
        server = self._manager
        if server is not None and len(server.connections) >= MAX_CONNECTIONS:
            _limited.warning("an HTTP client was refused: there are %d of them", MAX_CONNECTIONS)
            transport.close()
            return
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        self._silent = loop.call_later(HEADERS_TIMEOUT_S, transport.close)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let it be known that nothing more comes from the client."""
        self._end_waiting()
        self._close_origins()
        super().connection_lost(exc)

    def _end_waiting(self) -> None:
        if self._silent is not None:
            self._silent.cancel()
            self._silent = None

    def _close_origins(self) -> None:
        for origin in self.origins.values():
            origin.closed = True
        self.origins.clear()

    def origin(self, front_end: str, client_id: str, activity: Activities) -> Origin:
        """Return who has sent a request that changes something; looks for its process once."""
        key = front_end, client_id[:_MOST_LETTERS]
        if key not in self.origins:
            if self.peer is None:
                asked = self.transport.get_extra_info if self.transport else lambda _: None
                host, port = (asked("peername") or ("", 0))[:2]
                local, at = (asked("sockname") or ("", 0))[:2]
                self.peer = Peer(
                    host=host, port=port, local_host=local, local_port=at, listener="HTTP"
                )
                if activity.on_peer is not None:
                    activity.on_peer(self.peer)
            if len(self.origins) >= _MOST_ORIGINS:
                self._close_origins()
            self.origins[key] = Origin(front_end=front_end, client_id=key[1], peer=self.peer)
        return self.origins[key]

    async def _handle_request(
        self,
        request: web.BaseRequest,
        start_time: float | None,
        request_handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> tuple[web.StreamResponse, bool]:
        """Serve a request, from its first word to the last one of the answer."""
        self._end_waiting()
        handled = super()._handle_request(request, start_time, request_handler)
        return await self._share.run(handled)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; what aiohttp refuses before it asks us is told as all errors are."""
        if isinstance(resp, web.HTTPException) and resp.status >= 400:
            resp = error_response(resp.status, resp.status, f"HTTP {resp.status}: {resp.text}")
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to what is not HTTP; our own failures have been answered before."""
        reason = str(message or exc or "it took too long").partition("\n")[0].rstrip(":")
        reason = _IN_OTHER_WORDS.get(reason, reason)
        _limited.warning("a request of %s is not HTTP: %r", request.remote, reason[:200])
        response = error_response(status, status, f"HTTP {status}: {reason[:200]}")
        response.force_close()
        return response
