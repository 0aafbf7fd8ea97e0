"""``make torture``: whatever may befall a bus, while an outside checker looks for what is lost.

    python -m torture [PART...] [--cycles 1000] [--times 10] [--minutes 10] [--seed 1]

Each part prints what it found, and fails with the promise that was broken and the seed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from torture import crowds, damage, doors, kills, soak, troubles

Part = Callable[[argparse.Namespace, Path], None]


def _trouble(*kinds: str) -> Part:
    def part(arguments: argparse.Namespace, directory: Path) -> None:
        told = troubles.play(directory, kinds, arguments.times, arguments.seed)
        print(f"{sum(told.values())} acknowledged")

    return part


PARTS: dict[str, Part] = {
    **{kind: _trouble(kind) for kind in troubles.TROUBLES},
    "troubles": _trouble(*troubles.TROUBLES),
    "crowds": lambda arguments, directory: crowds.play(
        directory, arguments.clients, arguments.seconds, arguments.seed
    ),
    "doors": lambda arguments, directory: doors.play(directory, arguments.door),
    "soak": lambda arguments, directory: print(
        f"{sum(soak.play(directory, arguments.minutes, arguments.seed).values())} acknowledged"
    ),
    "damage": lambda arguments, directory: print(
        f"{sum(damage.play(directory, arguments.copies, arguments.seed).values())} copies"
    ),
    "kills": lambda arguments, directory: print(
        f"{sum(kills.play(directory, arguments.cycles, arguments.seed).values())} acknowledged"
    ),
}

ALL = ("troubles", "crowds", "doors", "damage", "kills")


def main() -> int:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    parser.add_argument("--cycles", type=int, default=1000, help="how often the bus is killed")
    parser.add_argument("--copies", type=int, default=300, help="in how many a byte is changed")
    parser.add_argument("--times", type=int, default=10, help="how often a trouble comes")
    parser.add_argument("--clients", type=int, default=10_000, help="of a crowd, at most")
    parser.add_argument("--seconds", type=float, default=10, help="how long a crowd stays")
    parser.add_argument("--door", action="append", default=[], help="only those that have this")
    parser.add_argument("--minutes", type=float, default=10, help="how long the soak takes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--brief", action="store_true", help="twelve kills and each trouble once")
    arguments = parser.parse_args()
    if arguments.brief:
        arguments.cycles, arguments.times = 12, 1
        arguments.parts = arguments.parts or ["kills", "troubles"]
    failed = 0
    for name in arguments.parts or ALL:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="fakebus-torture-") as directory:
            try:
                PARTS[name](arguments, Path(directory))
            except AssertionError as error:
                failed += 1
                print(f"FAILED {name} (seed {arguments.seed}): {error}", flush=True)
        print(f"{name}: {time.monotonic() - began:.1f} s", flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
