"""No API of Kafka is left out in silence: it is served, or docs/skipped.md says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakebus.kafka.handlers import HANDLERS
from fakebus.protocol.api_keys import ApiKey

SKIPPED = Path(__file__).parents[3] / "docs" / "skipped.md"
KAFKAS_APIS = {
    0: 13,  # PRODUCE
    1: 18,  # FETCH
    2: 11,  # LIST_OFFSETS
    3: 13,  # METADATA
    8: 10,  # OFFSET_COMMIT
    9: 10,  # OFFSET_FETCH
    10: 6,  # FIND_COORDINATOR
    11: 9,  # JOIN_GROUP
    12: 4,  # HEARTBEAT
    13: 5,  # LEAVE_GROUP
    14: 5,  # SYNC_GROUP
    15: 6,  # DESCRIBE_GROUPS
    16: 5,  # LIST_GROUPS
    17: 1,  # SASL_HANDSHAKE
    18: 4,  # API_VERSIONS
    19: 7,  # CREATE_TOPICS
    20: 6,  # DELETE_TOPICS
    21: 2,  # DELETE_RECORDS
    22: 5,  # INIT_PRODUCER_ID
    23: 4,  # OFFSET_FOR_LEADER_EPOCH
    24: 5,  # ADD_PARTITIONS_TO_TXN
    25: 4,  # ADD_OFFSETS_TO_TXN
    26: 5,  # END_TXN
    27: 2,  # WRITE_TXN_MARKERS
    28: 5,  # TXN_OFFSET_COMMIT
    29: 3,  # DESCRIBE_ACLS
    30: 3,  # CREATE_ACLS
    31: 3,  # DELETE_ACLS
    32: 4,  # DESCRIBE_CONFIGS
    33: 2,  # ALTER_CONFIGS
    34: 2,  # ALTER_REPLICA_LOG_DIRS
    35: 5,  # DESCRIBE_LOG_DIRS
    36: 2,  # SASL_AUTHENTICATE
    37: 3,  # CREATE_PARTITIONS
    38: 3,  # CREATE_DELEGATION_TOKEN
    39: 2,  # RENEW_DELEGATION_TOKEN
    40: 2,  # EXPIRE_DELEGATION_TOKEN
    41: 3,  # DESCRIBE_DELEGATION_TOKEN
    42: 2,  # DELETE_GROUPS
    43: 2,  # ELECT_LEADERS
    44: 1,  # INCREMENTAL_ALTER_CONFIGS
    45: 1,  # ALTER_PARTITION_REASSIGNMENTS
    46: 0,  # LIST_PARTITION_REASSIGNMENTS
    47: 0,  # OFFSET_DELETE
    48: 1,  # DESCRIBE_CLIENT_QUOTAS
    49: 1,  # ALTER_CLIENT_QUOTAS
    50: 0,  # DESCRIBE_USER_SCRAM_CREDENTIALS
    51: 0,  # ALTER_USER_SCRAM_CREDENTIALS
    55: 2,  # DESCRIBE_QUORUM
    57: 2,  # UPDATE_FEATURES
    60: 2,  # DESCRIBE_CLUSTER
    61: 0,  # DESCRIBE_PRODUCERS
    64: 0,  # UNREGISTER_BROKER
    65: 0,  # DESCRIBE_TRANSACTIONS
    66: 2,  # LIST_TRANSACTIONS
    68: 1,  # CONSUMER_GROUP_HEARTBEAT
    69: 1,  # CONSUMER_GROUP_DESCRIBE
    74: 1,  # LIST_CONFIG_RESOURCES
    75: 0,  # DESCRIBE_TOPIC_PARTITIONS
    76: 1,  # SHARE_GROUP_HEARTBEAT
    77: 1,  # SHARE_GROUP_DESCRIBE
    78: 2,  # SHARE_FETCH
    79: 2,  # SHARE_ACKNOWLEDGE
    80: 1,  # ADD_RAFT_VOTER
    81: 0,  # REMOVE_RAFT_VOTER
    83: 0,  # INITIALIZE_SHARE_GROUP_STATE
    84: 0,  # READ_SHARE_GROUP_STATE
    85: 1,  # WRITE_SHARE_GROUP_STATE
    86: 0,  # DELETE_SHARE_GROUP_STATE
    87: 1,  # READ_SHARE_GROUP_STATE_SUMMARY
    88: 0,  # STREAMS_GROUP_HEARTBEAT
    89: 0,  # STREAMS_GROUP_DESCRIBE
    90: 1,  # DESCRIBE_SHARE_GROUP_OFFSETS
    91: 0,  # ALTER_SHARE_GROUP_OFFSETS
    92: 0,  # DELETE_SHARE_GROUP_OFFSETS
}
"""What a broker of Kafka 4.3 advertises: API keys with their newest versions."""
ONLY_OLD = {"Fetch", "ListOffsets", "OffsetCommit"}
"""APIs of which only old versions are listed."""
SERVED = {int(handler.api_key): handler.max_version for handler in HANDLERS}


def name_of(key: int) -> str:
    return ApiKey(key).name.title().replace("_", "")


@pytest.fixture(scope="module")
def rows() -> dict[str, str]:
    """What happens, by each word of the first column."""
    table = [line.split("|") for line in SKIPPED.read_text(encoding="utf-8").splitlines()]
    return {
        word.strip(",:;"): cells[2]
        for cells in table
        if len(cells) > 2
        for word in cells[1].split()
    }


@pytest.mark.parametrize("key", KAFKAS_APIS)
def test_an_api_of_kafkas_is_served_or_listed_as_skipped(key: int, rows: dict[str, str]) -> None:
    listed = "not advertised" in rows.get(name_of(key), "") and name_of(key) not in ONLY_OLD
    assert (key in SERVED) is not listed, name_of(key)


def test_what_is_served_is_kafkas_and_in_its_newest_version() -> None:
    # Version 6 of InitProducerId is for two-phase commit, which Kafka does not advertise yet.
    assert {key: version for key, version in SERVED.items() if version != KAFKAS_APIS[key]} == {}
