"""Batches of real client libraries: read by us, built by us, read by them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from fakebus.records.batch import (
    HEADER_SIZE,
    assign_offset,
    invalid_crcs,
    parse_header,
    set_log_append_time,
)
from fakebus.records.builder import build_batch, build_end_marker
from fakebus.records.codecs import Codec
from fakebus.records.compression import decompress
from fakebus.records.reader import read_records, validate_records
from fakebus.records.record import NewRecord, Record
from tests.batches import split_batches
from tests.unit.records import oracles

START = 1700000000000
RECORDS = [
    NewRecord(b"key", b"value", (), START),
    NewRecord(None, b"no key", (), START + 1),
    NewRecord(b"tombstone", None, (), START + 5000),
    NewRecord(b"", b"", (("", b""), ("twice", b"1"), ("twice", None)), START - 300),
    NewRecord("schlüssel".encode(), b"x" * 70_000, (("ce_id", b"a" * 100),), START + 2**33),
    *(NewRecord(b"k%d" % n, b"value %d" % n, (), START + n) for n in range(200)),
]
# aiokafka writes -1 and kafka-python 0; brokers overwrite it.
LEADER_EPOCH = slice(12, 16)


def expected(records: list[NewRecord], base_offset: int = 0) -> list[Record]:
    return [
        Record(base_offset + delta, timestamp, key, value, tuple(headers))
        for delta, (key, value, headers, timestamp) in enumerate(records)
    ]


def unpacked(batch: bytes) -> bytes:
    return bytes(decompress(parse_header(batch).codec, batch[HEADER_SIZE:]))


@pytest.mark.parametrize("client", list(oracles.BUILDERS))
@pytest.mark.parametrize("records", [RECORDS[:1], RECORDS, RECORDS[3:4]])
@pytest.mark.parametrize(
    ("fields", "transactional"),
    [
        ({}, False),
        ({"producer_id": 4000, "producer_epoch": 3, "base_sequence": 17}, False),
        ({"producer_id": 1, "producer_epoch": 0, "base_sequence": 0}, True),
    ],
)
def test_an_uncompressed_batch_equals_the_clients_byte_for_byte(
    client: str, records: list[NewRecord], fields: dict[str, int], transactional: bool
) -> None:
    theirs = bytearray(
        oracles.build(client, records, Codec.NONE, is_transactional=transactional, **fields)
    )
    ours = build_batch(records, transactional=transactional, **fields)  # type: ignore[arg-type]
    theirs[LEADER_EPOCH] = ours[LEADER_EPOCH]
    assert ours == theirs


@pytest.mark.parametrize("codec", [Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
def test_a_compressed_batch_equals_aiokafkas_byte_for_byte(codec: Codec) -> None:
    theirs = bytearray(oracles.build("aiokafka", RECORDS, codec))
    ours = build_batch(RECORDS, codec=codec)
    theirs[LEADER_EPOCH] = ours[LEADER_EPOCH]
    assert ours == theirs


@pytest.mark.parametrize(("client", "codec"), oracles.EVERY_CLIENT_AND_CODEC)
def test_every_codecs_records_equal_the_clients_when_unpacked(client: str, codec: Codec) -> None:
    theirs = oracles.build(client, RECORDS, codec)
    ours = bytes(build_batch(RECORDS, codec=codec))
    assert parse_header(theirs).codec is codec
    assert unpacked(ours) == unpacked(theirs)


@pytest.mark.parametrize(("client", "codec"), oracles.EVERY_CLIENT_AND_CODEC)
def test_the_clients_batches_are_read_and_found_sound(client: str, codec: Codec) -> None:
    theirs = oracles.build(client, RECORDS, codec)
    assert not invalid_crcs([theirs])
    assert list(read_records(memoryview(theirs))) == expected(RECORDS)
    assert validate_records(theirs) == []


@pytest.mark.parametrize(("client", "codec"), oracles.EVERY_CLIENT_AND_CODEC)
def test_the_clients_read_what_we_build(client: str, codec: Codec) -> None:
    batch = build_batch(RECORDS, codec=codec)
    assign_offset(batch, 10**12, 5)
    assert oracles.read(client, bytes(batch)) == expected(RECORDS, 10**12)


@pytest.mark.parametrize("client", list(oracles.READERS))
def test_the_clients_take_the_log_append_time_for_every_record(client: str) -> None:
    batch = build_batch(RECORDS, codec=Codec.GZIP)
    set_log_append_time(batch, START + 77)
    times = {record.timestamp for record in oracles.read(client, bytes(batch))}
    assert times == {START + 77}
    assert oracles.read(client, bytes(batch)) == list(read_records(batch))


@pytest.mark.parametrize("commit", [True, False])
def test_aiokafka_recognises_an_end_marker(commit: bool) -> None:
    marker = bytes(
        build_end_marker(
            commit=commit,
            producer_id=7,
            producer_epoch=2,
            coordinator_epoch=9,
            timestamp_ms=START,
        )
    )
    batch = oracles.READERS["aiokafka"](marker)
    assert batch.validate_crc()
    assert batch.is_control_batch
    assert batch.is_transactional
    assert (batch.producer_id, batch.producer_epoch, batch.base_sequence) == (7, 2, -1)
    (record,) = batch
    assert record.key == struct.pack(">hh", 0, commit)
    assert record.value == struct.pack(">hi", 0, 9)
    assert record.timestamp == START


def string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        assert part, "the mock broker closed the connection"
        data += part
    return bytes(data)


def fetch_all(host: str, port: int, topic: str) -> bytes:
    """Return the record batches of partition 0, by one Fetch request of version 4."""
    body = struct.pack(">iiiibi", -1, 0, 1, 10**7, 0, 1) + string(topic)
    body += struct.pack(">iiqi", 1, 0, 0, 10**7)
    request = struct.pack(">hhi", 1, 4, 1) + string("oracle") + body
    with socket.create_connection((host, port), timeout=60) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = receive(connection, struct.unpack(">i", receive(connection, 4))[0])
    # correlation id, throttle time, one topic, its name, one partition; then the partition's
    # index, error, high watermark, last stable offset, aborted transactions, and the records.
    position = 4 + 4 + 4 + len(string(topic)) + 4
    _, error, _, _, aborted = struct.unpack_from(">ihqqi", answer, position)
    assert error == 0
    position += 26 + 16 * max(aborted, 0)
    size = struct.unpack_from(">i", answer, position)[0]
    return answer[position + 4 : position + 4 + size]


@pytest.fixture(scope="module")
def librdkafka_batches() -> Iterator[dict[str, list[bytes]]]:
    """Batches as librdkafka produced them, by codec, out of its mock cluster."""
    keeper = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    broker = next(iter(keeper.list_topics(timeout=60).brokers.values()))
    batches = {}
    for codec in Codec:
        name = codec.name.lower()
        producer = Producer(
            {
                "bootstrap.servers": f"{broker.host}:{broker.port}",
                "compression.type": name,
                "linger.ms": 100,
                "log_level": 0,
                "enable.idempotence": True,
            }
        )
        for key, value, headers, timestamp in RECORDS:
            producer.produce(
                name, value, key, partition=0, timestamp=timestamp, headers=list(headers)
            )
        assert producer.flush(60) == 0
        stored = fetch_all(broker.host, broker.port, name)
        batches[name] = split_batches(stored)
    yield batches
    keeper.flush(60)


@pytest.mark.parametrize("codec", list(Codec))
def test_librdkafkas_batches_are_read_and_found_sound(
    codec: Codec, librdkafka_batches: dict[str, list[bytes]]
) -> None:
    batches = librdkafka_batches[codec.name.lower()]
    assert {parse_header(batch).codec for batch in batches} == {codec}
    records: list[Record] = []
    for batch in batches:
        assert not invalid_crcs([batch])
        assert validate_records(batch) == []
        records += read_records(batch)
    assert records == expected(RECORDS)


def test_librdkafkas_batches_are_rebuilt_byte_for_byte(
    librdkafka_batches: dict[str, list[bytes]],
) -> None:
    for theirs in librdkafka_batches["none"]:
        header = parse_header(theirs)
        records = [
            NewRecord(record.key, record.value, record.headers, record.timestamp)
            for record in read_records(theirs)
        ]
        ours = build_batch(
            records,
            producer_id=header.producer_id,
            producer_epoch=header.producer_epoch,
            base_sequence=header.base_sequence,
        )
        assign_offset(ours, header.base_offset, header.partition_leader_epoch)
        assert ours == theirs
