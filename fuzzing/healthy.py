"""A healthy client, which waits for each of its acknowledgements."""

from __future__ import annotations

import socket
import struct
import time
import uuid
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    MetadataRequest,
    MetadataRequestTopic,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from fakebus.records.builder import build_batch
from fakebus.records.record import NewRecord
from fuzzing.corpus import frame_of, read_exactly

PAUSE_S = 0.002


def acknowledge(port: int, worst: Synchronized[float], count: Synchronized[int]) -> None:
    """Produce for ever and note the longest time that an acknowledgement took."""
    topic = f"healthy-{uuid.uuid4().hex}"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        _ask(
            connection,
            ApiKey.METADATA,
            4,
            MetadataRequest(topics=[MetadataRequestTopic(name=topic)]),
        )
        while True:
            now_ms = int(time.time() * 1000)
            records = build_batch([NewRecord(b"k", b"v", (), now_ms)])
            partition = PartitionProduceData(index=0, records=records)
            data = TopicProduceData(name=topic, partition_data=[partition])
            request = ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[data])
            began = time.perf_counter()
            answer = _ask(connection, ApiKey.PRODUCE, 7, request)
            took = time.perf_counter() - began
            assert answer.responses[0].partition_responses[0].error_code == 0
            worst.value = max(worst.value, took)
            count.value += 1
            time.sleep(PAUSE_S)


def _ask(connection: socket.socket, api: ApiKey, version: int, message: object) -> Any:
    frame = frame_of(int(api), version, message, flexible=False)
    connection.sendall(struct.pack(">i", len(frame)) + frame)
    (length,) = struct.unpack(">i", read_exactly(connection, 4))
    return codec.decode_response(int(api), version, memoryview(read_exactly(connection, length)), 4)
