"""Fetch 4-18.

Behaviour:
    * Stored batches are returned byte for byte, from the one that holds the fetch offset.
    * Waits for min_bytes or max_wait_ms; an error in one partition that exists answers at once.
    * Fetch sessions as in KIP-227: an incremental answer leaves out what did not change.
    * Partitions that do not exist stand at the end of the answer.
    * What is too much for the client's quota is left out, and the client told to wait (KIP-219).
    * Who reads an internal topic for the first time lets it have its records.
    * Empty records are sent as zero bytes, never null: librdkafka takes null for damage.

Version notes:
    7 sessions; 9 leader epoch fencing (KIP-320); 11 rack id; 12 flexible, diverging epoch;
    13 topic ids instead of names (KIP-516); 15 replica state; 16 node endpoints (KIP-951);
    17 replica directory; 18 the client's high watermark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from uuid import UUID

from fakebus.broker.delayed_fetch import DelayedFetch
from fakebus.broker.fetch_sessions import FetchPlan, FetchSession, PartitionKey
from fakebus.broker.fetching import NO_EPOCH, FetchTarget, IsolationLevel
from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.broker.topics import Topic
from fakebus.broker.turns import LARGE_REQUEST_BYTES, TURN_UNITS, in_turns
from fakebus.errors import ErrorCode
from fakebus.kafka.api import PendingResponse, RequestContext, handles
from fakebus.kafka.leadership import MOVED, name_leaders
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AbortedTransaction,
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    FetchResponseEpochEndOffset,
    FetchResponsePartitionData,
)

_FIRST_WITH_TOPIC_IDS = 13
_ISOLATION_LEVELS = [level.value for level in IsolationLevel]


@handles(ApiKey.FETCH, needs=("READ TOPIC inside",))
def handle_fetch(request: FetchRequest, context: RequestContext) -> PendingResponse:
    """Return what there is, or wait for it."""
    pending = PendingResponse()
    if context.frame_bytes >= LARGE_REQUEST_BYTES:
        _begin_later(request, context, pending)
        return pending
    fetch = _begin(request, context, pending, _wanted(request, context), None)
    if fetch is not None:
        pending.abandon = fetch.abandon
    return pending


def _begin_later(request: FetchRequest, context: RequestContext, pending: PendingResponse) -> None:
    """Let a large fetch be decoded, begun and answered in turns of the event loop of their own."""
    room = context.broker.waiting_room
    later = partial(room.turns.run_later, TURN_UNITS)
    fetch: DelayedFetch | None = None
    gone = False

    async def begin() -> None:
        nonlocal fetch
        wanted = [each async for each in in_turns(_wanted(request, context))]
        if not gone:
            fetch = _begin(request, context, pending, wanted, later)

    def abandon() -> None:
        nonlocal gone
        gone = True
        if fetch is not None:
            fetch.abandon()

    pending.abandon = abandon
    room.spawn(begin())


def _begin(
    request: FetchRequest,
    context: RequestContext,
    pending: PendingResponse,
    wanted: Iterable[tuple[PartitionKey, FetchTarget]],
    later: Callable[[Callable[[], None]], None] | None,
) -> DelayedFetch | None:
    """Begin a fetch that nothing speaks against; ``later`` is where a large one is answered."""
    by_id = context.api_version >= _FIRST_WITH_TOPIC_IDS
    if request.isolation_level not in _ISOLATION_LEVELS:
        pending.settle(_failed(request, by_id))
        return None
    plan = context.broker.fetch_sessions.plan(
        request.session_id,
        request.session_epoch,
        wanted,
        _forgotten(request, by_id),
        uses_topic_ids=by_id,
    )
    if plan.error is not ErrorCode.NONE:
        pending.settle(FetchResponse(error_code=plan.error.code))
        return None
    if plan.incremental and plan.session is not None:
        _find_logs(plan.session, plan, context)
    isolation = IsolationLevel(request.isolation_level)
    limits, max_bytes = context.broker.security.limiting, request.max_bytes
    if limits is not None:
        most = limits.most_bytes(context.connection.user, context.client_id or "")
        max_bytes = int(min(max_bytes, most))

    def answer(_: Sequence[FetchTarget]) -> None:
        if limits is not None and context.must_come_back(
            sum(target.size_bytes for _, target in plan.partitions)
        ):
            pending.settle(FetchResponse(session_id=context.broker.fetch_sessions.keep(plan)))
            return
        response = FetchResponse(session_id=plan.session_id, responses=_topics(plan, isolation))
        for _key, target in plan.partitions:
            # Few have an error, and a look at all of them must not cost a call.
            if target.error is not ErrorCode.NONE and target.error.code in MOVED:
                response.node_endpoints = name_leaders(context, _partitions(response, context))
                break
        pending.settle(response)

    fetch = context.broker.begin_fetch(
        [target for _, target in plan.partitions],
        answer if later is None else lambda targets: later(partial(answer, targets)),
        max_wait_ms=request.max_wait_ms,
        min_bytes=min(request.min_bytes, max_bytes),
        max_bytes=max_bytes,
        isolation=isolation,
        origin=context.origin,
    )
    return fetch


def _wanted(
    request: FetchRequest, context: RequestContext
) -> Iterable[tuple[PartitionKey, FetchTarget]]:
    by_id, single = context.api_version >= _FIRST_WITH_TOPIC_IDS, context.broker.nodes.single
    for wanted in request.topics:
        name = wanted.topic_id if by_id else wanted.topic
        topic, error = _topic(name, context)
        for partition in wanted.partitions:
            index = partition.partition
            log, unknown = None if topic is None else topic.partition(index), error
            if log is not None and not (single or context.leads(log)):
                log, unknown = None, ErrorCode.NOT_LEADER_OR_FOLLOWER
            target = FetchTarget(
                log,
                partition.fetch_offset,
                partition.partition_max_bytes,
                partition.current_leader_epoch,
                unknown if log is None else ErrorCode.NONE,
                partition.last_fetched_epoch,
            )
            if target.current_leader_epoch < NO_EPOCH:
                target.current_leader_epoch = NO_EPOCH
            if target.last_fetched_epoch < NO_EPOCH:
                target.last_fetched_epoch = NO_EPOCH
            yield (name, index), target


def _topic(name: str | UUID, context: RequestContext) -> tuple[Topic | None, ErrorCode]:
    """Return a topic, and the error of a partition of it that does not exist."""
    topics = context.broker.topics
    topic = topics.by_id(name) if isinstance(name, UUID) else topics.get(name)
    if context.broker.security.authorizer is not None:
        known = name if isinstance(name, str) else "" if topic is None else topic.name
        if known and not context.allows(Operation.READ, ResourceType.TOPIC, known):
            return None, ErrorCode.TOPIC_AUTHORIZATION_FAILED
    if topic is None and isinstance(name, UUID):
        return None, ErrorCode.UNKNOWN_TOPIC_ID
    if topic is not None and topic.partitions[0].is_internal:
        context.broker.internal_topics.begin_to_fill(topic.name)
    return topic, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def _find_logs(session: FetchSession, plan: FetchPlan, context: RequestContext) -> None:
    """Look anew for the partitions of a session whose topics have come or gone.

    What a client may read can change too, and which node it reads from. Of a topic that is gone a
    session knows the name, and so that another one has it now.
    """
    all_of_them = context.broker.security.authorizer is not None or not context.broker.nodes.single
    for (name, index), target in plan.partitions:
        if all_of_them or target.log is None or target.log.deleted:
            if isinstance(name, UUID) and target.log is not None and target.log.deleted:
                session.former_names[name] = target.log.topic_partition.topic
            topic, unknown = _topic(name, context)
            if topic is None and isinstance(name, UUID) and name in session.former_names:
                other, unknown = _topic(session.former_names[name], context)
                unknown = unknown if other is None else ErrorCode.INCONSISTENT_TOPIC_ID
            target.log = None if topic is None else topic.partition(index)
            if target.log is not None and not context.leads(target.log):
                target.log, unknown = None, ErrorCode.NOT_LEADER_OR_FOLLOWER
            target.error = unknown if target.log is None else ErrorCode.NONE


def _forgotten(request: FetchRequest, by_id: bool) -> Iterable[PartitionKey]:
    for topic in request.forgotten_topics_data:
        name = topic.topic_id if by_id else topic.topic
        for partition in topic.partitions:
            yield name, partition


def _topics(plan: FetchPlan, isolation: IsolationLevel) -> list[FetchableTopicResponse]:
    topics: list[FetchableTopicResponse] = []
    unknown: list[tuple[str | UUID, FetchResponsePartitionData]] = []
    committed = isolation is IsolationLevel.READ_COMMITTED
    last: str | UUID | None = None
    partitions: list[FetchResponsePartitionData] = []
    for (topic, index), target in plan.select():
        if target.log is None:
            unknown.append((topic, _refusal(index, target.error)))
            continue
        if topic != last:
            last = topic
            topics.append(_answer_of(topic))
            partitions = topics[-1].partitions
        response = FetchResponsePartitionData(
            partition_index=index,
            error_code=target.error.code,
            high_watermark=target.high_watermark,
            last_stable_offset=target.last_stable_offset,
            log_start_offset=target.log_start_offset,
            aborted_transactions=_aborted(target) if committed else None,
            records=target.batches or b"",
        )
        if target.diverging_epoch is not None:
            response.diverging_epoch = FetchResponseEpochEndOffset(
                epoch=target.diverging_epoch.leader_epoch,
                end_offset=target.diverging_epoch.end_offset,
            )
        partitions.append(response)
    for topic, refusal in unknown:
        if topic != last:
            last = topic
            topics.append(_answer_of(topic))
        topics[-1].partitions.append(refusal)
    return topics


def _partitions(
    response: FetchResponse, context: RequestContext
) -> Iterable[tuple[Topic | None, int, FetchResponsePartitionData]]:
    for answered in response.responses:
        topic, _ = _topic(answered.topic or answered.topic_id, context)
        for partition in answered.partitions:
            yield topic, partition.partition_index, partition


def _aborted(target: FetchTarget) -> list[AbortedTransaction] | None:
    if target.error is not ErrorCode.NONE:
        return None
    transactions = None if target.log is None else target.log.producers.transactions
    if transactions is None or not target.batches:
        return []
    return [
        AbortedTransaction(producer_id=each.producer_id, first_offset=each.first_offset)
        for each in transactions.aborted(target.fetch_offset, target.last_offset + 1)
    ]


def _answer_of(topic: str | UUID) -> FetchableTopicResponse:
    if isinstance(topic, UUID):
        return FetchableTopicResponse(topic_id=topic, partitions=[])
    return FetchableTopicResponse(topic=topic, partitions=[])


def _refusal(index: int, error: ErrorCode) -> FetchResponsePartitionData:
    return FetchResponsePartitionData(
        partition_index=index,
        error_code=error.code,
        high_watermark=-1,
        # Where Kafka has looked into a log, there is null.
        aborted_transactions=None if error is ErrorCode.INCONSISTENT_TOPIC_ID else [],
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
