"""What administrative APIs say where there are no authorizer, no quotas and no logins.

Each of these was settled by asking Kafka itself, see tests/differential/test_wire_admin.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AclCreation,
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
    AlterUserScramCredentialsRequest,
    ApiVersionsRequest,
    ComponentData,
    CreateAclsRequest,
    DeleteAclsFilter,
    DeleteAclsRequest,
    DescribeAclsRequest,
    DescribeClientQuotasRequest,
    DescribeLogDirsRequest,
    DescribeProducersRequest,
    DescribeProducersRequestTopicRequest,
    DescribeQuorumRequest,
    DescribeQuorumRequestPartitionData,
    DescribeQuorumRequestTopicData,
    DescribeTransactionsRequest,
    DescribeUserScramCredentialsRequest,
    FeatureUpdateKey,
    GetTelemetrySubscriptionsRequest,
    ListTransactionsRequest,
    MetadataRequest,
    PushTelemetryRequest,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
    UpdateFeaturesRequest,
    UserName,
)
from fakebus.types import ZERO_UUID
from tests.wire.client import RawClient
from tests.wire.test_produce_and_fetch import batch, ensure, produce

ANY = 1
FILTER: dict[str, Any] = {
    "resource_type_filter": ANY,
    "resource_name_filter": None,
    "principal_filter": None,
    "host_filter": None,
    "operation": ANY,
    "permission_type": ANY,
}
CREATION = AclCreation(
    resource_type=2, resource_name="t", principal="User:a", host="*", operation=2, permission_type=3
)
UNSUPPORTED_VERSION = 35


@pytest.mark.parametrize("version", [1, 2, 3])
def test_there_is_no_authorizer(client: RawClient, version: int) -> None:
    described = client.call(ApiKey.DESCRIBE_ACLS, version, DescribeAclsRequest(**FILTER))
    assert (described.error_code, described.resources) == (54, [])
    assert described.error_message
    created = client.call(ApiKey.CREATE_ACLS, version, CreateAclsRequest(creations=[CREATION] * 2))
    assert [result.error_code for result in created.results] == [54, 54]
    filters = [DeleteAclsFilter(**FILTER)] * 2
    deleted = client.call(ApiKey.DELETE_ACLS, version, DeleteAclsRequest(filters=filters))
    assert [(found.error_code, found.matching_acls) for found in deleted.filter_results] == [
        (54, []),
        (54, []),
    ]


@pytest.mark.parametrize(
    ("components", "error_code"),
    [
        ([], 0),
        ([("user", 2, None)], 0),
        ([("user", 0, "alice"), ("client-id", 1, None)], 0),
        ([("ip", 0, "127.0.0.1")], 0),
        ([("user", 0, "a"), ("user", 0, "b")], 42),
        ([("nonsense", 0, "a")], 35),
        ([("", 0, "a")], 42),
        ([("user", 3, None)], 42),
        ([("user", 0, None)], 42),
        ([("user", 1, "x")], 42),
        ([("ip", 2, None), ("user", 2, None)], 42),
    ],
)
def test_there_are_no_quotas(
    client: RawClient, components: list[tuple[str, int, str | None]], error_code: int
) -> None:
    asked = [ComponentData(entity_type=t, match_type=m, match=n) for t, m, n in components]
    answer = client.call(
        ApiKey.DESCRIBE_CLIENT_QUOTAS, 1, DescribeClientQuotasRequest(components=asked)
    )
    assert (answer.error_code, answer.entries) == (error_code, None if error_code else [])


def test_there_are_no_scram_credentials(client: RawClient) -> None:
    def describe(*users: str) -> list[tuple[str, int]]:
        asked = [UserName(name=user) for user in users] or None
        answer = client.call(
            ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS,
            0,
            DescribeUserScramCredentialsRequest(users=asked),
        )
        assert answer.error_code == 0
        return [(result.user, result.error_code) for result in answer.results]

    assert describe() == []
    assert describe("a", "b") == [("a", 91), ("b", 91)]
    assert describe("a", "b", "a") == [("a", 92), ("b", 91)]


def test_there_are_no_transactions(client: RawClient) -> None:
    request = ListTransactionsRequest(state_filters=["Ongoing", "ongoing"], producer_id_filters=[])
    answer = client.call(ApiKey.LIST_TRANSACTIONS, 2, request)
    assert (answer.error_code, answer.transaction_states) == (0, [])
    assert answer.unknown_state_filters == ["ongoing"]
    request = ListTransactionsRequest(
        state_filters=[], producer_id_filters=[], transactional_id_pattern="(["
    )
    assert client.call(ApiKey.LIST_TRANSACTIONS, 2, request).error_code == 128
    described = client.call(
        ApiKey.DESCRIBE_TRANSACTIONS, 0, DescribeTransactionsRequest(transactional_ids=["a", ""])
    )
    assert [state.error_code for state in described.transaction_states] == [105, 42]


def quorum_request(*wanted: tuple[str, int]) -> DescribeQuorumRequest:
    return DescribeQuorumRequest(
        topics=[
            DescribeQuorumRequestTopicData(
                topic_name=name,
                partitions=[DescribeQuorumRequestPartitionData(partition_index=index)],
            )
            for name, index in wanted
        ]
    )


@pytest.mark.parametrize("version", [0, 1, 2])
def test_the_quorum_is_one_node(client: RawClient, version: int) -> None:
    answer = client.call(ApiKey.DESCRIBE_QUORUM, version, quorum_request(("__cluster_metadata", 0)))
    [partition] = answer.topics[0].partitions
    assert (answer.error_code, partition.error_code, partition.leader_id) == (0, 0, 1)
    assert [voter.replica_id for voter in partition.current_voters] == [1]
    assert [node.node_id for node in answer.nodes] == ([1] if version >= 2 else [])
    for other in ((("other", 0),), (("__cluster_metadata", 1),), (("__cluster_metadata", 0),) * 2):
        answer = client.call(ApiKey.DESCRIBE_QUORUM, version, quorum_request(*other))
        assert {topic.partitions[0].error_code for topic in answer.topics} == {3}


def test_the_producers_of_a_partition_are_named(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    for sequence in (0, 2):
        records = batch(b"a", b"b", producer_id=4711, producer_epoch=3, base_sequence=sequence)
        produce(client, topic, records)
    produce(client, topic, batch(b"without an id"))
    asked = [
        DescribeProducersRequestTopicRequest(name=name, partition_indexes=[0, 9])
        for name in (topic, "unknown", "bad name")
    ]
    answer = client.call(ApiKey.DESCRIBE_PRODUCERS, 0, DescribeProducersRequest(topics=asked))
    known, unknown, bad = (
        [(p.partition_index, p.error_code) for p in t.partitions] for t in answer.topics
    )
    assert known == [(0, 0), (9, 3)]
    assert unknown == [(0, 3), (9, 3)]
    assert bad == [(0, 17), (9, 17)]
    [producer] = answer.topics[0].partitions[0].active_producers
    assert (producer.producer_id, producer.producer_epoch, producer.last_sequence) == (4711, 3, 3)
    assert producer.last_timestamp > 0
    assert (producer.coordinator_epoch, producer.current_txn_start_offset) == (-1, -1)


@pytest.mark.parametrize("version", [1, 2])
def test_replicas_may_be_moved_to_where_they_are(
    client: RawClient, topic: str, version: int
) -> None:
    ensure(client, topic)
    logs = client.call(ApiKey.DESCRIBE_LOG_DIRS, 4, DescribeLogDirsRequest(topics=[]))
    present = logs.results[0].log_dir

    def move(path: str, name: str, *partitions: int) -> list[tuple[int, int]]:
        moved = [AlterReplicaLogDirTopic(name=name, partitions=list(partitions))]
        request = AlterReplicaLogDirsRequest(dirs=[AlterReplicaLogDir(path=path, topics=moved)])
        answer = client.call(ApiKey.ALTER_REPLICA_LOG_DIRS, version, request)
        return [(p.partition_index, p.error_code) for r in answer.results for p in r.partitions]

    assert move(present, topic, 0, 9) == [(0, 0), (9, 3)]
    assert move(present, "unknown", 0) == [(0, 3)]
    assert move("/elsewhere", topic, 0) == [(0, 57)]
    assert move(present, topic) == []


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize(
    ("updates", "error_code"),
    [
        ([], 0),
        ([("group.version", 1, 1)], 0),
        ([("group.version", 1, 1), ("metadata.version", 30, 1)], 0),
        ([("group.version", 1, 1), ("nonsense", 1, 1)], 95),
        ([("group.version", 2, 1)], 95),
        ([("group.version", -1, 1)], 95),
        ([("group.version", 0, 1)], 95),
        ([("group.version", 0, 2)], 95),
        ([("metadata.version", 7, 2)], 95),
    ],
)
def test_features_keep_their_levels(
    client: RawClient, version: int, updates: list[tuple[str, int, int]], error_code: int
) -> None:
    request = UpdateFeaturesRequest(
        feature_updates=[
            FeatureUpdateKey(
                feature=feature,
                max_version_level=level,
                allow_downgrade=kind == 2,
                upgrade_type=kind,
            )
            for feature, level, kind in updates
        ]
    )
    answer = client.call(ApiKey.UPDATE_FEATURES, version, request)
    assert answer.error_code == error_code
    named = [] if error_code or version >= 2 else [feature for feature, _, _ in updates]
    assert [result.feature for result in answer.results] == named


def test_the_features_of_the_cluster_are_named(client: RawClient) -> None:
    request = ApiVersionsRequest(client_software_name="raw", client_software_version="1")
    for version, smallest in ((3, 1), (4, 0)):
        answer = client.call(ApiKey.API_VERSIONS, version, request)
        assert {each.name: each.max_version_level for each in answer.finalized_features} == {
            "eligible.leader.replicas.version": 1,
            "group.version": 1,
            "kraft.version": 1,
            "metadata.version": 30,
            "share.version": 1,
            "streams.version": 1,
            "transaction.version": 2,
        }
        assert answer.finalized_features_epoch >= 0
        lowest = {each.min_version for each in answer.supported_features}
        assert min(lowest) == (0 if smallest == 0 else 7)


def test_an_unserved_api_is_unsupported_and_costs_no_connection(client: RawClient) -> None:
    request = GetTelemetrySubscriptionsRequest(client_instance_id=ZERO_UUID)
    answer = client.call(ApiKey.GET_TELEMETRY_SUBSCRIPTIONS, 0, request)
    assert answer.error_code == UNSUPPORTED_VERSION
    assert client.call(ApiKey.METADATA, 1, MetadataRequest(topics=[])).brokers


def test_an_unserved_api_that_is_asked_very_much_costs_the_connection(client: RawClient) -> None:
    request = PushTelemetryRequest(client_instance_id=ZERO_UUID, metrics=b"m" * 100_000)
    client.send(ApiKey.PUSH_TELEMETRY, 0, request)
    assert client.is_closed_by_peer()


@pytest.mark.parametrize(
    ("change", "error_code"),
    [
        (ScramCredentialUpsertion(name="", mechanism=1, iterations=4096), 93),
        (ScramCredentialUpsertion(name="a", mechanism=3, iterations=4096), 33),
        (ScramCredentialUpsertion(name="a", mechanism=1, iterations=4095), 93),
        (ScramCredentialUpsertion(name="a", mechanism=1, iterations=16385), 93),
        (ScramCredentialUpsertion(name="kept", mechanism=1, iterations=4096), 92),
        (ScramCredentialDeletion(name="a", mechanism=1), 91),
    ],
)
def test_a_scram_credential_that_cannot_be_is_refused_and_others_are_made(
    client: RawClient,
    change: ScramCredentialUpsertion | ScramCredentialDeletion,
    error_code: int,
) -> None:
    kept = ScramCredentialUpsertion(name="kept", mechanism=1, iterations=4096)
    fine = ScramCredentialUpsertion(
        name="\x1b[2J", mechanism=2, iterations=4096, salt=b"s", salted_password=b"p"
    )
    changes = [kept, fine]
    request = AlterUserScramCredentialsRequest(deletions=[], upsertions=changes)
    (changes if isinstance(change, ScramCredentialUpsertion) else request.deletions).append(change)
    answer = client.call(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, 0, request)
    codes = {result.user: result.error_code for result in answer.results}
    assert codes.pop(change.name) == error_code
    assert set(codes.values()) == {0}
    clean = [
        ScramCredentialDeletion(name=name, mechanism=m) for name, m in (("kept", 1), ("\x1b[2J", 2))
    ]
    request = AlterUserScramCredentialsRequest(deletions=clean, upsertions=[])
    client.call(ApiKey.ALTER_USER_SCRAM_CREDENTIALS, 0, request)
