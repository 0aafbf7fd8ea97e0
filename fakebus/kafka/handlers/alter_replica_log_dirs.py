"""AlterReplicaLogDirs 1-2.

Behaviour:
    * All logs lie in one directory; moving them there changes nothing and succeeds, so a plan of
      kafka-reassign-partitions can be carried out.
    * Any other directory: LOG_DIR_NOT_FOUND.

Version notes:
    2 flexible.
"""

from __future__ import annotations

from fakebus.broker.identity import log_directory
from fakebus.broker.security.resources import CLUSTER_NAME, Operation, ResourceType
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)
from fakebus.types import TopicPartition


@handles(ApiKey.ALTER_REPLICA_LOG_DIRS, needs=("ALTER CLUSTER inside",))
def handle_alter_replica_log_dirs(
    request: AlterReplicaLogDirsRequest, context: RequestContext
) -> AlterReplicaLogDirsResponse:
    """Say which partitions are in the wanted directory already."""
    allowed = context.allows(Operation.ALTER, ResourceType.CLUSTER, CLUSTER_NAME)
    present = log_directory(context.broker.config)
    results: dict[str, dict[int, ErrorCode]] = {}
    for directory in request.dirs:
        for topic in directory.topics:
            for index in topic.partitions:
                error = ErrorCode.LOG_DIR_NOT_FOUND
                if not allowed:
                    error = ErrorCode.CLUSTER_AUTHORIZATION_FAILED
                elif directory.path == present:
                    error = _in_place(TopicPartition(topic.name, index), context)
                results.setdefault(topic.name, {})[index] = error
    return AlterReplicaLogDirsResponse(
        results=[
            AlterReplicaLogDirTopicResult(
                topic_name=name,
                partitions=[
                    AlterReplicaLogDirPartitionResult(partition_index=index, error_code=error.code)
                    for index, error in partitions.items()
                ],
            )
            for name, partitions in results.items()
        ]
    )


def _in_place(partition: TopicPartition, context: RequestContext) -> ErrorCode:
    topic = context.broker.topics.get(partition.topic)
    if topic is None or topic.partition(partition.partition) is None:
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return ErrorCode.NONE
