"""Start the bus: Kafka on 127.0.0.1:9092, HTTP on 127.0.0.1:8081, seeded from ./fixtures.

Every flag can also be given as an environment variable (FAKEBUS_KAFKA, lists separated by
commas) or in fakebus.toml (kafka = ["127.0.0.1:9092"]); a flag beats the environment,
which beats the file. Ctrl-C or SIGTERM stops the bus; what was acknowledged is kept. With
--detach it goes on in the background, and fakebus down stops it.

Examples:
  fakebus up                                        data in fakebus.db
  fakebus up --memory --fixtures openedx            the set that comes with fakebus; keeps nothing
  fakebus up --kafka 127.0.0.1:0 --http 127.0.0.1:0 any free ports, which the first line tells
  fakebus up --kafka 0.0.0.0:9092 --advertise kafka:9092     as the service kafka of a compose file
  fakebus up --set num.partitions=3 --set fakebus.new.groups=earliest
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from fakebus.cli.command_settings import path_argument
from fakebus.cli.garbage import Collections
from fakebus.cli.logs import configure_logging
from fakebus.cli.main import EXIT_BAD_INPUT
from fakebus.cli.output import JSON
from fakebus.cli.oversights import oversights
from fakebus.cli.progress import counter, working
from fakebus.config import (
    DEFAULT_SECURE,
    Settings,
    load_settings,
    settings_table,
    unknown_variables,
)
from fakebus.errors import FakebusError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``fakebus up``."""
    storage = parser.add_mutually_exclusive_group()
    for name, setting in settings_table().items():
        group = storage if name in ("data", "memory") else parser
        if setting.kind == "switch":
            group.add_argument(
                f"--{setting.name}", action="append_const", const="true", help=setting.help
            )
        elif setting.kind == "secure-directory":
            group.add_argument(
                f"--{setting.name}",
                action="append",
                nargs="?",
                const=str(DEFAULT_SECURE),
                metavar=setting.metavar,
                help=setting.help,
            )
        else:
            group.add_argument(
                f"--{setting.name}", action="append", metavar=setting.metavar, help=setting.help
            )
    parser.add_argument(
        "--config",
        type=path_argument,
        metavar="FILE",
        help="read settings from FILE (default: ./fakebus.toml)",
    )
    parser.add_argument(
        "--detach",
        action="store_true",
        help="run in the background: return when clients are served; see fakebus status and down",
    )


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Return the settings that a parsed command line, the environment and the file give."""
    given = {name: getattr(arguments, name) for name in settings_table()}
    flags = {name: values for name, values in given.items() if values is not None}
    return load_settings(flags, environ=os.environ, config_file=arguments.config)


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    settings = settings_from(arguments)
    config_file = arguments.config or os.environ.get("FAKEBUS_CONFIG")
    told = [*unknown_variables(os.environ), *oversights(settings, Path(), config_file)]
    if arguments.detach:
        return _detach(arguments, settings, told)
    configure_logging(settings.log_level, settings.log_format)
    for text in told:
        logging.getLogger("fakebus").warning("%s", text)
    try:
        _event_loop_runner()(_serve(settings))
    except FakebusError as error:
        if settings.log_format != JSON:
            raise
        # Who reads the log by a program reads why there is no more of it, too.
        logging.getLogger("fakebus").error("%s", error)
        return EXIT_BAD_INPUT
    return 0


def _detach(arguments: argparse.Namespace, settings: Settings, told: Sequence[str]) -> int:
    # The bus itself starts without what only commands need.
    from fakebus.cli.detached import Detached
    from fakebus.cli.output import print_lines
    from fakebus.cli.status import description

    print_lines(*(f"fakebus: {text}" for text in told), error=True)
    flags = [
        f"--{setting.name}" if setting.kind == "switch" else f"--{setting.name}={text}"
        for name, setting in settings_table().items()
        for text in getattr(arguments, name) or ()
    ]
    if arguments.config:
        flags.append(f"--config={arguments.config}")
    state = Detached(Path(), os.environ).start(flags, settings.ready_file)
    print_lines(*description(state))
    return 0


def _event_loop_runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    runner: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
    return runner


async def _serve(settings: Settings) -> None:
    # Other commands do without the broker, and their users without the time to import it.
    from fakebus.app import FakeBus

    stop = stop_signal()
    with working("starting"):
        bus = FakeBus(settings, progress=counter())
        starting = asyncio.ensure_future(bus.__aenter__())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait((starting,))
        return
    stopping.cancel()
    starting.result()
    if bus.secure is not None:
        from fakebus.cli.output import print_lines

        print_lines(*bus.secure.description(bus.bootstrap_servers))
    collections = Collections()
    collections.begin()
    looking = asyncio.ensure_future(collections.look())
    try:
        await stop.wait()
    finally:
        looking.cancel()
        await bus.close()
        logging.getLogger("fakebus").info("stopped")


def stop_signal() -> asyncio.Event:
    """Return what is set by Ctrl-C or SIGTERM from now on."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop
