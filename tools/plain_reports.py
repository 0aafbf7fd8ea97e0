"""Lets workers of pytest-xdist tell of text that cannot be encoded.

Half of a surrogate pair in a warning, or in what a failed test shows, ends the worker in which it
is told, and with it the run.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Escape it in what is told of tests."""
    return _plain((yield))


@pytest.hookimpl(tryfirst=True)
def pytest_warning_recorded(warning_message: warnings.WarningMessage) -> None:
    """Escape it in a warning."""
    if isinstance(warning_message.message, Warning):
        warning_message.message.args = _plain(warning_message.message.args)


def _plain(told: Any) -> Any:
    if isinstance(told, str):
        return told.encode(errors="backslashreplace").decode()
    if isinstance(told, dict):
        return {_plain(name): _plain(each) for name, each in told.items()}
    if isinstance(told, list | tuple):
        return type(told)(map(_plain, told))
    return told
