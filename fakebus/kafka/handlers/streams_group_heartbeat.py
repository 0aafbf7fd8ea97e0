"""StreamsGroupHeartbeat 0 (KIP-1071).

Behaviour:
    * Epoch 0 joins with the topology, -1 leaves.
    * Internal topics that are missing are created before the answer, where the client may; Kafka
      creates them after it, and gives out the tasks with a later heartbeat.
    * As in Kafka 4.3 there are no static members, regular expressions or warm-up tasks, and
      a topology changes when the group has no members.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fakebus.broker.groups.streams.requests import Endpoint, StreamsHeartbeat, StreamsResult
from fakebus.broker.groups.streams.topology import (
    InternalTopic,
    Status,
    StatusCode,
    Subtopology,
    TaskId,
    Topology,
)
from fakebus.broker.security.resources import CLUSTER_NAME, Operation, ResourceType
from fakebus.broker.topic_requests import DEFAULT, NewTopic
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.modern_groups import task_ids, watch
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import Endpoint as WireEndpoint
from fakebus.protocol.messages import (
    EndpointToPartitions,
    StreamsGroupHeartbeatRequest,
    StreamsGroupHeartbeatRequestSubtopology,
    StreamsGroupHeartbeatRequestTopology,
    StreamsGroupHeartbeatResponse,
    StreamsGroupHeartbeatResponseTopicPartition,
    TaskIds,
    TopicInfo,
)
from fakebus.protocol.messages import Status as WireStatus


@handles(
    ApiKey.STREAMS_GROUP_HEARTBEAT,
    needs=("READ GROUP group_id", "DESCRIBE TOPIC inside"),
    coordinator="GROUP group_id",
)
async def handle_streams_group_heartbeat(
    request: StreamsGroupHeartbeatRequest, context: RequestContext
) -> StreamsGroupHeartbeatResponse:
    """Keep a member in its group, and tell it the tasks that it is to run."""
    watch(context)
    wanted = _heartbeat(request, context)
    names = wanted.topology.source_topics if wanted.topology is not None else ()
    if not all(context.allows(Operation.DESCRIBE, ResourceType.TOPIC, name) for name in names):
        return StreamsGroupHeartbeatResponse(
            error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED.code, status=[]
        )
    coordinator = context.broker.group_coordinator
    result = await coordinator.streams_heartbeat(wanted)
    if result.missing and (problems := await _create(result.missing, context)):
        result = _told(result, problems)
    elif result.missing:
        again = wanted._replace(member_epoch=result.member_epoch, topology=None)
        second = await coordinator.streams_heartbeat(again)
        result = replace(second, tasks=second.tasks or result.tasks, topics=result.topics)
    _note(context, wanted.group_id, result)
    return _response(result)


async def _create(topics: Iterable[InternalTopic], context: RequestContext) -> list[str]:
    """Create the topics of an application; return what speaks against it."""
    problems, wanted = [], []
    creates_all = context.allows(Operation.CREATE, ResourceType.CLUSTER, CLUSTER_NAME)
    for topic in topics:
        if creates_all or context.allows(Operation.CREATE, ResourceType.TOPIC, topic.name):
            new_topic = NewTopic(
                name=topic.name,
                partitions=topic.partitions,
                replication_factor=topic.replication_factor or DEFAULT,
                configs=tuple(topic.configs.items()),
            )
            wanted.append(new_topic)
        else:
            problems.append(f"Unauthorized to CREATE on topics {topic.name}.")
    for created in await context.broker.topic_admin.create_topics(wanted):
        if created.error_code not in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS):
            problems.append(f"{created.name}: {created.error_message}")
    return problems


def _told(result: StreamsResult, problems: Iterable[str]) -> StreamsResult:
    """Return an answer that says why topics could not be created."""
    why = "; ".join(problems)
    status = tuple(
        Status(each.code, f"{each.detail}; {why}")
        if each.code is StatusCode.MISSING_INTERNAL_TOPICS
        else each
        for each in result.status
    )
    return replace(result, status=status)


def _heartbeat(request: StreamsGroupHeartbeatRequest, context: RequestContext) -> StreamsHeartbeat:
    topology, endpoint, tags = request.topology, request.user_endpoint, request.client_tags
    subtopologies = () if topology is None else topology.subtopologies
    return StreamsHeartbeat(
        group_id=request.group_id,
        member_id=request.member_id,
        member_epoch=request.member_epoch,
        endpoint_epoch=request.endpoint_information_epoch,
        instance_id=request.instance_id,
        rack_id=request.rack_id,
        rebalance_timeout_ms=request.rebalance_timeout_ms,
        topology=None if topology is None else _topology(topology),
        source_patterns=any(each.source_topic_regex for each in subtopologies),
        active=_tasks(request.active_tasks),
        standby=_tasks(request.standby_tasks),
        warmup=_tasks(request.warmup_tasks),
        process_id=request.process_id,
        endpoint=None if endpoint is None else Endpoint(endpoint.host, endpoint.port),
        tags=None if tags is None else tuple(sorted((each.key, each.value) for each in tags)),
        shuts_down=request.shutdown_application,
        tells_offsets=request.task_offsets is not None or request.task_end_offsets is not None,
        client_id=context.client_id or "",
        client_host=context.connection.client_host,
        connection=context.connection,
    )


def _topology(topology: StreamsGroupHeartbeatRequestTopology) -> Topology:
    return Topology(
        epoch=topology.epoch,
        subtopologies=tuple(map(_subtopology, topology.subtopologies)),
    )


def _subtopology(wire: StreamsGroupHeartbeatRequestSubtopology) -> Subtopology:
    repartition = _internal(wire.repartition_source_topics)
    return Subtopology(
        subtopology_id=wire.subtopology_id,
        source_topics=tuple(wire.source_topics),
        repartition_sinks=tuple(wire.repartition_sink_topics),
        repartition_sources=repartition,
        changelogs=_internal(wire.state_changelog_topics),
        copartitioned=tuple(
            (
                *_named(wire.source_topics, group.source_topics),
                *_named([each.name for each in repartition], group.repartition_source_topics),
            )
            for group in wire.copartition_groups
        ),
    )


def _named(names: list[str], places: list[int]) -> list[str]:
    return [names[place] for place in places if 0 <= place < len(names)]


def _internal(topics: list[TopicInfo]) -> tuple[InternalTopic, ...]:
    return tuple(
        InternalTopic(
            name=topic.name,
            partitions=topic.partitions,
            replication_factor=topic.replication_factor,
            configs={each.key: each.value for each in topic.topic_configs},
        )
        for topic in topics
    )


def _tasks(tasks: list[TaskIds] | None) -> frozenset[TaskId] | None:
    if tasks is None:
        return None
    return frozenset(
        TaskId(each.subtopology_id, partition) for each in tasks for partition in each.partitions
    )


def _response(result: StreamsResult) -> StreamsGroupHeartbeatResponse:
    tasks, endpoints = result.tasks, result.endpoints
    return StreamsGroupHeartbeatResponse(
        error_code=result.error.code,
        error_message=result.message,
        member_id=result.member_id,
        member_epoch=result.member_epoch,
        heartbeat_interval_ms=result.heartbeat_interval_ms,
        status=[
            WireStatus(status_code=each.code, status_detail=each.detail) for each in result.status
        ],
        active_tasks=None if tasks is None else task_ids(tasks.active),
        standby_tasks=None if tasks is None else task_ids(tasks.standby),
        warmup_tasks=None if tasks is None else [],
        endpoint_information_epoch=result.endpoint_epoch,
        partitions_by_user_endpoint=None
        if endpoints is None
        else [
            EndpointToPartitions(
                user_endpoint=WireEndpoint(host=each.endpoint.host, port=each.endpoint.port),
                active_partitions=_partitions(each.active),
                standby_partitions=_partitions(each.standby),
            )
            for each in endpoints
        ],
    )


def _partitions(topics: dict[str, list[int]]) -> list[StreamsGroupHeartbeatResponseTopicPartition]:
    return [
        StreamsGroupHeartbeatResponseTopicPartition(topic=name, partitions=numbers)
        for name, numbers in topics.items()
    ]


def _note(context: RequestContext, group_id: str, result: StreamsResult) -> None:
    broker = context.broker
    if result.error is not ErrorCode.NONE:
        return
    if result.topics is not None:
        detail = ", ".join(sorted(result.topics))
        broker.activity.note(
            "joined", context.origin, group=group_id, detail=detail, member=result.member_id
        )
    group = broker.group_coordinator.streams_group(group_id) if result.tasks is not None else None
    member = None if group is None else group.members.get(result.member_id)
    if group is not None and member is not None:
        places = group.describe_member(member).partitions
        broker.activity.note_assignment(context.origin, group_id, result.member_id, places)
