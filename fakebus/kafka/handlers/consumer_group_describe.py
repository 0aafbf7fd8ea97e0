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
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.modern_groups import Described, describe_all, partitions_by_topic
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
    needs=("DESCRIBE GROUP group_ids[]", "DESCRIBE TOPIC inside"),
    coordinator="GROUP group_ids[]",
)
async def handle_consumer_group_describe(
    request: ConsumerGroupDescribeRequest, context: RequestContext
) -> ConsumerGroupDescribeResponse:
    """Show consumer groups with their members."""
    return ConsumerGroupDescribeResponse(
        groups=[_describe(each, context) async for each in describe_all(request, CONSUMER, context)]
    )


def _describe(
    described: Described, context: RequestContext
) -> ConsumerGroupDescribeResponseDescribedGroup:
    group_id, group, error, message, operations = described
    if group is None:
        return ConsumerGroupDescribeResponseDescribedGroup(
            error_code=error.code, error_message=message, group_id=group_id
        )
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
    return ConsumerGroupDescribeResponseAssignment(
        topic_partitions=[
            ConsumerGroupDescribeResponseTopicPartitions(
                topic_id=topic.topic_id, topic_name=topic.name, partitions=numbers
            )
            for topic, numbers in partitions_by_topic(places, context).items()
        ]
    )
