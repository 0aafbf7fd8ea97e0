"""What Kafka 4.3 answers to requests that no client sends on purpose, by raw frames.

Each of these was settled by asking Kafka itself, see tests/differential.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
    FetchRequest,
    FetchRequestFetchPartition,
    FetchRequestFetchTopic,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
    PartitionProduceData,
)
from fakebus.records.codecs import Codec
from tests.wire.client import RawClient
from tests.wire.test_produce_and_fetch import (
    NOW,
    batch,
    changed,
    ensure,
    fetch,
    produce,
    produce_request,
    values,
)


def test_bytes_behind_a_batch_are_left_off(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    assert produce(client, topic, batch(b"x") + batch(b"y" * 99)[:70]).error_code == 0
    assert values(fetch(client, topic, 0).records) == [b"x"]


@pytest.mark.parametrize(
    ("records", "code"),
    [
        (changed(batch(b"x"), 16, ">b", 3), 2),
        (changed(batch(b"x"), 16, ">b", -1), 2),
        (changed(batch(b"x"), 8, ">i", 13), 2),
    ],
    ids=["magic 3", "magic -1", "length 13"],
)
def test_one_damaged_batch_refuses_the_whole_request(
    client: RawClient, topic: str, records: bytearray, code: int
) -> None:
    ensure(client, topic)
    request = produce_request(topic, batch(b"good"), records)
    answers = client.call(ApiKey.PRODUCE, 9, request).responses[0].partition_responses
    assert [(answer.error_code, bool(answer.error_message)) for answer in answers] == [
        (code, True),
        (code, True),
    ]
    assert values(fetch(client, topic, 0).records) == []


def test_of_a_partition_that_is_named_twice_the_last_piece_counts(
    client: RawClient, topic: str
) -> None:
    ensure(client, topic)
    request = produce_request(topic, batch(b"a"))
    request.topic_data[0].partition_data.append(PartitionProduceData(index=0, records=batch(b"b")))
    answers = client.call(ApiKey.PRODUCE, 9, request).responses[0].partition_responses
    assert [answer.base_offset for answer in answers] == [0]
    assert values(fetch(client, topic, 0).records) == [b"b"]


def test_only_what_is_wrong_with_records_is_explained(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    late = produce(client, topic, batch(b"x", b"y", timestamp_ms=NOW + 7_200_000))
    assert [error.batch_index for error in late.record_errors] == [0, 1]
    assert (late.error_code, late.log_start_offset, bool(late.error_message)) == (32, 0, True)
    damaged = batch(b"x")
    damaged[-1] ^= 1
    answer = produce(client, topic, damaged)
    assert (answer.error_code, answer.log_start_offset, answer.error_message) == (2, -1, None)
    answer = produce(client, topic, batch(b"x", producer_id=3, producer_epoch=0))
    assert (answer.error_code, answer.log_start_offset, answer.error_message) == (87, 0, None)


def test_the_batch_is_looked_at_before_acks(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    assert produce(client, topic, b"", acks=7).error_code == 87
    assert produce(client, topic + "-unknown", batch(b"x"), acks=7).error_code == 3


def test_a_repeated_batch_is_told_the_time_of_the_first_one(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    repeated = {"producer_id": 5, "producer_epoch": 0, "base_sequence": 0}
    assert produce(client, topic, batch(b"x", **repeated)).log_append_time_ms == -1
    again = produce(client, topic, batch(b"x", **repeated))
    assert (again.base_offset, again.log_append_time_ms) == (0, NOW)


def test_a_batch_older_than_the_last_five_is_out_of_order(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    producer = {"producer_id": 6, "producer_epoch": 0}
    for sequence in range(6):
        sent = produce(client, topic, batch(b"x", base_sequence=sequence, **producer))
        assert sent.base_offset == sequence
    answer = produce(client, topic, batch(b"x", base_sequence=0, **producer))
    assert (answer.error_code, answer.log_start_offset) == (45, 0)


def fetch_topics(client: RawClient, *topics: Any, version: int = 12, **options: Any) -> Any:
    wanted = [
        FetchRequestFetchTopic(
            topic=name,
            partitions=[
                FetchRequestFetchPartition(
                    **{"partition": 0, "partition_max_bytes": 1_000_000, **partition}
                )
                for partition in partitions
            ],
        )
        for name, partitions in topics
    ]
    request = FetchRequest(topics=wanted, **{"max_wait_ms": 0, "min_bytes": 1, **options})
    return client.call(ApiKey.FETCH, version, request)


def test_partitions_that_do_not_exist_stand_at_the_end(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    found = fetch_topics(
        client, (topic, [{"partition": 8}, {"partition": 0}]), (topic + "-unknown", [{}])
    )
    shown = [
        (found_topic.topic, partition.partition_index, partition.error_code)
        for found_topic in found.responses
        for partition in found_topic.partitions
    ]
    assert shown == [(topic, 0, 0), (topic, 8, 3), (topic + "-unknown", 0, 3)]


def test_an_isolation_level_that_does_not_exist(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    found = fetch_topics(client, (topic, [{}]), isolation_level=2)
    assert found.error_code == -1
    assert found.responses[0].partitions[0].error_code == -1
    asked = ListOffsetsTopic(
        name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)]
    )
    answer = client.call(
        ApiKey.LIST_OFFSETS, 7, ListOffsetsRequest(isolation_level=2, topics=[asked])
    )
    assert answer.topics[0].partitions[0].error_code == -1


@pytest.mark.parametrize(
    ("offset", "epoch", "code", "diverging"),
    [(1, 0, 0, (-1, -1)), (9, 0, 0, (0, 1)), (1, 4, 1, (-1, -1)), (-1, 0, 1, (-1, -1))],
)
def test_the_epoch_of_the_last_record_is_compared(
    client: RawClient, topic: str, offset: int, epoch: int, code: int, diverging: tuple[int, int]
) -> None:
    ensure(client, topic)
    produce(client, topic, batch(b"x"))
    wanted = {"fetch_offset": offset, "last_fetched_epoch": epoch, "current_leader_epoch": 0}
    found = fetch_topics(client, (topic, [wanted])).responses[0].partitions[0]
    assert found.error_code == code
    assert (found.diverging_epoch.epoch, found.diverging_epoch.end_offset) == diverging


def test_a_reader_whose_log_was_cut_off_is_told_at_once_and_gets_no_records(
    client: RawClient, topic: str
) -> None:
    ensure(client, topic)
    produce(client, topic, batch(b"x"))
    wanted = {"fetch_offset": 9, "last_fetched_epoch": 0, "current_leader_epoch": 0}
    started = time.monotonic()
    answer = fetch_topics(client, (topic, [wanted]), min_bytes=1, max_wait_ms=300_000)
    assert time.monotonic() - started < 60
    [found] = answer.responses[0].partitions
    assert (found.diverging_epoch.end_offset, bytes(found.records or b"")) == (1, b"")


def test_a_session_without_partitions_can_be_opened(client: RawClient) -> None:
    opened = fetch_topics(client, session_id=0, session_epoch=0)
    assert opened.session_id > 0
    again = fetch_topics(client, session_id=opened.session_id, session_epoch=1)
    assert (again.error_code, again.session_id) == (0, 0)


def test_a_version_that_does_not_know_a_timestamp_says_so_first(
    client: RawClient, topic: str
) -> None:
    def code(timestamp: int, version: int) -> int:
        asked = ListOffsetsTopic(
            name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=timestamp)]
        )
        request = ListOffsetsRequest(topics=[asked], timeout_ms=1000)
        answer = client.call(ApiKey.LIST_OFFSETS, version, request)
        found: int = answer.topics[0].partitions[0].error_code
        return found

    assert [code(-3, 6), code(-3, 7), code(-6, 10), code(-6, 11)] == [35, 3, 35, 3]


def test_a_partition_named_twice_is_refused_once(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    asked = [
        ListOffsetsTopic(
            name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=timestamp)]
        )
        for timestamp in (-1, -2)
    ]
    answer = client.call(ApiKey.LIST_OFFSETS, 7, ListOffsetsRequest(topics=asked))
    codes = [[found.error_code for found in each.partitions] for each in answer.topics]
    assert codes == [[42]]


def test_an_offset_that_was_not_found_has_no_epoch(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    asked = ListOffsetsTopic(
        name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=-3)]
    )
    answer = client.call(ApiKey.LIST_OFFSETS, 7, ListOffsetsRequest(topics=[asked]))
    [found] = answer.topics[0].partitions
    assert (found.offset, found.leader_epoch) == (-1, -1)


def test_epochs_before_the_first_end_where_the_log_starts(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    asked = OffsetForLeaderTopic(
        topic=topic,
        partitions=[OffsetForLeaderPartition(partition=0, current_leader_epoch=0, leader_epoch=-2)],
    )
    answer = client.call(
        ApiKey.OFFSET_FOR_LEADER_EPOCH, 4, OffsetForLeaderEpochRequest(topics=[asked])
    )
    [found] = answer.topics[0].partitions
    assert (found.leader_epoch, found.end_offset) == (-2, 0)


def waits(client: RawClient, *topics: Any, **options: Any) -> bool:
    """Return whether a fetch takes all the time that it may."""
    wanted = {"max_wait_ms": 60, **options}
    begun = time.monotonic()
    fetch_topics(client, *topics, **wanted)
    return time.monotonic() - begun > 0.9 * wanted["max_wait_ms"] / 1000


def test_partitions_that_do_not_exist_do_not_end_a_wait(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    assert waits(client, (topic, [{}, {"partition": 7}]))
    assert not waits(client, (topic, [{"partition": 7}]), max_wait_ms=20_000)
    assert not waits(client, (topic, [{"fetch_offset": 9}]), max_wait_ms=20_000)


def test_nobody_waits_for_more_than_the_limit(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    produce(client, topic, batch(b"x"))
    assert not waits(client, (topic, [{}]), min_bytes=1000, max_bytes=10, max_wait_ms=20_000)


@pytest.mark.parametrize(("offset", "code"), [(0, 1), (1, 0)])
def test_deleted_records_end_the_wait_of_those_who_wanted_them(
    connect: Callable[[], RawClient], topic: str, offset: int, code: int
) -> None:
    reader, writer = connect(), connect()
    ensure(writer, topic)
    produce(writer, topic, batch(b"x"))
    wanted = {"partition_max_bytes": 1_000_000, "partition": 0, "fetch_offset": offset}
    request = FetchRequest(
        topics=[
            FetchRequestFetchTopic(topic=topic, partitions=[FetchRequestFetchPartition(**wanted)])
        ],
        max_wait_ms=20_000,
        min_bytes=150,
    )
    reader.send(ApiKey.FETCH, 12, request)
    partition = DeleteRecordsPartition(partition_index=0, offset=1)
    asked = DeleteRecordsTopic(name=topic, partitions=[partition])
    writer.call(ApiKey.DELETE_RECORDS, 2, DeleteRecordsRequest(topics=[asked], timeout_ms=1000))
    # Whoever is still there waits for these.
    produce(writer, topic, batch(b"y" * 200))
    answer = reader.receive(ApiKey.FETCH, 12)[1].responses[0].partitions[0]
    assert (answer.error_code, values(answer.records)) == (code, [] if code else [b"y" * 200])


@pytest.mark.parametrize("compression_type", ["gzip", "uncompressed"])
def test_records_are_checked_where_they_are_packed_anew(
    client: RawClient, topic: str, compression_type: str
) -> None:
    configs = [CreatableTopicConfig(name="compression.type", value=compression_type)]
    created = CreatableTopic(name=topic, num_partitions=1, replication_factor=1, configs=configs)
    client.call(ApiKey.CREATE_TOPICS, 7, CreateTopicsRequest(topics=[created], timeout_ms=1000))
    counted_too_many = changed(changed(batch(b"x"), 57, ">i", 2), 23, ">i", 1)
    assert produce(client, topic, counted_too_many).error_code == 87
    assert produce(client, topic, changed(batch(b"x" * 50), 21, ">h", 1)).error_code == -1
    assert produce(client, topic, batch(b"x", codec=Codec.LZ4)).error_code == 0


@pytest.mark.parametrize("version", [4, 12])
def test_partitions_of_a_topic_stand_together_those_that_do_not_exist_last(
    client: RawClient, topic: str, version: int
) -> None:
    ensure(client, topic)
    wanted = [
        FetchRequestFetchPartition(partition=index, fetch_offset=0, partition_max_bytes=1000)
        for index in (7, 0, -1)
    ]
    request = FetchRequest(topics=[FetchRequestFetchTopic(topic=topic, partitions=wanted)])
    [answer] = client.call(ApiKey.FETCH, version, request).responses
    found = [(each.partition_index, each.error_code) for each in answer.partitions]
    assert found == [(0, 0), (7, 3), (-1, 3)]
