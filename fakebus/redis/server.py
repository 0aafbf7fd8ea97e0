"""The port that clients of Redis connect to."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from fakebus.broker.broker import Broker
from fakebus.config import Address
from fakebus.errors import ConfigError
from fakebus.redis.commands import Commands
from fakebus.redis.groups import StreamGroups
from fakebus.redis.protocol import Parser, ProtocolError, RedisError, encode
from fakebus.redis.reading import Session
from fakebus.redis.streams import Streams
from fakebus.registry.registry import Registry
from fakebus.sockets import stop_listening

logger = logging.getLogger("fakebus.redis")

_READ_BYTES = 256 * 1024
_MAX_WAITING_REQUESTS = 1024

Requests = asyncio.Queue[list[bytes] | ProtocolError | None]
"""What a connection has sent and not been answered, up to its end, which may be a mistake."""


class RedisServer:
    """Serves Redis Streams.

    Args:
        broker: the bus.
        registry: frames events for consumers of Kafka.
        address: where to listen; port 0 is any free one.
    """

    def __init__(self, broker: Broker, registry: Registry, address: Address) -> None:
        self.address = address
        self.groups = StreamGroups(broker)
        self._commands = Commands(broker, Streams(broker, registry), self.groups)
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        wanted = self.address
        try:
            self._server = await asyncio.start_server(self._accept, wanted.host, wanted.port)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"cannot listen for Redis on {wanted}: "
                f"{getattr(error, 'strerror', None) or error}; --redis 127.0.0.1:0 takes any "
                "free port"
            ) from error
        self.address = Address(wanted.host, self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening, drop all clients and keep the groups' state."""
        if self._server is not None:
            await stop_listening(self._server)
        connections = dict(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for writer in connections.values():
            # A task that is cancelled before its first step closes nothing itself.
            writer.close()
        waits = [writer.wait_closed() for writer in connections.values()]
        await asyncio.gather(*waits, return_exceptions=True)
        self.groups.write()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: asyncio's reports being cancelled when the bus stops as an error.
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session()
        requests: Requests = asyncio.Queue(_MAX_WAITING_REQUESTS)
        answering = asyncio.create_task(self._answer(session, requests, writer))
        receiving = asyncio.create_task(_receive(session, reader, requests))
        try:
            await asyncio.wait({answering, receiving}, return_when=asyncio.FIRST_COMPLETED)
            # A client that goes away ends the wait of its own blocked command. It may have shut
            # down its sending side only, and still gets what it has asked for before.
            if not session.waiting:
                await asyncio.wait({answering})
        finally:
            for each in (answering, receiving):
                each.cancel()
            await asyncio.gather(answering, receiving, return_exceptions=True)
            with contextlib.suppress(ConnectionError):
                writer.close()
                await writer.wait_closed()

    async def _answer(
        self, session: Session, requests: Requests, writer: asyncio.StreamWriter
    ) -> None:
        while not session.closing:
            words = await requests.get()
            if not isinstance(words, list):
                if words is not None:
                    writer.write(encode(RedisError(f"ERR Protocol error: {words}")))
                return
            try:
                reply = await self._commands.run(session, words)
            except Exception:
                logger.exception("a Redis command failed: %r", words[:3])
                reply = RedisError("ERR fakebus failed; its log says why")
            writer.write(encode(reply, version=session.version))
            await writer.drain()


async def _receive(session: Session, reader: asyncio.StreamReader, requests: Requests) -> None:
    parser, problem = Parser(), None
    try:
        while data := await reader.read(_READ_BYTES):
            for request in parser.feed(data):
                await requests.put(request)
    except ProtocolError as error:
        problem = error
    session.gone = True
    await requests.put(problem)
