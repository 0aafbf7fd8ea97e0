"""The port that clients of Redis connect to."""

from __future__ import annotations

import asyncio

from fakebus.broker.broker import Broker
from fakebus.config import Address
from fakebus.errors import ConfigError
from fakebus.redis.commands import Commands
from fakebus.redis.connection import MemoryBudget, RedisConnection
from fakebus.redis.groups import StreamGroups
from fakebus.redis.streams import Streams
from fakebus.registry.registry import Registry
from fakebus.sockets import stop_listening


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
        self._budget = MemoryBudget()
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
        connection = RedisConnection(self._commands.run, self._budget, reader, writer)
        task = asyncio.get_running_loop().create_task(connection.serve())
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)
