"""Fetch 4-18.

Behaviour:
    * Stored batches are returned byte for byte, from the one that holds the fetch offset.
    * Waits for min_bytes or max_wait_ms; an error in one partition that exists answers at once.
    * Fetch sessions as in KIP-227: an incremental answer leaves out what did not change.
    * Partitions that do not exist stand at the end of the answer.
    * Empty records are sent as zero bytes, never null: librdkafka takes null for damage.

Version notes:
    7 sessions; 9 leader epoch fencing (KIP-320); 11 rack id; 12 flexible, diverging epoch;
    13 topic ids instead of names (KIP-516); 15 replica state; 16 node endpoints (KIP-951);
    17 replica directory; 18 the client's high watermark.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from fakebus.broker.fetch_sessions import FetchPlan, PartitionKey, SessionPartition
from fakebus.broker.fetching import NO_EPOCH, FetchDataInfo, FetchTarget, IsolationLevel
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    FetchResponseEpochEndOffset,
    FetchResponsePartitionData,
)

_FIRST_WITH_TOPIC_IDS = 13
_ISOLATION_LEVELS = [level.value for level in IsolationLevel]


@handles(ApiKey.FETCH, versions=(4, 18))
async def handle_fetch(request: FetchRequest, context: RequestContext) -> FetchResponse:
    """Return what there is, or wait for it."""
    by_id = context.api_version >= _FIRST_WITH_TOPIC_IDS
    if request.isolation_level not in _ISOLATION_LEVELS:
        return _failed(request, by_id)
    plan = context.broker.fetch_sessions.plan(
        request.session_id,
        request.session_epoch,
        _wanted(request, by_id),
        _forgotten(request, by_id),
        uses_topic_ids=by_id,
    )
    if plan.error is not ErrorCode.NONE:
        return FetchResponse(error_code=plan.error.code)
    targets = [_target(key, partition, context) for key, partition in plan.partitions]
    isolation = IsolationLevel(request.isolation_level)
    infos = await context.broker.fetch(
        targets,
        max_wait_ms=request.max_wait_ms,
        min_bytes=request.min_bytes,
        max_bytes=request.max_bytes,
        isolation=isolation,
    )
    return FetchResponse(
        session_id=plan.session_id, responses=_topics(plan, targets, infos, isolation)
    )


def _wanted(request: FetchRequest, by_id: bool) -> Iterable[tuple[PartitionKey, SessionPartition]]:
    for topic in request.topics:
        name = topic.topic_id if by_id else topic.topic
        for partition in topic.partitions:
            yield (
                PartitionKey(name, partition.partition),
                SessionPartition(
                    partition.fetch_offset,
                    partition.partition_max_bytes,
                    max(NO_EPOCH, partition.current_leader_epoch),
                    max(NO_EPOCH, partition.last_fetched_epoch),
                ),
            )


def _forgotten(request: FetchRequest, by_id: bool) -> Iterable[PartitionKey]:
    for topic in request.forgotten_topics_data:
        name = topic.topic_id if by_id else topic.topic
        for partition in topic.partitions:
            yield PartitionKey(name, partition)


def _target(key: PartitionKey, partition: SessionPartition, context: RequestContext) -> FetchTarget:
    topics = context.broker.topics
    topic = topics.by_id(key.topic) if isinstance(key.topic, UUID) else topics.get(key.topic)
    log = None if topic is None else topic.partition(key.partition)
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    if topic is None and isinstance(key.topic, UUID):
        unknown = ErrorCode.UNKNOWN_TOPIC_ID
    return FetchTarget(
        log,
        partition.fetch_offset,
        partition.max_bytes,
        partition.current_leader_epoch,
        ErrorCode.NONE if log is not None else unknown,
        partition.last_fetched_epoch,
    )


def _topics(
    plan: FetchPlan,
    targets: list[FetchTarget],
    infos: list[FetchDataInfo],
    isolation: IsolationLevel,
) -> list[FetchableTopicResponse]:
    known: list[tuple[PartitionKey, FetchResponsePartitionData]] = []
    unknown: list[tuple[PartitionKey, FetchResponsePartitionData]] = []
    chosen = plan.select(infos)
    for (key, _), target, info, tell in zip(plan.partitions, targets, infos, chosen, strict=True):
        if not tell:
            continue
        if target.log is None:
            unknown.append((key, _refusal(key.partition, info.error)))
        else:
            known.append((key, _partition(key.partition, info, isolation)))
    answers: list[FetchableTopicResponse] = []
    last: str | UUID | None = None
    for key, partition in known + unknown:
        if key.topic != last:
            answers.append(_topic(key))
            last = key.topic
        answers[-1].partitions.append(partition)
    return answers


def _topic(key: PartitionKey) -> FetchableTopicResponse:
    if isinstance(key.topic, UUID):
        return FetchableTopicResponse(topic_id=key.topic, partitions=[])
    return FetchableTopicResponse(topic=key.topic, partitions=[])


def _partition(
    index: int, info: FetchDataInfo, isolation: IsolationLevel
) -> FetchResponsePartitionData:
    committed = isolation is IsolationLevel.READ_COMMITTED and info.error is ErrorCode.NONE
    response = FetchResponsePartitionData(
        partition_index=index,
        error_code=info.error.code,
        high_watermark=info.high_watermark,
        last_stable_offset=info.last_stable_offset,
        log_start_offset=info.log_start_offset,
        aborted_transactions=[] if committed else None,
        records=info.batches or b"",
    )
    diverging = info.diverging_epoch
    if diverging is not None:
        response.diverging_epoch = FetchResponseEpochEndOffset(
            epoch=diverging.leader_epoch, end_offset=diverging.end_offset
        )
    return response


def _refusal(index: int, error: ErrorCode) -> FetchResponsePartitionData:
    return FetchResponsePartitionData(
        partition_index=index,
        error_code=error.code,
        high_watermark=-1,
        aborted_transactions=[],
        records=b"",
    )


def _failed(request: FetchRequest, by_id: bool) -> FetchResponse:
    """Refuse a request that Kafka does not expect; before topic ids, partition by partition."""
    error = ErrorCode.UNKNOWN_SERVER_ERROR
    return FetchResponse(
        error_code=error.code,
        session_id=request.session_id,
        responses=[]
        if by_id
        else [
            FetchableTopicResponse(
                topic=topic.topic,
                partitions=[_refusal(wanted.partition, error) for wanted in topic.partitions],
            )
            for topic in request.topics
        ],
    )
