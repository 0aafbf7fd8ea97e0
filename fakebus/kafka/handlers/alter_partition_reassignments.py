"""AlterPartitionReassignments 0-1.

Behaviour:
    * A partition is on its new brokers at once, as all of them share the logs; so there is never
      anything to cancel: NO_REASSIGNMENT_IN_PROGRESS.
    * Brokers that do not exist: INVALID_REPLICA_ASSIGNMENT.

Version notes:
    1 may forbid a change of the replication factor (KIP-860).
"""

from __future__ import annotations

from fakebus.broker.replica_placement import check_replicas
from fakebus.broker.topics import Topic
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.kafka.deadlines import in_time
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)
from fakebus.wording import counted


@handles(ApiKey.ALTER_PARTITION_REASSIGNMENTS, needs=("ALTER CLUSTER",))
@in_time(lambda request, _: bool(request.topics))
async def handle_alter_partition_reassignments(
    request: AlterPartitionReassignmentsRequest, context: RequestContext
) -> AlterPartitionReassignmentsResponse:
    """Place partitions anew, which is done when this is answered."""
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        responses=[
            ReassignableTopicResponse(
                name=topic.name,
                partitions=[
                    await _result(topic.name, partition, request, context)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


async def _result(
    topic_name: str,
    wanted: ReassignablePartition,
    request: AlterPartitionReassignmentsRequest,
    context: RequestContext,
) -> ReassignablePartitionResponse:
    error_code, message = ErrorCode.NONE, None
    topic = context.broker.topics.get(topic_name)
    if topic is None or topic.partition(wanted.partition_index) is None:
        error_code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        message = f"there is no partition {topic_name}-{wanted.partition_index}"
    elif wanted.replicas is None:
        error_code = ErrorCode.NO_REASSIGNMENT_IN_PROGRESS
    else:
        try:
            await _place(topic, wanted.partition_index, wanted.replicas, request, context)
        except BrokerError as error:
            error_code, message = error.error_code, error.message
        except StorageError as error:
            error_code, message = ErrorCode.KAFKA_STORAGE_ERROR, str(error)
    return ReassignablePartitionResponse(
        partition_index=wanted.partition_index,
        error_code=error_code.code,
        error_message=message,
    )


async def _place(
    topic: Topic,
    partition: int,
    replicas: list[int],
    request: AlterPartitionReassignmentsRequest,
    context: RequestContext,
) -> None:
    nodes = context.broker.nodes
    known = (context.node_id,) if nodes.single else nodes.ids
    check_replicas(replicas, len(replicas), known)
    factor = len(nodes.replicas(topic, partition))
    if len(replicas) != factor and not request.allow_replication_factor_change:
        raise BrokerError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"the partition has {counted(factor, 'replica')}, which the request does not allow "
            f"to become {len(replicas)}",
        )
    await nodes.place(topic, {partition: replicas})
