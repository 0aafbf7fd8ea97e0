"""The codec beside kio and kafka-python: ``python -m benchmarks.codec``.

Measures what a broker does for one small Produce: read the request, write the response.
The libraries are measured by turns in one process, and the best turn counts, so that the
ratios hold on a busy machine too; the microseconds are the machine's.
"""

from __future__ import annotations

import datetime
import io
import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

from fakebus.protocol import codec, schema
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    FetchableTopicResponse,
    FetchResponse,
    FetchResponsePartitionData,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
)

VERSION = 9
TURNS = 7
CALLS = 4000


def produce_request(records: bytes) -> bytes:
    """Return a Produce request of one topic and one partition."""
    request = ProduceRequest(
        acks=-1,
        timeout_ms=30_000,
        topic_data=[
            TopicProduceData(
                name="learning-certificate-lifecycle",
                partition_data=[PartitionProduceData(index=0, records=records)],
            )
        ],
    )
    return b"".join(codec.encode_request(ApiKey.PRODUCE, VERSION, request))


def fakebus_exchange(request: bytes) -> Callable[[], object]:
    decode = codec.request_decoder(ApiKey.PRODUCE, VERSION)
    encode = codec.response_encoder(ApiKey.PRODUCE, VERSION)
    frame = memoryview(request)

    def exchange() -> object:
        topic = decode(frame).topic_data[0]
        partition = PartitionProduceResponse(
            index=topic.partition_data[0].index, base_offset=5, log_start_offset=0
        )
        response = TopicProduceResponse(name=topic.name, partition_responses=[partition])
        return encode(ProduceResponse(responses=[response]))

    return exchange


def kio_exchange(request: bytes) -> Callable[[], object]:
    from kio.schema.errors import ErrorCode
    from kio.schema.produce.v9 import request as requests
    from kio.schema.produce.v9 import response as responses
    from kio.serial import entity_reader, entity_writer

    read = entity_reader(requests.ProduceRequest)
    write = entity_writer(responses.ProduceResponse)
    no_time = datetime.timedelta()
    values: Any = responses  # its own integer types are not worth a conversion here

    def exchange() -> object:
        message: Any = read(request, 0)[0]
        topic = message.topic_data[0]
        partition = values.PartitionProduceResponse(
            index=topic.partition_data[0].index,
            error_code=ErrorCode.none,
            base_offset=5,
            log_append_time=None,
            log_start_offset=0,
            record_errors=(),
        )
        response = values.TopicProduceResponse(name=topic.name, partition_responses=(partition,))
        buffer = io.BytesIO()
        write(buffer, values.ProduceResponse(responses=(response,), throttle_time=no_time))
        return buffer.getvalue()

    return exchange


def kafka_python_exchange(request: bytes) -> Callable[[], object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from kafka.protocol.producer import (  # type: ignore[import-untyped]
            ProduceRequest,
            ProduceResponse,
        )
    topic_class = ProduceResponse.TopicProduceResponse
    partition_class = topic_class.PartitionProduceResponse

    def exchange() -> object:
        topic = ProduceRequest.decode(request, version=VERSION).topic_data[0]
        partition = partition_class(
            version=VERSION,
            index=topic.partition_data[0].index,
            base_offset=5,
            log_start_offset=0,
        )
        response = topic_class(version=VERSION, name=topic.name, partition_responses=[partition])
        return ProduceResponse(version=VERSION, responses=[response]).encode(version=VERSION)

    return exchange


def best_times(exchanges: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the microseconds of one call of each, the best of some turns."""
    best = dict.fromkeys(exchanges, float("inf"))
    for _ in range(TURNS):
        for name, exchange in exchanges.items():
            start = time.perf_counter()
            for _ in range(CALLS):
                exchange()
            best[name] = min(best[name], (time.perf_counter() - start) / CALLS * 1e6)
    return best


def copies_of_records() -> float:
    """Return the bytes allocated to read a Produce and answer a Fetch, per byte of records."""
    records = bytes(8 << 20)
    frame = memoryview(produce_request(records))
    decode = codec.request_decoder(ApiKey.PRODUCE, VERSION)
    encode = codec.response_encoder(ApiKey.FETCH, 12)
    tracemalloc.start()
    view = decode(frame).topic_data[0].partition_data[0].records
    partition = FetchResponsePartitionData(records=view)
    encode(FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=[partition])]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / len(records)


def compile_everything() -> tuple[int, float]:
    """Return how many functions a server can need, and the ms to make them all."""
    codec.request_decoder.cache_clear()
    start = time.perf_counter()
    functions: set[object] = set()
    for api_key in schema.api_keys():
        versions = codec.valid_versions(api_key)
        for version in range(versions.min, versions.max + 1):
            functions.add(codec.request_decoder(api_key, version))
            functions.add(codec.response_encoder(api_key, version))
    return len(functions), (time.perf_counter() - start) * 1e3


def main() -> None:
    functions, milliseconds = compile_everything()
    request = produce_request(bytes(200))
    times = best_times(
        {
            "fakebus": fakebus_exchange(request),
            "kio": kio_exchange(request),
            "kafka-python": kafka_python_exchange(request),
        }
    )
    print(f"all versions of all APIs: {functions} functions compiled in {milliseconds:.0f} ms")
    print(f"copies of the records, Produce read and Fetch answered: {copies_of_records():.3f}")
    print(f"one small Produce v{VERSION}, request read and response written:")
    for name, microseconds in times.items():
        ratio = microseconds / times["fakebus"]
        print(f"  {name:<13} {microseconds:6.1f} us   {ratio:5.2f} x fakebus")


if __name__ == "__main__":
    main()
