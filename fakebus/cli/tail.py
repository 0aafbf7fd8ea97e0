"""Print the records of topics as they arrive, one line for each.

A line holds partition and offset, time, key, value and headers; with --format json it is an
object that fakebus produce --json reads. Within a partition the order is the log's;
between partitions there is none. Nothing is committed, unless --group is given: then the
command is a member of that consumer group, begins where the group has stopped, and commits
what it has printed.

Examples:
  fakebus tail orders                                   new records only; Ctrl-C ends
  fakebus tail orders payments --from earliest
  fakebus tail orders --from -10                        the last 10 of each partition, then new
  fakebus tail orders --from -5m --exit                 the last five minutes
  fakebus tail orders --from 2024-05-01T09:00:00Z --count 1
  fakebus tail orders --from earliest --exit --format json | jq .value
"""

from __future__ import annotations

import argparse
import sys
import time

from fakebus.cli.bootstrap import add_bootstrap_arguments, connect
from fakebus.cli.output import (
    JSON,
    add_format_argument,
    print_json_line,
    print_lines,
    reader_has_gone,
)
from fakebus.cli.record_lines import record_to_json, record_to_text
from fakebus.client.connection import ClientError, Connection
from fakebus.client.offsets import log_ranges, partitions_of, resolve
from fakebus.client.positions import (
    NEGATIVE_POSITION,
    POSITION_HELP,
    PositionKind,
    parse_position,
)
from fakebus.client.reading import Reader
from fakebus.errors import ConfigError
from fakebus.types import TopicPartition

_WAIT_MS = 500


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus tail``."""
    # So that `--from -5m` is not taken for an option; argparse offers no public way.
    parser._negative_number_matcher = NEGATIVE_POSITION
    add = parser.add_argument
    add("topics", nargs="+", metavar="TOPIC", help="what to read")
    add(
        "--from",
        dest="start",
        metavar="POSITION",
        help=f"where to begin: {POSITION_HELP}; default: latest, which is only what is new. With "
        "--group: earliest or latest, for partitions that the group has not committed",
    )
    add("--partition", type=int, metavar="N", help="read this partition only")
    add("--count", type=int, metavar="N", help="stop after N records")
    add(
        "--exit",
        action="store_true",
        help="stop at the end of the topics, as it was when the command began",
    )
    add(
        "--group",
        metavar="NAME",
        help="read as a member of this consumer group and commit what was printed",
    )
    add_format_argument(parser, "a JSON object on each line")
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print records until there are enough of them, or until Ctrl-C."""
    position = parse_position(arguments.start or "latest", time.time_ns() // 1_000_000)
    _check(arguments, position.kind)
    connection = connect(arguments, "fakebus tail")
    partitions = _partitions(connection, arguments)
    ranges = log_ranges(connection, partitions)
    reset = position.kind.value if arguments.group else "earliest"
    with Reader(connection, group=arguments.group, reset=reset, wait_ms=_WAIT_MS) as reader:
        if arguments.group:
            reader.subscribe(arguments.topics)
            ends = {partition: log.end for partition, log in ranges.items() if log.records}
        else:
            starts = resolve(connection, dict.fromkeys(partitions, position), ranges)
            reader.assign(starts)
            ends = {
                partition: log.end
                for partition, log in ranges.items()
                if starts[partition] < log.end and log.records
            }
        if arguments.exit:
            reader.stop_at(ends)
        _print(reader, arguments)
    return 0


def _print(reader: Reader, arguments: argparse.Namespace) -> None:
    left: int = sys.maxsize if arguments.count is None else arguments.count
    for records in reader.slices():
        for record in records[:left]:
            if arguments.format == JSON:
                print_json_line(record_to_json(record))
            else:
                print_lines(record_to_text(record))
            if arguments.group:
                reader.store(record)
        # Perhaps nothing comes for long, so what was printed should be seen now.
        sys.stdout.flush()
        left -= len(records)
        if left <= 0 or (not records and reader_has_gone()):
            return


def _check(arguments: argparse.Namespace, kind: PositionKind) -> None:
    if arguments.count is not None and arguments.count < 1:
        raise ConfigError("--count must be a number from 1")
    if arguments.group is None:
        return
    if arguments.partition is not None:
        raise ConfigError("--partition and --group exclude each other: a group shares partitions")
    if kind not in (PositionKind.EARLIEST, PositionKind.LATEST):
        raise ConfigError(
            "with --group, --from is earliest or latest; to move a group to another place: "
            f"fakebus groups {arguments.group} --reset {arguments.topics[0]}={arguments.start}"
        )


def _partitions(connection: Connection, arguments: argparse.Namespace) -> list[TopicPartition]:
    everything = partitions_of(connection, dict.fromkeys(arguments.topics))
    if arguments.partition is None:
        return everything
    for topic in arguments.topics:
        if TopicPartition(topic, arguments.partition) not in everything:
            count = connection.partition_count(topic)
            raise ClientError(f"there is no partition {arguments.partition}: {topic} has {count}")
    return [found for found in everything if found.partition == arguments.partition]
