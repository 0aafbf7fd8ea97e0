"""A table of (name, object, bytes), the bytes written out by hand from Kafka's protocol guide.

Each row is run both ways, whole, cut off at every byte, and with bytes behind it.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

import pytest

from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.errors import DecodeError
from fakebus.protocol.messages import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    ConsumerGroupHeartbeatResponse,
    ConsumerGroupHeartbeatResponseAssignment,
    ConsumerGroupHeartbeatResponseTopicPartitions,
    DescribeClientQuotasResponse,
    DescribeClientQuotasResponseEntryData,
    EntityData,
    FetchableTopicResponse,
    FetchRequest,
    FetchRequestFetchPartition,
    FetchRequestFetchTopic,
    FetchRequestReplicaState,
    FetchResponse,
    FetchResponsePartitionData,
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    LeaderIdAndEpoch,
    MetadataRequest,
    MetadataRequestTopic,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
    TopicProduceResponse,
    ValueData,
)

TOPIC_ID = UUID("00112233-4455-6677-8899-aabbccddeeff")


class Row(NamedTuple):
    name: str
    kind: str
    api_key: ApiKey
    version: int
    message: Any
    wire: str
    """Hexadecimal; blanks separate the fields."""


ROWS = [
    Row(
        "an int16 length before a string, an int32 count before an array",
        "request",
        ApiKey.PRODUCE,
        3,
        ProduceRequest(
            acks=-1,
            timeout_ms=30000,
            topic_data=[
                TopicProduceData(
                    name="ab", partition_data=[PartitionProduceData(index=7, records=b"\x01\x02")]
                )
            ],
        ),
        "ffff ffff 00007530 00000001 0002 6162 00000001 00000007 00000002 0102",
    ),
    Row(
        "compact lengths are one more, and each struct ends in a tag section",
        "request",
        ApiKey.PRODUCE,
        9,
        ProduceRequest(
            transactional_id="t",
            acks=1,
            timeout_ms=1,
            topic_data=[
                TopicProduceData(
                    name="ab", partition_data=[PartitionProduceData(index=7, records=b"\x01\x02")]
                )
            ],
        ),
        "02 74 0001 00000001 02 03 6162 02 00000007 03 0102 00 00 00",
    ),
    Row(
        "a topic id instead of a name, and null records",
        "request",
        ApiKey.PRODUCE,
        13,
        ProduceRequest(
            topic_data=[
                TopicProduceData(topic_id=TOPIC_ID, partition_data=[PartitionProduceData()])
            ]
        ),
        "00 0000 00000000 02 00112233445566778899aabbccddeeff 02 00000000 00 00 00 00",
    ),
    Row(
        "a tagged struct that has its default is left out",
        "response",
        ApiKey.PRODUCE,
        10,
        ProduceResponse(
            responses=[
                TopicProduceResponse(
                    name="a", partition_responses=[PartitionProduceResponse(base_offset=258)]
                )
            ]
        ),
        "02 02 61 02 00000000 0000 0000000000000102 ffffffffffffffff ffffffffffffffff 01 00 00"
        " 00 00000000 00",
    ),
    Row(
        "a tagged struct stands behind its tag and size",
        "response",
        ApiKey.PRODUCE,
        10,
        ProduceResponse(
            responses=[
                TopicProduceResponse(
                    name="a",
                    partition_responses=[
                        PartitionProduceResponse(
                            error_code=6,
                            current_leader=LeaderIdAndEpoch(leader_id=1, leader_epoch=2),
                        )
                    ],
                )
            ]
        ),
        "02 02 61 02 00000000 0006 0000000000000000 ffffffffffffffff ffffffffffffffff 01 00"
        " 01 00 09 00000001 00000002 00 00 00000000 00",
    ),
    Row(
        "two tagged fields of different types at the top",
        "request",
        ApiKey.FETCH,
        15,
        FetchRequest(
            cluster_id="c",
            replica_state=FetchRequestReplicaState(replica_id=1, replica_epoch=2),
            topics=[
                FetchRequestFetchTopic(
                    topic_id=TOPIC_ID,
                    partitions=[FetchRequestFetchPartition(fetch_offset=5, partition_max_bytes=9)],
                )
            ],
        ),
        "00000000 00000000 7fffffff 00 00000000 ffffffff 02 00112233445566778899aabbccddeeff 02"
        " 00000000 ffffffff 0000000000000005 ffffffff ffffffffffffffff 00000009 00 00 01 01"
        " 02 00 02 02 63 01 0d 00000001 0000000000000002 00",
    ),
    Row(
        "empty records have a length of zero and are not null",
        "response",
        ApiKey.FETCH,
        4,
        FetchResponse(
            responses=[
                FetchableTopicResponse(
                    topic="a",
                    partitions=[
                        FetchResponsePartitionData(
                            high_watermark=1, aborted_transactions=None, records=b""
                        )
                    ],
                )
            ]
        ),
        "00000000 00000001 0001 61 00000001 00000000 0000 0000000000000001 ffffffffffffffff"
        " ffffffff 00000000",
    ),
    Row(
        "a null array is not an empty one",
        "request",
        ApiKey.METADATA,
        1,
        MetadataRequest(topics=None),
        "ffffffff",
    ),
    Row(
        "a null array in compact form",
        "request",
        ApiKey.METADATA,
        9,
        MetadataRequest(topics=None),
        "00 01 00 00 00",
    ),
    Row(
        "a null name in an array's struct",
        "request",
        ApiKey.METADATA,
        12,
        MetadataRequest(topics=[MetadataRequestTopic(topic_id=TOPIC_ID, name=None)]),
        "02 00112233445566778899aabbccddeeff 00 00 01 00 00",
    ),
    Row(
        "a string of more than 126 bytes has a length of two bytes",
        "request",
        ApiKey.API_VERSIONS,
        3,
        ApiVersionsRequest(client_software_name="n" * 127, client_software_version="é"),
        f"8001 {'6e' * 127} 03 c3a9 00",
    ),
    Row(
        "a message without fields takes no bytes",
        "request",
        ApiKey.API_VERSIONS,
        0,
        ApiVersionsRequest(),
        "",
    ),
    Row(
        "tagged fields are written by ascending tag",
        "response",
        ApiKey.API_VERSIONS,
        3,
        ApiVersionsResponse(
            api_keys=[ApiVersion(api_key=18, max_version=4)],
            finalized_features_epoch=5,
            zk_migration_ready=True,
        ),
        "0000 02 0012 0000 0004 00 00000000 02 01 08 0000000000000005 03 01 01",
    ),
    Row(
        "bytes, and null strings among fields of fixed size",
        "request",
        ApiKey.JOIN_GROUP,
        5,
        JoinGroupRequest(
            group_id="g",
            session_timeout_ms=10,
            rebalance_timeout_ms=20,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"\x00\x01")],
        ),
        "0001 67 0000000a 00000014 0000 ffff 0008 636f6e73756d6572 00000001 0005 72616e6765"
        " 00000002 0001",
    ),
    Row(
        "a null struct is the byte -1",
        "response",
        ApiKey.CONSUMER_GROUP_HEARTBEAT,
        0,
        ConsumerGroupHeartbeatResponse(member_id="m", member_epoch=1, heartbeat_interval_ms=5),
        "00000000 0000 00 02 6d 00000001 00000005 ff 00",
    ),
    Row(
        "a struct that may be null has the byte 1 before it",
        "response",
        ApiKey.CONSUMER_GROUP_HEARTBEAT,
        0,
        ConsumerGroupHeartbeatResponse(
            assignment=ConsumerGroupHeartbeatResponseAssignment(
                topic_partitions=[
                    ConsumerGroupHeartbeatResponseTopicPartitions(
                        topic_id=TOPIC_ID, partitions=[0, 258]
                    )
                ]
            )
        ),
        "00000000 0000 00 00 00000000 00000000 01 02 00112233445566778899aabbccddeeff"
        " 03 00000000 00000102 00 00 00",
    ),
    Row(
        "a float64",
        "response",
        ApiKey.DESCRIBE_CLIENT_QUOTAS,
        1,
        DescribeClientQuotasResponse(
            entries=[
                DescribeClientQuotasResponseEntryData(
                    entity=[EntityData(entity_type="u", entity_name=None)],
                    values=[ValueData(key="k", value=1.5)],
                )
            ]
        ),
        "00000000 0000 00 02 02 02 75 00 00 02 02 6b 3ff8000000000000 00 00 00",
    ),
]
EVERY_ROW = pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])


def encode(row: Row) -> bytes:
    if row.kind == "request":
        return b"".join(codec.encode_request(row.api_key, row.version, row.message))
    return b"".join(codec.encode_response(row.api_key, row.version, row.message))


def decode(row: Row, data: bytes) -> Any:
    if row.kind == "request":
        return codec.decode_request(row.api_key, row.version, memoryview(data))
    return codec.decode_response(row.api_key, row.version, memoryview(data))


@EVERY_ROW
def test_a_message_is_written_as_these_bytes(row: Row) -> None:
    assert encode(row).hex() == row.wire.replace(" ", "")


@EVERY_ROW
def test_the_bytes_are_read_as_this_message(row: Row) -> None:
    assert decode(row, bytes.fromhex(row.wire)) == row.message


@EVERY_ROW
def test_bytes_behind_the_message_are_left_alone(row: Row) -> None:
    assert decode(row, bytes.fromhex(row.wire) + b"\x01\xff") == row.message


@EVERY_ROW
def test_a_message_that_is_cut_off_is_refused(row: Row) -> None:
    data = bytes.fromhex(row.wire)
    for size in range(len(data)):
        with pytest.raises(DecodeError):
            decode(row, data[:size])
