"""The Kafka sockets: takes the port, accepts clients, and closes what is idle."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from fakebus.clock import Timer
from fakebus.errors import ConfigError
from fakebus.kafka.advertise import AdvertisedAddress
from fakebus.kafka.api import AdvertisedBroker, ClientConnection
from fakebus.kafka.authentication import SaslPolicy
from fakebus.kafka.backpressure import Backpressure
from fakebus.kafka.client_protocol import KafkaProtocol
from fakebus.kafka.dispatch import Dispatcher
from fakebus.kafka.listen_errors import explain
from fakebus.kafka.listener_settings import ListenerSettings
from fakebus.limited_log import LimitedLog
from fakebus.sockets import stop_listening

if TYPE_CHECKING:
    import ssl

    from fakebus.broker.broker import Broker

logger = logging.getLogger("fakebus.kafka")

_TLS_SHUTDOWN_S = 2.0
"""How long a closing client may take to say good-bye."""


class Listener:
    """A listening address and the clients that came in through it.

    Args:
        broker: answers the requests.
        host: the address to listen on; all addresses of a name are used.
        port: the port; 0 takes any free one.
        advertised: the address that clients are told; see :mod:`fakebus.kafka.advertise`.
        name: the listener's name in logs.
        sasl: how clients log in; they need not when left out.
        ssl_context: the TLS that is spoken; plain text when left out.
        backpressure: what bounds all connections together; the listener's own when left out.
    """

    def __init__(
        self,
        broker: Broker,
        host: str,
        port: int,
        advertised: AdvertisedAddress,
        name: str = "PLAINTEXT",
        *,
        sasl: SaslPolicy | None = None,
        ssl_context: ssl.SSLContext | None = None,
        backpressure: Backpressure | None = None,
    ) -> None:
        self.name = name
        self.dispatcher = Dispatcher(broker, self.advertised)
        self._broker = broker
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
        self._ssl_context = ssl_context
        self._host = host
        self._port = port
        self._advertised_address = advertised
        self._server: asyncio.Server | None = None
        self._idle_timer: Timer | None = None

    @property
    def port(self) -> int:
        """The port that is really listened on."""
        return self._port

    @property
    def host(self) -> str:
        """The address that was asked for."""
        return self._host

    async def bind(self) -> None:
        """Take the port, without accepting clients yet.

        Raises:
            ConfigError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                self._new_connection,
                self._host,
                self._port,
                backlog=1024,
                ssl=self._ssl_context,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_S if self._ssl_context else None,
                start_serving=False,
            )
        except (OSError, OverflowError) as error:
            raise self._cannot_listen(error) from error
        self._port = self._server.sockets[0].getsockname()[1]

    def _new_connection(self) -> KafkaProtocol:
        return KafkaProtocol(
            self._settings, self.dispatcher, self._backpressure, self._connections, self._log
        )

    async def start(self) -> None:
        """Accept clients; :meth:`bind` comes first.

        Raises:
            ConfigError: somebody else has begun to listen on the address meanwhile.
        """
        assert self._server is not None  # noqa: S101 - the order of the calls
        try:
            await self._server.start_serving()
        except OSError as error:
            raise self._cannot_listen(error) from error
        self._plan_idle_check()

    def _cannot_listen(self, error: Exception) -> ConfigError:
        return ConfigError(
            f"cannot listen for Kafka clients on {self._host}:{self._port}: {explain(error)}"
        )

    def advertised(self, connection: ClientConnection) -> list[AdvertisedBroker]:
        """Return the broker's address as this client has to use it."""
        host, port = self._advertised_address.for_client(connection, self._port)
        return [AdvertisedBroker(self._broker.node_id, host, port)]

    def _plan_idle_check(self) -> None:
        idle_ms = self._broker.config.get_int("connections.max.idle.ms")
        if idle_ms >= 0:
            self._idle_timer = self._broker.clock.call_later(
                max(idle_ms / 4000, 0.05), lambda: self._close_idle(idle_ms / 1000)
            )

    def _close_idle(self, idle_s: float) -> None:
        oldest = self._broker.clock.monotonic() - idle_s
        for connection in tuple(self._connections):
            if connection.last_active_s < oldest:
                connection.close()
        self._plan_idle_check()

    async def close(self) -> None:
        """Stop listening, drop all clients and wait for what they had begun."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._backpressure.close()
        if self._server is not None:
            await stop_listening(self._server)
        tasks: list[asyncio.Future[Any]] = []
        for connection in tuple(self._connections):
            tasks += connection.abort_tasks()
            connection.close()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
