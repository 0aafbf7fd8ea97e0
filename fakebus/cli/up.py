"""Start the bus: Kafka on 127.0.0.1:9092, HTTP on 127.0.0.1:8081, seeded from ./fixtures.

Every flag can also be given as an environment variable (FAKEBUS_KAFKA, lists separated by
commas) or in fakebus.toml (kafka = ["127.0.0.1:9092"]); a flag beats the environment,
which beats the file. Ctrl-C or SIGTERM stops the bus; what was acknowledged is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from fakebus.cli.logs import configure_logging
from fakebus.cli.progress import SeedProgress
from fakebus.config import (
    DEFAULT_DATA_FILE,
    LOG_FORMATS,
    LOG_LEVELS,
    Settings,
    load_settings,
    unknown_variables,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``fakebus up``."""
    add = parser.add_argument
    add(
        "--fixtures",
        action="append",
        metavar="DIR",
        help="seed from the fixture files in DIR (default: ./fixtures if it has a fakebus.yaml); "
        "openedx is the set that comes with fakebus; may be given several times",
    )
    add(
        "--profile",
        action="append",
        metavar="NAME",
        help="seed only the part of the fixtures that fakebus.yaml calls NAME under profiles",
    )
    add(
        "--reset",
        action="append_const",
        const="true",
        help="delete the fixtures' topics first, with all that was written to them",
    )
    storage = parser.add_mutually_exclusive_group()
    storage.add_argument(
        "--data",
        action="append",
        metavar="FILE",
        help=f"keep the data in FILE (default: {DEFAULT_DATA_FILE})",
    )
    storage.add_argument(
        "--memory",
        action="append_const",
        const="true",
        help="keep the data in memory only; they are gone when the bus stops",
    )
    add(
        "--kafka",
        action="append",
        metavar="[PROTOCOL://]HOST:PORT",
        help="serve Kafka clients here (default: 127.0.0.1:9092); port 0 is any free port; "
        "PROTOCOL is PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL; may be given several times",
    )
    add(
        "--http",
        action="append",
        metavar="HOST:PORT",
        help="serve HTTP here (default: 127.0.0.1:8081); may be given several times",
    )
    add(
        "--http-allowed-hosts",
        action="append",
        metavar="NAME",
        help="a further name under which browsers and clients ask for HTTP; may be given several "
        "times",
    )
    add(
        "--redis",
        action="append",
        metavar="HOST:PORT",
        help="serve Redis Streams here, over the same topics (default: nowhere)",
    )
    add(
        "--compatibility",
        action="append",
        metavar="LEVEL",
        help="the schema registry's level where none is configured (default: BACKWARD)",
    )
    add(
        "--strict-schemas",
        action="append_const",
        const="true",
        help="refuse schemas that only older registries let pass, such as an illegal namespace",
    )
    add(
        "--advertise",
        action="append",
        metavar="HOST:PORT|auto",
        help="the address that Kafka clients are told to use; one for each --kafka in the same "
        "order, or one for all; auto (the default) tells each client the address it came by",
    )
    add("--brokers", action="append", metavar="N", help="how many brokers there seem to be: 1")
    add(
        "--set",
        action="append",
        metavar="KEY=VALUE",
        help="a broker config by Kafka's name, as in num.partitions=3; may be given several times",
    )
    add("--config", metavar="FILE", help="read settings from FILE (default: ./fakebus.toml)")
    add(
        "--ready-file",
        action="append",
        metavar="PATH",
        help="write addresses and process id to PATH, as JSON, once clients are served and the "
        "seed is there",
    )
    add("--log-level", action="append", metavar="LEVEL", help=" | ".join(LOG_LEVELS))
    add("--log-format", action="append", metavar="FORMAT", help=" | ".join(LOG_FORMATS))


_FLAGS = (
    "fixtures",
    "profile",
    "reset",
    "data",
    "memory",
    "kafka",
    "http",
    "http_allowed_hosts",
    "redis",
    "compatibility",
    "strict_schemas",
    "advertise",
    "brokers",
    "set",
    "ready_file",
    "log_level",
    "log_format",
)


def settings_from(arguments: argparse.Namespace) -> Settings:
    """Return the settings that a parsed command line, the environment and the file give."""
    flags = {name: value for name in _FLAGS if (value := getattr(arguments, name)) is not None}
    config_file = Path(arguments.config) if arguments.config else None
    return load_settings(flags, environ=os.environ, config_file=config_file)


def run(arguments: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    settings = settings_from(arguments)
    configure_logging(settings.log_level, settings.log_format)
    for text in unknown_variables(os.environ):
        logging.getLogger("fakebus").warning("%s", text)
    _event_loop_runner()(_serve(settings))
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

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with SeedProgress() as progress:
        bus = FakeBus(settings, progress=progress)
        starting = asyncio.ensure_future(bus.__aenter__())
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait((starting,))
        return
    stopping.cancel()
    starting.result()
    try:
        # What start-up has made stays for ever; the collector need not look at it again.
        gc.freeze()
        # Consumers that wait keep many objects alive, and the default threshold would have them
        # all visited for every few requests.
        gc.set_threshold(20_000, 10, 10)
        gc.enable()
        await stop.wait()
    finally:
        await bus.close()
        logging.getLogger("fakebus").info("stopped")
