"""``fakebus fixtures pack``: a fixture set as one file that loads fast."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from fakebus.cli.command_settings import path_argument
from fakebus.cli.fixture_arguments import add_directory_argument
from fakebus.cli.output import print_lines
from fakebus.errors import ConfigError
from fakebus.wording import counted

NAME = "pack"
HELP = "write fixture files into one file that loads fast"
DESCRIPTION = (
    "Write a set into one file, encoded already. The pack stands wherever the "
    "directory would: fakebus up --fixtures set.fbpack, fakebus fixtures seed set.fbpack. "
    "Relative times stay relative."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments."""
    add_directory_argument(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=path_argument,
        metavar="FILE",
        help="the file to write, .fbpack at its end (default: the directory's name)",
    )
    parser.add_argument(
        "--profile", metavar="NAME", help="pack only this profile (default: everything)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the pack."""
    from fakebus.clock import SystemClock
    from fakebus.fixture_files.loader import load_fixtures
    from fakebus.fixture_files.packs import Loads, write_pack
    from fakebus.fixture_files.sources import PACK_SUFFIX, is_pack

    directory: Path = arguments.directory
    wanted: Path | None = arguments.output
    if wanted is not None and wanted.suffix != PACK_SUFFIX:
        raise ConfigError(f"--output {wanted}: the name of a pack ends with {PACK_SUFFIX}")
    if is_pack(directory):
        raise ConfigError(f"{directory} is a pack already")
    now_ms = SystemClock().now_ms()
    load = partial(load_fixtures, directory, profile=arguments.profile)
    fixture_set = load(now_ms=now_ms, keep_calls=True)
    name = directory.resolve().name if directory.is_dir() else fixture_set.name
    output = wanted or Path(f"{name}{PACK_SUFFIX}")
    # Ids beyond those that are in use, so that every record that names a schema differs.
    shift = max((each.schema_id for each in fixture_set.schemas), default=0)
    others = {(each.subject, each.version): each.schema_id + shift for each in fixture_set.schemas}
    loads = Loads(
        fixture_set,
        load(now_ms=now_ms, schema_ids=others) if others else fixture_set,
        load(now_ms=now_ms + 1, keep_calls=True),
    )
    size = write_pack(output, loads)
    print_lines(f"{output}: {counted(fixture_set.record_count, 'event')}, {size} bytes")
    return 0
