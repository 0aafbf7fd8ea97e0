"""OffsetFetch 1-10.

Behaviour:
    * A partition without a committed offset has offset -1 and no error, also when the group,
      the topic or the partition does not exist.
    * Offsets of topics that the client may not describe are left out where all are wanted.
    * With require_stable the answer waits for commits that are being stored, as in Kafka, and an
      offset that an open transaction may change is UNSTABLE_OFFSET_COMMIT.

Version notes:
    2 null means all topics, and a top-level error; 5 leader epoch; 6 flexible;
    7 require_stable (KIP-447); 8 several groups (KIP-709); 9 the member's id and epoch, which
    consumer groups look at (KIP-848); 10 topic ids.
"""

from __future__ import annotations

from collections.abc import Iterable

from fakebus.broker.groups.offsets import FetchedOffsets
from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.broker.turns import in_turns
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from fakebus.types import ZERO_UUID, TopicPartition

_FIRST_WITH_ERROR = 2
_FIRST_WITH_SEVERAL_GROUPS = 8
_FIRST_WITH_TOPIC_IDS = 10


@handles(
    ApiKey.OFFSET_FETCH,
    needs=("DESCRIBE GROUP inside", "DESCRIBE TOPIC inside"),
    coordinator="GROUP group_id groups[]",
)
async def handle_offset_fetch(
    request: OffsetFetchRequest, context: RequestContext
) -> OffsetFetchResponse:
    """Tell groups where they stopped reading."""
    if context.api_version >= _FIRST_WITH_SEVERAL_GROUPS:
        groups = list(_different(request.groups))
    else:
        groups = [_as_group(request)]
    if request.require_stable:
        for group in groups:
            await context.broker.group_coordinator.offsets_settled(group.group_id)
    answers = [await _fetch(group, context) async for group in in_turns(groups)]
    if request.require_stable:
        for answer in answers:
            _hide_unstable(answer, context)
    if context.api_version >= _FIRST_WITH_SEVERAL_GROUPS:
        return OffsetFetchResponse(groups=answers)
    [answer] = answers
    if answer.error_code and context.api_version < _FIRST_WITH_ERROR:
        answer.topics = [
            OffsetFetchResponseTopics(
                name=topic.name, partitions=_refused(topic.partition_indexes, answer.error_code)
            )
            for topic in groups[0].topics or ()
        ]
    return OffsetFetchResponse(
        error_code=answer.error_code, topics=[_old_topic(topic) for topic in answer.topics]
    )


def _hide_unstable(answer: OffsetFetchResponseGroup, context: RequestContext) -> None:
    pending = context.broker.transactions.pending_offsets(answer.group_id)
    if not pending:
        return
    for topic in answer.topics:
        known = context.broker.topics.by_id(topic.topic_id)
        name = topic.name if known is None else known.name
        for partition in topic.partitions:
            if TopicPartition(name, partition.partition_index) in pending:
                partition.error_code = ErrorCode.UNSTABLE_OFFSET_COMMIT.code
                partition.committed_offset = partition.committed_leader_epoch = -1
                partition.metadata = ""


def _different(groups: Iterable[OffsetFetchRequestGroup]) -> Iterable[OffsetFetchRequestGroup]:
    """Return the groups, but none twice whose offsets are all wanted: there may be many."""
    return {
        (group.group_id, None if group.topics is None else number): group
        for number, group in enumerate(groups)
    }.values()


def _as_group(request: OffsetFetchRequest) -> OffsetFetchRequestGroup:
    topics = request.topics
    return OffsetFetchRequestGroup(
        group_id=request.group_id,
        topics=None
        if topics is None
        else [
            OffsetFetchRequestTopics(name=topic.name, partition_indexes=topic.partition_indexes)
            for topic in topics
        ],
    )


async def _fetch(
    group: OffsetFetchRequestGroup, context: RequestContext
) -> OffsetFetchResponseGroup:
    if not context.allows(Operation.DESCRIBE, ResourceType.GROUP, group.group_id):
        return OffsetFetchResponseGroup(
            group_id=group.group_id, error_code=ErrorCode.GROUP_AUTHORIZATION_FAILED.code
        )
    error = context.broker.group_coordinator.check_fetch(
        group.group_id, group.member_id, group.member_epoch
    )
    if error is not ErrorCode.NONE:
        return OffsetFetchResponseGroup(group_id=group.group_id, error_code=error.code)
    if group.topics is None:
        topics = _all_topics(group.group_id, context)
    else:
        topics = [
            await _topic(group.group_id, each, context) async for each in in_turns(group.topics)
        ]
    return OffsetFetchResponseGroup(group_id=group.group_id, topics=topics)


def _all_topics(group_id: str, context: RequestContext) -> list[OffsetFetchResponseTopics]:
    by_topic: dict[str, FetchedOffsets] = {}
    coordinator = context.broker.group_coordinator
    offsets = coordinator.offsets(group_id) if coordinator.keeps_commits(group_id) else {}
    for (topic, partition), row in offsets.items():
        by_topic.setdefault(topic, {})[partition] = row
    answers = []
    for name, rows in by_topic.items():
        if not context.sees(ResourceType.TOPIC, name):
            continue
        topic_id = ZERO_UUID
        if context.api_version >= _FIRST_WITH_TOPIC_IDS:
            known = context.broker.topics.get(name)
            if known is None:
                continue
            topic_id = known.topic_id
        answers.append(
            OffsetFetchResponseTopics(name=name, topic_id=topic_id, partitions=_partitions(rows))
        )
    return answers


async def _topic(
    group_id: str, topic: OffsetFetchRequestTopics, context: RequestContext
) -> OffsetFetchResponseTopics:
    name = topic.name
    if context.api_version >= _FIRST_WITH_TOPIC_IDS:
        known = context.broker.topics.by_id(topic.topic_id)
        if known is None:
            return OffsetFetchResponseTopics(
                topic_id=topic.topic_id,
                partitions=_refused(topic.partition_indexes, ErrorCode.UNKNOWN_TOPIC_ID.code),
            )
        name = known.name
    if not context.allows(Operation.DESCRIBE, ResourceType.TOPIC, name):
        error_code = ErrorCode.TOPIC_AUTHORIZATION_FAILED.code
        return OffsetFetchResponseTopics(
            name=name,
            topic_id=topic.topic_id,
            partitions=_refused(topic.partition_indexes, error_code),
        )
    coordinator = context.broker.group_coordinator
    keeps = coordinator.keeps_commits(group_id)
    rows = {
        index: coordinator.fetch_offset(group_id, TopicPartition(name, index)) if keeps else None
        async for index in in_turns(topic.partition_indexes)
    }
    context.broker.activity.note_committed_offsets(context.origin, group_id, name, rows)
    return OffsetFetchResponseTopics(
        name=name, topic_id=topic.topic_id, partitions=_partitions(rows)
    )


def _partitions(rows: FetchedOffsets) -> list[OffsetFetchResponsePartitions]:
    return [
        OffsetFetchResponsePartitions(partition_index=index, committed_offset=-1, metadata="")
        if row is None
        else OffsetFetchResponsePartitions(
            partition_index=index,
            committed_offset=row.offset,
            committed_leader_epoch=row.leader_epoch,
            metadata=row.metadata,
        )
        for index, row in rows.items()
    ]


def _refused(indexes: Iterable[int], error_code: int) -> list[OffsetFetchResponsePartitions]:
    return [
        OffsetFetchResponsePartitions(
            partition_index=index,
            committed_offset=-1,
            metadata="",
            error_code=error_code,
        )
        for index in indexes
    ]


def _old_topic(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic:
    return OffsetFetchResponseTopic(
        name=topic.name,
        partitions=[
            OffsetFetchResponsePartition(
                partition_index=partition.partition_index,
                committed_offset=partition.committed_offset,
                committed_leader_epoch=partition.committed_leader_epoch,
                metadata=partition.metadata,
                error_code=partition.error_code,
            )
            for partition in topic.partitions
        ],
    )
