"""``fakebus fixtures play``: a scenario, step by step, into any Kafka."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from fakebus.cli.bootstrap import (
    add_bootstrap_arguments,
    add_registry_argument,
    connect,
    registry_of,
)
from fakebus.cli.fixture_arguments import add_directory_argument
from fakebus.cli.output import print_lines
from fakebus.client.connection import ClientError
from fakebus.client.publishing import Publisher
from fakebus.errors import ConfigError
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.client.registry import RegistryClient
    from fakebus.fixture_files.model import FixtureSet
    from fakebus.fixture_files.scenarios.playing import ScenarioRecord

NAME = "play"
HELP = "play a scenario into any Kafka"
DESCRIPTION = (
    "Publish the events of a scenario with the pauses between them, to a cluster that the set was "
    "seeded to, fakebus or not. Every run gives events ids of their own, so that consumers do not "
    "take them for repetitions; --run NAME gives the same ids for the same name."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments."""
    parser.add_argument("name", metavar="NAME", help="the scenario; its file without .yaml")
    add_directory_argument(parser)
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="N", help="N times faster than written"
    )
    parser.add_argument("--run", dest="run_name", metavar="NAME", help="a name for this run")
    add_registry_argument(parser)
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Play the scenario."""
    from fakebus.clock import SystemClock
    from fakebus.fixture_files.loader import load_fixtures, load_scenarios
    from fakebus.fixture_files.scenarios.playing import play, scenario_named

    if not arguments.speed > 0:
        raise ConfigError(f"--speed {arguments.speed:g}: write a number above 0")
    directory: Path = arguments.directory
    now_ms = SystemClock().now_ms()
    file = str(directory / "fakebus.yaml")
    # A name that is wrong is told before a cluster is looked for.
    scenario = scenario_named(load_scenarios(directory, now_ms=now_ms), arguments.name, file)
    connection = connect(arguments, "fakebus fixtures play")
    fixture_set = load_fixtures(directory, now_ms=now_ms)
    if fixture_set.schemas:
        ids = _schema_ids(fixture_set, registry_of(arguments, connection))
        scenarios = load_scenarios(directory, now_ms=now_ms, schema_ids=ids)
        scenario = scenario_named(scenarios, arguments.name, file)
    for topic in scenario.topics():
        connection.partition_count(topic)
    publisher = Publisher(connection, {"linger.ms": 0})

    def publish(wanted: ScenarioRecord) -> None:
        publisher.send(wanted.topic, wanted.record, wanted.partition)
        publisher.flush()
        key = wanted.record.key
        shown = "no key" if key is None else repr(key.decode("utf-8", "replace"))
        print_lines(f"{wanted.topic}-{wanted.partition}: {shown}", flush=True)

    name = str(now_ms) if arguments.run_name is None else arguments.run_name
    count = play(scenario, publish, time.sleep, speed=arguments.speed, run=name)
    print_lines(f"{scenario.name}: {counted(count, 'event')} published")
    return 0


def _schema_ids(
    fixture_set: FixtureSet, registry: RegistryClient | None
) -> dict[tuple[str, int], int]:
    if registry is None:
        raise ClientError(
            "the set has schemas: say where the registry is, with --registry http://HOST:8081"
        )
    found = {}
    for schema in fixture_set.schemas:
        schema_id = registry.lookup(schema)
        if schema_id is None:
            raise ClientError(
                f"the registry at {registry.url} does not have version {schema.version} of "
                f"{schema.subject}; seed the set first, with  fakebus fixtures seed"
            )
        found[schema.subject, schema.version] = schema_id
    return found
