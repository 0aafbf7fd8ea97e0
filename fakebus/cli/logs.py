"""Log lines for people or, as JSON, for machines; always on standard error."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

from fakebus.cli.progress import hidden
from fakebus.escaping import printable, printable_json, shortened

_ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class TextFormatter(logging.Formatter):
    """Formatter for people: a line for each entry, and indented what follows it.

    A line that begins in the first column was therefore written by the bus, whatever names
    clients have.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the first line."""
        return printable(shortened(super().formatMessage(record)))

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802
        """Return the lines of a traceback."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        """Return the lines of a stack."""
        return _indented(stack_info)


def _indented(text: str) -> str:
    return "\n".join(f"  {printable(line)}" for line in text.split("\n"))


class JsonFormatter(logging.Formatter):
    """Formatter for programs: one JSON object a line, with the exception if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": shortened(record.getMessage()),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return printable_json(json.dumps(entry, ensure_ascii=False))


class _Handler(logging.StreamHandler[TextIO]):
    """Handler that keeps the line of progress out of the log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        with hidden():
            super().emit(record)


def configure_logging(level: str, log_format: str) -> None:
    """Send the log to standard error.

    Args:
        level: the least severe level that is shown: debug, info, warning or error.
        log_format: ``text`` or ``json``.
    """
    handler = _Handler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # A debug log of every database statement is of no help.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
