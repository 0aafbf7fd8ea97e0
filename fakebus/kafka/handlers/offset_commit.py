"""OffsetCommit 2-10.

Behaviour:
    * The offsets are stored when the answer leaves, and can be fetched from then on.
    * Partitions succeed or fail one by one.
    * Without a member (generation -1) it is accepted while the group has no members; a group
      that does not exist is created.
    * The retention time of versions 2-4 takes the place of offsets.retention.minutes, unless
      it is -1.

Version notes:
    2-4 retention time; 6 leader epoch; 7 static members (KIP-345); 8 flexible;
    9 member epochs, and GROUP_ID_NOT_FOUND, before that ILLEGAL_GENERATION stands for it
    (KIP-848);
    10 topic ids.
"""

from __future__ import annotations

from fakebus.broker.groups.requests import OffsetCommit, PartitionOffset
from fakebus.errors import ErrorCode
from fakebus.kafka.api import PendingResponse, RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    OffsetCommitRequest,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

_FIRST_WITH_MEMBER_EPOCHS = 9
_FIRST_WITH_TOPIC_IDS = 10
_DEFAULT_RETENTION = -1


@handles(
    ApiKey.OFFSET_COMMIT,
    needs=("READ GROUP group_id", "READ TOPIC topics[]"),
    coordinator="GROUP group_id",
)
def handle_offset_commit(request: OffsetCommitRequest, context: RequestContext) -> PendingResponse:
    """Enqueue the offsets now; answer when they are stored."""
    answer = PendingResponse()
    topics: list[OffsetCommitResponseTopic] = []
    responses: list[OffsetCommitResponsePartition] = []
    offsets: list[PartitionOffset] = []
    for topic in request.topics:
        partitions = [
            OffsetCommitResponsePartition(partition_index=p.partition_index)
            for p in topic.partitions
        ]
        topics.append(
            OffsetCommitResponseTopic(
                name=topic.name, topic_id=topic.topic_id, partitions=partitions
            )
        )
        name = _topic_name(topic, context)
        if name is None:
            for response in partitions:
                response.error_code = ErrorCode.UNKNOWN_TOPIC_ID.code
            continue
        responses += partitions
        offsets += [
            PartitionOffset(
                name,
                p.partition_index,
                p.committed_offset,
                p.committed_leader_epoch,
                p.committed_metadata or "",
            )
            for p in topic.partitions
        ]

    def done(errors: list[ErrorCode]) -> None:
        for response, error in zip(responses, errors, strict=True):
            response.error_code = error.code
        answer.settle(OffsetCommitResponse(topics=topics))

    context.broker.commit_offsets(
        OffsetCommit(
            group_id=request.group_id,
            offsets=offsets,
            member_id=request.member_id,
            group_instance_id=request.group_instance_id,
            generation_id=request.generation_id_or_member_epoch,
            knows_member_epochs=context.api_version >= _FIRST_WITH_MEMBER_EPOCHS,
            retention_ms=_retention(request),
        ),
        done,
        context.origin,
    )
    return answer


def _retention(request: OffsetCommitRequest) -> int | None:
    return None if request.retention_time_ms == _DEFAULT_RETENTION else request.retention_time_ms


def _topic_name(topic: OffsetCommitRequestTopic, context: RequestContext) -> str | None:
    if context.api_version < _FIRST_WITH_TOPIC_IDS:
        return topic.name
    known = context.broker.topics.by_id(topic.topic_id)
    return None if known is None else known.name
