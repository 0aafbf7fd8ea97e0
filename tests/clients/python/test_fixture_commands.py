"""The commands on fixture files, on a running cluster: seed, record, diff, drift."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import DeserializingConsumer, Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.cli.main import run
from fakebus.config import Settings
from tests.client_logs import without_client_logs
from tests.clients.cluster import Cluster
from tests.clients.python.client import wait_until
from tests.clients.python.confluent import ConfluentClient

pytestmark = pytest.mark.clients

ANY_PORT = Address("127.0.0.1", 0)
Unique = Callable[[str], str]

ID = {"name": "id", "type": "int"}
TOTAL = {"name": "total", "type": "double"}
NOTE = {"name": "note", "type": ["null", "string"], "default": None}
STATE = {
    "name": "state",
    "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"], "default": "NEW"},
}


def avro(*fields: object) -> str:
    return json.dumps({"type": "record", "name": "Order", "namespace": "shop", "fields": fields})


class Commands:
    """Runs ``fakebus fixtures`` on the cluster and a registry."""

    def __init__(self, servers: str, registry: str, capfd: pytest.CaptureFixture[str]) -> None:
        self.servers = servers
        self.registry = registry
        self._capfd = capfd

    def __call__(self, action: str, *arguments: object, code: int = 0) -> str:
        """Return standard output, or standard error if the command fails."""
        where = ["--bootstrap-server", self.servers, "--registry", self.registry]
        self._capfd.readouterr()
        assert run(["fixtures", action, *map(str, arguments), *where]) == code
        output, errors = self._capfd.readouterr()
        return output if code < 2 else without_client_logs(errors)


@pytest.fixture(scope="module")
def registry_url() -> Iterator[str]:
    """A schema registry that the cluster knows nothing of."""
    settings = Settings(data=None, kafka=(ANY_PORT,), http=(ANY_PORT,))
    with BusThread(FakeBus(settings)) as running:
        yield running.bus.http_urls[0]


@pytest.fixture
def commands(
    coordinated_cluster: Cluster, registry_url: str, capfd: pytest.CaptureFixture[str]
) -> Commands:
    return Commands(coordinated_cluster.bootstrap_servers, registry_url, capfd)


@pytest.fixture
def producer(commands: Commands) -> Producer:
    return Producer({"bootstrap.servers": commands.servers})


@pytest.fixture
def name(unique: Unique) -> str:
    return unique("orders")


@pytest.fixture
def order_set(tmp_path: Path, name: str) -> Path:
    root = tmp_path / "set"
    root.mkdir()
    (root / "fakebus.yaml").write_text(
        "version: 1\nsubjects:\n"
        f"  - {{subject: {name}-key, schema: key.avsc}}\n"
        f"  - {{subject: {name}-value, schema: order.avsc, compatibility: BACKWARD}}\n"
        "topics:\n"
        f"  - name: {name}\n    partitions: 3\n    owner: shop\n    consumers: [mail]\n"
        "    config: {cleanup.policy: compact}\n"
        f"    key: {{subject: {name}-key}}\n    value: {{subject: {name}-value}}\n"
        "    load: orders.ndjson\n"
        f'groups: [{{group: {name}, offsets: {{{name}: {{"*": earliest}}}}}}]\n'
    )
    (root / "key.avsc").write_text('"string"')
    (root / "order.avsc").write_text(avro(ID, TOTAL, NOTE, STATE))
    lines = [
        {
            "at": f"-{10 - number}h",
            "key": f"order-{number % 4}",
            "value": {"id": number, "total": number / 2, "state": "NEW"}
            | ({"note": "\u00fc\U0001f393"} if number == 3 else {}),
            "headers": {"kind": "order"},
        }
        for number in range(9)
    ]
    lines.append({"at": "-1h", "key": "order-1", "value": None})
    (root / "orders.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_seeding_again_writes_only_what_is_new(
    commands: Commands, order_set: Path, name: str, confluent: ConfluentClient
) -> None:
    report = f"{order_set}: {{}} written, {{}} already there; {{}} created, 2 schemas\n"
    assert commands("seed", order_set) == report.format("10 events", 0, "1 topic")
    assert commands("seed", order_set) == report.format("0 events", 10, "0 topics")
    with (order_set / "orders.ndjson").open("a") as file:
        file.write('{"key": "new", "value": {"id": 10, "total": 1, "state": "PAID"}}\n')
    assert commands("seed", order_set) == report.format("1 event", 10, "0 topics")
    assert confluent.topics()[name] == 3


def test_a_changed_event_is_refused_unless_the_topic_may_go(
    commands: Commands, order_set: Path
) -> None:
    commands("seed", order_set)
    edit(order_set / "orders.ndjson", '"id": 0', '"id": 77')
    error = commands("seed", order_set, code=2)
    assert error.startswith(f"fakebus: {order_set}/orders.ndjson:1:1: ")
    assert "--reset" in error
    assert "10 events written, 0 already there; 1 topic created" in commands(
        "seed", order_set, "--reset"
    )
    assert commands("diff", order_set).endswith(": no differences\n")


def test_a_schema_that_the_registry_refuses_is_told_with_its_file(
    commands: Commands, order_set: Path
) -> None:
    commands("seed", order_set)
    (order_set / "order.avsc").write_text(avro(ID, {**TOTAL, "name": "sum"}))
    edit(order_set / "fakebus.yaml", "load: orders.ndjson", "")
    error = commands("seed", order_set, code=2)
    assert error.startswith(f"fakebus: {order_set}/order.avsc:1:1: the registry at ")
    assert "mend the schema, its compatibility or its id" in error


def test_a_bus_that_was_seeded_from_a_set_has_no_differences(
    commands: Commands, order_set: Path
) -> None:
    commands("seed", order_set)
    assert commands("diff", order_set) == (f"{order_set} and {commands.servers}: no differences\n")
    assert commands("drift", order_set, "--live") == (
        f"{order_set}: no drift; compared with {commands.registry}, {commands.servers}\n"
    )


def test_a_bus_without_the_topics_differs_in_everything(
    commands: Commands, order_set: Path, name: str
) -> None:
    assert commands("diff", order_set, code=1).splitlines() == [
        f"- subject {name}-key",
        f"- subject {name}-value",
        f"- topic {name}",
        "    3 partitions, 10 records",
        f"{order_set} and {commands.servers}: 3 differences",
    ]
    told = commands("drift", order_set, "--live")
    assert f"note: {commands.servers} has no topic {name}\n" in told
    assert f"note: {commands.registry} has no subject {name}-value yet\n" in told


def test_the_difference_is_shown_field_by_field(
    commands: Commands, order_set: Path, name: str
) -> None:
    commands("seed", order_set)
    edit(order_set / "orders.ndjson", '"id": 0, "total": 0.0', '"id": 0, "total": 2.5')
    edit(order_set / "orders.ndjson", '"-8h"', '"-7h30m"')
    edit(order_set / "fakebus.yaml", "cleanup.policy: compact", "retention.bytes: 999999")
    found = json.loads(commands("diff", order_set, "--format", "json", code=1))
    assert found[0]["place"] == f"topic {name}"
    assert found[0]["details"] == [
        "retention.bytes: 999999 -> not set",
        "cleanup.policy: not set -> compact",
    ]
    by_line = {one["before"]: one["details"] for one in found[1:]}
    assert by_line == {
        f"{order_set}/orders.ndjson:1": ["value.total: 2.5 -> 0.0"],
        f"{order_set}/orders.ndjson:3": ["time: -30m"],
    }


def test_what_flows_is_compared_with_the_set(
    commands: Commands, order_set: Path, name: str, producer: Producer
) -> None:
    commands("seed", order_set)
    registry = SchemaRegistryClient({"url": commands.registry})
    schema = avro(ID, TOTAL, NOTE, STATE, {"name": "city", "type": "string", "default": ""})
    schema_id = registry.register_schema(f"{name}-value", Schema(schema, "AVRO"))
    key_id = registry.get_latest_version(f"{name}-key").schema_id
    key = b"\0" + key_id.to_bytes(4) + b"\x02k"
    value = b"\0" + schema_id.to_bytes(4) + b"\x02" + bytes(8) + b"\0\x02\x02X"
    producer.produce(name, key=key, value=value, headers={"tenant": "a", "traceparent": "b"})
    producer.produce(name, key=key, value=b"no schema")
    producer.produce(name, key=key, value=value[:5])
    assert producer.flush(60) == 0
    told = commands("drift", order_set, "--live", code=1)
    where = f"{name} on {commands.servers}"
    assert (
        f"breaking: {where}: 1 record whose value has no schema id, as the set's have and "
        "consumers expect; the first is partition " in told
    )
    assert f"breaking: {where}: 1 record whose value does not fit its schema: " in told
    assert (
        f"drift: {where} (2 records of version 2) has another schema for {name}-value, "
        "compatible under BACKWARD\n" in told
    )
    assert '"city" (string, default "") is new\n' in told
    assert f"drift: {where} holds what the set's events never do (13 records read)\n" in told
    assert '"value.city" (string) in 1 place\n' in told
    assert '"value.state" has the value "PAID" as well\n' in told
    assert '"header tenant" (string) in 1 place\n' in told
    assert "traceparent" not in told
    assert "  concerns:       written by shop; read by mail\n" in told


@pytest.mark.parametrize(
    ("here", "there", "code", "verdict"),
    [
        ((ID, TOTAL), (ID, TOTAL, NOTE), 0, "has another schema for {}, compatible under BACKWARD"),
        (
            (ID, TOTAL, NOTE),
            (ID, TOTAL),
            0,
            "does not have the set's schema of {} yet, compatible under BACKWARD",
        ),
        (
            (ID, TOTAL),
            (ID,),
            1,
            "does not have the set's schema of {} yet, which is not compatible under BACKWARD",
        ),
    ],
)
def test_a_registry_is_compared_in_both_directions(
    commands: Commands,
    tmp_path: Path,
    name: str,
    here: tuple[Any, ...],
    there: tuple[Any, ...],
    code: int,
    verdict: str,
) -> None:
    subject = f"{name}-value"
    registry = SchemaRegistryClient({"url": commands.registry})
    if code == 0 and len(there) > len(here):
        registry.register_schema(subject, Schema(avro(*here), "AVRO"))
    registry.register_schema(subject, Schema(avro(*there), "AVRO"))
    (tmp_path / "fakebus.yaml").write_text(
        "version: 1\nsubjects:\n"
        f"  - {{subject: {subject}, schema: o.avsc, owner: shop, consumers: [mail]}}\n"
        f"topics: [{{name: {name}, value: {{subject: {subject}}}}}]\n"
    )
    (tmp_path / "o.avsc").write_text(avro(*here))
    told = commands("drift", tmp_path, code=code)
    assert verdict.format(subject) in told
    assert "  concerns:       written by shop; read by mail\n" in told


def test_another_level_in_the_registry_is_drift(
    commands: Commands, order_set: Path, name: str
) -> None:
    commands("seed", order_set)
    edit(order_set / "fakebus.yaml", "BACKWARD", "FULL_TRANSITIVE")
    told = commands("drift", order_set, "--strict", code=1)
    assert (
        f"drift: {commands.registry} holds {name}-value to BACKWARD, the set asks for "
        "FULL_TRANSITIVE\n" in told
    )


def snapshot(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def without_list(files: dict[str, str]) -> dict[str, str]:
    return {**files, "fakebus.yaml": files["fakebus.yaml"].partition("# The files of this set")[0]}


def test_what_was_recorded_seeded_and_recorded_again_is_the_same(
    commands: Commands, order_set: Path, name: str, tmp_path: Path, confluent: ConfluentClient
) -> None:
    commands("seed", order_set)
    first, second = tmp_path / "first", tmp_path / "second"
    assert commands("record", name, "-o", first).splitlines() == [
        f"{first}: 10 records of 1 topic",
        f"{name}: redacted nothing",
        f"{name}: left as it was: header kind, key, value.id, value.note, value.state, value.total",
    ]
    files = snapshot(first)
    assert files.keys() == {
        "fakebus.yaml",
        f"events/{name}.ndjson",
        f"schemas/{name}-key-v1.avsc",
        f"schemas/{name}-value-v1.avsc",
    }
    # Somebody edits the recording; what they wrote is what is seeded and recorded again.
    edit(first / "events" / f"{name}.ndjson", '"total": 4.0', '"total": 44.5')
    confluent.delete_topic(name)
    wait_until(lambda: name not in confluent.topics(), "the topic is gone")
    commands("seed", first)
    commands("record", name, "-o", second)
    # The list of files knows which events were edited.
    assert without_list(snapshot(second)) == without_list(snapshot(first))
    assert commands("diff", first, second).endswith(": no differences\n")
    assert '"total": 44.5' in snapshot(second)[f"events/{name}.ndjson"]


def test_times_of_real_producers_move_with_the_set_and_are_recorded_as_the_same(
    commands: Commands,
    name: str,
    tmp_path: Path,
    confluent: ConfluentClient,
    new_topic: Callable[..., str],
) -> None:
    topic = new_topic(partitions=2)
    logical = {
        "day": ("int", "date"),
        "clock": ("int", "time-millis"),
        "at": ("long", "timestamp-micros"),
        "local": ("long", "local-timestamp-millis"),
    }
    fields = [
        {"name": field, "type": {"type": kind, "logicalType": word}}
        for field, (kind, word) in logical.items()
    ]
    registry = SchemaRegistryClient({"url": commands.registry})
    serializer = AvroSerializer(
        registry, json.dumps({"type": "record", "name": "T", "fields": fields})
    )
    now = datetime.now(UTC)
    moments = {"day": now.date(), "clock": now.time(), "at": now, "local": now.replace(tzinfo=None)}
    value = serializer(moments, SerializationContext(topic, MessageField.VALUE))
    plain = {
        "with_z": f"{now:%Y-%m-%dT%H:%M:%S}Z",
        "offset": now.astimezone(timezone(timedelta(hours=2))).isoformat(timespec="milliseconds"),
        "day": f"{now:%Y-%m-%d}",
        "created_at": now.timestamp(),
        "ts_ms": int(now.timestamp() * 1000),
        "expires": int(now.timestamp()) + 3600,
        "customer": {"name": "Ada", "email": "ada@b.co"},
        "n": 1764371000,
    }
    producer = Producer({"bootstrap.servers": commands.servers})
    producer.produce(topic, value, key="ada@b.co", headers={"x-user-email": "ada@b.co"})
    producer.produce(topic, json.dumps(plain), key="a", headers={"ce_time": plain["with_z"]})
    assert producer.flush(60) == 0
    first, second = tmp_path / "first", tmp_path / "second"
    listed = commands("record", topic, "-o", first)
    assert "left as it was: key, value.n\n" in listed
    recorded = snapshot(first)
    assert "ada" not in recorded[f"events/{topic}.ndjson"].lower()
    assert recorded[f"events/{topic}.ndjson"].count('"$time"') == 4 + 6 + 1
    confluent.delete_topic(topic)
    wait_until(lambda: topic not in confluent.topics(), "the topic is gone")
    commands("seed", first)
    assert commands("diff", first).endswith(": no differences\n")
    commands("record", topic, "-o", second)
    assert snapshot(second) == recorded


def test_strict_records_only_what_is_allowed(
    commands: Commands, tmp_path: Path, producer: Producer, new_topic: Callable[..., str]
) -> None:
    topic = new_topic()
    producer.produce(topic, '{"state": "NEW", "note": "call Ada"}', key="k", headers={"h": "x"})
    assert producer.flush(60) == 0
    allow = ["--allow", "$.state", "--allow", "$.headers.h"]
    listed = commands("record", topic, "-o", tmp_path / "set", "--redact", "strict", *allow)
    assert listed.splitlines()[1:] == [
        f"{topic}: redacted key (strict, 1 time), value.note (strict, 1 time)",
        f"{topic}: left as it was: header h, value.state",
    ]
    recorded = (tmp_path / "set" / "events" / f"{topic}.ndjson").read_text()
    assert '"value": {"state": "NEW", "note": "redacted-1"}' in recorded


def test_people_and_secrets_are_not_recorded(
    commands: Commands,
    name: str,
    tmp_path: Path,
    producer: Producer,
    new_topic: Callable[..., str],
) -> None:
    topic = new_topic()
    person = {
        "email": "ada@example.org",
        "username": "ada",
        "password": "hunter2",
        "id": 7,
        "text": "ask ada@example.org",
    }
    producer.produce(topic, json.dumps(person, separators=(",", ":")))
    producer.produce(topic, "not json", headers={"authorization": "Bearer abc.def.ghi"})
    assert producer.flush(60) == 0
    commands("record", topic, "-o", tmp_path / "safe")
    recorded = (tmp_path / "safe" / "events" / f"{topic}.ndjson").read_text()
    for secret in ("ada@example.org", "hunter2", '"ada"', "abc.def"):
        assert secret not in recorded, recorded
    assert '"id": 7' in recorded
    commands("record", topic, "-o", tmp_path / "raw", "--no-redact")
    assert "hunter2" in (tmp_path / "raw" / "events" / f"{topic}.ndjson").read_text()


def test_nothing_is_recorded_over_somebody_elses_set(
    commands: Commands, order_set: Path, name: str
) -> None:
    commands("seed", order_set)
    before = snapshot(order_set)
    assert "was not written by fakebus fixtures record" in commands(
        "record", name, "-o", order_set, code=2
    )
    assert snapshot(order_set) == before


def test_a_pattern_that_matches_nothing_is_a_mistake(commands: Commands, tmp_path: Path) -> None:
    assert "no topic matches 'no-such-*'" in commands(
        "record", "no-such-*", "-o", tmp_path / "x", code=2
    )


def consumed(commands: Commands, topic: str, count: int, group: str) -> list[tuple[Any, Any]]:
    """Return keys and values as Confluent's deserializers read them, sorted by key."""
    registry = SchemaRegistryClient({"url": commands.registry})
    consumer = DeserializingConsumer(
        {
            "bootstrap.servers": commands.servers,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "key.deserializer": AvroDeserializer(registry),
            "value.deserializer": AvroDeserializer(registry),
        }
    )
    consumer.subscribe([topic])
    found: list[tuple[Any, Any]] = []
    try:
        while len(found) < count:
            message = consumer.poll(60)
            assert message is not None, f"only {len(found)} of {count} records came"
            found.append((message.key(), message.value()))
    finally:
        consumer.close()
    return sorted(found, key=lambda pair: str(pair[0]))


def test_a_scenario_is_played_for_real_consumers(
    commands: Commands, order_set: Path, name: str, unique: Unique
) -> None:
    (order_set / "pay.yaml").write_text(
        "steps:\n"
        f"  - publish: {{topic: {name}, key: played, value: {{id: 90, total: 1, state: NEW}}}}\n"
        "  - wait: 1s\n"
        "  - repeat:\n      times: 2\n      every: 1s\n      steps:\n"
        f"        - publish: {{topic: {name}, key: repeated, value: null}}\n"
    )
    edit(order_set / "fakebus.yaml", "version: 1\n", "version: 1\nscenarios: [pay.yaml]\n")
    error = commands("play", "pay", order_set, code=2)
    assert "; seed the set first, with  fakebus fixtures seed" in error
    commands("seed", order_set)
    *told, last = commands("play", "pay", order_set, "--speed", 100).splitlines()
    assert last == "pay: 3 events published"
    assert [line.partition("-")[0] for line in told] == [name.partition("-")[0]] * 3
    found = consumed(commands, name, 13, unique("group"))
    assert found[-3:] == [
        ("played", {"id": 90, "total": 1.0, "note": None, "state": "NEW"}),
        ("repeated", None),
        ("repeated", None),
    ]
    error = commands("play", "pya", order_set, code=2)
    assert error.endswith('the set has no scenario "pya"; did you mean "pay"?\n')


def test_generated_events_are_what_consumers_read(
    commands: Commands, order_set: Path, name: str, unique: Unique
) -> None:
    assert run(["fixtures", "generate", str(order_set), "--topic", name, "--count", "25",
                "-o", str(order_set / "orders.ndjson"), "--force"]) == 0  # fmt: skip
    first = (order_set / "orders.ndjson").read_text()
    commands("seed", order_set)
    found = consumed(commands, name, 25, unique("group"))
    expected = [json.loads(line)["value"] for line in first.splitlines()]
    assert sorted(str(value["id"]) for _, value in found) == sorted(
        str(value["id"]) for value in expected
    )
    assert {value["state"] for _, value in found} <= {"NEW", "PAID"}


@pytest.mark.slow
def test_a_watched_set_is_seeded_again_when_a_file_changes(
    commands: Commands, order_set: Path, name: str, tmp_path: Path, unique: Unique
) -> None:
    where = ["--bootstrap-server", commands.servers, "--registry", commands.registry]
    command = [sys.executable, "-m", "fakebus", "fixtures", "seed", str(order_set), "--watch"]
    log = tmp_path / "watch.log"
    with log.open("wb") as output:
        watching = subprocess.Popen(
            [*command, *where],
            stdout=output,
            stderr=output,
            # A job in the background of a script ignores Ctrl-C, and so would this.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        wait_until(lambda: "10 events written" in log.read_text(), "the set is seeded")
        edit(order_set / "orders.ndjson", '"id": 0', '"id": "broken"')
        wait_until(lambda: "expected int, got 'broken'" in log.read_text(), "the mistake is told")
        edit(order_set / "orders.ndjson", '"id": "broken"', '"id": 77')
        wait_until(lambda: log.read_text().count("10 events written") == 2, "it is seeded again")
    finally:
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 0
    assert ("order-0", 77) in [
        (key, value["id"]) for key, value in consumed(commands, name, 10, unique("g")) if value
    ]


def test_what_was_recorded_is_no_difference_to_where_it_was_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data=None, kafka=(Address("127.0.0.1", 0),), http=())
    with BusThread(FakeBus(settings)) as running:
        servers = running.bus.bootstrap_servers
        producer = Producer({"bootstrap.servers": servers})
        producer.produce("plain", b'{"at": "2026-11-29T08:00:00Z"}', key=b"a")
        producer.flush()
        there = ["--bootstrap-server", servers]
        assert run(["fixtures", "record", "plain", "-o", str(tmp_path / "set"), *there]) == 0
        assert run(["fixtures", "diff", str(tmp_path / "set"), *there]) == 0
    assert "no differences" in capsys.readouterr().out
