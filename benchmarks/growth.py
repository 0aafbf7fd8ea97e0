"""How fakebus grows: start, memory and latency with more and more of everything.

Each curve is a function of a size; it fills one bus step by step, and starts it anew where the
start is asked for. The figure of a step is that of the bus as it then is.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from benchmarks import workloads
from benchmarks.measures import Size, quantile
from benchmarks.peers import Fakebus, time_limit
from benchmarks.registry import Client
from benchmarks.results import Results, number
from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ConsumerGroupHeartbeatRequest,
    FetchRequest,
    FetchRequestFetchPartition,
    FetchRequestFetchTopic,
    InitProducerIdRequest,
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    MetadataRequest,
    MetadataRequestTopic,
    ShareGroupHeartbeatRequest,
    StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatRequestSubtopology,
    StreamsGroupHeartbeatRequestTopology,
    SyncGroupRequest,
    SyncGroupRequestAssignment,
)
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from tests.wire.client import RawClient, frame
from tests.wire.test_produce_and_fetch import produce_request

Point = dict[str, float]
Steps = Iterator[tuple[int, Point]]

ACKNOWLEDGEMENTS = 300
KINDS = ("classic", "consumer", "share", "streams")


def _steps(most: int) -> Sequence[int]:
    return [count for count in (1, 100, 1_000, 10_000, 100_000, 1_000_000) if count < most] + [most]


def _acknowledgement(bus: Fakebus) -> Point:
    topic = workloads.new_topic(bus.bootstrap_servers)
    times = workloads.acknowledgement_latencies(bus.bootstrap_servers, topic, ACKNOWLEDGEMENTS)
    return {"acknowledgement p50, ms": quantile(times, 0.5)}


def _memory(bus: Fakebus) -> Point:
    return {"RSS, MB": bus.rss_bytes() / 1e6}


def _started_anew(bus: Fakebus) -> Point:
    bus.stop()
    bus.__enter__()
    time.sleep(0.5)
    return {"start to ready, ms": bus.ready_seconds * 1000} | _memory(bus)


def _median_ms(ask: Callable[[], object], times: int = 20) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def topics(size: Size) -> Steps:
    """Topics of one partition."""
    request = MetadataRequest(topics=[MetadataRequestTopic(name="topic-0")])
    with Fakebus() as bus:
        made = 0
        for count in _steps(size.topics):
            admin = AdminClient(workloads.to(bus.bootstrap_servers))
            while made < count:
                names = [f"topic-{n}" for n in range(made, min(count, made + 1_000))]
                created = admin.create_topics([NewTopic(name, 1, 1) for name in names])
                for future in created.values():
                    future.result(60)
                made += len(names)
            point = _started_anew(bus) | _acknowledgement(bus)
            with RawClient(bus.bootstrap_servers) as client:
                ask = partial(client.call, ApiKey.METADATA, 4, request)
                point["Metadata of one topic, ms"] = _median_ms(ask)
            yield count, point


def partitions(size: Size) -> Steps:
    """Partitions of one topic."""
    with Fakebus() as bus:
        workloads.create_topic(bus.bootstrap_servers, 1, "wide")
        for count in _steps(size.topics):
            if count > 1:
                admin = AdminClient(workloads.to(bus.bootstrap_servers))
                admin.create_partitions([NewPartitions("wide", count)])["wide"].result(60)
            yield count, _started_anew(bus) | _acknowledgement(bus)


def groups(size: Size) -> Steps:
    """Groups of each of the four kinds, with one member each, on two connections for four."""
    with Fakebus() as bus, ExitStack() as stack:
        topic = workloads.create_topic(bus.bootstrap_servers, 4)
        made = 0
        for count in (1, 100, 500):
            for n in range(made, count):
                pair = [stack.enter_context(RawClient(bus.bootstrap_servers)) for _ in range(2)]
                _join(pair[0], f"classic-{n}", topic)
                for kind in KINDS[1:]:
                    answer = pair[1].call(*_heartbeat(kind, f"{kind}-{n}", topic))
                    if answer.error_code:
                        raise RuntimeError(f"{kind}: {answer.error_code} {answer.error_message}")
            made = count
            yield count, _memory(bus) | _acknowledgement(bus)


def _join(client: RawClient, group: str, topic: str) -> None:
    name = topic.encode()
    subscription = b"\0\0\0\0\0\1" + len(name).to_bytes(2, "big") + name + b"\xff\xff\xff\xff"
    protocol = JoinGroupRequestProtocol(name="range", metadata=subscription)
    request = JoinGroupRequest(
        group_id=group,
        session_timeout_ms=300_000,
        rebalance_timeout_ms=300_000,
        member_id="",
        protocol_type="consumer",
        protocols=[protocol],
    )
    joined = client.call(ApiKey.JOIN_GROUP, 3, request)
    sync = SyncGroupRequest(
        group_id=group,
        generation_id=joined.generation_id,
        member_id=joined.member_id,
        assignments=[SyncGroupRequestAssignment(member_id=joined.member_id, assignment=b"")],
    )
    if client.call(ApiKey.SYNC_GROUP, 2, sync).error_code:
        raise RuntimeError(f"{group} cannot be joined")


def _heartbeat(kind: str, group: str, topic: str) -> tuple[ApiKey, int, object]:
    who: dict[str, Any] = {"group_id": group, "member_id": f"member-of-{group}", "member_epoch": 0}
    if kind == "consumer":
        consumer = ConsumerGroupHeartbeatRequest(
            **who,
            rebalance_timeout_ms=300_000,
            subscribed_topic_names=[topic],
            topic_partitions=[],
        )
        return ApiKey.CONSUMER_GROUP_HEARTBEAT, 1, consumer
    if kind == "share":
        share = ShareGroupHeartbeatRequest(**who, subscribed_topic_names=[topic])
        return ApiKey.SHARE_GROUP_HEARTBEAT, 1, share
    part = StreamsGroupHeartbeatRequestSubtopology(
        subtopology_id="0",
        source_topics=[topic],
        source_topic_regex=[],
        state_changelog_topics=[],
        repartition_sink_topics=[],
        repartition_source_topics=[],
        copartition_groups=[],
    )
    streams = StreamsGroupHeartbeatRequest(
        **who,
        rebalance_timeout_ms=300_000,
        topology=StreamsGroupHeartbeatRequestTopology(epoch=0, subtopologies=[part]),
        active_tasks=[],
        standby_tasks=[],
        warmup_tasks=[],
        process_id=group,
        client_tags=[],
    )
    return ApiKey.STREAMS_GROUP_HEARTBEAT, 0, streams


def connections(size: Size) -> Steps:
    """Connections that have asked for Metadata and are silent."""
    with Fakebus() as bus, ExitStack() as stack:
        made = 0
        for count in sorted({1, 100, 1_000, size.connections}):
            for _ in range(made, count):
                client = stack.enter_context(RawClient(bus.bootstrap_servers))
                client.call(ApiKey.METADATA, 4, MetadataRequest(topics=[]))
            made = count
            yield count, _memory(bus) | _acknowledgement(bus)


def records(size: Size) -> Steps:
    """Records of 100 bytes in one partition, in a client's batches."""
    with Fakebus() as bus:
        topic = workloads.create_topic(bus.bootstrap_servers, 1)
        made = 0
        for count in (step for step in _steps(size.records) if step > 1_000):
            values = workloads.events(100)
            workloads.produce(bus.bootstrap_servers, topic, values, count - made)
            made = count
            point = _started_anew(bus) | _acknowledgement(bus)
            point["1 MB from the middle, ms"] = _reading_ms(bus, topic, count // 2)
            yield count, point


def batches(size: Size) -> Steps:
    """Batches of one record of 100 bytes in one partition, a request each."""
    with Fakebus() as bus:
        topic = workloads.create_topic(bus.bootstrap_servers, 1)
        batch = bytes(build_batch([NewRecord(None, b"v" * 100)]))
        body = b"".join(codec.encode_request(ApiKey.PRODUCE, 9, produce_request(topic, batch)))
        request = frame(ApiKey.PRODUCE, 9, 7, "bench", body)
        made = 0
        for count in (step for step in _steps(size.batches) if step > 100):
            started = time.perf_counter()
            with RawClient(bus.bootstrap_servers) as client:
                for _ in range((count - made) // 100):
                    client.send_bytes(request * 100)
                    for _ in range(100):
                        client.receive_frame()
            rate = (count - made) / (time.perf_counter() - started)
            made = count
            point = _started_anew(bus) | _acknowledgement(bus)
            point["batches/s"] = rate
            point["1 MB from the middle, ms"] = _reading_ms(bus, topic, count // 2)
            yield count, point


def _reading_ms(bus: Fakebus, topic: str, offset: int) -> float:
    """Return how long the bus takes for a megabyte from an offset on, or up to the end.

    What this client takes to find the records' end in the answers is not counted.
    """

    def read() -> float:
        at, length, taken = offset, 0, 0.0
        with RawClient(bus.bootstrap_servers) as client:
            while length < 1_000_000:
                most = 1_000_000 - length
                wanted = FetchRequestFetchPartition(
                    partition=0, fetch_offset=at, partition_max_bytes=most
                )
                request = FetchRequest(
                    max_wait_ms=0,
                    min_bytes=1,
                    max_bytes=most,
                    topics=[FetchRequestFetchTopic(topic=topic, partitions=[wanted])],
                )
                started = time.perf_counter()
                answer = client.call(ApiKey.FETCH, 11, request).responses[0].partitions[0]
                taken += time.perf_counter() - started
                data = bytes(answer.records or b"")
                if not data:
                    break
                length += len(data)
                at += _records_in(data)
        return taken * 1000

    return statistics.median(read() for _ in range(5))


def _records_in(data: bytes) -> int:
    at = found = 0
    while at + 61 <= len(data):
        length = 12 + int.from_bytes(data[at + 8 : at + 12], "big")
        if at + length > len(data):
            break
        found += int.from_bytes(data[at + 57 : at + 61], "big")
        at += length
    return found


def schemas(size: Size) -> Steps:
    """Avro schemas, each of a subject of its own, written to the registry's topic."""
    with Fakebus() as bus:
        made = 0
        for count in _steps(size.schemas):
            producer = workloads.Producer(workloads.to(bus.bootstrap_servers))
            for n in range(made, count):
                producer.produce("_schemas", *_schema_record(n))
                producer.poll(0)
            producer.flush(60)
            made = count
            point = _started_anew(bus) | _acknowledgement(bus)
            client = Client(bus.http_url)
            client.ask("GET", f"/schemas/ids/{count}")
            by_id = partial(client.ask, "GET", f"/schemas/ids/{count}")
            point["a schema by its id, ms"] = _median_ms(by_id)
            client.close()
            yield count, point


def _schema_record(n: int) -> tuple[bytes, bytes]:
    subject = f"topic-{n}-value"
    fields = [{"name": f"field_{i}", "type": ["null", "string"], "default": None} for i in range(9)]
    fields.append({"name": f"only_in_{n}", "type": "long", "default": 0})
    schema = {"type": "record", "name": "Event", "namespace": "bench", "fields": fields}
    key = {"keytype": "SCHEMA", "subject": subject, "version": 1, "magic": 1}
    value = {"subject": subject, "version": 1, "id": n + 1, "schema": json.dumps(schema)}
    return json.dumps(value | {"deleted": False}).encode(), json.dumps(key).encode()


def transactional_ids(size: Size) -> Steps:
    """Transactional ids without a transaction."""
    with Fakebus() as bus:
        made = 0
        for count in (1, 100, 1_000):
            with RawClient(bus.bootstrap_servers) as client:
                for n in range(made, count):
                    request = InitProducerIdRequest(
                        transactional_id=f"idle-{n}", transaction_timeout_ms=60_000
                    )
                    client.call(ApiKey.INIT_PRODUCER_ID, 1, request)
            made = count
            yield count, _started_anew(bus) | _acknowledgement(bus)


CURVES: Mapping[str, Callable[[Size], Steps]] = {
    "topics": topics,
    "partitions": partitions,
    "groups": groups,
    "connections": connections,
    "records": records,
    "batches": batches,
    "schemas": schemas,
    "transactional-ids": transactional_ids,
}
"""Each by the word that chooses it."""


def measure(results: Results, curves: Sequence[str], size: Size) -> None:
    """Measure curves, and print them as they grow."""
    for word in curves:
        series: dict[str, list[tuple[int, float]]] = {}
        steps = CURVES[word](size)
        while True:
            with time_limit(size.step_limit_s, f"a step of the curve {word}"):
                count, point = next(steps, (0, {}))
            if not point:
                break
            for name, value in point.items():
                series.setdefault(name, []).append((count, float(f"{value:.4g}")))
            told = "   ".join(f"{name} {number(value)}" for name, value in point.items())
            print(f"{word:18} {count:>10,}   {told}", flush=True)
        over = (CURVES[word].__doc__ or "").partition(".")[0]
        results.curves[word] = {"over": over, "series": series}
