"""Effects of faults on requests by HTTP: an error, a late answer, or a lost connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Middleware

from fakebus.broker.broker import Broker
from fakebus.broker.fault import HTTP, Api, Delay, Disconnect, Fail
from fakebus.clock import keep_waiting
from fakebus.web.console.addresses import PREFIX
from fakebus.web.errors import STORE_ERROR, error_response
from fakebus.web.routing import routes

_SWITCHES = (PREFIX, "/_fakebus/")
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def fault_effects(broker: Broker) -> Middleware:
    """Return what carries requests out, or does what a fault makes of them."""
    faults = broker.faults
    served = (route for route in routes() if not route.path.startswith(_SWITCHES))
    faults.serve(HTTP, (f"{route.method} {route.path}" for route in served))

    @web.middleware
    async def carry_out(request: web.Request, handler: _Handler) -> web.StreamResponse:
        # What takes faults away has to be there while they are on.
        if not faults.active or request.path.startswith(_SWITCHES):
            return await handler(request)
        resource = request.match_info.route.resource
        path = request.path if resource is None else resource.canonical
        path = path.rstrip("/") or "/"

        def names() -> set[str]:
            return set(request.match_info.values())

        client_id = request.headers.get("User-Agent", "")
        effect = faults.find(Api(HTTP, f"{request.method} {path}"), client_id, names, names)
        if isinstance(effect, Fail):
            text = f"{effect.error.name}: {effect.error.text}"
            code = (
                STORE_ERROR if effect.status == HTTPStatus.INTERNAL_SERVER_ERROR else effect.status
            )
            return error_response(effect.status, code, text)
        if effect == Disconnect(before=True):
            return _disconnected(request)
        answer = await handler(request)
        if isinstance(effect, Disconnect):
            return _disconnected(request)
        if isinstance(effect, Delay):
            await keep_waiting(broker.clock, effect.seconds)
        return answer

    return carry_out


def _disconnected(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
