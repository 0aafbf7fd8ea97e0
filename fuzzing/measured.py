"""A bus whose event loop is measured: ``python -m fuzzing.measured FILE up ...``.

What one turn of the loop costs is the processor time of its thread, so that a machine which is busy
otherwise does not matter. FILE gets a line for each turn that took long, in milliseconds.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

LONG_TURN_S = 0.02


class MeasuredLoop(asyncio.SelectorEventLoop):
    """Event loop that knows what its costliest turn has cost.

    Args:
        on_long_turn: is told how many seconds each turn took that took long.
    """

    def __init__(self, on_long_turn: Callable[[float], None] | None = None) -> None:
        super().__init__()
        self.worst_s = 0.0
        self._on_long_turn = on_long_turn

    def _run_once(self) -> None:
        before = time.thread_time()
        super()._run_once()  # type: ignore[misc]
        took_s = time.thread_time() - before
        self.worst_s = max(self.worst_s, took_s)
        if took_s > LONG_TURN_S and self._on_long_turn is not None:
            self._on_long_turn(took_s)


def main() -> None:
    """Run the fakebus command in a measured loop."""
    from fakebus import __main__
    from fakebus.cli import up

    with Path(sys.argv.pop(1)).open("w", buffering=1) as file:

        def note(took_s: float) -> None:
            file.write(f"{took_s * 1000}\n")

        def run(coroutine: Coroutine[Any, Any, None]) -> None:
            with asyncio.Runner(loop_factory=lambda: MeasuredLoop(note)) as runner:
                runner.run(coroutine)

        up._event_loop_runner = lambda: run
        __main__.main()


if __name__ == "__main__":
    main()
