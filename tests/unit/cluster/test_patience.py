"""Calls that nobody waits for any longer than they want."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from fakebus.cluster.patience import answer_of, answers_of


async def test_what_a_call_gives_is_returned() -> None:
    assert await answer_of(divmod, 7, 3) == (2, 1)
    assert await answers_of(abs, range(-20, 0)) == list(range(20, 0, -1))


async def test_what_a_call_raises_is_raised() -> None:
    with pytest.raises(KeyError, match="'a'"):
        await answer_of({}.__getitem__, "a")
    with pytest.raises(ZeroDivisionError):
        await answers_of(lambda number: 1 // number, [1, 0])


async def test_few_are_asked_about_side_by_side() -> None:
    counted, most, under_way = threading.Lock(), 0, 0
    met = threading.Barrier(8)

    def ask(_: int) -> None:
        nonlocal most, under_way
        with counted:
            under_way += 1
            most = max(most, under_way)
        met.wait(60)
        with counted:
            under_way -= 1

    await answers_of(ask, range(32))
    assert most == 8


async def test_an_answer_that_comes_late_is_for_nobody() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def late() -> None:
        go_on.wait(60)
        ended.set()

    asked = asyncio.ensure_future(answer_of(late))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    go_on.set()
    assert await asyncio.to_thread(ended.wait, 60)


def test_a_call_that_waits_for_ever_keeps_no_process() -> None:
    program = (
        "import asyncio, threading\n"
        "from fakebus.cluster.patience import answer_of\n"
        "async def leave():\n"
        "    try:\n"
        "        await asyncio.wait_for(answer_of(threading.Event().wait), 0.1)\n"
        "    except TimeoutError:\n"
        "        print('left')\n"
        "asyncio.run(leave())\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], stdout=-1, timeout=60, check=True)
    assert ran.stdout == b"left\n"
