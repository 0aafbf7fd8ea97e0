"""Run a small shop on a bus of its own, with a mistake to find.

Three services, each an ordinary client in a process of its own, pass orders on: shop writes orders,
billing reads them and writes invoices, shipping reads those and writes parcels. Something is wrong
with shipping. The command prints where the console shows an order on its way, and what to ask. It
runs until Ctrl-C, keeps nothing, and ends its services with it.

Examples:
  fakebus demo
  fakebus demo --kafka 127.0.0.1:0 --http 127.0.0.1:0       any free ports
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, NoReturn, TypeVar

from fakebus.addresses import Address
from fakebus.cli.output import print_lines
from fakebus.client.reachability import connect_problem
from fakebus.config import DEFAULT_HTTP_PORT, DEFAULT_KAFKA_PORT, KINDS, Settings
from fakebus.errors import FakebusError, MissingExtraError
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.app import FakeBus

Found = TypeVar("Found")

_SERVICES = ("shop", "billing", "shipping")
_LOOK_AGAIN_S = 0.2


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus demo``."""
    for name, served, port in (
        ("kafka", "Kafka clients", DEFAULT_KAFKA_PORT),
        ("http", "HTTP", DEFAULT_HTTP_PORT),
    ):
        parser.add_argument(
            f"--{name}",
            metavar="HOST:PORT",
            help=f"where the bus serves {served} (default: 127.0.0.1:{port}, or a free port if "
            "that is taken); port 0 is any free port",
        )


def run(arguments: argparse.Namespace) -> int:
    """Run the shop until Ctrl-C or SIGTERM."""
    try:
        import confluent_kafka  # noqa: F401 - only to see that it is there
    except ImportError:
        raise MissingExtraError("fakebus demo", "client") from None
    with as_file(files("fakebus.demo") / "fixtures") as fixtures:
        settings = Settings(
            fixtures=(fixtures,),
            data=None,
            kafka=_addresses("kafka", arguments.kafka, DEFAULT_KAFKA_PORT),
            http=_addresses("http", arguments.http, DEFAULT_HTTP_PORT),
        )
        asyncio.run(_serve(settings))
    return 0


def _addresses(kind: str, named: str | None, port: int) -> tuple[Address, ...]:
    if named is not None:
        found: tuple[Address, ...] = KINDS[f"{kind}-addresses"]([named])
        return found
    usual = Address("127.0.0.1", port)
    # Who tries something out may have a bus, or another Kafka, running already.
    return (usual if connect_problem(usual) is not None else Address("127.0.0.1", 0),)


async def _serve(settings: Settings) -> None:
    # Before a missing extra is told, nothing of the bus is needed.
    from fakebus.app import FakeBus
    from fakebus.cli.up import stop_signal

    stop = stop_signal()
    async with FakeBus(settings) as bus:
        stopping = asyncio.create_task(stop.wait())
        telling = asyncio.create_task(_tell(bus))
        tasks = {telling, stopping, *(asyncio.create_task(_run(bus, name)) for name in _SERVICES)}
        left = tasks
        try:
            while not stopping.done():
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


async def _run(bus: FakeBus, name: str) -> NoReturn:
    """Run a service until it is cancelled; should we be killed, it ends with its input.

    Raises:
        FakebusError: it has ended by itself.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        f"fakebus.demo.{name}",
        bus.bootstrap_servers,
        bus.http_url,
        stdin=asyncio.subprocess.PIPE,
        # Ctrl-C is for us, who end it.
        start_new_session=True,
    )
    try:
        code = await process.wait()
        raise FakebusError(f"the demo's service {name} has ended, with exit code {code}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _tell(bus: FakeBus) -> None:
    """Print where an order is shown, and what to ask, as soon as there is an answer."""
    from fakebus.web.console.addresses import page_url

    print_lines(f"a shop of three services on {bus.bootstrap_servers}: {', '.join(_SERVICES)}")
    offset = await _found(lambda: _finished_order(bus))
    page = page_url("flow", record=f"orders[0]@{offset}")
    print_lines(f"an order on its way:   {bus.http_url}{page}", flush=True)
    await _found(lambda: _noticed(bus))
    http = f"--http {bus.http_url}"
    print_lines(
        "Two things are wrong. Ask:",
        f"  fakebus why shipping {http}",
        f"  fakebus catalogue --smells {http}",
        f"  fakebus flow 'orders[0]@{offset}' {http}",
        "Ctrl-C ends the shop; it leaves nothing behind.",
        flush=True,
    )


async def _finished_order(bus: FakeBus) -> int | None:
    """Return the newest order if a parcel was sent for it, and nothing else can be the cause."""
    offset = bus.broker.topics.logs[TopicPartition("orders", 0)].high_watermark - 1
    flow = await bus.flows.of_record(f"orders[0]@{offset}")
    topics = {record["topic"] for record in flow["records"]}
    is_clear = all(not edge["rivals"] for edge in flow["edges"])
    return offset if is_clear and "parcels" in topics else None


async def _noticed(bus: FakeBus) -> str | None:
    """Return the mistake of shipping's, if the bus can tell it by now."""
    from fakebus.lineage.why.broker_view import explain_group

    found = await explain_group(bus.broker, bus.lineage, "shipping")
    codes = [cause["code"] for cause in found["causes"]] if found is not None else []
    return "not_committing" if "not_committing" in codes else None


async def _found(look: Callable[[], Awaitable[Found | None]]) -> Found:
    """Look again and again until something is found, and return it."""
    while True:
        found = await look()
        if found is not None:
            return found
        await asyncio.sleep(_LOOK_AGAIN_S)
