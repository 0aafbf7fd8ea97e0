"""The lines of the log, whatever clients are called."""

from __future__ import annotations

import io
import json
import logging

import pytest

from fakebus.cli.logs import JsonFormatter, TextFormatter

FORGED = "billing\n12:00:00 INFO    fakebus: all is fine\x1b[1A\u202e\ud800"


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
    from fakebus.cli.logs import configure_logging

    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    configure_logging("info", name)
    root.setLevel(level)
    (handler,) = root.handlers
    assert isinstance(handler.formatter, TextFormatter | JsonFormatter)
