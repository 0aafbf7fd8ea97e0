"""The routes of both versions of the REST Proxy, and how their handlers are called."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING

from aiohttp import web

from fakebus.errors import FakebusError
from fakebus.servers import Bus
from fakebus.web.errors import RequestError
from fakebus.web.large_answers import answered
from fakebus.web.rest.errors import refusal
from fakebus.web.rest.media_types import PLAIN, TYPES, accepted_types, body_format, content_type
from fakebus.web.routing import Handler, RoomHandler, handler_in

if TYPE_CHECKING:
    from fakebus.web.rest.call import RestCall
    from fakebus.web.rest.consumers import Consumers
    from fakebus.web.rest.producing import Producing
    from fakebus.web.rest.v3.call import V3Call


class RestState:
    """State that both versions share: the consumers, and whose turn it is among partitions.

    Args:
        bus: what is served.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._shared: tuple[Consumers, Producing] | None = None

    async def call(self, request: web.Request) -> RestCall:
        """Return the call of a route of version 2."""
        await self._import()
        from fakebus.web.rest.call import RestCall

        return RestCall(self._bus, request, *self._get())

    async def v3_call(self, request: web.Request) -> V3Call:
        """Return the call of a route of version 3; RequestError 404 for another cluster."""
        await self._import()
        from fakebus.web.rest.v3.call import UNKNOWN_TOPIC, V3Call

        cluster_id = request.match_info.get("cluster", self._bus.broker.cluster_id)
        if cluster_id != self._bus.broker.cluster_id:
            raise RequestError(404, f"Cluster {cluster_id[:300]} cannot be found.")
        return V3Call(self._bus, request, *self._get(), UNKNOWN_TOPIC, 404)

    async def _import(self) -> None:
        if self._shared is None:
            # It takes long, and others are served meanwhile.
            for name in ("consumers", "producing", "v3.call"):
                await asyncio.to_thread(import_module, f"fakebus.web.rest.{name}")

    def _get(self) -> tuple[Consumers, Producing]:
        # What few clients ask for need not delay the start.
        from fakebus.web.rest.consumers import Consumers
        from fakebus.web.rest.producing import Producing

        if self._shared is None:
            self._shared = Consumers(self._bus.broker), Producing(self._bus.broker)
        return self._shared

    async def close(self) -> None:
        """Let all consumers go."""
        if self._shared is not None:
            await self._shared[0].close()


class RestRoom:
    """Room of version 2.

    Args:
        state: what it shares with version 3.
    """

    prefix = ""
    takes_trailing_slash = True
    content_types = TYPES
    general_errors = (401, 404, 406, 421)

    def __init__(self, state: RestState) -> None:
        self._state = state
        self.close = state.close

    def handler(self, name: str) -> RoomHandler:
        """Return the handler that the table names."""
        return handler_in("fakebus.web.rest.v2", name)

    def serve(self, handler: RoomHandler) -> Handler:
        """Return the handler as aiohttp calls it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                accepted = accepted_types(request.headers.get("Accept", ""))
                if request.can_read_body:
                    body_format(content_type(request))
                found = await handler(await self._state.call(request))
            except FakebusError as error:
                raise _labelled(refusal(error), PLAIN) from None
            except RequestError as error:
                raise _labelled(error, PLAIN) from None
            return await answered(request, found, accepted[0].media_type)

        return answer


class StreamsRoom:
    """Room of records as streams, which only a fakebus has.

    Args:
        state: what it shares with the REST Proxy.
    """

    prefix = ""
    takes_trailing_slash = False
    content_types = ("application/json", "application/x-ndjson", "application/msgpack")
    general_errors = (400, 401, 404, 421)

    def __init__(self, state: RestState) -> None:
        self._state = state

    def handler(self, name: str) -> RoomHandler:
        """Return the handler that the table names."""
        return handler_in("fakebus.web.rest.streams", name)

    def serve(self, handler: RoomHandler) -> Handler:
        """Return the handler as aiohttp calls it."""
        return _serving(self._state.call, handler)


class RestV3Room:
    """Room of version 3, which also stands where Confluent Server has it.

    Args:
        state: what it shares with version 2.
    """

    prefix = "/kafka"
    takes_trailing_slash = True
    content_types = ("application/json",)
    general_errors = (401, 404, 421)

    def __init__(self, state: RestState) -> None:
        self._state = state

    def handler(self, name: str) -> RoomHandler:
        """Return the handler that the table names."""
        return handler_in("fakebus.web.rest.v3", name)

    def serve(self, handler: RoomHandler) -> Handler:
        """Return the handler as aiohttp calls it."""
        return _serving(self._state.v3_call, handler)


def _serving(call: Callable[[web.Request], Awaitable[RestCall]], handler: RoomHandler) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            found = await handler(await call(request))
        except FakebusError as error:
            raise _labelled(refusal(error), "application/json") from None
        except RequestError as error:
            raise _labelled(error, "application/json") from None
        return await answered(request, found)

    return answer


def _labelled(error: RequestError, media_type: str) -> RequestError:
    error.content_type = media_type
    return error
