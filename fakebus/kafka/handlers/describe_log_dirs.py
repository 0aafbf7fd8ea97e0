"""DescribeLogDirs 1-5.

Behaviour:
    * All logs lie in one place, the first of log.dirs.
    * A partition's size is that of its record batches; how large the disk is, is not said.

Version notes:
    2 flexible; 3 top-level error; 4 sizes of the disk; 5 cordoned directories (KIP-1066).
"""

from __future__ import annotations

from fakebus.broker.identity import log_directory
from fakebus.broker.topics import Topic
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)


@handles(ApiKey.DESCRIBE_LOG_DIRS, needs=("DESCRIBE CLUSTER",))
async def handle_describe_log_dirs(
    request: DescribeLogDirsRequest, context: RequestContext
) -> DescribeLogDirsResponse:
    """Describe where logs are and how large they are."""
    topics = context.broker.topics
    wanted: list[tuple[Topic, list[int]]] = []
    if request.topics is None:
        wanted = [(topic, list(range(len(topic.partitions)))) for topic in topics]
    else:
        for named in request.topics:
            topic = topics.get(named.topic)
            if topic is not None:
                wanted.append((topic, named.partitions))
    described = [await _describe(topic, indexes, context) for topic, indexes in wanted]
    return DescribeLogDirsResponse(
        results=[
            DescribeLogDirsResult(
                log_dir=log_directory(context.broker.config),
                topics=[topic for topic in described if topic.partitions],
            )
        ]
    )


async def _describe(
    topic: Topic, indexes: list[int], context: RequestContext
) -> DescribeLogDirsTopic:
    partitions = []
    for index in indexes:
        log = topic.partition(index)
        if log is not None and context.node_id in context.placed(topic, index).replicas:
            size = await log.size_bytes()
            partitions.append(DescribeLogDirsPartition(partition_index=index, partition_size=size))
    return DescribeLogDirsTopic(name=topic.name, partitions=partitions)
