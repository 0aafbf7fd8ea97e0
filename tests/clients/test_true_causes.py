"""Causes that flows tell, held against those that restless services say themselves."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.client.bus_http import BusHttp
from fakebus.config import Settings
from tests.clients.build import CLIENTS
from tests.clients.cluster import SETTINGS
from tests.clients.program_fixtures import needed
from tests.clients.programs import Program

pytestmark = [pytest.mark.clients, pytest.mark.timeout(240)]

ANY_PORT = (Address("127.0.0.1", 0),)
PARTITIONS = 2
ORDERS = 300
OF_THE_POOL = 120
QUESTIONS = 150
RECORDS = 200
SERVICES = [
    ("billing", "invoices", "confluent", "after", 500),
    ("billing", "invoices", "confluent", "after", 500),
    ("first", "invoices,parcels", "confluent", "before", 500),
    ("single", "invoices,parcels", "confluent", "before", 1),
    ("retrying", "letters", "confluent", "again", 50),
    ("shipping", "parcels", "aiokafka", "after", 500),
    ("tasks", "parcels,letters", "aiokafka", "before", 500),
    ("mailing", "letters", "kafka-python", "after", 500),
    ("modern", "parcels", "consumer protocol", "after", 500),
    ("exact", "letters", "transactions", "after", 5),
    ("sharing", "invoices", "shares", "again", 5),
    ("shared-first", "invoices", "shares", "before", 5),
    ("streams", "parcels", "redis", "after", 5),
    ("proxied", "letters", "rest", "after", 5),
]
POOLED = ("pooled", "parcels", "pool", "before", 500)


def start(bus: str, service: tuple[str, str, str, str, int]) -> Any:
    group, writes, library, commits, most = service
    words = [bus, group, "orders", writes, library, commits, str(most), "7"]
    program = Path(__file__).with_name("restless.py")
    command = [sys.executable, str(program), *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def wait_until_written(servers: str, topics: Iterable[str], count: int) -> None:
    """Wait until services have written so much to each topic."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "judge", "log_level": 0})
    deadline = time.monotonic() + 60
    for topic in topics:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        while sum(consumer.get_watermark_offsets(each, 60)[1] for each in places) < count:
            assert time.monotonic() < deadline, topic
            time.sleep(0.1)
    consumer.close()


def write_orders(servers: str, during: Any = None, count: int = ORDERS) -> None:
    """Write orders in bursts; in between another member comes and goes."""
    chosen = random.Random(3)
    producer = Producer({"bootstrap.servers": servers, "client.id": "shop"})
    number = 0
    while number < count:
        for _ in range(chosen.choice([1, 1, 5, 20])):
            number += 1
            key = b"%d" % (number % 50)
            producer.produce("orders", b'{"cause": null}', key, partition=chosen.randrange(2))
        producer.poll(0)
        if number > count / 2 and during is not None:
            during = during()
        time.sleep(chosen.choice([0, 0.05, 0.1]))  # bursts and lulls are the point
    assert producer.flush(60) == 0


def written(servers: str, topic: str) -> list[tuple[str, str | None]]:
    """Return the names of a topic's records, and the true cause of each."""
    config = {"isolation.level": "read_uncommitted", "enable.partition.eof": True, "log_level": 0}
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "judge", **config})
    found = []
    for partition in range(PARTITIONS):
        consumer.assign([TopicPartition(topic, partition, 0)])
        while not (message := consumer.poll(60)).error():
            truth = dict(message.headers() or ()).get("redis.truth", message.value())
            name = f"{topic}[{partition}]@{message.offset()}"
            found.append((name, json.loads(truth)["cause"]))
    consumer.close()
    return found


def share_from_the_beginning(servers: str, groups: Iterable[str]) -> None:
    how, value = AlterConfigOpType.SET, "earliest"
    entry = ConfigEntry("share.auto.offset.reset", value, incremental_operation=how)
    wanted = [
        ConfigResource(ResourceType.GROUP, each, incremental_configs=[entry]) for each in groups
    ]
    admin = AdminClient({"bootstrap.servers": servers})
    for future in admin.incremental_alter_configs(wanted).values():
        future.result(60)


def judged(http: BusHttp, effects: Sequence[tuple[str, str | None]]) -> Counter[str]:
    """Ask for some effects; what is told as the cause must be true, or the truth among rivals."""
    outcome: Counter[str] = Counter()
    for name, cause in random.Random(5).sample(effects, min(QUESTIONS, len(effects))):
        flow = http.get("/flow", record=name, depth=1)
        told = [
            edge for edge in flow["edges"] if edge["to"] == name and edge["evidence"] != "hinted"
        ]
        causes = [edge["from"] for edge in told]
        if cause is None:
            assert not told, (name, told)
            outcome["none"] += 1
        elif told:
            assert {edge["evidence"] for edge in told} <= {"observed", "stated"}
            assert flow["left_out"] or {edge["rivals"] for edge in told} == {len(told) - 1}
            assert cause in causes, (name, cause, told[:5])
            outcome["first" if causes[0] == cause else "among rivals"] += 1
            outcome.update({edge["evidence"] for edge in told})
        else:
            outcome["not told"] += 1
    return outcome


def test_what_is_told_as_a_cause_is_the_true_one_or_the_true_one_is_among_its_rivals() -> None:
    configs = {"num.partitions": str(PARTITIONS)}
    doors = dict.fromkeys(("kafka", "http", "redis"), ANY_PORT)
    settings = Settings(data=None, set=configs, **doors)  # type: ignore[arg-type]
    with BusThread(FakeBus(settings)) as running, contextlib.ExitStack() as stack:
        servers, http = running.bus.bootstrap_servers, BusHttp(running.bus.http_url)
        admin = Producer({"bootstrap.servers": servers})
        topics = ("orders", "invoices", "parcels", "letters")
        for topic in topics:
            admin.list_topics(topic, timeout=60)
        share_from_the_beginning(servers, [each[0] for each in SERVICES if each[2] == "shares"])
        bus = ",".join((servers, running.bus.http_url, running.bus.redis_urls[0]))
        processes = [start(bus, each) for each in SERVICES]
        for process in processes:
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout.readline() == b"ready\n"

        def another() -> Any:
            processes.append(stack.enter_context(start(bus, SERVICES[0])))
            stack.callback(processes[-1].kill)
            return processes[-1].stdin.close

        write_orders(servers, another)
        wait_until_written(servers, topics[1:], QUESTIONS)
        for process in processes:
            process.stdin.close()
        for process in processes:
            assert process.wait(60) == 0
        outcome = judged(http, [effect for topic in topics for effect in written(servers, topic)])
    # It has to say something, too, and the likeliest of many is not any of them.
    assert outcome["first"] > 10 * outcome["not told"], outcome
    # Where the machine is slow more is in flight, and so more is possible.
    assert outcome["first"] > outcome["among rivals"] / 10, outcome


def test_what_threads_write_of_what_was_committed_long_before_has_no_wrong_cause() -> None:
    """Four threads are at 120 orders for three seconds, and all are committed as they come."""
    settings = Settings(data=None, set={"num.partitions": "2"}, kafka=ANY_PORT, http=ANY_PORT)
    with BusThread(FakeBus(settings)) as running, contextlib.ExitStack() as stack:
        servers, http = running.bus.bootstrap_servers, BusHttp(running.bus.http_url)
        for topic in ("orders", "parcels"):
            Producer({"bootstrap.servers": servers}).list_topics(topic, timeout=60)
        process = stack.enter_context(start(f"{servers},{running.bus.http_url},", POOLED))
        stack.callback(process.kill)
        assert process.stdout.readline() == b"ready\n"
        write_orders(servers, count=OF_THE_POOL)
        wait_until_written(servers, ["parcels"], OF_THE_POOL)
        process.stdin.close()
        assert process.wait(60) == 0
        # How much is told depends on how it has gone; what is told is judged.
        judged(http, written(servers, "parcels")[::3])


@pytest.mark.parametrize(
    ("guarantee", "protocol", "evidence"),
    [("exactly_once_v2", "streams", "stated"), ("at_least_once", "classic", "observed")],
)
def test_what_kafka_streams_writes_is_due_to_what_it_has_read(
    guarantee: str, protocol: str, evidence: str
) -> None:
    """By repartition topics and changelogs, too; of a transaction all that it has read is told."""
    command = needed(CLIENTS["java"].command)
    configs = SETTINGS | {"auto.create.topics.enable": "true", "num.partitions": str(PARTITIONS)}
    settings = Settings(data=None, set=configs, kafka=ANY_PORT, http=ANY_PORT)
    with BusThread(FakeBus(settings)) as running, contextlib.ExitStack() as stack:
        servers, http = running.bus.bootstrap_servers, BusHttp(running.bus.http_url)
        producer = Producer({"bootstrap.servers": servers, "client.id": "shop"})
        for topic in ("orders", "parcels"):
            producer.list_topics(topic, timeout=60)
        program = Program("java", command, servers)
        stack.callback(program.kill)
        arguments = {"topic": "orders", "to": "parcels", "group": "app", "partitions": PARTITIONS}
        arguments |= {"guarantee": guarantee, "protocol": protocol}
        program.send("say_causes", count=RECORDS, **arguments)
        for number in range(RECORDS):
            key = b"%d" % (number % 20)
            producer.produce("orders", b'{"cause": null}', key, partition=number % PARTITIONS)
            # Some come together, and others when those before them are done.
            producer.flush(60) if number % 20 < 5 else producer.poll(0)
        assert producer.flush(60) == 0
        assert "error" not in program.next_line()
        topics = ("parcels", "app-by-key-repartition", "app-seen-changelog")
        for topic in topics:
            outcome = judged(http, written(servers, topic))
            assert outcome["first"] + outcome["among rivals"] == min(QUESTIONS, RECORDS), outcome
            assert outcome[evidence] == min(QUESTIONS, RECORDS), outcome
