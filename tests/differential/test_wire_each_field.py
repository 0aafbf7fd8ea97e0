"""Every API that is served, in each version: a whole request, and each field changed in turn."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from fakebus.kafka.served import SERVED
from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.struct_classes import Struct
from fakebus.types import ZERO_UUID
from tests.differential.group_cases import new_group, subscription
from tests.differential.produce_cases import batch
from tests.differential.sides import CLOSED, Side, Sides, attempts
from tests.differential.test_wire_odd_requests import LATER, error_codes
from tests.differential.transaction_cases import TransactionalProducer
from tests.differential.whole_requests import (
    LEFT_EMPTY,
    UNKNOWN_ID,
    Changed,
    whole_and_changed,
)

pytestmark = pytest.mark.kafka

NEVER_SENT = {ApiKey.UNREGISTER_BROKER, ApiKey.SASL_HANDSHAKE, ApiKey.SASL_AUTHENTICATE}
ASKED = [
    (each.api_key, version)
    for each in SERVED.values()
    if each.api_key not in NEVER_SENT
    for version in range(each.min_version, each.max_version + 1)
]


KAFKA_FAILS: dict[ApiKey, set[tuple[str, str]]] = {
    ApiKey.ADD_PARTITIONS_TO_TXN: {("transactions", "empty")},
    ApiKey.ALTER_CONFIGS: {("resources", "twice")},
    ApiKey.ALTER_SHARE_GROUP_OFFSETS: {("topics.partitions.partition_index", "-1")},
    ApiKey.ALTER_USER_SCRAM_CREDENTIALS: {("upsertions.salted_password", "b''")},
    **{
        api: {
            (f"{path}resource_type{suffix}", "0"),
            (f"{path}{kind}pattern_type{suffix}", "0"),
            (f"{path}operation", "0"),
            (f"{path}permission_type", "0"),
        }
        for api, path, suffix, kind in (
            (ApiKey.CREATE_ACLS, "creations.", "", "resource_"),
            (ApiKey.DESCRIBE_ACLS, "", "_filter", ""),
            (ApiKey.DELETE_ACLS, "filters.", "_filter", ""),
        )
    },
    ApiKey.DESCRIBE_SHARE_GROUP_OFFSETS: {
        ("groups.group_id", ""),
        ("groups.topics.partitions", "empty"),
        ("groups.topics.partitions", "-1"),
        ("groups.topics.partitions", "99"),
    },
    ApiKey.INCREMENTAL_ALTER_CONFIGS: {
        ("resources.configs.config_operation", "-1"),
        ("resources.configs.config_operation", "99"),
    },
    ApiKey.JOIN_GROUP: {("protocols", "twice")},
    # acks 0 is never answered.
    ApiKey.PRODUCE: {("acks", "0"), ("topic_data.partition_data.records", "null")},
    ApiKey.SHARE_FETCH: {
        ("share_acquire_mode", "-1"),
        ("share_acquire_mode", "99"),
        ("topics", "twice"),
        ("topics.topic_id", str(ZERO_UUID)),
        ("topics.topic_id", "unknown"),
        ("topics.partitions", "twice"),
    },
    ApiKey.WRITE_TXN_MARKERS: {
        ("markers.producer_id", "-1"),
        ("markers.producer_epoch", "-1"),
        ("markers.topics", "twice"),
        ("markers.topics.partition_indexes", "twice"),
    },
}
"""Where Kafka fails itself, or closes the connection, and fakebus does not; see docs/referee.md."""
TELLS_ALL: dict[ApiKey, set[tuple[str, str]]] = {
    ApiKey.API_VERSIONS: {
        ("", "whole"),
        ("client_software_name", "unknown"),
        ("client_software_version", "unknown"),
    },
    ApiKey.DESCRIBE_CLIENT_QUOTAS: {("components", "empty")},
    ApiKey.DESCRIBE_LOG_DIRS: {("topics", "null")},
    ApiKey.DESCRIBE_QUORUM: {("", "whole")},
    ApiKey.DESCRIBE_TOPIC_PARTITIONS: {("topics", "empty")},
    ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS: {("users", "null"), ("users", "empty")},
    ApiKey.ELECT_LEADERS: {("topic_partitions", "null")},
    ApiKey.LIST_CONFIG_RESOURCES: {("resource_types", "empty")},
    ApiKey.LIST_GROUPS: {("", "whole"), ("states_filter", "empty")},
    ApiKey.LIST_TRANSACTIONS: {("state_filters", "empty")},
    ApiKey.METADATA: {("topics", "null"), ("topics", "empty")},
}
"""What is answered with all that there is, which is not the same."""
DIFFERENT: dict[ApiKey, set[tuple[str, str]]] = {
    ApiKey.ALTER_CLIENT_QUOTAS: {("entries.entity", "twice")},
    ApiKey.DESCRIBE_CONFIGS: {("resources.resource_name", "unknown")},
    ApiKey.FETCH: {
        (name, value)
        for name in ("replica_id", "replica_state.replica_id")
        for value in ("0", "99")
    },
    ApiKey.METADATA: {("topics.name", "unknown")},
    ApiKey.PRODUCE: {("topic_data", "twice"), ("topic_data.partition_data", "twice")},
    ApiKey.SHARE_FETCH: {("topics.partitions.partition_index", "0")},
}
"""What is answered otherwise on purpose; see docs/referee.md. Followers fetch from Kafka only."""
FRESH = {ApiKey.JOIN_GROUP}
"""What is asked in a group of its own each time: a member that waits holds up the next one."""


def values(side: Side, api: ApiKey) -> dict[str, Any]:
    """Return what fields have in a whole request, for a topic and a group of its own."""
    topic = side.new_topic(2)
    topic_id = side.topic_id(topic)
    group = new_group(side)
    transactional_id = TransactionalProducer(side).name
    for value in (transactional_id, UNKNOWN_ID, f"{topic}-new", f"{group}-other"):
        side.name(value, "value")
    found = {
        **dict.fromkeys(("name", "topic", "topic_name", "topic_names", "source_topics"), topic),
        "subscribed_topic_names": topic,
        "topic_id": topic_id,
        **dict.fromkeys(("group_id", "group_ids", "groups_names", "key"), group),
        "coordinator_keys": group,
        **dict.fromkeys(("transactional_id", "transactional_ids"), transactional_id),
        "v3_and_below_transactional_id": transactional_id,
        "timeout_ms": 10_000,
        "transaction_timeout_ms": 10_000,
        "session_timeout_ms": 10_000,
        "rebalance_timeout_ms": 10_000,
        "records": batch(b"v"),
    }
    own = {
        ApiKey.PRODUCE: {"acks": -1, "transactional_id": None},
        ApiKey.FETCH: {"partition_max_bytes": 1000, "forgotten_topics_data.partitions": 1},
        ApiKey.METADATA: {"allow_auto_topic_creation": False, "topics.topic_id": ZERO_UUID},
        ApiKey.JOIN_GROUP: {
            "protocol_type": "consumer",
            "protocols.name": "range",
            "metadata": subscription("topic"),
            "group_instance_id": None,
        },
        ApiKey.DESCRIBE_GROUPS: {"groups": group},
        ApiKey.CREATE_TOPICS: {
            "validate_only": True,
            "num_partitions": -1,
            "replication_factor": -1,
            "topics.name": f"{topic}-new",
            "topics.assignments.broker_ids": 1,
            "topics.configs.name": "retention.ms",
            "topics.configs.value": "1000",
        },
        ApiKey.DELETE_TOPICS: {"topics.topic_id": ZERO_UUID},
        ApiKey.CREATE_PARTITIONS: {"validate_only": True, "count": 3, "broker_ids": 1},
        ApiKey.DESCRIBE_CONFIGS: {
            "resource_type": 2,
            "resource_name": topic,
            "configuration_keys": "retention.ms",
        },
        **{
            each: {
                "resource_type": 2,
                "resource_name": topic,
                "resources.configs.name": "retention.ms",
                "value": "1000",
            }
            for each in (ApiKey.ALTER_CONFIGS, ApiKey.INCREMENTAL_ALTER_CONFIGS)
        },
        ApiKey.ALTER_PARTITION_REASSIGNMENTS: {"replicas": 1},
        ApiKey.DESCRIBE_CLIENT_QUOTAS: {"entity_type": "user", "match": group},
        ApiKey.ALTER_CLIENT_QUOTAS: {
            "entity_type": "user",
            "entity_name": group,
            "entries.ops.key": "producer_byte_rate",
            "value": 1000.0,
        },
        ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS: {"name": group},
        ApiKey.ALTER_USER_SCRAM_CREDENTIALS: {
            "deletions.name": group,
            "deletions.mechanism": 1,
            "upsertions.name": f"{group}-other",
            "upsertions.mechanism": 1,
            "iterations": 4096,
            "salt": b"salt",
            "salted_password": b"p" * 32,
        },
        ApiKey.DESCRIBE_QUORUM: {"topic_name": "__cluster_metadata"},
        ApiKey.CREATE_ACLS: {
            "resource_type": 2,
            "resource_name": topic,
            "principal": "User:a",
            "host": "*",
            "operation": 3,
            "permission_type": 3,
        },
        **{
            each: {
                "resource_type_filter": 2,
                "resource_name_filter": topic,
                "principal_filter": "User:a",
                "host_filter": "*",
                "operation": 3,
                "permission_type": 3,
            }
            for each in (ApiKey.DESCRIBE_ACLS, ApiKey.DELETE_ACLS)
        },
        ApiKey.CONSUMER_GROUP_HEARTBEAT: {
            "member_id": "member",
            "instance_id": None,
            "subscribed_topic_regex": None,
            "server_assignor": "uniform",
        },
        ApiKey.SHARE_GROUP_HEARTBEAT: {"member_id": "member"},
        ApiKey.STREAMS_GROUP_HEARTBEAT: {
            "member_id": "member",
            "process_id": "process",
            "instance_id": None,
            "source_topic_regex": LEFT_EMPTY,
            "topology.subtopologies.copartition_groups": LEFT_EMPTY,
            "repartition_sink_topics": LEFT_EMPTY,
            "standby_tasks": LEFT_EMPTY,
            "warmup_tasks": LEFT_EMPTY,
            "active_tasks": LEFT_EMPTY,
            "subtopology_id": "0",
            "topology.subtopologies.state_changelog_topics.name": f"{topic}-changelog",
            "topology.subtopologies.repartition_source_topics": LEFT_EMPTY,
            "topology.subtopologies.state_changelog_topics.topic_configs.key": "retention.ms",
            "topology.subtopologies.state_changelog_topics.topic_configs.value": "1000",
        },
        ApiKey.SHARE_FETCH: {
            "member_id": str(uuid.uuid4()),
            "is_renew_ack": False,
            "topics.partitions.acknowledgement_batches": LEFT_EMPTY,
            # There is no such share group: Kafka says so of partitions that exist, some time later.
            "topics.partitions.partition_index": 7,
            "forgotten_topics_data.partitions": 7,
        },
        ApiKey.SHARE_ACKNOWLEDGE: {"member_id": str(uuid.uuid4())},
        ApiKey.LIST_CONFIG_RESOURCES: {"resource_types": 16},
        ApiKey.UPDATE_FEATURES: {"validate_only": True, "feature": "no.such.feature"},
        ApiKey.API_VERSIONS: {"client_software_name": "a", "client_software_version": "1"},
    }
    return found | own.get(api, {})


OF_EACH = {"documentation", "log_dir", "total_bytes", "usable_bytes", "current_leader"}
"""What each side has of its own, and who leads where nothing of that is said."""
MADE_UP = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WITHOUT_TEXT = {ApiKey.SHARE_FETCH, ApiKey.SHARE_ACKNOWLEDGE, ApiKey.SHARE_GROUP_HEARTBEAT}
"""Where Kafka does not say in a text what is wrong with the request as such."""


def canonical(value: Any) -> Any:
    """Return an answer in the form that is compared.

    Rows of a list are in one order, each once, those of one topic put together, and those without
    partitions left out: what is told once and what twice stands in docs/referee.md.
    """
    if isinstance(value, dict):
        return {name: canonical(each) for name, each in value.items() if name not in OF_EACH}
    if isinstance(value, str):
        return MADE_UP.sub("an id", value)
    if not isinstance(value, list):
        return value
    rows: list[Any] = []
    for row in map(canonical, value):
        lists = [name for name in row if isinstance(row[name], list)] if _is_bare(row) else []
        if len(lists) != 1:
            rows.append(row)
        elif row[lists[0]]:
            same = [each for each in rows if _but(each, lists[0]) == _but(row, lists[0])]
            if same:
                same[0][lists[0]] = canonical(same[0][lists[0]] + row[lists[0]])
            else:
                rows.append(row)
    ordered = sorted(rows, key=str)
    return [each for n, each in enumerate(ordered) if not n or each != ordered[n - 1]]


def _is_bare(row: Any) -> bool:
    return isinstance(row, dict) and "error_code" not in row


def _but(row: Any, name: str) -> Any:
    return {key: each for key, each in row.items() if key != name}


def requests(side: Side, api: ApiKey, version: int) -> Iterator[Changed]:
    """Yield what is asked of a side."""
    unknown = f"not-there-{uuid.uuid4()}"
    side.name(unknown, "unknown")
    if api is ApiKey.DELETE_GROUPS:
        # Requests for a group without a name have made one.
        side.call(api, version, m.DeleteGroupsRequest(groups_names=[""]))
    for number, changed in enumerate(whole_and_changed(api, version, values(side, api), unknown)):
        change = (changed.field, changed.value)
        if any(change in each.get(api, ()) for each in (KAFKA_FAILS, TELLS_ALL, DIFFERENT)):
            continue
        if api in FRESH and number:
            again = whole_and_changed(api, version, values(side, api), unknown)
            changed = next(each for n, each in enumerate(again) if n == number)
        yield changed


def told(side: Side, api: ApiKey, version: int, request: Any) -> Any:
    """Return what a side answers, in the form that is compared."""
    for _ in attempts():
        try:
            message = side.call(api, version, request)
        except EOFError:
            side.disconnect()
            return CLOSED
        _leave_out_empty_texts(message)
        found = canonical(side.plain(message))
        if not set(error_codes(found)) & LATER:
            break
    if api in WITHOUT_TEXT:
        del found["error_message"]
        # Kafka gives partitions out some heartbeats later.
        found.pop("assignment", None)
    return found


def _leave_out_empty_texts(message: Any) -> None:
    """Let an answer say nothing where it says so by an empty text."""
    for name in message.__slots__:
        value = getattr(message, name)
        if name == "error_message" and not value:
            message.error_message = None
        for each in value if isinstance(value, list) else ():
            if isinstance(each, Struct):
                _leave_out_empty_texts(each)


@pytest.mark.parametrize(
    ("api", "version"), ASKED, ids=[f"{api.name} {version}" for api, version in ASKED]
)
def test_a_changed_field_is_answered_alike(sides: Sides, api: ApiKey, version: int) -> None:
    def scenario(side: Side) -> Any:
        return [
            (each.field, each.value, told(side, api, version, each.request))
            for each in requests(side, api, version)
        ]

    sides.compare(scenario)
