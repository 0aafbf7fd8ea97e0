"""The lines of the log, whatever clients are called."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from fakebus.cli.logs import JsonFormatter, TextFormatter, configure_logging

FORGED = "billing\n12:00:00 INFO    fakebus: all is fine\x1b[1A\u202e\ud800"


@contextmanager
def configured(log_format: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the log as a command has it."""
    root = logging.getLogger()
    level = root.level
    monkeypatch.setattr(root, "handlers", [])
    for owner, name in (
        (sys, "excepthook"),
        (threading, "excepthook"),
        (sys, "unraisablehook"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    # A command that another test has run may have left them with the log.
    logging.captureWarnings(False)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        try:
            configure_logging("info", log_format)
            yield
        finally:
            logging.captureWarnings(False)
            root.setLevel(level)


def logged(formatter: logging.Formatter) -> str:
    """Return what a log holds after a message and a traceback with a client's name."""
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(formatter)
    logger = logging.Logger("fakebus.kafka")
    logger.addHandler(handler)
    logger.warning("client %s has gone", FORGED)
    try:
        raise ValueError(FORGED)
    except ValueError:
        logger.exception("client %s", FORGED, stack_info=True)
    return output.getvalue()


def test_a_line_that_begins_in_the_first_column_is_the_buss_own() -> None:
    lines = logged(TextFormatter()).removesuffix("\n").split("\n")
    entries = [line for line in lines if not line.startswith("  ")]
    assert len(entries) == 2
    assert "fakebus.kafka: client billing\\n12:00:00 INFO    fakebus: all is fine" in entries[0]
    assert "ValueError: billing" in "".join(lines)
    assert all(line.isprintable() for line in lines)


def test_an_entry_in_json_is_one_line_with_the_name_as_it_is() -> None:
    lines = logged(JsonFormatter()).removesuffix("\n").split("\n")
    assert [json.loads(line)["message"] for line in lines] == [
        f"client {FORGED} has gone",
        f"client {FORGED}",
    ]
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("name", ["text", "json"])
def test_both_formats_are_those_of_the_bus(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with configured(name, monkeypatch):
        (handler,) = logging.getLogger().handlers
        assert isinstance(handler.formatter, TextFormatter | JsonFormatter)


def test_what_python_itself_tells_is_in_the_form_of_the_log_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stderr", output)
    with configured("json", monkeypatch):
        warnings.warn(f"careful {FORGED}", RuntimeWarning, stacklevel=1)
        thread = threading.Thread(target=json.loads, args=("no JSON",), name=FORGED)
        thread.start()
        thread.join()
        ignored = SimpleNamespace(err_msg=None, object=FORGED, exc_value=ValueError(FORGED))
        sys.unraisablehook(ignored)  # type: ignore[arg-type]
        logging.getLogger("library").warning("%d", FORGED)
        sys.excepthook(KeyError, KeyError(FORGED), None)
    entries = [json.loads(line) for line in output.getvalue().splitlines()]
    told = [
        ("py.warnings", "careful billing", ""),
        ("fakebus", "has ended", "JSONDecodeError"),
        ("fakebus", "an exception was ignored", "ValueError"),
        ("library", "could not be told: '%d'", "TypeError"),
        ("fakebus", "fakebus has failed", "KeyError"),
    ]
    for (name, message, failure), entry in zip(told, entries, strict=True):
        assert entry["logger"] == name
        assert message in entry["message"]
        assert failure in entry.get("exception", "")
