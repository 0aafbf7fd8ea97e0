"""Where the helpers may be called from, and what they say elsewhere instead of waiting for ever."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fakebus.errors import FakebusError
from fakebus.testing import TestBus, running_bus


def test_a_function_that_looks_at_events_cannot_use_the_bus(bus: TestBus) -> None:
    bus.publish("orders", {"id": 7})
    with pytest.raises(AssertionError, match="called in the bus's own thread"):
        bus.expect("orders", lambda event: bus.lag("billing") == {}, timeout=0.1)


def test_a_bus_that_has_stopped_says_so() -> None:
    with running_bus() as bus:
        pass
    with pytest.raises(FakebusError, match="the bus has stopped"):
        bus.publish("orders", "x")


def _publish(bus: TestBus, answer: Any) -> None:
    try:
        assert bus.http_url or bus.publish("orders", "x")
    except FakebusError as error:
        answer.put(str(error))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_is_told_to_use_a_client(bus: TestBus) -> None:
    forking = multiprocessing.get_context("fork")
    answer = forking.SimpleQueue()
    child = forking.Process(target=_publish, args=(bus, answer))
    child.start()
    child.join(60)
    child.kill()
    assert not answer.empty(), "the child waits for ever"
    assert "connect a client to its bootstrap_servers here" in answer.get()
    assert bus.publish("orders", "x").offset == 0


def test_a_wait_that_is_interrupted_goes_on_nowhere(bus: TestBus) -> None:
    looks = 0

    def look(event: object) -> bool:
        nonlocal looks
        looks += 1
        return False

    bus.publish("orders", "x")
    with pytest.raises(KeyboardInterrupt), _alarm(0.2):
        bus.expect("orders", look, timeout=60)
    seen = looks
    bus.publish("orders", "y")
    time.sleep(0.1)
    assert looks == seen


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
