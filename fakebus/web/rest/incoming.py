"""Records in a body that is read while more of it comes, for hours if need be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from aiohttp import web

from fakebus.web.errors import RequestError

IDLE_S = 300.0
"""How long nothing may come."""


class ObjectStream(Protocol):
    """Reader of objects, one behind the other."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes, none are the end; ValueError if they cannot be read."""

    def take(self) -> Sequence[Mapping[str, Any]]:
        """Return the objects that are complete; ValueError if something else comes."""


async def incoming(
    request: web.Request, stream: ObjectStream, what: str
) -> AsyncGenerator[Sequence[Mapping[str, Any]] | RequestError]:
    """Yield the objects that have come, some at a time, and at last what is wrong with the rest.

    Args:
        request: whose body is read.
        stream: finds the objects in it.
        what: the body should be a stream of, for the message.
    """
    try:
        while True:
            async with asyncio.timeout(IDLE_S):
                data = await request.content.readany()
            stream.feed(data)
            while found := stream.take():
                yield found
            if not data:
                return
    except (ConnectionError, web.RequestPayloadError):
        yield RequestError(400, "the body ends early")
    except TimeoutError:
        yield RequestError(408, f"nothing came for {IDLE_S:g} s")
    except ValueError as error:
        yield RequestError(400, f"the body is no stream of {what}: {str(error)[:200]}")
