"""Threads take short turns for as long as a bus runs, so that none waits long for Python."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from fakebus.app import FakeBus
from fakebus.config import Settings
from fakebus.errors import ConfigError
from fakebus.short_turns import SWITCH_INTERVAL_S, _Before, short_turns


@pytest.fixture(autouse=True)
def _as_python_starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = sys.getswitchinterval()
    # Other tests of the process may have left a bus running that they share.
    monkeypatch.setattr(_Before, "wanted", 0)
    monkeypatch.setattr(_Before, "interval_s", 0.0)
    sys.setswitchinterval(0.005)
    yield
    assert sys.getswitchinterval() == pytest.approx(0.005)
    sys.setswitchinterval(before)


async def test_while_a_bus_runs_threads_take_short_turns() -> None:
    async with FakeBus(Settings(kafka=(), http=(), data=None)):
        assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL_S, rel=0.1)


async def test_the_last_bus_to_end_puts_the_turns_back() -> None:
    first, second = (FakeBus(Settings(kafka=(), http=(), data=None)) for _ in range(2))
    async with first:
        await second.__aenter__()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL_S, rel=0.1)
    await second.close()


async def test_a_bus_that_cannot_start_puts_the_turns_back() -> None:
    with pytest.raises(ConfigError):
        async with FakeBus(Settings(kafka=(), http=(), data=None, set={"num.partitions": "none"})):
            pass
    assert sys.getswitchinterval() == pytest.approx(0.005)


def test_turns_that_are_shorter_already_stay_so() -> None:
    sys.setswitchinterval(0.00005)
    with short_turns():
        assert sys.getswitchinterval() == pytest.approx(0.00005, rel=0.1)
    assert sys.getswitchinterval() == pytest.approx(0.00005, rel=0.1)
    sys.setswitchinterval(0.005)


def test_threads_agree_on_who_is_the_last() -> None:
    inside, done = threading.Barrier(3, timeout=60), threading.Event()

    def run(until: threading.Event | None) -> None:
        with short_turns():
            inside.wait()
            if until is not None:
                until.wait(60)

    threads = [threading.Thread(target=run, args=(until,)) for until in (None, done)]
    for each in threads:
        each.start()
    inside.wait()
    threads[0].join()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL_S, rel=0.1)
    done.set()
    threads[1].join()
