"""ConsumerGroupDescribe 0-1 (KIP-848).

Behaviour:
    * INVALID_GROUP_ID for an empty name, before all others, as in Kafka.
    * GROUP_ID_NOT_FOUND for a group that does not exist or is of another type; one that is named
      twice is described once.
    * What a member is to give up counts as its own until it has.
    * TOPIC_AUTHORIZATION_FAILED if its members read a topic that the client may not know of.

Version notes:
    1 tells which protocol a member speaks.
"""

from __future__ import annotations

from collections.abc import Iterable

from fakebus.broker.groups.group import CONSUMER, MemberDescription, ModernMember
from fakebus.broker.security.resources import NOT_ASKED, ResourceType
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    ConsumerGroupDescribeResponseAssignment,
    ConsumerGroupDescribeResponseDescribedGroup,
    ConsumerGroupDescribeResponseMember,
    ConsumerGroupDescribeResponseTopicPartitions,
)
from fakebus.types import TopicPartition


@handles(
    ApiKey.CONSUMER_GROUP_DESCRIBE,
    versions=(0, 1),
    needs=("DESCRIBE GROUP group_ids[]", "DESCRIBE TOPIC inside"),
    coordinator="GROUP group_ids[]",
)
def handle_consumer_group_describe(
    request: ConsumerGroupDescribeRequest, context: RequestContext
) -> ConsumerGroupDescribeResponse:
    """Show consumer groups with their members."""
    return ConsumerGroupDescribeResponse(
        # A group may be some megabytes: it is told once, however often it is named.
        groups=[
            _describe(name, request, context)
            for name in sorted(dict.fromkeys(request.group_ids), key=bool)
        ]
    )


def _describe(
    group_id: str, request: ConsumerGroupDescribeRequest, context: RequestContext
) -> ConsumerGroupDescribeResponseDescribedGroup:
    if not group_id:
        return ConsumerGroupDescribeResponseDescribedGroup(
            error_code=ErrorCode.INVALID_GROUP_ID.code, group_id=""
        )
    context.broker.group_coordinator.history.reached(group_id)
    group = context.broker.group_coordinator.describe(group_id)
    if group is None or group.group_type != CONSUMER:
        problem = "not found" if group is None else "is not a consumer group"
        return ConsumerGroupDescribeResponseDescribedGroup(
            error_code=ErrorCode.GROUP_ID_NOT_FOUND.code,
            error_message=f"Group {group_id} {problem}.",
            group_id=group_id,
        )
    if not all(context.sees(ResourceType.TOPIC, name) for name in sorted(_topics(group.members))):
        return ConsumerGroupDescribeResponseDescribedGroup(
            error_code=ErrorCode.TOPIC_AUTHORIZATION_FAILED.code,
            error_message="its members read topics that the client may not describe",
            group_id=group_id,
        )
    operations = NOT_ASKED
    if request.include_authorized_operations:
        operations = context.operations(ResourceType.GROUP, group_id)
    return ConsumerGroupDescribeResponseDescribedGroup(
        group_id=group_id,
        group_state=group.state,
        group_epoch=group.generation_id,
        assignment_epoch=group.assignment_epoch,
        assignor_name=group.protocol_name,
        members=[
            _member(member, member.modern, context) for member in group.members if member.modern
        ],
        authorized_operations=operations,
    )


def _topics(members: Iterable[MemberDescription]) -> set[str]:
    """Return the topics that an answer about members names."""
    found: set[str] = set()
    for member in members:
        if member.modern is not None:
            found |= member.modern.topics
            found.update(place.topic for place in (*member.modern.owned, *member.modern.target))
    return found


def _member(
    member: MemberDescription, modern: ModernMember, context: RequestContext
) -> ConsumerGroupDescribeResponseMember:
    return ConsumerGroupDescribeResponseMember(
        member_id=member.member_id,
        instance_id=member.group_instance_id,
        rack_id=modern.rack_id,
        member_epoch=modern.epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(modern.named_topics),
        subscribed_topic_regex=modern.regex,
        assignment=_assignment(modern.owned, context),
        target_assignment=_assignment(modern.target, context),
        member_type=int(not modern.is_classic),
    )


def _assignment(
    places: Iterable[TopicPartition], context: RequestContext
) -> ConsumerGroupDescribeResponseAssignment:
    found: dict[str, ConsumerGroupDescribeResponseTopicPartitions] = {}
    for name, partition in places:
        topic = context.broker.topics.get(name)
        if topic is not None:
            row = found.setdefault(
                name,
                ConsumerGroupDescribeResponseTopicPartitions(
                    topic_id=topic.topic_id, topic_name=name, partitions=[]
                ),
            )
            row.partitions.append(partition)
    return ConsumerGroupDescribeResponseAssignment(topic_partitions=list(found.values()))
