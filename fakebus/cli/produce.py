"""Write records to a topic: each line of standard input is one record's value.

The same key always goes to the same partition, the one that librdkafka's clients choose; for
Java's choice say --client-config partitioner=murmur2_random. The command ends when the
cluster has acknowledged every record.

Examples:
  echo hello | fakebus produce orders
  fakebus produce orders --value '{"n": 1}' --key a --header trace=abc
  fakebus produce orders --key-separator : < lines-with-keys.txt
  fakebus produce orders --key a --null                 a tombstone deletes the key
  fakebus produce orders --file picture.png --whole
  fakebus tail orders --from earliest --exit --format json | fakebus produce copy --json

With --json each line is an object; all fields are optional:
  {"key": "a", "value": {"n": 1}, "headers": {"trace": "abc"}, "partition": 0,
   "timestamp": "2024-05-01T09:00:00Z"}
A key or value that is no text is written as JSON; key_base64 and value_base64 give bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fakebus.cli.bootstrap import add_bootstrap_arguments, connect
from fakebus.cli.output import add_repeated_argument, print_lines
from fakebus.cli.record_lines import (
    Headers,
    NewRecord,
    RecordLineError,
    header_name,
    record_from_json,
)
from fakebus.client.connection import ClientError, Connection, nearest
from fakebus.client.publishing import Publisher
from fakebus.config import parse_assignments
from fakebus.errors import ConfigError
from fakebus.records import record as records
from fakebus.wording import counted

CREATION_POLLS = 10
CREATION_POLL_S = 0.1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus produce``."""
    add = parser.add_argument
    add("topic", metavar="TOPIC", help="the topic to write to")
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--value",
        action="append",
        metavar="TEXT",
        help="write this value instead of reading lines; may be given several times",
    )
    source.add_argument("--null", action="store_true", help="write one tombstone: a null value")
    source.add_argument(
        "--file", metavar="FILE", help="read FILE instead of standard input (-, the default)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="each line is a record as a JSON object")
    form.add_argument(
        "--whole", action="store_true", help="the whole input is one value, byte for byte"
    )
    form.add_argument(
        "--key-separator",
        metavar="TEXT",
        help="each line is KEY, this text, VALUE; a line without it is an error",
    )
    add("--key", metavar="TEXT", help="the key of every record (default: no key)")
    add_repeated_argument(parser, "--header", "KEY=VALUE", "a header of every record")
    add("--partition", type=int, metavar="N", help="the partition (default: chosen by the key)")
    add("--quiet", action="store_true", help="print nothing when all went well")
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the records and wait for their acknowledgement."""
    _check(arguments)
    connection = connect(arguments, "fakebus produce")
    delivery = _Delivery(connection, arguments.topic)
    try:
        for record in _records(arguments):
            delivery.send(record)
    finally:
        delivery.finish()
    if not arguments.quiet:
        print_lines(delivery.summary())
    return 0


def _check(arguments: argparse.Namespace) -> None:
    lines = arguments.value is None and not arguments.null
    if not lines and (arguments.json or arguments.whole or arguments.key_separator is not None):
        raise ConfigError(
            "--json, --whole and --key-separator say how lines are read; leave out "
            "--value and --null"
        )
    if arguments.key_separator == "":
        raise ConfigError("--key-separator must not be empty")
    if arguments.key is not None and arguments.key_separator is not None:
        raise ConfigError("--key and --key-separator both give the key; leave one out")
    if arguments.null and arguments.key is None:
        raise ConfigError("--null needs --key: a tombstone says which key is deleted")
    if arguments.partition is not None and arguments.partition < 0:
        raise ConfigError("--partition must be a number from 0")


def _records(arguments: argparse.Namespace) -> Iterator[NewRecord]:
    key = None if arguments.key is None else _bytes(arguments.key)
    headers: Headers = tuple(
        (header_name(name), _bytes(value))
        for name, value in parse_assignments(arguments.header).items()
    )

    def record(value: bytes | None) -> NewRecord:
        return NewRecord(key=key, value=value, headers=headers, partition=arguments.partition)

    if arguments.null:
        yield record(None)
    elif arguments.value is not None:
        for value in arguments.value:
            yield record(_bytes(value))
    else:
        with _input(arguments.file) as (name, stream):
            if arguments.whole:
                yield record(stream.read())
            else:
                yield from _from_lines(arguments, name, stream, record)


def _from_lines(
    arguments: argparse.Namespace,
    name: str,
    stream: IO[bytes],
    record: Callable[[bytes | None], NewRecord],
) -> Iterator[NewRecord]:
    defaults = record(None)
    separator = None if arguments.key_separator is None else _bytes(arguments.key_separator)
    for number, line in enumerate(stream, 1):
        text = line.removesuffix(b"\n").removesuffix(b"\r")
        try:
            if arguments.json:
                if text.strip():
                    yield _with_defaults(record_from_json(_text(text)), defaults)
            elif separator is not None:
                yield _split(text, separator, defaults)
            else:
                yield record(text)
        except RecordLineError as error:
            raise RecordLineError(f"{name}:{number}: {error}") from None


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise RecordLineError("not UTF-8") from None


def _split(line: bytes, separator: bytes, defaults: NewRecord) -> NewRecord:
    key, found, value = line.partition(separator)
    if not found:
        raise RecordLineError(f"there is no {separator.decode()!r} between key and value")
    return NewRecord(key=key, value=value, headers=defaults.headers, partition=defaults.partition)


def _with_defaults(record: NewRecord, defaults: NewRecord) -> NewRecord:
    return NewRecord(
        key=defaults.key if record.key is None else record.key,
        value=record.value,
        headers=defaults.headers + record.headers,
        partition=defaults.partition if record.partition is None else record.partition,
        timestamp_ms=record.timestamp_ms,
    )


def _bytes(text: str) -> bytes:
    # Arguments that are not UTF-8 reach Python as surrogates; this gives their bytes back.
    return text.encode(errors="surrogateescape")


@contextmanager
def _input(file: str | None) -> Iterator[tuple[str, IO[bytes]]]:
    if file is None or file == "-":
        if sys.stdin.isatty():
            print_lines("one record a line; Ctrl-D ends", error=True)
        yield "standard input", sys.stdin.buffer
        return
    try:
        stream = Path(file).open("rb")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    with stream:
        yield file, stream


class _Delivery:
    """Records on their way, and the places of those that have arrived."""

    def __init__(self, connection: Connection, topic: str) -> None:
        self._topic = topic
        self._partitions = _partition_count(connection, topic)
        self._publisher = Publisher(connection, on_stored=self._stored)
        self._offsets: dict[int, list[int]] = {}

    def send(self, record: NewRecord) -> None:
        """Queue a record; ClientError if one before it was refused or this one cannot be sent."""
        if record.partition is not None and record.partition >= self._partitions:
            raise ClientError(
                f"there is no partition {record.partition}: {self._topic} has {self._partitions}"
            )
        stored = record.key, record.value, record.headers, record.timestamp_ms
        self._publisher.send(self._topic, records.NewRecord(*stored), record.partition)

    def _stored(self, _: str, partition: int, offset: int) -> None:
        seen = self._offsets.setdefault(partition, [offset, offset, 0])
        seen[0], seen[1] = min(seen[0], offset), max(seen[1], offset)
        seen[2] += 1

    def finish(self) -> None:
        """Wait until every record is acknowledged; ClientError if one was not."""
        self._publisher.flush()

    def summary(self) -> str:
        """Return how many records went where."""
        total = sum(count for _, _, count in self._offsets.values())
        places = "; ".join(
            f"partition {partition} "
            + (f"offset {first}" if first == last else f"offsets {first} to {last}")
            for partition, (first, last, _) in sorted(self._offsets.items())
        )
        return f"{counted(total, 'record')} to {self._topic}" + (f": {places}" if places else "")


def _partition_count(connection: Connection, topic: str) -> int:
    """Ask for a topic as producers do, which creates it where the broker allows that."""
    from confluent_kafka import KafkaError, KafkaException

    producer = connection.producer()
    for _ in range(CREATION_POLLS):
        try:
            found = producer.list_topics(topic, timeout=5.0).topics[topic]
        except KafkaException as error:
            raise ClientError(f"topic {topic!r}: {error.args[0].str()}") from None
        if found.error is None:
            return len(found.partitions)
        if found.error.code() not in (
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError.LEADER_NOT_AVAILABLE,
        ):
            raise ClientError(f"topic {topic!r}: {found.error.str()}")
        producer.poll(CREATION_POLL_S)
    raise ClientError(
        f"there is no topic {topic!r}; {nearest(topic, connection.topic_names())}; make it with  "
        f"fakebus topics --create {topic}"
    )
