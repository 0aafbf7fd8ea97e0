"""DescribeQuorum 0-2.

Behaviour:
    * The quorum of the cluster's metadata is this one node, its leader since the beginning.
    * There is no log of metadata: the node is said to be up to date at offset 1.
    * Anything but partition 0 of __cluster_metadata alone: UNKNOWN_TOPIC_OR_PARTITION.

Version notes:
    1 when voters have fetched; 2 messages of errors, directories and addresses (KIP-853).
"""

from __future__ import annotations

from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeQuorumRequest,
    DescribeQuorumResponse,
    DescribeQuorumResponsePartitionData,
    DescribeQuorumResponseReplicaState,
    DescribeQuorumResponseTopicData,
    Listener,
    Node,
)

_METADATA = ("__cluster_metadata", 0)
_ONLY = 1


@handles(ApiKey.DESCRIBE_QUORUM, needs=("DESCRIBE CLUSTER",))
def handle_describe_quorum(
    request: DescribeQuorumRequest, context: RequestContext
) -> DescribeQuorumResponse:
    """Describe the controller as leader and all nodes that run as voters."""
    wanted = [
        (topic.topic_name, partition.partition_index)
        for topic in request.topics
        for partition in topic.partitions
    ]
    known = wanted == [_METADATA]
    return DescribeQuorumResponse(
        error_message="",
        topics=[
            DescribeQuorumResponseTopicData(
                topic_name=topic.topic_name,
                partitions=[
                    _leader(context) if known else _unknown(partition.partition_index)
                    for partition in topic.partitions
                ],
            )
            for topic in request.topics
        ],
        nodes=[
            Node(
                node_id=broker.node_id,
                listeners=[
                    Listener(
                        name=context.connection.listener_name, host=broker.host, port=broker.port
                    )
                ],
            )
            for broker in (context.brokers() if known else ())
        ],
    )


def _leader(context: RequestContext) -> DescribeQuorumResponsePartitionData:
    now_ms = context.broker.clock.now_ms()
    voters = [
        DescribeQuorumResponseReplicaState(
            replica_id=broker.node_id,
            log_end_offset=_ONLY,
            last_fetch_timestamp=now_ms,
            last_caught_up_timestamp=now_ms,
        )
        for broker in context.brokers()
    ]
    return DescribeQuorumResponsePartitionData(
        partition_index=0,
        error_message="",
        leader_id=context.controller,
        leader_epoch=_ONLY,
        high_watermark=_ONLY,
        current_voters=voters,
    )


def _unknown(index: int) -> DescribeQuorumResponsePartitionData:
    error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return DescribeQuorumResponsePartitionData(
        partition_index=index, error_code=error.code, error_message=error.text
    )
