"""Bad bytes close their own connection and nothing else; good ones are answered in order."""

from __future__ import annotations

import logging
import random
import socket
import struct
from collections.abc import Callable

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.kafka import client_protocol
from fakebus.kafka.api import RequestContext
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.errors import EncodeError
from fakebus.protocol.messages import (
    ApiVersionsRequest,
    FetchRequest,
    FetchRequestFetchPartition,
    FetchRequestFetchTopic,
    MetadataRequest,
    MetadataRequestTopic,
)
from fakebus.types import Buffer
from tests.wire.client import RawClient, frame

Connect = Callable[[], RawClient]

GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a page's form": b"POST / HTTP/1.1\r\nHost: x\r\n\r\n" + frame(ApiKey.METADATA, 1, 1, "x", b""),
    "tls": bytes.fromhex("16030100c8010000c40303") + b"\0" * 200,
    "zeros": b"\0" * 100,
    "ones": b"\xff" * 100,
    "negative length": struct.pack(">i", -1),
    "tiny length": struct.pack(">i", 3) + b"abc",
    "huge length": struct.pack(">i", 2**31 - 1),
    "over the limit": struct.pack(">i", 3_000_001),
    "unknown api": frame(999, 0, 1, "x", b""),
    "unknown version": frame(ApiKey.METADATA, 99, 1, "x", b""),
    "negative version": frame(ApiKey.METADATA, -1, 1, "x", b""),
    "produce before version 3": frame(ApiKey.PRODUCE, 2, 1, "x", b"\0" * 12),
    "truncated body": frame(ApiKey.METADATA, 1, 1, "x", struct.pack(">i", 5)),
    "huge array": frame(ApiKey.METADATA, 1, 1, "x", struct.pack(">i", 2**31 - 1)),
    "huge compact array": frame(ApiKey.METADATA, 12, 1, "x", b"\xff\xff\xff\xff\x0f"),
    "endless varint": frame(ApiKey.METADATA, 12, 1, "x", b"\xff" * 20),
    "client id beyond the frame": struct.pack(">ihhih", 10, 3, 1, 1, 30_000),
    "invalid utf-8": struct.pack(">ihhih", 12, 3, 1, 1, 2) + b"\xff\xfe",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_closes_its_own_connection_only(connect: Connect, name: str) -> None:
    good, bad = connect(), connect()
    bad.send_bytes(GARBAGE[name])
    assert bad.is_closed_by_peer()
    assert good.call(ApiKey.METADATA, 12, MetadataRequest(topics=[])).cluster_id


def test_a_connection_that_garbage_closes_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("fakebus.kafka.listener.logger", logging.getLogger("fakebus.kafka.alone"))
    settings = Settings(data=None, kafka=(Address("127.0.0.1", 0),), http=())
    sent = ("http", "negative length", "unknown version", "truncated body", "endless varint")
    with BusThread(FakeBus(settings)) as running:
        for name in sent:
            with RawClient(running.bus.bootstrap_servers) as client:
                client.send_bytes(GARBAGE[name])
                assert client.is_closed_by_peer()
    told = [each.getMessage() for each in caplog.records if each.name == "fakebus.kafka.alone"]
    assert sum("closing the connection of /127.0.0.1: " in line for line in told) == len(sent)
    assert all(line.isprintable() for line in told)


def test_random_bytes_never_stop_the_bus(connect: Connect) -> None:
    randomness = random.Random(3)
    for _ in range(200):
        body = randomness.randbytes(randomness.randrange(60))
        api = randomness.choice([0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 18, 19, 22, 32])
        with connect() as client:
            client.send_bytes(frame(api, randomness.randrange(13), 1, "x", body))
            client.socket.shutdown(socket.SHUT_WR)
            while client.socket.recv(65536):
                pass
    assert connect().call(ApiKey.METADATA, 1, MetadataRequest(topics=[])).brokers


def test_a_length_that_lies_costs_no_memory(connect: Connect) -> None:
    clients = [connect() for _ in range(50)]
    for client in clients:
        client.send_bytes(struct.pack(">i", 2_999_999) + b"\0\x03\0\x01")
    assert connect().call(ApiKey.METADATA, 1, MetadataRequest(topics=[])).brokers


def test_api_versions_too_new_is_answered_in_the_oldest_layout(client: RawClient) -> None:
    client.send_bytes(frame(ApiKey.API_VERSIONS, 77, 5, "x", b"anything"))
    correlation_id, response = client.receive(ApiKey.API_VERSIONS, 0)
    assert correlation_id == 5
    assert response.error_code == 35
    assert [(k.api_key, k.min_version, k.max_version) for k in response.api_keys] == [(18, 0, 4)]


@pytest.mark.parametrize("version", range(5))
def test_api_versions_names_what_is_served(client: RawClient, version: int) -> None:
    request = ApiVersionsRequest(client_software_name="raw", client_software_version="1.0")
    response = client.call(ApiKey.API_VERSIONS, version, request)
    served = {key.api_key: (key.min_version, key.max_version) for key in response.api_keys}
    assert response.error_code == 0
    assert served[0] == (0, 13)
    assert served[1] == (4, 18)
    assert 71 not in served, "telemetry is not advertised, so that clients stay silent"


@pytest.mark.parametrize(
    ("name", "version"), [("", "1"), ("a", ""), ("-a", "1"), ("a b", "1"), ("a", "1\n")]
)
def test_a_bad_software_name_is_an_invalid_request(
    client: RawClient, name: str, version: str
) -> None:
    request = ApiVersionsRequest(client_software_name=name, client_software_version=version)
    assert client.call(ApiKey.API_VERSIONS, 3, request).error_code == 42


def test_a_null_client_id_and_trailing_bytes_are_legal(client: RawClient) -> None:
    client.send_bytes(frame(ApiKey.METADATA, 1, 9, None, struct.pack(">i", 0) + b"more"))
    correlation_id, response = client.receive(ApiKey.METADATA, 1)
    assert correlation_id == 9
    assert response.topics == []


def test_unknown_tagged_fields_are_skipped(client: RawClient) -> None:
    body = b"\x01" + b"\0\0" + b"\x01" + b"\x63\x03abc"
    client.send_bytes(frame(ApiKey.METADATA, 12, 9, "x", body))
    assert client.receive(ApiKey.METADATA, 12)[1].topics == []


def test_answers_come_in_the_order_of_the_requests_even_behind_a_waiting_fetch(
    connect: Connect, topic: str
) -> None:
    client, other = connect(), connect()
    asked = MetadataRequest(topics=[MetadataRequestTopic(name=topic)])
    client.call(ApiKey.METADATA, 4, asked)
    fetch = FetchRequest(
        max_wait_ms=300,
        min_bytes=1,
        topics=[
            FetchRequestFetchTopic(
                topic=topic,
                partitions=[
                    FetchRequestFetchPartition(
                        partition=0, fetch_offset=0, partition_max_bytes=1000
                    )
                ],
            )
        ],
    )
    first = client.send(ApiKey.FETCH, 4, fetch)
    second = client.send(ApiKey.METADATA, 1, MetadataRequest(topics=[]))
    third = client.send(ApiKey.METADATA, 1, MetadataRequest(topics=[]))
    assert other.call(ApiKey.METADATA, 1, MetadataRequest(topics=[])).brokers
    assert client.receive(ApiKey.FETCH, 4)[0] == first
    assert client.receive(ApiKey.METADATA, 1)[0] == second
    assert client.receive(ApiKey.METADATA, 1)[0] == third


def test_a_thousand_connections_are_served(connect: Connect) -> None:
    clients = [connect() for _ in range(1000)]
    for client in clients:
        client.send(ApiKey.METADATA, 1, MetadataRequest(topics=[]))
    for client in clients:
        assert client.receive(ApiKey.METADATA, 1)[1].brokers


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "tab\t", "nul\0", "😀", "ä", "a" * 250]
)
def test_a_bad_topic_name_is_refused_and_not_created(client: RawClient, name: str) -> None:
    asked = MetadataRequest(topics=[MetadataRequestTopic(name=name)])
    (topic,) = client.call(ApiKey.METADATA, 4, asked).topics
    assert topic.error_code == 17
    everything = client.call(ApiKey.METADATA, 4, MetadataRequest(topics=None)).topics
    assert name not in [t.name for t in everything]


def test_an_answer_that_cannot_be_written_costs_one_connection(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = connect(), connect()
    encode = client_protocol.encode

    def fail(context: RequestContext) -> list[Buffer]:
        if context.api_key == ApiKey.METADATA:
            raise EncodeError("a value is missing")
        return encode(context)

    monkeypatch.setattr(client_protocol, "encode", fail)
    bad.send(ApiKey.METADATA, 1, MetadataRequest(topics=[]))
    assert bad.is_closed_by_peer()
    request = ApiVersionsRequest(client_software_name="raw", client_software_version="1")
    assert good.call(ApiKey.API_VERSIONS, 3, request).error_code == 0
