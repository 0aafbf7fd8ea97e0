"""Libraries that put greenlets in the place of a process's threads."""

from __future__ import annotations

import sys

from fakebus.errors import FakebusError

_GEVENT = "gevent.monkey.patch_all(thread=False, queue=False)"
_EVENTLET = "eventlet.monkey_patch(thread=False)"


def green_threads() -> str | None:
    """Return why a bus cannot run in this process and what to do; ``None`` if it can.

    An event loop and SQLite need real threads, and queues between them.
    """
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and any(map(monkey.is_module_patched, ("thread", "threading", "queue"))):
        return _advice("gevent", _GEVENT)
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.is_monkey_patched("thread"):
        return _advice("eventlet", _EVENTLET)
    return None


def demand_real_threads() -> None:
    """Raise FakebusError if the threads of this process are greenlets."""
    problem = green_threads()
    if problem is not None:
        raise FakebusError(problem)


def _advice(library: str, call: str) -> str:
    return (
        f"{library} has put greenlets in the place of this process's threads, and a bus cannot run "
        "in one: start `fakebus up` beside this process and connect clients to it, or patch only "
        f"what is left of it, with {call}"
    )
