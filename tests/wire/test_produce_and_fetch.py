"""Produce and Fetch by raw frames: the rules that clients cannot be made to break."""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from fakebus.app import BusThread
from fakebus.errors import ErrorCode
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    DeleteTopicsRequest,
    FetchRequest,
    FetchRequestFetchPartition,
    FetchRequestFetchTopic,
    FetchRequestForgottenTopic,
    InitProducerIdRequest,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
    MetadataRequest,
    MetadataRequestTopic,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from fakebus.records.batch import write_crc
from fakebus.records.builder import build_batch
from fakebus.records.reader import read_records
from fakebus.records.record import NewRecord
from tests.batches import split_batches
from tests.wire.client import RawClient

Connect = Callable[[], RawClient]
NOW = int(time.time() * 1000)


def batch(*values: bytes, timestamp_ms: int = NOW, **options: Any) -> bytearray:
    records = [NewRecord(key=None, value=value, timestamp_ms=timestamp_ms) for value in values]
    return build_batch(records, **options)


def ensure(client: RawClient, topic: str) -> Any:
    asked = MetadataRequest(topics=[MetadataRequestTopic(name=topic)])
    (found,) = client.call(ApiKey.METADATA, 12, asked).topics
    assert found.error_code == 0
    return found


def produce_request(topic: str, *batches: Any, acks: int = -1, topic_id: Any = None) -> Any:
    data = TopicProduceData(
        name=topic,
        partition_data=[
            PartitionProduceData(index=index, records=records)
            for index, records in enumerate(batches)
        ],
    )
    if topic_id is not None:
        data.topic_id = topic_id
    return ProduceRequest(acks=acks, timeout_ms=1000, topic_data=[data])


def produce(client: RawClient, topic: str, records: Any, version: int = 9, acks: int = -1) -> Any:
    response = client.call(ApiKey.PRODUCE, version, produce_request(topic, records, acks=acks))
    return response.responses[0].partition_responses[0]


def fetch_request(topic: str, offset: int, **options: Any) -> FetchRequest:
    part = {
        k: options.pop(k) for k in ("partition_max_bytes", "current_leader_epoch") if k in options
    }
    part.setdefault("partition_max_bytes", 1_000_000)
    wanted = FetchRequestFetchPartition(partition=0, fetch_offset=offset, **part)
    options = {"max_wait_ms": 0, "min_bytes": 1, **options}
    return FetchRequest(
        topics=[FetchRequestFetchTopic(topic=topic, partitions=[wanted])], **options
    )


def fetch(client: RawClient, topic: str, offset: int, version: int = 11, **options: Any) -> Any:
    response = client.call(ApiKey.FETCH, version, fetch_request(topic, offset, **options))
    return response.responses[0].partitions[0]


def values(records: Any) -> list[bytes | None]:
    return [r.value for b in split_batches(bytes(records)) for r in read_records(b)]


def changed(data: bytearray, position: int, layout: str, value: int) -> bytearray:
    struct.pack_into(layout, data, position, value)
    write_crc(data)
    return data


@pytest.mark.parametrize("version", range(3, 13))
def test_what_is_produced_comes_back_byte_for_byte(
    client: RawClient, topic: str, version: int
) -> None:
    ensure(client, topic)
    sent = batch(b"one", b"two")
    answer = produce(client, topic, sent, version)
    assert (answer.error_code, answer.base_offset, answer.log_append_time_ms) == (0, 0, -1)
    second = produce(client, topic, batch(b"three"), version)
    assert second.base_offset == 2
    found = fetch(client, topic, 0, max(version, 4))
    stored = bytes(found.records)
    assert stored[17 : len(sent)] == bytes(sent[17:])
    assert values(found.records) == [b"one", b"two", b"three"]
    assert (found.high_watermark, found.last_stable_offset, found.log_start_offset) == (
        3,
        3,
        [-1, 0][max(version, 4) >= 5],
    )


def test_a_topic_can_be_named_by_its_id(client: RawClient, topic: str) -> None:
    topic_id = ensure(client, topic).topic_id
    response = client.call(ApiKey.PRODUCE, 13, produce_request("", batch(b"x"), topic_id=topic_id))
    assert response.responses[0].topic_id == topic_id
    assert response.responses[0].partition_responses[0].error_code == 0
    request = fetch_request("", 0)
    request.topics[0].topic_id = topic_id
    response = client.call(ApiKey.FETCH, 18, request)
    assert values(response.responses[0].partitions[0].records) == [b"x"]
    request.topics[0].topic_id = type(topic_id)(int=5)
    response = client.call(ApiKey.FETCH, 18, request)
    assert response.responses[0].partitions[0].error_code == 100


REFUSED: dict[str, tuple[Callable[[], Any], int]] = {
    "null records": (lambda: None, 87),
    "empty records": (lambda: b"", 87),
    "half a header": (lambda: batch(b"x")[:40], 87),
    "cut off": (lambda: batch(b"x")[:-1], 87),
    "two batches": (lambda: batch(b"x") + batch(b"y"), 87),
    "wrong crc": (lambda: _flip(batch(b"x")), 2),
    "magic 1": (lambda: changed(batch(b"x"), 16, ">b", 1), 87),
    "count 0": (lambda: changed(batch(b"x"), 57, ">i", 0), 87),
    "count too large": (lambda: changed(batch(b"x"), 57, ">i", 9), 87),
    "base offset 5": (lambda: changed(batch(b"x"), 0, ">q", 5), 87),
    "control batch": (lambda: changed(batch(b"x"), 21, ">h", 0x20), 87),
    "transactional batch": (
        lambda: batch(b"x", producer_id=3, producer_epoch=0, base_sequence=0, transactional=True),
        53,
    ),
    "unknown codec": (lambda: changed(batch(b"x"), 21, ">h", 7), -1),
    "producer without sequence": (lambda: batch(b"x", producer_id=3, producer_epoch=0), 87),
    "too large": (lambda: batch(b"x" * 1_100_000), 10),
    "future timestamp": (lambda: batch(b"x", timestamp_ms=NOW + 7_200_000), 32),
}


def _flip(data: bytearray) -> bytearray:
    data[-1] ^= 1
    return data


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_batch_is_refused_and_leaves_no_trace(
    client: RawClient, topic: str, name: str
) -> None:
    ensure(client, topic)
    make, code = REFUSED[name]
    answer = produce(client, topic, make())
    assert (answer.error_code, answer.base_offset) == (code, -1)
    assert produce(client, topic, batch(b"good")).base_offset == 0
    assert values(fetch(client, topic, 0).records) == [b"good"]


def test_zstd_needs_version_7(client: RawClient, topic: str) -> None:
    from fakebus.records.codecs import Codec

    ensure(client, topic)
    assert produce(client, topic, batch(b"x", codec=Codec.ZSTD), 6).error_code == 76
    assert produce(client, topic, batch(b"x", codec=Codec.ZSTD), 7).error_code == 0


@pytest.mark.parametrize("acks", [2, -2, 5])
def test_other_acks_are_refused(client: RawClient, topic: str, acks: int) -> None:
    ensure(client, topic)
    assert produce(client, topic, batch(b"x"), acks=acks).error_code == 21


def test_acks_0_gets_no_answer_and_an_error_closes_the_connection(
    connect: Connect, topic: str
) -> None:
    client = connect()
    ensure(client, topic)
    client.send(ApiKey.PRODUCE, 9, produce_request(topic, batch(b"x"), acks=0))
    assert client.call(ApiKey.METADATA, 1, MetadataRequest(topics=[])).brokers
    assert values(fetch(client, topic, 0).records) == [b"x"]
    client.send(ApiKey.PRODUCE, 9, produce_request(topic, b"", acks=0))
    assert client.is_closed_by_peer()


def test_one_bad_partition_does_not_fail_the_others(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    request = produce_request(topic, batch(b"x"), batch(b"y"))
    answers = client.call(ApiKey.PRODUCE, 9, request).responses[0].partition_responses
    assert [answer.error_code for answer in answers] == [0, 3]


def producer_id(client: RawClient) -> int:
    response = client.call(
        ApiKey.INIT_PRODUCER_ID,
        4,
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000),
    )
    assert (response.error_code, response.producer_epoch) == (0, 0)
    found: int = response.producer_id
    return found


def test_a_repeated_batch_gets_its_first_offset_and_is_stored_once(
    client: RawClient, topic: str
) -> None:
    ensure(client, topic)
    pid = producer_id(client)
    assert producer_id(client) != pid

    def send(sequence: int, epoch: int = 0) -> tuple[int, int]:
        data = batch(b"x", producer_id=pid, producer_epoch=epoch, base_sequence=sequence)
        answer = produce(client, topic, data)
        return answer.error_code, answer.base_offset

    assert [send(n) for n in range(6)] == [(0, n) for n in range(6)]
    assert [send(n) for n in range(1, 6)] == [(0, n) for n in range(1, 6)]
    assert send(8) == (45, -1)
    assert send(6) == (0, 6)
    assert send(3, epoch=1) == (45, -1)
    assert send(0, epoch=1) == (0, 7)
    assert send(7) == (47, -1)
    assert len(values(fetch(client, topic, 0).records)) == 8


def test_pipelined_batches_keep_their_order(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    pid = producer_id(client)
    for sequence in range(50):
        data = batch(b"%d" % sequence, producer_id=pid, producer_epoch=0, base_sequence=sequence)
        client.send(ApiKey.PRODUCE, 9, produce_request(topic, data))
    for expected in range(50):
        answer = client.receive(ApiKey.PRODUCE, 9)[1].responses[0].partition_responses[0]
        assert (answer.error_code, answer.base_offset) == (0, expected)
    assert values(fetch(client, topic, 0).records) == [b"%d" % n for n in range(50)]


def test_offsets_outside_the_log_are_errors_and_its_end_is_not(
    client: RawClient, topic: str
) -> None:
    ensure(client, topic)
    produce(client, topic, batch(b"x"))
    assert fetch(client, topic, 2).error_code == 1
    assert fetch(client, topic, -1).error_code == 1
    at_end = fetch(client, topic, 1)
    assert (at_end.error_code, bytes(at_end.records)) == (0, b"")


def test_empty_records_are_zero_bytes_and_not_null(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    assert fetch(client, topic, 0).records is not None


def test_the_first_batch_is_whole_even_beyond_every_limit(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    for letter in (b"a", b"b"):
        produce(client, topic, batch(letter * 50_000))
    found = fetch(client, topic, 0, max_bytes=10, partition_max_bytes=10)
    assert values(found.records) == [b"a" * 50_000]


def test_an_offset_inside_a_batch_returns_the_whole_batch(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    produce(client, topic, batch(b"a", b"b", b"c"))
    assert values(fetch(client, topic, 2).records) == [b"a", b"b", b"c"]


def test_a_waiting_fetch_is_answered_as_soon_as_something_is_appended(
    connect: Connect, topic: str
) -> None:
    reader, writer = connect(), connect()
    ensure(reader, topic)
    reader.send(ApiKey.FETCH, 11, fetch_request(topic, 0, max_wait_ms=50_000))
    started = time.monotonic()
    produce(writer, topic, batch(b"x"))
    response = reader.receive(ApiKey.FETCH, 11)[1]
    assert time.monotonic() - started < 40
    assert values(response.responses[0].partitions[0].records) == [b"x"]


def test_a_fetch_waits_for_min_bytes(connect: Connect, topic: str) -> None:
    reader, writer = connect(), connect()
    ensure(reader, topic)
    reader.send(ApiKey.FETCH, 11, fetch_request(topic, 0, max_wait_ms=20_000, min_bytes=150))
    produce(writer, topic, batch(b"a"))
    produce(writer, topic, batch(b"b" * 100))
    response = reader.receive(ApiKey.FETCH, 11)[1]
    assert values(response.responses[0].partitions[0].records) == [b"a", b"b" * 100]


def test_an_empty_fetch_does_not_return_before_its_time(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    started = time.monotonic()
    fetch(client, topic, 0, max_wait_ms=200)
    assert time.monotonic() - started >= 0.19


@pytest.mark.parametrize(("epoch", "code"), [(-1, 0), (0, 0), (1, 75)])
def test_the_leader_epoch_is_compared(client: RawClient, topic: str, epoch: int, code: int) -> None:
    ensure(client, topic)
    assert fetch(client, topic, 0, current_leader_epoch=epoch).error_code == code


def test_fetch_sessions_tell_only_what_changed(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    produce(client, topic, batch(b"a"))
    opened = client.call(ApiKey.FETCH, 11, fetch_request(topic, 0, session_id=0, session_epoch=0))
    session = opened.session_id
    assert session > 0
    assert values(opened.responses[0].partitions[0].records) == [b"a"]

    def more(epoch: int, **options: Any) -> Any:
        return client.call(
            ApiKey.FETCH,
            11,
            FetchRequest(
                max_wait_ms=0, min_bytes=1, session_id=session, session_epoch=epoch, **options
            ),
        )

    again = client.call(
        ApiKey.FETCH, 11, fetch_request(topic, 1, session_id=session, session_epoch=1)
    )
    assert (again.error_code, again.session_id, again.responses) == (0, session, [])
    produce(client, topic, batch(b"b"))
    assert values(more(2).responses[0].partitions[0].records) == [b"b"]
    assert more(2).error_code == 71
    forget = FetchRequestForgottenTopic(topic=topic, partitions=[0])
    assert more(3, forgotten_topics_data=[forget]).responses == []
    assert more(4).error_code == 70, "a session without partitions is closed"


def test_special_offsets_and_offsets_by_time(client: RawClient, topic: str) -> None:
    ensure(client, topic)

    def offset(timestamp: int, version: int = 11) -> tuple[int, int, int]:
        request = ListOffsetsRequest(
            replica_id=-1,
            topics=[
                ListOffsetsTopic(
                    name=topic,
                    partitions=[ListOffsetsPartition(partition_index=0, timestamp=timestamp)],
                )
            ],
        )
        found = client.call(ApiKey.LIST_OFFSETS, version, request).topics[0].partitions[0]
        return found.error_code, found.offset, found.timestamp

    assert offset(-3) == (0, -1, -1)
    times = [[NOW, NOW + 30, NOW + 10], [NOW + 5, NOW + 40], [NOW + 20]]
    for group in times:
        records = [NewRecord(key=None, value=b"v", timestamp_ms=t) for t in group]
        produce(client, topic, build_batch(records))
    assert offset(-1) == (0, 6, -1)
    assert offset(-2) == (0, 0, -1)
    assert offset(-3) == (0, 4, NOW + 40)
    assert offset(-4) == (0, 0, -1)
    assert offset(-5)[:2] == (0, -1)
    assert offset(0) == (0, 0, NOW)
    assert offset(NOW + 1) == (0, 1, NOW + 30)
    assert offset(NOW + 31) == (0, 4, NOW + 40)
    assert offset(NOW + 41) == (0, -1, -1)
    assert offset(-3, version=6)[0] == 35


def test_producers_wait_their_turn_when_too_much_waits_to_be_stored(
    running: BusThread, connect: Connect, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = [connect() for _ in range(3)]
    ensure(clients[0], topic)
    writer = running.bus.broker._storage._writer  # type: ignore[attr-defined]
    commit, go_on = writer._commit, threading.Event()

    async def commit_when_told(writes: list[Any]) -> None:
        await asyncio.to_thread(go_on.wait)
        await commit(writes)

    monkeypatch.setattr("fakebus.broker.broker.MAX_PENDING_BYTES", len(batch(b"x")) - 1)
    monkeypatch.setattr(writer, "_commit", commit_when_told)
    monkeypatch.setattr(writer, "_commit_inline", lambda _: False)
    for client in clients:
        client.send(ApiKey.PRODUCE, 9, produce_request(topic, batch(b"x")))
    assert connect().call(ApiKey.METADATA, 1, MetadataRequest(topics=[])).brokers
    assert fetch(connect(), topic, 0).high_watermark == 0
    go_on.set()
    offsets = {
        client.receive(ApiKey.PRODUCE, 9)[1].responses[0].partition_responses[0].base_offset
        for client in clients
    }
    assert offsets == {0, 1, 2}


def test_aborted_transactions_are_told_only_to_who_reads_what_is_committed(
    client: RawClient, topic: str
) -> None:
    ensure(client, topic)
    produce(client, topic, batch(b"x"))
    assert fetch(client, topic, 0, isolation_level=0).aborted_transactions is None
    assert fetch(client, topic, 0, isolation_level=1).aborted_transactions == []
    refused = fetch(client, topic, 99, isolation_level=1)  # OFFSET_OUT_OF_RANGE
    assert (refused.error_code, refused.aborted_transactions) == (1, None)


@pytest.mark.parametrize("version", [13, 18])
def test_topics_are_named_by_their_ids_from_version_13_on(
    client: RawClient, topic: str, version: int
) -> None:
    ensure(client, topic)
    produce(client, topic, batch(b"x"))
    asked = MetadataRequest(topics=[MetadataRequestTopic(name=topic)])
    request = fetch_request("", 0)
    request.topics[0].topic_id = client.call(ApiKey.METADATA, 12, asked).topics[0].topic_id
    [answered] = client.call(ApiKey.FETCH, version, request).responses
    assert answered.topic_id == request.topics[0].topic_id
    assert values(answered.partitions[0].records) == [b"x"]


def test_a_session_gives_records_of_a_topic_that_came_after_it(
    client: RawClient, topic: str
) -> None:
    request = fetch_request(topic, 0, session_id=0, session_epoch=0)
    opened = client.call(ApiKey.FETCH, 11, request)
    assert opened.responses[0].partitions[0].error_code == 3
    ensure(client, topic)
    produce(client, topic, batch(b"x"))
    request = fetch_request(topic, 0, session_id=opened.session_id, session_epoch=1)
    request.topics = []
    [answered] = client.call(ApiKey.FETCH, 11, request).responses
    assert values(answered.partitions[0].records) == [b"x"]


def test_a_session_is_told_that_its_topic_is_gone_and_then_that_another_one_has_its_name(
    client: RawClient, topic: str
) -> None:
    wanted = FetchRequestFetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
    named = FetchRequestFetchTopic(topic_id=ensure(client, topic).topic_id, partitions=[wanted])
    produce(client, topic, batch(b"old"))
    opened = client.call(ApiKey.FETCH, 13, FetchRequest(topics=[named], session_epoch=0))
    assert values(opened.responses[0].partitions[0].records) == [b"old"]

    def next_error(epoch: int) -> int:
        request = FetchRequest(
            topics=[], session_id=opened.session_id, session_epoch=epoch, max_wait_ms=0
        )
        (answered,) = client.call(ApiKey.FETCH, 13, request).responses
        code: int = answered.partitions[0].error_code
        return code

    client.call(ApiKey.DELETE_TOPICS, 3, DeleteTopicsRequest(topic_names=[topic], timeout_ms=9000))
    assert next_error(1) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION.code
    ensure(client, topic)
    assert next_error(2) == ErrorCode.INCONSISTENT_TOPIC_ID.code
    client.call(ApiKey.DELETE_TOPICS, 3, DeleteTopicsRequest(topic_names=[topic], timeout_ms=9000))
    assert next_error(3) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION.code


def test_two_batches_for_one_partition_are_refused_alone(client: RawClient, topic: str) -> None:
    for name in (topic, f"{topic}-other"):
        ensure(client, name)
    request = produce_request(f"{topic}-other", batch(b"one") + batch(b"two"))
    request.topic_data += produce_request(topic, batch(b"good")).topic_data
    first, second = client.call(ApiKey.PRODUCE, 9, request).responses
    assert first.partition_responses[0].error_code == ErrorCode.INVALID_RECORD.code
    assert second.partition_responses[0].error_code == 0
    assert values(fetch(client, topic, 0).records) == [b"good"]
