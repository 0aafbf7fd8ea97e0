"""DescribeShareGroupOffsets 0-1 (KIP-932).

Behaviour:
    * Without topics, all partitions that the group has offsets in or reads; a group that does not
      exist has none.
    * -1 where nothing was acknowledged yet, as in a topic that does not exist.

Version notes:
    1 lag (KIP-1226).
"""

from __future__ import annotations

from collections.abc import Iterable

from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.broker.turns import in_turns
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsResponse,
    DescribeShareGroupOffsetsResponseGroup,
    DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
)
from fakebus.types import ZERO_UUID, TopicPartition


@handles(
    ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS,
    needs=("DESCRIBE GROUP groups[]", "DESCRIBE TOPIC inside"),
    coordinator="GROUP groups[]",
)
async def handle_describe_share_group_offsets(
    request: DescribeShareGroupOffsetsRequest, context: RequestContext
) -> DescribeShareGroupOffsetsResponse:
    """Tell where share groups are."""
    return DescribeShareGroupOffsetsResponse(
        groups=[await _group(wanted, context) async for wanted in in_turns(request.groups)]
    )


async def _group(
    wanted: DescribeShareGroupOffsetsRequestGroup, context: RequestContext
) -> DescribeShareGroupOffsetsResponseGroup:
    asked: dict[str, list[int]] = {}
    if wanted.topics is None:
        for name, number in context.broker.shares.offsets.places(wanted.group_id):
            if context.sees(ResourceType.TOPIC, name):
                asked.setdefault(name, []).append(number)
    for topic in wanted.topics or ():
        asked.setdefault(topic.topic_name, []).extend(topic.partitions)
    return DescribeShareGroupOffsetsResponseGroup(
        group_id=wanted.group_id,
        topics=[_topic(wanted.group_id, *each, context) async for each in in_turns(asked.items())],
    )


def _topic(
    group_id: str, name: str, numbers: Iterable[int], context: RequestContext
) -> DescribeShareGroupOffsetsResponseTopic:
    topic = context.broker.topics.get(name)
    allowed = context.allows(Operation.DESCRIBE, ResourceType.TOPIC, name)
    rows = []
    for number in dict.fromkeys(numbers):
        row = DescribeShareGroupOffsetsResponsePartition(
            partition_index=number, start_offset=-1, leader_epoch=0
        )
        try:
            if not allowed:
                raise BrokerError(ErrorCode.TOPIC_AUTHORIZATION_FAILED)
            if topic is not None:
                place = TopicPartition(name, number)
                found = context.broker.shares.offsets.of(group_id, place)
                row.start_offset, row.leader_epoch, row.lag = found
        except BrokerError as error:
            row.error_code, row.error_message = error.error_code.code, error.message
        rows.append(row)
    topic_id = ZERO_UUID if topic is None or not allowed else topic.topic_id
    return DescribeShareGroupOffsetsResponseTopic(
        topic_name=name, topic_id=topic_id, partitions=rows
    )
