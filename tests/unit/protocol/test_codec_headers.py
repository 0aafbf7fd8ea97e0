from __future__ import annotations

import subprocess
import sys

import pytest

from fakebus.protocol import codec
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.codec import RequestHeader
from fakebus.protocol.errors import DecodeError, EncodeError
from fakebus.protocol.messages import HeartbeatRequest, HeartbeatResponse
from fakebus.protocol.versions import VersionRange, parse_versions

SERVED = {
    ApiKey.PRODUCE: (3, 13),
    ApiKey.FETCH: (4, 18),
    ApiKey.LIST_OFFSETS: (1, 11),
    ApiKey.METADATA: (0, 13),
    ApiKey.OFFSET_COMMIT: (2, 10),
    ApiKey.OFFSET_FETCH: (1, 10),
    ApiKey.FIND_COORDINATOR: (0, 6),
    ApiKey.JOIN_GROUP: (0, 9),
    ApiKey.HEARTBEAT: (0, 4),
    ApiKey.LEAVE_GROUP: (0, 5),
    ApiKey.SYNC_GROUP: (0, 5),
    ApiKey.DESCRIBE_GROUPS: (0, 6),
    ApiKey.LIST_GROUPS: (0, 5),
    ApiKey.SASL_HANDSHAKE: (0, 1),
    ApiKey.API_VERSIONS: (0, 4),
    ApiKey.CREATE_TOPICS: (2, 7),
    ApiKey.DELETE_TOPICS: (1, 6),
    ApiKey.DELETE_RECORDS: (0, 2),
    ApiKey.INIT_PRODUCER_ID: (0, 6),
    ApiKey.OFFSET_FOR_LEADER_EPOCH: (2, 4),
    ApiKey.ADD_PARTITIONS_TO_TXN: (0, 5),
    ApiKey.ADD_OFFSETS_TO_TXN: (0, 4),
    ApiKey.END_TXN: (0, 5),
    ApiKey.WRITE_TXN_MARKERS: (1, 2),
    ApiKey.TXN_OFFSET_COMMIT: (0, 5),
    ApiKey.DESCRIBE_ACLS: (1, 3),
    ApiKey.CREATE_ACLS: (1, 3),
    ApiKey.DELETE_ACLS: (1, 3),
    ApiKey.DESCRIBE_CONFIGS: (1, 4),
    ApiKey.ALTER_CONFIGS: (0, 2),
    ApiKey.ALTER_REPLICA_LOG_DIRS: (1, 2),
    ApiKey.DESCRIBE_LOG_DIRS: (1, 5),
    ApiKey.SASL_AUTHENTICATE: (0, 2),
    ApiKey.CREATE_PARTITIONS: (0, 3),
    ApiKey.CREATE_DELEGATION_TOKEN: (1, 3),
    ApiKey.RENEW_DELEGATION_TOKEN: (1, 2),
    ApiKey.EXPIRE_DELEGATION_TOKEN: (1, 2),
    ApiKey.DESCRIBE_DELEGATION_TOKEN: (1, 3),
    ApiKey.DELETE_GROUPS: (0, 2),
    ApiKey.ELECT_LEADERS: (0, 2),
    ApiKey.INCREMENTAL_ALTER_CONFIGS: (0, 1),
    ApiKey.ALTER_PARTITION_REASSIGNMENTS: (0, 1),
    ApiKey.LIST_PARTITION_REASSIGNMENTS: (0, 0),
    ApiKey.OFFSET_DELETE: (0, 0),
    ApiKey.DESCRIBE_CLIENT_QUOTAS: (0, 1),
    ApiKey.ALTER_CLIENT_QUOTAS: (0, 1),
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS: (0, 0),
    ApiKey.ALTER_USER_SCRAM_CREDENTIALS: (0, 0),
    ApiKey.DESCRIBE_QUORUM: (0, 2),
    ApiKey.UPDATE_FEATURES: (0, 2),
    ApiKey.DESCRIBE_CLUSTER: (0, 2),
    ApiKey.DESCRIBE_PRODUCERS: (0, 0),
    ApiKey.DESCRIBE_TRANSACTIONS: (0, 0),
    ApiKey.LIST_TRANSACTIONS: (0, 2),
    ApiKey.CONSUMER_GROUP_HEARTBEAT: (0, 1),
    ApiKey.CONSUMER_GROUP_DESCRIBE: (0, 1),
    ApiKey.LIST_CONFIG_RESOURCES: (0, 1),
    ApiKey.DESCRIBE_TOPIC_PARTITIONS: (0, 0),
    ApiKey.SHARE_GROUP_HEARTBEAT: (1, 1),
    ApiKey.SHARE_GROUP_DESCRIBE: (1, 1),
    ApiKey.SHARE_FETCH: (1, 2),
    ApiKey.SHARE_ACKNOWLEDGE: (1, 2),
    ApiKey.STREAMS_GROUP_HEARTBEAT: (0, 0),
    ApiKey.STREAMS_GROUP_DESCRIBE: (0, 0),
    ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS: (0, 1),
    ApiKey.ALTER_SHARE_GROUP_OFFSETS: (0, 0),
    ApiKey.DELETE_SHARE_GROUP_OFFSETS: (0, 0),
}
"""What a Kafka 4.2 broker serves to clients."""


@pytest.mark.parametrize(("api_key", "versions"), SERVED.items())
def test_the_versions_of_kafka_4_2_are_known(api_key: ApiKey, versions: tuple[int, int]) -> None:
    assert codec.valid_versions(api_key) == VersionRange(*versions)


def test_an_unknown_api_has_no_versions() -> None:
    assert 0 not in codec.valid_versions(999)
    assert 0 not in codec.valid_versions(ApiKey.LEADER_AND_ISR)


def test_version_ranges_are_read_as_kafka_writes_them() -> None:
    assert parse_versions("3") == VersionRange(3, 3)
    assert parse_versions("3-5") == VersionRange(3, 5)
    assert 32767 in parse_versions("3+")
    assert 2 not in parse_versions("3+")
    assert str(VersionRange(3, 5)) == "3-5"


def test_apis_have_the_names_that_kafka_gives_them() -> None:
    assert codec.api_name(ApiKey.OFFSET_FOR_LEADER_EPOCH) == "OffsetForLeaderEpoch"
    assert codec.api_name(ApiKey.LEADER_AND_ISR) == "LeaderAndIsr"
    assert codec.api_name(999) == "ApiKey 999"


def header(wire: str) -> tuple[RequestHeader, int]:
    return codec.decode_request_header(memoryview(bytes.fromhex(wire)))


def test_header_v1_ends_with_the_client_id() -> None:
    assert header("0000 0008 00000005 0002 6162 ff") == (RequestHeader(0, 8, 5, "ab"), 12)


def test_header_v2_ends_with_a_tag_section() -> None:
    assert header("0000 0009 00000005 0002 6162 00 ff") == (RequestHeader(0, 9, 5, "ab"), 13)
    assert header("0000 0009 00000005 0002 6162 01 05 02 ffff ff")[1] == 17


def test_a_client_id_may_be_null_or_empty() -> None:
    assert header("0003 0001 ffffffff ffff") == (RequestHeader(3, 1, -1, None), 10)
    assert header("0003 0001 ffffffff 0000") == (RequestHeader(3, 1, -1, ""), 10)


@pytest.mark.parametrize("start", ["03e7 0000", "0012 0063", "0000 0002", "ffff ffff"])
def test_of_an_unknown_api_or_version_only_the_fixed_part_is_read(start: str) -> None:
    read, offset = header(f"{start} 00000005 0001 61")
    assert read.correlation_id == 5
    assert read.client_id == "a"
    assert offset == 11


@pytest.mark.parametrize(
    "wire",
    [
        "",
        "0000 0009 000000",
        "0000 0009 00000005 00",
        "0000 0009 00000005 0003 6162",
        "0000 0009 00000005 fffe",
        "0000 0009 00000005 0002 c328 00",
        "0000 0009 00000005 ffff",
        "0000 0009 00000005 ffff 01",
        "0000 0009 00000005 ffff 01 05 09 00",
    ],
)
def test_a_header_that_is_not_valid_is_refused(wire: str) -> None:
    with pytest.raises(DecodeError):
        header(wire)


@pytest.mark.parametrize(
    ("api_key", "version", "expected"),
    [
        (ApiKey.PRODUCE, 8, "00000007"),
        (ApiKey.PRODUCE, 9, "0000000700"),
        (ApiKey.API_VERSIONS, 0, "00000007"),
        (ApiKey.API_VERSIONS, 3, "00000007"),
        (ApiKey.API_VERSIONS, 4, "00000007"),
        (ApiKey.OFFSET_DELETE, 0, "00000007"),
    ],
)
def test_response_headers_end_in_a_tag_section_except_those_of_api_versions(
    api_key: ApiKey, version: int, expected: str
) -> None:
    assert codec.encode_response_header(api_key, version, 7).hex() == expected


def test_correlation_ids_may_be_negative() -> None:
    assert codec.encode_response_header(ApiKey.PRODUCE, 3, -1) == b"\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("api_key", "version"), [(ApiKey.PRODUCE, 2), (ApiKey.PRODUCE, 14), (999, 0)]
)
def test_an_unknown_api_or_version_is_neither_read_nor_written(api_key: int, version: int) -> None:
    with pytest.raises(DecodeError, match="has no version"):
        codec.decode_request(api_key, version, memoryview(b""))
    with pytest.raises(DecodeError, match="has no version"):
        codec.decode_response(api_key, version, memoryview(b""))
    with pytest.raises(EncodeError, match="has no version"):
        codec.encode_request(api_key, version, HeartbeatRequest())
    with pytest.raises(EncodeError, match="has no version"):
        codec.encode_response(api_key, version, HeartbeatResponse())
    with pytest.raises(LookupError):
        codec.request_decoder(api_key, version)


def test_versions_that_are_laid_out_alike_share_a_function() -> None:
    assert codec.request_decoder(ApiKey.PRODUCE, 3) is codec.request_decoder(ApiKey.PRODUCE, 8)
    assert codec.request_decoder(ApiKey.PRODUCE, 8) is not codec.request_decoder(ApiKey.PRODUCE, 9)


def test_importing_the_codec_opens_no_door_to_input_or_output() -> None:
    code = (
        "import sys; import fakebus.protocol.codec, fakebus.protocol.messages;"
        "print([m for m in ('asyncio', 'socket', 'ssl', 'sqlite3', 'fakebus.broker',"
        " 'fakebus.storage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
