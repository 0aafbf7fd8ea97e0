"""What is refused: where no answer is expected the connection ends; else what Kafka asks first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest

from fakebus.addresses import Address
from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from fakebus.errors import ErrorCode
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    AclCreation,
    CreateAclsRequest,
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
    ProduceRequest,
)
from tests.wire.client import RawClient
from tests.wire.test_produce_and_fetch import batch, ensure, fetch, produce_request, values

TOPIC, TRANSACTIONAL_ID = 2, 5
LITERAL, DENY, READ, WRITE, DESCRIBE = 3, 2, 3, 4, 8


@pytest.fixture(scope="module")
def running() -> Iterator[BusThread]:
    """Give the clients of this module a bus with an authorizer."""
    settings = Settings(
        data=None,
        kafka=(Address("127.0.0.1", 0),),
        http=(),
        set={
            "authorizer.class.name": "StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "true",
        },
    )
    with BusThread(FakeBus(settings)) as thread:
        yield thread


def deny(client: RawClient, kind: int, name: str, operation: int = WRITE) -> None:
    denied = AclCreation(
        resource_type=kind,
        resource_name=name,
        resource_pattern_type=LITERAL,
        principal="User:ANONYMOUS",
        host="*",
        operation=operation,
        permission_type=DENY,
    )
    (result,) = client.call(ApiKey.CREATE_ACLS, 3, CreateAclsRequest(creations=[denied])).results
    assert result.error_code == 0


def both(allowed: str, denied: str, records: bytes | bytearray, acks: int) -> ProduceRequest:
    request = produce_request(allowed, records, acks=acks)
    request.topic_data += produce_request(denied, batch(b"no"), acks=acks).topic_data
    return request


@pytest.mark.parametrize("is_good", [True, False], ids=["appended", "refused at once"])
def test_what_may_be_written_is_and_what_may_not_ends_the_connection(
    connect: Callable[[], RawClient], is_good: bool, caplog: pytest.LogCaptureFixture
) -> None:
    open_to_all, closed = f"open-{is_good}", f"closed-{is_good}"
    client = connect()
    ensure(client, open_to_all)
    ensure(client, closed)
    deny(client, TOPIC, closed)
    with caplog.at_level(logging.ERROR):
        records = batch(b"yes") if is_good else b""
        client.send(ApiKey.PRODUCE, 10, both(open_to_all, closed, records, acks=0))
        assert client.is_closed_by_peer()
    assert not caplog.records
    expected = [b"yes"] if is_good else []
    assert values(fetch(connect(), open_to_all, 0).records or b"") == expected


@pytest.mark.parametrize("topics", [["free"], []], ids=["one topic", "no topic"])
def test_a_transactional_id_that_is_not_the_clients_ends_the_connection(
    connect: Callable[[], RawClient], topics: list[str]
) -> None:
    client = connect()
    ensure(client, "free")
    deny(client, TRANSACTIONAL_ID, "theirs")
    request = produce_request("free", batch(b"x"), acks=0)
    request.transactional_id = "theirs"
    if not topics:
        request.topic_data = []
    client.send(ApiKey.PRODUCE, 10, request)
    assert client.is_closed_by_peer()
    assert values(fetch(connect(), "free", 0).records or b"") == []


def test_a_request_of_which_nothing_may_be_carried_out_ends_the_connection(
    connect: Callable[[], RawClient], caplog: pytest.LogCaptureFixture
) -> None:
    client = connect()
    ensure(client, "shut")
    deny(client, TOPIC, "shut")
    with caplog.at_level(logging.ERROR):
        client.send(ApiKey.PRODUCE, 10, produce_request("shut", batch(b"x"), acks=0))
        assert client.is_closed_by_peer()
    assert not caplog.records


def test_a_group_that_there_is_not_is_told_to_those_who_may_read_no_topic(
    connect: Callable[[], RawClient],
) -> None:
    client = connect()
    deny(client, TOPIC, "unread", READ)
    partition = OffsetDeleteRequestPartition(partition_index=0)
    topic = OffsetDeleteRequestTopic(name="unread", partitions=[partition])
    request = OffsetDeleteRequest(group_id="none", topics=[topic])
    answer = client.call(ApiKey.OFFSET_DELETE, 0, request)
    assert (answer.error_code, answer.topics) == (ErrorCode.GROUP_ID_NOT_FOUND.code, [])


def test_brokers_may_ask_for_the_epochs_of_every_topic(connect: Callable[[], RawClient]) -> None:
    client = connect()
    ensure(client, "undescribed")
    deny(client, TOPIC, "undescribed", DESCRIBE)
    wanted = OffsetForLeaderPartition(partition=0, current_leader_epoch=-1, leader_epoch=0)
    topic = OffsetForLeaderTopic(topic="undescribed", partitions=[wanted])
    request = OffsetForLeaderEpochRequest(replica_id=-1, topics=[topic])
    answer = client.call(ApiKey.OFFSET_FOR_LEADER_EPOCH, 4, request)
    # Of the cluster no ACL says anything: everybody may do there what a broker may.
    assert answer.topics[0].partitions[0].error_code == 0
