"""A bus goes back to a snapshot while clients are connected, and keeps it over a kill."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.cli.main import run
from fakebus.config import Settings
from tests.clients.cluster import Cluster, FakebusCluster
from tests.clients.python.client import Committed, Partition, wait_until
from tests.clients.python.clients import CLIENTS

pytestmark = pytest.mark.clients

ANY_PORT = (Address("127.0.0.1", 0),)
Unique = Callable[[str], str]
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def bus(imported_modules: None) -> Iterator[FakeBus]:
    with BusThread(FakeBus(Settings(data=None, kafka=ANY_PORT, http=ANY_PORT))) as running:
        yield running.bus


@pytest.fixture
def ask(bus: FakeBus, capfd: pytest.CaptureFixture[str]) -> Ask:
    """Run a command on the bus and return the JSON that it prints."""

    def command(*arguments: str, code: int = 0) -> Any:
        capfd.readouterr()
        assert run([*arguments, "--http", bus.http_url, "--json"]) == code
        return json.loads(capfd.readouterr().out)

    return command


@pytest.mark.parametrize("library", sorted(CLIENTS))
def test_clients_go_on_over_a_restore(bus: FakeBus, ask: Ask, unique: Unique, library: str) -> None:
    topic, name, client = (
        unique("topic"),
        unique("snapshot"),
        CLIENTS[library](bus.bootstrap_servers),
    )
    place = Partition(topic, 0)
    client.create_topic(topic)
    producer, consumer = client.producer(idempotent=True), client.consumer(unique("group"))
    values: list[bytes | None] = []

    def has_read(count: int) -> Callable[[], bool]:
        def poll() -> bool:
            values.extend(message.value for message in consumer.poll(0.2))
            return len(values) >= count

        return poll

    for number in range(5):
        producer.send(topic, b"%d" % number, partition=0)()
    consumer.subscribe(topic)
    wait_until(has_read(5), "what was produced before")
    consumer.commit({place: Committed(5, "")})
    saved = ask("snapshot", "save", name)
    assert saved["records"] >= 5
    for number in range(5, 8):
        producer.send(topic, b"%d" % number, partition=0)()
    wait_until(has_read(8), "what was produced later")
    restored = ask("snapshot", "restore", name)
    assert (restored["name"], restored["records"]) == (name, saved["records"])
    assert producer.send(topic, b"after", partition=0)().offset == 5
    wait_until(has_read(9), "what is produced after the restore")
    assert values == [b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"after"]
    assert consumer.bounds(place) == (0, 6)
    client.close()


def test_the_list_has_the_newest_first_and_deleting_one_ends_it(
    bus: FakeBus, ask: Ask, unique: Unique
) -> None:
    first, second = unique("a"), unique("b")
    ask("snapshot", "save", first)
    ask("snapshot", "save", second)
    names = [each["name"] for each in ask("snapshot", "list")]
    assert names.index(second) < names.index(first)
    assert set(ask("snapshot", "list")[0]) == {
        *("name", "taken_at_ms", "size_bytes", "topics", "records"),
    }
    for name in (first, second):
        assert run(["snapshot", "delete", name, "--http", bus.http_url]) == 0
    assert not {first, second} & {each["name"] for each in ask("snapshot", "list")}


def test_a_bus_is_found_by_its_kafka_address(
    bus: FakeBus, unique: Unique, capfd: pytest.CaptureFixture[str]
) -> None:
    name = unique("snapshot")
    servers = ["--bootstrap-server", bus.bootstrap_servers]
    assert run(["snapshot", "save", name, *servers]) == 0
    assert capfd.readouterr().out.startswith(f"saved {name}: ")
    assert run(["snapshot", "list", *servers]) == 0
    assert name in capfd.readouterr().out
    assert run(["snapshot", "restore", name + "x", *servers]) == 2
    assert f"there is no snapshot '{name}x'; did you mean {name}" in capfd.readouterr().err
    assert run(["snapshot", "save", "../etc", *servers]) == 2
    assert "is no name of a snapshot" in capfd.readouterr().err


def test_a_cluster_that_is_no_fakebus_with_http_is_told_that_it_cannot_do_that(
    cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    if cluster.name == "fakebus":
        settings = Settings(data=None, kafka=ANY_PORT, http=())
        with BusThread(FakeBus(settings)) as running:
            servers = running.bus.bootstrap_servers
            assert run(["snapshot", "save", "s", "--bootstrap-server", servers]) == 2
    else:
        servers = cluster.bootstrap_servers
        assert run(["snapshot", "save", "s", "--bootstrap-server", servers]) == 2
    error = capfd.readouterr().err
    assert f"the cluster at {servers} cannot do that: fakebus snapshot needs a fakebus" in error


def test_what_a_test_emitted_is_shown_and_exported_as_a_fixture_set(
    bus: FakeBus, ask: Ask, unique: Unique, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    topic, other, before, after = (unique(name) for name in ("topic", "other", "before", "after"))
    client = CLIENTS["confluent"](bus.bootstrap_servers)
    client.create_topic(topic)
    producer = client.producer()
    producer.send(topic, b'{"n": 0}', partition=0)()
    ask("snapshot", "save", before)
    assert ask("snapshot", "diff", before)["same"]
    client.create_topic(other)
    for number in (1, 2, 3):
        producer.send(topic, b'{"n":%d}' % number, partition=0)()
    ask("snapshot", "save", after)
    producer.send(topic, b"later", partition=0)()
    found = ask("snapshot", "diff", before, after, "--limit", "2")
    assert (found["from"], found["to"], found["same"]) == (before, after, False)
    assert (found["topics_created"], found["topics_deleted"]) == ([other], [])
    (records,) = found["records"]
    assert (records["topic"], records["partition"]) == (topic, 0)
    assert (records["added"], records["removed"]) == (3, 0)
    assert [json.loads(line)["value"] for line in records["added_lines"]] == [{"n": 1}, {"n": 2}]
    assert ask("snapshot", "diff", after)["records"][0]["added"] == 1
    backwards = ask("snapshot", "diff", after, before)
    assert backwards["topics_deleted"] == [other]
    assert backwards["records"][0]["removed"] == 3

    directory = tmp_path / "emitted"
    ask("snapshot", "diff", before, after, "--export", str(directory))
    assert run(["fixtures", "check", str(directory)]) == 0
    (events,) = directory.glob("events/*.ndjson")
    assert [json.loads(line)["value"] for line in events.read_text().splitlines()] == [
        {"n": 1},
        {"n": 2},
        {"n": 3},
    ]
    capfd.readouterr()
    assert run(["snapshot", "diff", before, "--limit", "1", "--http", bus.http_url]) == 0
    text = capfd.readouterr().out
    assert f"+ topic {other}\n+ {topic}[0]: 4 records\n" in text
    assert "    and 3 more records\n" in text
    assert ask("snapshot", "delete", before) == {"deleted": before}
    client.close()


def test_offsets_configs_and_schemas_are_compared(bus: FakeBus, ask: Ask, unique: Unique) -> None:
    topic, group, before = (unique(name) for name in ("topic", "group", "before"))
    client = CLIENTS["confluent"](bus.bootstrap_servers)
    client.create_topic(topic)
    ask("snapshot", "save", before)
    client.producer().send(topic, b"x", partition=0)()
    consumer = client.consumer(group)
    consumer.assign({Partition(topic, 0): 0})
    consumer.commit({Partition(topic, 0): Committed(1, "")})
    client.set_config(topic, "retention.ms", "5000")
    subject = f"{topic}-value"
    requests.post(
        f"{bus.http_url}/subjects/{subject}/versions", json={"schema": '"string"'}, timeout=60
    ).raise_for_status()
    found = ask("snapshot", "diff", before)
    assert found["offsets"] == [
        {"group": group, "topic": topic, "partition": 0, "before": None, "after": 1}
    ]
    assert found["configs"] == [
        {
            "kind": "topic",
            "name": topic,
            "config": "retention.ms",
            "before": None,
            "after": "5000",
        }
    ]
    assert found["subjects"] == [{"subject": subject, "version": 1, "change": "added"}]
    client.close()


def test_a_snapshot_is_gone_back_to_after_a_kill(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    process = FakebusCluster(tmp_path, {})
    process.start()
    try:
        client = CLIENTS["confluent"](process.bootstrap_servers)
        client.create_topic("t")
        client.producer().send("t", b"before", partition=0)()
        assert run(["snapshot", "save", "s", "--http", process.http_url]) == 0
        client.producer().send("t", b"after", partition=0)()
        process.kill()
        process.start()
        consumer = client.consumer("g")
        assert consumer.bounds(Partition("t", 0)) == (0, 2)
        assert run(["snapshot", "restore", "s", "--http", process.http_url]) == 0
        assert consumer.bounds(Partition("t", 0)) == (0, 1)
        client.close()
    finally:
        process.kill()
