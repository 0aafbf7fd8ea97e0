"""``fakebus fixtures generate``: generated events as lines of an events file."""

from __future__ import annotations

import argparse
from pathlib import Path

from fakebus.cli.command_settings import path_argument
from fakebus.cli.fixture_arguments import add_directory_argument
from fakebus.cli.output import print_json_line, print_lines
from fakebus.errors import ConfigError
from fakebus.wording import counted

NAME = "generate"
HELP = "write the events that generate makes as NDJSON"
DESCRIPTION = (
    "Write the events that a topic's generate makes, one event a line, so that they can be kept "
    "in a file, looked at and changed. With --count a topic without generate has its events made "
    "from its schema."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments."""
    add_directory_argument(parser)
    parser.add_argument("--topic", required=True, metavar="TOPIC", help="the topic")
    parser.add_argument(
        "--count", type=int, metavar="N", help="make N events, whatever generate says"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path_argument,
        metavar="FILE",
        help="write to FILE (default: the screen)",
    )
    parser.add_argument(
        "--force", action="store_true", help="overwrite FILE if it is there with other lines"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the lines."""
    from fakebus.clock import SystemClock
    from fakebus.fixture_files.generation_hints import faker_version
    from fakebus.fixture_files.loader import generate_lines
    from fakebus.fixture_files.structure.event_models import MAX_GENERATED
    from fakebus.output_files import read_regular, write_output

    count: int | None = arguments.count
    if count is not None and not 0 < count <= MAX_GENERATED:
        raise ConfigError(f"--count {count}: write a number from 1 to {MAX_GENERATED}")
    lines = generate_lines(
        arguments.directory, arguments.topic, now_ms=SystemClock().now_ms(), count=count
    )
    output: Path | None = arguments.output
    if output is None:
        for line in lines:
            print_json_line(line)
        return 0
    text = "".join(f"{line}\n" for line in lines)
    if not arguments.force and read_regular(output) not in (None, b"", text.encode()):
        raise ConfigError(
            f"{output} is there with other lines, which would be lost; "
            "choose another file, or overwrite it with --force"
        )
    write_output(output, text.encode(), is_ours=lambda content: True, made_by="")
    version = faker_version()
    made_with = f" (faker {version} is installed)" if version else ""
    print_lines(f"{output}: {counted(len(lines), 'event')} for {arguments.topic}{made_with}")
    return 0
