"""Redis's front end: the ports that clients of Redis connect to."""

from __future__ import annotations

import asyncio

from fakebus.addresses import Address
from fakebus.broker.peer import Peer
from fakebus.memory_budget import MemoryBudget
from fakebus.redis.commands import Commands
from fakebus.redis.connection import (
    MAX_BYTES_OF_ALL,
    MAX_CONNECTIONS,
    RedisConnection,
    refuse,
)
from fakebus.redis.groups import StreamGroups
from fakebus.redis.long_answers import Turns
from fakebus.redis.streams import Streams
from fakebus.servers import Bus, ListeningPort


class RedisServer:
    """Listeners of a bus for clients of Redis Streams.

    Args:
        bus: answers the commands; its settings name the addresses.
    """

    scheme = "redis"

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._ports = [ListeningPort(each, "Redis", "--redis") for each in bus.settings.redis]
        self._groups: StreamGroups | None = None
        self._commands: Commands
        self._budget = MemoryBudget(MAX_BYTES_OF_ALL)
        self._turns = Turns()
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def addresses(self) -> list[Address]:
        """Where it listens."""
        return [port.address for port in self._ports]

    async def bind(self) -> None:
        """Take all ports; see :class:`~fakebus.servers.Server`."""
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.StreamReaderProtocol:
            reader = asyncio.StreamReader(loop=loop)
            return asyncio.StreamReaderProtocol(reader, self._accept, loop=loop)

        for port in self._ports:
            await port.bind(protocol)

    async def start(self) -> None:
        """Serve clients with the groups that storage holds."""
        broker = self._bus.broker
        self._groups = StreamGroups(broker)
        others = [each for each in broker.participants if each.name != self._groups.name]
        broker.participants[:] = [*others, self._groups]
        self._commands = Commands(broker, Streams(broker, self._bus.registry), self._groups)
        for port in self._ports:
            await port.start()

    async def close(self) -> None:
        """Stop listening, drop all clients and keep the groups' state."""
        for port in self._ports:
            await port.close()
        connections = dict(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for writer in connections.values():
            # A task that is cancelled before its first step closes nothing itself.
            writer.close()
        waits = [writer.wait_closed() for writer in connections.values()]
        await asyncio.gather(*waits, return_exceptions=True)
        if self._groups is not None:
            self._groups.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            refuse(writer)
            return
        host, port = (writer.get_extra_info("peername") or ("", 0))[:2]
        local, at = (writer.get_extra_info("sockname") or ("", 0))[:2]
        peer = Peer(host=host, port=port, local_host=local, local_port=at, listener="REDIS")
        if (on_peer := self._bus.broker.activity.on_peer) is not None:
            on_peer(peer)
        shared = self._budget, self._turns
        connection = RedisConnection(self._commands.run, *shared, reader, writer, peer)
        # A task of our own: asyncio's reports being cancelled when the bus stops as an error.
        task = asyncio.get_running_loop().create_task(connection.serve())
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)
