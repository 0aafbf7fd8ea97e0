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

from fakebus.assignments import parse_assignments
from fakebus.cli.bootstrap import add_bootstrap_arguments, connect
from fakebus.cli.output import (
    JSON,
    add_format_argument,
    add_repeated_argument,
    print_json,
    print_lines,
    print_rows,
    print_table,
)
from fakebus.client.connection import Connection
from fakebus.client.offsets import log_ranges, partitions_of
from fakebus.client.topics import (
    WantedTopic,
    changed_configs,
    create_topics,
    delete_topics,
    is_set_on_topic,
)
from fakebus.errors import ConfigError
from fakebus.wording import counted


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
    add_repeated_argument(
        parser,
        "--config",
        "KEY=VALUE",
        "with --create: a topic config, as in cleanup.policy=compact",
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
        config = parse_assignments(arguments.config)
        create_topics(connection, [WantedTopic(arguments.create, arguments.partitions, config)])
        print_lines(f"created {arguments.create}")
    elif arguments.delete:
        connection.partition_count(arguments.delete)
        delete_topics(connection, [arguments.delete])
        print_lines(f"deleted {arguments.delete}")
    elif arguments.topic:
        _describe(connection, arguments)
    else:
        _list(connection, arguments)
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.topic and (arguments.create or arguments.delete):
        raise ConfigError("name the topic once: after --create or --delete, or alone to see it")
    if arguments.internal and (arguments.topic or arguments.create or arguments.delete):
        raise ConfigError("--internal is for the list of all topics; leave it out")
    if (arguments.partitions is not None or arguments.config) and not arguments.create:
        raise ConfigError("--partitions and --config belong to --create NAME")


def _list(connection: Connection, arguments: argparse.Namespace) -> None:
    names = [
        name for name in connection.topic_names() if arguments.internal or not name.startswith("__")
    ]
    ranges = log_ranges(connection, partitions_of(connection, names))
    records = dict.fromkeys(names, 0)
    for partition, log in ranges.items():
        records[partition.topic] += log.records
    rows = [(name, connection.partition_count(name), records[name]) for name in names]
    nothing = "no topics; make one with  fakebus topics --create NAME"
    print_rows(arguments.format, ("topic", "partitions", "records"), rows, nothing)


def _describe(connection: Connection, arguments: argparse.Namespace) -> None:
    topic = arguments.topic
    ranges = log_ranges(connection, partitions_of(connection, [topic]))
    configs = changed_configs(connection, [topic])[topic]
    columns = ("partition", "start", "end", "records")
    rows = [(each.partition, log.start, log.end, log.records) for each, log in ranges.items()]
    total = sum(log.records for log in ranges.values())
    if arguments.format == JSON:
        print_json(
            {
                "topic": topic,
                "records": total,
                "partitions": [dict(zip(columns, row, strict=True)) for row in rows],
                "configs": {name: entry.value for name, entry in configs.items()},
            }
        )
        return
    title = f"{topic}: {counted(len(rows), 'partition')}, {counted(total, 'record')}"
    print_table(columns, rows, title=title)
    print_lines("")
    if configs:
        settings = [
            (name, entry.value, "topic" if is_set_on_topic(entry) else "broker")
            for name, entry in configs.items()
        ]
        print_table(("config", "value", "set on"), settings)
    else:
        print_lines("all configs have their defaults")
