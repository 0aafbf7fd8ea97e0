"""One client's connection: its requests are answered in their order, and bounded by their bytes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from fakebus.broker.peer import Peer
from fakebus.broker.turns import Slices
from fakebus.limited_log import LimitedLog
from fakebus.memory_budget import MemoryBudget
from fakebus.redis.call import Session
from fakebus.redis.fault_effects import LostConnection
from fakebus.redis.long_answers import CURRENT, Turn, Turns
from fakebus.redis.protocol import (
    PIECE_BYTES,
    CrossProtocolError,
    Parser,
    ProtocolError,
    RedisError,
    Reply,
    encode,
    pieces,
    size_in_memory,
)

logger = logging.getLogger("fakebus.redis")
_limited = LimitedLog(logger)

MAX_CONNECTIONS = 10_000
"""As Redis's maxclients."""
MAX_WAITING_BYTES = 1024 * 1024
"""Of the requests behind the one that is carried out; one alone may be larger."""
MAX_BYTES_OF_ALL = 256 * 1024 * 1024
"""Of what all connections have sent and not been answered."""
_READ_BYTES = 16 * 1024
"""What is parsed at once, in some 16 milliseconds if every byte is a line."""

Run = Callable[[Session, list[bytes]], Awaitable[Reply]]
Request = list[bytes]


def refuse(writer: asyncio.StreamWriter) -> None:
    """Tell a client that there are too many."""
    _limited.warning("a client of Redis was refused: there are %d of them", MAX_CONNECTIONS)
    writer.write(encode(RedisError("ERR max number of clients reached")))
    writer.close()


class WaitingRequests:
    """Requests of one connection that are not answered yet, in their order.

    Whoever puts one waits until there is room for it, so that a client that sends behind a
    blocked command is no longer read from: its own socket fills up.
    """

    def __init__(self) -> None:
        self.held_bytes = 0
        self._requests: asyncio.Queue[Request | ProtocolError | None] = asyncio.Queue()
        self._room = asyncio.Event()

    async def put(self, request: Request) -> None:
        """Add a request as soon as there is room."""
        size = size_in_memory(request)
        while self.held_bytes and self.held_bytes + size > MAX_WAITING_BYTES:
            self._room.clear()
            await self._room.wait()
        self.held_bytes += size
        self._requests.put_nowait(request)

    def end(self, problem: ProtocolError | None) -> None:
        """Let nothing come after what is waiting but the reason why."""
        self._requests.put_nowait(problem)

    @property
    def are_none(self) -> bool:
        """Whether the next one has yet to come."""
        return self._requests.empty()

    async def get(self) -> Request | ProtocolError | None:
        """Return the next request, which goes on counting until it is answered."""
        return await self._requests.get()

    def answered(self, request: Request) -> None:
        """Make room."""
        self.held_bytes -= size_in_memory(request)
        self._room.set()


class RedisConnection:
    """Connection of one client.

    Args:
        run: carries out one request.
        budget: what the requests of all connections share.
        turns: what their answers share.
        reader: the bytes that come.
        writer: takes those that go.
        peer: the client.
    """

    def __init__(
        self,
        run: Run,
        budget: MemoryBudget,
        turns: Turns,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: Peer | None = None,
    ) -> None:
        self._run = run
        self._budget = budget
        self._reader = reader
        self._writer = writer
        self._session = Session()
        self._session.peer = peer
        self._parser = Parser()
        self._requests = WaitingRequests()
        self._counted = 0
        who = writer.get_extra_info("peername")
        self._turn = Turn(turns, writer.transport.abort, who)

    async def serve(self) -> None:
        """Answer until either side ends the connection."""
        answering = asyncio.create_task(self._answer())
        receiving = asyncio.create_task(self._receive())
        try:
            await asyncio.wait({answering, receiving}, return_when=asyncio.FIRST_COMPLETED)
            # A client that goes away ends the wait of its own blocked command. It may have shut
            # down its sending side only, and still gets what it has asked for before.
            if not self._session.waiting:
                await asyncio.wait({answering})
        finally:
            for each in (answering, receiving):
                each.cancel()
            await asyncio.gather(answering, receiving, return_exceptions=True)
            self._budget.used -= self._counted
            self._turn.give_back()
            with contextlib.suppress(ConnectionError):
                self._writer.close()
                await self._writer.wait_closed()

    async def _receive(self) -> None:
        problem, slices = None, Slices()
        try:
            while data := await self._reader.read(_READ_BYTES):
                for request in self._parser.feed(data):
                    await self._requests.put(request)
                self._count()
                if self._budget.exceeded and self._counted > MAX_WAITING_BYTES:
                    raise ProtocolError("the requests of all clients together are too large")
                if len(data) == _READ_BYTES:
                    # There is more already, which reading does not wait for.
                    await slices.keep()
                else:
                    slices = Slices()
        except ProtocolError as error:
            problem = error
            peer = self._writer.get_extra_info("peername")
            _limited.warning("a connection of %s to Redis was closed: %s", peer, error)
        self._session.gone = True
        self._requests.end(problem)

    async def _answer(self) -> None:
        CURRENT.set(self._turn)
        slices = Slices()
        while not self._session.closing:
            if self._requests.are_none:
                request = await self._requests.get()
                slices = Slices()
            else:
                await slices.keep()
                request = await self._requests.get()
            if not isinstance(request, list):
                # Redis says nothing to what speaks HTTP either: a browser shows it to nobody.
                if request is not None and not isinstance(request, CrossProtocolError):
                    self._writer.write(encode(RedisError(f"ERR Protocol error: {request}")))
                return
            try:
                reply = await self._run(self._session, request)
            except LostConnection:
                return
            except Exception:
                logger.exception("a Redis command failed: %r", request[:3])
                reply = RedisError("ERR fakebus failed; its log says why")
            if logger.isEnabledFor(logging.DEBUG):
                self._log(request, reply)
            try:
                for piece in pieces(reply, version=self._session.version):
                    self._writer.write(piece)
                    if len(piece) >= PIECE_BYTES:
                        # Others have their turn, and a client that reads slowly has few of them.
                        await self._writer.drain()
                        self._turn.move()
                        await asyncio.sleep(0)
            finally:
                # The reader keeps the error that tells that the client has vanished, and the error
                # this frame, until garbage is collected.
                del reply
            self._requests.answered(request)
            self._count()
            await self._writer.drain()
            self._turn.give_back()

    def _log(self, request: Request, reply: Reply) -> None:
        name = request[0][:40].decode("utf-8", "replace")
        client = self._session.name or self._writer.get_extra_info("peername")
        refused = f" is refused: {reply}" if isinstance(reply, RedisError) else ""
        logger.debug("%s of %s%s", name, client, refused)

    def _count(self) -> None:
        held = self._parser.held_bytes + self._requests.held_bytes
        self._budget.used += held - self._counted
        self._counted = held
