"""WriteTxnMarkers 1-2.

Behaviour:
    * Ends a producer's transaction in single partitions. Coordinators do so among brokers;
      administrators abort with it what no coordinator will end any more.

Version notes:
    1 flexible; 2 transaction version (KIP-1228).
"""

from __future__ import annotations

from fakebus.broker.transactions.markers import append_marker
from fakebus.broker.transactions.state import ProducerIdAndEpoch
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.kafka.api import RequestContext, handles
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from fakebus.types import TopicPartition


@handles(ApiKey.WRITE_TXN_MARKERS, needs=("ALTER CLUSTER or CLUSTER_ACTION CLUSTER",))
async def handle_write_txn_markers(
    request: WriteTxnMarkersRequest, context: RequestContext
) -> WriteTxnMarkersResponse:
    """Write markers; answer when they are stored."""
    return WriteTxnMarkersResponse(
        markers=[
            WritableTxnMarkerResult(
                producer_id=marker.producer_id,
                topics=[
                    WritableTxnMarkerTopicResult(
                        name=topic.name,
                        partitions=[
                            WritableTxnMarkerPartitionResult(
                                partition_index=index,
                                error_code=(await _write(marker, topic.name, index, context)).code,
                            )
                            for index in topic.partition_indexes
                        ],
                    )
                    for topic in marker.topics
                ],
            )
            for marker in request.markers
        ]
    )


async def _write(
    marker: WritableTxnMarker, topic: str, index: int, context: RequestContext
) -> ErrorCode:
    try:
        log = context.broker.partition_log(TopicPartition(topic, index))
        if not log.is_internal:
            await append_marker(
                log,
                ProducerIdAndEpoch(marker.producer_id, marker.producer_epoch),
                marker.coordinator_epoch,
                commit=marker.transaction_result,
                now_ms=context.broker.clock.now_ms(),
            )
    except BrokerError as error:
        return error.error_code
    except StorageError:
        return ErrorCode.KAFKA_STORAGE_ERROR
    return ErrorCode.NONE
