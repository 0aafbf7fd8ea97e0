"""One set of coroutines, offered twice: to synchronous code and to another event loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
W = TypeVar("W")


class Blocking(Generic[W]):
    """Calls a worker's coroutines in its own event loop and waits for them.

    Args:
        worker: whose coroutines are called.
        loop: the event loop that the worker belongs to, in another thread.
    """

    def __init__(self, worker: W, loop: asyncio.AbstractEventLoop) -> None:
        self._worker = worker
        self._loop = loop


class Awaiting(Generic[W]):
    """Calls a worker's coroutines in its own event loop and awaits them in another one.

    Args:
        worker: whose coroutines are called.
        loop: the event loop that the worker belongs to, in another thread.
    """

    def __init__(self, worker: W, loop: asyncio.AbstractEventLoop) -> None:
        self._worker = worker
        self._loop = loop


def blocking(
    work: Callable[Concatenate[W, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Blocking[W], P], T]:
    """Return a method that blocks until the worker's coroutine is done.

    Args:
        work: a coroutine method of the worker's class.
    """

    @functools.wraps(work)
    def call(self: Blocking[W], /, *args: P.args, **kwargs: P.kwargs) -> T:
        coroutine = work(self._worker, *args, **kwargs)
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    return call


def awaiting(
    work: Callable[Concatenate[W, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Awaiting[W], P], Coroutine[Any, Any, T]]:
    """Return a coroutine method that awaits the worker's coroutine.

    Args:
        work: a coroutine method of the worker's class.
    """

    @functools.wraps(work)
    async def call(self: Awaiting[W], /, *args: P.args, **kwargs: P.kwargs) -> T:
        coroutine = work(self._worker, *args, **kwargs)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    return call
