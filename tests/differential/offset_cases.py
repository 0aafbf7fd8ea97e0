"""Requests about offsets, for scenarios."""

from __future__ import annotations

from typing import Any

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from tests.differential.sides import CLOSED, Side


def delete_records(
    side: Side, topic: str, *offsets: int, version: int = 2, first_partition: int = 0
) -> Any:
    """Return the answer to deleting what is before an offset in partition 0, 1, ..."""
    partitions = [
        DeleteRecordsPartition(partition_index=first_partition + index, offset=offset)
        for index, offset in enumerate(offsets)
    ]
    asked = DeleteRecordsTopic(name=topic, partitions=partitions)
    request = DeleteRecordsRequest(topics=[asked], timeout_ms=5000)
    answer = side.ask(ApiKey.DELETE_RECORDS, version, request)
    if answer != CLOSED:
        # Kafka's order is that of a hash map.
        for deleted in answer["topics"]:
            deleted["partitions"].sort(key=lambda partition: partition["partition_index"])
    return answer


def list_offsets(side: Side, topic: str, *timestamps: int, version: int = 7, **fields: Any) -> Any:
    """Return the answer about partition 0 for each timestamp, in a request each."""
    options = {
        name: fields.pop(name) for name in ("isolation_level", "replica_id") if name in fields
    }
    answers = []
    for timestamp in timestamps:
        partition = ListOffsetsPartition(**{"partition_index": 0, "timestamp": timestamp, **fields})
        asked = ListOffsetsTopic(name=topic, partitions=[partition])
        request = ListOffsetsRequest(topics=[asked], timeout_ms=5000, **options)
        answers.append(side.ask(ApiKey.LIST_OFFSETS, version, request))
    return answers
