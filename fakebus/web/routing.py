"""The table of all routes, read from ``routes.txt``, and the rooms that answer them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from fakebus.web.errors import RequestError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
RoomHandler = Callable[[Any], Awaitable[object]]

_TABLE = Path(__file__).with_name("routes.txt")
_PART = re.compile(r"\{(\w+)\}")
_OURS = "/_fakebus/"
"""The beginning of the paths that only a fakebus has."""


class Room(Protocol):
    """Routes whose handlers are called alike."""

    def handler(self, name: str) -> RoomHandler:
        """Return the handler that the table names."""

    @property
    def prefix(self) -> str:
        """Where paths with an asterisk stand a second time."""

    @property
    def takes_trailing_slash(self) -> bool:
        """Whether its paths may end with a slash more."""

    @property
    def content_types(self) -> Sequence[str]:
        """What answers may be labelled as; the first is the default."""

    @property
    def general_errors(self) -> Sequence[int]:
        """What each of the routes may answer."""

    def serve(self, handler: RoomHandler) -> Handler:
        """Return the handler as aiohttp calls it."""


def handler_in(package: str, name: str) -> RoomHandler:
    """Return the handler ``module.function`` of a package; the module is imported for it."""
    module, _, function = name.partition(".")
    handler: RoomHandler = getattr(import_module(f"{package}.{module}"), function)
    return handler


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Line of the table: a method and a path, and what is said of them."""

    room: str
    method: str
    path: str
    everywhere: bool
    """Whether it also stands under the room's prefix."""
    handler: str
    body: str
    """The schema of the body; empty for none."""
    answer: str
    """The schema of the answer; empty for none."""
    status: str
    """Of the answer."""
    is_stream: bool
    """Whether server-sent events of that schema are the answer."""
    query: tuple[str, ...]
    errors: tuple[int, ...]

    def paths(self, prefix: str) -> tuple[str, ...]:
        """Return all the paths it stands under."""
        return (self.path, prefix + self.path) if self.everywhere else (self.path,)


@cache
def routes() -> tuple[Route, ...]:
    """Return the table."""
    return tuple(_parse(_TABLE.read_text(encoding="utf-8")))


def _parse(text: str) -> Iterator[Route]:
    room = ""
    for line in text.splitlines():
        if line.startswith("["):
            room = line.strip("[]")
        elif line and not line.startswith("#"):
            method, path, handler, *words = line.split()
            arrow = words.index("->")
            answer, *marked = words[arrow + 1 :]
            answer, _, status = answer.partition("=")
            yield Route(
                room=room,
                method=method,
                path=path.removeprefix("*"),
                everywhere=path.startswith("*"),
                handler=handler,
                body="".join(words[:arrow]),
                answer=answer.removeprefix("-").removesuffix("*"),
                status=status or ("204" if answer == "-" else "200"),
                is_stream=answer.endswith("*"),
                query=tuple(word[1:] for word in marked if word.startswith("?")),
                errors=tuple(int(word[1:]) for word in marked if word.startswith("!")),
            )


def web_routes(rooms: Mapping[str, Room]) -> list[web.RouteDef]:
    """Return the whole table for an aiohttp application.

    Args:
        rooms: by name.
    """
    defined = []
    for route in routes():
        room = rooms[route.room]
        serve = room.serve(_when_asked(room, route.handler))
        if route.path.startswith(_OURS):
            serve = _refusing_unknown_parameters(route, serve)
        paths = route.paths(room.prefix)
        if room.takes_trailing_slash:
            paths += tuple(f"{path}/" for path in paths)
        for path in paths:
            # aiohttp's own pattern for a part of a path takes no braces, which subjects may have.
            pattern = _PART.sub(r"{\1:[^/]+}", path)
            defined.append(web.route(route.method, pattern, serve))
    return defined


def _refusing_unknown_parameters(route: Route, serve: Handler) -> Handler:
    """Return a handler that refuses parameters which its route does not name, with 400.

    Confluent's servers pass them over, so its routes do that here too.
    """
    takes = f"takes {', '.join(route.query)}" if route.query else "takes none"
    hint = "; an & within a value is written %26"

    async def answer(request: web.Request) -> web.StreamResponse:
        for name in request.query:
            if name not in route.query:
                told = (
                    f"{name[:80]!r} is no parameter of {route.method} {route.path}, which {takes}"
                )
                raise RequestError(400, told + hint * bool(route.query))
        return await serve(request)

    return answer


def _when_asked(room: Room, name: str) -> RoomHandler:
    """Return a handler that is imported when it is first called, so that a start need not wait."""
    handler: RoomHandler | None = None

    async def answer(call: Any) -> object:
        nonlocal handler
        if handler is None:
            # Some import much; other clients are served meanwhile.
            handler = await asyncio.to_thread(room.handler, name)
        return await handler(call)

    return answer
