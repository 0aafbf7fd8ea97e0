"""Topics and their partitions."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.security.resources import OPERATIONS, ResourceType
from fakebus.broker.topic_requests import DEFAULT, NewPartitions, NewTopic, TopicToDelete
from fakebus.broker.topics import Topic
from fakebus.errors import BrokerError, ErrorCode
from fakebus.web.errors import RequestError
from fakebus.web.rest.call import field, objects
from fakebus.web.rest.v3.call import Resource, V3Call, demand, replicas_of
from fakebus.web.rest.v3.clusters import replica

_MOST_PARTITIONS = 2**31 - 1
_MOST_DIGITS = 10
_OFFSETS = "earliest_and_latest"
"""The only kind of offsets that are told."""


async def list_topics(call: V3Call) -> object:
    """List the topics."""
    topics = sorted(call.bus.broker.topics, key=lambda topic: topic.name)
    return call.collection("Topic", ("topics",), (_topic(call, each) for each in topics))


async def read_topic(call: V3Call) -> object:
    """Tell how many partitions and replicas a topic has."""
    found = _topic(call, call.topic())
    if call.flag("include_authorized_operations"):
        # Who may ask here may do all.
        found["authorized_operations"] = [each.name for each in OPERATIONS[ResourceType.TOPIC]]
    return found


def _topic(call: V3Call, topic: Topic) -> Resource:
    path = ("topics", topic.name)
    fields = {
        "topic_name": topic.name,
        "is_internal": topic.is_internal,
        "replication_factor": len(call.bus.broker.nodes.replicas(topic, 0)),
        "partitions_count": len(topic.partitions),
        "partitions": call.related(*path, "partitions"),
        "configs": call.related(*path, "configs"),
        "partition_reassignments": call.related(*path, "partitions", "-", "reassignment"),
        "authorized_operations": [],
    }
    return call.resource("Topic", path, fields)


async def create_topic(call: V3Call) -> object:
    """Create a topic."""
    body = await call.body()
    demand(body, "topic_name")
    placed = field(body, "replicas_assignments", dict)
    wanted = NewTopic(
        name=field(body, "topic_name", str),
        partitions=_count(body, "partitions_count"),
        replication_factor=_count(body, "replication_factor"),
        assignments=[_placed(*each) for each in (placed or {}).items()],
        configs=[
            (field(each, "name", str, required=True), config_value(each))
            for each in objects({"configs": [], **_given(body)}, "configs")
        ],
    )
    only_checked = body.get("validate_only") is True
    admin = call.bus.broker.topic_admin
    (done,) = await admin.create_topics([wanted], validate_only=only_checked)
    if done.error_code is not ErrorCode.NONE:
        raise BrokerError(done.error_code, done.error_message)
    if only_checked:
        fields: dict[str, object] = {"topic_name": done.name, "is_internal": False}
        fields |= {"replication_factor": 0, "partitions_count": 0, "authorized_operations": []}
        links = ("partitions", "configs", "partition_reassignments")
        path = ("topics", done.name)
        return call.resource("Topic", path, fields | {each: call.related(*path) for each in links})
    return await call.created(_topic(call, call.topic(done.name)))


def _given(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _count(body: dict[str, Any], name: str) -> int:
    number = field(body, name, int)
    return DEFAULT if number is None else max(min(int(number), _MOST_PARTITIONS), -1)


def _placed(partition: str, broker_ids: Any) -> tuple[int, list[int]]:
    is_number = partition.isascii() and partition.isdigit() and len(partition) < _MOST_DIGITS
    is_list = isinstance(broker_ids, list) and all(type(each) is int for each in broker_ids)
    if not (is_number and is_list):
        raise RequestError(
            422, 'replicas_assignments are the brokers of each partition, as in {"0": [1, 2]}'
        )
    return int(partition), broker_ids


def config_value(config: dict[str, Any]) -> str | None:
    """Return the value of a config, which some clients send as a number."""
    value = config.get("value")
    return None if value is None else value if isinstance(value, str) else str(value)


async def change_topic(call: V3Call) -> object:
    """Let a topic have more partitions."""
    body, topic = await call.body(), call.topic()
    count = field(body, "partitions_count", int, required=True)
    wanted = NewPartitions(name=topic.name, count=min(count, _MOST_PARTITIONS))
    (done,) = await call.bus.broker.topic_admin.create_partitions([wanted])
    if done.error_code is not ErrorCode.NONE:
        raise BrokerError(done.error_code, done.error_message)
    return _topic(call, call.topic())


async def delete_topic(call: V3Call) -> object:
    """Delete a topic."""
    wanted = TopicToDelete(name=call.topic().name)
    (done,) = await call.bus.broker.topic_admin.delete_topics([wanted])
    if done.error_code is not ErrorCode.NONE:
        raise BrokerError(done.error_code, done.error_message)
    return web.Response(status=204)


async def list_partitions(call: V3Call) -> object:
    """List the partitions of a topic."""
    topic = call.topic()
    found = (_partition(call, topic, log) for log in topic.partitions)
    return call.collection("Partition", ("topics", topic.name, "partitions"), found)


async def read_partition(call: V3Call) -> object:
    """Tell who leads a partition."""
    return _partition(call, call.topic(), call.log())


def _path(log: PartitionLog) -> tuple[object, ...]:
    topic, partition = log.topic_partition
    return "topics", topic, "partitions", partition


def _names(log: PartitionLog) -> Resource:
    topic, partition = log.topic_partition
    return {"topic_name": topic, "partition_id": partition}


def _partition(call: V3Call, topic: Topic, log: PartitionLog) -> Resource:
    path, (leader, _, _) = _path(log), replicas_of(call, topic, log)
    fields = {
        **_names(log),
        "leader": call.related(*path, "replicas", leader) if leader >= 0 else None,
        "replicas": call.related(*path, "replicas"),
        "reassignment": call.related(*path, "reassignment"),
    }
    return call.resource("Partition", path, fields)


async def read_offsets(call: V3Call) -> object:
    """Tell where the log of a partition begins and ends."""
    log = call.log()
    kind = call.request.query.get("offset_type", _OFFSETS)
    if kind != _OFFSETS:
        raise RequestError(400, f"offset_type {kind[:80]!r} is not {_OFFSETS}")
    fields = {
        **_names(log),
        "earliest_offset": log.log_start_offset,
        "latest_offset": log.high_watermark,
    }
    return call.resource("PartitionWithOffsets", (*_path(log), "offset"), fields)


async def list_replicas(call: V3Call) -> object:
    """List the replicas of a partition."""
    return call.collection("Replica", (*_path(call.log()), "replicas"), _replicas(call))


async def read_replica(call: V3Call) -> object:
    """Tell whether a replica leads, and whether it is in sync."""
    node_id = call.broker_id()
    for each in _replicas(call):
        if each["broker_id"] == node_id:
            return each
    raise RequestError(404, f"Broker {node_id} has no replica of it.")


def _replicas(call: V3Call) -> list[Resource]:
    log = call.log()
    leader, replicas, in_sync = replicas_of(call, call.topic(), log)
    return [replica(call, *log.topic_partition, each, leader, in_sync) for each in replicas]


async def list_reassignments(call: V3Call) -> object:
    """List the partitions that are on their way to other brokers: none, they are there at once."""
    name = call.request.match_info.get("topic", "-")
    if name != "-":
        call.topic()
    return call.collection("Reassignment", ("topics", name, "partitions", "-", "reassignment"), ())


async def read_reassignment(call: V3Call) -> object:
    """Tell where a partition is on its way to: nowhere, it is there at once."""
    call.log()
    raise RequestError(404, "The partition is not being reassigned.")
