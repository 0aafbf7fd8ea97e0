"""kill -9 at any moment, again and again, under writers of every kind."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from torture.bus import CHECKOUT, Bus
from torture.journal import read
from torture.writers import FINISH_S, WRITERS

CYCLES_A_ROUND = 100
"""After so many, the writers of a round finish and all they were told is checked."""
WAITS = 0.1
"""How many of the cycles begin with a wait until every writer goes on."""
KINDS = [name for name in WRITERS if not name.startswith("group-")]
"""One of the two members of the group may well be left without a partition."""
STOPS = 0.05
"""How many of the cycles see the process stopped and let go on, as a machine that sleeps does."""


class Round:
    """Writers on a bus, with topics and journals of this round, and the check at its end.

    Args:
        bus: it runs when a round begins and when it ends.
        name: of its topics.
    """

    def __init__(self, bus: Bus, name: str) -> None:
        self.journals = bus.directory / name
        self.journals.mkdir()
        self._places = [str(self.journals), bus.kafka, bus.http, bus.redis]
        self._writers = self._run("torture.writers", stdout=subprocess.PIPE)
        assert self._writers.stdout is not None
        assert self._writers.stdout.readline() == b"ready\n", "the writers did not begin"

    def _run(self, module: str, **how: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", module, *self._places]
        return subprocess.Popen(command, cwd=CHECKOUT, **how)  # type: ignore[call-overload,no-any-return]

    def wait_for_all(self) -> None:
        """Wait until every writer has been told something more: none of them is left behind.

        Raises:
            AssertionError: one was not, in two minutes.
        """
        before, deadline = self._sizes(), time.monotonic() + 120
        while any(size <= before[name] for name, size in self._sizes().items()):
            late = [name for name, size in self._sizes().items() if size <= before[name]]
            assert time.monotonic() < deadline, f"{', '.join(late)} did not go on for two minutes"
            time.sleep(0.01)

    def _sizes(self) -> dict[str, int]:
        paths = {name: self.journals / f"{name}.jsonl" for name in KINDS}
        return {name: path.stat().st_size if path.exists() else 0 for name, path in paths.items()}

    def acknowledged(self) -> Counter[str]:
        """Return how many lines each writer has in its journal."""
        return Counter({name: sum(1 for _ in read(self.journals, name)) for name in WRITERS})

    def end(self) -> Counter[str]:
        """Let the writers finish, and check what they were told; return how much that was.

        Raises:
            AssertionError: a writer failed, or a promise was broken.
        """
        self._writers.terminate()
        self._writers.communicate(timeout=FINISH_S + 60)
        assert self._writers.returncode == 0, "a writer has failed"
        checker = self._run("torture.checker", stdout=subprocess.PIPE)
        found, _ = checker.communicate(timeout=1800)
        assert checker.returncode == 0, f"the checker found\n{found.decode()}"
        return self.acknowledged()

    def abandon(self) -> None:
        """End the writers, whatever they are at."""
        self._writers.kill()
        self._writers.communicate()


def play(directory: Path, cycles: int, seed: int, longest_s: float = 0.4) -> Counter[str]:
    """Kill the bus ``cycles`` times; return how much of each kind was acknowledged.

    Raises:
        AssertionError: something that was acknowledged is lost, is there twice, is not in order,
            or only a part of it is there.
    """
    choice = random.Random(seed)
    bus = Bus(directory)
    total: Counter[str] = Counter()
    began = time.monotonic()
    bus.start()
    try:
        for number in range(0, cycles, CYCLES_A_ROUND):
            round_ = Round(bus, f"r{number // CYCLES_A_ROUND}")
            try:
                for _ in range(min(CYCLES_A_ROUND, cycles - number)):
                    if choice.random() < WAITS:
                        round_.wait_for_all()
                    if choice.random() < STOPS:
                        bus.freeze(choice.uniform(0.1, 1.0))
                    time.sleep(choice.uniform(0.0, longest_s))
                    bus.kill()
                    bus.start()
                total += round_.end()
            except BaseException:
                round_.abandon()
                raise
            done = min(number + CYCLES_A_ROUND, cycles)
            starts = bus.starts_s[1:]
            print(
                f"{done} kills in {time.monotonic() - began:.0f} s, start "
                f"{statistics.median(starts) * 1000:.0f} ms (longest {max(starts) * 1000:.0f}), "
                f"acknowledged: {', '.join(f'{name} {count}' for name, count in total.items())}",
                flush=True,
            )
        assert "Traceback" not in bus.said(), bus.said()[-4000:]
        bus.stop()
    finally:
        bus.kill()
    return total
