"""StreamsGroupDescribe 0 (KIP-1071).

Behaviour:
    * As ConsumerGroupDescribe, with the topology and the tasks of each member.
    * Internal topics are shown with the sizes that they have to have.
"""

from __future__ import annotations

from collections.abc import Iterable

from fakebus.broker.groups.group import STREAMS
from fakebus.broker.groups.streams.assignor import NO_TASKS, TaskShare
from fakebus.broker.groups.streams.group import StreamsGroup, StreamsMember
from fakebus.broker.groups.streams.topology import InternalTopic
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.modern_groups import Described, describe_all, task_ids
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    Endpoint,
    KeyValue,
    StreamsGroupDescribeRequest,
    StreamsGroupDescribeResponse,
    StreamsGroupDescribeResponseAssignment,
    StreamsGroupDescribeResponseDescribedGroup,
    StreamsGroupDescribeResponseMember,
    StreamsGroupDescribeResponseSubtopology,
    StreamsGroupDescribeResponseTopology,
    TopicInfo,
)


@handles(
    ApiKey.STREAMS_GROUP_DESCRIBE,
    needs=("DESCRIBE GROUP group_ids[]", "DESCRIBE TOPIC inside"),
    coordinator="GROUP group_ids[]",
)
async def handle_streams_group_describe(
    request: StreamsGroupDescribeRequest, context: RequestContext
) -> StreamsGroupDescribeResponse:
    """Show streams groups with their topology and their members."""
    return StreamsGroupDescribeResponse(
        groups=[_describe(each, context) async for each in describe_all(request, STREAMS, context)]
    )


def _describe(
    described: Described, context: RequestContext
) -> StreamsGroupDescribeResponseDescribedGroup:
    group_id, known, error, message, operations = described
    group = context.broker.group_coordinator.streams_group(group_id)
    if known is None or group is None:
        return StreamsGroupDescribeResponseDescribedGroup(
            error_code=error.code, error_message=message, group_id=group_id
        )
    return StreamsGroupDescribeResponseDescribedGroup(
        group_id=group_id,
        group_state=known.state,
        group_epoch=group.epoch,
        assignment_epoch=group.assignment_epoch,
        topology=_topology(group),
        members=[_member(group, member) for member in group.members.values()],
        authorized_operations=operations,
    )


def _topology(group: StreamsGroup) -> StreamsGroupDescribeResponseTopology | None:
    if group.topology is None:
        return None
    return StreamsGroupDescribeResponseTopology(
        epoch=group.topology.epoch,
        subtopologies=[
            StreamsGroupDescribeResponseSubtopology(
                subtopology_id=each.subtopology_id,
                source_topics=list(each.source_topics),
                repartition_sink_topics=list(each.repartition_sinks),
                state_changelog_topics=_internal(group, each.changelogs),
                repartition_source_topics=_internal(group, each.repartition_sources),
            )
            for each in group.topology.subtopologies
        ],
    )


def _internal(group: StreamsGroup, topics: Iterable[InternalTopic]) -> list[TopicInfo]:
    return [
        TopicInfo(
            name=topic.name,
            partitions=group.configured.sizes.get(topic.name, topic.partitions),
            replication_factor=topic.replication_factor,
            topic_configs=[KeyValue(key=key, value=text) for key, text in topic.configs.items()],
        )
        for topic in topics
    ]


def _member(group: StreamsGroup, member: StreamsMember) -> StreamsGroupDescribeResponseMember:
    endpoint = member.endpoint
    return StreamsGroupDescribeResponseMember(
        member_id=member.member_id,
        member_epoch=member.epoch,
        rack_id=member.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        topology_epoch=0 if group.topology is None else group.topology.epoch,
        process_id=member.process_id,
        user_endpoint=None
        if endpoint is None
        else Endpoint(host=endpoint.host, port=endpoint.port),
        client_tags=[KeyValue(key=key, value=text) for key, text in member.tags],
        task_offsets=[],
        task_end_offsets=[],
        assignment=_assignment(member.tasks),
        target_assignment=_assignment(group.targets.get(member.member_id, NO_TASKS)),
        is_classic=False,
    )


def _assignment(share: TaskShare) -> StreamsGroupDescribeResponseAssignment:
    return StreamsGroupDescribeResponseAssignment(
        active_tasks=task_ids(share.active), standby_tasks=task_ids(share.standby), warmup_tasks=[]
    )
