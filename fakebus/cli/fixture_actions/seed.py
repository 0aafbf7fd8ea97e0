"""``fakebus fixtures seed``: a fixture set into any Kafka, once or whenever its files change."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from fakebus.cli.bootstrap import (
    add_bootstrap_arguments,
    add_registry_argument,
    connect,
    registry_of,
)
from fakebus.cli.fixture_arguments import add_directory_argument
from fakebus.cli.output import print_lines, print_text
from fakebus.cli.progress import counter, working
from fakebus.errors import FakebusError
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.client.registry import RegistryClient
    from fakebus.client.seeding import SetSeeder

NAME = "seed"
HELP = "write fixture files to any Kafka"
DESCRIPTION = (
    "Write the schemas, topics, events and offsets of fixture files to a cluster, fakebus or not. "
    "Doing it again writes only what is new. Events that have changed are refused, unless "
    "--reset or --watch says that their topics may be deleted."
)
_LOOK_AGAIN_S = 0.3


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments."""
    add_directory_argument(parser)
    add_registry_argument(parser)
    parser.add_argument(
        "--profile", metavar="NAME", help="seed only this profile (default: everything)"
    )
    parser.add_argument(
        "--reset",
        action="store_true",
        help="delete topics whose seeded events have changed, and seed them afresh",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="go on until Ctrl-C, and seed again whenever a file changes; includes --reset",
    )
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Seed the set."""
    connection = connect(arguments, "fakebus fixtures seed")
    # YAML and the formats come with these; other commands start without them.
    from fakebus.client.seed_log import SeedLog
    from fakebus.client.seeding import SetSeeder

    registry = registry_of(arguments, connection)
    seeder = SetSeeder(connection, SeedLog(connection), registry)
    directory: Path = arguments.directory
    profile: str | None = arguments.profile
    began_ns = time.time_ns()
    roots = _seed(seeder, registry, directory, profile, reset=arguments.reset or arguments.watch)
    # What was changed meanwhile may have been read before.
    seen = {path: stamp for path, stamp in _stamps(roots).items() if stamp[0] < began_ns}
    with suppress(KeyboardInterrupt):
        while arguments.watch:
            time.sleep(_LOOK_AGAIN_S)
            now = _stamps(roots)
            if now == seen:
                continue
            seen = now
            try:
                roots = _seed(seeder, registry, directory, profile, reset=True)
            except FakebusError as error:
                # A file that is being written is mended soon; the next change is looked at again.
                print_text(str(error), error=True)
    return 0


def _seed(
    seeder: SetSeeder,
    registry: RegistryClient | None,
    directory: Path,
    profile: str | None,
    *,
    reset: bool,
) -> list[Path]:
    """Seed a set, and return where it lies and all that it uses."""
    from fakebus.client.seeding import seed_directory

    with working("seeding"):
        roots, done = seed_directory(
            seeder, registry, directory, profile, reset=reset, progress=counter()
        )
    print_lines(
        f"{directory}: {counted(done.records, 'event')} written, {done.skipped} already there; "
        f"{counted(done.topics_created, 'topic')} created, {counted(done.schemas, 'schema')}",
        flush=True,
    )
    return roots


def _stamps(roots: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    found = {}
    for path in chain(roots, *(root.rglob("*") for root in roots)):
        try:
            status = path.stat()
        except FileNotFoundError:
            # An editor has just replaced it.
            continue
        if path.is_file():
            found[path] = (status.st_mtime_ns, status.st_size)
    return found
