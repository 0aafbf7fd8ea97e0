"""Arguments that say what is looked at, a bus, a cluster or fixture sets, and what it holds."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from fakebus.cli.bootstrap import (
    add_bootstrap_arguments,
    add_http_argument,
    add_registry_argument,
    connect,
    registry_of,
)
from fakebus.cli.output import add_repeated_argument

if TYPE_CHECKING:
    from fakebus.catalogue.subjects import Landscape


class _NamedBus(argparse.Action):
    """Option that names a bus; one that the environment names stands behind all else."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Take the address."""
        namespace.http_url, namespace.is_bus_named = values, True


def add_landscape_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is looked at; a fakebus that runs when none is given."""
    add_repeated_argument(
        parser,
        "--fixtures",
        "DIR",
        "a fixture set that says who reads what, instead of a bus, or besides what --http names",
    )
    help_text = "a Kafka cluster, fakebus or not, that is looked at as a client"
    add_bootstrap_arguments(parser, "cluster", help_text)
    parser.set_defaults(is_bus_named=False)
    add_http_argument(parser, _NamedBus)
    add_registry_argument(parser)


def asks_a_bus(arguments: argparse.Namespace) -> bool:
    """Whether nothing else is named, so that a fakebus is asked by its HTTP address."""
    return not (arguments.fixtures or arguments.cluster or arguments.registry)


def landscape_of(
    arguments: argparse.Namespace, feature: str, *, details: bool = False, examples: bool = False
) -> Landscape:
    """Return what is there by what the arguments name.

    Args:
        arguments: with the options of :func:`add_landscape_arguments`.
        feature: the command's full name.
        details: whether to ask for the configs of topics as well.
        examples: whether to read the newest records of a cluster's topics.

    Raises:
        FakebusError: something cannot be read or reached.
    """
    from fakebus.catalogue.subjects import Landscape, of_set, overlaid

    said = Landscape(subjects={})
    if arguments.fixtures:
        from fakebus.clock import SystemClock
        from fakebus.fixture_files.loader import load_fixtures

        sets = [Path(name) for name in arguments.fixtures]
        said = of_set(load_fixtures(sets, now_ms=SystemClock().now_ms(), keep_written=True))
    if not (arguments.cluster or arguments.registry or arguments.is_bus_named):
        return said
    return overlaid(asyncio.run(_there(arguments, feature, details, examples)), said)


async def _there(
    arguments: argparse.Namespace, feature: str, details: bool, examples: bool
) -> Landscape:
    from fakebus.catalogue.of_cluster import cluster_landscape, subjects_of
    from fakebus.catalogue.subjects import Landscape
    from fakebus.fixture_files.parties import Parties

    if arguments.cluster is None:
        from fakebus.catalogue.event_types import catalogue_from_json
        from fakebus.client.bus_http import BusHttp
        from fakebus.client.registry import RegistryClient
        from fakebus.cluster.external_schemas import ExternalSchemas

        schemas = ExternalSchemas(RegistryClient(arguments.registry or arguments.http_url))
        subjects = await subjects_of(schemas, Parties())
        if not arguments.is_bus_named:
            return Landscape(subjects=subjects)
        there = catalogue_from_json(BusHttp(arguments.http_url).get("/catalogue"))
        return Landscape(subjects=subjects, live=list(there.live_consumers()))
    from fakebus.cluster.external import ExternalCluster

    arguments.bootstrap_server = arguments.cluster
    connection = connect(arguments, feature)
    cluster = ExternalCluster(connection, registry_of(arguments, connection))
    try:
        return await cluster_landscape(cluster, details=details, examples=examples)
    finally:
        await cluster.close()
