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
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fakebus.cli.bootstrap import add_bootstrap_arguments
from fakebus.cli.client import ClientError, Connection, connect
from fakebus.cli.offsets import log_ranges, partitions_of, resolve
from fakebus.cli.output import JSON, add_format_argument, nobody_reads, print_json_line, print_lines
from fakebus.cli.positions import (
    NEGATIVE_POSITION,
    POSITION_HELP,
    PositionKind,
    parse_position,
)
from fakebus.cli.record_lines import Headers, ReadRecord, record_to_json, record_to_text
from fakebus.errors import ConfigError
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message
    from confluent_kafka import TopicPartition as ClientPartition


POLL_S = 0.5


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
    ends = {
        partition: log
        for partition, log in log_ranges(connection, partitions).items()
        if arguments.exit or not arguments.group
    }
    if arguments.group:
        reader = _Reader(_member(connection, arguments.group, position.kind))
        reader.subscribe(arguments.topics)
    else:
        starts = resolve(connection, dict.fromkeys(partitions, position), ends)
        reader = _Reader(_assigned(connection, starts))
        ends = {partition: log for partition, log in ends.items() if starts[partition] < log.end}
    if arguments.exit:
        reader.stop_at({partition: log.end for partition, log in ends.items() if log.records})
    with reader:
        for number, record in enumerate(reader.records(), 1):
            if arguments.format == JSON:
                print_json_line(record_to_json(record))
            else:
                print_lines(record_to_text(record))
            reader.printed()
            if number == arguments.count:
                break
        sys.stdout.flush()
    return 0


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


def _assigned(connection: Connection, starts: dict[TopicPartition, int]) -> Consumer:
    from confluent_kafka import TopicPartition as ClientPartition

    consumer = connection.consumer(
        {
            # librdkafka wants a name; without subscribe and commit no group comes of it.
            "group.id": "fakebus-tail",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([ClientPartition(*partition, offset) for partition, offset in starts.items()])
    return consumer


def _member(connection: Connection, group: str, kind: PositionKind) -> Consumer:
    return connection.consumer(
        {
            "group.id": group,
            "enable.auto.offset.store": False,
            "auto.offset.reset": kind.value,
            "enable.partition.eof": True,
        }
    )


class _Reader:
    """The records of a consumer, until the ends that were asked for.

    Args:
        consumer: assigned, or to be subscribed here; closed with the reader.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._commits = False
        self._settled = False
        self._idle = False
        self._ends: dict[TopicPartition, int] | None = None
        self._last: Message | None = None

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        # Leaves the group and commits what is stored.
        self._consumer.close()

    def subscribe(self, topics: list[str]) -> None:
        """Become a member of the consumer's group, and commit what is printed."""
        self._commits = True
        self._consumer.subscribe(list(dict.fromkeys(topics)), on_assign=self._assigned)

    def _assigned(self, *_: object) -> None:
        # Called with an empty list too, when the group has more members than partitions.
        self._settled = True

    def stop_at(self, ends: dict[TopicPartition, int]) -> None:
        """End when these offsets are reached, or the end of the partition."""
        self._ends = ends

    def printed(self) -> None:
        """Say that the last record has reached the user."""
        if self._commits and self._last is not None:
            self._consumer.store_offsets(self._last)

    def records(self) -> Iterator[ReadRecord]:
        """Yield records as they arrive."""
        while (self._ends is None or self._ends) and not (self._idle and nobody_reads()):
            message = self._consumer.poll(0)
            if message is None:
                # Nothing is waiting, so what was printed should be seen now.
                sys.stdout.flush()
                message = self._consumer.poll(POLL_S)
            self._idle = message is None
            if message is None:
                self._forget_what_others_read()
            elif message.error() is not None:
                self._take_error(message)
            else:
                yield from self._take(message)

    def _take(self, message: Message) -> Iterator[ReadRecord]:
        self._last = message
        record = _read(message)
        yield record
        partition = TopicPartition(record.topic, record.partition)
        if self._ends and record.offset + 1 >= self._ends.get(partition, sys.maxsize):
            del self._ends[partition]

    def _take_error(self, message: Message) -> None:
        from confluent_kafka import KafkaError

        error = message.error()
        if error is None or error.code() == KafkaError._PARTITION_EOF:
            topic, partition = message.topic(), message.partition()
            if self._ends and topic is not None and partition is not None:
                self._ends.pop(TopicPartition(topic, partition), None)
        elif not error.retriable():
            raise ClientError(f"reading failed: {error.str()}")

    def _forget_what_others_read(self) -> None:
        """Wait only for the ends of partitions that the group has given to this member."""
        if self._ends and self._settled:
            mine = {_plain(partition) for partition in self._consumer.assignment()}
            self._ends = {key: end for key, end in self._ends.items() if key in mine}


def _plain(partition: ClientPartition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.partition)


def _read(message: Message) -> ReadRecord:
    kind, timestamp = message.timestamp()
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise ClientError("the client library gave a record without topic and offset")
    return ReadRecord(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_ms=timestamp if kind else None,
        key=_payload(message.key()),
        value=_payload(message.value()),
        headers=_headers(message),
    )


def _headers(message: Message) -> Headers:
    # The library's types allow what it takes for producing; it gives a list of pairs.
    found: Any = message.headers()
    return tuple((name, _payload(value)) for name, value in found or ())


def _payload(payload: object) -> bytes | None:
    if payload is None or isinstance(payload, bytes):
        return payload
    return str(payload).encode()
