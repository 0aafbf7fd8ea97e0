"""What all our servers do with their sockets."""

from __future__ import annotations

import asyncio
import contextlib

_ROUNDS = 4
"""The rounds of the loop between accepting a connection and telling its protocol; asyncio
needs three."""


async def stop_listening(server: asyncio.Server) -> None:
    """Close a server; connections that were on their way have been made when this returns.

    asyncio leaks those that it has accepted and not told anybody of when a server closes, and
    nobody would drop those that appear after everybody has been told to go.

    Args:
        server: what listens.
    """
    loop = asyncio.get_running_loop()
    for each in server.sockets:
        # Loops that do not wait for readiness, as on Windows, have nothing to remove.
        with contextlib.suppress(NotImplementedError):
            loop.remove_reader(each.fileno())
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
    server.close()
