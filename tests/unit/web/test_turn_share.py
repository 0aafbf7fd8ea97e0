"""Requests that go on at once, and the turns of the event loop in which they do."""

from __future__ import annotations

import asyncio

import pytest

from fakebus.web.turn_share import TurnShare


async def test_of_requests_that_go_on_at_once_each_has_a_turn_if_its_step_uses_up_the_share() -> (
    None
):
    share, go_on, turn, steps = TurnShare(1e-9), asyncio.Event(), 0, list[int]()

    async def request() -> int:
        await go_on.wait()
        steps.append(turn)
        await asyncio.sleep(0)
        steps.append(turn)
        return len(steps)

    async def client() -> int:
        return await share.run(request())

    clients = asyncio.gather(*(client() for _ in range(5)))
    for _ in range(20):
        await asyncio.sleep(0)
    go_on.set()
    while len(steps) < 10:
        await asyncio.sleep(0)
        turn += 1
    assert sorted(await clients)[-1] == 10
    assert len(set(steps)) == 10


async def test_a_share_that_is_not_used_up_holds_up_nobody() -> None:
    share, go_on, turn, steps = TurnShare(60), asyncio.Event(), 0, list[int]()

    async def request() -> None:
        await go_on.wait()
        steps.append(turn)

    async def client() -> None:
        await share.run(request())

    clients = asyncio.gather(*(client() for _ in range(5)))
    await asyncio.sleep(0)
    go_on.set()
    while len(steps) < 5:
        await asyncio.sleep(0)
        turn += 1
    await clients
    assert len(set(steps)) == 1


async def test_a_request_that_is_held_up_can_be_cancelled() -> None:
    share, told = TurnShare(1e-9), list[str]()

    async def request() -> None:
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    async def client() -> None:
        await share.run(request())

    clients = [asyncio.create_task(client()) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for each in clients:
        each.cancel()
    outcomes = await asyncio.gather(*clients, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in outcomes)
    # Who had not begun has nothing to be told.
    assert told


async def test_what_a_request_raises_is_raised() -> None:
    async def request() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await TurnShare().run(request())
