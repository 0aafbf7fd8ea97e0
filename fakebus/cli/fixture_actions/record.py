"""``fakebus fixtures record``: a fixture set from what is on a bus."""

from __future__ import annotations

import argparse

from fakebus.cli.bootstrap import (
    add_bootstrap_arguments,
    add_registry_argument,
    connect,
    registry_of,
)
from fakebus.cli.command_settings import path_argument
from fakebus.cli.output import add_repeated_argument, print_lines
from fakebus.records.partitioner import PARTITIONERS
from fakebus.wording import counted

NAME = "record"
HELP = "write a fixture set from the records of any Kafka"
DESCRIPTION = (
    "Write a fixture set from the records of any Kafka cluster. Times become offsets from the "
    "newest record and ids become names, so that the set is alive when it is seeded. People and "
    "secrets are redacted, by the names of fields and by what texts look like, and headers of "
    "tracing are left out; what was redacted and what was left as it was is listed. The same "
    "records give the same files."
)
_STRICT = "strict"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments."""
    parser.add_argument(
        "topics",
        nargs="+",
        metavar="TOPIC",
        help="topics to record; * and ? stand for any letters, as in 'dev-*'",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path_argument,
        required=True,
        metavar="DIR",
        help="where the set is written",
    )
    add_registry_argument(parser)
    parser.add_argument(
        "--since",
        metavar="TIME",
        help="leave out what is older: an instant such as 2026-01-31T08:00:00Z, or -2h",
    )
    add_repeated_argument(
        parser,
        "--redact",
        "PATH",
        "redact what stands at a path of keys or values as well, as in $.user.city or $..street, "
        "or at $.headers.NAME; strict: every text that no --allow names",
    )
    add_repeated_argument(
        parser, "--allow", "PATH", "leave what stands at a path as it is, whatever else says"
    )
    parser.add_argument(
        "--no-redact", action="store_true", help="redact only what --redact names, nothing else"
    )
    parser.add_argument(
        "--keep-tracing", action="store_true", help="keep headers such as traceparent"
    )
    parser.add_argument(
        "--partitioner",
        choices=sorted(PARTITIONERS),
        default="consistent_random",
        help="the partitioner of the services that produce (default: consistent_random)",
    )
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Record the topics."""
    # YAML and the formats come with these; other commands start without them.
    from fakebus.client.topic_contents import read_topics
    from fakebus.client.topics import matching_topics
    from fakebus.fixture_files.recording.recorder import Recorder, earlier_recording, write_files
    from fakebus.fixture_files.recording.redaction import RedactedPath, Redaction

    redaction = Redaction(
        [RedactedPath.parse(text) for text in arguments.redact if text != _STRICT],
        allowed=[RedactedPath.parse(text) for text in arguments.allow],
        built_in=not arguments.no_redact,
        strict=_STRICT in arguments.redact,
    )
    since_ms = None if arguments.since is None else _instant(arguments.since)
    connection = connect(arguments, "fakebus fixtures record")
    registry = registry_of(arguments, connection)
    topics = read_topics(connection, matching_topics(connection, arguments.topics), since_ms)
    recorder = Recorder(
        None if registry is None else registry.schema,
        redaction,
        partitioner=arguments.partitioner,
        keep_tracing=arguments.keep_tracing,
        earlier=earlier_recording(arguments.output),
    )
    files = recorder.files(topics)
    write_files(arguments.output, files)
    count = sum(len(topic.records) for topic in topics)
    print_lines(
        f"{arguments.output}: {counted(count, 'record')} of {counted(len(topics), 'topic')}"
    )
    print_lines(*recorder.listing.lines())
    print_lines(*(f"note: {note}" for note in recorder.notes), error=True)
    return 0


def _instant(text: str) -> int:
    from datetime import UTC

    from fakebus.clock import SystemClock
    from fakebus.errors import ConfigError
    from fakebus.fixture_files.problems import DataError
    from fakebus.fixture_files.times import parse_time

    try:
        return parse_time(text, anchor_ms=SystemClock().now_ms(), zone=UTC)
    except DataError as error:
        raise ConfigError(f"--since {text!r} is not a time; {error.hint}") from None
