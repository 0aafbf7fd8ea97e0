"""Print the records of topics as they arrive, one line for each.

A line holds partition and offset, time, key, value and headers; with --json it is an object that
fakebus produce reads and fixture files have. Values with a schema (Avro, JSON Schema, Protobuf)
are decoded; a fakebus tells where its registry is, for others name it with --registry. Within a
partition the order is the log's; between partitions there is none. Topics that are not there yet
are waited for, and patterns go on to match new ones. Nothing is committed, unless --group is
given: then the command is a member of that consumer group, begins where the group has stopped,
and commits what it has printed.

Examples:
  fakebus tail orders                                   new records only; Ctrl-C ends
  fakebus tail orders 'dev-*' '^(eu|us)-.*' --from earliest
  fakebus tail orders --from -10                        the last 10 of each partition, then new
  fakebus tail orders --from -5m --exit                 the last five minutes
  fakebus tail orders --from 2024-05-01T09:00:00Z --count 1
  fakebus tail orders --from -10 --as-of -5m            the last 10 of what was there then
  fakebus tail orders --filter 'value.total > 100 and headers.ce_type contains "order"'
  fakebus tail orders --from earliest --exit --json | jq .value
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from dataclasses import replace
from shlex import quote

from fakebus.cli.bootstrap import add_bootstrap_arguments, add_registry_argument, connect
from fakebus.cli.output import (
    JSON,
    add_format_argument,
    print_json_line,
    print_lines,
    reader_has_gone,
)
from fakebus.cli.record_lines import Schemas
from fakebus.client.connection import ClientError, Connection
from fakebus.client.offsets import log_ranges, partition_of, partitions_of, resolve
from fakebus.client.positions import (
    NEGATIVE_POSITION,
    POSITION_HELP,
    Position,
    PositionKind,
    parse_moment,
    parse_position,
)
from fakebus.client.reading import Reader
from fakebus.client.topics import TopicPattern
from fakebus.cluster.event_lines import event_line, event_text
from fakebus.cluster.filters import FILTER_HELP, EventFields, parse_filter
from fakebus.errors import ConfigError
from fakebus.real_time import monotonic
from fakebus.types import TopicPartition
from fakebus.wording import nearest

_WAIT_MS = 500
_LOOK_S = 1.0
"""How often new topics and partitions are looked for."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus tail``."""
    # So that `--from -5m` is not taken for an option; argparse offers no public way.
    parser._negative_number_matcher = NEGATIVE_POSITION
    add = parser.add_argument
    add(
        "topics",
        nargs="+",
        metavar="TOPIC",
        help="what to read: a name, a pattern with * and ?, or a regular expression after ^",
    )
    add(
        "--from",
        dest="start",
        metavar="POSITION",
        help=f"where to begin: {POSITION_HELP}; default: latest, which is only what is new. With "
        "--group: earliest or latest, for partitions that the group has not committed",
    )
    add("--partition", type=int, metavar="N", help="read this partition only")
    add(
        "--filter",
        metavar="EXPRESSION",
        help=f"print only records for which it holds: {FILTER_HELP}",
    )
    add("--count", type=int, metavar="N", help="stop after N records")
    add(
        "--exit",
        action="store_true",
        help="stop at the end of the topics, as it was when the command began",
    )
    add(
        "--as-of",
        metavar="TIME",
        help="stop in front of the first record with this timestamp (2024-05-01T09:00:00Z, or how "
        "long ago: -5m) or a later one; begins at the earliest record unless --from says otherwise",
    )
    add(
        "--group",
        metavar="NAME",
        help="read as a member of this consumer group and commit what was printed",
    )
    add_format_argument(parser, "a JSON object on each line")
    add_registry_argument(parser)
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print records until there are enough of them, or until Ctrl-C."""
    now_ms = time.time_ns() // 1_000_000
    as_of = None if arguments.as_of is None else parse_moment(arguments.as_of, now_ms)
    start = arguments.start or ("latest" if as_of is None else "earliest")
    position = parse_position(start, now_ms)
    _check(arguments, position.kind)
    wanted = parse_filter(arguments.filter, "--filter") if arguments.filter is not None else None
    patterns = [TopicPattern(text) for text in arguments.topics]
    connection = connect(arguments, "fakebus tail")
    schemas = Schemas(arguments, connection)
    reset = position.kind.value if arguments.group else "earliest"
    left: int = sys.maxsize if arguments.count is None else arguments.count
    has_end = arguments.exit or as_of is not None or arguments.count is not None
    with (
        contextlib.suppress(*() if has_end else (KeyboardInterrupt,)),
        Reader(connection, group=arguments.group, reset=reset, wait_ms=_WAIT_MS) as reader,
    ):
        topics = _Topics(connection, reader, patterns, arguments)
        topics.begin(position, as_of)
        for records in reader.slices():
            for fetched in records:
                event = schemas.event(fetched)
                if wanted is None or wanted(EventFields(event)):
                    if arguments.format == JSON:
                        print_json_line(event_line(event))
                    else:
                        print_lines(event_text(event))
                    left -= 1
                if arguments.group:
                    reader.store(fetched)
                if not left:
                    break
            # Perhaps nothing comes for long, so what was printed should be seen now.
            sys.stdout.flush()
            if not left or (not records and reader_has_gone()):
                break
            topics.follow()
    return 0


def _check(arguments: argparse.Namespace, kind: PositionKind) -> None:
    if arguments.count is not None and arguments.count < 1:
        raise ConfigError("--count must be a number from 1")
    if arguments.group is None:
        return
    if arguments.as_of is not None:
        raise ConfigError("--as-of and --group exclude each other: a group goes on")
    if arguments.partition is not None:
        raise ConfigError("--partition and --group exclude each other: a group shares partitions")
    if kind not in (PositionKind.EARLIEST, PositionKind.LATEST):
        raise ConfigError(
            "with --group, --from is earliest or latest; to move a group to another place: "
            f"fakebus groups {quote(arguments.group)} --reset "
            f"{arguments.topics[0]}={arguments.start}"
        )


class _Topics:
    """Topics that are read: those that are there, and those that come."""

    def __init__(
        self,
        connection: Connection,
        reader: Reader,
        patterns: list[TopicPattern],
        arguments: argparse.Namespace,
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._patterns = patterns
        self._partition: int | None = arguments.partition
        self._in_group = arguments.group is not None
        self._exits: bool = arguments.exit or arguments.as_of is not None
        self._looked = monotonic()
        self._read: set[TopicPartition] = set()

    def begin(self, position: Position, as_of: Position | None) -> None:
        """Read what is there, from a position on.

        Args:
            position: where to begin.
            as_of: the time where to end, as if nothing had come since.

        Raises:
            ClientError: the partition is not there, or a topic that is not waited for.
        """
        self._tell_missing()
        if self._partition is not None:
            for topic in self._names():
                partition_of(self._connection, topic, self._partition)
        found = self._partitions()
        self._read = set(found)
        ranges = log_ranges(self._connection, found)
        if as_of is not None:
            ends = resolve(self._connection, dict.fromkeys(found, as_of), ranges)
            ranges = {place: replace(log, end=ends[place]) for place, log in ranges.items()}
        if self._in_group:
            self._subscribe()
            starts = {each: log.start for each, log in ranges.items()}
        else:
            starts = resolve(self._connection, dict.fromkeys(found, position), ranges)
            self._reader.assign(starts)
        if self._exits:
            ends = {each: log.end for each, log in ranges.items() if log.records}
            self._reader.stop_at({each: end for each, end in ends.items() if starts[each] < end})

    def follow(self) -> None:
        """Read also what has come since, from its beginning."""
        if self._exits or monotonic() - self._looked < _LOOK_S:
            return
        self._looked = monotonic()
        try:
            self._connection.refresh(_LOOK_S)
            found = set(self._partitions())
        except ClientError:
            return  # the cluster restarts, or is just creating a topic: it is asked again soon
        new, gone = found - self._read, self._read - found
        if not new and not gone:
            return
        known = {each.topic for each in self._read}
        self._read = found
        if self._in_group:
            self._subscribe()
        else:
            self._reader.change(gone, new)
        for topic in sorted({each.topic for each in new} - known):
            print_lines(f"fakebus: now reading {topic}", error=True, flush=True)

    def _subscribe(self) -> None:
        names = self._names()
        if names:
            self._reader.subscribe(names)

    def _names(self) -> list[str]:
        known = self._connection.topic_names()
        return [name for name in known if any(each.matches(name) for each in self._patterns)]

    def _partitions(self) -> list[TopicPartition]:
        return [
            each
            for each in partitions_of(self._connection, self._names())
            if self._partition in (None, each.partition)
        ]

    def _tell_missing(self) -> None:
        known = self._connection.topic_names()
        for pattern in self._patterns:
            if any(map(pattern.matches, known)):
                continue
            what = f"no topic matches {pattern.text!r}"
            if pattern.is_name:
                what = f"there is no topic {pattern.text!r}; {nearest(pattern.text, known)}"
            if self._exits:
                raise ClientError(what)
            print_lines(f"fakebus: {what} (waiting for it; Ctrl-C ends)", error=True, flush=True)
