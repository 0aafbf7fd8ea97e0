"""The loggers of fakebus as Kafka's BROKER_LOGGER resource shows and changes them.

They are Python's own loggers. ``root`` stands for the logger ``fakebus``, above which clients
can change nothing. Levels are not stored. Source: Kafka's RuntimeLoggerManager.
"""

from __future__ import annotations

import logging

from fakebus.errors import BrokerError, ErrorCode

ROOT = "root"
_TOP = "fakebus"
_LEVELS = {
    "TRACE": 5,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
}


def logger_levels() -> dict[str, str]:
    """Return the level of every logger by name."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith(f"{_TOP}.")]
    return {name: _level_name(_logger(name)) for name in (ROOT, *sorted(names))}


def set_logger_level(name: str, level: str) -> None:
    """Change the level of one logger.

    Raises:
        BrokerError: INVALID_CONFIG, see :func:`check_logger_level`.
    """
    check_logger_level(name, level)
    _logger(name).setLevel(_LEVELS[level.upper()])


def check_logger_level(name: str, level: str) -> None:
    """Check a change of a logger's level.

    Raises:
        BrokerError: INVALID_CONFIG: there is no such logger or level.
    """
    if name not in logger_levels():
        raise BrokerError(ErrorCode.INVALID_CONFIG, f"there is no logger {name!r}")
    if level.upper() not in _LEVELS:
        raise BrokerError(
            ErrorCode.INVALID_CONFIG, f"{name}: {level!r} is not one of {', '.join(_LEVELS)}"
        )


def reset_logger_level(name: str) -> None:
    """Let a logger have the level of the one above it again.

    Raises:
        BrokerError: see :func:`check_logger_reset`.
    """
    check_logger_reset(name)
    _logger(name).setLevel(logging.NOTSET)


def check_logger_reset(name: str) -> None:
    """Check that a logger's own level may be taken away.

    Raises:
        BrokerError: INVALID_CONFIG: there is no such logger; INVALID_REQUEST: it is the root.
    """
    if name == ROOT:
        raise BrokerError(ErrorCode.INVALID_REQUEST, "the root logger must have a level")
    if name not in logger_levels():
        raise BrokerError(ErrorCode.INVALID_CONFIG, f"there is no logger {name!r}")


def _logger(name: str) -> logging.Logger:
    return logging.getLogger(_TOP if name == ROOT else name)


def _level_name(logger: logging.Logger) -> str:
    level = logger.getEffectiveLevel()
    reached = [name for name, number in _LEVELS.items() if number <= level]
    return reached[-1] if reached else "TRACE"
