"""A progress bar that appears when seeding takes longer than a second, on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from fakebus.app import Progress

PATIENCE_S = 1.0


class SeedProgress:
    """Progress of seeding, as a callback while the block runs; ``None`` without a terminal."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID

    def __enter__(self) -> Progress | None:
        """Return the callback."""
        return self._update if sys.stderr.isatty() else None

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def _update(self, done: int, total: int) -> None:
        if self._bar is None:
            if done >= total or time.monotonic() - self._since < PATIENCE_S:
                return
            self._bar = self._show(total)
        self._bar.update(self._task, completed=done, total=total)

    def _show(self, total: int) -> Bar:
        # rich is slow to import and seldom needed.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("seeding"), BarColumn(), MofNCompleteColumn())
        bar = Bar(*columns, console=Console(stderr=True), transient=True)
        bar.start()
        self._task = bar.add_task("seeding", total=total)
        return bar
