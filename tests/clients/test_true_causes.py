"""Causes that flows tell, held against those that restless services say themselves."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.client.bus_http import BusHttp
from fakebus.config import Settings

pytestmark = [pytest.mark.clients, pytest.mark.timeout(150)]

ANY_PORT = (Address("127.0.0.1", 0),)
PARTITIONS = 2
SECONDS = 3
QUESTIONS = 60
SERVICES = [
    ("billing", "invoices", "confluent", "after", 500),
    ("billing", "invoices", "confluent", "after", 500),
    ("first", "invoices,parcels", "confluent", "before", 500),
    ("single", "invoices,parcels", "confluent", "before", 1),
    ("retrying", "letters", "confluent", "again", 50),
    ("shipping", "parcels", "aiokafka", "after", 500),
    ("tasks", "parcels,letters", "aiokafka", "before", 500),
    ("mailing", "letters", "kafka-python", "after", 500),
]


def start(servers: str, service: tuple[str, str, str, str, int], seconds: float) -> Any:
    group, writes, library, commits, most = service
    words = [servers, group, "orders", writes, library, commits, str(most), str(seconds), "7"]
    program = Path(__file__).with_name("restless.py")
    process = subprocess.Popen([sys.executable, str(program), *words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process


def write_orders(servers: str, during: Any) -> None:
    """Write orders in bursts for a while; in between another member comes and goes."""
    chosen, began = random.Random(3), time.monotonic()
    producer = Producer({"bootstrap.servers": servers, "client.id": "shop"})
    number = 0
    while (passed := time.monotonic() - began) < SECONDS:
        for _ in range(chosen.choice([1, 1, 5, 20])):
            number += 1
            key = b"%d" % (number % 50)
            producer.produce("orders", b'{"cause": null}', key, partition=chosen.randrange(2))
        producer.poll(0)
        if passed > SECONDS / 2 and during is not None:
            during = during()
        time.sleep(chosen.choice([0, 0.05, 0.1]))  # bursts and lulls are the point
    assert producer.flush(60) == 0


def written(servers: str, topic: str) -> list[tuple[str, str | None]]:
    """Return the names of a topic's records, and the true cause of each."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "judge", "log_level": 0})
    found = []
    for partition in range(PARTITIONS):
        place = TopicPartition(topic, partition, 0)
        _, end = consumer.get_watermark_offsets(place)
        consumer.assign([place])
        for _ in range(end):
            message = consumer.poll(60)
            name = f"{topic}[{partition}]@{message.offset()}"
            found.append((name, json.loads(message.value())["cause"]))
    consumer.close()
    return found


def test_what_is_told_as_a_cause_is_the_true_one_or_the_true_one_is_among_its_rivals() -> None:
    configs = {"num.partitions": str(PARTITIONS)}
    settings = Settings(data=None, kafka=ANY_PORT, http=ANY_PORT, set=configs)
    outcome: Counter[str] = Counter()
    with BusThread(FakeBus(settings)) as running, contextlib.ExitStack() as stack:
        servers, http = running.bus.bootstrap_servers, BusHttp(running.bus.http_url)
        admin = Producer({"bootstrap.servers": servers})
        topics = ("orders", "invoices", "parcels", "letters")
        for topic in topics:
            admin.list_topics(topic, timeout=60)
        processes = [start(servers, each, SECONDS + 2) for each in SERVICES]
        for process in processes:
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout.readline() == b"ready\n"

        def another() -> None:
            processes.append(stack.enter_context(start(servers, SERVICES[0], 1)))

        write_orders(servers, another)
        for process in processes:
            assert process.wait(60) == 0
        effects = [effect for topic in topics for effect in written(servers, topic)]
        for name, cause in random.Random(5).sample(effects, min(QUESTIONS, len(effects))):
            flow = http.get("/flow", record=name, depth=1)
            told = [
                edge
                for edge in flow["edges"]
                if edge["to"] == name and edge["evidence"] != "hinted"
            ]
            causes = [edge["from"] for edge in told]
            if cause is None:
                assert not told, (name, told)
                outcome["none"] += 1
            elif told:
                assert {edge["evidence"] for edge in told} == {"observed"}
                assert flow["left_out"] or {edge["rivals"] for edge in told} == {len(told) - 1}
                assert cause in causes, (name, cause, told[:5])
                outcome["first" if causes[0] == cause else "among rivals"] += 1
            else:
                outcome["not told"] += 1
    # It has to say something, too, and the likeliest of many is seldom another one.
    assert outcome["first"] > 10 * outcome["not told"], outcome
    assert outcome["first"] > outcome["among rivals"], outcome
