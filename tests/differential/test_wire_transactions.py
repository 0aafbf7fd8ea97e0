"""Transactions: every API in every version, asked of a real Kafka and of a bus."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DescribeProducersRequest,
    DescribeProducersRequestTopicRequest,
    ListTransactionsRequest,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from tests.clients.scenarios import eventually
from tests.differential.fetch_cases import fetch
from tests.differential.offset_cases import list_offsets
from tests.differential.sides import Side, Sides, attempts
from tests.differential.transaction_cases import TransactionalProducer, name

NOBODY = {"producer_id": 5_000_000, "epoch": 0}


def settled(side: Side, producer: TransactionalProducer, topic: str) -> Any:
    """Return what there is of a topic when Kafka has written the markers."""
    state = producer.describe()
    for _ in attempts():
        found = fetch(side, topic, 0, isolation_level=1)
        [partition] = found["responses"][0]["partitions"]
        if partition["last_stable_offset"] == partition["high_watermark"]:
            break
    return state, without_times(found)


def without_times(found: Any) -> Any:
    for partition in found["responses"][0]["partitions"]:
        for header, _ in partition["records"]:
            header["base_timestamp"] = header["max_timestamp"] = 0
    return found


@pytest.mark.parametrize("version", [1, 2])
def test_a_producer_commits_and_aborts(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> list[Any]:
        topic, told = side.new_topic(), list[Any]()
        p = TransactionalProducer(side, version)
        told += [p.init(), p.describe(), p.end(commit=True), p.end(commit=False), p.describe()]
        for commit in (True, False):
            if version == 1:
                told.append(p.add(topic, 0))
            told += [p.produce(topic, b"a", b"b"), p.describe()]
            told += [p.produce(topic, b"c", transactional=False), p.end(commit=commit)]
            told.append(settled(side, p, topic))
            for again in (commit, not commit):
                told.append(p.end(commit=again, epoch=p.epoch - (version - 1)))
            told += [p.end(commit=True), p.end(commit=False)]
        return [*told, settled(side, p, topic)]

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(6))
def test_partitions_are_added_and_verified(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> list[Any]:
        topic = side.new_topic(2)
        p = TransactionalProducer(side)
        told = [p.add(topic, 0, version=version, **NOBODY), p.init()]
        told += [p.add(topic, 0, 7, version=version), p.add(topic, 0, version=version, epoch=9)]
        if version >= 4:
            told.append(p.add(topic, 0, version=version, verify_only=True))
        told += [p.add(topic, 0, version=version), p.add(topic, 0, version=version)]
        if version >= 4:
            told.append(p.add(topic, 0, 1, version=version, verify_only=True))
        return [*told, p.describe(), p.end(commit=False)]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [9, 10, 11, 12, 13])
def test_a_batch_that_belongs_to_no_transaction_is_refused(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> list[Any]:
        topic = side.new_topic()
        p = TransactionalProducer(side)
        told = [p.produce(topic, b"x", version=version, producer_id=5_000_000, producer_epoch=0)]
        told.append(p.init())
        for fields in ({"producer_id": 5_000_000}, {"producer_epoch": 7}, {}):
            told.append(p.produce(topic, b"x", version=version, **fields))
        told += [p.produce(topic, b"y", version=version, base_sequence=p.sequence + 5)]
        return [*told, p.describe(), p.end(commit=False), settled(side, p, topic)]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [3, 4, 5])
@pytest.mark.parametrize("second", [False, True])
def test_a_producer_with_a_transaction_that_is_initialized_anew_goes_on(
    sides: Sides, version: int, *, second: bool
) -> None:
    def scenario(side: Side) -> list[Any]:
        topic = side.new_topic()
        p = TransactionalProducer(side, 1 + second)
        told = [p.init(), p.add(topic, 0), p.produce(topic, b"x")]
        before = p.epoch
        told += [p.init(version, known=True), p.describe()]
        for commit in (False, True):
            told.append(p.end(commit=commit, epoch=before))
        told += [p.add(topic, 0), p.produce(topic, b"y"), p.describe(), p.end(commit=True)]
        return [*told, settled(side, p, topic)]

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(5))
def test_groups_are_added(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> list[Any]:
        p = TransactionalProducer(side)
        told = [p.add_offsets("g", version, **NOBODY), p.init()]
        told += [p.add_offsets("g", version, epoch=4), p.add_offsets("g", version)]
        return [*told, p.describe()[1], p.end(commit=False)]

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(6))
@pytest.mark.parametrize("commit", [True, False])
def test_offsets_become_stable_with_the_end(sides: Sides, version: int, commit: bool) -> None:
    def scenario(side: Side) -> list[Any]:
        topic = side.new_topic(2)
        p = TransactionalProducer(side)
        group = p.name

        def fetched(*, stable: bool) -> Any:
            asked = OffsetFetchRequest(
                groups=[
                    OffsetFetchRequestGroup(
                        group_id=group,
                        topics=[OffsetFetchRequestTopics(name=topic, partition_indexes=[0, 1])],
                    )
                ],
                require_stable=stable,
            )
            [answer] = side.call(ApiKey.OFFSET_FETCH, 8, asked).groups
            return [
                (name(each.error_code), each.committed_offset, each.metadata)
                for each in answer.topics[0].partitions
            ]

        told = [p.commit_offset(group, topic, 1, version, **NOBODY), p.init()]
        told += [p.commit_offset(group, topic, 1, version, epoch=3)]
        told += [p.commit_offset(group, topic, 1, version)]
        told += [p.add_offsets(group), p.commit_offset(group, topic, 1, version)]
        told += [p.commit_offset(group, topic, 1, version, partition=9)]
        if version >= 3:
            told.append(p.commit_offset(group, topic, 1, version, member_id="m", generation_id=4))
            told.append(p.commit_offset(f"{group}-new", topic, 1, version, generation_id=4))
        told += [fetched(stable=True), fetched(stable=False), p.end(commit=commit)]
        for _ in attempts():
            found = fetched(stable=True)
            if found[0][0] == "NONE":
                break
        return [*told, found]

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(6))
def test_a_producer_is_initialized_and_fences(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> list[Any]:
        topic, told = side.new_topic(), list[Any]()
        first = TransactionalProducer(side)
        told += [first.init(version), first.init(version, timeout_ms=0)]
        told += [first.init(version, timeout_ms=900_001), first.produce(topic, b"x")]
        second = TransactionalProducer(side, 2, first.name)
        told += [second.init(version), second.describe()]
        told += [first.end(commit=True, version=each) for each in (1, 2, 5)]
        told += [first.produce(topic, b"y"), first.commit_offset(first.name, topic, 1, 5)]
        if version >= 3:
            told.append(second.init(version, known=True))
            second.epoch -= 1
            told.append(second.init(version, known=True))
            second.epoch -= 2
            told.append(second.init(version, known=True))
        return [*told, settled(side, second, topic)]

    sides.compare(scenario)


@pytest.mark.parametrize("isolation_level", [0, 1])
def test_the_latest_offset_is_the_last_stable_one_for_readers_of_committed_records(
    sides: Sides, isolation_level: int
) -> None:
    def scenario(side: Side) -> list[Any]:
        topic = side.new_topic()
        p = TransactionalProducer(side)
        told = [p.init(), p.produce(topic, b"a"), p.end(commit=True)]
        settled(side, p, topic)
        told += [p.produce(topic, b"b")]
        isolation = {"isolation_level": isolation_level}
        told.append(list_offsets(side, topic, -1, -2, version=7, replica_id=-1, **isolation))
        found = without_times(fetch(side, topic, 0, **isolation))
        return [*told, found, p.end(commit=False)]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [1, 2])
def test_markers_end_a_transaction_in_single_partitions(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> list[Any]:
        topic = side.new_topic()
        p = TransactionalProducer(side)
        told = [p.init(), p.produce(topic, b"a")]

        def write(epoch: int, coordinator_epoch: int, partition: int = 0) -> Any:
            marker = WritableTxnMarker(
                producer_id=p.producer_id,
                producer_epoch=epoch,
                transaction_result=False,
                coordinator_epoch=coordinator_epoch,
                topics=[WritableTxnMarkerTopic(name=topic, partition_indexes=[partition])],
            )
            return side.ask(
                ApiKey.WRITE_TXN_MARKERS, version, WriteTxnMarkersRequest(markers=[marker])
            )

        def producers() -> Any:
            asked = DescribeProducersRequestTopicRequest(name=topic, partition_indexes=[0, 5])
            found = side.ask(ApiKey.DESCRIBE_PRODUCERS, 0, DescribeProducersRequest(topics=[asked]))
            for partition in found["topics"][0]["partitions"]:
                for each in partition["active_producers"]:
                    each["last_timestamp"] = 0
            return found

        told += [producers(), write(0, 7, partition=5), write(0, 7), producers()]
        told += [write(0, 6), without_times(fetch(side, topic, 0, isolation_level=1))]
        return told

    sides.compare(scenario)


@pytest.mark.parametrize("version", range(3))
def test_transactions_are_listed(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> list[Any]:
        topic = side.new_topic()
        p = TransactionalProducer(side)
        told = [p.init(), p.produce(topic, b"a")]

        def listed(**fields: Any) -> Any:
            request = ListTransactionsRequest(
                **{"state_filters": [], "producer_id_filters": [], **fields}
            )
            answer = side.call(ApiKey.LIST_TRANSACTIONS, version, request)
            own = [each for each in answer.transaction_states if each.transactional_id == p.name]
            return (
                name(answer.error_code),
                answer.unknown_state_filters,
                [(each.transaction_state, each.producer_id == p.producer_id) for each in own],
            )

        told += [listed(), listed(producer_id_filters=[p.producer_id])]
        told += [listed(producer_id_filters=[p.producer_id + 1])]
        told += [listed(state_filters=["Ongoing"]), listed(state_filters=["Empty", "Odd"])]
        if version >= 1:
            # It has to have taken longer, in whole milliseconds.
            eventually(lambda: bool(listed(duration_filter=0)[2]), expected=True)
            told += [listed(duration_filter=0), listed(duration_filter=1_000_000)]
        if version >= 2:
            told += [
                listed(transactional_id_pattern=each) for each in (p.name[:6] + ".*", "x.*", "(")
            ]
        return [*told, p.end(commit=False)]

    sides.compare(scenario)
