"""AlterPartitionReassignments 0-1.

Behaviour:
    * A partition can be assigned to the brokers that it is on, which changes nothing.
    * Other brokers do not exist: INVALID_REPLICA_ASSIGNMENT. There is nothing to cancel:
      NO_REASSIGNMENT_IN_PROGRESS.

Version notes:
    1 may forbid a change of the replication factor (KIP-860).
"""

from __future__ import annotations

from fakebus.broker.replica_placement import check_replicas
from fakebus.errors import BrokerError, ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)


@handles(ApiKey.ALTER_PARTITION_REASSIGNMENTS, versions=(0, 1), needs=("ALTER CLUSTER",))
def handle_alter_partition_reassignments(
    request: AlterPartitionReassignmentsRequest, context: RequestContext
) -> AlterPartitionReassignmentsResponse:
    """Accept assignments that are as they were."""
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        responses=[
            ReassignableTopicResponse(
                name=topic.name,
                partitions=[
                    _result(topic.name, partition, context) for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


def _result(
    topic_name: str, wanted: ReassignablePartition, context: RequestContext
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
            check_replicas(wanted.replicas, len(wanted.replicas), (context.node_id,))
        except BrokerError as error:
            error_code, message = error.error_code, error.message
    return ReassignablePartitionResponse(
        partition_index=wanted.partition_index,
        error_code=error_code.code,
        error_message=message,
    )
