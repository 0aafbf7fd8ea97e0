"""Threads for work that may take long, and the means to end it.

What is done there is Python code over texts of strangers: parsing and comparing schemas. Nobody
can tell beforehand how long a text takes, so the work is given up from outside: an exception is
raised in its thread, which holds nothing but what belongs to it. Work that has had its turn is
given up early if others wait, so that slow schemas never keep quick ones from being looked at.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar, cast

THREADS = 4
"""More would take the event loop's turns: each may run for 5 ms before it gives way."""
TURN_SECONDS = 1.0
"""How long work may run while others wait for a thread."""
TIMEOUT_SECONDS = 10.0
REPEAT_SECONDS = 1.0
"""How long work that is given up may go on before it is interrupted again."""

Result = TypeVar("Result")


class GivenUpError(Exception):
    """Work that took too long."""


class _Interruption(BaseException):
    """Raised in a thread; no handler of errors in between catches it."""


class Workers:
    """Pool of threads."""

    def __init__(self) -> None:
        self._jobs: set[_Job[Any]] = set()

    def close(self) -> None:
        """Give up all work."""
        for job in tuple(self._jobs):
            job.give_up()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return the result of work that needs nothing but time.

        Raises:
            GivenUpError: it took too long, or the threads are wanted for others.
        """
        await self._wait_for_turn()
        job = _Job(work)
        self._jobs.add(job)
        try:
            done, _ = await asyncio.wait((job.outcome,), timeout=TIMEOUT_SECONDS)
            if not done:
                raise GivenUpError
            return job.outcome.result()
        finally:
            self._jobs.discard(job)
            job.give_up()

    async def _wait_for_turn(self) -> None:
        while len(self._jobs) >= THREADS:
            oldest = min(self._jobs, key=lambda job: job.started)
            rest = oldest.started + TURN_SECONDS - asyncio.get_running_loop().time()
            if rest <= 0:
                self._jobs.discard(oldest)
                oldest.give_up()
            else:
                outcomes = [job.outcome for job in self._jobs]
                await asyncio.wait(outcomes, timeout=rest, return_when=asyncio.FIRST_COMPLETED)


class _Job(Generic[Result]):
    """Work in a thread of its own."""

    def __init__(self, work: Callable[[], Result]) -> None:
        loop = asyncio.get_running_loop()
        self.started = loop.time()
        self._future: Future[Result] = Future()
        self.outcome = asyncio.wrap_future(self._future)
        # Of work that is given up nobody may be left to ask for the outcome.
        self.outcome.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._work = work
        self._lock = threading.Lock()
        self._is_over = self._is_given_up = self._has_ended = False
        # A daemon: what cannot be interrupted, such as waiting for protoc, delays no exit.
        self._thread = threading.Thread(target=self._run, name="fakebus-registry", daemon=True)
        self._thread.start()

    def give_up(self) -> None:
        """Let the work end without a result, if it has none yet."""
        with self._lock:
            if self._is_over:
                return
            self._is_over = self._is_given_up = True
            _interrupt(self._thread)
        self._future.set_exception(GivenUpError())
        threading.Thread(target=self._insist, name="fakebus-interrupting", daemon=True).start()

    def _insist(self) -> None:
        # Python only prints what is raised in a finalizer or in a callback of the collector, and
        # libraries swallow more: the work would go on and take a core until the process ends.
        while True:
            self._thread.join(REPEAT_SECONDS)
            with self._lock:
                if self._has_ended or not self._thread.is_alive():
                    return
                _interrupt(self._thread)

    def _run(self) -> None:
        try:
            self._work_off()
        except _Interruption:
            pass
        is_clear = False
        while not is_clear:
            try:
                with self._lock:
                    self._has_ended = True
                is_clear = True
                if self._is_given_up:
                    # What is still to come must not when nothing catches it any more.
                    _interrupt(self._thread)
            except _Interruption:
                pass

    def _work_off(self) -> None:
        try:
            try:
                result, error = self._work(), None
            except Exception as found:  # noqa: BLE001 - it is raised where the result is awaited
                result, error = None, found
            with self._lock:
                if self._is_over:
                    return
                self._is_over = True
        except _Interruption:
            return
        if error is None:
            self._future.set_result(cast(Result, result))
        else:
            self._future.set_exception(error)


def _interrupt(thread: threading.Thread) -> None:
    """Let an exception be raised in a thread, the next time that it has to give way.

    In this one, it is raised and caught at once.
    """
    # Seldom needed, and a megabyte of every start.
    import ctypes

    raise_in, error = ctypes.pythonapi.PyThreadState_SetAsyncExc, ctypes.py_object(_Interruption)
    that, this = (ctypes.c_ulong(each or 0) for each in (thread.ident, threading.get_ident()))
    try:
        # Until 3.12 one mark tells all threads that there is something to raise, and only raising
        # takes it away. While the other thread waits outside of Python, each function that is
        # called would look for something that is not there, and under coverage, a profiler or a
        # debugger never begin. So the mark is taken away here, and no function called before.
        raise_in(that, error)
        raise_in(this, error)
        while True:
            pass
    except _Interruption:
        pass
