"""Share of HTTP requests in a turn of the event loop.

Dozens of requests that come at once, or wait for the same, would each take their few milliseconds
in one turn, and hold up every other client for as long as they take together.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

from fakebus.broker.turns import SLICE_S
from fakebus.real_time import monotonic

T = TypeVar("T")


class TurnShare:
    """Share that requests have in a turn of the event loop; when it is used up, others wait.

    A request is held up wherever it goes on after it has waited, for whatever that was. One step
    that takes longer has the turn to itself.

    Args:
        share_s: of a turn, for all requests together.
    """

    def __init__(self, share_s: float = SLICE_S) -> None:
        self._share_s = share_s
        self._left_s = share_s
        self._is_planned = False

    @types.coroutine
    def run(self, request: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
        """Carry out a request, and return what it returns."""
        error: BaseException | None = None
        try:
            while True:
                while self._left_s <= 0 and error is None:
                    try:
                        yield
                    except BaseException as thrown:  # noqa: BLE001 - it is told to the request
                        error = thrown
                before = self._begin()
                try:
                    waits_for = request.send(None) if error is None else request.throw(error)
                except StopIteration as end:
                    return end.value  # type: ignore[no-any-return]
                finally:
                    self._left_s -= monotonic() - before
                error = None
                try:
                    yield waits_for
                except BaseException as thrown:  # noqa: BLE001 - it is told to the request
                    error = thrown
        finally:
            request.close()

    def _begin(self) -> float:
        # Those that wait by now come behind this in the next turn.
        if not self._is_planned:
            self._is_planned = True
            asyncio.get_running_loop().call_soon(self._next_turn)
        return monotonic()

    def _next_turn(self) -> None:
        self._is_planned = False
        self._left_s = self._share_s
