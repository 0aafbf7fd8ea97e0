"""Log lines for people or, as JSON, for machines; always on standard error."""

from __future__ import annotations

import json
import logging
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

from fakebus.cli.progress import hidden
from fakebus.escaping import printable, printable_json, shortened

_ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


logger = logging.getLogger("fakebus")


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

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Write which message could not be, in the form of all others."""
        told = logging.makeLogRecord(
            {
                "name": record.name,
                "levelno": record.levelno,
                "levelname": record.levelname,
                "msg": "a message could not be told: %.300r",
                "args": (record.msg,),
                "exc_info": sys.exc_info(),
            }
        )
        # Where there is no standard error any more, nobody is left to be told.
        with suppress(OSError, ValueError):
            self.stream.write(self.format(told) + self.terminator)


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
    # What Python itself writes there is to be of the same form.
    logging.captureWarnings(True)
    sys.excepthook = _failed
    threading.excepthook = _thread_failed
    sys.unraisablehook = _nobody_caught
    # A debug log of every database statement is of no help.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)


def _failed(_: type[BaseException], error: BaseException, _place: TracebackType | None) -> None:
    logger.critical("fakebus has failed", exc_info=error)


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_type is not SystemExit:
        name = "a thread" if failure.thread is None else failure.thread.name
        logger.error("%s has ended", name, exc_info=failure.exc_value)


def _nobody_caught(failure: sys.UnraisableHookArgs) -> None:
    what = failure.err_msg or "an exception was ignored"
    logger.error("%s: %.300r", what, failure.object, exc_info=failure.exc_value)
