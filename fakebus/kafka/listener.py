"""The Kafka sockets: accepts clients, runs their requests in order, writes the answers.

The rules of a connection (Kafka's muted channel): the next request starts when the one
before is answered, except that Produce requests overlap each other, so that one storage
commit can serve several of them. Answers leave in the order of the requests.

Memory is bounded: nothing more is read from a connection while too much of it waits to be
answered or while the client does not take its answers, and no connection may produce while
too much of all of them waits to be stored.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from fakebus.clock import Timer
from fakebus.errors import ConfigError
from fakebus.kafka.advertise import AdvertisedAddress
from fakebus.kafka.api import (
    AdvertisedBroker,
    ClientConnection,
    CloseConnection,
    Handler,
    PendingResponse,
    RequestContext,
)
from fakebus.kafka.authentication import SaslPolicy, SaslSession
from fakebus.kafka.connection import FrameReader, frame_response
from fakebus.kafka.handlers import HANDLERS
from fakebus.kafka.interception import Interceptor
from fakebus.kafka.listen_errors import explain
from fakebus.kafka.protocol import codec
from fakebus.kafka.protocol.api_keys import ApiKey
from fakebus.kafka.protocol.errors import DecodeError
from fakebus.kafka.sasl import AuthenticationFailed

if TYPE_CHECKING:
    import ssl

    from fakebus.broker.broker import Broker

logger = logging.getLogger("fakebus.kafka")

HANDLERS_BY_KEY: dict[int, Handler] = {int(handler.api_key): handler for handler in HANDLERS}

MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Request bytes of one connection that may wait for their answers before reading pauses."""
MAX_WAITING_REQUESTS = 256
OVERLOAD_CHECK_S = 0.01
"""How soon a producer that had to wait for storage is looked at again."""

_PRODUCE = int(ApiKey.PRODUCE)
_FETCH = int(ApiKey.FETCH)
_API_VERSIONS = int(ApiKey.API_VERSIONS)
_SASL_AUTHENTICATE = int(ApiKey.SASL_AUTHENTICATE)
_SASL_APIS = frozenset((int(ApiKey.SASL_HANDSHAKE), _SASL_AUTHENTICATE))
_TLS_SHUTDOWN_S = 2.0
"""How long a closing client may take to say good-bye."""
_connection_ids = itertools.count(1)


@dataclass(slots=True)
class _Exchange:
    """A request under way and, once it is there, its answer."""

    api_key: int
    api_version: int
    correlation_id: int
    frame_bytes: int
    done: bool = False
    response: Any = None
    raw_token: bytes | None = None
    """The answer instead of a response, when the client sent a bare SASL token."""
    task: asyncio.Future[Any] | None = None


class KafkaProtocol(asyncio.BufferedProtocol):
    """One client's connection."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._reader = FrameReader(listener.max_frame_bytes)
        self._inbox: deque[bytearray] = deque()
        self._outbox: deque[_Exchange] = deque()
        self._waiting_bytes = 0
        self._reading_paused = False
        self._writing_paused = False
        self._closing = False
        self._transport: asyncio.Transport
        self._client: ClientConnection
        self.last_active_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who the client is."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        local = transport.get_extra_info("sockname") or ("127.0.0.1", 0)
        self._client = ClientConnection(
            connection_id=next(_connection_ids),
            listener_name=self._listener.name,
            client_host=f"/{peer[0]}",
            local_host=local[0],
            local_port=local[1],
        )
        if transport.get_extra_info("peercert"):
            self._client.principal = _certified(transport) or self._client.principal
        if self._listener.sasl is not None:
            self._client.sasl = SaslSession(self._listener.sasl)
            self._limit_frames(self._client.sasl)
        self._listener.connections.add(self)
        self._touch()

    def _limit_frames(self, session: SaslSession) -> None:
        # A stranger may not make us keep a large request.
        listener = self._listener
        if session.user is None:
            self._reader.limit(listener.max_token_bytes, bare_tokens=True)
        else:
            self._reader.limit(listener.max_frame_bytes, bare_tokens=session.expects_raw_token)

    def _touch(self) -> None:
        self.last_active_s = self._listener.broker.clock.monotonic()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the event loop puts what it reads."""
        return self._reader.get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Take in what was read."""
        self._touch()
        try:
            frames = self._reader.received(nbytes)
        except DecodeError as error:
            self._drop(str(error))
            return
        if frames:
            for frame in frames:
                self._waiting_bytes += len(frame)
                self._inbox.append(frame)
            self._run()

    def pause_writing(self) -> None:
        """The client does not take its answers: start nothing more for it."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The client takes its answers again."""
        self._writing_paused = False
        self._run()

    def resume(self) -> None:
        """Go on after having had to wait for storage."""
        self._run()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what only this client waited for."""
        self._closing = True
        self._inbox.clear()
        for exchange in self._outbox:
            # Only a fetch is given up: what other requests have begun is carried out.
            if exchange.task is not None and exchange.api_key == _FETCH:
                exchange.task.cancel()
        self._listener.connections.discard(self)
        self._listener.stalled.discard(self)
        for callback in self._client.on_close:
            callback()

    def close(self) -> None:
        """Close the connection; unanswered requests get no answer."""
        if not self._closing:
            self._closing = True
            self._transport.close()

    def abort_tasks(self) -> list[asyncio.Future[Any]]:
        """Cancel what is under way and return it, for shutting down."""
        tasks = [e.task for e in self._outbox if e.task is not None and not e.task.done()]
        for task in tasks:
            task.cancel()
        return tasks

    def _drop(self, reason: str) -> None:
        if not self._closing:
            logger.warning("closing the connection of %s: %s", self._client.client_host, reason)
        self._inbox.clear()
        self.close()

    def _run(self) -> None:
        while not self._closing:
            while self._inbox and self._may_start():
                self._start(self._inbox.popleft())
            if self._closing or not (self._outbox and self._outbox[0].done):
                break
            # Answers that leave make room for requests that had to wait.
            self._flush()
        if not self._closing:
            self._pace_reading()

    def _may_start(self) -> bool:
        if self._closing or self._writing_paused or self._client.close_after_answer:
            return False
        produces = int.from_bytes(self._inbox[0][:2], "big") == _PRODUCE
        if self._outbox and not (produces and self._outbox[-1].api_key == _PRODUCE):
            return False
        if produces and self._listener.broker.overloaded:
            self._listener.stall(self)
            return False
        return True

    def _start(self, frame: bytearray) -> None:
        try:
            exchange = self._begin(memoryview(frame))
        except (DecodeError, CloseConnection) as error:
            self._drop(str(error))
            return
        except Exception:  # the outermost frame of a request: a bug costs one connection
            logger.exception("a request of %s failed", self._client.client_host)
            self._drop("internal error")
            return
        self._outbox.append(exchange)

    def _begin(self, frame: memoryview) -> _Exchange:
        session = self._client.sasl
        if session is None:
            return self._begin_request(frame)
        if session.expects_raw_token:
            exchange = self._take_raw_token(session, frame)
        else:
            exchange = self._begin_request(frame)
        if exchange.api_key in _SASL_APIS:
            self._limit_frames(session)
        return exchange

    def _take_raw_token(self, session: SaslSession, frame: memoryview) -> _Exchange:
        try:
            answer = session.authenticate(bytes(frame))
        except AuthenticationFailed as error:
            # Without Kafka's framing there is no way to tell the client.
            raise CloseConnection(str(error)) from None
        if session.user is not None:
            self._client.principal = f"User:{session.user}"
        return _Exchange(_SASL_AUTHENTICATE, 0, 0, len(frame), done=True, raw_token=answer)

    def _begin_request(self, frame: memoryview) -> _Exchange:
        header, offset = codec.decode_request_header(frame)
        if self._client.sasl is not None:
            refusal = self._client.sasl.refusal(header.api_key)
            if refusal is not None:
                raise CloseConnection(f"{codec.api_name(header.api_key)}: {refusal}")
        handler = HANDLERS_BY_KEY.get(header.api_key)
        version = header.api_version
        exchange = _Exchange(header.api_key, version, header.correlation_id, len(frame))
        if handler is None or not handler.min_version <= version <= handler.max_version:
            if header.api_key != _API_VERSIONS:
                raise CloseConnection(
                    f"API {codec.api_name(header.api_key)} version {version} is not served"
                )
            # The client learns our versions from an answer in the oldest layout (KIP-511).
            exchange.api_version = 0
            request = None
            handler = HANDLERS_BY_KEY[_API_VERSIONS]
        else:
            request = codec.decode_request(header.api_key, version, frame, offset)
        context = RequestContext(
            broker=self._listener.broker,
            connection=self._client,
            api_key=header.api_key,
            api_version=version,
            correlation_id=header.correlation_id,
            client_id=header.client_id,
            advertised=self._listener.advertised,
            handlers=HANDLERS,
        )
        intercept = self._listener.interceptor
        if intercept is None:
            result = handler.function(request, context)
        else:
            result = intercept(handler.function, request, context)
        if isinstance(result, PendingResponse):
            result.when_ready(lambda outcome: self._deliver(exchange, outcome))
        elif isinstance(result, Awaitable):
            exchange.task = asyncio.ensure_future(result)
            exchange.task.add_done_callback(lambda task: self._finish(exchange, task))
        else:
            exchange.response, exchange.done = result, True
        return exchange

    def _deliver(self, exchange: _Exchange, outcome: Any) -> None:
        exchange.done = True
        if isinstance(outcome, CloseConnection):
            self._drop(str(outcome))
            return
        exchange.response = outcome
        if self._outbox and self._outbox[0] is exchange:
            self._run()

    def _finish(self, exchange: _Exchange, task: asyncio.Future[Any]) -> None:
        exchange.done = True
        if task.cancelled():
            return
        failure = task.exception()
        if failure is None:
            exchange.response = task.result()
            self._run()
        elif isinstance(failure, CloseConnection):
            self._drop(str(failure))
        else:
            logger.error("a request of %s failed", self._client.client_host, exc_info=failure)
            self._drop("internal error")

    def _flush(self) -> None:
        buffers: list[Any] = []
        while self._outbox and self._outbox[0].done:
            exchange = self._outbox.popleft()
            self._waiting_bytes -= exchange.frame_bytes
            if exchange.raw_token is not None:
                buffers += frame_response(b"", [exchange.raw_token])
            elif exchange.response is not None:
                buffers += frame_response(
                    codec.encode_response_header(
                        exchange.api_key, exchange.api_version, exchange.correlation_id
                    ),
                    codec.encode_response(
                        exchange.api_key, exchange.api_version, exchange.response
                    ),
                )
        if len(buffers) == 1:
            self._transport.write(buffers[0])
        elif buffers:
            self._transport.writelines(buffers)
        if self._client.close_after_answer and not self._outbox:
            self._inbox.clear()
            self.close()

    def _pace_reading(self) -> None:
        waiting = len(self._inbox) + len(self._outbox)
        full = (
            self._waiting_bytes > MAX_WAITING_BYTES
            or waiting > MAX_WAITING_REQUESTS
            or self in self._listener.stalled
        )
        if full and not self._reading_paused:
            self._transport.pause_reading()
        elif self._reading_paused and not full:
            self._transport.resume_reading()
        self._reading_paused = full


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
    ) -> None:
        self.broker = broker
        self.name = name
        self.max_frame_bytes = broker.config.get_int("socket.request.max.bytes")
        self.max_token_bytes = broker.config.get_int("sasl.server.max.receive.size")
        self.sasl = sasl
        self.connections: set[KafkaProtocol] = set()
        self._ssl_context = ssl_context
        self.stalled: set[KafkaProtocol] = set()
        """Connections whose next request has to wait until more is stored."""
        self.interceptor: Interceptor | None = None
        """Stands between requests and handlers while a test wants it."""
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
                lambda: KafkaProtocol(self),
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
        return [AdvertisedBroker(self.broker.node_id, host, port)]

    def stall(self, connection: KafkaProtocol) -> None:
        """Let a connection wait until there is room for what it produces."""
        if not self.stalled:
            asyncio.get_running_loop().call_later(OVERLOAD_CHECK_S, self._resume_stalled)
        self.stalled.add(connection)

    def _resume_stalled(self) -> None:
        if self.broker.overloaded:
            asyncio.get_running_loop().call_later(OVERLOAD_CHECK_S, self._resume_stalled)
            return
        stalled, self.stalled = self.stalled, set()
        for connection in stalled:
            connection.resume()

    def _plan_idle_check(self) -> None:
        idle_ms = self.broker.config.get_int("connections.max.idle.ms")
        if idle_ms >= 0:
            self._idle_timer = self.broker.clock.call_later(
                max(idle_ms / 4000, 0.05), lambda: self._close_idle(idle_ms / 1000)
            )

    def _close_idle(self, idle_s: float) -> None:
        oldest = self.broker.clock.monotonic() - idle_s
        for connection in tuple(self.connections):
            if connection.last_active_s < oldest:
                connection.close()
        self._plan_idle_check()

    async def close(self) -> None:
        """Stop listening, drop all clients and wait for what they had begun."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._server is not None:
            self._server.close()
        tasks: list[asyncio.Future[Any]] = []
        for connection in tuple(self.connections):
            tasks += connection.abort_tasks()
            connection.close()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)


def _certified(transport: asyncio.BaseTransport) -> str | None:
    from fakebus.kafka.tls import principal  # listeners without TLS need not load it

    return principal(transport.get_extra_info("peercert"))
