"""What a handler of an admin route is called with."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from fakebus.servers import Bus
from fakebus.web.body import demand_few_values, read_body
from fakebus.web.errors import RequestError
from fakebus.wording import json_mistake

_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no", "")


@dataclass(frozen=True, slots=True)
class AdminCall:
    """Call of an admin route."""

    bus: Bus
    request: web.Request

    def path(self, name: str) -> str:
        """Return a part of the path."""
        return self.request.match_info[name]

    def is_abandoned(self) -> bool:
        """Return whether nobody waits for the answer any more."""
        transport = self.request.transport
        return transport is None or transport.is_closing()

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter of the query; the last one where it is given several times."""
        return self.request.query.getall(name, [default])[-1]

    def number(self, name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
        """Return a parameter of the query that is a whole number.

        Raises:
            RequestError: 400, it is none, smaller than ``least``, or larger than ``most``.
        """
        text = self.text(name)
        try:
            # More digits are no number of anything, and take long to read.
            value = int(text[:20]) if text else default
        except ValueError:
            raise RequestError(400, f"{name} is a whole number, not {text[:80]!r}") from None
        if value < least:
            raise RequestError(400, f"{name} is at least {least}, not {value}")
        if most is not None and value > most:
            raise RequestError(400, f"{name} is at most {most}, not {value}")
        return value

    def flag(self, name: str) -> bool:
        """Return a parameter that is true or false; RequestError 400 if it is neither."""
        text = self.text(name).lower()
        if text not in (*_TRUE, *_FALSE):
            raise RequestError(400, f"{name} is true or false, not {text[:80]!r}")
        return text in _TRUE

    async def fields(self, known: Collection[str]) -> dict[str, Any]:
        """Return the body, which has no field but those known.

        Raises:
            RequestError: 400 or 422, it is no JSON object, or has another field.
        """
        body = await self.body()
        for name in body:
            if name not in known:
                raise RequestError(422, f"{name[:80]!r} is none of {', '.join(known)}")
        return body

    async def body(self) -> dict[str, Any]:
        """Return the body, a JSON object; an empty one for none.

        Raises:
            RequestError: 400 or 422, it is none.
        """
        return self.parsed(await read_body(self.request))

    @staticmethod
    def parsed(raw: bytes) -> dict[str, Any]:
        """Return a body that was read; see :meth:`body`."""
        demand_few_values(raw)
        try:
            data = json.loads(raw) if raw.strip() else {}
        except (ValueError, RecursionError) as error:
            raise RequestError(400, f"the body is not JSON: {json_mistake(error)[:200]}") from None
        if not isinstance(data, dict):
            raise RequestError(422, "the body is a JSON object")
        return data
