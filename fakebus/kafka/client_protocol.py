"""One client's connection: its requests in order, its answers, and how much may wait.

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
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, cast

from fakebus.broker.peer import Peer
from fakebus.clock import Timer
from fakebus.kafka.api import (
    ClientConnection,
    CloseConnection,
    HandlerResult,
    PendingResponse,
    RequestContext,
)
from fakebus.kafka.authentication import SaslPolicy, SaslSession
from fakebus.kafka.backpressure import Backpressure
from fakebus.kafka.dispatch import Dispatcher, encode
from fakebus.limited_log import LimitedLog
from fakebus.memory_budget import SHARE_BYTES
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.errors import DecodeError, EncodeError
from fakebus.types import Buffer

logger = logging.getLogger("fakebus.kafka")

MAX_WAITING_BYTES = 8 * 1024 * 1024
"""Request bytes of one connection that may wait for their answers before reading pauses."""
MAX_WAITING_REQUESTS = 256
MOST_JOINED_BYTES = 64 * 1024
"""Answers up to this size leave as one buffer: to write each of many costs more than the copy."""

_PRODUCE = int(ApiKey.PRODUCE)
_FETCH = int(ApiKey.FETCH)
_SASL_APIS = frozenset((int(ApiKey.SASL_HANDSHAKE), int(ApiKey.SASL_AUTHENTICATE)))
_connection_ids = itertools.count(1)


class ListenerSettings(NamedTuple):
    """Settings of a listener, as its connections need them."""

    name: str
    max_frame_bytes: int
    """socket.request.max.bytes"""
    max_token_bytes: int
    """sasl.server.max.receive.size: the longest frame before the login."""
    sasl: SaslPolicy | None
    """How clients log in; they need not when it is ``None``."""
    monotonic: Callable[[], float]
    """Gives the time in seconds."""


class KafkaProtocol(asyncio.BufferedProtocol):
    """One client's connection.

    Args:
        settings: the listener's.
        dispatcher: calls the handlers.
        backpressure: lets connections wait.
        connections: those of the listener; this one is among them while it is open.
        tasks: the requests that are being carried out, also those of connections that closed.
        log: where it is told why a connection is closed.
    """

    def __init__(
        self,
        settings: ListenerSettings,
        dispatcher: Dispatcher,
        backpressure: Backpressure,
        connections: set[KafkaProtocol],
        tasks: set[asyncio.Future[Any]],
        log: LimitedLog,
    ) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._backpressure = backpressure
        self._connections = connections
        self._tasks = tasks
        self._log = log
        self._reader = codec.FrameReader(settings.max_frame_bytes)
        self.get_buffer = self._reader.get_buffer  # type: ignore[method-assign]
        self._admitted_bytes = 0
        self._inbox: deque[bytearray] = deque()
        self._outbox: deque[RequestContext] = deque()
        self._reading_paused = False
        self._writing_paused = False
        self._closing = False
        self._in_line = False
        self._answers_planned = False
        self._throttle: Timer | None = None
        """Ends the time for which the client has to wait."""
        self._transport: asyncio.Transport
        self._client: ClientConnection
        self.held_bytes = 0
        self.answered = 0
        self.is_active = True
        """Whether anything has come since the listener looked last."""
        self.last_active_s = self._settings.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who the client is."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        local = transport.get_extra_info("sockname") or ("127.0.0.1", 0)
        self._client = ClientConnection(
            connection_id=next(_connection_ids),
            listener_name=self._settings.name,
            client_host=f"/{peer[0]}",
            local_host=local[0],
            local_port=local[1],
            peer=Peer(
                host=peer[0],
                port=peer[1],
                local_host=local[0],
                local_port=local[1],
                listener=self._settings.name,
            ),
        )
        if (on_peer := self._backpressure.broker.activity.on_peer) is not None:
            on_peer(self._client.peer)
        if transport.get_extra_info("peercert"):
            self._client.principal = _certified(transport) or self._client.principal
        if self._settings.sasl is not None:
            self._client.sasl = SaslSession(self._settings.sasl)
            self._limit_frames(self._client.sasl)
        self._connections.add(self)
        self._backpressure.connections.add(self)
        limits = self._backpressure.broker.security.limiting
        if limits is not None and (waits_ms := limits.connect(peer[0])):
            # As in Kafka: nothing is read from it, and it is closed when its turn would have come.
            self._transport.pause_reading()
            self._throttle = self._backpressure.broker.clock.wait(waits_ms / 1000, self.close)

    def _limit_frames(self, session: SaslSession) -> None:
        # A stranger may not make us keep a large request.
        settings = self._settings
        if session.user is None:
            self._reader.limit(settings.max_token_bytes, bare_tokens=True)
        else:
            self._reader.limit(settings.max_frame_bytes, bare_tokens=session.expects_raw_token)

    def buffer_updated(self, nbytes: int) -> None:
        """Take in what was read."""
        self.is_active = True
        try:
            frames = self._reader.received(nbytes)
        except DecodeError as error:
            self.give_up(str(error))
            return
        if self._admitted_bytes and not self._reader.large_bytes:
            self._backpressure.hold(self, -self._admitted_bytes)
            self._admitted_bytes = 0
        if frames:
            self._inbox += frames
            self._hold(sum(map(len, frames)))
            self._run()
        elif self._reader.large_bytes:
            self._pace_reading()

    def pause_writing(self) -> None:
        """The client does not take its answers: start nothing more for it."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The client takes its answers again."""
        self._writing_paused = False
        self._backpressure.count_unread(self, 0)
        self._run()

    @property
    def unread_bytes(self) -> int:
        """Bytes of answers that the client has not taken."""
        return self._transport.get_write_buffer_size()

    def resume(self) -> None:
        """Go on after having had to wait for storage or memory."""
        self._run()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what only this client waited for."""
        self._closing = True
        self._inbox.clear()
        if self._throttle is not None:
            self._throttle.cancel()
        self.abandon_waits()
        self._connections.discard(self)
        self._backpressure.forget(self)
        self._client.close_origins()
        self._backpressure.broker.activity.connection_closed(self._client.connection_id)
        for callback in self._client.on_close:
            callback()

    def close(self) -> None:
        """Close the connection; unanswered requests get no answer."""
        if not self._closing:
            self._closing = True
            if self._writing_paused:
                # It would be kept until the client has read all, and that may be never.
                self._transport.abort()
            else:
                self._transport.close()

    def abandon_waits(self) -> None:
        """Give up what only this client waits for."""
        for context in self._outbox:
            # What other requests have begun is carried out.
            if context.abandon is not None:
                context.abandon()

    def give_up(self, reason: str) -> None:
        """Close the connection and say why."""
        if not self._closing:
            self._log.warning("closing the connection of %s: %s", self._client.client_host, reason)
        self._inbox.clear()
        self.close()

    def _run(self) -> None:
        while not self._closing:
            while self._inbox and self._may_start(api_key := int.from_bytes(self._inbox[0][:2])):
                if api_key == _FETCH:
                    self._stand_in_line()
                else:
                    self._start(self._inbox.popleft())
            if self._closing or not (self._outbox and self._outbox[0].done):
                break
            # Answers that leave make room for requests that had to wait.
            self._flush()
        if not self._closing:
            self._pace_reading()

    def _may_start(self, api_key: int) -> bool:
        if (
            self._writing_paused
            or self._in_line
            or self._throttle is not None
            or self._client.close_after_answer
        ):
            return False
        if self._closing or (
            self._outbox and not (api_key == _PRODUCE and self._outbox[-1].overlaps)
        ):
            return False
        if api_key == _PRODUCE and not self._backpressure.broker.has_room_for(len(self._inbox[0])):
            self._backpressure.stall(self)
            return False
        return True

    def _hold(self, size: int) -> None:
        """Count bytes of requests; backpressure looks only when others wait for memory."""
        self.held_bytes += size
        self._backpressure.held_bytes += size
        if self._backpressure.waiting:
            self._backpressure.hold(self, 0)

    def _stand_in_line(self) -> None:
        """Start a fetch when its turn comes, so that many of them leave room for producers."""
        self._in_line = True
        self._backpressure.broker.waiting_room.begin(len(self._inbox[0]), self._begin_fetch)

    def _begin_fetch(self) -> None:
        self._in_line = False
        if self._inbox and not self._closing:
            self._start(self._inbox.popleft())
            self._run()

    def _start(self, frame: bytearray) -> None:
        try:
            context, result = self._dispatcher.begin(self._client, memoryview(frame))
            self._attend(context, result)
        except (DecodeError, CloseConnection) as error:
            self.give_up(str(error))
            return
        except Exception:  # the outermost frame of a request: a bug costs one connection
            logger.exception("a request of %s failed", self._client.client_host)
            self.give_up("internal error")
            return
        self._outbox.append(context)

    def _attend(self, context: RequestContext, result: HandlerResult) -> None:
        if self._client.sasl is not None and context.api_key in _SASL_APIS:
            self._limit_frames(self._client.sasl)
        if context.done:
            return
        if isinstance(result, PendingResponse):
            context.abandon = result.abandon
            context.overlaps = context.api_key == _PRODUCE
            result.when_settled(partial(self._deliver, context))
        elif isinstance(result, Awaitable):
            begun = asyncio.ensure_future(result)
            self._tasks.add(begun)
            begun.add_done_callback(lambda task: self._finish(context, task))
        else:
            context.response, context.done = result, True

    def _deliver(self, context: RequestContext, outcome: Any) -> None:
        context.abandon = None
        if isinstance(outcome, CloseConnection):
            if self._answers_planned and not self._closing:
                self._flush()  # what was done before is answered
            context.done = True
            self.give_up(str(outcome))
            return
        context.response, context.done = outcome, True
        if self._outbox and self._outbox[0] is context:
            if len(self._outbox) == 1:
                self._run()
            elif not self._answers_planned:
                # What follows is often stored with it: so they leave together.
                self._answers_planned = True
                asyncio.get_running_loop().call_soon(self._answer)

    def _answer(self) -> None:
        self._answers_planned = False
        self._run()

    def _finish(self, context: RequestContext, task: asyncio.Future[Any]) -> None:
        context.done = True
        self._tasks.discard(task)
        if task.cancelled():
            return
        failure = task.exception()
        if failure is None:
            context.response = task.result()
            self._run()
        elif isinstance(failure, CloseConnection):
            self.give_up(str(failure))
        else:
            logger.error("a request of %s failed", self._client.client_host, exc_info=failure)
            self.give_up("internal error")

    def _flush(self) -> None:
        buffers: list[Buffer] = []
        answered_bytes = 0
        while self._outbox and self._outbox[0].done:
            context = self._outbox.popleft()
            self.answered += 1
            answered_bytes += context.frame_bytes
            if context.throttle_ms:
                self._wait(context.throttle_ms)
            try:
                buffers += encode(context) if context.encoded is None else context.encoded
            except EncodeError:  # a bug costs one connection
                logger.exception("an answer to %s cannot be written", self._client.client_host)
                self.give_up("internal error")
                return
        if answered_bytes:
            self._hold(-answered_bytes)
        if len(buffers) == 1:
            self._transport.write(buffers[0])
        elif len(buffers) > 1 and sum(map(len, buffers)) < MOST_JOINED_BYTES:
            self._transport.write(b"".join(buffers))
        elif buffers and not self._transport.is_closing():
            # Python 3.12 and 3.13 watch a socket they have lost when told to write several buffers
            # (gh-136234); what gets the descriptor next then fails in its stead.
            self._transport.writelines(buffers)
            # Some versions of Python 3.12 and 3.13 tell nobody to pause after it: this looks anew.
            self._transport.set_write_buffer_limits()
        if self._writing_paused:
            self._backpressure.count_unread(self, self.unread_bytes)
        if self._client.close_after_answer and not self._outbox:
            self._inbox.clear()
            self.close()

    def _wait(self, throttle_ms: int) -> None:
        """Start nothing for so long; the answer that says so leaves at once (KIP-219)."""
        if self._throttle is not None:
            self._throttle.cancel()
        clock = self._backpressure.broker.clock
        self._throttle = clock.wait(throttle_ms / 1000, self._end_wait)

    def _end_wait(self) -> None:
        self._throttle = None
        self.is_active = True
        self._run()

    def _pace_reading(self) -> None:
        waiting = len(self._inbox) + len(self._outbox)
        holds_much = self._reader.large_bytes > 0 or self.held_bytes > SHARE_BYTES
        full = (
            self.held_bytes - self._admitted_bytes > MAX_WAITING_BYTES
            or waiting > MAX_WAITING_REQUESTS
            or self in self._backpressure.stalled
            or (holds_much and not self._may_hold())
        )
        if full and not self._reading_paused:
            self._transport.pause_reading()
        elif self._reading_paused and not full:
            self._transport.resume_reading()
        self._reading_paused = full

    def _may_hold(self) -> bool:
        """Whether there is memory for the large frame that is coming, or for more requests."""
        if self._admitted_bytes:
            return True  # once admitted, a frame is taken in to its end
        if not self._backpressure.admits(self):
            return False
        self._admitted_bytes = self._reader.large_bytes
        self._backpressure.hold(self, self._admitted_bytes)
        return True


def _certified(transport: asyncio.BaseTransport) -> str | None:
    from fakebus.kafka.tls import principal  # listeners without TLS need not load it

    return principal(transport.get_extra_info("peercert"))
