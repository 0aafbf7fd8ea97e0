"""Large answers in JSON are made as they are sent, and say so if they do not come to their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientPayloadError, ClientSession, web
from aiohttp.test_utils import TestServer
from yarl import URL

from fakebus.web.errors import json_errors
from fakebus.web.large_answers import json_answer


@asynccontextmanager
async def answering(data: object) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return await json_answer(request, data)

    # Without an end it would add an answer of its own to the half of one.
    application = web.Application(middlewares=[json_errors])
    application.router.add_get("/", answer)
    async with TestServer(application) as server:
        yield str(server.make_url("/"))


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        None,
        "text",
        {"a": [], "b": {}, "c": {"d": [1, {"e": [None]}]}},
        {"first": {0: "a", 1: {2: "b"}}},
        [{"a": "é\ud800"}, [[[1.5]]], True],
        {"many": [{"number": number, "inner": list(range(20))} for number in range(5000)]},
    ],
)
async def test_an_answer_is_the_same_json_whatever_its_size(data: object) -> None:
    async with answering(data) as url, ClientSession() as session, session.get(url) as answer:
        assert await answer.read() == json.dumps(data, separators=(",", ":")).encode()
        assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("size", [1, 1_000_000])
async def test_head_is_answered_with_a_head_and_then_comes_the_next_answer(size: int) -> None:
    async with answering(["x" * 100] * (size // 100)) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
        writer.write(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        writer.write(b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
    assert head.startswith(b"HTTP/1.1 200 ")
    assert rest.startswith(b"HTTP/1.1 404 ")


async def test_an_iterator_is_asked_only_as_far_as_its_client_reads() -> None:
    asked: list[int] = []

    def elements() -> Iterator[str]:
        for number in range(1000):
            asked.append(number)
            yield "x" * 100_000

    async with answering({"data": elements()}) as url, ClientSession() as session:
        async with session.get(url) as answer:
            await answer.content.readexactly(100_000)
    assert 0 < len(asked) < 1000


async def test_an_answer_that_fails_half_way_is_no_answer() -> None:
    def elements() -> Iterator[str]:
        yield "x" * 100_000
        raise ValueError("the second half")

    async with answering(elements()) as url, ClientSession() as session:
        with pytest.raises(ClientPayloadError):
            async with session.get(url) as answer:
                await answer.read()


async def test_a_source_that_cannot_be_reached_is_told_and_not_taken_for_a_client_that_went() -> (
    None
):
    def elements() -> Iterator[str]:
        yield "x"
        raise TimeoutError("no broker answers")

    async with answering(elements()) as url, ClientSession() as session:
        async with session.get(url) as answer:
            assert answer.status == 500
            assert "no broker answers" in await answer.text()
