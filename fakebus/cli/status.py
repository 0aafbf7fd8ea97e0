"""Tell whether the bus runs that  fakebus up --detach  has started in this directory.

The exit code is 0 if it runs, else 1.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from fakebus.cli.detached import Detached
from fakebus.cli.output import JSON, add_format_argument, print_json, print_lines


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus status``."""
    add_format_argument(parser, "a JSON object with running, pid, addresses, directory and log")


def run(arguments: argparse.Namespace) -> int:
    """Print what is known of it."""
    bus = Detached(Path(), os.environ)
    state = bus.state()
    if arguments.format == JSON:
        known = state if state is not None else {"directory": str(bus.directory)}
        print_json({"running": state is not None, **known})
    elif state is None:
        print_lines(f"no bus runs in the background of {bus.directory}")
        if bus.log.exists():
            print_lines(f"the log of the last one: {bus.log}")
    else:
        print_lines(*description(state))
    return 0 if state is not None else 1


def description(state: dict[str, object]) -> list[str]:
    """Return a running bus in words, a line each."""
    if "bootstrap_servers" not in state:
        return [f"a bus is starting (process {state.get('pid', 'unknown')})"]
    urls = [state["http_url"], *(state["redis"] if isinstance(state["redis"], list) else ())]
    return [
        f"running as process {state['pid']}: Kafka on {state['bootstrap_servers']}, "
        f"{', '.join(map(str, urls))}",
        f"log: {state['log']}",
    ]
