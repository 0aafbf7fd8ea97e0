"""Refusals of administrators' requests: what clients are told, and the line in the log."""

from __future__ import annotations

import logging

from fakebus.errors import BrokerError, ConfigError, ErrorCode, FakebusError
from fakebus.limited_log import LimitedLog

_log = LimitedLog(logging.getLogger("fakebus.broker"), 500)
_transactions_log = LimitedLog(logging.getLogger("fakebus.broker.transactions"), 100)


def refused_transaction(transactional_id: str, code: ErrorCode, message: str) -> BrokerError:
    """Return the error for a producer whose transaction cannot go on, and log it."""
    _transactions_log.log(
        logging.INFO, "%s is refused to go on: %s: %s", transactional_id, code.name, message
    )
    return BrokerError(code, message)


def refusal(what: str, error: FakebusError) -> tuple[ErrorCode, str]:
    """Return the code and the text that a client is told, and log them.

    Args:
        what: what was asked for, for the log.
        error: why it is refused: a config that is not valid, storage that has failed, or an
            error that names its code.
    """
    if isinstance(error, BrokerError):
        code, text = error.error_code, error.message
    elif isinstance(error, ConfigError):
        code, text = ErrorCode.INVALID_CONFIG, str(error)
    else:
        code, text = ErrorCode.KAFKA_STORAGE_ERROR, str(error)
    _log.log(logging.INFO, "%s is refused: %s: %s", what, code.name, text)
    return code, text
