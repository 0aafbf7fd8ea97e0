"""DeleteRecords 0-2.

Behaviour:
    * The log start offset moves forward at once; offset -1 stands for the high watermark.
    * The answer has the new log start offset, the low watermark, and -1 with an error.
    * A partition that is named several times is answered once, as it was named last.
    * Logs that keep the newest record of each key refuse: POLICY_VIOLATION.

Version notes:
    1 throttle time; 2 flexible.
"""

from __future__ import annotations

from collections import defaultdict

from fakebus.broker.refusals import refusal
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
    wanted: dict[str, dict[int, DeleteRecordsPartition]] = defaultdict(dict)
    for topic in request.topics:
        for partition in topic.partitions:
            wanted[topic.name][partition.partition_index] = partition
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResult(
                name=name,
                partitions=[
                    await _delete(name, partition, context)
                    async for partition in in_turns([*partitions.values()])
                ],
            )
            async for name, partitions in in_turns([*wanted.items()])
        ]
    )


async def _delete(
    topic: str, wanted: DeleteRecordsPartition, context: RequestContext
) -> DeleteRecordsPartitionResult:
    low_watermark, error_code = _NO_LOW_WATERMARK, ErrorCode.NONE
    place = TopicPartition(topic, wanted.partition_index)
    try:
        if context.broker.nodes.single or context.leads(context.broker.partition_log(place)):
            low_watermark = await context.broker.topic_admin.delete_records(place, wanted.offset)
        else:
            error_code = ErrorCode.NOT_LEADER_OR_FOLLOWER
    except (BrokerError, StorageError) as error:
        error_code, _ = refusal(f"the deletion of records of {place}", error)
    return DeleteRecordsPartitionResult(
        partition_index=wanted.partition_index,
        low_watermark=low_watermark,
        error_code=error_code.code,
    )
