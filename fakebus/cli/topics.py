"""Show, create and delete topics of any Kafka cluster.

Without a name: all topics with the number of their partitions and records. With a name:
that topic's partitions, offsets, and the configs that differ from the default.

Examples:
  fakebus topics
  fakebus topics orders
  fakebus topics orders --format json | jq .configs
  fakebus topics --create orders --partitions 3 --config retention.ms=60000
  fakebus topics --delete orders
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from fakebus.cli.bootstrap import add_bootstrap_arguments
from fakebus.cli.client import REQUEST_TIMEOUT_S, Connection, connect
from fakebus.cli.offsets import log_ranges, partitions_of
from fakebus.cli.output import (
    JSON,
    add_format_argument,
    counted,
    print_json,
    print_lines,
    print_table,
)
from fakebus.config import parse_assignments
from fakebus.errors import ConfigError

if TYPE_CHECKING:
    from confluent_kafka.admin import ConfigEntry  # type: ignore[attr-defined]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``fakebus topics``."""
    parser.add_argument("topic", nargs="?", metavar="NAME", help="describe this topic")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--create", metavar="NAME", help="create a topic")
    action.add_argument("--delete", metavar="NAME", help="delete a topic and all its records")
    parser.add_argument(
        "--partitions",
        type=int,
        metavar="N",
        help="with --create: how many partitions (default: what the broker's num.partitions says)",
    )
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="with --create: a topic config, as in cleanup.policy=compact; may be given several "
        "times",
    )
    parser.add_argument(
        "--internal", action="store_true", help="list internal topics (__consumer_offsets) too"
    )
    add_format_argument(parser, "one JSON document")
    add_bootstrap_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for."""
    _check(arguments)
    connection = connect(arguments, "fakebus topics")
    if arguments.create:
        _create(connection, arguments)
    elif arguments.delete:
        _delete(connection, arguments.delete)
    elif arguments.topic:
        _describe(connection, arguments)
    else:
        _list(connection, arguments)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.topic and (arguments.create or arguments.delete):
        raise ConfigError("name the topic once: after --create or --delete, or alone to see it")
    if (arguments.partitions is not None or arguments.config) and not arguments.create:
        raise ConfigError("--partitions and --config belong to --create NAME")


def _create(connection: Connection, arguments: argparse.Namespace) -> None:
    from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

    # -1: the broker's own default, since Kafka 2.4 (KIP-464).
    topic = NewTopic(
        arguments.create,
        num_partitions=-1 if arguments.partitions is None else arguments.partitions,
        replication_factor=-1,
        config=parse_assignments(arguments.config),
    )
    try:
        futures = connection.admin.create_topics([topic], request_timeout=REQUEST_TIMEOUT_S)
    except ValueError as error:
        raise ConfigError(f"topic {arguments.create!r} cannot be created: {error}") from None
    connection.result(futures[arguments.create], f"topic {arguments.create!r} is not created")
    print_lines(f"created {arguments.create}")


def _delete(connection: Connection, name: str) -> None:
    connection.partition_count(name)
    futures = connection.admin.delete_topics([name], request_timeout=REQUEST_TIMEOUT_S)
    connection.result(futures[name], f"topic {name!r} is not deleted")
    print_lines(f"deleted {name}")


def _list(connection: Connection, arguments: argparse.Namespace) -> None:
    names = [
        name for name in connection.topic_names() if arguments.internal or not name.startswith("__")
    ]
    ranges = log_ranges(connection, partitions_of(connection, names))
    records = dict.fromkeys(names, 0)
    for partition, log in ranges.items():
        records[partition.topic] += log.records
    rows = [(name, connection.partition_count(name), records[name]) for name in names]
    if arguments.format == JSON:
        print_json(
            [{"topic": name, "partitions": count, "records": sum_} for name, count, sum_ in rows]
        )
    elif rows:
        print_table(("topic", "partitions", "records"), rows)
    else:
        print_lines("no topics; make one with  fakebus topics --create NAME")


def _describe(connection: Connection, arguments: argparse.Namespace) -> None:
    topic = arguments.topic
    ranges = log_ranges(connection, partitions_of(connection, [topic]))
    configs = _configs_that_differ(connection, topic)
    if arguments.format == JSON:
        print_json(_document(topic, ranges, configs))
        return
    rows = [
        (partition.partition, log.start, log.end, log.records) for partition, log in ranges.items()
    ]
    total = sum(log.records for log in ranges.values())
    title = f"{topic}: {counted(len(rows), 'partition')}, {counted(total, 'record')}"
    print_table(("partition", "start", "end", "records"), rows, title=title)
    print_lines("")
    if configs:
        print_table(
            ("config", "value", "set on"),
            [(entry.name, entry.value, _source(entry)) for entry in configs],
        )
    else:
        print_lines("all configs have their defaults")


def _document(topic: str, ranges: dict[Any, Any], configs: list[ConfigEntry]) -> dict[str, Any]:
    return {
        "topic": topic,
        "records": sum(log.records for log in ranges.values()),
        "partitions": [
            {
                "partition": partition.partition,
                "start": log.start,
                "end": log.end,
                "records": log.records,
            }
            for partition, log in ranges.items()
        ],
        "configs": {entry.name: entry.value for entry in configs},
    }


def _configs_that_differ(connection: Connection, topic: str) -> list[ConfigEntry]:
    from confluent_kafka.admin import ConfigResource, ConfigSource  # type: ignore[attr-defined]

    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    futures = connection.admin.describe_configs([resource], request_timeout=REQUEST_TIMEOUT_S)
    entries = connection.result(futures[resource], f"the configs of {topic}")
    return [
        entry
        for _, entry in sorted(entries.items())
        if ConfigSource(entry.source) is not ConfigSource.DEFAULT_CONFIG
    ]


def _source(entry: ConfigEntry) -> str:
    from confluent_kafka.admin import ConfigSource  # type: ignore[attr-defined]

    is_topic = ConfigSource(entry.source) is ConfigSource.DYNAMIC_TOPIC_CONFIG
    return "topic" if is_topic else "broker"
