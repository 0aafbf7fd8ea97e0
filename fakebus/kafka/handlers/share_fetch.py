"""ShareFetch 1-2 (KIP-932).

Behaviour:
    * Acknowledges first, then acquires records, or waits for min_bytes or max_wait_ms.
    * Epoch 0 begins a share session, -1 ends it and gives back what was not acknowledged.
    * The answer names partitions with records, errors or acknowledgements; the first one of a
      session that finds no record names all.

Version notes:
    0 was the early access of Kafka 4.0; 2 renewal of locks (KIP-1222) and the mode in which
    max_records is exact (KIP-1206).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from fakebus.broker.share_delivery.fetching import ShareFetch, ShareFetched, ShareFetchLimits
from fakebus.broker.share_delivery.sessions import FINAL_EPOCH, INITIAL_EPOCH, ShareSession
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.leadership import node_endpoints
from fakebus.kafka.share_requests import (
    Acknowledged,
    ShareRequest,
    acknowledge,
    by_topic,
    check_member,
    find,
)
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AcquiredRecords,
    ShareFetchableTopicResponse,
    ShareFetchRequest,
    ShareFetchResponse,
    ShareFetchResponsePartitionData,
)
from fakebus.types import TopicIdPartition

_EXACT_MODE = 1
_Rows = dict[TopicIdPartition, ShareFetchResponsePartitionData]


@handles(ApiKey.SHARE_FETCH, needs=("READ GROUP group_id", "READ TOPIC inside"))
async def handle_share_fetch(
    request: ShareFetchRequest, context: RequestContext
) -> ShareFetchResponse:
    """Take in acknowledgements, and give the member records of its own."""
    shares = context.broker.shares
    wanted = ShareRequest.of(request, context)
    try:
        check_member(request)
        if request.is_renew_ack and (
            request.max_wait_ms or request.min_bytes or request.max_bytes or request.max_records
        ):
            raise BrokerError(ErrorCode.INVALID_REQUEST, "a renewal of locks fetches nothing")
        session = _session(request, wanted, context)
    except BrokerError as error:
        return ShareFetchResponse(error_code=error.error_code.code, error_message=error.message)
    epoch = request.share_session_epoch
    unknown = _update(session, request, context) if epoch != FINAL_EPOCH else {}
    rows: _Rows = {}
    for place, outcome in (await acknowledge(wanted, context)).items():
        row = _row(place, outcome)
        row.acknowledge_error_code, row.error_code = row.error_code, 0
        row.acknowledge_error_message, row.error_message = row.error_message, None
        rows[place] = row
    for place, problem in unknown.items():
        rows[place] = _row(place, Acknowledged(problem, None, None))
    if epoch == FINAL_EPOCH:
        shares.close_session(session)
    elif not request.is_renew_ack:
        found = await _fetch(request, session, context, rows)
        if epoch == INITIAL_EPOCH and not found:
            for place in session.partitions:
                rows.setdefault(place, _row(place, Acknowledged(ErrorCode.NONE, None, None)))
    lock_ms = shares.config_of(wanted.group_id).get_int("share.record.lock.duration.ms")
    return ShareFetchResponse(
        acquisition_lock_timeout_ms=lock_ms,
        responses=[
            ShareFetchableTopicResponse(topic_id=topic_id, partitions=partitions)
            for topic_id, partitions in by_topic(rows).items()
        ],
        node_endpoints=node_endpoints(context, rows.values()),
    )


def _row(place: TopicIdPartition, outcome: Acknowledged) -> ShareFetchResponsePartitionData:
    row = ShareFetchResponsePartitionData(
        partition_index=place.partition,
        error_code=outcome.error.code,
        error_message=outcome.message,
        records=b"",
        acquired_records=[],
    )
    if outcome.leader is not None:
        row.current_leader = outcome.leader
    return row


def _session(
    request: ShareFetchRequest, wanted: ShareRequest, context: RequestContext
) -> ShareSession:
    sessions, epoch = context.broker.shares.sessions, request.share_session_epoch
    if epoch != INITIAL_EPOCH:
        return sessions.go_on(wanted.group_id, wanted.member_id, epoch)
    if wanted.ranges:
        raise BrokerError(
            ErrorCode.INVALID_REQUEST, "a session does not begin with acknowledgements"
        )
    shares, connection = context.broker.shares, context.connection
    if shares.watch_connection(connection):
        connection.on_close.append(partial(shares.connection_closed, connection))
    return shares.open_session(wanted.group_id, wanted.member_id, connection)


def _update(
    session: ShareSession, request: ShareFetchRequest, context: RequestContext
) -> dict[TopicIdPartition, ErrorCode]:
    """Take in which partitions a member reads from now on; return those that it cannot read."""
    refused: dict[TopicIdPartition, ErrorCode] = {}
    for topic in request.topics:
        for partition in topic.partitions:
            place = TopicIdPartition(topic.topic_id, partition.partition_index)
            error, _, _ = find(place, context)
            if error is ErrorCode.NONE:
                session.partitions[place] = None
            elif not partition.acknowledgement_batches:
                refused[place] = error
    for forgotten in request.forgotten_topics_data:
        for number in forgotten.partitions:
            session.partitions.pop(TopicIdPartition(forgotten.topic_id, number), None)
    return refused


async def _fetch(
    request: ShareFetchRequest, session: ShareSession, context: RequestContext, rows: _Rows
) -> bool:
    """Put what a member gets into the rows of the answer; return whether that is anything."""
    shares, broker, wanted = context.broker.shares, context.broker, []
    places: dict[object, TopicIdPartition] = {}
    for place in session.rotate():
        error, log, leader = find(place, context)
        outcome = Acknowledged(error, None, leader)
        if log is not None:
            try:
                wanted.append(await shares.open(session.group_id, place, log))
                places[log] = place
                continue
            except BrokerError as refusal:
                outcome = Acknowledged(refusal.error_code, refusal.message, None)
        refused = _row(place, outcome)
        row = rows.setdefault(place, refused)
        row.error_code, row.error_message = refused.error_code, refused.error_message
    if not wanted or request.max_records <= 0:
        return bool(rows)
    answer: asyncio.Future[Sequence[ShareFetched]] = asyncio.get_running_loop().create_future()
    config = shares.config_of(session.group_id)
    session.fetch = fetch = ShareFetch(
        shares,
        broker.waiting_room,
        wanted,
        session.member_id,
        ShareFetchLimits(
            # What there is to tell is told at once.
            max_wait_ms=0 if rows else request.max_wait_ms,
            min_bytes=request.min_bytes,
            max_bytes=request.max_bytes,
            max_records=request.max_records,
            exact=request.share_acquire_mode == _EXACT_MODE,
            max_in_flight=config.get_int("share.partition.max.record.locks"),
        ),
        shares.isolation(session.group_id),
        lambda found: None if answer.done() else answer.set_result(found),
        context.origin,
    )
    try:
        found = await answer
    finally:
        # Its connection may have ended, and the member have another session by now.
        fetch.cancel()
        if session.fetch is fetch:
            session.fetch = None
        session.asked_ms = broker.clock.now_ms()
    for each in found:
        place = places[each.delivery.log]
        row = rows.setdefault(place, _row(place, Acknowledged(ErrorCode.NONE, None, None)))
        row.error_code, row.records = each.error.code, each.batches or b""
        row.acquired_records = [
            AcquiredRecords(first_offset=first, last_offset=last, delivery_count=count)
            for first, last, count in each.acquired
        ]
    return bool(found)
