"""Calls that may wait for a cluster, which nobody has to wait for any longer than they want."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

Given = TypeVarTuple("Given")
Thing = TypeVar("Thing")
Result = TypeVar("Result")

_MOST_AT_ONCE = 8
"""Things that are asked about at the same time."""


async def answer_of(call: Callable[[*Given], Result], *given: *Given) -> Result:
    """Return what a call gives that asks a cluster, in a thread of its own.

    ``asyncio.to_thread`` is for what has to come to its end: the loop and the interpreter wait for
    its threads when they end, for half a minute where a broker has gone.

    Args:
        call: blocks until there is an answer; changes nothing that must not be left half done.
        given: its arguments.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Result] = loop.create_future()

    def settle(set_outcome: Callable[[Any], None], outcome: object) -> None:
        if not answer.done():
            set_outcome(outcome)

    def work() -> None:
        try:
            outcome: Any = call(*given)
            set_outcome: Callable[[Any], None] = answer.set_result
        except BaseException as error:  # noqa: BLE001 - it is for who waits
            outcome, set_outcome = error, answer.set_exception
        with suppress(RuntimeError):  # The loop has ended meanwhile.
            loop.call_soon_threadsafe(settle, set_outcome, outcome)

    threading.Thread(target=work, name="fakebus-asking", daemon=True).start()
    return await answer


async def answers_of(call: Callable[[Thing], Result], things: Iterable[Thing]) -> list[Result]:
    """Return what a call gives for each of some things, a few of them side by side."""
    turn = asyncio.Semaphore(_MOST_AT_ONCE)

    async def answer(thing: Thing) -> Result:
        async with turn:
            return await answer_of(call, thing)

    return await asyncio.gather(*map(answer, things))
