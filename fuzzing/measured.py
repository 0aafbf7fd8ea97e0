"""A bus whose event loop is measured: ``python -m fuzzing.measured FILE up ...``.

What one turn of the loop costs is the processor time of its thread, so that a machine which is busy
otherwise does not matter. FILE gets a line for each turn that took long: milliseconds, the callback
that took most of them, and where a look at the loop from outside found it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from asyncio import events
from asyncio.format_helpers import _format_callback_source  # type: ignore[attr-defined]
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

LONG_TURN_S = 0.02
LongTurn = Callable[[float, str], None]


class MeasuredLoop(asyncio.SelectorEventLoop):
    """Event loop that knows what its costliest turn has cost.

    Args:
        on_long_turn: is told of each turn that took long: how many seconds, and of the callback
            that took most of them what it is and how long it took.
    """

    def __init__(self, on_long_turn: LongTurn | None = None) -> None:
        super().__init__()
        self.worst_s = 0.0
        self._on_long_turn = on_long_turn
        self._costliest_s, self._costliest = 0.0, ""
        self._thread = 0
        self._turn_since = 0.0
        self._found_at = ""

    def _run_once(self) -> None:
        self._costliest_s = 0.0
        self._found_at = ""
        before = time.thread_time()
        super()._run_once()  # type: ignore[misc]
        took_s = time.thread_time() - before
        self._turn_since = 0.0
        self.worst_s = max(self.worst_s, took_s)
        if took_s > LONG_TURN_S and self._on_long_turn is not None:
            took = f"{self._costliest_s * 1000:.0f} ms"
            self._on_long_turn(took_s, f"{self._costliest} ({took}) {self._found_at}")

    def look(self) -> None:
        """Keep where the loop is if it has been at its callbacks for long; from another thread."""
        since = self._turn_since
        if since and not self._found_at and time.monotonic() - since > 2 * LONG_TURN_S:
            frame = sys._current_frames().get(self._thread)
            calls = traceback.extract_stack(frame)[-9:]
            found = " < ".join(f"{Path(c.filename).stem}:{c.lineno} {c.name}" for c in calls[::-1])
            if since == self._turn_since:
                self._found_at = f"at {found}"

    def measure(self, handle: events.Handle, run: Callable[[events.Handle], None]) -> None:
        """Run a callback, and keep what it is if none of this turn has taken longer."""
        if not self._turn_since:
            self._thread, self._turn_since = threading.get_ident(), time.monotonic()
        before = time.thread_time()
        run(handle)
        took_s = time.thread_time() - before
        if took_s > self._costliest_s:
            self._costliest_s = took_s
            if took_s > LONG_TURN_S / 4:
                self._costliest = _name_of(handle)


def _name_of(handle: events.Handle) -> str:
    callback = handle._callback  # type: ignore[attr-defined]
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return f"task {getattr(owner.get_coro(), '__qualname__', owner.get_name())}"
    return str(_format_callback_source(callback, ()))


def look_again_and_again(loop: MeasuredLoop) -> None:
    while not loop.is_closed():
        time.sleep(LONG_TURN_S)
        loop.look()


def main() -> None:
    """Run the fakebus command in a measured loop."""
    from fakebus import __main__
    from fakebus.cli import up

    run_callback = events.Handle._run  # type: ignore[attr-defined]

    def measured(handle: events.Handle) -> None:
        loop = handle._loop  # type: ignore[attr-defined]
        if isinstance(loop, MeasuredLoop):
            loop.measure(handle, run_callback)
        else:
            run_callback(handle)

    events.Handle._run = measured  # type: ignore[attr-defined]
    with Path(sys.argv.pop(1)).open("w", buffering=1) as file:

        def note(took_s: float, name: str) -> None:
            file.write(f"{took_s * 1000:.1f} {name}\n")

        def run(coroutine: Coroutine[Any, Any, None]) -> None:
            loop = MeasuredLoop(note)
            threading.Thread(target=look_again_and_again, args=(loop,), daemon=True).start()
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(coroutine)

        up._event_loop_runner = lambda: run
        __main__.main()


if __name__ == "__main__":
    main()
