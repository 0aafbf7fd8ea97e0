"""Work in threads: its result, its errors, its end."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from itertools import count

import pytest

from fakebus.registry import workers
from fakebus.registry.errors import RegistryError
from fakebus.registry.registry import Registry
from fakebus.registry.workers import THREADS, GivenUpError, Workers
from tests.unit.registry.test_registering import request
from tests.unit.registry.tiny_language import TinyLanguage


@pytest.fixture
async def pool() -> AsyncIterator[Workers]:
    pool = Workers()
    yield pool
    pool.close()
    for thread in busy_threads():
        thread.join(60)
    assert busy_threads() == []


def busy_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "fakebus-registry"]


def for_ever() -> None:
    for _ in count():
        json.loads("[1]")


async def test_work_gives_its_result_or_raises_its_error(pool: Workers) -> None:
    assert await pool.run(lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 / 0)


async def test_work_that_takes_too_long_is_given_up(
    pool: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "TIMEOUT_SECONDS", 0.05)
    with pytest.raises(GivenUpError):
        await pool.run(for_ever)
    assert await pool.run(lambda: 1) == 1


async def test_slow_work_makes_room_for_others(
    pool: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "TURN_SECONDS", 0.05)
    slow = [asyncio.ensure_future(pool.run(for_ever)) for _ in range(THREADS)]
    await asyncio.sleep(0)
    assert await asyncio.gather(*(pool.run(lambda: 1) for _ in range(3))) == [1, 1, 1]
    given_up = [task for task in slow if task.done()]
    assert 1 <= len(given_up) < THREADS
    assert isinstance(given_up[0].exception(), GivenUpError)
    pool.close()
    outcomes = await asyncio.gather(*slow, return_exceptions=True)
    assert {type(one) for one in outcomes} == {GivenUpError}


async def test_quick_work_waits_for_its_turn_and_nothing_is_given_up(pool: Workers) -> None:
    assert await asyncio.gather(*(pool.run(lambda: 1) for _ in range(50))) == [1] * 50


async def test_work_that_nobody_waits_for_any_more_ends(pool: Workers) -> None:
    task = asyncio.ensure_future(pool.run(for_ever))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_thread_ends_although_its_work_swallows_the_interruption(pool: Workers) -> None:
    started, swallowed = threading.Event(), threading.Event()

    def work() -> None:
        try:
            started.set()
            for_ever()
        except BaseException:  # noqa: BLE001 - as a library may do it
            swallowed.set()

    task = asyncio.ensure_future(pool.run(work))
    await asyncio.to_thread(started.wait)
    pool.close()
    with pytest.raises(GivenUpError):
        await task
    assert swallowed.wait(60)
    # The fixture sees to it that the thread has ended.


async def test_work_ends_although_it_goes_on_after_its_interruption(
    pool: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "REPEAT_SECONDS", 0.01)
    started = threading.Event()

    def work() -> None:
        try:
            started.set()
            for_ever()
        except BaseException:  # noqa: BLE001 - as what is raised in a finalizer is swallowed
            for_ever()

    task = asyncio.ensure_future(pool.run(work))
    await asyncio.to_thread(started.wait)
    pool.close()
    with pytest.raises(GivenUpError):
        await task
    # The fixture sees to it that the thread has ended.


async def test_an_interruption_that_comes_too_late_hits_nothing(
    pool: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    unhandled: list[object] = []
    monkeypatch.setattr(threading, "excepthook", unhandled.append)
    for _ in range(20):
        started, may_end = threading.Event(), threading.Event()

        def work(started: threading.Event = started, may_end: threading.Event = may_end) -> None:
            started.set()
            may_end.wait()

        task = asyncio.ensure_future(pool.run(work))
        await asyncio.to_thread(started.wait)
        [thread] = busy_threads()
        pool.close()
        may_end.set()
        thread.join(60)
        with pytest.raises(GivenUpError):
            await task
    assert unhandled == []


async def test_threads_that_wait_elsewhere_leave_no_mark_that_stops_a_profiler(
    pool: Workers,
) -> None:
    started, may_end = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        may_end.wait()

    task = asyncio.ensure_future(pool.run(work))
    await asyncio.to_thread(started.wait)
    pool.close()
    for is_over in (False, True):
        if is_over:
            may_end.set()
            with pytest.raises(GivenUpError):
                await task
        calls: list[str] = []
        sys.setprofile(lambda frame, event, _, calls=calls: calls.append(event))
        try:
            # Under a mark that stays, Python 3.11 never comes back from a call.
            busy_threads()
        finally:
            sys.setprofile(None)
        assert calls


_TRACED = """
import asyncio, sys, threading
from fakebus.registry.workers import GivenUpError, Workers

def trace(frame, event, argument):
    return trace

async def main():
    pool, started, may_end = Workers(), threading.Event(), threading.Event()

    def work():
        started.set()
        may_end.wait()

    threading.settrace(trace)
    sys.settrace(trace)
    task = asyncio.ensure_future(pool.run(work))
    await asyncio.to_thread(started.wait)
    pool.close()
    may_end.set()
    try:
        await task
    except GivenUpError:
        print("given up", sys.gettrace() is trace)

asyncio.run(main())
"""


def test_a_thread_that_waits_is_given_up_under_coverage_and_debuggers_too() -> None:
    # In a process of its own, as Python 3.11 would not even begin a handler of a signal.
    command = [sys.executable, "-c", _TRACED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "given up True\n"


async def test_slow_schemas_hold_up_no_other_subject(
    registry: Registry, languages: dict[str, TinyLanguage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "TURN_SECONDS", 0.05)
    large = '{"a":"' + "x" * 100_000 + '"}'
    started = threading.Semaphore(0)

    def work() -> None:
        started.release()
        for_ever()

    languages["AVRO"].before_large = work
    slow = [
        asyncio.ensure_future(registry.register(f"slow{number}", request(large)))
        for number in range(THREADS)
    ]
    for _ in slow:
        await asyncio.to_thread(started.acquire)
    for subject, text in (("large", large), ("small", "{}")):
        found = await registry.register(subject, request(text, schema_type="JSON"))
        assert found.version == 1
    await registry.close()
    for outcome in await asyncio.gather(*slow, return_exceptions=True):
        assert isinstance(outcome, RegistryError)
        assert outcome.error_code == 50002


async def test_a_registration_is_thought_over_when_its_subject_has_changed(
    registry: Registry, languages: dict[str, TinyLanguage]
) -> None:
    await registry.register("s", request('{"a":null}'))
    loop, reached = asyncio.get_running_loop(), asyncio.Event()
    may_go_on = threading.Event()

    def wait() -> None:
        loop.call_soon_threadsafe(reached.set)
        may_go_on.wait()

    languages["AVRO"].before_large = wait
    large = request('{"a":null,"b":"' + "x" * 100_000 + '"}')
    registering = asyncio.ensure_future(registry.register("s", large))
    await reached.wait()
    await registry.set_mode("s", "READONLY")
    may_go_on.set()
    with pytest.raises(RegistryError) as refused:
        await registering
    assert refused.value.error_code == 42205


def test_slow_schemas_delay_no_exit() -> None:
    script = """
import asyncio
from fakebus.registry.workers import Workers
async def main():
    pool = Workers()
    tasks = [asyncio.ensure_future(pool.run(lambda: [None for _ in iter(int, 1)])) for _ in "ab"]
    await asyncio.sleep(0.05)
    print("leaving", flush=True)
asyncio.run(main())
print("left", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["leaving", "left"]
    assert done.returncode == 0
