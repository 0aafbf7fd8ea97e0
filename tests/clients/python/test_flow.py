"""``fakebus flow`` and ``/_fakebus/v1/flow``, of services in processes of their own."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from fakebus.app import BusThread, FakeBus
from fakebus.cli.main import run
from fakebus.client.bus_http import BusHttp, BusHttpError
from fakebus.config import Settings
from tests.clients.contract import CLIENTS, IMPACT, WHY, check, check_flow
from tests.clients.flow_scene import (
    AIOKAFKA,
    ANY_PORT,
    CONFLUENT,
    TRACEPARENT,
    TRANSACTIONAL,
    WAIT_S,
    Scene,
    edges,
)
from tests.processes import process_of

pytestmark = pytest.mark.clients

OWN_IDS = """
version: 1
lineage:
  headers: [{name: x-voyage, kind: correlation}]
  fields: [{path: meta.id, kind: identity}, {path: meta.because_of, kind: cause}]
"""
SHORT_LIVED = """
import os, sys
from confluent_kafka import Consumer, Producer
servers, group, reads, writes, count = sys.argv[1:]
consumer = Consumer({
    "bootstrap.servers": servers, "group.id": group, "auto.offset.reset": "earliest",
    "enable.auto.commit": False, "log_level": 0,
})
consumer.subscribe([reads])
done = 0
while done < int(count):
    message = consumer.poll(1)
    if message is not None and not message.error():
        producer = Producer({"bootstrap.servers": servers, "log_level": 0})
        producer.produce(writes, message.value())
        producer.flush()
        del producer
        done += 1
        if done < int(count):
            consumer.commit(message, asynchronous=False)
os._exit(0)
"""


@contextlib.contextmanager
def running_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    configs = {"group.min.session.timeout.ms": "500"}
    rules = write_rules(tmp_path_factory.mktemp("rules"))
    (rules / "stock.avsc").write_text(json.dumps(STOCK))
    (rules / "fakebus.yaml").write_text(OWN_IDS + READ)
    fixtures = (rules,)
    settings = Settings(data=None, kafka=ANY_PORT, http=ANY_PORT, set=configs, fixtures=fixtures)
    with BusThread(FakeBus(settings)) as running, contextlib.ExitStack() as stack:
        told = Scene(running.bus, stack, tmp_path_factory.mktemp("services"))
        told.write("known")
        yield told


STOCK = {"type": "record", "name": "Stock", "fields": [{"name": "left", "type": "int"}]}
SHELF = {"type": "record", "name": "Stock", "fields": [{"name": "shelf", "type": "string"}]}
READ = """subjects:
  - {subject: stock-value, schema: stock.avsc, compatibility: NONE, readers: {keepers: stock.avsc}}
topics: [{name: stock, value: {subject: stock-value}}]
"""


def write_rules(directory: Path) -> Path:
    (directory / "fakebus.yaml").write_text(OWN_IDS)
    return directory


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory) as told:
        yield told


@pytest.fixture(scope="module")
def services(scene: Scene) -> Scene:
    return with_services(scene)


@pytest.fixture
def services_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Services on a bus of their own, for where the process of the tests reads records as well.

    What that process writes later may come from any of them.
    """
    with running_scene(tmp_path_factory) as told:
        yield with_services(told)


def with_services(scene: Scene) -> Scene:
    scene.write("orders")
    scene.service(CONFLUENT, "billing", "orders", "invoices")
    scene.flow_of("orders[0]@0", 2)
    scene.service(AIOKAFKA, "shipping", "invoices", "parcels")
    scene.flow_of("orders[0]@0", 3)
    return scene


@pytest.mark.parametrize(
    ("headers", "evidence", "by"),
    [
        ({}, "observed", "fetch"),
        ({"traceparent": TRACEPARENT % 1}, "correlated", "traceparent"),
        ({"ce_id": "order-1"}, "stated", "ce_causationid"),
    ],
    ids=["without headers", "traced", "with causation ids"],
)
def test_an_order_that_services_pass_along_is_followed_with_the_evidence_that_there_is(
    services: Scene, headers: dict[str, str], evidence: str, by: str
) -> None:
    order = services.write("orders", '{"order": 17}', headers)
    offset = order.partition("@")[2]
    invoice, parcel = f"invoices[0]@{offset}", f"parcels[0]@{offset}"
    flow = services.flow_of(order, 3)
    assert edges(flow) == [(order, invoice, evidence, by, 0), (invoice, parcel, evidence, by, 0)]
    assert flow["asked"] == order
    assert flow["behind"] == 0
    told = {each["record"]: each for each in flow["records"]}
    assert list(told) == [order, invoice, parcel]
    billing, shipping = told[invoice], told[parcel]
    assert billing["process"]["pid"] != shipping["process"]["pid"]
    assert (billing["service"], shipping["service"]) == ("billing_service", "shipping_service")
    assert told[order]["client_id"] == "shop"
    for record, group, writer in ((order, "billing", billing), (invoice, "shipping", shipping)):
        state = services.group(record, group, "handled")
        assert state["service"] == writer["service"]
        assert state["attempts"] == 1
        assert state["fetched_at_ms"] <= state["committed_at_ms"]
    assert edges(services.flow(parcel)) == edges(flow)
    assert edges(services.flow(order, 1)) == edges(flow)[:1]


def test_a_transaction_states_what_it_has_read_and_an_aborted_one_does_not(scene: Scene) -> None:
    scene.write("frames")
    scene.service(TRANSACTIONAL, "assembly", "frames", "bikes")
    scene.flow_of("frames[0]@0", 2)
    scene.service(TRANSACTIONAL, "garage", "bikes", "locks")
    scene.flow_of("frames[0]@0", 3)
    frame = scene.write("frames", "fails once")
    flow = scene.flow_of(frame, 4, most=4)
    told = {each["record"]: each for each in flow["records"]}
    aborted, bike = (name for name in told if name.startswith("bikes"))
    [lock] = (name for name in told if name.startswith("locks"))
    assert told[frame]["transaction"] is None
    for record, state in ((aborted, "aborted"), (bike, "committed")):
        transaction = told[record]["transaction"]
        assert (transaction["transactional_id"], transaction["state"]) == ("assembly-1", state)
        assert told[record]["service"] == "assembly_service"
    scene.group(frame, "assembly", "handled")
    scene.group(bike, "garage", "handled")
    # The marker that aborts is no record, and what was aborted is no cause.
    assert int(bike.partition("@")[2]) == int(aborted.partition("@")[2]) + 2
    found = edges(scene.flow(frame))
    assert [edge for edge in found if edge[2] == "stated"] == [
        (frame, bike, "stated", "transaction", 0),
        (bike, lock, "stated", "transaction", 0),
    ]
    assert [edge[2] for edge in found if edge[1] == aborted] == ["observed"]
    assert aborted not in [edge[0] for edge in found]


def test_answers_by_producers_that_live_as_short_as_they_can_are_followed(scene: Scene) -> None:
    count = 10
    questions = [scene.write("questions", f"question {number}") for number in range(count)]
    command = [sys.executable, "-c", SHORT_LIVED, scene.servers, "short"]
    subprocess.run([*command, "questions", "answers", str(count)], check=True, timeout=60)
    followed = 0
    for number, question in enumerate(questions):
        found = scene.flow(f"answers[0]@{number}", 1)["edges"]
        followed += bool(found)
        assert {edge["evidence"] for edge in found} <= {"observed"}
        assert not found or question in [edge["from"] for edge in found]
    # On a machine that does much else one may be gone before it is looked at.
    assert followed > count / 2


def test_a_consumer_that_died_has_fetched_and_its_successor_counts_as_another_attempt(
    scene: Scene,
) -> None:
    record = scene.write("jobs")
    for attempts in (1, 2):
        scene.look("workers", "jobs")
        state = scene.group(record, "workers", "fetched")
        assert state["attempts"] == attempts
        assert state["committed_at_ms"] is None
        assert "not committed" in state["reason"]


def test_what_a_consumer_seeks_past_and_commits_is_skipped(scene: Scene) -> None:
    first, second = scene.write("parts"), scene.write("parts")
    scene.look("skippers", "parts", "1")
    assert scene.group(first, "skippers", "skipped")["attempts"] == 0
    assert scene.group(second, "skippers", "handled")["attempts"] == 1


def test_what_a_group_cannot_decode_is_unreadable_by_its_declared_schema(scene: Scene) -> None:
    registry = SchemaRegistryClient({"url": scene.bus.http_url})
    written = [({}, STOCK, {"left": 7}), ({}, SHELF, {"shelf": "B4"})]
    written.append(({"schema.id.serializer": header_schema_id_serializer}, SHELF, {"shelf": "C1"}))
    names = []
    for config, schema, value in written:
        headers: list[tuple[str, bytes]] = []
        serialize = AvroSerializer(registry, json.dumps(schema), conf=config)
        data = serialize(value, SerializationContext("stock", MessageField.VALUE, headers))
        names.append(scene.write("stock", data, dict(headers)))
    for offset in ("0", "1", "2"):
        scene.look("keepers", "stock", offset)
    readable, unreadable, named_by_header = names
    assert "left" in scene.group(named_by_header, "keepers", "unreadable")["reason"]
    assert scene.group(readable, "keepers", "handled")["attempts"] == 1
    told = scene.group(unreadable, "keepers", "unreadable")
    # The client is sent it ahead when it asks for the first one.
    assert told["attempts"] >= 1
    assert "left" in told["reason"]
    assert "stock.avsc" in told["reason"]
    scene.look("others", "stock", "1")
    assert scene.group(unreadable, "others", "handled")


def test_a_dead_letter_states_the_record_that_it_was(scene: Scene) -> None:
    record = scene.write("payments", "no JSON")
    letter = scene.write(
        "payments-dlt",
        "no JSON",
        {
            "kafka_dlt-original-topic": "payments",
            "kafka_dlt-original-partition": struct.pack(">i", 0),
            "kafka_dlt-original-offset": struct.pack(">q", 0),
            "kafka_dlt-exception-message": "not JSON",
        },
    )
    assert edges(scene.flow(record)) == [(record, letter, "stated", "kafka_dlt-original-topic", 0)]


def test_ids_stand_where_a_fixture_set_says(scene: Scene) -> None:
    first = scene.write("departures", '{"meta": {"id": 71}}')
    second = scene.write("arrivals", '{"meta": {"because_of": "71"}}', {"X_Voyage": "nine"})
    third = scene.write("voyages", "no JSON", {"x-voyage": "nine"})
    assert edges(scene.flow(first)) == [
        (first, second, "stated", "meta.because_of", 0),
        (second, third, "correlated", "x-voyage", 0),
    ]


def consume(servers: str, group: str, topic: str, offset: int, **config: str) -> Consumer:
    """Return a consumer that was sent a record, without having subscribed."""
    consumer = Consumer(
        {"bootstrap.servers": servers, "group.id": group, "enable.auto.commit": False, **config}
    )
    consumer.assign([TopicPartition(topic, 0, offset)])
    message = consumer.poll(WAIT_S)
    assert message is not None
    assert message.offset() == offset
    return consumer


def test_every_answer_is_what_scripts_rely_on(
    services_alone: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    servers, http = services_alone.servers, ["--json", "--http", services_alone.bus.http_url]

    def ask(*words: str) -> Any:
        assert run([*words, *http]) in (0, 1)
        return json.loads(capsys.readouterr().out)

    for number in range(3):
        services_alone.write("tasks", f"task {number}")
    services_alone.flow_of("orders[0]@0", 3)
    with contextlib.ExitStack() as stack:
        for group, offset, is_done in (("done", 0, True), ("doing", 1, False), ("late", 2, True)):
            consumer = consume(servers, group, "tasks", offset, **{"client.id": group})
            stack.callback(consumer.close)
            if is_done:
                end = TopicPartition("tasks", 0, offset + 1)
                consumer.commit(offsets=[end], asynchronous=False)
        config = {"auto.offset.reset": "earliest", "enable.auto.commit": False}
        subscribed = Consumer({"bootstrap.servers": servers, "group.id": "doing too", **config})
        stack.callback(subscribed.close)
        subscribed.subscribe(["tasks"])
        assert subscribed.poll(WAIT_S) is not None
        admin = AdminClient({"bootstrap.servers": servers})
        admin.delete_records([TopicPartition("tasks", 0, 1)])[TopicPartition("tasks", 0)].result()
        producer = Producer({"bootstrap.servers": servers, "transactional.id": "contract"})
        producer.init_transactions()
        producer.begin_transaction()
        producer.produce("tasks", b"open", partition=0)
        assert producer.flush(WAIT_S) == 0
        states = {}
        records = [f"tasks[0]@{offset}" for offset in range(4)]
        for record in (*records, "orders[0]@0", "invoices[0]@0"):
            flow = ask("flow", record)
            check_flow(flow)
            assert flow == services_alone.flow(record)
            found = {each["record"]: each for each in flow["records"]}[record]["groups"]
            states[record] = {each["group"]: (each["state"], each["attempts"]) for each in found}
        check_flow(ask("flow", "--find", "task 1"))
        producer.abort_transaction()
    assert states["orders[0]@0"] == {"billing": ("handled", 1)}
    # Who has neither committed nor subscribed has told no group.
    done, late = {"done": ("handled", 1)}, {"late": ("skipped", 0)}
    assert states["tasks[0]@0"] == {**done, **late, "doing too": ("gone", 1)}
    assert states["tasks[0]@1"] == {"done": ("fetched", 1), **late, "doing too": ("fetched", 1)}
    assert states["tasks[0]@2"]["late"] == ("handled", 1)
    assert states["tasks[0]@3"] == dict.fromkeys(("done", "late", "doing too"), ("hidden", 0))
    clients = ask("clients")
    check(clients, CLIENTS)
    now = services_alone.http.get("/clients")
    assert [each["service"] for each in clients] == [each["service"] for each in now]
    for group, is_well in (("billing", True), ("late", False)):
        why = ask("why", group)
        check(why, WHY)
        assert (why["well"], why["causes"] == []) == (is_well, is_well)
        assert why == services_alone.http.get(f"/why/{group}")
    impact = ask("impact", "stock-value", "--remove")
    check(impact, IMPACT)
    assert [each["kind"] for each in impact["breaks"]][:1] == ["reader"]
    capsys.readouterr()


HOSTILE = "\x1b[31m<script>\u202eevil"


def test_the_command_prints_what_the_route_answers(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    cause = scene.write("causes", '{"words": "green tea"}', {"ce_id": "tea-1", "x": HOSTILE})
    effect = scene.write("effects", HOSTILE, {"ce_causationid": "tea-1", "ce_type": HOSTILE})
    http = ["--http", scene.bus.http_url]
    assert run(["flow", cause, "--json", *http]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == scene.flow(cause)
    assert set(told) >= {"records", "edges", "asked", "behind"}
    delay = told["records"][1]["timestamp_ms"] - told["records"][0]["timestamp_ms"]
    wanted = {"from": cause, "to": effect, "evidence": "stated", "by": "ce_causationid"}
    wanted |= {"delay_ms": delay, "rivals": 0, "rank": 1}
    assert told["edges"] == [wanted]
    first = told["records"][0]
    assert {name: first[name] for name in ("record", "topic", "partition", "offset", "origin")} == {
        "record": cause,
        "topic": "causes",
        "partition": 0,
        "offset": 0,
        "origin": "produced",
    }
    assert (first["client_id"], first["address"], first["groups"]) == ("shop", "127.0.0.1", [])
    for text in ("tea-1", "green tea", HOSTILE):
        assert run(["flow", "--find", text, "--json", *http]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["asked"] == text
        assert found["edges"] == told["edges"]
    assert run(["flow", cause, "--as-of", "-1h", *http]) == 2
    assert "was not there yet at that time" in capsys.readouterr().err
    assert run(["flow", cause, "--as-of", "2100-01-01", "--json", *http]) == 0
    assert json.loads(capsys.readouterr().out)["edges"] == told["edges"]
    assert run(["flow", "--find", HOSTILE, "--depth", "0", *http]) == 0
    shown = capsys.readouterr().out
    assert effect in shown
    assert "└─" not in shown
    assert not set(shown) & set("\x1b\u202e")
    assert run(["flow", cause, *http]) == 0
    assert f"└─ {effect}" in (shown := capsys.readouterr().out)
    assert not set(shown) & set("\x1b\u202e")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("nothing[0]@0", "there is no topic 'nothing'"),
        ("known[7]@0", "topic 'known' has no partition 7"),
        ("known[0]@9", "there never was a record known[0]@9: the newest one has offset 0"),
        ("known", "'known' is no record: write TOPIC[PARTITION]@OFFSET"),
        ("known[0]@1\x1b[31m", "is no record"),
    ],
)
def test_a_record_that_never_was_is_said_so_by_exit_code_2(
    scene: Scene, capsys: pytest.CaptureFixture[str], record: str, message: str
) -> None:
    assert run(["flow", record, "--json", "--http", scene.bus.http_url]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert "\x1b" not in told.err
    assert not told.out
    with pytest.raises(BusHttpError) as error:
        scene.flow(record)
    assert error.value.status == 404


def test_what_was_handled_just_before_the_bus_was_killed_is_not_told_as_skipped(
    tmp_path: Path,
) -> None:
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "fakebus", "up", "--data", str(tmp_path / "bus.db")]
    command += ["--kafka", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ready-file", str(ready)]

    @contextlib.contextmanager
    def bus() -> Iterator[dict[str, Any]]:
        ready.unlink(missing_ok=True)
        with process_of(command, cwd=tmp_path) as process:
            deadline = time.monotonic() + WAIT_S
            while not ready.exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield json.loads(ready.read_text())
            process.kill()

    for offset in range(3):
        with bus() as told:
            producer = Producer({"bootstrap.servers": told["bootstrap_servers"], "log_level": 0})
            producer.produce("orders", b"{}", partition=0)
            assert producer.flush(WAIT_S) == 0
            consumer = consume(told["bootstrap_servers"], "billing", "orders", offset)
            consumer.commit(asynchronous=False)
        with bus() as told:
            [record] = BusHttp(told["http_url"]).get("/flow", record=f"orders[0]@{offset}")[
                "records"
            ]
            assert [(each["group"], each["state"]) for each in record["groups"]] == [
                ("billing", "handled")
            ]


def test_a_text_that_nothing_says_has_no_flow(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["flow", "--find", "nobody-says-this", "--http", scene.bus.http_url]) == 0
    assert "no record has 'nobody-says-this'" in capsys.readouterr().out


def test_flows_of_any_cluster_are_told_by_headers(
    capsys: pytest.CaptureFixture[str],
    unique: Callable[[str], str],
    coordinated_cluster: Any,
    tmp_path: Path,
) -> None:
    servers = coordinated_cluster.bootstrap_servers
    settings = Settings(data=None, kafka=ANY_PORT, http=())
    with contextlib.ExitStack() as stack:
        if coordinated_cluster.name == "fakebus":
            # One that serves no HTTP is a cluster like any other.
            servers = stack.enter_context(BusThread(FakeBus(settings))).bus.bootstrap_servers
        causes, effects, others, voyages = map(unique, ("causes", "effects", "others", "voyages"))
        producer = Producer({"bootstrap.servers": servers, "log_level": 0})
        admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
        topics = [NewTopic(name, 1, 1) for name in (causes, effects, others, voyages)]
        made = admin.create_topics(topics)
        for future in made.values():
            future.result(WAIT_S)
        told = unique("id").encode()
        trace = ("traceparent", (TRACEPARENT % 2).encode())
        for topic, headers in (
            (causes, [("ce_id", told)]),
            (effects, [("ce_id", b"2-" + told), ("ce_causationid", told), trace]),
            (others, [trace, ("x-voyage", told)]),
            (voyages, [("X_Voyage", told)]),
        ):
            producer.produce(topic, b"tea " + told, headers=headers)
            assert producer.flush(WAIT_S) == 0
        cluster = ["--bootstrap-server", servers]
        assert run(["fixtures", "seed", str(write_rules(tmp_path)), *cluster]) == 0
        capsys.readouterr()
        wanted = [
            (f"{causes}[0]@0", f"{effects}[0]@0", "stated", "ce_causationid", 0),
            (f"{effects}[0]@0", f"{others}[0]@0", "correlated", "traceparent", 0),
            (f"{others}[0]@0", f"{voyages}[0]@0", "correlated", "X_Voyage", 0),
        ]
        assert run(["flow", f"{causes}[0]@0", "--json", *cluster]) == 0
        flow = json.loads(capsys.readouterr().out)
        assert edges(flow) == wanted
        assert (flow["asked"], flow["behind"]) == (f"{causes}[0]@0", 0)
        for find, depth, count in ((told.decode(), "9", 3), (f"tea {told.decode()}", "1", 3)):
            assert run(["flow", "--find", find, "--depth", depth, "--json", *cluster]) == 0
            assert edges(json.loads(capsys.readouterr().out)) == wanted[:count]
        assert run(["flow", f"{causes}[0]@0", "--as-of", "-1h", *cluster]) == 2
        assert "was not there yet at that time" in capsys.readouterr().err
        assert run(["flow", f"{causes}[0]@0", "--as-of", "2100-01-01", "--json", *cluster]) == 0
        assert edges(json.loads(capsys.readouterr().out)) == wanted
        assert run(["flow", f"{causes}[0]@1", *cluster]) == 2
        assert "the partition has offsets 0 to 0" in capsys.readouterr().err
        assert run(["flow", f"{causes}-not[0]@1", *cluster]) == 2
