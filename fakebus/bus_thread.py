"""An event loop in a thread of its own, for synchronous code that runs a bus."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from fakebus.green_threads import demand_real_threads

Service = TypeVar("Service", bound=AbstractAsyncContextManager[Any])


class BusThread(Generic[Service]):
    """Thread whose event loop runs one bus.

    Args:
        bus: the bus to run; entered and left in the thread.
    """

    def __init__(self, bus: Service) -> None:
        self.bus = bus
        self.loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fakebus", daemon=True)

    def __enter__(self) -> Self:
        """Start the bus; raises what starting it raised."""
        demand_real_threads()
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the bus and the thread."""
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # noqa: BLE001 - handed to the thread that waits
            self._failure = failure
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self.bus:
            self._started.set()
            await self._stop.wait()
