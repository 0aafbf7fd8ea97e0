"""Stop the bus that  fakebus up --detach  has started in this directory.

What was acknowledged is kept. Without such a bus there is nothing to do, which is no mistake.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from fakebus.cli.detached import Detached
from fakebus.cli.output import print_lines


def configure(parser: argparse.ArgumentParser) -> None:
    """Add no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Stop it and say so."""
    bus = Detached(Path(), os.environ)
    pid = bus.stop()
    if pid is None:
        print_lines(f"no bus runs in the background of {bus.directory}")
    else:
        print_lines(f"stopped process {pid}")
    return 0
