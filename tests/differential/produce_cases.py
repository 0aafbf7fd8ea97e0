"""Requests to produce, for scenarios."""

from __future__ import annotations

import struct
import time
from typing import Any

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import PartitionProduceData, ProduceRequest, TopicProduceData
from fakebus.records.batch import write_crc
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from tests.differential.sides import CLOSED, Side

NOW = int(time.time() * 1000)
DAY = 86_400_000


def batch(*values: bytes, key: bytes | None = b"k", at: int = NOW, **options: Any) -> bytearray:
    """Return a batch with a record for each value."""
    return build_batch([NewRecord(key, value, (), at) for value in values], **options)


def timed(*timestamps: int, **options: Any) -> bytearray:
    """Return a batch with a record for each timestamp."""
    return build_batch([NewRecord(b"k", b"v", (), at) for at in timestamps], **options)


def patched(data: bytearray, position: int, layout: str, value: int) -> bytearray:
    """Return a batch with a changed header field and the CRC to match."""
    struct.pack_into(layout, data, position, value)
    write_crc(data)
    return data


def produce_request(
    side: Side, topic: str, *records: Any, version: int = 9, acks: int = -1, **options: Any
) -> ProduceRequest:
    """Return a request for partition 0, 1, ... with one piece of records each."""
    wanted = TopicProduceData(
        name=topic,
        partition_data=[
            PartitionProduceData(index=index, records=data) for index, data in enumerate(records)
        ],
    )
    if version >= 13:
        wanted.topic_id = side.topic_id(topic)
    return ProduceRequest(acks=acks, timeout_ms=10_000, topic_data=[wanted], **options)


def produce(side: Side, topic: str, *records: Any, version: int = 9, **options: Any) -> Any:
    """Return the answer to :func:`produce_request`, in order: Kafka's comes from a hash map."""
    request = produce_request(side, topic, *records, version=version, **options)
    answer = side.ask(ApiKey.PRODUCE, version, request)
    if answer != CLOSED:
        for response in answer["responses"]:
            response["partition_responses"].sort(key=lambda partition: partition["index"])
    return answer
