"""``fakebus fixtures drift``: whether a set still fits what services and registries have."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from fakebus.cli.bootstrap import (
    add_bootstrap_arguments,
    add_registry_argument,
    connect,
    registry_of,
)
from fakebus.cli.fixture_arguments import add_directory_argument, add_report_argument, print_report
from fakebus.cli.output import JSON, add_repeated_argument, print_json, print_lines, print_text
from fakebus.errors import ConfigError

if TYPE_CHECKING:
    from fakebus.fixture_files.drift.findings import DriftFinding
    from fakebus.fixture_files.drift.set_subjects import SetSubject
    from fakebus.fixture_files.model import FixtureSet

NAME = "drift"
HELP = "compare fixture files with packages, registries, consumers and a bus"
DESCRIPTION = (
    "Compare the schemas and events of a fixture set with what services really have: what has "
    "changed, who is concerned, and whether it is compatible. Exit code 1 if something is not. "
    "The schemas that consumers read with, as the set names them, are always looked at."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments."""
    add_directory_argument(parser)
    add_repeated_argument(
        parser,
        "--package",
        "NAME",
        "compare with an installed Python package: openedx-events, or any that has schema files",
    )
    add_repeated_argument(
        parser,
        "--from-avsc",
        "FOLDER",
        "compare with the schema files in a folder (.avsc, .schema.json, .proto)",
    )
    add_repeated_argument(
        parser,
        "--reader",
        "SERVICE=FOLDER",
        "check that a service can read the set's events with the schema files in a folder",
    )
    add_registry_argument(parser)
    parser.add_argument(
        "--live", action="store_true", help="compare with the records on a bus as well"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit code 1 also for compatible differences"
    )
    add_report_argument(parser)
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare; 1 if something does not fit."""
    from fakebus.clock import SystemClock
    from fakebus.fixture_files.drift.findings import BREAKING, DRIFT
    from fakebus.fixture_files.drift.set_subjects import set_subjects
    from fakebus.fixture_files.loader import load_fixtures

    directory: Path = arguments.directory
    fixture_set = load_fixtures(directory, now_ms=SystemClock().now_ms(), keep_written=True)
    subjects = set_subjects(fixture_set)
    compared: list[str] = []
    findings = [
        *_packages(arguments, fixture_set, subjects, compared),
        *_readers(arguments, subjects, compared),
        *_registry(arguments, subjects, compared),
        *_live(arguments, fixture_set, subjects, compared),
    ]
    _print(arguments, findings, compared)
    failing = {BREAKING, DRIFT} if arguments.strict else {BREAKING}
    return 1 if any(one.severity in failing for one in findings) else 0


def _packages(
    arguments: argparse.Namespace,
    fixture_set: FixtureSet,
    subjects: dict[str, SetSubject],
    compared: list[str],
) -> Iterator[DriftFinding]:
    from fakebus.cli.packages import package_schemas
    from fakebus.fixture_files.drift.comparison import against_schemas, parse_found
    from fakebus.fixture_files.drift.lock import version_findings
    from fakebus.fixture_files.drift.schema_files import read_folder

    sources = [package_schemas(name) for name in arguments.package]
    sources += [(folder, read_folder(Path(folder)), None) for folder in arguments.from_avsc]
    for where, files, covers in sources:
        compared.append(where)
        yield from version_findings(fixture_set.root, where)
        schemas, broken = parse_found(files, where)
        yield from broken
        yield from against_schemas(subjects, schemas, where, covers=covers)


def _readers(
    arguments: argparse.Namespace, subjects: dict[str, SetSubject], compared: list[str]
) -> Iterator[DriftFinding]:
    from fakebus.fixture_files.drift.comparison import FoundSchema, against_readers, parse_found
    from fakebus.fixture_files.drift.schema_files import read_folder

    readers: dict[str, list[FoundSchema]] = {}
    for text in arguments.reader:
        service, equals, folder = text.partition("=")
        if not service or not equals:
            raise ConfigError(f"--reader {text!r} is not a reader: write SERVICE=FOLDER")
        schemas, broken = parse_found(read_folder(Path(folder)), folder)
        readers.setdefault(service, []).extend(schemas)
        yield from broken
    named = {
        reader.service for subject in subjects.values() for reader in subject.latest.schema.readers
    }
    compared += sorted({*named, *readers})
    yield from against_readers(subjects, readers)


def _registry(
    arguments: argparse.Namespace, subjects: dict[str, SetSubject], compared: list[str]
) -> Iterator[DriftFinding]:
    from fakebus.fixture_files.drift.registries import against_registry

    registry = registry_of(arguments)
    if registry is not None:
        compared.append(registry.url)
        yield from against_registry(subjects, registry)


def _live(
    arguments: argparse.Namespace,
    fixture_set: FixtureSet,
    subjects: dict[str, SetSubject],
    compared: list[str],
) -> Iterator[DriftFinding]:
    if not arguments.live:
        return
    from fakebus.client.topic_contents import read_topics
    from fakebus.fixture_files.drift.live import against_topics

    registry = registry_of(arguments)
    if registry is None and subjects:
        raise ConfigError("--live needs --registry: the set has schemas, and so have its records")
    connection = connect(arguments, "fakebus fixtures drift")
    there = set(connection.topic_names())
    names = [topic.name for topic in fixture_set.topics if topic.name in there]
    topics = read_topics(connection, names)
    where = connection.name
    compared.append(where)
    source = None if registry is None else registry.schema
    yield from against_topics(fixture_set, subjects, topics, source, where)


def _print(
    arguments: argparse.Namespace, findings: list[DriftFinding], compared: list[str]
) -> None:
    directory: Path = arguments.directory
    if arguments.format == JSON:
        print_json([asdict(one) for one in findings])
        return
    if print_report(arguments, NAME, [directory], [one.problem() for one in findings]):
        return
    for one in findings:
        print_text(one.text())
    counts: Counter[str] = Counter(one.severity for one in findings)
    words = {"breaking": "breaking", "drift": "compatible", "note": "to know"}
    found = ", ".join(f"{counts[each]} {words[each]}" for each in words if counts[each])
    against = ", ".join(compared) or "nothing; name what with --package, --registry or --live"
    print_lines(f"{directory}: {found or 'no drift'}; compared with {against}")
