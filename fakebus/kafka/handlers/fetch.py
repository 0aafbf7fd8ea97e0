"""Fetch 4-18.

Behaviour:
    * Stored batches are returned byte for byte, from the one that holds the fetch offset.
    * Waits for min_bytes or max_wait_ms; an error in one partition answers at once.
    * Fetch sessions as in KIP-227: an incremental answer leaves out what did not change.
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
from fakebus.broker.fetching import FetchDataInfo, FetchTarget, IsolationLevel
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.protocol.api_keys import ApiKey
from fakebus.kafka.protocol.messages import (
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    FetchResponsePartitionData,
)

_FIRST_WITH_TOPIC_IDS = 13


@handles(ApiKey.FETCH, versions=(4, 18))
async def handle_fetch(request: FetchRequest, context: RequestContext) -> FetchResponse:
    """Return what there is, or wait for it."""
    by_id = context.api_version >= _FIRST_WITH_TOPIC_IDS
    plan = context.broker.fetch_sessions.plan(
        request.session_id,
        request.session_epoch,
        _wanted(request, by_id),
        _forgotten(request, by_id),
        uses_topic_ids=by_id,
    )
    if plan.error is not ErrorCode.NONE:
        return FetchResponse(error_code=plan.error.code)
    isolation = IsolationLevel(1 if request.isolation_level == 1 else 0)
    infos = await context.broker.fetch(
        [_target(key, partition, context) for key, partition in plan.partitions],
        max_wait_ms=request.max_wait_ms,
        min_bytes=request.min_bytes,
        max_bytes=request.max_bytes,
        isolation=isolation,
    )
    return FetchResponse(session_id=plan.session_id, responses=_topics(plan, infos, isolation))


def _wanted(request: FetchRequest, by_id: bool) -> Iterable[tuple[PartitionKey, SessionPartition]]:
    for topic in request.topics:
        name = topic.topic_id if by_id else topic.topic
        for partition in topic.partitions:
            yield (
                PartitionKey(name, partition.partition),
                SessionPartition(
                    partition.fetch_offset,
                    partition.partition_max_bytes,
                    partition.current_leader_epoch,
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
    )


def _topics(
    plan: FetchPlan, infos: list[FetchDataInfo], isolation: IsolationLevel
) -> list[FetchableTopicResponse]:
    answers: dict[str | UUID, FetchableTopicResponse] = {}
    chosen = plan.select(infos)
    for (key, _), info, tell in zip(plan.partitions, infos, chosen, strict=True):
        if not tell:
            continue
        topic = answers.get(key.topic)
        if topic is None:
            topic = answers[key.topic] = _topic(key)
        topic.partitions.append(_partition(key.partition, info, isolation))
    return list(answers.values())


def _topic(key: PartitionKey) -> FetchableTopicResponse:
    if isinstance(key.topic, UUID):
        return FetchableTopicResponse(topic_id=key.topic, partitions=[])
    return FetchableTopicResponse(topic=key.topic, partitions=[])


def _partition(
    index: int, info: FetchDataInfo, isolation: IsolationLevel
) -> FetchResponsePartitionData:
    committed = isolation is IsolationLevel.READ_COMMITTED
    return FetchResponsePartitionData(
        partition_index=index,
        error_code=info.error.code,
        high_watermark=info.high_watermark,
        last_stable_offset=info.last_stable_offset,
        log_start_offset=info.log_start_offset,
        aborted_transactions=[] if committed else None,
        records=info.batches or b"",
    )
