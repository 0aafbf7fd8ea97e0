"""Requests to fetch, for scenarios."""

from __future__ import annotations

from typing import Any

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    FetchRequest,
    FetchRequestFetchPartition,
    FetchRequestFetchTopic,
)
from tests.differential.sides import Side

NO_SESSION = {"session_id": 0, "session_epoch": -1}


def wanted(side: Side, topic: str, *offsets: int, version: int = 12, **fields: Any) -> Any:
    """Return partitions 0, 1, ... of a topic with an offset for each."""
    partitions = [
        FetchRequestFetchPartition(
            partition=index, fetch_offset=offset, **{"partition_max_bytes": 4_000_000, **fields}
        )
        for index, offset in enumerate(offsets)
    ]
    if version >= 13:
        return FetchRequestFetchTopic(topic_id=side.topic_id(topic), partitions=partitions)
    return FetchRequestFetchTopic(topic=topic, partitions=partitions)


def fetch_topics(side: Side, topics: list[Any], version: int = 12, **fields: Any) -> Any:
    """Return the answer to a fetch that does not wait."""
    request = FetchRequest(
        topics=topics,
        **{"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 50_000_000, **NO_SESSION, **fields},
    )
    return side.ask(ApiKey.FETCH, version, request)


def fetch(side: Side, topic: str, *offsets: int, version: int = 12, **fields: Any) -> Any:
    """Return what there is from an offset on in partition 0, 1, ..."""
    names = ("partition_max_bytes", "current_leader_epoch", "last_fetched_epoch")
    partition_fields = {name: fields.pop(name) for name in names if name in fields}
    topics = [wanted(side, topic, *offsets, version=version, **partition_fields)]
    return fetch_topics(side, topics, version, **fields)
