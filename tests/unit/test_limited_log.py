from __future__ import annotations

import logging

import pytest

from fakebus import limited_log
from fakebus.limited_log import LimitedLog


def test_lines_beyond_the_limit_are_counted_and_told_with_the_next(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(limited_log, "monotonic", lambda: now)
    limited = LimitedLog(logging.getLogger("fakebus.test"), lines_a_minute=2)
    for number in range(5):
        limited.warning("line %d", number)
    assert [record.getMessage() for record in caplog.records] == ["line 0", "line 1"]
    now = 60.0
    limited.log(logging.ERROR, "line %s", "next")
    assert [record.getMessage() for record in caplog.records[2:]] == [
        "3 more lines like these were left out",
        "line next",
    ]
