"""ShareGroupDescribe 1 (KIP-932).

Behaviour:
    * INVALID_GROUP_ID for an empty name, before all others, as in Kafka.
    * GROUP_ID_NOT_FOUND for a group that does not exist or is of another type; one that is named
      twice is described once.
    * TOPIC_AUTHORIZATION_FAILED if its members read a topic that the client may not know of.

Version notes:
    0 was the early access of Kafka 4.0.
"""

from __future__ import annotations

from collections.abc import Iterable

from fakebus.broker.groups.group import SHARE, MemberDescription, ModernMember
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.modern_groups import Described, describe_all, partitions_by_topic
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ShareGroupDescribeRequest,
    ShareGroupDescribeResponse,
    ShareGroupDescribeResponseAssignment,
    ShareGroupDescribeResponseDescribedGroup,
    ShareGroupDescribeResponseMember,
    ShareGroupDescribeResponseTopicPartitions,
)
from fakebus.types import TopicPartition


@handles(
    ApiKey.SHARE_GROUP_DESCRIBE,
    needs=("DESCRIBE GROUP group_ids[]", "DESCRIBE TOPIC inside"),
    coordinator="GROUP group_ids[]",
)
async def handle_share_group_describe(
    request: ShareGroupDescribeRequest, context: RequestContext
) -> ShareGroupDescribeResponse:
    """Show share groups with their members."""
    return ShareGroupDescribeResponse(
        groups=[_describe(each, context) async for each in describe_all(request, SHARE, context)]
    )


def _describe(
    described: Described, context: RequestContext
) -> ShareGroupDescribeResponseDescribedGroup:
    group_id, group, error, message, operations = described
    if group is None:
        return ShareGroupDescribeResponseDescribedGroup(
            error_code=error.code, error_message=message, group_id=group_id
        )
    return ShareGroupDescribeResponseDescribedGroup(
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


def _member(
    member: MemberDescription, modern: ModernMember, context: RequestContext
) -> ShareGroupDescribeResponseMember:
    return ShareGroupDescribeResponseMember(
        member_id=member.member_id,
        rack_id=modern.rack_id,
        member_epoch=modern.epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(modern.named_topics),
        assignment=_assignment(modern.owned, context),
    )


def _assignment(
    places: Iterable[TopicPartition], context: RequestContext
) -> ShareGroupDescribeResponseAssignment:
    return ShareGroupDescribeResponseAssignment(
        topic_partitions=[
            ShareGroupDescribeResponseTopicPartitions(
                topic_id=topic.topic_id, topic_name=topic.name, partitions=numbers
            )
            for topic, numbers in partitions_by_topic(places, context).items()
        ]
    )
