"""One set of coroutines, offered twice: to synchronous code and to another event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from fakebus.errors import FakebusError
from fakebus.green_threads import green_threads

P = ParamSpec("P")
T = TypeVar("T")
W = TypeVar("W")

_STOOD_STILL = (
    "The event loop of the test stood still meanwhile, and all that runs in it: "
    "await the method of the same name in .aio instead."
)


class Calling(Generic[W]):
    """Hands a worker's coroutines to the event loop that the worker belongs to.

    Args:
        worker: whose coroutines are called.
        loop: the event loop that the worker belongs to, in another thread.
    """

    def __init__(self, worker: W, loop: asyncio.AbstractEventLoop) -> None:
        self._worker = worker
        self._loop = loop
        self._process_id = os.getpid()

    def _begin(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        __tracebackhide__ = True
        return begin(coroutine, self._loop, self._process_id)


def begin(
    coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop, process_id: int
) -> concurrent.futures.Future[T]:
    """Start a coroutine in an event loop of another thread.

    Args:
        coroutine: what is started.
        loop: where.
        process_id: the process that the loop's thread runs in.

    Raises:
        FakebusError: nobody would ever finish it.
    """
    __tracebackhide__ = True
    problem = _problem(loop, process_id)
    if problem is not None:
        coroutine.close()
        raise FakebusError(problem)
    return asyncio.run_coroutine_threadsafe(coroutine, loop)


def _problem(loop: asyncio.AbstractEventLoop, process_id: int) -> str | None:
    if os.getpid() != process_id:
        return (
            "the bus runs in the process that has forked this one: "
            "connect a client to its bootstrap_servers here"
        )
    if loop.is_closed():
        return "the bus has stopped"
    green = green_threads()
    if green is not None:
        return green
    if _running_loop() is loop:
        return (
            "this is called in the bus's own thread, which would wait for itself: "
            "a function that looks at an event must not use the bus"
        )
    return None


def blocking(
    work: Callable[Concatenate[W, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Calling[W], P], T]:
    """Return a method that blocks until the worker's coroutine is done.

    Args:
        work: a coroutine method of the worker's class.
    """

    @functools.wraps(work)
    def call(self: Calling[W], /, *args: P.args, **kwargs: P.kwargs) -> T:
        __tracebackhide__ = True
        future = self._begin(work(self._worker, *args, **kwargs))
        try:
            return future.result()
        except (AssertionError, FakebusError) as failure:
            if isinstance(failure, AssertionError) and _running_loop() is not None:
                failure.add_note(_STOOD_STILL)
            # Their texts say all; how they came about in here is nothing for a test's report.
            raise failure.with_traceback(None)  # noqa: B904 - it is the same exception
        finally:
            # Somebody may have interrupted the wait.
            future.cancel()

    return call


def awaiting(
    work: Callable[Concatenate[W, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Calling[W], P], Coroutine[Any, Any, T]]:
    """Return a coroutine method that awaits the worker's coroutine, in asyncio or in trio.

    Args:
        work: a coroutine method of the worker's class.
    """

    @functools.wraps(work)
    async def call(self: Calling[W], /, *args: P.args, **kwargs: P.kwargs) -> T:
        __tracebackhide__ = True
        try:
            return await _outcome(self._begin(work(self._worker, *args, **kwargs)))
        except (AssertionError, FakebusError) as failure:
            raise failure.with_traceback(None)  # noqa: B904 - as above

    return call


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def _outcome(future: concurrent.futures.Future[T]) -> T:
    if _running_loop() is not None:
        return await asyncio.wrap_future(future)
    # Whoever awaits without asyncio has imported trio.
    trio: Any = sys.modules["trio"]
    done, token = trio.Event(), trio.lowlevel.current_trio_token()

    def wake(_: concurrent.futures.Future[T]) -> None:
        with contextlib.suppress(trio.RunFinishedError):
            token.run_sync_soon(done.set)

    future.add_done_callback(wake)
    try:
        await done.wait()
    finally:
        future.cancel()
    return future.result()
