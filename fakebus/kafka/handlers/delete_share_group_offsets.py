"""DeleteShareGroupOffsets 0 (KIP-932).

Behaviour:
    * Only of a group without members.
"""

from __future__ import annotations

from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DeleteShareGroupOffsetsRequest,
    DeleteShareGroupOffsetsResponse,
    DeleteShareGroupOffsetsResponseTopic,
)
from fakebus.types import ZERO_UUID


@handles(
    ApiKey.DELETE_SHARE_GROUP_OFFSETS,
    needs=("DELETE GROUP group_id", "READ TOPIC inside"),
    coordinator="GROUP group_id",
)
async def handle_delete_share_group_offsets(
    request: DeleteShareGroupOffsetsRequest, context: RequestContext
) -> DeleteShareGroupOffsetsResponse:
    """Forget where a share group is in topics."""
    broker, names = context.broker, [topic.topic_name for topic in request.topics]
    allowed = [name for name in names if context.allows(Operation.READ, ResourceType.TOPIC, name)]
    try:
        outcome = await broker.shares.offsets.delete(request.group_id, allowed)
    except BrokerError as refusal:
        return DeleteShareGroupOffsetsResponse(
            error_code=refusal.error_code.code, error_message=refusal.message, responses=[]
        )
    responses = []
    for name in dict.fromkeys(names):
        error = outcome.get(name, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
        topic = None if error is not ErrorCode.NONE else broker.topics.get(name)
        response = DeleteShareGroupOffsetsResponseTopic(
            topic_name=name,
            topic_id=ZERO_UUID if topic is None else topic.topic_id,
            error_code=error.code,
            error_message=error.text or None,
        )
        responses.append(response)
    return DeleteShareGroupOffsetsResponse(responses=responses)
