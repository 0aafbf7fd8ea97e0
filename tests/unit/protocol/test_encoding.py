from __future__ import annotations

from typing import Any

import pytest

from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.errors import EncodeError
from fakebus.protocol.messages import (
    FetchableTopicResponse,
    FetchResponse,
    FetchResponsePartitionData,
    HeartbeatResponse,
    ListOffsetsResponse,
    MetadataResponse,
    MetadataResponseTopic,
    NodeEndpoint,
    OffsetFetchResponse,
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from fakebus.protocol.primitives import JOIN_BELOW

LARGE = bytes(JOIN_BELOW)


def fetch_response(*records: Any) -> FetchResponse:
    partitions = [
        FetchResponsePartitionData(partition_index=index, records=each)
        for index, each in enumerate(records)
    ]
    return FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=partitions)])


@pytest.mark.parametrize("version", [11, 12])
def test_large_records_are_passed_on_as_the_very_buffers(version: int) -> None:
    view = memoryview(bytearray(LARGE))
    buffers = codec.encode_response(ApiKey.FETCH, version, fetch_response(LARGE, view))
    assert any(buffer is LARGE for buffer in buffers)
    assert any(buffer is view for buffer in buffers)
    decoded = codec.decode_response(ApiKey.FETCH, version, memoryview(b"".join(buffers)))
    assert decoded == fetch_response(LARGE, view)


@pytest.mark.parametrize("version", [11, 12])
@pytest.mark.parametrize("kind", [list, tuple])
def test_records_may_be_several_buffers_and_arrive_as_one(version: int, kind: Any) -> None:
    parts = kind([b"head", LARGE, memoryview(b"tail"), bytearray(b"!")])
    buffers = codec.encode_response(ApiKey.FETCH, version, fetch_response(parts))
    assert any(buffer is LARGE for buffer in buffers)
    decoded = codec.decode_response(ApiKey.FETCH, version, memoryview(b"".join(buffers)))
    assert decoded.responses[0].partitions[0].records == b"head" + LARGE + b"tail!"


def test_small_records_are_joined_with_what_is_around_them() -> None:
    buffers = codec.encode_response(ApiKey.FETCH, 12, fetch_response(b"a", b"b", [b"c", b""]))
    assert len(buffers) == 1


def test_no_empty_buffers_come_out_between_large_ones() -> None:
    buffers = codec.encode_response(ApiKey.FETCH, 12, fetch_response([LARGE, LARGE]))
    assert [len(buffer) > 0 for buffer in buffers] == [True] * 4


def test_decoded_records_are_a_view_of_the_frame() -> None:
    request = ProduceRequest(
        topic_data=[
            TopicProduceData(name="t", partition_data=[PartitionProduceData(records=LARGE)])
        ]
    )
    frame = bytearray(b"".join(codec.encode_request(ApiKey.PRODUCE, 9, request)))
    decoded = codec.decode_request(ApiKey.PRODUCE, 9, memoryview(frame))
    records = decoded.topic_data[0].partition_data[0].records
    assert isinstance(records, memoryview)
    assert records.obj is frame


@pytest.mark.parametrize("records", ["text", 5, [b"", "text"], {b"a"}])
def test_records_that_are_no_buffers_are_refused(records: Any) -> None:
    with pytest.raises(EncodeError):
        codec.encode_response(ApiKey.FETCH, 12, fetch_response(records))


def test_fields_that_a_version_does_not_have_are_left_out() -> None:
    response = HeartbeatResponse(throttle_time_ms=5, error_code=27)
    assert b"".join(codec.encode_response(ApiKey.HEARTBEAT, 0, response)) == b"\x00\x1b"


def test_one_object_serves_all_versions() -> None:
    response = MetadataResponse(
        topics=[MetadataResponseTopic(name="t")], cluster_id="c", controller_id=1
    )
    for version in range(14):
        data = b"".join(codec.encode_response(ApiKey.METADATA, version, response))
        decoded = codec.decode_response(ApiKey.METADATA, version, memoryview(data))
        assert decoded.topics[0].name == "t"
        assert decoded.cluster_id == ("c" if version >= 2 else None)
        assert decoded.controller_id == (1 if version >= 1 else -1)


def test_tagged_arrays_are_written_when_they_hold_something() -> None:
    response = ProduceResponse(node_endpoints=[NodeEndpoint(node_id=1, host="h", port=9092)])
    data = b"".join(codec.encode_response(ApiKey.PRODUCE, 10, response))
    assert data.hex() == "01" + "00000000" + "01" + "00" + "0d" + "02000000010268" + "00002384" + (
        "0000"
    )
    assert codec.decode_response(ApiKey.PRODUCE, 10, memoryview(data)) == response


@pytest.mark.parametrize(
    ("api_key", "version", "message"),
    [
        (ApiKey.HEARTBEAT, 4, HeartbeatResponse(error_code=1 << 15)),
        (ApiKey.HEARTBEAT, 4, HeartbeatResponse(error_code=None)),  # type: ignore[arg-type]
        (ApiKey.METADATA, 11, MetadataResponse(topics=[MetadataResponseTopic(name=None)])),
        (ApiKey.METADATA, 1, MetadataResponse(topics=[MetadataResponseTopic(name="x" * 40000)])),
        (ApiKey.METADATA, 9, MetadataResponse(topics=[MetadataResponseTopic(name="x" * 40000)])),
        (ApiKey.METADATA, 9, MetadataResponse(topics=None)),  # type: ignore[arg-type]
        (ApiKey.METADATA, 9, MetadataResponse(topics=[5])),  # type: ignore[list-item]
        (ApiKey.METADATA, 9, MetadataResponse(cluster_id="\ud800")),
        (ApiKey.METADATA, 9, HeartbeatResponse()),
        (ApiKey.LIST_OFFSETS, 4, ListOffsetsResponse(throttle_time_ms="1")),  # type: ignore[arg-type]
        (ApiKey.OFFSET_FETCH, 4, OffsetFetchResponse(topics="t")),  # type: ignore[arg-type]
        (ApiKey.SHARE_FETCH, 99, HeartbeatResponse()),
        (ApiKey.LEADER_AND_ISR, 0, HeartbeatResponse()),
    ],
)
def test_a_message_that_cannot_be_written_is_refused(
    api_key: ApiKey, version: int, message: Any
) -> None:
    with pytest.raises(EncodeError):
        codec.encode_response(api_key, version, message)


def test_the_error_names_the_message() -> None:
    with pytest.raises(EncodeError, match="HeartbeatResponse v4"):
        codec.encode_response(ApiKey.HEARTBEAT, 4, HeartbeatResponse(error_code=1 << 15))
