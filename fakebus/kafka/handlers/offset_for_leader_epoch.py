"""OffsetForLeaderEpoch 2-4.

Behaviour:
    * The current epoch ends at the log end offset, an earlier one where the log was cut off
      when the next one began, and a later one is unknown (-1, -1).

Version notes:
    2 the client's current leader epoch; 3 replica id; 4 flexible.
"""

from __future__ import annotations

from fakebus.broker.fetching import check_leader_epoch, epoch_end
from fakebus.broker.turns import in_turns
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderEpochResponseEpochEndOffset,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)


@handles(
    ApiKey.OFFSET_FOR_LEADER_EPOCH, needs=("DESCRIBE TOPIC topics[] or CLUSTER_ACTION CLUSTER",)
)
async def handle_offset_for_leader_epoch(
    request: OffsetForLeaderEpochRequest, context: RequestContext
) -> OffsetForLeaderEpochResponse:
    """Say where a leader epoch ends."""
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic,
                partitions=[
                    _end(topic.topic, wanted, context)
                    async for wanted in in_turns(topic.partitions)
                ],
            )
            async for topic in in_turns(request.topics)
        ]
    )


def _end(
    name: str, wanted: OffsetForLeaderPartition, context: RequestContext
) -> OffsetForLeaderEpochResponseEpochEndOffset:
    topic = context.broker.topics.get(name)
    log = None if topic is None else topic.partition(wanted.partition)
    error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if log is not None and not context.leads(log):
        error = ErrorCode.NOT_LEADER_OR_FOLLOWER
    elif log is not None:
        error = check_leader_epoch(log, wanted.current_leader_epoch)
    answer = OffsetForLeaderEpochResponseEpochEndOffset(
        partition=wanted.partition, error_code=error.code
    )
    if log is not None and error is ErrorCode.NONE:
        end = epoch_end(log, wanted.leader_epoch)
        if end is not None:
            answer.leader_epoch, answer.end_offset = end
    return answer
