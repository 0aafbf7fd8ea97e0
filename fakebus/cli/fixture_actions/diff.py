"""``fakebus fixtures diff``: what differs between two sets, or between a set and a bus."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from fakebus.cli.bootstrap import (
    add_bootstrap_arguments,
    add_registry_argument,
    connect,
    registry_of,
)
from fakebus.cli.command_settings import path_argument
from fakebus.cli.output import (
    JSON,
    add_format_argument,
    print_json,
    print_lines,
    print_text,
)
from fakebus.wording import counted

if TYPE_CHECKING:
    from fakebus.client.connection import Connection
    from fakebus.client.registry import RegistryClient
    from fakebus.fixture_files.drift.comparing import View
    from fakebus.fixture_files.model import FixtureSet
    from fakebus.fixture_files.structure.schema_set import SchemaIds

NAME = "diff"
HELP = "show what differs between two fixture sets, or a set and a bus"
DESCRIPTION = (
    "Show what differs between two fixture sets, or, with one directory, between the set and "
    "what is on a bus: topics, schemas, and events field by field. Exit code 1 if anything does. "
    "Relative times count from when the set was seeded; elsewhere they are laid so that most "
    "events of the set and the bus are equally old."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments."""
    parser.add_argument("before", type=path_argument, metavar="DIR", help="a fixture set")
    parser.add_argument(
        "after",
        nargs="?",
        type=path_argument,
        metavar="OTHER",
        help="another fixture set (default: the bus)",
    )
    add_registry_argument(parser)
    parser.add_argument(
        "--all-topics", action="store_true", help="also list topics of the bus that no set has"
    )
    add_format_argument(parser, "json: a list of objects, one for each difference")
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare; 1 if something differs."""
    from fakebus.clock import SystemClock
    from fakebus.fixture_files.drift.comparing import differences, time_shift
    from fakebus.fixture_files.loader import load_fixtures

    now_ms = SystemClock().now_ms()
    if arguments.after is not None:
        before, after = (
            _set_view(directory, load_fixtures(directory, now_ms=now_ms))
            for directory in (arguments.before, arguments.after)
        )
    else:
        fixture_set = load_fixtures(arguments.before, now_ms=now_ms)
        connection = connect(arguments, "fakebus fixtures diff")
        registry = registry_of(arguments, connection)
        ids = _ids(registry, fixture_set)

        @cache
        def load(at_ms: int) -> FixtureSet:
            return load_fixtures(arguments.before, now_ms=at_ms, schema_ids=ids)

        before = _set_view(arguments.before, load(now_ms))
        after = _bus_view(arguments, connection, before, registry)
        laid = load(now_ms + time_shift(before, after))
        before = _set_view(arguments.before, _as_seeded(laid, load, connection))
    found = list(differences(before, after))
    if arguments.format == JSON:
        print_json([asdict(one) for one in found])
    else:
        for one in found:
            print_text(one.text())
        number = counted(len(found), "difference") if found else "no differences"
        print_lines(f"{before.name} and {after.name}: {number}")
    return 1 if found else 0


def _ids(registry: RegistryClient | None, fixture_set: FixtureSet) -> SchemaIds | None:
    """Return the ids that a registry has for a set's schemas.

    They are part of the keys, and with them of the choice of partitions.
    """
    if registry is None:
        return None
    ids = {
        (schema.subject, schema.version): registry.lookup(schema) for schema in fixture_set.schemas
    }
    free = count(max((each for each in ids.values() if each is not None), default=0) + 1)
    return {key: next(free) if each is None else each for key, each in ids.items()}


def _set_view(directory: Path, fixture_set: FixtureSet) -> View:
    from fakebus.fixture_files.drift.comparing import set_view
    from fakebus.fixture_files.drift.set_subjects import set_source, set_subjects

    subjects = set_subjects(fixture_set)
    return set_view(
        fixture_set,
        str(directory),
        set_source(subjects.values()),
        {
            name: tuple(version.parsed.canonical for version in subject.versions)
            for name, subject in subjects.items()
        },
    )


def _as_seeded(
    laid: FixtureSet, load: Callable[[int], FixtureSet], connection: Connection
) -> FixtureSet:
    """Return a set with its events as old as they were when they were seeded.

    Args:
        laid: the set, for what was not seeded from it.
        load: loads it at another time.
        connection: the cluster, which notes when it was seeded.
    """
    from fakebus.client.seed_log import read_ledger
    from fakebus.client.topics import topic_ids

    ledger = read_ledger(connection)
    ids = topic_ids(connection, [topic.name for topic in laid.topics])
    # Knows files under their new names as well.
    ledger.changes(laid, ids)
    streams = []
    for number, stream in enumerate(laid.streams):
        events = list(stream.events)
        for start, at_ms in ledger.times(stream, ids.get(stream.topic)):
            events[start:] = load(at_ms).streams[number].events[start:]
        streams.append(replace(stream, events=tuple(events)))
    return replace(laid, streams=tuple(streams))


def _bus_view(
    arguments: argparse.Namespace,
    connection: Connection,
    before: View,
    registry: RegistryClient | None,
) -> View:
    from fakebus.client.topic_contents import read_topics
    from fakebus.fixture_files.drift.comparing import bus_view

    names = [
        name
        for name in connection.topic_names()
        if name in before.topics or (arguments.all_topics and not name.startswith("_"))
    ]
    subjects = dict(before.subjects)
    if registry is not None:
        subjects = {}
        for name in before.subjects:
            versions = [registry.version(name, each) for each in registry.versions(name)]
            if versions:
                subjects[name] = tuple("" if v is None else v.parsed.canonical for v in versions)
    return bus_view(
        connection.name,
        read_topics(connection, names),
        None if registry is None else registry.schema,
        subjects,
    )
