"""DeleteRecords 0-2.

Behaviour:
    * The log start offset moves forward at once; offset -1 stands for the high watermark.
    * The answer has the new log start offset, the low watermark, and -1 with an error.
    * Logs that keep the newest record of each key refuse: POLICY_VIOLATION.

Version notes:
    1 throttle time; 2 flexible.
"""

from __future__ import annotations

from fakebus.broker.turns import in_turns
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)
from fakebus.types import TopicPartition

_NO_LOW_WATERMARK = -1


@handles(ApiKey.DELETE_RECORDS, needs=("DELETE TOPIC topics[]",))
async def handle_delete_records(
    request: DeleteRecordsRequest, context: RequestContext
) -> DeleteRecordsResponse:
    """Delete records from the start of logs."""
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=topic.name,
                partitions=[
                    await _delete(topic.name, partition, context)
                    async for partition in in_turns(topic.partitions)
                ],
            )
            async for topic in in_turns(request.topics)
        ]
    )


async def _delete(
    topic: str, wanted: DeleteRecordsPartition, context: RequestContext
) -> DeleteRecordsPartitionResult:
    low_watermark, error_code = _NO_LOW_WATERMARK, ErrorCode.NONE
    place = TopicPartition(topic, wanted.partition_index)
    try:
        if not context.broker.nodes.single and not context.leads(
            context.broker.partition_log(place)
        ):
            raise BrokerError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        low_watermark = await context.broker.topic_admin.delete_records(place, wanted.offset)
    except BrokerError as error:
        error_code = error.error_code
    except StorageError:
        error_code = ErrorCode.KAFKA_STORAGE_ERROR
    return DeleteRecordsPartitionResult(
        partition_index=wanted.partition_index,
        low_watermark=low_watermark,
        error_code=error_code.code,
    )
