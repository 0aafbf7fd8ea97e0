"""What a client is answered that may do some things and not others, in every API and version."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from fakebus.addresses import Address, KafkaAddress
from fakebus.app import FakeBus
from fakebus.config import Settings
from fakebus.kafka.served import SERVED
from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from tests.differential.sides import Side, Sides, attempts
from tests.unit.broker.batches import batch
from tests.wire.client import RawClient
from tools.kafka import free_port, running_kafka

pytestmark = pytest.mark.kafka

OPEN, SHUT = "open", "shut"
CONFIGS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "sasl.enabled.mechanisms": "PLAIN",
}
JAAS = "org.apache.kafka.common.security.plain.PlainLoginModule required"
PASSWORD = "secret"
ANY, TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID = range(1, 6)
ALL, READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE = range(2, 9)
LITERAL, PREFIXED = 3, 4
DENY, ALLOW = 2, 3


class LoggedInSide(Side):
    """A broker that is asked by a user."""

    def __init__(self, bootstrap_servers: str, user: str, topics: dict[str, UUID]) -> None:
        super().__init__(bootstrap_servers)
        self._user = user
        self.topics = topics

    @property
    def client(self) -> RawClient:
        if self._client is None:
            self._client = RawClient(self.bootstrap_servers)
            self._client.call(ApiKey.SASL_HANDSHAKE, 1, m.SaslHandshakeRequest(mechanism="PLAIN"))
            answer = self._client.call(
                ApiKey.SASL_AUTHENTICATE,
                2,
                m.SaslAuthenticateRequest(auth_bytes=self._user.encode()),
            )
            assert answer.error_code == 0, answer
        return self._client


def acl(operation: int, name: str, kind: int = TOPIC, **other: Any) -> m.AclCreation:
    values: dict[str, Any] = {
        "resource_type": kind,
        "resource_name": name,
        "resource_pattern_type": LITERAL,
        "principal": "User:alice",
        "host": "*",
        "operation": operation,
        "permission_type": ALLOW,
        **other,
    }
    return m.AclCreation(**values)


def prepared(address: str) -> dict[str, UUID]:
    """Make topics and ACLs; return the topics' ids."""
    side = Side(address)
    topics = [
        m.CreatableTopic(name=each, num_partitions=1, replication_factor=1)
        for each in (OPEN, SHUT, "denied")
    ]
    created = side.call(
        ApiKey.CREATE_TOPICS, 7, m.CreateTopicsRequest(topics=topics, timeout_ms=9000)
    )
    acls = [
        *(acl(ALL, OPEN, kind) for kind in (TOPIC, GROUP, TRANSACTIONAL_ID)),
        acl(ALL, "denied"),
        acl(DELETE, "denied", permission_type=DENY),
        acl(DESCRIBE, "described"),
        acl(CREATE, "creatable"),
    ]
    for each in (OPEN, SHUT, "denied"):
        side.await_leaders(each, 1)
    coordinator = m.FindCoordinatorRequest(key=OPEN, key_type=0)
    for _ in attempts():
        if side.call(ApiKey.FIND_COORDINATOR, 3, coordinator).error_code == 0:
            fetched = m.OffsetFetchRequest(group_id=OPEN, topics=[])
            if side.call(ApiKey.OFFSET_FETCH, 5, fetched).error_code == 0:
                break
    answer = side.call(ApiKey.CREATE_ACLS, 3, m.CreateAclsRequest(creations=acls))
    assert {each.error_code for each in answer.results} == {0}
    side.disconnect()
    return {topic.name: topic.topic_id for topic in created.topics}


@contextlib.contextmanager
def sides_by_user(
    *users: str, configs: Mapping[str, str] = MappingProxyType({})
) -> Iterator[dict[str, Sides]]:
    """Run both brokers; give them by who asks: ``super``, a super user, and these users.

    Args:
        users: their names.
        configs: what both brokers have besides.
    """
    configs = {**CONFIGS, **configs}
    plain, controller, sasl = (f"127.0.0.1:{free_port()}" for _ in range(3))
    settings = {
        **configs,
        "listeners": f"PLAINTEXT://{plain},CONTROLLER://{controller},SASL_PLAINTEXT://{sasl}",
        "advertised.listeners": f"PLAINTEXT://{plain},SASL_PLAINTEXT://{sasl}",
        "controller.quorum.voters": f"1@{controller}",
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT"
        ),
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": " ".join(
            [JAAS, *(f'user_{user}="{PASSWORD}"' for user in users)]
        )
        + ";",
    }
    bus = Settings(
        data=None,
        kafka=(Address("127.0.0.1", 0), KafkaAddress("127.0.0.1", 0, "SASL_PLAINTEXT")),
        http=(),
        set={**configs, "fakebus.sasl.users": ",".join(f"{user}:{PASSWORD}" for user in users)},
    )
    port = int(plain.rpartition(":")[2])
    with running_kafka(settings, port), FakeBus.thread(bus) as running:
        ours = [str(address) for address in running.kafka_addresses]
        theirs = [plain, sasl]
        ids = [prepared(address[0]) for address in (theirs, ours)]
        yield {
            "super": Sides(Side(theirs[0]), Side(ours[0])),
            **{
                user: Sides(
                    *(
                        LoggedInSide(address[1], f"\0{user}\0{PASSWORD}", topics)
                        for address, topics in zip((theirs, ours), ids, strict=True)
                    )
                )
                for user in users
            },
        }


@pytest.fixture(scope="module")
def guarded() -> Iterator[dict[str, Sides]]:
    """Both brokers by who asks them: a super user, alice with some ACLs, eve without any."""
    with sides_by_user("alice", "eve") as sides:
        yield sides


def topics(side: LoggedInSide) -> list[tuple[str, UUID]]:
    return [
        (name, side.topics.get(name, UUID(int=len(name))))
        for name in (OPEN, SHUT, "denied", "described", "missing")
    ]


def each(kind: Any, attribute: str, **more: Any) -> Any:
    return lambda side: [
        kind(
            **{
                attribute: name,
                **more,
                **({"topic_id": topic_id} if "topic_id" in kind.__slots__ else {}),
            }
        )
        for name, topic_id in topics(side)
    ]


def plain(request: Any) -> Any:
    return lambda side: request


BATCH = batch(b"v")
EVERY_ACL = m.DescribeAclsRequest(
    resource_type_filter=ANY,
    resource_name_filter=None,
    pattern_type_filter=ANY,
    principal_filter=None,
    host_filter=None,
    operation=ANY,
    permission_type=ANY,
)
REQUESTS: dict[ApiKey, Any] = {
    ApiKey.PRODUCE: lambda side: m.ProduceRequest(
        acks=-1,
        timeout_ms=9000,
        topic_data=[
            m.TopicProduceData(
                name=name,
                topic_id=topic_id,
                partition_data=[m.PartitionProduceData(index=0, records=bytearray(BATCH))],
            )
            for name, topic_id in topics(side)
        ],
    ),
    ApiKey.FETCH: lambda side: m.FetchRequest(
        max_wait_ms=0,
        min_bytes=0,
        session_id=0,
        session_epoch=-1,
        topics=[
            m.FetchRequestFetchTopic(
                topic=name,
                topic_id=topic_id,
                partitions=[
                    m.FetchRequestFetchPartition(
                        partition=0,
                        fetch_offset=0,
                        partition_max_bytes=1,
                        current_leader_epoch=-1,
                        last_fetched_epoch=-1,
                    )
                ],
            )
            for name, topic_id in topics(side)
        ],
    ),
    ApiKey.LIST_OFFSETS: lambda side: m.ListOffsetsRequest(
        topics=each(
            m.ListOffsetsTopic,
            "name",
            partitions=[m.ListOffsetsPartition(partition_index=0, timestamp=-2)],
        )(side)
    ),
    ApiKey.METADATA: lambda side: m.MetadataRequest(
        topics=[m.MetadataRequestTopic(name=name) for name, _ in topics(side)],
        allow_auto_topic_creation=True,
        include_cluster_authorized_operations=True,
        include_topic_authorized_operations=True,
    ),
    ApiKey.OFFSET_COMMIT: lambda side: m.OffsetCommitRequest(
        group_id=OPEN,
        generation_id_or_member_epoch=-1,
        topics=each(
            m.OffsetCommitRequestTopic,
            "name",
            partitions=[m.OffsetCommitRequestPartition(partition_index=0, committed_offset=0)],
        )(side),
    ),
    ApiKey.OFFSET_FETCH: lambda side: m.OffsetFetchRequest(
        group_id=OPEN,
        topics=each(m.OffsetFetchRequestTopic, "name", partition_indexes=[0])(side),
        groups=[
            m.OffsetFetchRequestGroup(
                group_id=group,
                member_epoch=-1,
                topics=each(m.OffsetFetchRequestTopics, "name", partition_indexes=[0])(side),
            )
            for group in (OPEN, SHUT)
        ],
    ),
    ApiKey.FIND_COORDINATOR: plain(
        m.FindCoordinatorRequest(key=SHUT, key_type=0, coordinator_keys=[OPEN, SHUT])
    ),
    ApiKey.JOIN_GROUP: plain(
        m.JoinGroupRequest(
            group_id=SHUT,
            session_timeout_ms=6000,
            rebalance_timeout_ms=6000,
            protocol_type="consumer",
            protocols=[m.JoinGroupRequestProtocol(name="range", metadata=b"")],
        )
    ),
    ApiKey.HEARTBEAT: plain(m.HeartbeatRequest(group_id=SHUT, generation_id=1, member_id="m")),
    ApiKey.LEAVE_GROUP: plain(
        m.LeaveGroupRequest(group_id=SHUT, member_id="m", members=[m.MemberIdentity(member_id="m")])
    ),
    ApiKey.SYNC_GROUP: plain(
        m.SyncGroupRequest(
            group_id=SHUT,
            generation_id=1,
            member_id="m",
            protocol_type="consumer",
            protocol_name="range",
        )
    ),
    ApiKey.DESCRIBE_GROUPS: plain(
        m.DescribeGroupsRequest(groups=[SHUT, OPEN], include_authorized_operations=True)
    ),
    ApiKey.LIST_GROUPS: plain(m.ListGroupsRequest()),
    ApiKey.CREATE_TOPICS: plain(
        m.CreateTopicsRequest(
            topics=[
                m.CreatableTopic(name=name, num_partitions=1, replication_factor=1)
                for name in (OPEN, SHUT, "creatable")
            ],
            timeout_ms=9000,
            validate_only=True,
        )
    ),
    ApiKey.DELETE_TOPICS: lambda side: m.DeleteTopicsRequest(
        topic_names=[SHUT, "denied", "missing", "described"],
        topics=[
            m.DeleteTopicState(name=SHUT),
            m.DeleteTopicState(name="denied"),
            m.DeleteTopicState(name=None, topic_id=side.topics[SHUT]),
        ],
        timeout_ms=9000,
    ),
    ApiKey.DELETE_RECORDS: lambda side: m.DeleteRecordsRequest(
        topics=each(
            m.DeleteRecordsTopic,
            "name",
            partitions=[m.DeleteRecordsPartition(partition_index=0, offset=0)],
        )(side),
        timeout_ms=9000,
    ),
    ApiKey.INIT_PRODUCER_ID: plain(
        m.InitProducerIdRequest(
            transactional_id=SHUT, transaction_timeout_ms=1000, producer_id=-1, producer_epoch=-1
        )
    ),
    ApiKey.OFFSET_FOR_LEADER_EPOCH: lambda side: m.OffsetForLeaderEpochRequest(
        replica_id=-1,
        topics=each(
            m.OffsetForLeaderTopic,
            "topic",
            partitions=[
                m.OffsetForLeaderPartition(partition=0, current_leader_epoch=-1, leader_epoch=0)
            ],
        )(side),
    ),
    ApiKey.DESCRIBE_ACLS: plain(EVERY_ACL),
    ApiKey.CREATE_ACLS: plain(m.CreateAclsRequest(creations=[acl(ALL, OPEN)])),
    ApiKey.DELETE_ACLS: plain(
        m.DeleteAclsRequest(
            filters=[
                m.DeleteAclsFilter(
                    resource_type_filter=TOPIC,
                    resource_name_filter="none",
                    pattern_type_filter=LITERAL,
                    operation=ANY,
                    permission_type=ANY,
                )
            ]
        )
    ),
    ApiKey.DESCRIBE_CONFIGS: plain(
        m.DescribeConfigsRequest(
            resources=[
                m.DescribeConfigsResource(
                    resource_type=kind, resource_name=name, configuration_keys=["retention.ms"]
                )
                for kind, name in ((2, SHUT), (2, "missing"), (4, "1"), (32, SHUT))
            ]
        )
    ),
    ApiKey.ALTER_CONFIGS: plain(
        m.AlterConfigsRequest(
            resources=[
                m.AlterConfigsRequestAlterConfigsResource(
                    resource_type=kind, resource_name=name, configs=[]
                )
                for kind, name in ((2, SHUT), (4, "1"), (32, SHUT))
            ],
            validate_only=True,
        )
    ),
    ApiKey.INCREMENTAL_ALTER_CONFIGS: plain(
        m.IncrementalAlterConfigsRequest(
            resources=[
                m.IncrementalAlterConfigsRequestAlterConfigsResource(
                    resource_type=kind, resource_name=name, configs=[]
                )
                for kind, name in ((2, SHUT), (4, "1"), (32, SHUT))
            ],
            validate_only=True,
        )
    ),
    ApiKey.DESCRIBE_LOG_DIRS: plain(m.DescribeLogDirsRequest(topics=None)),
    ApiKey.CREATE_PARTITIONS: lambda side: m.CreatePartitionsRequest(
        topics=[
            m.CreatePartitionsTopic(name=name, count=1, assignments=None)
            for name in (SHUT, "missing")
        ],
        timeout_ms=9000,
        validate_only=True,
    ),
    ApiKey.DELETE_GROUPS: plain(m.DeleteGroupsRequest(groups_names=[SHUT, OPEN])),
    ApiKey.ELECT_LEADERS: plain(
        m.ElectLeadersRequest(
            topic_partitions=[m.ElectLeadersRequestTopicPartitions(topic=SHUT, partitions=[0, 3])],
            timeout_ms=9000,
        )
    ),
    ApiKey.ALTER_PARTITION_REASSIGNMENTS: plain(
        m.AlterPartitionReassignmentsRequest(
            topics=[
                m.ReassignableTopic(
                    name=SHUT, partitions=[m.ReassignablePartition(partition_index=0, replicas=[1])]
                )
            ]
        )
    ),
    ApiKey.LIST_PARTITION_REASSIGNMENTS: plain(m.ListPartitionReassignmentsRequest(topics=None)),
    ApiKey.OFFSET_DELETE: plain(
        m.OffsetDeleteRequest(
            group_id=SHUT,
            topics=[
                m.OffsetDeleteRequestTopic(
                    name=OPEN, partitions=[m.OffsetDeleteRequestPartition(partition_index=0)]
                )
            ],
        )
    ),
    ApiKey.DESCRIBE_CLIENT_QUOTAS: plain(
        m.DescribeClientQuotasRequest(components=[], strict=False)
    ),
    ApiKey.ALTER_CLIENT_QUOTAS: plain(
        m.AlterClientQuotasRequest(
            entries=[
                m.AlterClientQuotasRequestEntryData(
                    entity=[m.EntityData(entity_type="user", entity_name="u")],
                    ops=[m.OpData(key="producer_byte_rate", value=1e9)],
                )
            ]
        )
    ),
    ApiKey.CREATE_DELEGATION_TOKEN: plain(
        m.CreateDelegationTokenRequest(
            owner_principal_type="User", owner_principal_name="bob", renewers=[], max_lifetime_ms=-1
        )
    ),
    ApiKey.RENEW_DELEGATION_TOKEN: plain(m.RenewDelegationTokenRequest(hmac=b"x")),
    ApiKey.EXPIRE_DELEGATION_TOKEN: plain(m.ExpireDelegationTokenRequest(hmac=b"x")),
    ApiKey.DESCRIBE_DELEGATION_TOKEN: plain(m.DescribeDelegationTokenRequest(owners=None)),
    ApiKey.UNREGISTER_BROKER: plain(m.UnregisterBrokerRequest(broker_id=99)),
    ApiKey.DESCRIBE_QUORUM: plain(m.DescribeQuorumRequest(topics=[])),
    ApiKey.UPDATE_FEATURES: plain(
        m.UpdateFeaturesRequest(
            feature_updates=[
                m.FeatureUpdateKey(feature="group.version", max_version_level=1, upgrade_type=1)
            ],
            validate_only=True,
        )
    ),
    ApiKey.DESCRIBE_CLUSTER: plain(
        m.DescribeClusterRequest(include_cluster_authorized_operations=True)
    ),
    ApiKey.DESCRIBE_PRODUCERS: lambda side: m.DescribeProducersRequest(
        topics=[
            m.DescribeProducersRequestTopicRequest(name=name, partition_indexes=[0])
            for name in (SHUT, "missing")
        ]
    ),
    ApiKey.DESCRIBE_TRANSACTIONS: plain(m.DescribeTransactionsRequest(transactional_ids=[SHUT])),
    ApiKey.LIST_TRANSACTIONS: plain(m.ListTransactionsRequest(duration_filter=-1)),
    ApiKey.LIST_CONFIG_RESOURCES: plain(m.ListConfigResourcesRequest(resource_types=[2])),
    ApiKey.DESCRIBE_TOPIC_PARTITIONS: lambda side: m.DescribeTopicPartitionsRequest(
        topics=[m.DescribeTopicPartitionsRequestTopicRequest(name=name) for name, _ in topics(side)]
    ),
    ApiKey.ALTER_REPLICA_LOG_DIRS: plain(
        m.AlterReplicaLogDirsRequest(
            dirs=[
                m.AlterReplicaLogDir(
                    path="/x", topics=[m.AlterReplicaLogDirTopic(name=SHUT, partitions=[0])]
                )
            ]
        )
    ),
}


def sorted_lists(value: Any) -> Any:
    """Kafka puts what it refuses before or behind the rest, as it likes."""
    if isinstance(value, dict):
        return {name: sorted_lists(each) for name, each in value.items()}
    if isinstance(value, list):
        return sorted(map(sorted_lists, value), key=repr)
    return value


CASES = [
    pytest.param(api, version, id=f"{api.name} {version}")
    for api in REQUESTS
    for version in range(SERVED[api].min_version, SERVED[api].max_version + 1)
]


@pytest.mark.parametrize("user", ["alice", "eve"])
@pytest.mark.parametrize(("api", "version"), CASES)
def test_what_a_client_may_not_do(
    guarded: dict[str, Sides], user: str, api: ApiKey, version: int
) -> None:
    def scenario(side: Any) -> Any:
        for name, topic_id in side.topics.items():
            side.name(topic_id, f"id of {name}")
        return sorted_lists(side.ask(api, version, REQUESTS[api](side)))

    guarded[user].compare(scenario)


@pytest.mark.parametrize("user", ["alice", "eve"])
@pytest.mark.parametrize("users", [[], ["bob"], ["bob", "bob"], ["nobody", ""]])
def test_users_that_a_client_may_not_describe(
    guarded: dict[str, Sides], user: str, users: list[str]
) -> None:
    """Not of all users, of which Kafka never answers."""

    def scenario(side: Any) -> Any:
        names = [m.UserName(name=name) for name in users]
        asked = m.DescribeUserScramCredentialsRequest(users=names)
        answer = side.ask(ApiKey.DESCRIBE_USER_SCRAM_CREDENTIALS, 0, asked)
        # Kafka adds a row for each, without its name.
        return answer["error_code"], answer["error_message"]

    guarded[user].compare(scenario)


def test_metadata_of_all_topics_and_by_id(guarded: dict[str, Sides]) -> None:
    def scenario(side: Any) -> Any:
        for name, topic_id in side.topics.items():
            side.name(topic_id, f"id of {name}")
        by_id = [
            m.MetadataRequestTopic(topic_id=topic_id, name=None)
            for topic_id in side.topics.values()
        ]
        answers = [
            side.ask(ApiKey.METADATA, 12, m.MetadataRequest(topics=asked))
            for asked in (None, by_id)
        ]
        asked = m.DescribeTopicPartitionsRequest(topics=[])
        return sorted_lists([*answers, side.ask(ApiKey.DESCRIBE_TOPIC_PARTITIONS, 0, asked)])

    guarded["alice"].compare(scenario)


INVALID = [
    acl(ALL, ""),
    acl(ALL, "other", CLUSTER),
    acl(ALL, "kafka-cluster", CLUSTER),
    acl(ALL, "a", principal="alice"),
    acl(ALL, "a", principal=""),
    acl(ALL, "a", host=""),
    acl(CREATE, "a", GROUP),
    acl(ALL, "a", 6),
    acl(ALL, "User:a", 7),
    acl(13, "User:a", 7),
]


@pytest.mark.parametrize("number", range(len(INVALID)))
def test_acls_that_are_created(guarded: dict[str, Sides], number: int) -> None:
    def scenario(side: Side) -> Any:
        wanted = INVALID[number]
        request = m.CreateAclsRequest(creations=[acl(ALL, "fine"), wanted])
        answers = [side.ask(ApiKey.CREATE_ACLS, version, request) for version in (1, 2, 3)]
        by_name = m.DeleteAclsFilter(
            resource_type_filter=ANY,
            resource_name_filter=wanted.resource_name or None,
            pattern_type_filter=ANY,
            principal_filter=None,
            host_filter=None,
            operation=ANY,
            permission_type=ANY,
        )
        fine = m.DeleteAclsFilter(
            resource_type_filter=ANY,
            resource_name_filter="fine",
            pattern_type_filter=2,
            principal_filter=None,
            host_filter=None,
            operation=ANY,
            permission_type=ANY,
        )
        if wanted.resource_name:
            answers.append(side.ask(ApiKey.DELETE_ACLS, 3, m.DeleteAclsRequest(filters=[by_name])))
        answers.append(side.ask(ApiKey.DELETE_ACLS, 3, m.DeleteAclsRequest(filters=[fine])))
        return answers

    guarded["super"].compare(scenario)


@pytest.mark.parametrize(
    "field", ["resource_type_filter", "pattern_type_filter", "operation", "permission_type"]
)
@pytest.mark.parametrize("number", [0, 1, 2, 3, 99, -1])
def test_filters(guarded: dict[str, Sides], field: str, number: int) -> None:
    def scenario(side: Side) -> Any:
        values = {name: getattr(EVERY_ACL, name) for name in EVERY_ACL.__slots__}
        asked = m.DescribeAclsRequest(**{**values, field: number, "resource_name_filter": OPEN})
        answers = [
            sorted_lists(side.ask(ApiKey.DESCRIBE_ACLS, version, asked)) for version in (1, 3)
        ]
        side.disconnect()
        return answers

    guarded["super"].compare(scenario)
