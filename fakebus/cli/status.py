"""Tell whether the bus runs that  fakebus up --detach  has started in this directory.

Also told is what goes wrong there on purpose, and how to end it.
The exit code is 0 if it runs, else 1.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from fakebus.cli.detached import Detached
from fakebus.cli.output import JSON, add_format_argument, print_json, print_lines
from fakebus.client.bus_http import BusHttp, BusHttpError
from fakebus.escaping import printable
from fakebus.wording import counted


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus status``."""
    add_format_argument(parser, "an object with running, pid, addresses, directory, log and faults")


def run(arguments: argparse.Namespace) -> int:
    """Print what is known of it."""
    bus = Detached(Path(), os.environ)
    state = bus.state()
    if arguments.format == JSON:
        known: dict[str, Any] = {"directory": str(bus.directory)}
        if state is not None:
            known = {**state, "faults": _faults(state)}
        print_json({"running": state is not None, **known})
    elif state is None:
        print_lines(f"no bus runs in the background of {bus.directory}")
        if bus.log.exists():
            print_lines(f"the log of the last one: {bus.log}")
    else:
        print_lines(*description(state))
        for fault in _faults(state) or ():
            times = counted(fault["fired"], "time")
            print_lines(
                f"on purpose: {printable(fault['description'])} (happened {times}); "
                f"to end it:  fakebus faults remove {fault['fault']} --http {state['http_url']}"
            )
    return 0 if state is not None else 1


def _faults(state: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the faults that are on; ``None`` if the bus does not tell."""
    try:
        found: list[dict[str, Any]] = BusHttp(str(state["http_url"])).get("/faults")
    except (KeyError, BusHttpError):
        return None
    return found


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
