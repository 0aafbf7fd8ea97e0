"""Ends the worker whose test takes too long; pytest loads it with ``-p tools.ended_workers``.

What pytest-timeout does in its own ways either raises an exception in the test, which does not
reach what waits in C, nor what waits once more while the test is taken down, and leaves a bus that
answers no more to all the tests that share it; or it ends the worker where nobody sees the stacks.
"""

from __future__ import annotations

import faulthandler
import os
from typing import Protocol

import pytest

# Loaded before anything is captured.
_STDERR = os.dup(2)


class _Settings(Protocol):
    timeout: float


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_set_timer(settings: _Settings) -> bool:
    """Let the process end after as many seconds as the test may take, with all threads' stacks."""
    faulthandler.dump_traceback_later(settings.timeout, exit=True, file=_STDERR)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_timeout_cancel_timer() -> bool:
    """Let it go on."""
    faulthandler.cancel_dump_traceback_later()
    return True
