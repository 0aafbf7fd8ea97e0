"""The server that coding agents speak to: over standard input and output, or over HTTP."""

from __future__ import annotations

import functools
import hmac
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import ToolAnnotations
from starlette.responses import PlainTextResponse

from fakebus import __version__
from fakebus.errors import FakebusError
from fakebus.mcp.answers import MAX_TEXT, NOTICE, answer
from fakebus.mcp.permissions import Permissions
from fakebus.mcp.places import Places
from fakebus.mcp.tools import CHANGING, READING, Found, Tools

_INSTRUCTIONS = (
    "Tools for a Kafka bus in development: topics and events (decoded), consumer groups and why "
    "they are stuck, the flow of an event through services, schemas and what a change of one "
    "would break, fixture sets. Begin with list_topics or search_events. " + NOTICE
)


_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_READ_ONLY = (
    " This server only reads; whoever starts it can let it change the bus by --allow-writes."
)


def agent_server(places: Places, permissions: Permissions) -> MCPServer[Any]:
    """Return a server with all tools that are permitted.

    Args:
        places: what the tools look at; the caller closes them.
        permissions: asked before every call, whichever tool it is.
    """
    server = MCPServer[Any](
        "fakebus",
        version=__version__,
        instructions=_INSTRUCTIONS + ("" if permissions.writes else _READ_ONLY),
        log_level="WARNING",
    )
    tools = Tools(places)
    for method in (*READING, *CHANGING):
        changes = method in CHANGING
        if changes and not permissions.writes:
            # What would be refused need not be offered.
            continue
        server.add_tool(
            _guarded(method.__get__(tools), permissions, changes=changes),
            annotations=ToolAnnotations(
                read_only_hint=not changes, destructive_hint=changes, open_world_hint=False
            ),
            structured_output=False,
        )
    return server


def _guarded(
    tool: Callable[..., Awaitable[Found]], permissions: Permissions, *, changes: bool
) -> Callable[..., Awaitable[str]]:
    """Return a tool that asks for permission, and answers with text that is bounded."""

    @functools.wraps(tool)
    async def call(**given: Any) -> str:
        try:
            permissions.demand(tool.__name__, changes=changes)
            return answer(await tool(**given))
        except FakebusError as error:
            raise ToolError(str(error)[:MAX_TEXT]) from None

    return call


class _BearerCheck:
    """Check of the token of every request, before an application.

    Args:
        application: as ASGI has them.
        token: what has to be shown.
    """

    def __init__(self, application: Any, token: str) -> None:
        self._application = application
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, with 401 if it does not show the token."""
        if scope["type"] == "http":
            shown = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(shown, self._wanted):
                refusal = PlainTextResponse(
                    "show the token: Authorization: Bearer TOKEN\n",
                    401,
                    {"WWW-Authenticate": "Bearer"},
                )
                await refusal(scope, receive, send)
                return
        await self._application(scope, receive, send)


async def serve_http(
    server: MCPServer[Any], port: socket.socket, allowed_hosts: Sequence[str], token: str | None
) -> None:
    """Serve agents over streamable HTTP at ``/mcp`` until Ctrl-C or SIGTERM.

    Args:
        server: what is served.
        port: where; it listens already.
        allowed_hosts: the names, besides those of this machine, under which agents ask.
        token: what agents have to show (``Authorization: Bearer``); ``None`` for nothing.
    """
    # Pages in a browser must not reach it by a name of their own (DNS rebinding), nor write.
    hosts = [*_LOOPBACK, *allowed_hosts]
    security = TransportSecuritySettings(
        allowed_hosts=[f"{host}:*" for host in hosts] + hosts,
        allowed_origins=[f"http://{host}:*" for host in hosts],
    )
    application: Any = server.streamable_http_app(transport_security=security)
    if token is not None:
        application = _BearerCheck(application, token)
    config = uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=1)
    await uvicorn.Server(config).serve(sockets=[port])
