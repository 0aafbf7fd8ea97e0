"""Arguments that several actions of ``fakebus fixtures`` take."""

from __future__ import annotations

import argparse
import os

from fakebus.config import DEFAULT_FIXTURES, fixture_path

REGISTRY_VARIABLE = "FAKEBUS_REGISTRY_URL"


def add_directory_argument(parser: argparse.ArgumentParser) -> None:
    """Add the fixture set that the action works with."""
    parser.add_argument(
        "directory",
        nargs="?",
        type=fixture_path,
        default=DEFAULT_FIXTURES,
        metavar="DIR",
        help="the fixture set (default: ./fixtures; openedx is the one that comes with fakebus)",
    )


def add_registry_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where the schema registry is."""
    parser.add_argument(
        "--registry",
        metavar="URL",
        default=os.environ.get(REGISTRY_VARIABLE),
        help="the schema registry (default: the environment variable "
        f"{REGISTRY_VARIABLE}, or none)",
    )
