"""Turns that threads take while a bus runs.

Only one thread of a process runs Python at a time. Who waits for it is let in after the switch
interval, and the thread that writes to SQLite waits after every statement: beside a busy event loop
an acknowledgement of a dozen statements would take a dozen intervals of 5 ms.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_INTERVAL_S = 0.0001
"""How long a thread may go on when others wait for Python; 0.005 otherwise."""


class _Before:
    """Interval of before, and how many want the short one."""

    lock = threading.Lock()
    wanted = 0
    interval_s = 0.0


@contextmanager
def short_turns() -> Iterator[None]:
    """Let threads take short turns while the block runs; the last block to end puts them back."""
    with _Before.lock:
        if not _Before.wanted:
            _Before.interval_s = sys.getswitchinterval()
            sys.setswitchinterval(min(_Before.interval_s, SWITCH_INTERVAL_S))
        _Before.wanted += 1
    try:
        yield
    finally:
        with _Before.lock:
            _Before.wanted -= 1
            if not _Before.wanted:
                sys.setswitchinterval(_Before.interval_s)
