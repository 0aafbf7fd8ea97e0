"""A healthy client, which waits for each of its acknowledgements.

On a machine that is busy otherwise, client and bus wait for a processor too. How long they did
is known to Linux, and told apart.
"""

from __future__ import annotations

import contextlib
import socket
import time
import uuid
from pathlib import Path
from typing import Any

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
from fuzzing.corpus import ask

PAUSE_S = 0.002
UNKNOWN_TOPIC = 3
COUNT, SLOWEST, OF_MACHINE, SLOWEST_OF_BUS, MOST_OF_LOOP = range(5)
"""The figures: how many acknowledgements, the longest time that one took, how much of that was
waiting for a processor, the longest time that one took without that, and the most of a processor
that the bus's main thread had during one: what the loop did before."""


def acknowledge(port: int, bus: int, figures: Any) -> None:
    """Produce for ever and note how long acknowledgements take.

    Args:
        port: of the bus.
        bus: the bus's process.
        figures: an array of what :data:`COUNT` and the others stand for; times in seconds.
    """
    topic = f"healthy-{uuid.uuid4().hex}"
    # Of all threads: one may have what the loop waits for, and no processor.
    statistics = [Path(f"/proc/{pid}/task") for pid in (bus, "self")]
    loop = Path(f"/proc/{bus}/task/{bus}/schedstat")
    with socket.create_connection(("127.0.0.1", port)) as connection:
        asked = MetadataRequest(topics=[MetadataRequestTopic(name=topic)])
        ask(connection, ApiKey.METADATA, 4, asked)
        while True:
            records = build_batch([NewRecord(b"k", b"v", (), int(time.time() * 1000))])
            partition = PartitionProduceData(index=0, records=records)
            data = TopicProduceData(name=topic, partition_data=[partition])
            request = ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[data])
            waited = sum(map(_waited_s, statistics))
            used = _used_s(loop)
            began = time.monotonic()
            answer = ask(connection, ApiKey.PRODUCE, 7, request)
            took = time.monotonic() - began
            waited = sum(map(_waited_s, statistics)) - waited
            used = _used_s(loop) - used
            error = answer.responses[0].partition_responses[0].error_code
            if error == UNKNOWN_TOPIC:
                # Somebody has gone back to a snapshot of before.
                ask(connection, ApiKey.METADATA, 4, asked)
            else:
                assert error == 0, error
            if took > figures[SLOWEST]:
                figures[SLOWEST], figures[OF_MACHINE] = took, waited
            figures[SLOWEST_OF_BUS] = max(figures[SLOWEST_OF_BUS], took - waited)
            figures[MOST_OF_LOOP] = max(figures[MOST_OF_LOOP], used)
            figures[COUNT] += 1
            time.sleep(PAUSE_S)


def _waited_s(threads: Path) -> float:
    """Return how long the threads of a process have waited for a processor."""
    waited = 0
    for statistics in threads.glob("*/schedstat"):
        # Not where this is not Linux, or not built to know it, nor of a thread that has ended.
        with contextlib.suppress(OSError, IndexError):
            waited += int(statistics.read_text().split()[1])
    return waited / 1e9


def _used_s(thread: Path) -> float:
    """Return how long a thread has had a processor; 0 where that is not told."""
    with contextlib.suppress(OSError):
        return int(thread.read_text().split()[0]) / 1e9
    return 0.0
