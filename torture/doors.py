"""Doors of HTTP that fifty come in by at once, and what a healthy Kafka client notices of them.

The bus has thousands of topics, groups and schemas and a large topic, so that every answer is large
or takes much reading. What counts is the loop's work before an acknowledgement, as processor time,
since a machine that is busy otherwise lets everybody wait.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, MutableSequence, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import NamedTuple

from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from fuzzing.bus import FuzzedBus
from fuzzing.healthy import COUNT, MOST_OF_LOOP, SLOWEST, acknowledge

AT_ONCE = 50
LIMIT_MS = 250.0
LIMIT_MB = 900.0
TOPICS = 10_000
RECORDS = 50_000
GROUPS = 500
TOPICS_OF_GROUP = 100
"""That a group has committed, but for the first one, which has all of them."""
SCHEMAS = 5_000
LARGE = "orders"
WIDE = "wide"
PARTITIONS = 1_000
"""Of the wide topic."""
PATIENCE_S = 600
BUSY = 503
"""Who asks too many at once is told so."""
_STREAM_S = 10
"""For how long one that does not end is read."""
_MOST_BYTES = 10_000_000
"""That one client reads of an answer."""


class Door(NamedTuple):
    """Request, and what is sent with it."""

    path: str
    body: object = None
    accept: str = "*/*"

    def __str__(self) -> str:
        asked = "" if self.body is None else f" {json.dumps(self.body)[:60]}"
        return f"{self.path}{asked}"


def _query(text: str) -> Door:
    return Door("/_fakebus/v1/sql", {"query": text})


NDJSON = "application/x-ndjson"
DOORS = (
    Door("/metrics"),
    Door("/openapi.json"),
    Door("/topics"),
    Door("/topics/orders"),
    Door("/topics/orders", {"records": [{"value": "eA=="}] * 1000}),
    Door("/v3/clusters/{cluster}/topics"),
    Door("/v3/clusters/{cluster}/topics/-/configs"),
    Door("/v3/clusters/{cluster}/topics/orders/partitions"),
    Door("/v3/clusters/{cluster}/consumer-groups"),
    Door("/v3/clusters/{cluster}/consumer-groups/group-0/lags"),
    Door("/v3/clusters/{cluster}/brokers/-/configs"),
    Door("/v3/clusters/{cluster}/brokers/1/partition-replicas"),
    Door(
        "/v3/clusters/{cluster}/topics/orders/records:batch",
        {"entries": [{"id": str(n), "value": {"type": "STRING", "data": "x"}} for n in range(10)]},
    ),
    Door("/subjects"),
    Door("/schemas"),
    Door("/_fakebus/v1/topics/orders/records?from=earliest&limit=10000"),
    Door("/_fakebus/v1/topics/orders/records?from=earliest&limit=10000", accept=NDJSON),
    Door("/_fakebus/v1/topics/orders/records?from=earliest&filter=value.id=-1"),
    Door("/topics/wide"),
    Door("/v3/clusters/{cluster}/topics/wide/partitions"),
    Door("/_fakebus/v1/topics/wide/records?from=earliest"),
    Door("/_fakebus/v1/topics/wide/events?from=earliest"),
    Door("/ui/topics/wide"),
    Door("/ui/topics/wide/settings"),
    Door("/_fakebus/v1/topics/orders/events?from=earliest"),
    Door("/_fakebus/v1/events"),
    Door("/_fakebus/v1/activities"),
    Door("/_fakebus/v1/catalogue"),
    Door("/_fakebus/v1/catalogue?search=order"),
    Door("/_fakebus/v1/smells"),
    Door("/_fakebus/v1/clients"),
    Door("/_fakebus/v1/flow?find=order"),
    Door("/_fakebus/v1/why/group-0"),
    Door("/_fakebus/v1/impact?subject=topic-1-value&removeField=a"),
    _query("select count(*), sum(total) from orders"),
    _query("from orders limit 10000"),
    _query("select repeat('x', 2000000000)"),
    _query("select repeat('x', 1000) from range(10000)"),
    Door("/ui/"),
    Door("/ui/topics"),
    Door("/ui/topics/orders"),
    Door("/ui/topics/orders/download"),
    Door("/ui/topics/orders/settings"),
    Door("/ui/topics/orders/search?q=nothing"),
    Door("/ui/search?q=nothing&look=20000"),
    Door("/ui/search/events?q=nothing", accept="text/event-stream"),
    Door("/ui/groups"),
    Door("/ui/group?name=group-0"),
    Door("/ui/group/why?name=group-0"),
    Door("/ui/clients"),
    Door("/ui/schemas"),
    Door("/ui/schema?name=topic-1-value"),
    Door("/ui/catalogue"),
    Door("/ui/map"),
    Door("/ui/smells"),
    Door("/ui/sql?query=select+1"),
    Door("/ui/snapshots"),
    Door("/ui/fixtures"),
    Door("/ui/faults"),
    Door("/ui/brokers"),
    Door("/ui/access"),
)


def play(directory: Path, wanted: Sequence[str]) -> None:
    """Let fifty come in by each door at once.

    Args:
        directory: for files.
        wanted: one of which a door has, or nothing for all of them.

    Raises:
        AssertionError: a healthy client, or the machine, has suffered, or a door has failed.
    """
    context = multiprocessing.get_context("spawn")
    with FuzzedBus(directory) as bus:
        cluster = _fill(bus)
        waits = context.Array("d", 5, lock=False)
        told = (bus.ports[0], bus.process.pid, waits)
        healthy = context.Process(target=acknowledge, args=told, daemon=True)
        healthy.start()
        try:
            while not waits[COUNT]:
                if not healthy.is_alive():
                    raise RuntimeError("the healthy client has ended before its first record")
                time.sleep(0.05)
            problems = [
                f"{door}: {problem}"
                for door in DOORS
                if not wanted or any(each in str(door) for each in wanted)
                for problem in _through(
                    door._replace(path=door.path.replace("{cluster}", cluster)), bus, waits
                )
            ]
        finally:
            healthy.terminate()
    problems += bus.problems(LIMIT_MS, LIMIT_MB)
    assert not problems, "\n".join(problems)


def _through(door: Door, bus: FuzzedBus, waits: MutableSequence[float]) -> Iterator[str]:
    """Let fifty come in by a door, and say what was wrong."""
    seen = len(bus.turns())
    acknowledged = waits[COUNT]
    waits[SLOWEST] = waits[MOST_OF_LOOP] = 0.0
    most_bytes = bus.resident_bytes()
    began = time.monotonic()
    barrier = Barrier(AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE) as clients:
        asked = [clients.submit(_ask, door, bus, barrier) for _ in range(AT_ONCE)]
        while not all(each.done() for each in asked):
            most_bytes = max(most_bytes, bus.resident_bytes())
            time.sleep(0.05)
    took_s = time.monotonic() - began
    # One that was under way is told of when it has come.
    while waits[COUNT] < acknowledged + 2:
        time.sleep(0.01)
    statuses = Counter(each.result()[0] for each in asked)
    size = max(each.result()[1] for each in asked)
    turns = sorted(bus.turns()[seen:], reverse=True)
    worst_ms, name = turns[0] if turns else (0.0, "")
    slowest_ms, loop_ms = waits[SLOWEST] * 1000, waits[MOST_OF_LOOP] * 1000
    print(
        f"{slowest_ms:6.0f} ms, of the loop {loop_ms:4.0f} ms, turn {worst_ms:4.0f} ms, "
        f"{most_bytes / 1e6:5.0f} MB, {took_s:5.1f} s, {dict(statuses)}, {size / 1e6:.1f} MB: "
        f"{door}"
        f"{f'; {name[:200]}' if worst_ms > LIMIT_MS / 5 else ''}",
        flush=True,
    )
    if loop_ms > LIMIT_MS:
        yield f"the loop worked {loop_ms:.0f} ms before an acknowledgement, most of it in {name}"
    if any(status >= 500 and status != BUSY for status in statuses):
        yield f"answered {dict(statuses)}"


def _ask(door: Door, bus: FuzzedBus, barrier: Barrier) -> tuple[int, int]:
    """Come in by a door, and return the status and how many bytes were read."""
    client = http.client.HTTPConnection("127.0.0.1", bus.http_port, timeout=PATIENCE_S)
    barrier.wait(PATIENCE_S)
    body = None if door.body is None else json.dumps(door.body)
    headers = {"Accept": door.accept}
    if body is not None:
        headers["Content-Type"] = "application/json"
    if door.path.startswith("/topics/") and body is not None:
        headers["Content-Type"] = "application/vnd.kafka.binary.v2+json"
    try:
        client.request("POST" if body is not None else "GET", door.path, body, headers)
        answer = client.getresponse()
        size = 0
        until = time.monotonic() + _STREAM_S
        is_stream = "event-stream" in answer.headers["Content-Type"]
        while size < _MOST_BYTES and (part := answer.read1(1 << 16)):
            size += len(part)
            if is_stream and time.monotonic() > until:
                break
        return answer.status, size
    finally:
        client.close()


def _fill(bus: FuzzedBus) -> str:
    """Make the topics, the records, the groups and the schemas; return the cluster's id."""
    server = {"bootstrap.servers": f"127.0.0.1:{bus.ports[0]}"}
    admin = AdminClient(server)
    names = [LARGE, WIDE, *(f"topic-{n}" for n in range(TOPICS))]
    partitions = {LARGE: 3, WIDE: PARTITIONS}
    for at in range(0, len(names), 1000):
        new = [NewTopic(name, partitions.get(name, 1)) for name in names[at : at + 1000]]
        for made in admin.create_topics(new).values():
            made.result(60)
    producer = Producer({**server, "linger.ms": 20})
    for number in range(RECORDS):
        order = {"id": number, "total": number % 97 / 2, "currency": "EUR", "note": "x" * 60}
        producer.produce(LARGE, json.dumps(order), b"%d" % number)
        if number < PARTITIONS:
            producer.produce(WIDE, b"x", partition=number)
        if not number % 10_000:
            producer.flush(60)
    producer.flush(60)
    for number in range(GROUPS):
        offsets = [TopicPartition(LARGE, number % 3, number)]
        many = TOPICS_OF_GROUP if number else TOPICS
        offsets += [TopicPartition(f"topic-{(number + n) % TOPICS}", 0, 0) for n in range(many)]
        group = ConsumerGroupTopicPartitions(f"group-{number}", offsets)
        [committed] = admin.alter_consumer_group_offsets([group]).values()
        committed.result(60)
    client = http.client.HTTPConnection("127.0.0.1", bus.http_port, timeout=60)
    for number in range(SCHEMAS):
        fields = [{"name": name, "type": "string"} for name in ("a", f"b{number}")]
        schema = {"type": "record", "name": "Order", "fields": fields}
        body = json.dumps({"schema": json.dumps(schema)})
        client.request("POST", f"/subjects/topic-{number}-value/versions", body)
        answer = client.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
    client.close()
    cluster: str = admin.list_topics(timeout=60).cluster_id
    return cluster
