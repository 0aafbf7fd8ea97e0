"""Topic administration; the expectations were observed on Apache Kafka 4.3."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.replica_placement import check_replicas
from fakebus.broker.topic_requests import NewPartitions, NewTopic, TopicToDelete
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.types import TopicPartition
from tests.unit.broker.batches import batch


async def create(broker: Broker, **fields: object) -> ErrorCode:
    [result] = await broker.topic_admin.create_topics([NewTopic(**fields)])  # type: ignore[arg-type]
    return result.error_code


async def test_defaults_stand_for_the_brokers_configs(broker: Broker) -> None:
    broker.config.static["num.partitions"] = "3"
    [created] = await broker.topic_admin.create_topics([NewTopic(name="t")])
    assert created.error_code is ErrorCode.NONE
    assert (created.partitions, created.replication_factor) == (3, 1)
    topic = broker.topics.get("t")
    assert topic is not None
    assert topic.topic_id == created.topic_id
    assert len(topic.partitions) == 3


async def test_a_topic_that_is_only_asked_for_has_no_more_partitions_than_one_created(
    broker: Broker,
) -> None:
    broker.config.static["num.partitions"] = str(2**31 - 1)
    with pytest.raises(BrokerError, match="10000 are allowed"):
        await broker.topic_admin.auto_create("t", allowed=True)
    assert broker.topics.get("t") is None


async def test_configs_are_the_topics_own(broker: Broker) -> None:
    configs = [("retention.ms", "5"), ("cleanup.policy", "compact,delete")]
    [created] = await broker.topic_admin.create_topics([NewTopic(name="t", configs=configs)])
    topic = broker.topics.get("t")
    assert topic is not None
    assert topic.config.overrides == dict(configs)
    assert created.config is not None
    assert created.config.retention_ms == 5


async def test_the_last_value_of_a_config_counts(broker: Broker) -> None:
    configs = [("retention.ms", "5"), ("retention.ms", "6")]
    await broker.topic_admin.create_topics([NewTopic(name="t", configs=configs)])
    assert broker.topics.get("t").config.retention_ms == 6  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("partitions", "replication_factor", "error"),
    [
        (0, 1, ErrorCode.INVALID_PARTITIONS),
        (-2, 1, ErrorCode.INVALID_PARTITIONS),
        (1, 0, ErrorCode.INVALID_REPLICATION_FACTOR),
        (1, -2, ErrorCode.INVALID_REPLICATION_FACTOR),
        (1, 2, ErrorCode.INVALID_REPLICATION_FACTOR),
        (0, 0, ErrorCode.INVALID_REPLICATION_FACTOR),
    ],
)
async def test_impossible_numbers_are_refused(
    broker: Broker, partitions: int, replication_factor: int, error: ErrorCode
) -> None:
    assert (
        await create(broker, name="t", partitions=partitions, replication_factor=replication_factor)
        is error
    )
    assert broker.topics.get("t") is None


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"assignments": [(0, [1]), (1, [1])]}, ErrorCode.NONE),
        ({"assignments": [(0, [1])], "partitions": 1}, ErrorCode.INVALID_REQUEST),
        ({"assignments": [(0, [1])], "replication_factor": 1}, ErrorCode.INVALID_REQUEST),
        ({"assignments": [(0, [1]), (0, [1])]}, ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ({"assignments": [(1, [1])]}, ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ({"assignments": [(0, [])]}, ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ({"assignments": [(0, [7])]}, ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        ({"assignments": [(0, [1, 1])]}, ErrorCode.INVALID_REPLICA_ASSIGNMENT),
    ],
)
async def test_assignments_by_hand_are_checked(
    broker: Broker, fields: dict[str, object], error: ErrorCode
) -> None:
    assert await create(broker, name="t", **fields) is error


def test_an_assignment_to_the_same_broker_names_it() -> None:
    with pytest.raises(BrokerError, match="assigned to broker 2 more than once") as refused:
        check_replicas([1, 2, 2], 3, [1, 2, 3])
    assert refused.value.error_code is ErrorCode.INVALID_REPLICA_ASSIGNMENT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention.ms", None),
        ("foo", "1"),
        ("retention.ms", "x"),
        ("compression.type", "lzma"),
        ("segment.bytes", "10"),
        ("max.message.bytes", "99999999999"),
    ],
)
async def test_a_bad_config_is_named(broker: Broker, name: str, value: str | None) -> None:
    wanted = NewTopic(name="t", partitions=0, configs=[(name, value)])
    [result] = await broker.topic_admin.create_topics([wanted])
    assert result.error_code is ErrorCode.INVALID_CONFIG
    assert name in (result.error_message or "")
    assert broker.topics.get("t") is None


@pytest.mark.parametrize("name", ["", ".", "a b", "x" * 250])
async def test_a_bad_name_is_refused(broker: Broker, name: str) -> None:
    assert await create(broker, name=name) is ErrorCode.INVALID_TOPIC_EXCEPTION


async def test_a_name_is_taken_once(broker: Broker) -> None:
    assert await create(broker, name="t") is ErrorCode.NONE
    assert await create(broker, name="t") is ErrorCode.TOPIC_ALREADY_EXISTS


async def test_two_clients_at_once_create_one_topic(broker: Broker) -> None:
    codes = await asyncio.gather(*(create(broker, name="t") for _ in range(3)))
    assert sorted(code.code for code in codes) == [0, 36, 36]


async def test_a_dot_counts_as_an_underscore(broker: Broker) -> None:
    await create(broker, name="a.b_c")
    assert await create(broker, name="a_b.c") is ErrorCode.INVALID_TOPIC_EXCEPTION
    assert await create(broker, name="a.b_c") is ErrorCode.TOPIC_ALREADY_EXISTS


async def test_colliding_names_in_one_request_are_both_created_as_in_kafka(
    broker: Broker,
) -> None:
    results = await broker.topic_admin.create_topics([NewTopic(name="a.b"), NewTopic(name="a_b")])
    assert [result.error_code for result in results] == [ErrorCode.NONE, ErrorCode.NONE]


async def test_the_metadata_log_cannot_be_created(broker: Broker) -> None:
    assert await create(broker, name="__cluster_metadata") is ErrorCode.INVALID_REQUEST


async def test_a_name_that_occurs_twice_is_refused_once_and_last(broker: Broker) -> None:
    wanted = [NewTopic(name="d"), NewTopic(name="t"), NewTopic(name="d", partitions=2)]
    results = await broker.topic_admin.create_topics(wanted)
    assert [(result.name, result.error_code) for result in results] == [
        ("t", ErrorCode.NONE),
        ("d", ErrorCode.INVALID_REQUEST),
    ]
    assert broker.topics.get("d") is None


async def test_validate_only_says_what_would_happen_and_creates_nothing(broker: Broker) -> None:
    wanted = [NewTopic(name="t", partitions=3), NewTopic(name="u", partitions=0)]
    results = await broker.topic_admin.create_topics(wanted, validate_only=True)
    assert [result.error_code for result in results] == [
        ErrorCode.NONE,
        ErrorCode.INVALID_PARTITIONS,
    ]
    assert results[0].partitions == 3
    assert len(broker.topics) == 0


async def test_a_request_for_too_many_partitions_creates_nothing(broker: Broker) -> None:
    wanted = [NewTopic(name="t", partitions=2**31 - 1), NewTopic(name="u")]
    results = await broker.topic_admin.create_topics(wanted)
    assert [result.error_code for result in results] == [ErrorCode.POLICY_VIOLATION] * 2
    assert len(broker.topics) == 0


async def test_a_topic_that_cannot_be_stored_is_refused_alone(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_topic = broker._storage.save_topic

    def fail_for_t(row, undo):  # type: ignore[no-untyped-def]
        if row.name != "t":
            return save_topic(row, undo)
        undo()
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(StorageError("disk full"))
        return failed

    monkeypatch.setattr(broker._storage, "save_topic", fail_for_t)
    wanted = [NewTopic(name="t"), NewTopic(name="u")]
    results = await broker.topic_admin.create_topics(wanted)
    assert [result.error_code for result in results] == [
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.NONE,
    ]
    assert broker.topics.get("t") is None


async def delete(broker: Broker, *wanted: TopicToDelete) -> list[tuple[str | None, ErrorCode]]:
    results = await broker.topic_admin.delete_topics(wanted)
    return [(result.name, result.error_code) for result in results]


async def test_topics_are_deleted_by_name_and_by_id(broker: Broker) -> None:
    a = await broker.topics.create("a", 1, {})
    await broker.topics.create("b", 1, {})
    assert await delete(broker, TopicToDelete(topic_id=a.topic_id), TopicToDelete(name="b")) == [
        ("a", ErrorCode.NONE),
        ("b", ErrorCode.NONE),
    ]
    assert len(broker.topics) == 0


async def test_a_topic_to_delete_has_a_name_or_an_id_but_not_both(broker: Broker) -> None:
    a = await broker.topics.create("a", 1, {})
    both, nothing = TopicToDelete(name="a", topic_id=a.topic_id), TopicToDelete()
    assert await delete(broker, nothing, both, nothing) == [
        (None, ErrorCode.INVALID_REQUEST),
        (None, ErrorCode.INVALID_REQUEST),
        ("a", ErrorCode.INVALID_REQUEST),
    ]
    assert broker.topics.get("a") is a


async def test_unknown_topics_have_different_errors_by_name_and_by_id(broker: Broker) -> None:
    assert await delete(broker, TopicToDelete(name="nope"), TopicToDelete(topic_id=uuid4())) == [
        ("nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (None, ErrorCode.UNKNOWN_TOPIC_ID),
    ]


async def test_a_topic_named_twice_is_not_deleted_and_answered_once(broker: Broker) -> None:
    a = await broker.topics.create("a", 1, {})
    twice = TopicToDelete(name="a")
    assert await delete(broker, twice, twice) == [("a", ErrorCode.INVALID_REQUEST)]
    by_id = TopicToDelete(topic_id=a.topic_id)
    assert await delete(broker, by_id, by_id) == [(None, ErrorCode.INVALID_REQUEST)]
    assert await delete(broker, by_id, twice) == [("a", ErrorCode.INVALID_REQUEST)]
    assert broker.topics.get("a") is a


async def test_deletion_can_be_switched_off(broker: Broker) -> None:
    broker.config.static["delete.topic.enable"] = "false"
    await broker.topics.create("a", 1, {})
    with pytest.raises(BrokerError) as caught:
        await broker.topic_admin.delete_topics([TopicToDelete(name="a")])
    assert caught.value.error_code is ErrorCode.TOPIC_DELETION_DISABLED
    assert broker.topics.get("a") is not None


async def grow(broker: Broker, *wanted: NewPartitions, validate_only: bool = False) -> list[int]:
    results = await broker.topic_admin.create_partitions(wanted, validate_only=validate_only)
    return [result.error_code.code for result in results]


async def test_partitions_are_added_and_keep_what_is_there(broker: Broker) -> None:
    topic = await broker.topics.create("t", 2, {})
    first = topic.partitions[0]
    assert await grow(broker, NewPartitions(name="t", count=4)) == [0]
    assert len(topic.partitions) == 4
    assert topic.partitions[0] is first


@pytest.mark.parametrize("count", [2, 1, 0, -1])
async def test_a_topic_cannot_shrink(broker: Broker, count: int) -> None:
    topic = await broker.topics.create("t", 2, {})
    assert await grow(broker, NewPartitions(name="t", count=count)) == [37]
    assert len(topic.partitions) == 2


@pytest.mark.parametrize(
    ("assignments", "code"),
    [
        ([[1], [1]], 0),
        ([[1]], 39),
        ([], 39),
        ([[1], [7]], 39),
        ([[1], []], 39),
        ([[1], [1, 1]], 39),
    ],
)
async def test_assignments_of_new_partitions_are_checked(
    broker: Broker, assignments: list[list[int]], code: int
) -> None:
    topic = await broker.topics.create("t", 2, {})
    wanted = NewPartitions(name="t", count=4, assignments=assignments)
    assert await grow(broker, wanted) == [code]
    assert len(topic.partitions) == (2 if code else 4)


async def test_every_topic_to_grow_is_answered(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    twice = NewPartitions(name="d", count=2)
    assert await grow(
        broker,
        NewPartitions(name="t", count=2),
        NewPartitions(name="nope", count=2),
        twice,
        twice,
        NewPartitions(name="t2", count=2),
    ) == [42, 0, 3, 3]


async def test_validate_only_adds_no_partition(broker: Broker) -> None:
    topic = await broker.topics.create("t", 1, {})
    assert await grow(broker, NewPartitions(name="t", count=2), validate_only=True) == [0]
    assert len(topic.partitions) == 1


async def test_too_many_new_partitions_are_refused(broker: Broker) -> None:
    topic = await broker.topics.create("t", 1, {})
    assert await grow(broker, NewPartitions(name="t", count=2**31 - 1)) == [44]
    assert len(topic.partitions) == 1


async def test_deleting_records_moves_the_start_of_the_log(broker: Broker) -> None:
    await broker.topics.create("t", 1, {})
    t0 = TopicPartition("t", 0)
    await broker.produce(t0, batch(b"a", b"b", b"c"))
    assert await broker.topic_admin.delete_records(t0, 2) == 2
    assert await broker.topic_admin.delete_records(t0, 1) == 2
    assert await broker.topic_admin.delete_records(t0, -1) == 3


@pytest.mark.parametrize(
    ("configs", "partition", "offset", "error"),
    [
        ({}, 0, 1, ErrorCode.OFFSET_OUT_OF_RANGE),
        ({}, 0, -2, ErrorCode.OFFSET_OUT_OF_RANGE),
        ({}, 9, 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ({"cleanup.policy": "compact"}, 0, 0, ErrorCode.POLICY_VIOLATION),
    ],
)
async def test_records_that_cannot_be_deleted_stay(
    broker: Broker, configs: dict[str, str], partition: int, offset: int, error: ErrorCode
) -> None:
    await broker.topics.create("t", 1, configs)
    with pytest.raises(BrokerError) as caught:
        await broker.topic_admin.delete_records(TopicPartition("t", partition), offset)
    assert caught.value.error_code is error


@pytest.mark.parametrize("policy", ["", "delete", "compact,delete"])
async def test_records_are_deleted_from_topics_that_are_not_only_compacted(
    broker: Broker, policy: str
) -> None:
    await broker.topics.create("t", 1, {"cleanup.policy": policy})
    assert await broker.topic_admin.delete_records(TopicPartition("t", 0), -1) == 0


async def test_a_topic_is_created_when_the_client_and_the_broker_allow_it(broker: Broker) -> None:
    topic = await broker.topic_admin.auto_create("t", allowed=True)
    assert topic is broker.topics.get("t")
    assert await broker.topic_admin.auto_create("t", allowed=False) is topic


@pytest.mark.parametrize(
    ("allowed", "enabled", "name", "error"),
    [
        (False, "true", "t", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (True, "false", "t", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (True, "true", "a b", ErrorCode.INVALID_TOPIC_EXCEPTION),
        (False, "false", "a b", ErrorCode.INVALID_TOPIC_EXCEPTION),
        (True, "true", "a_b", ErrorCode.INVALID_TOPIC_EXCEPTION),
    ],
)
async def test_a_topic_is_not_created_otherwise(
    broker: Broker, allowed: bool, enabled: str, name: str, error: ErrorCode
) -> None:
    broker.config.static["auto.create.topics.enable"] = enabled
    await broker.topics.create("a.b", 1, {})
    with pytest.raises(BrokerError) as caught:
        await broker.topic_admin.auto_create(name, allowed=allowed)
    assert caught.value.error_code is error
    assert len(broker.topics) == 1


INTERNAL = {
    "__consumer_offsets": {"cleanup.policy": "compact", "compression.type": "producer"},
    "__transaction_state": {
        "cleanup.policy": "compact",
        "compression.type": "uncompressed",
        "min.insync.replicas": "1",
        "unclean.leader.election.enable": "false",
    },
    "__share_group_state": {
        "cleanup.policy": "delete",
        "compression.type": "producer",
        "min.insync.replicas": "1",
        "retention.ms": "-1",
    },
}


@pytest.mark.parametrize("name", INTERNAL)
async def test_internal_topics_are_created_as_kafka_does(broker: Broker, name: str) -> None:
    topic = await broker.topic_admin.auto_create(name, allowed=True)
    assert len(topic.partitions) == 50
    assert topic.config.overrides == {**INTERNAL[name], "segment.bytes": "104857600"}
    assert topic.is_internal


@pytest.mark.parametrize("name", INTERNAL)
async def test_no_records_of_internal_topics_are_deleted(broker: Broker, name: str) -> None:
    await broker.ensure_internal_topic(name)
    with pytest.raises(BrokerError) as caught:
        await broker.topic_admin.delete_records(TopicPartition(name, 0), 0)
    assert caught.value.error_code is ErrorCode.INVALID_TOPIC_EXCEPTION


async def test_the_later_of_two_colliding_topics_still_collides_when_the_other_is_gone(
    broker: Broker,
) -> None:
    # The admin refuses the second one; an old data file may hold both.
    first = await broker.topics.create("a.b", 1, {})
    await broker.topics.create("a_b", 1, {})
    await broker.topics.delete(first)
    assert broker.topics.colliding("a.b") == "a_b"
    (refused,) = await broker.topic_admin.create_topics([NewTopic(name="a.b")])
    assert refused.error_code is ErrorCode.INVALID_TOPIC_EXCEPTION


async def test_every_refusal_has_a_line_in_the_log(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "fakebus")
    await broker.topic_admin.create_topics([NewTopic(name="t")])
    caplog.clear()
    await broker.topic_admin.create_topics([NewTopic(name="t")])
    await broker.topic_admin.create_partitions([NewPartitions(name="t", count=1)])
    assert caplog.messages == [
        "the creation of topic t is refused: TOPIC_ALREADY_EXISTS: Topic 't' already exists.",
        "the growth of topic t is refused: INVALID_PARTITIONS: the topic t has 1 partition "
        "already; 1 would be no increase",
    ]


async def test_of_many_topics_few_are_deleted_in_one_turn(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"t{number}" for number in range(35)]
    await broker.topic_admin.create_topics([NewTopic(name=name) for name in names])
    begun, most = 0, 0
    delete = broker.topics.storage.delete_topic

    def noted(*arguments: Any) -> asyncio.Future[None]:
        nonlocal begun, most
        begun += 1
        most = max(most, begun)
        asyncio.get_running_loop().call_soon(end_turn)
        return delete(*arguments)

    def end_turn() -> None:
        nonlocal begun
        begun = 0

    monkeypatch.setattr(broker.topics.storage, "delete_topic", noted)
    results = await broker.topic_admin.delete_topics([TopicToDelete(name=name) for name in names])
    assert {result.error_code for result in results} == {ErrorCode.NONE}
    assert not len([topic for topic in broker.topics if not topic.is_internal])
    assert 1 < most <= 10
