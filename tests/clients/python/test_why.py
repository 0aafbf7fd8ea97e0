"""Groups that are really stuck, each in its own way, and what is said of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiokafka
import kafka
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.cli.main import run
from fakebus.client import group_view
from fakebus.client.bus_http import BusHttp, BusHttpError
from fakebus.config import Settings
from fakebus.lineage.why import progress

pytestmark = pytest.mark.clients

ANY_PORT = (Address("127.0.0.1", 0),)
WAIT_SECONDS = 60.0
RECORDS = 20
MEMBER = """
import os, sys, confluent_kafka
servers, group, session_ms, poison = sys.argv[1:]
consumer = confluent_kafka.Consumer({
    "bootstrap.servers": servers, "group.id": group, "client.id": f"{group}-process",
    "auto.offset.reset": "earliest", "enable.auto.commit": False, "log_level": 0,
    "session.timeout.ms": int(session_ms), "heartbeat.interval.ms": 200,
})
consumer.subscribe(["orders"])
while True:
    message = consumer.poll(0.2)
    if message is not None and not message.error():
        if message.offset() == int(poison):
            os._exit(1)
        consumer.commit(message, asynchronous=False)
        print(message.offset(), flush=True)
"""


class Ward:
    """Bus and the stuck groups on it."""

    def __init__(self, bus: FakeBus, stack: contextlib.ExitStack) -> None:
        self.bus = bus
        self.servers = bus.bootstrap_servers
        self.http = BusHttp(bus.http_url)
        self.stack = stack
        self.ended = threading.Event()
        self._threads: list[threading.Thread] = []
        stack.callback(self._end)

    def _end(self) -> None:
        self.ended.set()
        for thread in self._threads:
            thread.join(WAIT_SECONDS)

    def fill(self, *topics: str, records: int = RECORDS) -> None:
        producer = Producer({"bootstrap.servers": self.servers})
        for topic in topics:
            for number in range(records):
                producer.produce(topic, b"%d" % number, partition=0)
        assert producer.flush(WAIT_SECONDS) == 0

    def consumer(self, group: str, **config: Any) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": group,
                "client.id": f"{group}-client",
                "auto.offset.reset": "earliest",
                "log_level": 0,
                **{name.replace("_", "."): value for name, value in config.items()},
            }
        )

    def poll(
        self,
        consumer: Consumer,
        handle: Callable[[Message], object] = lambda _: None,
        polls: int = 10**9,
    ) -> threading.Event:
        """Poll in a thread until the end, or only so often; tell when there was an assignment."""
        assigned = threading.Event()

        def loop() -> None:
            left = polls
            while not self.ended.is_set():
                if left <= 0:
                    self.ended.wait(0.1)
                    continue
                message = consumer.poll(0.1)
                if consumer.assignment():
                    assigned.set()
                    left -= 1
                if message is not None and not message.error():
                    handle(message)
            consumer.close()

        self._threads.append(threading.Thread(target=loop, daemon=True))
        self._threads[-1].start()
        return assigned

    def background(self, work: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def member_process(self, group: str, session_ms: int, poison: int = -1) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", MEMBER, self.servers, group, str(session_ms), str(poison)],
            stdout=subprocess.PIPE,
        )
        self.stack.enter_context(process)
        self.stack.callback(process.kill)
        return process

    def explain(self, group: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/why/{group}")
        return found

    def cause(self, group: str, code: str) -> dict[str, Any]:
        """Return the likeliest cause, once there is one of that code."""
        deadline = time.monotonic() + WAIT_SECONDS
        found: dict[str, Any] = {}
        while time.monotonic() < deadline:
            with contextlib.suppress(BusHttpError):
                found = self.explain(group)
                if any(cause["code"] == code for cause in found["causes"]):
                    assert not found["well"]
                    assert found["causes"][0]["code"] == code, found
                    return dict(found["causes"][0])
            time.sleep(0.1)
        pytest.fail(f"{group} is not told to be stuck by {code}: {found}")

    def stays_well(self, group: str) -> dict[str, Any]:
        deadline = time.monotonic() + WAIT_SECONDS
        while (found := self.explain(group))["lag"] != 0:
            assert found["well"], found
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        assert found["well"], found
        return found


@pytest.fixture(scope="module")
def ward() -> Iterator[Ward]:
    """All groups get stuck at the same time, so that they are waited for only once."""
    config = {"group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "100"}
    settings = Settings(data=None, kafka=ANY_PORT, http=ANY_PORT, set=config)
    with FakeBus.thread(settings) as bus, contextlib.ExitStack() as stack:
        ward = Ward(bus, stack)
        ward.fill("orders", "invoices", "short-lived")
        ward.fill("long", records=3000)
        _begin(ward)
        yield ward


def _begin(ward: Ward) -> None:
    for group, config in (
        ("healthy", {}),
        ("never-commits", {"enable_auto_commit": False}),
        ("slows-down", {"enable_auto_commit": False}),
        ("crowded", {}),
        ("crowded", {}),
        ("misspelt", {}),
        ("refused", {"enable_auto_commit": False}),
    ):
        consumer = ward.consumer(group, **config)
        topic = {"misspelt": "ordesr", "slows-down": "long"}.get(group, "orders")
        consumer.subscribe([topic])

        def handle(message: Message, consumer: Consumer = consumer, group: str = group) -> None:
            if group == "slows-down":
                time.sleep(0.02)
                consumer.commit(message, asynchronous=False)

        assigned = ward.poll(consumer, handle)
        assert group != "healthy" or assigned.wait(WAIT_SECONDS)

    def dawdle() -> None:
        consumer = ward.consumer(
            "dawdles",
            session_timeout_ms=1000,
            heartbeat_interval_ms=200,
            max_poll_interval_ms=1500,
        )
        consumer.subscribe(["orders"])
        consumer.poll(WAIT_SECONDS)
        ward.ended.wait(2 * WAIT_SECONDS)
        consumer.close()

    ward.background(dawdle)

    def block() -> None:
        consumer = kafka.KafkaConsumer(
            "orders",
            bootstrap_servers=ward.servers,
            group_id="blocks",
            client_id="blocks-client",
            auto_offset_reset="earliest",
        )
        for _ in consumer:
            ward.ended.wait(2 * WAIT_SECONDS)
            break
        consumer.close()

    ward.background(block)

    paused = ward.consumer("paused")
    paused.subscribe(["orders"], on_assign=lambda it, them: (it.assign(them), it.pause(them)))
    ward.poll(paused)

    admin = AdminClient({"bootstrap.servers": ward.servers, "log_level": 0})
    for group, topic in (
        ("abandoned", "invoices"),
        ("overtaken", "short-lived"),
        ("moved-on", "orders"),
    ):
        outside = ward.consumer(group, enable_auto_commit=False)
        outside.commit(offsets=[TopicPartition(topic, 0, 3)], asynchronous=False)
        outside.close()
    deleted = admin.delete_records([TopicPartition("short-lived", 0, 8)])
    next(iter(deleted.values())).result(WAIT_SECONDS)
    moved = ward.consumer("moved-on")
    moved.subscribe(["invoices"])
    ward.poll(moved)

    def crash() -> None:
        for _ in range(3):
            ward.member_process("crashes", 1000, poison=4).wait(WAIT_SECONDS)

    ward.background(crash)


def test_a_group_that_reads_and_commits_is_well(ward: Ward) -> None:
    assert ward.stays_well("healthy")["state"] == "Stable"


def test_a_consumer_that_does_not_commit(ward: Ward) -> None:
    cause = ward.cause("never-commits", "not_committing")
    assert "enable.auto.commit=true" in cause["remedy"]
    assert cause["evidence"]["next_record"] == "orders[0]@0"
    assert cause["evidence"]["client_id"] == "never-commits-client"
    assert cause["evidence"]["process"]["pid"] == os.getpid()
    assert cause["evidence"]["service"]
    assert ward.explain("never-commits")["lag"] is None


def test_a_paused_partition(ward: Ward) -> None:
    cause = ward.cause("paused", "not_fetching")
    assert "has paused the partition" in cause["remedy"]
    assert cause["evidence"]["last_fetch_ms"] is None


def test_a_handler_that_hangs_in_its_record(ward: Ward) -> None:
    cause = ward.cause("blocks", "not_fetching")
    assert "and still sends heartbeats" in cause["text"]
    assert "it is busy with orders[0]@0, or hangs in it" in cause["text"]


def test_a_misspelt_topic(ward: Ward) -> None:
    cause = ward.cause("misspelt", "unknown_topic")
    assert cause["evidence"]["did_you_mean"] == "orders"
    assert "did you mean orders?" in cause["text"]


def test_a_group_that_waits_for_its_topic_before_it_joins(ward: Ward) -> None:
    ward.cause("misspelt", "unknown_topic")
    with pytest.raises(BusHttpError, match="there is no group 'joins-later'") as refused:
        ward.explain("joins-later")
    told = "'misspelt-client' has asked for topic 'ordesr', which is not there (did you mean orders"
    assert told in str(refused.value)


def test_more_members_than_partitions(ward: Ward) -> None:
    cause = ward.cause("crowded", "idle_members")
    assert len(cause["evidence"]["idle"]) == 1


def test_a_slow_consumer_whose_lag_falls(ward: Ward) -> None:
    cause = ward.cause("slows-down", "slow")
    assert cause["evidence"]["seconds_left"] > 3
    assert cause["evidence"]["rate_out"] > 1


def test_a_group_without_members_and_one_that_nothing_waits_for(ward: Ward) -> None:
    cause = ward.cause("abandoned", "no_member")
    assert cause["text"].startswith("no consumer is in group abandoned, and 17 records wait")
    done = ward.consumer("done", enable_auto_commit=False)
    done.commit(offsets=[TopicPartition("invoices", 0, RECORDS)], asynchronous=False)
    done.close()
    found = ward.explain("done")
    assert (found["well"], found["lag"], found["state"]) == (True, 0, "Empty")


def test_a_topic_that_no_member_reads_any_more(ward: Ward) -> None:
    cause = ward.cause("moved-on", "not_subscribed")
    assert cause["evidence"]["topics"] == ["orders"]
    assert cause["evidence"]["subscribed"] == ["invoices"]


def test_records_that_were_deleted_before_they_were_read(ward: Ward) -> None:
    found = ward.explain("overtaken")
    codes = [cause["code"] for cause in found["causes"]]
    assert set(codes) == {"offset_out_of_range", "no_member"}
    (lost,) = [cause for cause in found["causes"] if cause["code"] == "offset_out_of_range"]
    told = "the log begins at 8: 5 records before were deleted (a client has asked for it)"
    assert told in lost["text"]


def test_a_record_that_ends_every_process_that_reads_it(ward: Ward) -> None:
    cause = ward.cause("crashes", "poison_record")
    assert cause["evidence"]["record"] == "orders[0]@4"
    assert cause["evidence"]["attempts"] == 3
    assert "fakebus tail orders --partition 0 --from 4 --count 1" in cause["remedy"]


def test_commits_that_are_refused(ward: Ward) -> None:
    ward.cause("refused", "not_committing")
    outside = ward.consumer("refused", enable_auto_commit=False)
    outside.assign([TopicPartition("orders", 0, 0)])
    for _ in range(2):
        with contextlib.suppress(Exception):
            outside.commit(offsets=[TopicPartition("orders", 0, 5)], asynchronous=False)
    outside.close()
    cause = ward.cause("refused", "commit_refused")
    assert cause["evidence"]["error"] == "UNKNOWN_MEMBER_ID"


def test_a_group_that_begins_at_latest(ward: Ward) -> None:
    async def read() -> dict[str, Any]:
        consumer = aiokafka.AIOKafkaConsumer(
            "invoices",
            bootstrap_servers=ward.servers,
            group_id="latecomer",
            auto_offset_reset="latest",
            auto_commit_interval_ms=100,
        )
        await consumer.start()
        try:
            await consumer.getmany(timeout_ms=1000)
            return await asyncio.to_thread(ward.cause, "latecomer", "waits_at_latest")
        finally:
            await consumer.stop()

    assert asyncio.run(read())["evidence"]["skipped"] == RECORDS


def test_an_open_transaction_that_holds_readers_of_committed_records_back(ward: Ward) -> None:
    ward.fill("paid", records=2)
    for group, level in (("waits", "read_committed"), ("sees-all", "read_uncommitted")):
        consumer = ward.consumer(group, isolation_level=level, auto_commit_interval_ms=100)
        consumer.subscribe(["paid"])
        assert ward.poll(consumer).wait(WAIT_SECONDS)
    ward.stays_well("waits")
    producer = Producer(
        {
            "bootstrap.servers": ward.servers,
            "client.id": "till",
            "transactional.id": "till-7",
            "transaction.timeout.ms": 60_000,
        }
    )
    producer.init_transactions(WAIT_SECONDS)
    producer.begin_transaction()
    producer.produce("paid", b"open", partition=0)
    producer.flush(WAIT_SECONDS)
    ward.fill("paid", records=1)
    cause = ward.cause("waits", "open_transaction")
    assert "the transaction of till-7 (client till" in cause["text"]
    assert "2 records" in cause["text"]
    [held] = cause["evidence"]["partitions"]
    assert held["transaction"]["transactional_id"] == "till-7"
    assert held["transaction"]["service"]
    assert "commit or abort" in cause["remedy"]
    assert "fakebus why till-7" in cause["remedy"]
    told = ward.explain("till-7")
    assert (told["transactional_id"], told["well"]) == ("till-7", False)
    assert told["causes"][0]["evidence"]["waiting_groups"] == ["waits"]
    assert ward.stays_well("sees-all")["lag"] == 0
    producer.commit_transaction(WAIT_SECONDS)
    assert ward.stays_well("waits")["lag"] == 0


def test_a_fault_that_is_switched_on(ward: Ward) -> None:
    assert ward.stays_well("healthy")
    with ward.bus.broker.faults.delay(
        seconds=0.2, api="Fetch", client_id="healthy-client", count=None
    ) as fault:
        cause = ward.cause("healthy", "fault_or_throttle")
        assert "delay Fetch" in cause["text"]
        assert f"fakebus faults remove {fault.number}" in cause["remedies"][0]
    assert ward.stays_well("healthy")


def test_a_fault_in_what_a_handler_writes_holds_its_group_up(ward: Ward) -> None:
    ward.fill("asked", "answers", records=1)
    config = {"client.id": "answers-client", "message.timeout.ms": 0, "retry.backoff.ms": 50}
    producer = Producer({"bootstrap.servers": ward.servers, "log_level": 0, **config})
    ward.stack.callback(producer.purge)
    consumer = ward.consumer("answering", enable_auto_commit=False)
    consumer.subscribe(["asked"])

    def answer(message: Message) -> None:
        producer.produce("answers", message.value())
        while not ward.ended.is_set() and producer.flush(0.1):
            pass
        consumer.commit(message, asynchronous=False)

    ward.poll(consumer, answer)
    assert ward.stays_well("answering")
    faults = ward.bus.broker.faults
    with faults.fail(api="Produce", error="NOT_LEADER_OR_FOLLOWER", topic="answers", count=None):
        ward.fill("asked", records=1)
        cause = ward.cause("answering", "fault_or_throttle")
        assert "fail Produce with NOT_LEADER_OR_FOLLOWER" in cause["text"]
        assert ward.explain("answering")["causes"][0]["evidence"]["faults"][0]["fired"]
    assert ward.stays_well("answering")


@pytest.mark.parametrize(
    ("sign", "words"),
    [(signal.SIGKILL, "its connection was closed"), (signal.SIGSTOP, "nothing at all was heard")],
    ids=["killed", "stopped"],
)
def test_a_process_that_does_not_come_back(ward: Ward, sign: signal.Signals, words: str) -> None:
    group = f"lost-{sign.name}"
    process = ward.member_process(group, 60_000)
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    os.kill(process.pid, sign)
    ward.fill("orders", records=1)
    deadline = time.monotonic() + WAIT_SECONDS
    while words not in (cause := ward.cause(group, "not_fetching"))["text"]:
        assert time.monotonic() < deadline, cause
        time.sleep(0.1)
    assert cause["evidence"]["client_id"] == f"{group}-process"


def test_a_member_that_holds_up_a_rebalance(ward: Ward) -> None:
    hanging = ward.consumer("held-up")
    hanging.subscribe(["orders"], on_revoke=lambda *_: None)
    assert ward.poll(hanging, polls=1).wait(WAIT_SECONDS)
    second = ward.consumer("held-up", client_id="second")
    second.subscribe(["orders"])
    ward.poll(second)
    cause = ward.cause("held-up", "rebalancing")
    assert [each["client_id"] for each in cause["evidence"]["missing"]] == ["held-up-client"]


def test_an_address_that_clients_cannot_reach() -> None:
    settings = Settings(
        data=None, kafka=ANY_PORT, http=ANY_PORT, advertise=(Address("127.0.0.1", 9),)
    )
    with FakeBus.thread(settings) as bus, contextlib.ExitStack() as stack:
        ward = Ward(bus, stack)
        ward.servers = f"127.0.0.1:{bus.kafka_addresses[0].port}"
        consumer = ward.consumer("astray")
        consumer.subscribe(["orders"])
        ward.poll(consumer)
        cause = ward.cause("astray", "unreachable_address")
    assert cause["evidence"]["address"] == "127.0.0.1:9"
    assert "--advertise" in cause["remedy"]


def test_a_client_that_does_not_even_come_to_ask_for_its_group() -> None:
    settings = Settings(
        data=None, kafka=ANY_PORT, http=ANY_PORT, advertise=(Address("127.0.0.1", 9),)
    )

    def look_around() -> None:
        with contextlib.suppress(kafka.errors.KafkaError):
            kafka.KafkaConsumer(
                "orders", group_id="lost", client_id="lost-client", bootstrap_servers=servers
            ).poll(timeout_ms=int(WAIT_SECONDS) * 1000)

    with FakeBus.thread(settings) as bus:
        servers = f"127.0.0.1:{bus.kafka_addresses[0].port}"
        threading.Thread(target=look_around, daemon=True).start()
        deadline = time.monotonic() + WAIT_SECONDS
        told = ""
        while "has not come there" not in told and time.monotonic() < deadline:
            time.sleep(0.1)
            with pytest.raises(BusHttpError) as caught:
                BusHttp(bus.http_url).get("/why/lost")
            told = str(caught.value)
    assert "'lost-client' has asked" in told
    assert "was told 127.0.0.1:9 and" in told


def test_a_consumer_that_handles_a_record_longer_than_it_may(ward: Ward) -> None:
    cause = ward.cause("dawdles", "no_member")
    assert cause["evidence"]["how"] == "left"
    assert cause["evidence"]["client_id"] == "dawdles-client"
    assert "it is still connected: it has not called poll()" in cause["text"]
    assert "max.poll.interval.ms" in cause["remedy"]


def test_a_consumer_that_is_started_for_one_record_at_a_time_is_well(ward: Ward) -> None:
    lags = []
    for _ in range(2):
        once = ward.consumer("one-shot", enable_auto_commit=False)
        once.subscribe(["orders"])
        message = once.poll(WAIT_SECONDS)
        assert message is not None
        once.commit(message, asynchronous=False)
        once.close()
        found = ward.explain("one-shot")
        assert [each["code"] for each in found["causes"]] == ["no_member"]
        lags.append(found["lag"])
    assert lags[0] - lags[1] == 1


def test_the_command_tells_by_its_exit_code(ward: Ward, capsys: pytest.CaptureFixture[str]) -> None:
    url = ("--http", ward.http.url)
    ward.stays_well("healthy")
    assert run(["why", "healthy", *url]) == 0
    assert "all well" in capsys.readouterr().out
    ward.cause("paused", "not_fetching")
    assert run(["why", "paused", "--json", *url]) == 1
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"group", "state", "lag", "well", "causes"}
    assert set(found["causes"][0]) == {"code", "text", "remedy", "remedies", "evidence"}
    assert run(["why", "paused", *url]) == 1
    assert "not_fetching: paused-client of group paused has orders[0]" in capsys.readouterr().out
    assert run(["why", "pausde", *url]) == 2
    assert "there is no group 'pausde'; did you mean paused?" in capsys.readouterr().err


def test_who_was_the_last_member_is_known_after_a_restart(tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path / "bus.db",
        kafka=ANY_PORT,
        http=ANY_PORT,
        set={"fakebus.evict.on.disconnect": "true"},
    )
    with FakeBus.thread(settings) as bus, contextlib.ExitStack() as stack:
        ward = Ward(bus, stack)
        ward.fill("orders")
        process = ward.member_process("billing", 6000, poison=4)
        assert process.wait(WAIT_SECONDS) == 1
        before = ward.cause("billing", "no_member")
    with FakeBus.thread(settings) as bus:
        found = BusHttp(bus.http_url).get("/why/billing")
    assert (found["state"], found["lag"]) == ("Empty", RECORDS - 4)
    [cause] = found["causes"]
    assert cause["code"] == "no_member"
    assert cause["evidence"] == before["evidence"]
    assert cause["evidence"]["how"] == "expelled"
    assert cause["evidence"]["client_id"] == "billing-process"
    assert cause["evidence"]["process"]["pid"] == process.pid


def test_a_cluster_that_is_no_fakebus_tells_what_it_knows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (group_view, progress):
        monkeypatch.setattr(module, "COMMIT_MS", 1200)
    monkeypatch.setattr(group_view, "_LOOK_AGAIN_S", 0.3)
    config = {"group.initial.rebalance.delay.ms": "0"}
    settings = Settings(data=None, kafka=ANY_PORT, http=(), set=config)
    with FakeBus.thread(settings) as bus, contextlib.ExitStack() as stack:
        ward = Ward(bus, stack)
        ward.fill("orders")

        def told(group: str) -> tuple[int, dict[str, Any]]:
            status = run(["why", group, "--json", "--bootstrap-server", ward.servers])
            return status, json.loads(capsys.readouterr().out)

        for group in ("keeps-it", "commits"):
            consumer = ward.consumer(group, enable_auto_commit=False)
            consumer.subscribe(["orders"])

            def handle(message: Message, consumer: Consumer = consumer, group: str = group) -> None:
                if group == "commits":
                    consumer.commit(message, asynchronous=False)

            assert ward.poll(consumer, handle).wait(WAIT_SECONDS)
        status, found = told("keeps-it")
        [cause] = found["causes"]
        assert (status, cause["code"], found["lag"]) == (1, "not_committing", None)
        assert cause["evidence"]["next_record"] == "orders[0]@0"
        assert "whether it fetches cannot be told here" in cause["text"]
        assert "faults on purpose" in found["not_told"]
        status, found = told("commits")
        assert (status, found["lag"], found["causes"]) == (0, 0, [])
        outside = ward.consumer("abandoned")
        outside.commit(offsets=[TopicPartition("orders", 0, 3)], asynchronous=False)
        outside.close()
        status, found = told("abandoned")
        assert (status, found["lag"], found["causes"][0]["code"]) == (1, 17, "no_member")
        writer = Producer({"bootstrap.servers": ward.servers, "transactional.id": "tills"})
        writer.init_transactions(WAIT_SECONDS)
        for ends in (writer.commit_transaction, writer.abort_transaction, writer.flush):
            writer.begin_transaction()
            writer.produce("sales", b"1", partition=0)
            writer.flush(WAIT_SECONDS)
            ends(WAIT_SECONDS)
        for group, offset in (("behind", 0), ("at-markers", 1)):
            outside = ward.consumer(group)
            outside.commit(offsets=[TopicPartition("sales", 0, offset)], asynchronous=False)
            outside.close()
        status, found = told("behind")
        assert [each["code"] for each in found["causes"]] == ["no_member"]
        status, found = told("at-markers")
        assert "open_transaction" in [each["code"] for each in found["causes"]]
        writer.abort_transaction(WAIT_SECONDS)
        status, found = told("at-markers")
        assert (status, found["lag"], found["causes"]) == (0, 5, [])
        assert run(["why", "abandonde", "--bootstrap-server", ward.servers]) == 2
        assert "did you mean abandoned?" in capsys.readouterr().err
        assert run(["why", "commits", "--bootstrap-server", ward.servers]) == 0
        assert "not known of this cluster: what clients fetch" in capsys.readouterr().out
