"""Write records to a topic: each line of standard input is one record's value.

The same key always goes to the same partition, the one that librdkafka's clients choose; for
Java's choice say --client-config partitioner=murmur2_random. The command ends when the
cluster has acknowledged every record.

Examples:
  echo hello | fakebus produce orders
  fakebus produce orders --value '{"n": 1}' --key a --header trace=abc
  fakebus produce orders --value '{"n": 1}' --value-schema orders-value
  fakebus produce orders --key-separator : < lines-with-keys.txt
  fakebus produce orders --key a --null                 a tombstone deletes the key
  fakebus produce orders --file picture.png --whole
  fakebus tail orders --from earliest --exit --json | fakebus produce copy --json

With --value-schema or --key-schema JSON is written as Avro, JSON Schema or Protobuf with a schema
of the registry, which a fakebus tells and --registry names.

With --json each line is an event as in fixture files; all fields but value are optional:
  {"key": "a", "value": {"n": 1}, "headers": {"trace": "abc"}, "partition": 0,
   "at": "2024-05-01T09:00:00Z"}
A key is text and a value is JSON, unless they say their type: {"type": "string", "data": "hello"},
{"type": "binary", "data": "AAEC"}, {"subject": "orders-value", "data": {"n": 1}}. Without TOPIC
the lines are of this kind and name their topics.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fakebus.assignments import parse_pairs
from fakebus.cli.bootstrap import (
    add_bootstrap_arguments,
    add_registry_argument,
    connect,
    is_text,
)
from fakebus.cli.output import add_repeated_argument, print_lines
from fakebus.cli.record_lines import Schemas, WrittenRecord, record_of_event
from fakebus.client.connection import ClientError, Connection
from fakebus.client.publishing import Publisher
from fakebus.errors import ConfigError
from fakebus.fixture_files.formats import FORMATS
from fakebus.fixture_files.formats.format import Format
from fakebus.fixture_files.formats.wrappers import WrittenFormat
from fakebus.fixture_files.headers import RecordHeader
from fakebus.fixture_files.problems import DataError
from fakebus.records.record import NewRecord
from fakebus.wording import counted, json_mistake, nearest

CREATION_POLLS = 10
CREATION_POLL_S = 0.1


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus produce``."""
    add = parser.add_argument
    add(
        "topic", nargs="?", metavar="TOPIC", help="the topic to write to; without it as with --json"
    )
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
    form.add_argument(
        "--json", action="store_true", help="each line is an event as fixture files have them"
    )
    form.add_argument(
        "--whole", action="store_true", help="the whole input is one value, byte for byte"
    )
    form.add_argument(
        "--key-separator",
        metavar="TEXT",
        help="each line is KEY, this text, VALUE; a line without it is an error",
    )
    add("--key", metavar="TEXT", help="the key of every record (default: no key)")
    add_repeated_argument(
        parser, "--header", "KEY=VALUE", "a header of every record, the same name as often as given"
    )
    add("--partition", type=int, metavar="N", help="the partition (default: chosen by the key)")
    for part in ("value", "key"):
        add(
            f"--{part}-schema",
            metavar="SUBJECT[:VERSION]",
            help=f"{part}s are JSON, and are written with this schema of the registry, framed",
        )
    add("--quiet", action="store_true", help="print nothing when all went well")
    add_registry_argument(parser)
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the records and wait for their acknowledgement."""
    _check(arguments)
    arguments.json = arguments.json or arguments.topic is None
    connection = connect(arguments, "fakebus produce")
    source = _Source(arguments, Schemas(arguments, connection))
    delivery = _Delivery(connection)
    try:
        for record in source.records():
            delivery.send(record)
    finally:
        delivery.finish()
    if not arguments.quiet:
        print_lines(*delivery.summary(arguments.topic))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    has_form = arguments.whole or arguments.key_separator is not None
    has_value = arguments.value is not None or arguments.null
    if arguments.topic is None and (has_form or has_value):
        raise ConfigError("name the TOPIC; without it each line is an event that names its own")
    if has_value and (arguments.json or has_form):
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


class _Source:
    """Records that the arguments name or the input holds."""

    def __init__(self, arguments: argparse.Namespace, schemas: Schemas) -> None:
        self._arguments = arguments
        self._schemas = schemas
        self._key_format = self._format(arguments.key_schema)
        self._value_format = self._format(arguments.value_schema)
        headers = parse_pairs(arguments.header)
        for name, _ in headers:
            if not is_text(name):
                raise ConfigError(f"the name of the header {name!r} is not UTF-8")
        self._headers: tuple[RecordHeader, ...] = tuple(
            (name, _bytes(value)) for name, value in headers
        )
        self._key: bytes | None = None
        if arguments.key is not None:
            self._key = self._data(_bytes(arguments.key), self._key_format, "--key")

    def _format(self, named: str | None) -> Format | None:
        if named is None:
            return None
        versioned = re.fullmatch(r"(.+):([0-9]{1,9})", named)
        subject, version = (versioned[1], int(versioned[2])) if versioned else (named, None)
        try:
            return self._schemas.format(WrittenFormat(None, subject, version))
        except DataError as error:
            raise ConfigError(f"{error}; {error.hint}" if error.hint else str(error)) from None

    def records(self) -> Iterator[WrittenRecord]:
        """Yield the records; FakebusError with the place of one that is none."""
        arguments = self._arguments
        if arguments.null:
            yield self._record(self._key, None)
        elif arguments.value is not None:
            for value in arguments.value:
                data = self._data(_bytes(value), self._value_format, "--value")
                yield self._record(self._key, data)
        else:
            with _input(arguments.file) as (name, stream):
                if arguments.whole:
                    data = self._data(stream.read(), self._value_format, name)
                    yield self._record(self._key, data)
                    return
                for number, line in enumerate(stream, 1):
                    text = line.removesuffix(b"\n").removesuffix(b"\r")
                    if not arguments.json:
                        yield self._of_line(text, f"{name}:{number}")
                    elif text.strip():
                        yield self._of_event(text, name, number)

    def _of_line(self, line: bytes, place: str) -> WrittenRecord:
        key, value = self._key, line
        if self._arguments.key_separator is not None:
            written, found, value = line.partition(_bytes(self._arguments.key_separator))
            if not found:
                raise ConfigError(
                    f"{place}: there is no {self._arguments.key_separator!r} between key and value"
                )
            key = self._data(written, self._key_format, place)
        return self._record(key, self._data(value, self._value_format, place))

    def _of_event(self, line: bytes, name: str, number: int) -> WrittenRecord:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise ConfigError(f"{name}:{number}: not UTF-8") from None
        found = record_of_event(
            text,
            (name, number),
            self._schemas,
            self._key_format or FORMATS["string"],
            self._value_format or FORMATS["json"],
        )
        topic, partition = self._arguments.topic or found.topic, self._arguments.partition
        if topic is None:
            raise ConfigError(f'{name}:{number}: the event names no topic; add "topic", or TOPIC')
        record = NewRecord(
            self._key if found.record.key is None else found.record.key,
            found.record.value,
            (*self._headers, *found.record.headers),
            found.record.timestamp_ms,
        )
        return WrittenRecord(
            record, partition if found.partition is None else found.partition, topic
        )

    def _record(self, key: bytes | None, value: bytes | None) -> WrittenRecord:
        record = NewRecord(key, value, self._headers)
        return WrittenRecord(record, self._arguments.partition, self._arguments.topic)

    def _data(self, data: bytes, format_: Format | None, place: str) -> bytes | None:
        if format_ is None:
            return data
        try:
            return format_.encode(json.loads(data))
        except DataError as error:
            raise ConfigError(f"{place}: {error}") from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(
                f"{place}: what has a schema is written as JSON: {json_mistake(error)}"
            ) from None


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

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._partitions: dict[str, int] = {}
        self._publisher = Publisher(connection)
        self._offsets: dict[tuple[str, int], list[int]] = {}

    def send(self, record: WrittenRecord) -> None:
        """Queue a record; ClientError if one before it was refused or this one cannot be sent."""
        topic, partition = record.topic or "", record.partition
        if topic not in self._partitions:
            self._partitions[topic] = _partition_count(self._connection, topic)
        count = self._partitions[topic]
        if partition is not None and partition >= count:
            raise ClientError(f"there is no partition {partition}: {topic} has {count}")
        self._publisher.send(topic, record.record, partition, self._stored)

    def _stored(self, topic: str, partition: int, offset: int) -> None:
        seen = self._offsets.setdefault((topic, partition), [offset, offset, 0])
        seen[0], seen[1] = min(seen[0], offset), max(seen[1], offset)
        seen[2] += 1

    def finish(self) -> None:
        """Wait until every record is acknowledged; ClientError if one was not."""
        self._publisher.flush()

    def summary(self, topic: str | None) -> Iterator[str]:
        """Yield how many records went where, a line for each topic.

        Args:
            topic: the one that was named.
        """
        for name in dict.fromkeys([*self._partitions, *([] if topic is None else [topic])]):
            found = sorted((key[1], *seen) for key, seen in self._offsets.items() if key[0] == name)
            places = "; ".join(
                f"partition {partition} "
                + (f"offset {first}" if first == last else f"offsets {first} to {last}")
                for partition, first, last, _ in found
            )
            total = sum(count for *_, count in found)
            yield f"{counted(total, 'record')} to {name}" + (f": {places}" if places else "")


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
