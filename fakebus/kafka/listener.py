"""The Kafka sockets: takes the port, accepts clients, and closes what is idle."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from fakebus.addresses import Address
from fakebus.clock import Timer
from fakebus.kafka.advertise import AdvertisedAddress
from fakebus.kafka.api import AdvertisedBroker, ClientConnection
from fakebus.kafka.authentication import SaslPolicy
from fakebus.kafka.backpressure import Backpressure
from fakebus.kafka.client_protocol import KafkaProtocol, ListenerSettings
from fakebus.kafka.dispatch import Dispatcher
from fakebus.limited_log import LimitedLog
from fakebus.servers import ListeningPort

if TYPE_CHECKING:
    import ssl

    from fakebus.broker.broker import Broker
    from fakebus.broker.identity import Node

logger = logging.getLogger("fakebus.kafka")


class Listener:
    """A listening address and the clients that came in through it.

    Args:
        broker: answers the requests.
        node: the node that clients meet here.
        address: where to listen; all addresses of a name are used, and port 0 is any free one.
        advertised: the address that clients are told; see :mod:`fakebus.kafka.advertise`.
        name: the listener's name in logs.
        sasl: how clients log in; they need not when left out.
        ssl_context: the TLS that is spoken; plain text when left out.
        backpressure: what bounds all connections together; the listener's own when left out.
    """

    def __init__(
        self,
        broker: Broker,
        node: Node,
        address: Address,
        advertised: AdvertisedAddress,
        name: str = "PLAINTEXT",
        *,
        sasl: SaslPolicy | None = None,
        ssl_context: ssl.SSLContext | None = None,
        backpressure: Backpressure | None = None,
    ) -> None:
        self.name = name
        self.dispatcher = Dispatcher(broker, node, self.advertised)
        self._broker = broker
        self._node = node
        self._settings = ListenerSettings(
            name=name,
            max_frame_bytes=broker.config.get_int("socket.request.max.bytes"),
            max_token_bytes=broker.config.get_int("sasl.server.max.receive.size"),
            sasl=sasl,
            monotonic=broker.clock.monotonic,
        )
        self._backpressure = backpressure or Backpressure(broker)
        self._log = LimitedLog(logger)
        self._connections: set[KafkaProtocol] = set()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._ssl_context = ssl_context
        self._port = ListeningPort(address, "Kafka clients", "--kafka")
        self._advertised_address = advertised
        self._idle_timer: Timer | None = None
        self.siblings: list[Listener] = [self]
        """Where clients of this listener meet the other nodes, itself among them."""

    @property
    def node_id(self) -> int:
        """The node that clients meet here."""
        return self._node.node_id

    @property
    def address(self) -> Address:
        """The address that is listened on, with its real port."""
        return self._port.address

    async def bind(self) -> None:
        """Take the port, without accepting clients yet.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        await self._port.bind(self._new_connection, ssl_context=self._ssl_context)

    def _new_connection(self) -> KafkaProtocol:
        return KafkaProtocol(
            self._settings,
            self.dispatcher,
            self._backpressure,
            self._connections,
            self._tasks,
            self._log,
        )

    async def start(self) -> None:
        """Accept clients; :meth:`bind` comes first.

        Raises:
            ConfigError: another process has begun to listen on the address meanwhile.
        """
        await self._port.start()
        self._plan_idle_check()

    def advertised(self, connection: ClientConnection) -> list[AdvertisedBroker]:
        """Return the addresses of the nodes as this client has to use them."""
        host, port = self._advertised_address.for_client(connection, self.address.port)
        nodes = self._broker.nodes
        return [
            AdvertisedBroker(
                each.node_id,
                host,
                port + each.address.port - self.address.port,
                each._node.rack,
                nodes.single or nodes.is_running(each.node_id),
            )
            for each in self.siblings
            if nodes.single or nodes.is_registered(each.node_id)
        ]

    def _plan_idle_check(self) -> None:
        idle_ms = self._broker.config.get_int("connections.max.idle.ms")
        if idle_ms >= 0:
            self._idle_timer = self._broker.clock.call_later(
                max(idle_ms / 4000, 0.05), lambda: self._close_idle(idle_ms / 1000)
            )

    def _close_idle(self, idle_s: float) -> None:
        # What a connection was active at is noted here, so that each of its reads costs nothing.
        now_s = self._broker.clock.monotonic()
        for connection in tuple(self._connections):
            if connection.is_active:
                connection.is_active, connection.last_active_s = False, now_s
            elif connection.last_active_s < now_s - idle_s:
                connection.close()
        self._plan_idle_check()

    async def close(self) -> None:
        """Stop listening for good, drop all clients and wait for what they had begun."""
        self._backpressure.close()
        await self.stop()

    async def stop(self) -> None:
        """Stop listening until :meth:`bind`, drop all clients and wait for what they had begun."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        await self._port.close()
        for connection in tuple(self._connections):
            connection.abandon_waits()
            connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
