"""ListOffsets 1-11.

Behaviour:
    * By time: the first record whose timestamp is at or after the one asked for, exact
      inside a batch; offset and timestamp -1 when there is none.
    * A partition that is named twice is refused once.
    * Special timestamps: -1 latest, -2 earliest, -3 record with the largest timestamp,
      -4 earliest local, -5 latest tiered and -6 earliest pending upload (nothing is tiered).

Version notes:
    2 isolation level; 4 leader epoch; 6 flexible; 7 max timestamp (KIP-734); 8 local start
    (KIP-405); 9 tiered (KIP-1005); 10 timeout (KIP-1075); 11 pending upload (KIP-1023).
"""

from __future__ import annotations

from fakebus.broker.fetching import NO_EPOCH, IsolationLevel, check_leader_epoch
from fakebus.broker.offset_lookup import EARLIEST, LATEST
from fakebus.broker.topic_names import is_internal
from fakebus.broker.turns import in_turns
from fakebus.errors import ErrorCode, FakebusError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

_CONSUMER = -1
"""The replica id of a client that is none."""
_ISOLATION_LEVELS = [level.value for level in IsolationLevel]
_RESETS = {EARLIEST: "earliest", LATEST: "latest"}
_FIRST_VERSION_OF = {-3: 7, -4: 8, -5: 9, -6: 11}


@handles(ApiKey.LIST_OFFSETS, needs=("DESCRIBE TOPIC topics[]",))
async def handle_list_offsets(
    request: ListOffsetsRequest, context: RequestContext
) -> ListOffsetsResponse:
    """Look up one offset for each partition."""
    isolation = request.isolation_level
    if isolation == IsolationLevel.READ_COMMITTED.value and request.replica_id != _CONSUMER:
        # A replica copies what is not committed as well.
        isolation = IsolationLevel.READ_UNCOMMITTED.value
    wanted: dict[str, dict[int, list[ListOffsetsPartition]]] = {}
    for topic in request.topics:
        named = wanted.setdefault(topic.name, {})
        for partition in topic.partitions:
            named.setdefault(partition.partition_index, []).append(partition)
    for name in filter(is_internal, wanted):
        await context.broker.internal_topics.fill(name)
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=name,
                partitions=[
                    _failure(partition, ErrorCode.INVALID_REQUEST)
                    if again
                    else await _look_up(name, partition, isolation, context)
                    async for partition, *again in in_turns(partitions.values())
                ],
            )
            async for name, partitions in in_turns(wanted.items())
        ]
    )


async def _look_up(
    name: str, partition: ListOffsetsPartition, isolation_level: int, context: RequestContext
) -> ListOffsetsPartitionResponse:
    timestamp = partition.timestamp
    if timestamp < LATEST - 1 and context.api_version < _FIRST_VERSION_OF.get(timestamp, 2**15):
        return _failure(partition, ErrorCode.UNSUPPORTED_VERSION)
    topic = context.broker.topics.get(name)
    log = None if topic is None else topic.partition(partition.partition_index)
    if log is None:
        return _failure(partition, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if not context.leads(log):
        return _failure(partition, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    error = check_leader_epoch(log, partition.current_leader_epoch)
    if error is not ErrorCode.NONE:
        return _failure(partition, error)
    if isolation_level not in _ISOLATION_LEVELS:
        return _failure(partition, ErrorCode.UNKNOWN_SERVER_ERROR)
    try:
        found = await context.broker.find_offset(log, timestamp, IsolationLevel(isolation_level))
    except FakebusError:
        return _failure(partition, ErrorCode.KAFKA_STORAGE_ERROR)
    if timestamp in _RESETS:
        activity, which = context.broker.activity, _RESETS[timestamp]
        activity.note_lookup(context.origin, log.topic_partition, which, found.offset)
    return ListOffsetsPartitionResponse(
        partition_index=partition.partition_index,
        timestamp=found.timestamp,
        offset=found.offset,
        leader_epoch=NO_EPOCH if found.offset < 0 else log.leader_epoch,
    )


def _failure(partition: ListOffsetsPartition, error: ErrorCode) -> ListOffsetsPartitionResponse:
    return ListOffsetsPartitionResponse(
        partition_index=partition.partition_index, error_code=error.code
    )
