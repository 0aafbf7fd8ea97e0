"""Content of every kind that a data file holds, and what can be seen of it from outside."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import redis
import requests
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
)

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ListGroupsRequest,
    ShareGroupHeartbeatRequest,
    StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatRequestSubtopology,
    StreamsGroupHeartbeatRequestTopology,
)
from tests.wire.client import RawClient

SCHEMA = '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"%s}]}'
PLACES = ("small", "large", "many", "compacted", "both")
Seen = dict[str, Any]


class Addresses:
    """Where a bus is; what fills it, and what looks at it, knows nothing else.

    Args:
        kafka: ``host:port``.
        http: likewise.
        redis: likewise.
    """

    def __init__(self, kafka: str, http: str, redis: str) -> None:
        self.client = {"bootstrap.servers": kafka, "log_level": 0}
        self.kafka = kafka
        self.http = f"http://{http}"
        self.redis = f"redis://{redis}"


def fill_topics(bus: Addresses) -> None:
    """Topics of several shapes, with configs, and records in small, large and many batches."""
    admin = AdminClient(bus.client)
    topics = [NewTopic(name, 2 if name == "many" else 1, 1) for name in PLACES]
    topics.append(NewTopic("empty", 3, 1, config={"retention.ms": "123456"}))
    for made in admin.create_topics(topics).values():
        made.result(20)
    change = ConfigResource("topic", "compacted")
    change.add_incremental_config(
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SET)
    )
    for made in admin.incremental_alter_configs([change]).values():
        made.result(20)
    producer = Producer(bus.client | {"linger.ms": 0, "compression.type": "none"})
    for number in range(60):
        producer.produce("small", b"value-%d" % number, b"key-%d" % number, 0, headers={"n": b"1"})
        producer.produce("compacted", b"state-%d" % number, b"key-%d" % (number % 7), 0)
        producer.produce("many", b"%d" % number * 40, partition=number % 2)
        if number % 5 == 0:
            assert producer.flush(20) == 0
    packed = Producer(bus.client | {"linger.ms": 50, "compression.type": "zstd"})
    for number in range(400):
        packed.produce("large", b"%d-" % number * 150, partition=0)
    assert packed.flush(20) == 0
    assert producer.flush(20) == 0


def fill_transactions(bus: Addresses) -> None:
    """One that is committed, one that is aborted, one that is open."""
    for name in ("committed", "aborted", "open"):
        producer = Producer(bus.client | {"transactional.id": name, "linger.ms": 0})
        producer.init_transactions(20)
        producer.begin_transaction()
        producer.produce("both", name.encode(), partition=0)
        assert producer.flush(20) == 0
        if name == "committed":
            producer.commit_transaction(20)
        elif name == "aborted":
            producer.abort_transaction(20)


def fill_groups(bus: Addresses) -> None:
    """Groups of all types, with offsets."""
    for protocol in ("classic", "consumer"):
        config = bus.client | {"group.id": f"of-{protocol}", "group.protocol": protocol}
        consumer = Consumer(config | {"auto.offset.reset": "earliest", "enable.auto.commit": False})
        consumer.subscribe(["small"])
        assert consumer.poll(20) is not None
        position = TopicPartition("small", 0, 17, metadata="seventeen")
        with contextlib.suppress(KafkaException):
            consumer.commit(offsets=[position], asynchronous=False)
        consumer.close()


def fill_modern_groups(bus: Addresses) -> None:
    """Share and Streams groups, by the frames of their members."""
    with RawClient(bus.kafka) as client:
        answer = client.call(
            ApiKey.SHARE_GROUP_HEARTBEAT,
            1,
            ShareGroupHeartbeatRequest(
                group_id="of-share",
                member_id="AAAAAAAAAAAAAAAAAAAAAA",
                member_epoch=0,
                subscribed_topic_names=["small"],
            ),
        )
        assert answer.error_code == 0, answer
        part = StreamsGroupHeartbeatRequestSubtopology(
            subtopology_id="0",
            source_topics=["small"],
            source_topic_regex=[],
            state_changelog_topics=[],
            repartition_sink_topics=[],
            repartition_source_topics=[],
            copartition_groups=[],
        )
        answer = client.call(
            ApiKey.STREAMS_GROUP_HEARTBEAT,
            0,
            StreamsGroupHeartbeatRequest(
                group_id="of-streams",
                member_id="BAAAAAAAAAAAAAAAAAAAAA",
                member_epoch=0,
                endpoint_information_epoch=-1,
                rebalance_timeout_ms=30000,
                process_id="p",
                client_tags=[],
                active_tasks=[],
                standby_tasks=[],
                warmup_tasks=[],
                topology=StreamsGroupHeartbeatRequestTopology(epoch=0, subtopologies=[part]),
            ),
        )
        assert answer.error_code == 0, answer


def fill_registry(bus: Addresses) -> None:
    """Two versions of a schema, a level, and one that is deleted."""
    for subject, extra in (("orders", ""), ("orders", ', "default": ""'), ("gone", "")):
        url = f"{bus.http}/subjects/{subject}-value/versions"
        requests.post(url, json={"schema": SCHEMA % extra}, timeout=20).raise_for_status()
    requests.delete(f"{bus.http}/subjects/gone-value", timeout=20).raise_for_status()
    level = {"compatibility": "FULL"}
    requests.put(f"{bus.http}/config/orders-value", json=level, timeout=20).raise_for_status()


def fill_streams(bus: Addresses) -> None:
    """A stream of Redis, and a group that has read a part of it."""
    client: Any = redis.Redis.from_url(bus.redis, socket_timeout=20)
    for number in range(20):
        client.xadd("stream", {"n": number})
    client.xgroup_create("stream", "workers", id="0")
    [[_, entries]] = client.xreadgroup("workers", "w", {"stream": ">"}, count=7)
    client.xack("stream", "workers", entries[0][0], entries[1][0])
    client.close()


def fill_snapshot(bus: Addresses) -> None:
    """A snapshot with a name, and records that came after it."""
    requests.put(f"{bus.http}/_fakebus/v1/snapshots/kept", timeout=20).raise_for_status()
    producer = Producer(bus.client)
    producer.produce("small", b"later", partition=0)
    assert producer.flush(20) == 0


FILLS: dict[str, Callable[[Addresses], None]] = {
    "topics": fill_topics,
    "transactions": fill_transactions,
    "groups": fill_groups,
    "modern groups": fill_modern_groups,
    "registry": fill_registry,
    "streams": fill_streams,
    "snapshot": fill_snapshot,
}


def see_topics(bus: Addresses) -> Seen:
    """Return partitions, configs and all records, with those that are not committed apart."""
    admin = AdminClient(bus.client)
    found = admin.list_topics(timeout=20).topics
    topics = {name: len(topic.partitions) for name, topic in found.items() if name[0] != "_"}
    seen: Seen = {"topics": dict(sorted(topics.items()))}
    asked = [ConfigResource("topic", name) for name in topics]
    for resource, answer in admin.describe_configs(asked).items() if asked else ():
        seen[f"configs of {resource.name}"] = {
            name: entry.value
            for name, entry in sorted(answer.result(20).items())
            if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
        }
    places = [(topic, number) for topic, count in topics.items() for number in range(count)]
    for level in ("read_committed", "read_uncommitted"):
        for (topic, partition), records in sorted(_records(bus, places, level).items()):
            seen[f"{topic}:{partition} {level}"] = records
    return seen


def _records(bus: Addresses, places: list[tuple[str, int]], level: str) -> dict[Any, Any]:
    """Return the records of partitions, each list ended by an error if there is one."""
    config = bus.client | {"group.id": "torture-look", "enable.auto.commit": False}
    # What the bus gives is looked at as it is: no client checks anything here.
    config |= {"check.crcs": False, "isolation.level": level, "fetch.error.backoff.ms": 1}
    config |= {"fetch.wait.max.ms": 10}
    consumer = Consumer(config | {"enable.partition.eof": True, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, partition, 0) for topic, partition in places])
    records: dict[Any, Any] = {place: [] for place in places}
    open_ = set(places)
    try:
        while open_:
            message = consumer.poll(10)
            if message is None:
                for place in open_:
                    records[place].append(["nothing in 10 s"])
                break
            place, error = (message.topic(), message.partition()), message.error()
            if place not in open_:
                continue
            if error is None:
                texts = [
                    part if part is None else part.decode("latin-1") for part in _parts(message)
                ]
                record = [message.offset(), message.timestamp()[1], *texts, str(message.headers())]
                records[place].append(record)
                continue
            # The end, or an error that the caller compares.
            open_.discard(place)
            if error.name() != "_PARTITION_EOF":
                records[place].append([error.name()])
    finally:
        consumer.close()
    return records


def _parts(message: Any) -> tuple[bytes | None, bytes | None]:
    return message.key(), message.value()


def see_groups(bus: Addresses) -> Seen:
    """Return types of groups and what they have committed."""
    with RawClient(bus.kafka) as client:
        request = ListGroupsRequest(states_filter=[], types_filter=[])
        answer = client.call(ApiKey.LIST_GROUPS, 5, request)
    seen: Seen = {"groups": {group.group_id: group.group_type for group in answer.groups}}
    for name in ("of-classic", "of-consumer"):
        consumer = Consumer(bus.client | {"group.id": name})
        try:
            [position] = consumer.committed([TopicPartition("small", 0)], timeout=20)
            seen[f"offsets of {name}"] = [position.offset, position.metadata]
        finally:
            consumer.close()
    return seen


def see_registry(bus: Addresses) -> Seen:
    """Return subjects, deleted ones too, schemas by id, and levels."""
    seen: Seen = {}
    with requests.Session() as session:
        for path in (
            "/subjects?deleted=true",
            "/schemas?deleted=true",
            "/config",
            "/config/orders-value",
        ):
            seen[path] = session.get(bus.http + path, timeout=20).json()
    return seen


def see_streams(bus: Addresses) -> Seen:
    """Return entries of the stream and what its group has not acknowledged."""
    client: Any = redis.Redis.from_url(bus.redis, socket_timeout=20, decode_responses=True)
    seen: Seen = {"stream": client.xrange("stream")}
    try:
        seen["pending"] = [
            each["message_id"] for each in client.xpending_range("stream", "workers", "-", "+", 99)
        ]
        groups = client.xinfo_groups("stream")
        seen["stream's groups"] = [[each["name"], each["last-delivered-id"]] for each in groups]
    except redis.exceptions.ResponseError as error:
        seen["pending"] = str(error)
    client.close()
    return seen


def see_snapshots(bus: Addresses) -> Seen:
    """Return the snapshots and how much each holds."""
    answer = requests.get(f"{bus.http}/_fakebus/v1/snapshots", timeout=20)
    answer.raise_for_status()
    return {"snapshots": answer.json()}


LOOKS = (see_topics, see_groups, see_registry, see_streams, see_snapshots)


def see(bus: Addresses) -> Seen:
    """Return what clients see; it can be written as JSON, and compared."""
    seen: Seen = {}
    for look in LOOKS:
        seen |= look(bus)
    return as_written(seen)


def as_written(seen: Seen) -> Seen:
    """Return what was seen as it is when it was written as JSON and read."""
    return dict(json.loads(json.dumps(seen)))
