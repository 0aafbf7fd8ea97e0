"""What no client sends: names twice, none, or of what is not there, in every version of an API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fakebus.kafka.served import SERVED
from fakebus.protocol import messages as m
from fakebus.protocol.api_keys import ApiKey
from fakebus.types import ZERO_UUID
from tests.differential.group_cases import configure_group, new_group
from tests.differential.sides import Side, Sides, attempts
from tests.differential.transaction_cases import TransactionalProducer

pytestmark = pytest.mark.kafka

RANGES = {each.api_key: (each.advertised_min_version, each.max_version) for each in SERVED.values()}
Requests = Iterator[Any]
UNKNOWN, WRONG = "not-there", "wrong name!"
LATER = {14, 15, 16}
"""What Kafka says while a coordinator comes up."""


class Scene:
    """What the requests are about: a topic with two partitions, and a group without members.

    Args:
        side: the broker.
        version: of the API that is asked.
    """

    def __init__(self, side: Side, version: int) -> None:
        self.side = side
        self.version = version
        self.topic = side.new_topic(2)
        self.topic_id = side.topic_id(self.topic)
        self.group = new_group(side)
        self.transactional_id = TransactionalProducer(side).name
        side.name(self.transactional_id, "transactional id")


def delete_topics(scene: Scene) -> Requests:
    names = [[scene.topic, UNKNOWN, UNKNOWN], [""], [WRONG, WRONG]]
    if scene.version < 6:
        yield from (m.DeleteTopicsRequest(topic_names=each, timeout_ms=10_000) for each in names)
        return
    both = {"name": scene.topic, "topic_id": scene.topic_id}
    for rows in (
        *([{"name": each} for each in row] for row in names),
        *([both], [{}], [{"name": ""}], [{"topic_id": scene.topic_id}] * 2, [{}, {}]),
        [{"name": scene.topic}, {"topic_id": scene.topic_id}],
    ):
        topics = [m.DeleteTopicState(**row) for row in rows]
        yield m.DeleteTopicsRequest(topics=topics, timeout_ms=10_000)


def create_partitions(scene: Scene) -> Requests:
    for rows in (
        [(scene.topic, 3, None), (scene.topic, 4, None)],
        [("", 3, None)],
        [(WRONG, 3, None)],
        [(UNKNOWN, 3, None), (UNKNOWN, 3, None)],
        [(scene.topic, 0, None)],
        [(scene.topic, -1, None)],
        [(scene.topic, 2, None)],
        [(scene.topic, 3, [])],
        [(scene.topic, 3, [[]])],
        [(scene.topic, 3, [[1, 1]])],
        [(scene.topic, 3, [[-1]])],
        [(scene.topic, 3, [[99]])],
        [(scene.topic, 3, [[1], [1]])],
    ):
        yield m.CreatePartitionsRequest(
            topics=[
                m.CreatePartitionsTopic(
                    name=name,
                    count=count,
                    assignments=rows
                    if rows is None
                    else [m.CreatePartitionsAssignment(broker_ids=ids) for ids in rows],
                )
                for name, count, rows in rows
            ],
            timeout_ms=10_000,
            validate_only=True,
        )


def delete_records(scene: Scene) -> Requests:
    for rows in (
        [(scene.topic, [(0, 0), (0, 0)])],
        [(scene.topic, [(0, -2), (1, 5), (9, 0), (-1, 0)])],
        [(scene.topic, [(0, 0)]), (scene.topic, [(1, 0)])],
        [(UNKNOWN, [(0, 0)]), (WRONG, [(0, 0)]), ("", [(0, 0)])],
        [(scene.topic, [])],
    ):
        topics = [
            m.DeleteRecordsTopic(
                name=name,
                partitions=[
                    m.DeleteRecordsPartition(partition_index=index, offset=offset)
                    for index, offset in partitions
                ],
            )
            for name, partitions in rows
        ]
        yield m.DeleteRecordsRequest(topics=topics, timeout_ms=10_000)


def offset_for_leader_epoch(scene: Scene) -> Requests:
    for name, partitions in (
        (scene.topic, [(0, -1, 0), (0, -1, 0)]),
        (scene.topic, [(0, -1, -1), (0, 9, 0), (1, -1, 9), (9, -1, 0), (-1, -1, 0)]),
        (scene.topic, [(0, -2, -2)]),
        (UNKNOWN, [(0, -1, 0)]),
        (WRONG, [(0, -1, 0)]),
        ("", [(0, -1, 0)]),
        (scene.topic, []),
    ):
        rows = [
            m.OffsetForLeaderPartition(
                partition=n, current_leader_epoch=current, leader_epoch=epoch
            )
            for n, current, epoch in partitions
        ]
        topic = m.OffsetForLeaderTopic(topic=name, partitions=rows)
        yield m.OffsetForLeaderEpochRequest(topics=[topic])


def delete_groups(scene: Scene) -> Requests:
    for names in ([""], [UNKNOWN, UNKNOWN], [scene.group, ""]):
        yield m.DeleteGroupsRequest(groups_names=names)


def offset_delete(scene: Scene) -> Requests:
    for group, topics in (
        (scene.group, [(scene.topic, [0, 0])]),
        (scene.group, [(scene.topic, [9, -1])]),
        (scene.group, [(UNKNOWN, [0]), (WRONG, [0])]),
        (scene.group, [(scene.topic, [])]),
        (scene.group, []),
        ("", [(scene.topic, [0])]),
        ("no such group", [(UNKNOWN, [0])]),
    ):
        rows = [
            m.OffsetDeleteRequestTopic(
                name=name,
                partitions=[m.OffsetDeleteRequestPartition(partition_index=n) for n in partitions],
            )
            for name, partitions in topics
        ]
        yield m.OffsetDeleteRequest(group_id=group, topics=rows)


def describe_new_groups(request: Any) -> Callable[[Scene], Requests]:
    def requests(scene: Scene) -> Requests:
        for names in ([""], ["no such group"], [scene.group], ["none", "other"]):
            yield request(group_ids=names)
            yield request(group_ids=names, include_authorized_operations=True)

    return requests


def consumer_group_heartbeat(scene: Scene) -> Requests:
    good = {
        "group_id": scene.group,
        "member_id": "m",
        "member_epoch": 0,
        "rebalance_timeout_ms": 60_000,
        "subscribed_topic_names": [scene.topic],
        "topic_partitions": [],
    }
    owned = [
        m.ConsumerGroupHeartbeatRequestTopicPartitions(topic_id=scene.topic_id, partitions=[0])
    ]
    for changed in (
        {"group_id": ""},
        {"group_id": " "},
        {"member_id": "" if scene.version else " "},
        {"member_id": " "},
        {"member_id": "m" * 37},
        {"member_epoch": -3},
        {"member_epoch": 1},
        {"member_epoch": -1},
        {"member_epoch": -2},
        {"member_epoch": -2, "instance_id": "i"},
        {"member_epoch": -1, "instance_id": "i"},
        {"instance_id": ""},
        {"instance_id": " "},
        {"rack_id": ""},
        {"rebalance_timeout_ms": -1},
        {"rebalance_timeout_ms": 0},
        {"subscribed_topic_names": None},
        {"topic_partitions": None},
        {"topic_partitions": owned},
        {"server_assignor": ""},
        {"server_assignor": "nonsense"},
        {"member_epoch": 3, "topic_partitions": owned},
    ):
        yield m.ConsumerGroupHeartbeatRequest(**good | changed)
    if scene.version:
        for regex in ("(", "", "a*", "["):
            fields = {"subscribed_topic_regex": regex, "member_epoch": 5}
            yield m.ConsumerGroupHeartbeatRequest(**good | fields)


def streams_group_heartbeat(scene: Scene) -> Requests:
    configs = {"streams.initial.rebalance.delay.ms": "0", "streams.assignment.interval.ms": "0"}
    configure_group(scene.side, scene.group, configs)

    def topology(*parts: Any, epoch: int = 0) -> Any:
        return m.StreamsGroupHeartbeatRequestTopology(epoch=epoch, subtopologies=list(parts))

    def part(name: str = "0", **fields: Any) -> Any:
        fields = {"source_topics": [scene.topic]} | fields
        return m.StreamsGroupHeartbeatRequestSubtopology(subtopology_id=name, **fields)

    def internal(name: str = "internal", **fields: Any) -> list[Any]:
        return [m.TopicInfo(name=name, **fields)]

    good = {
        "group_id": scene.group,
        "member_id": "m",
        "member_epoch": 0,
        "rebalance_timeout_ms": 60_000,
        "topology": topology(part()),
        "active_tasks": [],
        "standby_tasks": [],
        "warmup_tasks": [],
        "process_id": "p",
        "client_tags": [],
    }
    tasks = [m.TaskIds(subtopology_id="0", partitions=[0])]
    twice = [m.TaskIds(subtopology_id="0", partitions=[0, 0])]
    for changed in (
        {"group_id": ""},
        {"group_id": " "},
        {"member_id": ""},
        {"member_id": " "},
        {"member_id": "m" * 37},
        {"member_epoch": -3},
        {"member_epoch": 1},
        {"member_epoch": -1},
        {"member_epoch": -2},
        {"member_epoch": -2, "instance_id": "i"},
        {"instance_id": ""},
        {"instance_id": "i"},
        {"rack_id": ""},
        {"rebalance_timeout_ms": -1},
        {"rebalance_timeout_ms": 0},
        {"topology": None},
        {"active_tasks": None},
        {"standby_tasks": None},
        {"warmup_tasks": None},
        {"active_tasks": tasks},
        {"standby_tasks": tasks},
        {"warmup_tasks": tasks},
        {"member_epoch": 1, "topology": None, "active_tasks": tasks},
        {"member_epoch": 1, "topology": None, "active_tasks": twice},
        {"member_epoch": 1, "topology": None, "standby_tasks": twice},
        {"member_epoch": 1, "topology": None, "warmup_tasks": tasks},
        {"member_epoch": 1, "topology": None, "active_tasks": tasks + tasks},
        {"member_epoch": 1},
        {"process_id": None},
        {"process_id": ""},
        {"client_tags": None},
        {"user_endpoint": m.Endpoint(host="", port=1)},
        {"user_endpoint": m.Endpoint(host="h", port=0)},
        {"topology": topology(part(source_topics=["__consumer_offsets"]))},
        {"group_id": "", "topology": topology(part(source_topics=[WRONG]))},
        {
            "process_id": None,
            "topology": topology(part(state_changelog_topics=internal(partitions=1))),
        },
        {"topology": topology(part(source_topics=[WRONG]))},
        {"topology": topology(part(source_topics=[""]))},
        {"topology": topology(part(source_topics=[scene.topic, scene.topic]))},
        {"topology": topology(part(source_topic_regex=["a.*"]))},
        {"topology": topology(part(repartition_sink_topics=[WRONG]))},
        {"topology": topology(part(repartition_source_topics=internal(WRONG)))},
        {"topology": topology(part(state_changelog_topics=internal(WRONG)))},
        {"topology": topology(part(state_changelog_topics=internal(partitions=-1)))},
        {"topology": topology(part(repartition_source_topics=internal(replication_factor=-1)))},
        {"topology": topology(part(copartition_groups=[m.CopartitionGroup(source_topics=[9])]))},
    ):
        yield m.StreamsGroupHeartbeatRequest(**good | changed)


def add_partitions_to_txn(scene: Scene) -> Requests:
    def topics(*rows: tuple[str, list[int]]) -> list[Any]:
        return [m.AddPartitionsToTxnTopic(name=n, partitions=p) for n, p in rows]

    known = topics((scene.topic, [0, 0]))
    for name, rows in (
        (scene.transactional_id, known),
        ("", known),
        (scene.transactional_id, topics((UNKNOWN, [0]), (scene.topic, [0]))),
        (scene.transactional_id, topics((scene.topic, [9]))),
    ):
        if scene.version < 4:
            yield m.AddPartitionsToTxnRequest(
                v3_and_below_transactional_id=name,
                v3_and_below_producer_id=1,
                v3_and_below_topics=rows,
            )
            continue
        for count, verifies in ((1, False), (1, True), (2, False)):
            if verifies and rows is known:
                # Only brokers ask so, and no partition twice.
                continue
            transaction = m.AddPartitionsToTxnTransaction(
                transactional_id=name, producer_id=1, topics=rows, verify_only=verifies
            )
            yield m.AddPartitionsToTxnRequest(transactions=[transaction] * count)


def txn_offset_commit(scene: Scene) -> Requests:
    def topics(*rows: tuple[str, list[int]]) -> list[Any]:
        return [
            m.TxnOffsetCommitRequestTopic(
                name=name,
                partitions=[
                    m.TxnOffsetCommitRequestPartition(partition_index=n, committed_offset=1)
                    for n in partitions
                ],
            )
            for name, partitions in rows
        ]

    good = {
        "transactional_id": scene.transactional_id,
        "group_id": scene.group,
        "producer_id": 1,
        "topics": topics((scene.topic, [0])),
    }
    changes: list[dict[str, Any]] = [
        {"group_id": ""},
        {"topics": topics((UNKNOWN, [0]), (WRONG, [0]), (scene.topic, [9]))},
        {"topics": []},
    ]
    if scene.version >= 3:
        changes += [
            {"generation_id": 3},
            {"member_id": "nobody"},
            {"member_id": "nobody", "generation_id": 3},
            {"member_id": "nobody", "group_instance_id": "i"},
            {"group_instance_id": "i"},
        ]
    yield from (m.TxnOffsetCommitRequest(**good | each) for each in changes)


def end_txn(scene: Scene) -> Requests:
    for name in (scene.transactional_id, ""):
        for producer_id, epoch in ((1, 0), (-1, -1)):
            yield m.EndTxnRequest(
                transactional_id=name, producer_id=producer_id, producer_epoch=epoch, committed=True
            )


def add_offsets_to_txn(scene: Scene) -> Requests:
    for name, group in (
        (scene.transactional_id, scene.group),
        ("", scene.group),
        (scene.transactional_id, ""),
    ):
        yield m.AddOffsetsToTxnRequest(transactional_id=name, producer_id=1, group_id=group)


def init_producer_id(scene: Scene) -> Requests:
    name = scene.transactional_id
    for fields in (
        {"transactional_id": "", "transaction_timeout_ms": 1000},
        {"transactional_id": name, "transaction_timeout_ms": 0},
        {"transactional_id": name, "transaction_timeout_ms": -1},
        {"transactional_id": name, "transaction_timeout_ms": 1 << 30},
    ):
        yield m.InitProducerIdRequest(**fields)
    if scene.version >= 3:
        for producer_id, epoch in ((5, -1), (-1, 5), (5, 5)):
            fields = {"producer_id": producer_id, "producer_epoch": epoch}
            yield m.InitProducerIdRequest(
                transactional_id=name, transaction_timeout_ms=1000, **fields
            )


def find_coordinator(scene: Scene) -> Requests:
    if scene.version < 4:
        for key, kind in ((scene.group, 9), (scene.group, -1), ("", 0)):
            if scene.version or not kind:
                yield m.FindCoordinatorRequest(key=key, key_type=kind)
        return
    for keys, kind in (
        ([scene.group], 9),
        ([scene.group], -1),
        ([""], 0),
        ([], 0),
        ([scene.group, scene.group], 0),
        (["no key"], 2),
        ([""], 2),
        ([f"{scene.group}:nonsense:0"], 2),
        ([f"{scene.group}:{scene.topic_id}:x"], 2),
    ):
        for key in keys:
            scene.side.name(key, "key")
        yield m.FindCoordinatorRequest(coordinator_keys=keys, key_type=kind)


def elect_leaders(scene: Scene) -> Requests:
    for kind in (0, 1, 9) if scene.version else (0,):
        for rows in (
            [(scene.topic, [0, 0])],
            [(scene.topic, [9, -1])],
            [(UNKNOWN, [0]), (WRONG, [0])],
            [("", [0])],
            [(scene.topic, [])],
        ):
            topics = [
                m.ElectLeadersRequestTopicPartitions(topic=name, partitions=partitions)
                for name, partitions in rows
            ]
            yield m.ElectLeadersRequest(election_type=kind, topic_partitions=topics)


def alter_partition_reassignments(scene: Scene) -> Requests:
    for rows in (
        [(scene.topic, [(0, [1]), (0, [1])])],
        [(scene.topic, [(0, [])])],
        [(scene.topic, [(0, [1, 1])])],
        [(scene.topic, [(0, [-1])])],
        [(scene.topic, [(0, [99])])],
        [(scene.topic, [(0, None)])],
        [(scene.topic, [(9, [1]), (-1, [1])])],
        [(UNKNOWN, [(0, [1])]), (WRONG, [(0, [1])])],
        [("", [(0, [1])])],
        [(scene.topic, [])],
    ):
        topics = [
            m.ReassignableTopic(
                name=name,
                partitions=[
                    m.ReassignablePartition(partition_index=n, replicas=ids)
                    for n, ids in partitions
                ],
            )
            for name, partitions in rows
        ]
        yield m.AlterPartitionReassignmentsRequest(topics=topics)


def list_partition_reassignments(scene: Scene) -> Requests:
    for rows in (
        [(scene.topic, [0, 0, 9])],
        [(UNKNOWN, [0]), (WRONG, [0]), ("", [0])],
        [(scene.topic, [])],
    ):
        topics = [
            m.ListPartitionReassignmentsTopics(name=name, partition_indexes=partitions)
            for name, partitions in rows
        ]
        yield m.ListPartitionReassignmentsRequest(topics=topics)


def describe_topic_partitions(scene: Scene) -> Requests:
    for names in ([scene.topic, scene.topic], [UNKNOWN], [WRONG]):
        topics = [m.DescribeTopicPartitionsRequestTopicRequest(name=name) for name in names]
        yield m.DescribeTopicPartitionsRequest(topics=topics)
        for limit in (0, -1):
            yield m.DescribeTopicPartitionsRequest(topics=topics, response_partition_limit=limit)


def leave_group(scene: Scene) -> Requests:
    nobody = m.MemberIdentity(member_id="nobody")
    static = m.MemberIdentity(group_instance_id="i")
    for group in (scene.group, "", "no such group"):
        if scene.version < 3:
            yield from (m.LeaveGroupRequest(group_id=group, member_id=i) for i in ("", "nobody"))
            continue
        for members in ([], [nobody, nobody], [static], [m.MemberIdentity()]):
            yield m.LeaveGroupRequest(group_id=group, members=members)


def member_of_nothing(request: Any) -> Callable[[Scene], Requests]:
    def requests(scene: Scene) -> Requests:
        for group in (scene.group, "", "no such group"):
            for generation in (-1, 0, 5):
                for member in ("", "nobody"):
                    fields = {"group_id": group, "generation_id": generation, "member_id": member}
                    yield request(**fields)
                    if scene.version >= 3:
                        yield request(**fields, group_instance_id="i")

    return requests


def alter_user_scram_credentials(scene: Scene) -> Requests:
    def gone(name: str, mechanism: int = 1) -> Any:
        return m.ScramCredentialDeletion(name=name, mechanism=mechanism)

    def made(name: str, **fields: Any) -> Any:
        good = {
            "mechanism": 1,
            "iterations": 4096,
            "salt": b"salt",
            "salted_password": b"p" * 32,
        }
        return m.ScramCredentialUpsertion(name=name, **good | fields)

    user = scene.group
    for deletions, upsertions in (
        ([gone(user)], []),
        ([gone("")], []),
        ([gone(user, 0)], []),
        ([gone(user, 9)], []),
        ([gone(user), gone(user)], []),
        ([gone(user), gone(user, 2)], []),
        ([gone(user)], [made(user)]),
        ([], [made("")]),
        ([], [made(user), made(user)]),
        ([], [made(user), made(user, mechanism=2)]),
        ([], [made(user, mechanism=0)]),
        ([], [made(user, mechanism=9)]),
        ([], [made(user, iterations=1)]),
        ([], [made(user, iterations=-1)]),
        ([], [made(user, iterations=16385)]),
        ([], [made(user, salt=b"")]),
        ([gone(user, 2)], []),
        ([gone(user, 1)], []),
    ):
        yield m.AlterUserScramCredentialsRequest(deletions=deletions, upsertions=upsertions)


def list_config_resources(scene: Scene) -> Requests:
    if scene.version:
        # Client metrics only: other tests leave topics and groups with configs behind.
        for kinds in ([16, 16], [0], [99], [1], [-1]):
            yield m.ListConfigResourcesRequest(resource_types=kinds)


def describe_configs(scene: Scene) -> Requests:
    keys = ["cleanup.policy"]
    for rows in (
        [(2, UNKNOWN)],
        [(2, WRONG)],
        [(2, "")],
        [(4, "")],
        [(4, "99")],
        [(4, "x")],
        [(4, "-1")],
        [(8, "1")],
        [(8, "x")],
        [(8, "")],
        [(16, UNKNOWN)],
        [(16, "")],
        [(32, "")],
        [(0, "x")],
        [(99, "x")],
        [(2, scene.topic), (99, "x")],
    ):
        resources = [
            m.DescribeConfigsResource(
                resource_type=kind, resource_name=name, configuration_keys=keys
            )
            for kind, name in rows
        ]
        yield m.DescribeConfigsRequest(resources=resources)


def changes_of_configs(request: str) -> Callable[[Scene], Requests]:
    resource = getattr(m, f"{request}AlterConfigsResource")
    config = getattr(m, f"{request}AlterableConfig")

    def requests(scene: Scene) -> Requests:
        for rows, configs in (
            ([(2, scene.topic)], [("retention.ms", "5"), ("retention.ms", "6")]),
            ([(2, scene.topic)], [("retention.ms", None)]),
            ([(2, scene.topic)], [("", "5")]),
            ([(2, scene.topic)], []),
            ([(2, UNKNOWN)], [("retention.ms", "5")]),
            ([(2, WRONG)], [("retention.ms", "5")]),
            ([(2, "")], [("retention.ms", "5")]),
            ([(4, "99")], [("log.retention.ms", "5")]),
            ([(4, "x")], [("log.retention.ms", "5")]),
            ([(8, "1")], [("x", "INFO")]),
            ([(16, "")], [("interval.ms", "5")]),
            ([(32, "")], [("consumer.session.timeout.ms", "5")]),
            ([(0, "x")], []),
            ([(99, "x")], []),
        ):
            resources = [
                resource(
                    resource_type=kind,
                    resource_name=name,
                    configs=[config(name=key, value=value) for key, value in configs],
                )
                for kind, name in rows
            ]
            yield getattr(m, request)(resources=resources, validate_only=True)

    return requests


def metadata(scene: Scene) -> Requests:
    for names in ([scene.topic, scene.topic], [""], [WRONG]):
        topics = [m.MetadataRequestTopic(name=name) for name in names]
        yield m.MetadataRequest(topics=topics, allow_auto_topic_creation=scene.version < 4)
    if scene.version >= 12:
        for fields in (
            {"name": None, "topic_id": scene.topic_id},
            {"name": None, "topic_id": ZERO_UUID},
            {"name": scene.topic, "topic_id": scene.topic_id},
        ):
            topics = [m.MetadataRequestTopic(**fields)] * 2
            yield m.MetadataRequest(topics=topics, allow_auto_topic_creation=False)


ODD = {
    ApiKey.DELETE_TOPICS: delete_topics,
    ApiKey.CREATE_PARTITIONS: create_partitions,
    ApiKey.DELETE_RECORDS: delete_records,
    ApiKey.OFFSET_FOR_LEADER_EPOCH: offset_for_leader_epoch,
    ApiKey.DELETE_GROUPS: delete_groups,
    ApiKey.OFFSET_DELETE: offset_delete,
    ApiKey.CONSUMER_GROUP_DESCRIBE: describe_new_groups(m.ConsumerGroupDescribeRequest),
    ApiKey.SHARE_GROUP_DESCRIBE: describe_new_groups(m.ShareGroupDescribeRequest),
    ApiKey.STREAMS_GROUP_DESCRIBE: describe_new_groups(m.StreamsGroupDescribeRequest),
    ApiKey.CONSUMER_GROUP_HEARTBEAT: consumer_group_heartbeat,
    ApiKey.STREAMS_GROUP_HEARTBEAT: streams_group_heartbeat,
    ApiKey.ADD_PARTITIONS_TO_TXN: add_partitions_to_txn,
    ApiKey.TXN_OFFSET_COMMIT: txn_offset_commit,
    ApiKey.END_TXN: end_txn,
    ApiKey.ADD_OFFSETS_TO_TXN: add_offsets_to_txn,
    ApiKey.INIT_PRODUCER_ID: init_producer_id,
    ApiKey.FIND_COORDINATOR: find_coordinator,
    ApiKey.ELECT_LEADERS: elect_leaders,
    ApiKey.ALTER_PARTITION_REASSIGNMENTS: alter_partition_reassignments,
    ApiKey.LIST_PARTITION_REASSIGNMENTS: list_partition_reassignments,
    ApiKey.DESCRIBE_TOPIC_PARTITIONS: describe_topic_partitions,
    ApiKey.LEAVE_GROUP: leave_group,
    ApiKey.HEARTBEAT: member_of_nothing(m.HeartbeatRequest),
    ApiKey.SYNC_GROUP: member_of_nothing(m.SyncGroupRequest),
    ApiKey.ALTER_USER_SCRAM_CREDENTIALS: alter_user_scram_credentials,
    ApiKey.LIST_CONFIG_RESOURCES: list_config_resources,
    ApiKey.DESCRIBE_CONFIGS: describe_configs,
    ApiKey.ALTER_CONFIGS: changes_of_configs("AlterConfigsRequest"),
    ApiKey.INCREMENTAL_ALTER_CONFIGS: changes_of_configs("IncrementalAlterConfigsRequest"),
    ApiKey.METADATA: metadata,
}
ASKED = [(api, version) for api in ODD for version in range(RANGES[api][0], RANGES[api][1] + 1)]


def in_order(value: Any) -> Any:
    """Return an answer with its rows in one order: Kafka goes through hash maps."""
    if isinstance(value, dict):
        return {name: in_order(each) for name, each in value.items()}
    if isinstance(value, list):
        return sorted((in_order(each) for each in value), key=str)
    return value


def answer(side: Side, api: ApiKey, version: int, request: Any) -> Any:
    """Return the answer, once it is another one than "later"."""
    for _ in attempts():
        told = side.ask(api, version, request)
        if not set(error_codes(told)) & LATER:
            return told
    raise AssertionError(told)


def error_codes(value: Any) -> Iterator[int]:
    if isinstance(value, list):
        for each in value:
            yield from error_codes(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            if name.endswith("error_code"):
                yield each
            else:
                yield from error_codes(each)


@pytest.mark.parametrize(
    ("api", "version"), ASKED, ids=[f"{api.name} {version}" for api, version in ASKED]
)
def test_an_odd_request_is_answered_alike(sides: Sides, api: ApiKey, version: int) -> None:
    def scenario(side: Side) -> Any:
        requests = ODD[api](Scene(side, version))
        return [(n, in_order(answer(side, api, version, each))) for n, each in enumerate(requests)]

    sides.compare(scenario)
