"""Log lines that clients cause, so many a minute and no more."""

from __future__ import annotations

import logging

from fakebus.real_time import monotonic

LINES_A_MINUTE = 10
_MINUTE_S = 60.0


class LimitedLog:
    """Log lines of one kind; those beyond the limit are counted, and the count is told.

    A client that sends rubbish in a loop must neither fill the disk nor hide other lines.

    Args:
        logger: where the lines go.
        lines_a_minute: how many of them.
    """

    def __init__(self, logger: logging.Logger, lines_a_minute: int = LINES_A_MINUTE) -> None:
        self._logger = logger
        self._limit = lines_a_minute
        self.forget()

    def forget(self) -> None:
        """Begin a new minute, and do not tell how many lines the last one left out."""
        self._minute_began, self._lines = monotonic(), 0

    def log(self, level: int, message: str, *arguments: object) -> None:
        """Write a line unless there were too many in this minute."""
        now = monotonic()
        if now - self._minute_began >= _MINUTE_S:
            left_out = self._lines - self._limit
            if left_out > 0:
                self._logger.log(level, "%d more lines like these were left out", left_out)
            self._minute_began, self._lines = now, 0
        self._lines += 1
        if self._lines <= self._limit:
            self._logger.log(level, message, *arguments)

    def warning(self, message: str, *arguments: object) -> None:
        """Write a warning, within the limit."""
        self.log(logging.WARNING, message, *arguments)
