"""ShareAcknowledge 1-2 (KIP-932).

Behaviour:
    * Of a partition either all that is said is taken in, or nothing.
    * Epoch -1 ends the share session and gives back what was not acknowledged.

Version notes:
    0 was the early access of Kafka 4.0; 2 renewal of locks (KIP-1222).
"""

from __future__ import annotations

from fakebus.broker.share_delivery.sessions import FINAL_EPOCH, INITIAL_EPOCH
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.leadership import node_endpoints
from fakebus.kafka.share_requests import (
    ShareRequest,
    acknowledge,
    by_topic,
    check_member,
)
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ShareAcknowledgeRequest,
    ShareAcknowledgeResponse,
    ShareAcknowledgeResponsePartitionData,
    ShareAcknowledgeTopicResponse,
)


@handles(ApiKey.SHARE_ACKNOWLEDGE, needs=("READ GROUP group_id", "READ TOPIC inside"))
async def handle_share_acknowledge(
    request: ShareAcknowledgeRequest, context: RequestContext
) -> ShareAcknowledgeResponse:
    """Take in what a member says of records that it has."""
    shares = context.broker.shares
    wanted = ShareRequest.of(request, context)
    epoch = request.share_session_epoch
    try:
        check_member(request)
        if epoch == INITIAL_EPOCH:
            raise BrokerError(ErrorCode.INVALID_SHARE_SESSION_EPOCH)
        session = shares.sessions.go_on(wanted.group_id, wanted.member_id, epoch)
    except BrokerError as error:
        return ShareAcknowledgeResponse(
            error_code=error.error_code.code, error_message=error.message
        )
    rows = {}
    for place, outcome in (await acknowledge(wanted, context)).items():
        rows[place] = row = ShareAcknowledgeResponsePartitionData(
            partition_index=place.partition,
            error_code=outcome.error.code,
            error_message=outcome.message,
        )
        if outcome.leader is not None:
            row.current_leader = outcome.leader
    if epoch == FINAL_EPOCH:
        shares.close_session(session)
    lock_ms = shares.config_of(wanted.group_id).get_int("share.record.lock.duration.ms")
    return ShareAcknowledgeResponse(
        acquisition_lock_timeout_ms=lock_ms,
        responses=[
            ShareAcknowledgeTopicResponse(topic_id=topic_id, partitions=partitions)
            for topic_id, partitions in by_topic(rows).items()
        ],
        node_endpoints=node_endpoints(context, rows.values()),
    )
