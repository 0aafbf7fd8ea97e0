"""The bodies of requests: bounded in size, in time, and all of them together."""

from __future__ import annotations

import asyncio

from aiohttp import web

from fakebus.memory_budget import MemoryBudget
from fakebus.web.errors import RequestError

MAX_BODY_BYTES = 16 * 1024 * 1024
BODY_TIMEOUT_S = 30.0
MOST_VALUES = 1_000_000
"""Of JSON that is read at once: a tenth of a second, in which no other client is served."""
_budget = MemoryBudget(256 * 1024 * 1024)
"""What is being received, over all connections."""


def demand_few_values(body: bytes) -> None:
    """Accept JSON that is read in no time.

    Raises:
        RequestError: 413, it has too many values, or that many signs as stand between them.
    """
    if len(body) > MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise RequestError(413, f"the body has more than {MOST_VALUES} values")


def demand_plain(request: web.Request) -> None:
    """Accept a body that is sent as it is.

    Raises:
        RequestError: 415, it is compressed.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RequestError(415, "the body is compressed; send it without Content-Encoding")


async def read_body(request: web.Request) -> bytes:
    """Return a request's whole body.

    Raises:
        RequestError: 400 if it ends early, 408 if it comes too slowly, 413 if it is too large,
            415 if it is compressed, 503 if too many others are being received.
    """
    demand_plain(request)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                body += chunk
                _budget.used += len(chunk)
                if len(body) > MAX_BODY_BYTES:
                    raise RequestError(413, f"the body has more than {MAX_BODY_BYTES} bytes")
                if _budget.exceeded:
                    raise RequestError(503, "too many large bodies come at once; try again")
    except TimeoutError:
        raise RequestError(408, f"the body did not come within {BODY_TIMEOUT_S:g} s") from None
    except (ConnectionError, web.RequestPayloadError):
        raise RequestError(400, "the body ends early") from None
    finally:
        _budget.used -= len(body)
    return bytes(body)
