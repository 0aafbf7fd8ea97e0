"""Who is at the other end of connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fakebus.broker.peer import Peer
from fakebus.lineage import peers
from fakebus.lineage.peers import PeerFinder

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "AF_NETLINK"), reason="only Linux tells whose a socket is"
)


@pytest.fixture
def crowd() -> Iterator[list[Peer]]:
    """Peers of which each has a connection of this process."""
    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as server:
        found = []
        for _ in range(100):
            client = stack.enter_context(socket.create_connection(server.getsockname()))
            stack.enter_context(server.accept()[0])
            host, port = client.getsockname()
            found.append(
                Peer(
                    host=host,
                    port=port,
                    local_host=host,
                    local_port=server.getsockname()[1],
                )
            )
        yield found


async def test_a_crowd_that_comes_at_once_is_looked_for_beside_the_loop(
    crowd: list[Peer], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of a client with thousands of files, among which its socket is.
    began, took_s = peers.time.thread_time(), 0.005
    looked = []

    def thread_time() -> float:
        return began + len(looked) * took_s

    def look(*args: object, within_s: float | None = None) -> dict[int, object]:
        if within_s is not None:
            looked.append(args)
        return {}

    found: list[Peer] = []
    finder = PeerFinder(found.append)
    with monkeypatch.context() as patch:
        patch.setattr(peers, "owners_of", look)
        patch.setattr(peers, "monotonic", lambda: 1000.0)
        patch.setattr(peers.time, "thread_time", thread_time)
        for peer in crowd:
            finder.look_for(peer)
        assert 1 <= len(looked) < 10
    # All are found nevertheless.
    async with asyncio.timeout(60):
        while len(found) < len(crowd):
            await finder.settle()
    assert all(peer.process is not None for peer in crowd)
    await finder.close()
