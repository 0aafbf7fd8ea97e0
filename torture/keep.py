"""Data files to keep, so that later versions are held to opening them.

    python -m torture.keep DIRECTORY [--checkout DIRECTORY]

A bus is filled, by clients, with all that it takes; its data file and what is seen of it go to
DIRECTORY, packed and named by the version of the file. ``tests/compatibility`` opens them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import lzma
import sys
import tempfile
from pathlib import Path

from torture.bus import CHECKOUT, Bus
from torture.content import FILLS, LOOKS, Addresses, Seen

VERSION_AT = slice(60, 64)
"""Where the header of a data file has its version."""


def main() -> int:
    """Fill a bus and keep its file; say what this version does not take."""
    parser = argparse.ArgumentParser(prog="python -m torture.keep")
    parser.add_argument("directory", type=Path)
    parser.add_argument(
        "--checkout", type=Path, default=CHECKOUT, help="of the version that writes"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fakebus-keep-") as name:
        bus = Bus(Path(name), {"PYTHONPATH": str(arguments.checkout)})
        bus.start()
        try:
            seen = fill(Addresses(bus.kafka, bus.http, bus.redis))
            bus.stop()
        finally:
            bus.kill()
        content = bus.data.read_bytes()
    path = arguments.directory / f"version-{int.from_bytes(content[VERSION_AT], 'big')}"
    for ending, data in ((".db.xz", content), (".json.xz", json.dumps(seen, indent=1).encode())):
        path.with_suffix(ending).write_bytes(lzma.compress(data, preset=9))
    print(f"{path}: {len(content)} bytes, {sum(map(len, seen.values()))} values")
    return 0


def fill(addresses: Addresses) -> Seen:
    """Fill a bus with what it takes, and return what is to be seen of that."""
    for name, each in FILLS.items():
        try:
            each(addresses)
        except Exception as error:  # noqa: BLE001 - whatever a client makes of a refusal
            print(f"this version takes no {name}: {error!r:.200}")
    seen: Seen = {}
    for look in LOOKS:
        with contextlib.suppress(Exception):
            seen |= look(addresses)
    return seen


if __name__ == "__main__":
    sys.exit(main())
