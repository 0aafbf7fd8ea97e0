"""A line that says that long work goes on: on a terminal, after a second, and gone at the end.

It is written to standard error. What is printed meanwhile takes its place, see :func:`hidden`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fakebus.real_time import monotonic

PATIENCE_S = 1.0
_AGAIN_S = 0.2
_ERASE = "\r\x1b[K"
_lock = threading.RLock()
_shown: list[_Line] = []
"""The line that is on the terminal, if there is one."""


class _Line:
    """Line of progress, written anew by a thread as long as it is wanted."""

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._since = monotonic()
        self._counts = ""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)

    def start(self) -> None:
        """Begin to write it."""
        self._thread.start()

    def stop(self) -> None:
        """Take it away."""
        self._done.set()
        self._thread.join()

    def update(self, done: int, total: int) -> None:
        """Say how much of the work is done."""
        self._counts = f": {done:,} of {total:,}"

    def _draw(self) -> None:
        while not self._done.wait(PATIENCE_S if not self._is_late() else _AGAIN_S):
            with _lock:
                seconds = monotonic() - self._since
                _write(f"{_ERASE}{self._doing}{self._counts}, {seconds:.0f} s")

    def _is_late(self) -> bool:
        return monotonic() - self._since >= PATIENCE_S


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


@contextmanager
def working(doing: str) -> Iterator[None]:
    """Show a line while the block runs, if standard error is a terminal.

    Args:
        doing: what is done, as in ``seeding``.
    """
    if _shown or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    line = _Line(doing)
    _shown.append(line)
    line.start()
    try:
        yield
    finally:
        line.stop()
        with hidden():
            _shown.clear()


def counter() -> Callable[[int, int], None] | None:
    """Return what tells the line how much is done of how much; ``None`` if there is no line."""
    return _shown[0].update if _shown else None


@contextmanager
def hidden() -> Iterator[None]:
    """Keep the line away while the block prints."""
    if not _shown:
        yield
        return
    with _lock:
        _write(_ERASE)
        yield
