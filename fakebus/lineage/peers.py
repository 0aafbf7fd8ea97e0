"""Look-up of who is at the other end of connections, beside the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from functools import partial
from itertools import chain, islice

from fakebus.broker.peer import Peer
from fakebus.processes import (
    Connection,
    Process,
    SocketDiagnosis,
    all_processes,
    host_name,
    inodes_of,
    owners_of,
)
from fakebus.real_time import monotonic

logger = logging.getLogger("fakebus.lineage")

_MOST_WAITING = 5000
_NAME_TIMEOUT_S = 0.5
_KNOWN_PROCESSES = 20
_LOOK_AT_ONCE_S = 0.001
"""For how long a client is looked for among known and new processes while others wait."""
_AT_ONCE = 4
"""Look-ups."""
_MOST_SPENT_S = 0.3
_MOST_SPENT_AT_ONCE_S = 0.02
"""A turn of the loop may accept a thousand clients, of one process with as many files."""
_SHARE = 0.2
"""When clients come in crowds: how much of a processor looking for them may take at first, and then
its share."""


class _Allowance:
    """Allowance of a processor's time, which grows again by the share of it that may be spent."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._spent_s = 0.0
        self._ended_s = 0.0

    def spend(self, took_s: float) -> None:
        """Note what was spent."""
        self._renew()
        self._spent_s += took_s

    def wait_s(self) -> float:
        """Return the seconds until more may be spent."""
        self._renew()
        return max(0.0, (self._spent_s - self._most_s) / _SHARE)

    def _renew(self) -> None:
        now_s = monotonic()
        self._spent_s = max(0.0, self._spent_s - _SHARE * (now_s - self._ended_s))
        self._ended_s = now_s


class PeerFinder:
    """Finder of processes and names of clients.

    Clients may be gone in a moment, so that known and new processes are looked through at once, and
    others as soon as can be.

    Args:
        on_found: told of each peer when all is known of it that can be.
    """

    def __init__(self, on_found: Callable[[Peer], None]) -> None:
        self._on_found = on_found
        self._sockets = SocketDiagnosis()
        self._waiting: dict[Peer, int | None] = {}
        """The inode of each, as far as it is known; 0 for one of another machine."""
        self._known = deque([os.getpid()], maxlen=_KNOWN_PROCESSES)
        self._names: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._allowed = _Allowance(_MOST_SPENT_S)
        self._allowed_at_once = _Allowance(_MOST_SPENT_AT_ONCE_S)

    def look_for(self, peer: Peer) -> None:
        """Find out who a peer is, at once or in the background."""
        inode = None
        if not self._allowed_at_once.wait_s():
            began_s = time.thread_time()
            inode = self._sockets.inode(_connection(peer))
            if inode:
                # The one that has connected last, or one that has just been started.
                new = islice(all_processes(), 8)
                likely = chain(islice(self._known, 2), new, self._known)
                owners = owners_of([inode], likely, within_s=_LOOK_AT_ONCE_S)
                self._take(peer, owners.get(inode))
            self._allowed_at_once.spend(time.thread_time() - began_s)
        if peer.process is not None or len(self._waiting) >= _MOST_WAITING:
            self._found(peer)
            return
        self._waiting[peer] = inode
        # One that has gone already is looked for in vain, which takes long; others do not wait.
        if len(self._tasks) < _AT_ONCE:
            task = asyncio.get_running_loop().create_task(self._find_all())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Return when all peers are known so far as they can be."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def close(self) -> None:
        """Stop looking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._sockets.close()

    async def _find_all(self) -> None:
        while self._waiting:
            peers, self._waiting = self._waiting, {}
            try:
                await self._find(peers)
            except OSError as error:
                logger.debug("the processes of clients cannot be told: %s", error)
            for peer in peers:
                self._found(peer)
            if wait_s := self._allowed.wait_s():
                await asyncio.sleep(wait_s)

    async def _find(self, peers: Mapping[Peer, int | None]) -> None:
        if any(inode != 0 for inode in peers.values()):
            # A client may be gone in milliseconds: each turn of the thread is worth waiting for.
            look = partial(_owners, peers, list(self._known))
            found, took_s = await asyncio.to_thread(look)
            self._allowed.spend(took_s)
            for peer, process in found.items():
                self._take(peer, process)
        for peer in peers:
            if peer.process is None:
                peer.host_name = await self._name(peer.host)

    def _take(self, peer: Peer, process: Process | None) -> None:
        if process is not None:
            peer.process = process
            if process.pid in self._known:
                self._known.remove(process.pid)
            self._known.appendleft(process.pid)

    async def _name(self, host: str) -> str:
        if host not in self._names:
            if len(self._names) >= _MOST_WAITING:
                self._names.clear()
            self._names[host] = await _name_of(host)
        return self._names[host]

    def _found(self, peer: Peer) -> None:
        peer.looked_up = True
        self._on_found(peer)
        # Only now it can be told which service that is.
        waiting, peer.on_looked_up = peer.on_looked_up, []
        for go_on in waiting:
            go_on()


def _connection(peer: Peer) -> Connection:
    return Connection(peer.host, peer.port, peer.local_host, peer.local_port)


def _owners(
    peers: Mapping[Peer, int | None], likely: Collection[int]
) -> tuple[dict[Peer, Process], float]:
    """Return the processes of peers, and the processor's time that it took, in seconds."""
    began = time.thread_time()
    table = inodes_of([_connection(peer) for peer, inode in peers.items() if inode is None])
    sockets = {inode or table.get(_connection(peer)): peer for peer, inode in peers.items()}
    owners = owners_of([inode for inode in sockets if inode], likely)
    found = {sockets[inode]: process for inode, process in owners.items()}
    return found, time.thread_time() - began


async def _name_of(host: str) -> str:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def tell(name: str) -> None:
        if not answer.done():
            answer.set_result(name)

    def look_up() -> None:
        name = host_name(host)
        # Nobody may be waiting by now, and the loop may be closed.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, name)

    # A resolver may take its time; the threads of a pool would be waited for at the end.
    threading.Thread(target=look_up, name="fakebus-names", daemon=True).start()
    try:
        async with asyncio.timeout(_NAME_TIMEOUT_S):
            return await answer
    except TimeoutError:
        return ""
