"""Bytes that have changed in a data file or its write-ahead log: told, without effect, or served.

A file is filled, ended cleanly or killed, and copied; in each copy one byte is another, in pages
chosen alike often, and a bus is started on it. What it then shows is what it showed before, or less
of it and the log says why; never anything else.
"""

from __future__ import annotations

import contextlib
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torture.bus import Bus, BusError
from torture.content import FILLS, LOOKS, Addresses, Seen, as_written, see

PAGE_BYTES = 16384
FRAME_BYTES = PAGE_BYTES + 24
NAMES = {False: "bus.db", True: "bus.db-wal"}


def fill(directory: Path, *, in_log: bool) -> Seen:
    """Make the files, and return what is to be seen of them."""
    bus = Bus(directory)
    bus.start()
    try:
        addresses = Addresses(bus.kafka, bus.http, bus.redis)
        for each in FILLS.values():
            each(addresses)
        seen = see(addresses)
        if not in_log:
            bus.stop()
    finally:
        bus.kill()
    return seen


def change(path: Path, choice: random.Random) -> tuple[int, int]:
    """Change a byte of a file, in any of its pages; return where, and how."""
    content = bytearray(path.read_bytes())
    unit = FRAME_BYTES if path.name.endswith("-wal") else PAGE_BYTES
    # Most bytes of most pages are nothing: half of the changes are for what is something.
    begin = choice.randrange(0, len(content), unit)
    places = range(begin, min(begin + unit, len(content)))
    if choice.random() < 0.5:
        places = [place for place in places if content[place]] or places  # type: ignore[assignment]
    place, bits = choice.choice(places), choice.randrange(1, 256)
    content[place] ^= bits
    path.write_bytes(content)
    return place, bits


def missing_or_other(before: Any, now: Any) -> str:
    """Say whether less is seen than before, or other things."""
    if before == now:
        return "same"
    if isinstance(before, list) and isinstance(now, list):
        known = [str(each) for each in before]
        # An error in the place of a record is told to the client.
        rest = [each for each in now if str(each) not in known and len(each) != 1]
        return "other" if rest else "less"
    return "other"


def _look(look: Callable[[Addresses], Seen], addresses: Addresses) -> Seen:
    """Look again where a client lost its connection: on a busy machine it may just have waited."""
    for _ in range(2):
        try:
            return as_written(look(addresses))
        except Exception as error:  # noqa: BLE001 - whatever a client library makes of it
            failure = f"{look.__name__}: {type(error).__name__}: {error}"
            print(failure, flush=True)
    return {"error": failure}


def outcome(directory: Path, before: Seen, name: str) -> tuple[str, str]:
    """Start a bus on a changed file and return what became of it, and where."""
    bus = Bus(directory)
    try:
        bus.start()
    except BusError:
        said = bus.said()
        told = (name in said and "damaged" in said) or "is no data file" in said or "newer" in said
        return ("told at the start" if told else "does not start, without saying why"), said
    now: Seen = {}
    try:
        for look in LOOKS:
            now |= _look(look, Addresses(bus.kafka, bus.http, bus.redis))
    finally:
        is_alive = bus.is_alive()
        bus.kill()
    said = bus.said()
    told = name in said and "damaged" in said
    if not is_alive:
        return ("told while it runs" if told else "ended, without saying why"), said
    differences = {
        key: kind
        for key in before
        if (kind := missing_or_other(before[key], now.get(key))) != "same"
    }
    if not differences:
        return ("told, and all is there" if told else "without effect"), ""
    detail = "; ".join(
        f"{key}: {kind}, {str(before[key])[:300]} -> {str(now.get(key, now.get('error')))[:300]}"
        for key, kind in differences.items()
    )
    detail += f"; the log ends with {said[-1500:]!r}"
    if told:
        served = any(":" in key and kind == "other" for key, kind in differences.items())
        return ("SERVED, though it was told" if served else "told, and less is seen"), detail
    return ("SERVED" if "other" in differences.values() else "LOST"), detail


def play(directory: Path, copies: int, seed: int) -> Counter[str]:
    """Change a byte in each of so many copies; return what became of them.

    Raises:
        AssertionError: a bus has given what was never written, or less without saying so.
    """
    choice = random.Random(seed)
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    for in_log in (False, True):
        original = directory / f"original-{in_log}"
        original.mkdir()
        before = fill(original, in_log=in_log)
        for number in range(copies // 2):
            with _copied(original, directory / f"{in_log}-{number}") as copy:
                place, bits = change(copy / NAMES[in_log], choice)
                kind, detail = outcome(copy, before, "bus.db")
            where = f"{NAMES[in_log]}, page {place // PAGE_BYTES + 1}, byte {place} ^ {bits}"
            outcomes[f"{NAMES[in_log]}: {kind}"] += 1
            if kind.split(",")[0] in ("SERVED", "LOST", "does not start", "ended"):
                faults.append(f"{kind}: {where}: {detail}")
                print(faults[-1], flush=True)
    for kind, count in sorted(outcomes.items()):
        print(f"{count:5} {kind}", flush=True)
    assert not faults, f"{len(faults)} of {copies} copies: {faults[0]}"
    return outcomes


@contextlib.contextmanager
def _copied(original: Path, copy: Path) -> Iterator[Path]:
    copy.mkdir()
    for path in original.glob("bus.db*"):
        if not path.name.endswith(".lock"):
            shutil.copy(path, copy)
    try:
        yield copy
    finally:
        shutil.rmtree(copy)
