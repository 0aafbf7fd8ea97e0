from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from fakebus.broker.log_levels import logger_levels, reset_logger_level, set_logger_level
from fakebus.errors import BrokerError, ErrorCode

NAME = "fakebus.test_log_levels"


@pytest.fixture(autouse=True)
def unchanged_loggers() -> Iterator[None]:
    loggers = [logging.getLogger("fakebus"), logging.getLogger(NAME)]
    levels = [logger.level for logger in loggers]
    loggers[0].setLevel(logging.WARNING)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def test_loggers_of_fakebus_are_listed_with_kafkas_level_names() -> None:
    assert logger_levels()["root"] == "WARN"
    assert logger_levels()[NAME] == "WARN"
    assert all(name == "root" or name.startswith("fakebus.") for name in logger_levels())


@pytest.mark.parametrize(
    ("level", "number"), [("TRACE", 5), ("debug", 10), ("INFO", 20), ("FATAL", 50)]
)
def test_a_level_is_set_on_pythons_logger(level: str, number: int) -> None:
    set_logger_level(NAME, level)
    assert logging.getLogger(NAME).level == number
    assert logger_levels()[NAME] == level.upper()
    reset_logger_level(NAME)
    assert logger_levels()[NAME] == "WARN"


def test_root_stands_for_all_of_fakebus_and_no_more() -> None:
    above = logging.getLogger().level
    set_logger_level("root", "ERROR")
    assert logging.getLogger("fakebus").level == logging.ERROR
    assert logging.getLogger().level == above


def test_a_level_in_between_is_shown_as_the_next_lower_one() -> None:
    logging.getLogger(NAME).setLevel(35)
    assert logger_levels()[NAME] == "WARN"
    logging.getLogger(NAME).setLevel(1)
    assert logger_levels()[NAME] == "TRACE"


@pytest.mark.parametrize(
    ("name", "level"), [("nope", "INFO"), ("asyncio", "INFO"), (NAME, "OFF"), (NAME, "")]
)
def test_other_loggers_and_levels_are_refused(name: str, level: str) -> None:
    with pytest.raises(BrokerError) as caught:
        set_logger_level(name, level)
    assert caught.value.error_code is ErrorCode.INVALID_CONFIG


@pytest.mark.parametrize(
    ("name", "error"), [("root", ErrorCode.INVALID_REQUEST), ("nope", ErrorCode.INVALID_CONFIG)]
)
def test_a_logger_that_must_have_a_level_keeps_it(name: str, error: ErrorCode) -> None:
    with pytest.raises(BrokerError) as caught:
        reset_logger_level(name)
    assert caught.value.error_code is error
