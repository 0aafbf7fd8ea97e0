"""``fakebus fixtures schema``: the JSON Schemas of fixture files, for editors."""

from __future__ import annotations

import argparse

from fakebus.cli.output import print_json

NAME = "schema"
HELP = "print the JSON Schema of fakebus.yaml, of events or of scenarios"
DESCRIPTION = (
    "Print the JSON Schema of fakebus.yaml, for editors and other tools. An editor with the YAML "
    "language server uses it when the file begins with the line  "
    "# yaml-language-server: $schema=PATH"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments."""
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--events",
        action="store_const",
        dest="kind",
        const="event",
        help="the schema of one event: a line of an NDJSON file",
    )
    kind.add_argument(
        "--scenario",
        action="store_const",
        dest="kind",
        const="scenario",
        help="the schema of a scenario",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the schema."""
    from fakebus.fixture_files.json_schemas import SCHEMAS

    print_json(SCHEMAS[arguments.kind or "fakebus"]())
    return 0
