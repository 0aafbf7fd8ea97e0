"""Troubles of a machine, one after another, under writers of every kind.

A disk that is full or fails, a clock that somebody sets, a process that is stopped for seconds:
the bus says what is wrong, and goes on by itself when that is over, or ends, says why, and starts
again. Nothing that was acknowledged is lost.
"""

from __future__ import annotations

import contextlib
import errno
import random
import re
import resource
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from torture.bus import Bus
from torture.checker import REFUSED
from torture.kills import Round
from torture.shim import READS, SYNCS, WRITES, Shim

SETTINGS = (
    # Records are no older than a clock that is set says, and none is from the future.
    "log.retention.ms=-1",
    "log.message.timestamp.after.max.ms=9223372036854775807",
)
FILES_MB = 128
"""The size of the file system that is to be full, where one may be mounted."""
HOUR_S = 3600
LEFT_BYTES = 4096
"""What a full disk still takes."""
FEW = 3
"""After more troubles of a kind than that, the log must have said something of it."""
Trouble = Callable[["Machine", float], str]


class Machine:
    """Machine on which a bus runs.

    Args:
        bus: it runs.
        shim: of the bus; none where there is no compiler.
        choice: chance.
    """

    def __init__(self, bus: Bus, shim: Shim | None, choice: random.Random) -> None:
        self.bus = bus
        self.shim = shim
        self.choice = choice


def full_disk(machine: Machine, seconds: float) -> str:
    """Leave no room on the file system, or not to this process; by the kernel in either case."""
    files = machine.bus.data.parent
    if files.is_mount():
        filler = files / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(LEFT_BYTES)):
                pass
        time.sleep(seconds)
        filler.unlink()
        return "disk is full|are free"
    largest = max(path.stat().st_size for path in files.glob("bus.db*"))
    before = resource.prlimit(machine.bus.pid, resource.RLIMIT_FSIZE)
    limit = (largest + LEFT_BYTES, before[1])
    resource.prlimit(machine.bus.pid, resource.RLIMIT_FSIZE, limit)
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(machine.bus.pid, resource.RLIMIT_FSIZE, before)
    return "disk I/O error"


def failing_disk(machine: Machine, seconds: float) -> str:
    """Let writes, reads, or what makes them last fail: all of them, or one in some."""
    assert machine.shim is not None
    operations = machine.choice.choice((WRITES, SYNCS, READS, WRITES | SYNCS | READS))
    machine.shim.fail(operations, errno.EIO, machine.choice.choice((1, 3, 20)))
    time.sleep(seconds)
    failed = machine.shim.heal()
    return "I/O error|Input/output error" if failed and operations & WRITES else ""


def other_time(machine: Machine, seconds: float) -> str:
    """Set the clock of the day, forward or back."""
    assert machine.shim is not None
    machine.shim.set_clock(machine.choice.choice((-24, -1, -0.01, 0.01, 1, 24, 300)) * HOUR_S)
    time.sleep(seconds)
    if machine.choice.random() < 0.5:
        machine.shim.set_clock(0)
    return ""


def stopped_process(machine: Machine, seconds: float) -> str:
    """Stop the process, sometimes for longer than members of groups may be silent."""
    machine.bus.freeze(seconds * machine.choice.choice((1, 4)))
    return ""


TROUBLES: dict[str, Trouble] = {
    "disk": full_disk,
    "io": failing_disk,
    "clock": other_time,
    "stop": stopped_process,
}
WITH_A_SHIM = ("io", "clock")


def play(
    directory: Path, kinds: Sequence[str], times: int, seed: int, longest_s: float = 2.0
) -> Counter[str]:
    """Let each kind of trouble come ``times`` times; return how much of each was acknowledged.

    Raises:
        AssertionError: something that was acknowledged is lost, a trouble was not told, or the bus
            has not gone on when it was over.
    """
    choice = random.Random(seed)
    try:
        shim = Shim(directory)
    except LookupError as missing:
        print(f"left out: {', '.join(set(kinds) & set(WITH_A_SHIM))}: {missing}")
        kinds, shim = [kind for kind in kinds if kind not in WITH_A_SHIM], None
    with _file_system(directory / "files") as files:
        environment = None if shim is None else shim.environment
        bus = Bus(directory, environment, SETTINGS, files / "bus.db")
        bus.start()
        try:
            round_ = Round(bus, "troubles")
            try:
                if {"disk", "io"} & {*kinds}:
                    (round_.journals / REFUSED).touch()
                order, to_be_told = [*kinds] * times, set()
                choice.shuffle(order)
                for kind in order:
                    machine = Machine(bus, shim, choice)
                    to_be_told.add(_befall(machine, kind, choice.uniform(0.3, longest_s)))
                    round_.wait_for_all()
                total = round_.end()
            except BaseException:
                round_.abandon()
                raise
            said = bus.said()
            assert "Traceback" not in said, said[said.index("Traceback") - 500 :][:5000]
            # A log that has room for a while may need none of a disk that is full.
            for text in to_be_told if times > FEW else ():
                assert re.search(text, said), f"the log says nothing of {text}"
            bus.stop()
        finally:
            bus.kill()
    return total


def _befall(machine: Machine, kind: str, seconds: float) -> str:
    """Let something happen and be over; return what the log has to say of it by and by."""
    bus, said = machine.bus, len(machine.bus.said())
    expected = TROUBLES[kind](machine, seconds)
    told = bus.said()[said:].strip()
    ended = "" if bus.is_alive() else ", the bus ended"
    print(f"{kind} for {seconds:.1f} s{ended}: {told[:200]}", flush=True)
    if ended:
        assert told, f"the bus ended by {kind} without a word"
        bus.start()
    return expected


@contextlib.contextmanager
def _file_system(directory: Path) -> Iterator[Path]:
    """Give a directory that is a small file system of its own, where that is allowed."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={FILES_MB}m", "tmpfs", str(directory)]
    is_mounted = not subprocess.run(mount, capture_output=True, check=False).returncode
    try:
        yield directory
    finally:
        if is_mounted:
            subprocess.run(["umount", str(directory)], check=True)
