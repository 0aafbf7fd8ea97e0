"""CreateTopics, CreatePartitions and DeleteTopics beside a real Kafka."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    DeleteTopicState,
)
from fakebus.types import ZERO_UUID
from tests.differential.sides import CLOSED, Side, Sides

pytestmark = pytest.mark.kafka

UNKNOWN_ID = UUID("c0ffee00-0000-4000-8000-000000000001")
BAD_NAMES = ["", ".", "..", "bad name", "ü", "a" * 250, "x/y", "__cluster_metadata"]


def create(side: Side, version: int, *topics: CreatableTopic, **fields: Any) -> Any:
    """Return the answer, by topic: Kafka's order is that of a hash map."""
    request = CreateTopicsRequest(topics=list(topics), timeout_ms=10_000, **fields)
    answer = side.ask(ApiKey.CREATE_TOPICS, version, request)
    if answer == CLOSED:
        return answer
    for topic in answer["topics"]:
        # The broker's own settings differ; the keys and sources are compared elsewhere.
        topic["configs"] = topic["configs"] and [
            config for config in topic["configs"] if config["config_source"] == 1
        ]
        if topic["topic_id"] != ZERO_UUID:
            topic["topic_id"] = "an id"
    answer["topics"].sort(key=lambda topic: str(topic["name"]))
    return answer


def described(name: str, partitions: int = 1, replicas: int = 1, **fields: Any) -> CreatableTopic:
    configs = [
        CreatableTopicConfig(name=key, value=value)
        for key, value in fields.pop("configs", {}).items()
    ]
    assignments = [
        CreatableReplicaAssignment(partition_index=index, broker_ids=broker_ids)
        for index, broker_ids in fields.pop("assignments", ())
    ]
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=replicas,
        configs=configs,
        assignments=assignments,
    )


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "defaults": {"partitions": -1, "replicas": -1},
    "three partitions": {"partitions": 3},
    "no partitions": {"partitions": 0},
    "partitions -2": {"partitions": -2},
    "no replicas": {"replicas": 0},
    "replicas -2": {"replicas": -2},
    "two replicas": {"replicas": 2},
    "no partitions and two replicas": {"partitions": 0, "replicas": 2},
    "too many partitions": {"partitions": 10_001},
    "assigned": {"partitions": -1, "replicas": -1, "assignments": [(0, [1]), (1, [1])]},
    "assigned besides numbers": {"assignments": [(0, [1])]},
    "assigned besides partitions": {"replicas": -1, "assignments": [(0, [1])]},
    "assigned to nobody": {"partitions": -1, "replicas": -1, "assignments": [(0, [])]},
    "assigned to a stranger": {"partitions": -1, "replicas": -1, "assignments": [(0, [9])]},
    "assigned twice": {"partitions": -1, "replicas": -1, "assignments": [(0, [1, 1])]},
    "assigned unevenly": {"partitions": -1, "replicas": -1, "assignments": [(0, [1]), (1, [])]},
    "assigned with a gap": {"partitions": -1, "replicas": -1, "assignments": [(0, [1]), (2, [1])]},
    "assigned from one": {"partitions": -1, "replicas": -1, "assignments": [(1, [1])]},
    "assigned again": {"partitions": -1, "replicas": -1, "assignments": [(0, [1]), (0, [1])]},
    "assigned to partition -1": {"partitions": -1, "replicas": -1, "assignments": [(-1, [1])]},
    "configs": {"configs": {"retention.ms": "1000", "cleanup.policy": "compact,delete"}},
    "unknown config": {"configs": {"no.such.key": "1"}},
    "config without a value": {"configs": {"retention.ms": None}},
    "config that is no number": {"configs": {"retention.ms": "soon"}},
    "config out of range": {"configs": {"retention.ms": "-2"}},
    "config that contradicts": {
        "configs": {"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"}
    },
    "empty config": {"configs": {"cleanup.policy": ""}},
    "policy twice": {"configs": {"cleanup.policy": "delete,delete"}},
    "unknown policy": {"configs": {"cleanup.policy": "keep"}},
    "remote storage": {"configs": {"remote.storage.enable": "true"}},
}


@pytest.mark.parametrize("version", range(2, 8))
@pytest.mark.parametrize("name", VARIANTS)
def test_a_topic_is_created_or_refused_alike(sides: Sides, name: str, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_name()
        checked = create(side, version, described(topic, **VARIANTS[name]), validate_only=True)
        created = create(side, version, described(topic, **VARIANTS[name]))
        again = create(side, version, described(topic, **VARIANTS[name]))
        return checked, created, again

    sides.compare(scenario)


@pytest.mark.parametrize("version", [2, 4, 5, 7])
def test_names_of_new_topics(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        name = side.new_name()
        side.remember_topic(name.replace("-", "."))
        side.name(name.replace("-", "_"), "collision")
        first = create(side, version, described(name.replace("-", ".")))
        return [
            first,
            create(side, version, described(name.replace("-", "_"))),
            create(side, version, described(name.replace("-", "_")), validate_only=True),
            [create(side, version, described(bad)) for bad in BAD_NAMES],
            create(side, version),
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [2, 4, 5, 7])
def test_several_topics_at_once(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        one, two, three = (side.new_name() for _ in range(3))
        return create(
            side,
            version,
            described(one),
            described("bad name"),
            described(two, 0),
            described(three),
            described(three, 2),
        )

    sides.compare(scenario)


def grow(side: Side, version: int, *topics: CreatePartitionsTopic, **fields: Any) -> Any:
    request = CreatePartitionsRequest(topics=list(topics), timeout_ms=10_000, **fields)
    answer = side.ask(ApiKey.CREATE_PARTITIONS, version, request)
    if answer != CLOSED:
        answer["results"].sort(key=lambda result: str(result["name"]))
    return answer


@pytest.mark.parametrize("version", range(4))
@pytest.mark.parametrize("count", [-1, 0, 1, 2, 3, 5])
@pytest.mark.parametrize(
    "assignments",
    [None, [], [[1]], [[1], [1], [1]], [[9], [9], [9]], [[], [], []], [[1, 1]] * 3, [[1, 2]] * 3],
)
def test_partitions_are_added_or_refused_alike(
    sides: Sides, version: int, count: int, assignments: Any
) -> None:
    if count != 5 and assignments and version != 3:
        return

    def scenario(side: Side) -> Any:
        wanted = CreatePartitionsTopic(
            name=side.new_topic(2),
            count=count,
            assignments=None
            if assignments is None
            else [CreatePartitionsAssignment(broker_ids=ids) for ids in assignments],
        )
        return grow(side, version, wanted, validate_only=True), grow(side, version, wanted)

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(4))
def test_partitions_of_several_topics(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        one, two = side.new_topic(), side.new_topic()
        names = [one, "unknown", "bad name", "", two, two]
        wanted = [CreatePartitionsTopic(name=name, count=2, assignments=None) for name in names]
        return grow(side, version, *wanted), grow(side, version)

    sides.compare(scenario)


def delete(side: Side, version: int, *names: str | None, ids: Any = (), **fields: Any) -> Any:
    if version < 6:
        request = DeleteTopicsRequest(topic_names=list(names), timeout_ms=10_000)
    else:
        topics = [DeleteTopicState(name=name) for name in names]
        topics += [DeleteTopicState(name=name, topic_id=topic_id) for name, topic_id in ids]
        request = DeleteTopicsRequest(topics=topics, timeout_ms=10_000)
    answer = side.ask(ApiKey.DELETE_TOPICS, version, request)
    if answer != CLOSED:
        answer["responses"].sort(
            key=lambda r: (str(r["name"]), str(r["topic_id"]), r["error_code"])
        )
    return answer


@pytest.mark.parametrize("version", range(1, 7))
def test_topics_are_deleted_or_refused_alike(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        one, two = side.new_topic(), side.new_topic()
        return [
            delete(side, version, one, "unknown", *BAD_NAMES),
            delete(side, version, one),
            delete(side, version, two, two),
            delete(side, version, two),
            delete(side, version),
        ]

    sides.compare(scenario)


def test_topics_are_deleted_by_id(sides: Sides) -> None:
    def scenario(side: Side) -> Any:
        one, two, three = side.new_topic(), side.new_topic(), side.new_topic()
        id1, id2, id3 = (side.topic_id(name) for name in (one, two, three))
        return [
            delete(side, 6, ids=[(None, id1), (None, UNKNOWN_ID), (None, ZERO_UUID)]),
            delete(side, 6, ids=[(None, id1)]),
            delete(side, 6, ids=[(two, id2)]),
            delete(side, 6, two, ids=[(None, id2)]),
            delete(side, 6, ids=[(None, id3), (None, id3)]),
        ]

    sides.compare(scenario)
