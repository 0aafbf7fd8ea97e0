"""APIs that a Kafka without an authorizer, quotas and logins answers all the same."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AclCreation,
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
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
    FindCoordinatorRequest,
    ListTransactionsRequest,
    UpdateFeaturesRequest,
    UserName,
)
from tests.differential.produce_cases import NOW
from tests.differential.sides import Side, Sides, attempts
from tests.unit.kafka.test_skipped import KAFKAS_APIS
from tests.wire.test_produce_and_fetch import batch, produce_request

pytestmark = pytest.mark.kafka

COORDINATOR_IS_COMING = {14, 15, 16}
ANY, TOPIC, LITERAL, MATCH, ALL, ALLOW = 1, 2, 3, 2, 2, 3


@pytest.mark.parametrize("version", [1, 2, 3])
def test_acls_without_an_authorizer(sides: Sides, version: int) -> None:
    filters: dict[str, Any] = {
        "resource_type_filter": ANY,
        "resource_name_filter": None,
        "pattern_type_filter": ANY,
        "principal_filter": None,
        "host_filter": None,
        "operation": ANY,
        "permission_type": ANY,
    }
    creation = AclCreation(
        resource_type=TOPIC,
        resource_name="t",
        resource_pattern_type=LITERAL,
        principal="User:a",
        host="*",
        operation=ALL,
        permission_type=ALLOW,
    )

    def scenario(side: Side) -> Any:
        return [
            side.ask(ApiKey.DESCRIBE_ACLS, version, DescribeAclsRequest(**filters)),
            side.ask(
                ApiKey.CREATE_ACLS, version, CreateAclsRequest(creations=[creation, creation])
            ),
            side.ask(ApiKey.CREATE_ACLS, version, CreateAclsRequest(creations=[])),
            side.ask(
                ApiKey.DELETE_ACLS,
                version,
                DeleteAclsRequest(filters=[DeleteAclsFilter(**filters)] * 2),
            ),
            side.ask(ApiKey.DELETE_ACLS, version, DeleteAclsRequest(filters=[])),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize(
    "components",
    [
        [],
        [("user", MATCH, None)],
        [("user", 0, "alice"), ("client-id", 1, None)],
        [("ip", 0, "127.0.0.1")],
        [("user", 0, "a"), ("user", 0, "b")],
        [("nonsense", 0, "a")],
        [("", 0, "a")],
        [("user", 3, None)],
        [("user", 0, None)],
        [("user", 1, "x")],
        [("ip", 2, None), ("user", 2, None)],
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_quotas_where_there_are_none(
    sides: Sides, version: int, components: list[tuple[str, int, str | None]], strict: bool
) -> None:
    request = DescribeClientQuotasRequest(
        components=[ComponentData(entity_type=t, match_type=m, match=n) for t, m, n in components],
        strict=strict,
    )
    sides.compare(lambda side: side.ask(ApiKey.DESCRIBE_CLIENT_QUOTAS, version, request))


@pytest.mark.parametrize("users", [None, [], ["alice"], ["a", "b"], ["a", "a"], [""]])
def test_credentials_where_there_are_none(sides: Sides, users: list[str] | None) -> None:
    request = DescribeUserScramCredentialsRequest(
        users=None if users is None else [UserName(name=name) for name in users]
    )
    sides.compare(lambda side: side.ask(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, 0, request))


NOBODY = 1 << 40
"""Producer id that no broker has given out, whatever ran on it before."""


@pytest.mark.parametrize("version", [0, 1, 2])
def test_transactions_where_there_are_none(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        answers = []
        for states in ([], ["Ongoing"], ["Nonsense", "Empty", "ongoing"]):
            for fields in ({}, {"transactional_id_pattern": "a.*"}, {"duration_filter": 5}):
                request = ListTransactionsRequest(
                    state_filters=states, producer_id_filters=[NOBODY], **fields
                )
                if fields and version < 2:
                    continue
                answers.append(side.ask(ApiKey.LIST_TRANSACTIONS, version, request))
        if version == 2:
            request = ListTransactionsRequest(
                state_filters=[], producer_id_filters=[], transactional_id_pattern="(["
            )
            answers.append(side.ask(ApiKey.LIST_TRANSACTIONS, version, request))
        side.call(ApiKey.FIND_COORDINATOR, 3, FindCoordinatorRequest(key="a", key_type=1))
        for _ in attempts():
            described = DescribeTransactionsRequest(transactional_ids=["a", "unknown"])
            found = side.call(ApiKey.DESCRIBE_TRANSACTIONS, 0, described).transaction_states
            if not {state.error_code for state in found} & COORDINATOR_IS_COMING:
                break
        for names in ([], ["unknown"], ["a", "a"], [""]):
            described = DescribeTransactionsRequest(transactional_ids=names)
            answers.append(side.ask(ApiKey.DESCRIBE_TRANSACTIONS, 0, described))
        return answers

    sides.compare(scenario)


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize(
    "topics",
    [
        [("__cluster_metadata", [0])],
        [],
        [("__cluster_metadata", [1])],
        [("__cluster_metadata", [])],
        [("__cluster_metadata", [0, 1])],
        [("other", [0])],
        [("__cluster_metadata", [0]), ("other", [0])],
    ],
)
def test_the_quorum_is_one_node(
    sides: Sides, version: int, topics: list[tuple[str, list[int]]]
) -> None:
    request = DescribeQuorumRequest(
        topics=[
            DescribeQuorumRequestTopicData(
                topic_name=name,
                partitions=[DescribeQuorumRequestPartitionData(partition_index=i) for i in indexes],
            )
            for name, indexes in topics
        ]
    )

    def scenario(side: Side) -> Any:
        answer = side.ask(ApiKey.DESCRIBE_QUORUM, version, request)
        for topic in answer["topics"]:
            for partition in topic["partitions"]:
                for replica in partition["current_voters"]:
                    # How far the log of metadata is, and when, differs.
                    assert (replica.pop("log_end_offset") >= 0) or partition["error_code"]
                    replica.pop("last_fetch_timestamp")
                    replica.pop("last_caught_up_timestamp")
                    replica.pop("replica_directory_id")
                partition["high_watermark"] = partition["high_watermark"] > 0
                partition["leader_epoch"] = partition["leader_epoch"] > 0
        for node in answer["nodes"]:
            for listener in node["listeners"]:
                del listener["name"]
        return answer

    sides.compare(scenario)


def test_producers_of_a_partition(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(2)
        producer = side.new_producer_id()
        for sequence in (0, 2):
            records = batch(
                b"a",
                b"b",
                timestamp_ms=NOW,
                producer_id=producer,
                producer_epoch=0,
                base_sequence=sequence,
            )
            side.call(ApiKey.PRODUCE, 9, produce_request(topic, records))
        side.call(ApiKey.PRODUCE, 9, produce_request(topic, batch(b"no id")))
        asked = [
            DescribeProducersRequestTopicRequest(name=name, partition_indexes=indexes)
            for name, indexes in ((topic, [0, 1, 2, -1]), ("unknown", [0]), ("bad name", [0]))
        ]
        answer = side.ask(ApiKey.DESCRIBE_PRODUCERS, 0, DescribeProducersRequest(topics=asked))
        found = answer["topics"][0]["partitions"][0]["active_producers"][0]
        found["last_timestamp"] = found["last_timestamp"] > 0
        return answer

    sides.compare(scenario)


@pytest.mark.parametrize("version", [1, 2])
def test_replicas_stay_in_their_directory(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(2)
        logs = side.call(ApiKey.DESCRIBE_LOG_DIRS, 4, DescribeLogDirsRequest(topics=[]))
        present = logs.results[0].log_dir
        answers = []
        for path, name, partitions in (
            (present, topic, [0, 1]),
            (present, topic, [0, 9]),
            (present, "unknown", [0]),
            ("/nowhere/at/all", topic, [0]),
            ("relative", topic, [0]),
            ("", topic, [0]),
            ("/nowhere/at/all", "unknown", [0]),
            (present, topic, []),
        ):
            moved = AlterReplicaLogDir(
                path=path, topics=[AlterReplicaLogDirTopic(name=name, partitions=partitions)]
            )
            request = AlterReplicaLogDirsRequest(dirs=[moved])
            answer = side.ask(ApiKey.ALTER_REPLICA_LOG_DIRS, version, request)
            for result in answer["results"]:
                result["partitions"].sort(key=lambda found: found["partition_index"])
            answers.append(answer)
        return answers

    sides.compare(scenario)


UPDATES = [
    ([], False),
    ([("nonsense", 1, 1)], False),
    ([("nonsense", 1, 1)], True),
    ([("group.version", 1, 1)], False),
    ([("group.version", 99, 1)], False),
    ([("group.version", -1, 1)], False),
    ([("group.version", 0, 1)], True),
    ([("metadata.version", 30, 1)], False),
    ([("metadata.version", 99, 1)], False),
    ([("metadata.version", 7, 1)], True),
    ([("", 1, 1)], False),
    ([("group.version", 1, 0)], False),
    ([("group.version", 1, 9)], False),
    ([("kraft.version", 1, 1)], False),
    ([("group.version", 1, 1), ("nonsense", 1, 1)], False),
    ([("share.version", 1, 1), ("group.version", 1, 1)], False),
]


@pytest.mark.parametrize(
    ("version", "updates", "validate_only"),
    # Version 0 cannot only validate.
    [(version, *case) for version in range(3) for case in UPDATES if version or not case[1]],
)
def test_features_are_updated_or_not(
    sides: Sides, version: int, updates: list[tuple[str, int, int]], validate_only: bool
) -> None:
    request = UpdateFeaturesRequest(
        timeout_ms=5000,
        feature_updates=[
            FeatureUpdateKey(feature=f, max_version_level=level, upgrade_type=t)
            if version
            else FeatureUpdateKey(feature=f, max_version_level=level, allow_downgrade=t == 2)
            for f, level, t in updates
        ],
        validate_only=validate_only,
    )

    def scenario(side: Side) -> Any:
        answer = side.ask(ApiKey.UPDATE_FEATURES, version, request)
        # Kafka goes through the features in the order of a hash map.
        answer["results"].sort(key=lambda result: result["feature"])
        return answer

    sides.compare(scenario)


def test_the_apis_that_are_served_or_listed_as_skipped_are_all_of_kafkas(sides: Sides) -> None:
    request = ApiVersionsRequest(client_software_name="raw", client_software_version="1")
    answer = sides.kafka.call(ApiKey.API_VERSIONS, 4, request)
    assert {
        row.api_key: (row.min_version, row.max_version) for row in answer.api_keys
    } == KAFKAS_APIS


@pytest.mark.parametrize("version", range(5))
def test_features_of_the_cluster(sides: Sides, version: int) -> None:
    request = ApiVersionsRequest(client_software_name="raw", client_software_version="1")

    def scenario(side: Side) -> Any:
        answer = side.call(ApiKey.API_VERSIONS, version, request)
        return [
            sorted((f.name, f.min_version, f.max_version) for f in answer.supported_features),
            sorted(
                (f.name, f.min_version_level, f.max_version_level)
                for f in answer.finalized_features
                # Kafka has it from its quorum and not from its log, and not at all times.
                if f.name != "kraft.version"
            ),
            answer.finalized_features_epoch >= 0,
            answer.zk_migration_ready,
        ]

    sides.compare(scenario)
