"""DescribeProducers 0.

Behaviour:
    * The idempotent and transactional producers that have written to a partition and are not
      forgotten yet (producer.id.expiration.ms), with where an open transaction begins.
"""

from __future__ import annotations

from fakebus.broker.topic_names import topic_name_problem
from fakebus.errors import ErrorCode
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)


@handles(ApiKey.DESCRIBE_PRODUCERS, needs=("READ TOPIC topics[]",))
def handle_describe_producers(
    request: DescribeProducersRequest, context: RequestContext
) -> DescribeProducersResponse:
    """Name the producers of each partition."""
    return DescribeProducersResponse(
        topics=[
            TopicResponse(
                name=topic.name,
                partitions=[_partition(topic.name, i, context) for i in topic.partition_indexes],
            )
            for topic in request.topics
        ]
    )


def _partition(name: str, index: int, context: RequestContext) -> PartitionResponse:
    topic = context.broker.topics.get(name)
    log = None if topic is None else topic.partition(index)
    if log is not None and context.leads(log):
        return PartitionResponse(
            partition_index=index,
            active_producers=[
                ProducerState(
                    producer_id=producer_id,
                    producer_epoch=entry.epoch,
                    last_sequence=entry.last_sequence,
                    last_timestamp=entry.last_timestamp,
                    coordinator_epoch=entry.coordinator_epoch,
                    current_txn_start_offset=entry.transaction_start,
                )
                for producer_id, entry in log.producers.entries.items()
            ],
        )
    if topic is None and topic_name_problem(name) is not None:
        error = ErrorCode.INVALID_TOPIC_EXCEPTION
    elif log is not None:
        error = ErrorCode.NOT_LEADER_OR_FOLLOWER
    else:
        error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return PartitionResponse(
        partition_index=index,
        error_code=error.code,
        error_message=error.text if topic is None else None,
    )
