"""Libraries that put greenlets in the place of threads are noticed before a bus would hang."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from fakebus.app import BusThread, FakeBus
from fakebus.errors import FakebusError
from fakebus.green_threads import green_threads


def pretend(monkeypatch: pytest.MonkeyPatch, module: str, asked: str, *patched: str) -> None:
    """Let a library be imported that says of some modules that it has patched them."""
    library = ModuleType(module)
    setattr(library, asked, patched.__contains__)
    monkeypatch.setitem(sys.modules, module, library)


GEVENT = "gevent.monkey", "is_module_patched"
EVENTLET = "eventlet.patcher", "is_monkey_patched"


@pytest.mark.parametrize(
    ("library", "patched", "advice"),
    [
        (GEVENT, "thread", "gevent.monkey.patch_all(thread=False, queue=False)"),
        (GEVENT, "threading", "gevent.monkey.patch_all(thread=False, queue=False)"),
        (GEVENT, "queue", "gevent.monkey.patch_all(thread=False, queue=False)"),
        (EVENTLET, "thread", "eventlet.monkey_patch(thread=False)"),
    ],
)
def test_a_bus_says_at_its_start_what_to_do_where_threads_are_greenlets(
    monkeypatch: pytest.MonkeyPatch, library: tuple[str, str], patched: str, advice: str
) -> None:
    pretend(monkeypatch, *library, patched)
    with pytest.raises(FakebusError, match="start `fakebus up` beside this process") as told:
        BusThread(FakeBus()).__enter__()
    assert str(told.value).endswith(advice)


@pytest.mark.parametrize("library", [GEVENT, EVENTLET])
def test_what_leaves_threads_alone_is_no_hindrance(
    monkeypatch: pytest.MonkeyPatch, library: tuple[str, str]
) -> None:
    pretend(monkeypatch, *library, "socket", "ssl", "time")
    assert green_threads() is None
