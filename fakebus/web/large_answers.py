"""Answers that may be large, sent in parts: none keeps the event loop for long, or the memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from json import JSONEncoder
from typing import Any

from aiohttp import web

from fakebus.broker.turns import in_turns
from fakebus.web.compact_json import ENCODER
from fakebus.web.errors import ClientGoneError
from fakebus.web.sending import PIECE_BYTES, send

_LEVELS = 2
"""How deep an answer is taken apart; what is deeper is encoded at once."""


async def json_answer(
    request: web.Request,
    data: object,
    *,
    status: int = 200,
    content_type: str = "application/json",
    encoder: JSONEncoder = ENCODER,
) -> web.StreamResponse:
    """Return the answer to a request, which is sent already if it is large.

    Args:
        request: what is answered.
        data: the answer; iterators in it stand for lists, and are asked only as far as it is sent.
        status: of the answer.
        content_type: of the answer.
        encoder: makes JSON of it.
    """
    headers = {"Content-Type": content_type}
    pieces = (piece.encode() async for piece in in_turns(_pieces(data, encoder, _LEVELS)))
    return await answer_in_parts(request, pieces, headers, status=status)


async def answer_in_parts(
    request: web.Request,
    pieces: AsyncIterator[bytes],
    headers: Mapping[str, str],
    *,
    status: int = 200,
) -> web.StreamResponse:
    """Return the answer to a request, of which nothing is kept that was sent.

    Args:
        request: what is answered.
        pieces: of the body, which are asked only as far as it is sent.
        headers: of the answer.
        status: of the answer.
    """
    response = web.StreamResponse(status=status, headers=headers)
    part = bytearray()
    try:
        async for piece in pieces:
            part += piece
            if len(part) >= PIECE_BYTES:
                await send(request, response, bytes(part))
                part.clear()
                if request.method == "HEAD":
                    return response
        if not response.prepared:
            return web.Response(body=bytes(part), status=status, headers=headers)
        await send(request, response, bytes(part))
    except ClientGoneError:
        _end(request)
    except BaseException:
        if response.prepared:
            # Nobody is to take the half of an answer for the whole.
            _end(request)
        raise
    return response


async def answered(
    request: web.Request, found: object, content_type: str = "application/json"
) -> web.StreamResponse:
    """Return what a handler has found as the answer to a request, unless it is one already."""
    if isinstance(found, web.StreamResponse):
        return found
    return await json_answer(request, found, content_type=content_type)


def _end(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _pieces(data: Any, encoder: JSONEncoder, levels: int) -> Iterator[str]:
    if levels and isinstance(data, Mapping):
        yield "{"
        for number, (name, value) in enumerate(data.items()):
            between = encoder.item_separator if number else ""
            yield f"{between}{encoder.encode(str(name))}{encoder.key_separator}"
            yield from _pieces(value, encoder, levels - 1)
        yield "}"
    elif isinstance(data, Iterator) or (levels and isinstance(data, list | tuple)):
        yield "["
        for number, each in enumerate(data):
            if number:
                yield encoder.item_separator
            yield from _pieces(each, encoder, max(levels - 1, 0))
        yield "]"
    else:
        yield encoder.encode(data)
