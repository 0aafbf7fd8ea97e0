"""Every Kafka API that is served: one file of ``handlers/``, one line here.

The file is named as the key. A bus loads it with the first request that it answers: most clients
send a dozen of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fakebus.protocol.api_keys import ApiKey


class ServedApi(NamedTuple):
    """API with the versions that are served."""

    api_key: ApiKey
    min_version: int
    max_version: int
    advertised_min_version: int
    """What ApiVersions says; lower than ``min_version`` only for Produce (KAFKA-18659)."""


def _served(
    api_key: ApiKey, min_version: int, max_version: int, *, shown_min: int | None = None
) -> ServedApi:
    shown = min_version if shown_min is None else shown_min
    return ServedApi(api_key, min_version, max_version, shown)


_APIS = (
    _served(ApiKey.ADD_OFFSETS_TO_TXN, 0, 4),
    _served(ApiKey.ADD_PARTITIONS_TO_TXN, 0, 5),
    _served(ApiKey.ALTER_CLIENT_QUOTAS, 0, 1),
    _served(ApiKey.ALTER_CONFIGS, 0, 2),
    _served(ApiKey.ALTER_PARTITION_REASSIGNMENTS, 0, 1),
    _served(ApiKey.ALTER_REPLICA_LOG_DIRS, 1, 2),
    _served(ApiKey.ALTER_SHARE_GROUP_OFFSETS, 0, 0),
    _served(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, 0, 0),
    _served(ApiKey.API_VERSIONS, 0, 4),
    _served(ApiKey.CONSUMER_GROUP_DESCRIBE, 0, 1),
    _served(ApiKey.CONSUMER_GROUP_HEARTBEAT, 0, 1),
    _served(ApiKey.CREATE_ACLS, 1, 3),
    _served(ApiKey.CREATE_DELEGATION_TOKEN, 1, 3),
    _served(ApiKey.CREATE_PARTITIONS, 0, 3),
    _served(ApiKey.CREATE_TOPICS, 2, 7),
    _served(ApiKey.DELETE_ACLS, 1, 3),
    _served(ApiKey.DELETE_GROUPS, 0, 2),
    _served(ApiKey.DELETE_RECORDS, 0, 2),
    _served(ApiKey.DELETE_SHARE_GROUP_OFFSETS, 0, 0),
    _served(ApiKey.DELETE_TOPICS, 1, 6),
    _served(ApiKey.DESCRIBE_ACLS, 1, 3),
    _served(ApiKey.DESCRIBE_CLIENT_QUOTAS, 0, 1),
    _served(ApiKey.DESCRIBE_CLUSTER, 0, 2),
    _served(ApiKey.DESCRIBE_CONFIGS, 1, 4),
    _served(ApiKey.DESCRIBE_DELEGATION_TOKEN, 1, 3),
    _served(ApiKey.DESCRIBE_GROUPS, 0, 6),
    _served(ApiKey.DESCRIBE_LOG_DIRS, 1, 5),
    _served(ApiKey.DESCRIBE_PRODUCERS, 0, 0),
    _served(ApiKey.DESCRIBE_QUORUM, 0, 2),
    _served(ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS, 0, 1),
    _served(ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, 0),
    _served(ApiKey.DESCRIBE_TRANSACTIONS, 0, 0),
    _served(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, 0, 0),
    _served(ApiKey.ELECT_LEADERS, 0, 2),
    _served(ApiKey.END_TXN, 0, 5),
    _served(ApiKey.EXPIRE_DELEGATION_TOKEN, 1, 2),
    _served(ApiKey.FETCH, 4, 18),
    _served(ApiKey.FIND_COORDINATOR, 0, 6),
    _served(ApiKey.HEARTBEAT, 0, 4),
    _served(ApiKey.INCREMENTAL_ALTER_CONFIGS, 0, 1),
    _served(ApiKey.INIT_PRODUCER_ID, 0, 5),
    _served(ApiKey.JOIN_GROUP, 0, 9),
    _served(ApiKey.LEAVE_GROUP, 0, 5),
    _served(ApiKey.LIST_CONFIG_RESOURCES, 0, 1),
    _served(ApiKey.LIST_GROUPS, 0, 5),
    _served(ApiKey.LIST_OFFSETS, 1, 11),
    _served(ApiKey.LIST_PARTITION_REASSIGNMENTS, 0, 0),
    _served(ApiKey.LIST_TRANSACTIONS, 0, 2),
    _served(ApiKey.METADATA, 0, 13),
    _served(ApiKey.OFFSET_COMMIT, 2, 10),
    _served(ApiKey.OFFSET_DELETE, 0, 0),
    _served(ApiKey.OFFSET_FETCH, 1, 10),
    _served(ApiKey.OFFSET_FOR_LEADER_EPOCH, 2, 4),
    _served(ApiKey.PRODUCE, 3, 13, shown_min=0),
    _served(ApiKey.RENEW_DELEGATION_TOKEN, 1, 2),
    _served(ApiKey.SASL_AUTHENTICATE, 0, 2),
    _served(ApiKey.SASL_HANDSHAKE, 0, 1),
    _served(ApiKey.SHARE_ACKNOWLEDGE, 1, 2),
    _served(ApiKey.SHARE_FETCH, 1, 2),
    _served(ApiKey.SHARE_GROUP_DESCRIBE, 1, 1),
    _served(ApiKey.SHARE_GROUP_HEARTBEAT, 1, 1),
    _served(ApiKey.STREAMS_GROUP_DESCRIBE, 0, 0),
    _served(ApiKey.STREAMS_GROUP_HEARTBEAT, 0, 0),
    _served(ApiKey.SYNC_GROUP, 0, 5),
    _served(ApiKey.TXN_OFFSET_COMMIT, 0, 5),
    _served(ApiKey.UNREGISTER_BROKER, 0, 0),
    _served(ApiKey.UPDATE_FEATURES, 0, 2),
    _served(ApiKey.WRITE_TXN_MARKERS, 1, 2),
)

SERVED: Mapping[ApiKey, ServedApi] = {each.api_key: each for each in _APIS}
