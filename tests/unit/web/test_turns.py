"""Requests that come at once, and the turns of the event loop in which they begin."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from fakebus.web.application import in_turn


async def test_of_requests_that_come_at_once_one_begins_in_a_turn() -> None:
    gate, turn = cast(Any, in_turn()), 0
    begun: list[int] = []

    async def handler(_: object) -> None:
        begun.append(turn)

    requests = asyncio.gather(*(gate(None, handler) for _ in range(5)))
    while len(begun) < 5:
        await asyncio.sleep(0)
        turn += 1
    await requests
    assert len(set(begun)) == 5
