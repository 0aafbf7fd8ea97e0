"""Tools that watch groups: by what they lag is told from the records of __consumer_offsets.

What kminion decodes them with is tried everywhere. kminion itself and Burrow are tried where they
are installed, since no registry of packages has them.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.clients.build import ToolMissingError, find_tool, go_command
from tests.clients.cluster import Cluster, free_port

pytestmark = [pytest.mark.clients, pytest.mark.timeout(600)]

WAIT_S = 60.0
RECORDS = 10
Lags = dict[int, int]
Watch = Callable[[str, str], Lags]

BURROW = """
[general]
pidfile="{directory}/pid"
[logging]
filename="{directory}/log"
[client-profile.any]
kafka-version="3.0.0"
[cluster.watched]
class-name="kafka"
servers=["{servers}"]
client-profile="any"
topic-refresh=1
offset-refresh=1
[consumer.watched]
class-name="kafka"
cluster="watched"
servers=["{servers}"]
client-profile="any"
[httpserver.default]
address="127.0.0.1:{port}"
[storage.default]
class-name="inmemory"
intervals=2
min-distance=1
"""


def tool(name: str) -> str:
    try:
        return find_tool(name, "built from its sources")
    except ToolMissingError as missing:
        pytest.skip(str(missing))


def ask(port: int, path: str) -> bytes:
    """Return what a tool serves; nothing while it does not serve."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    with closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        except OSError:
            return b""


@pytest.fixture(params=["lags", "kminion", "burrow"])
def watch(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> Iterator[Watch]:
    """What tells a group's lag by partition of a topic."""
    servers, port = cluster.bootstrap_servers, free_port()
    if request.param == "lags":
        yield lambda group, topic: _lags(servers, group, topic)
        return
    environment = {}
    command, told = [tool(request.param)], _burrow
    if request.param == "kminion":
        told = _kminion
        environment = {
            "KAFKA_BROKERS": servers,
            "MINION_CONSUMERGROUPS_SCRAPEMODE": "offsetsTopic",
            "EXPORTER_HOST": "127.0.0.1",
            "EXPORTER_PORT": str(port),
        }
    else:
        settings = BURROW.format(directory=tmp_path, servers=servers, port=port)
        (tmp_path / "burrow.toml").write_text(settings)
        command += ["--config-dir", str(tmp_path)]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    yield lambda group, topic: told(port, group, topic)
    process.kill()
    process.wait()


def _lags(servers: str, group: str, topic: str) -> Lags:
    done = subprocess.run([*go_command("lags"), servers], check=True, capture_output=True)
    told: dict[str, Any] = json.loads(done.stdout).get(group, {"topics": {}})
    return {int(partition): lag for partition, lag in told["topics"].get(topic, {}).items()}


def _kminion(port: int, group: str, topic: str) -> Lags:
    name = "kminion_kafka_consumer_group_topic_partition_lag"
    labels = f'group_id="{group}",partition_id="([0-9]+)",topic_name="{topic}"'
    rows = re.findall(rf"{name}{{{labels}}} ([0-9]+)", ask(port, "/metrics").decode())
    return {int(partition): int(lag) for partition, lag in rows}


def _burrow(port: int, group: str, topic: str) -> Lags:
    told = json.loads(ask(port, f"/v3/kafka/watched/consumer/{group}/lag") or b"{}")
    rows = told.get("status", {}).get("partitions", ())
    return {row["partition"]: row["current_lag"] for row in rows if row["topic"] == topic}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_the_lag_of_a_group_is_told_from_the_records_of_its_commits(
    cluster: Cluster, watch: Watch, unique: Callable[[str], str], protocol: str
) -> None:
    topic, group = unique("watched"), unique("group")
    settings = {"bootstrap.servers": cluster.bootstrap_servers, "log_level": 0}
    admin = AdminClient(settings)
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(WAIT_S)
    producer = confluent_kafka.Producer(settings)
    for number in range(2 * RECORDS):
        producer.produce(topic, b"v", partition=number % 2)
    assert producer.flush(WAIT_S) == 0
    of_group = {"group.id": group, "group.protocol": protocol, "enable.auto.commit": False}
    consumer = confluent_kafka.Consumer({**settings, **of_group})
    with closing(consumer):
        consumer.subscribe([topic])
        done, lags, deadline = 0, {}, time.monotonic() + WAIT_S
        while lags != {0: 2, 1: 1}:
            assert time.monotonic() < deadline, lags
            # Burrow heeds commits that come while it looks, and not the first of them.
            consumer.poll(1)
            if len(consumer.assignment()) == 2:
                done = min(done + 1, RECORDS - 2)
                places = [TopicPartition(topic, number, done + number) for number in range(2)]
                consumer.commit(offsets=places, asynchronous=False)
                lags = watch(group, topic)
