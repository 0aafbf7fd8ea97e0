"""Debezium in Kafka Connect: what happens to a table of PostgreSQL stands in its topic."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.clients.apps.test_connect import Worker, worker  # noqa: F401 - a fixture
from tests.clients.build import find_tool
from tests.clients.cluster import Cluster, free_port

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

WAIT_S = 120.0
Sql = Callable[[str], str]


@pytest.fixture
def sql() -> Iterator[tuple[int, Sql]]:
    """A server of PostgreSQL: its port, and what runs a statement."""
    what, port = "PostgreSQL 15", free_port()
    directory = Path(tempfile.mkdtemp(prefix="fakebus-postgres-"))
    # It does not run as root.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(directory, user)
    data = str(directory / "data")
    command = [find_tool("initdb", what), "-D", data, "-A", "trust", "-U", "postgres", "--no-sync"]
    subprocess.run(command, check=True, user=user, capture_output=True, cwd=directory)
    settings = [
        f"port={port}",
        "wal_level=logical",
        "fsync=off",
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
    ]
    binaries = subprocess.run(
        [find_tool("pg_config", what), "--bindir"], check=True, capture_output=True, text=True
    ).stdout.strip()
    server = subprocess.Popen(
        [f"{binaries}/postgres", "-D", data, *(word for each in settings for word in ("-c", each))],
        user=user,
        cwd=directory,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )

    def run(statement: str) -> str:
        address = ["-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]
        psql = [find_tool("psql", what), *address, "-v", "ON_ERROR_STOP=1", "-qAtc", statement]
        return subprocess.run(psql, check=True, capture_output=True, text=True).stdout

    try:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                run("SELECT 1")
                break
            except subprocess.CalledProcessError:
                assert time.monotonic() < deadline, "PostgreSQL does not answer"
                time.sleep(0.1)
        yield port, run
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(WAIT_S)
        shutil.rmtree(directory)


class Copy:
    """Copy of a table that grows by the events of its topic."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self.rows: dict[int, str] = {}
        self._consumer = Consumer(
            {"bootstrap.servers": cluster.bootstrap_servers, "group.id": topic, "log_level": 0}
        )
        self._consumer.assign([TopicPartition(topic, 0, 0)])

    def is_now(self, rows: dict[int, str]) -> bool:
        """Read what has come, and compare."""
        for message in self._consumer.consume(1000, 0.2):
            if message.error() is not None or message.value() is None:
                # The topic is not there yet; or the tombstone behind a deletion.
                continue
            event = json.loads(message.value() or b"")
            row = event["after"] or event["before"]
            self.rows[row["id"]] = row["state"]
            if event["op"] == "d":
                del self.rows[row["id"]]
        return self.rows == rows

    def close(self) -> None:
        self._consumer.close()


def test_a_table_is_copied_while_the_worker_is_killed(
    cluster: Cluster,
    worker: Worker,  # noqa: F811 - the fixture
    sql: tuple[int, Sql],
    unique: Callable[[str], str],
) -> None:
    port, run = sql
    run("CREATE TABLE orders (id int PRIMARY KEY, state text)")
    run("INSERT INTO orders SELECT n, 'old' FROM generate_series(1, 200) AS n")
    prefix = unique("shop")
    json_of = "org.apache.kafka.connect.json.JsonConverter"
    worker.connect(
        "orders",
        **{
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "database.hostname": "127.0.0.1",
            "database.port": str(port),
            "database.user": "postgres",
            "database.password": "unused",
            "database.dbname": "postgres",
            "plugin.name": "pgoutput",
            "topic.prefix": prefix,
            "table.include.list": "public.orders",
            "topic.creation.default.partitions": "1",
            "topic.creation.default.replication.factor": "1",
        },
        **{
            f"{part}.converter{option}": value
            for part in ("key", "value")
            for option, value in (("", json_of), (".schemas.enable", "false"))
        },
    )
    copy = Copy(cluster, f"{prefix}.public.orders")
    rows = dict.fromkeys(range(1, 201), "old")
    worker.wait(lambda: copy.is_now(rows))

    def is_kept() -> bool:
        kept = worker.ask("/connectors/orders/offsets") or {"offsets": []}
        return any(each["offset"].get("snapshot_completed") for each in kept["offsets"])

    # Killed before that, it would take the table as it is then, without what was deleted.
    worker.wait(is_kept)
    run("UPDATE orders SET state = 'paid' WHERE id <= 100")
    worker.kill()
    run("DELETE FROM orders WHERE id > 150")
    run("INSERT INTO orders SELECT n, 'new' FROM generate_series(201, 300) AS n")
    worker.start()

    rows |= dict.fromkeys(range(1, 101), "paid") | dict.fromkeys(range(201, 301), "new")
    rows = {number: state for number, state in rows.items() if not 150 < number <= 200}
    worker.wait(lambda: copy.is_now(rows))
    told = dict(line.split("|") for line in run("SELECT id, state FROM orders").splitlines())
    assert {int(number): state for number, state in told.items()} == rows
    copy.close()
