"""Metadata, and small requests of new clients, as Kafka 4.3 answers them; by raw frames.

Each answer was settled by asking Kafka itself, see tests/differential.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from fakebus.addresses import Address
from fakebus.app import FakeBus
from fakebus.config import Settings
from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    CreatePartitionsRequest,
    CreatePartitionsTopic,
    InitProducerIdRequest,
    MetadataRequest,
    MetadataRequestTopic,
)
from tests.wire.client import RawClient
from tests.wire.test_produce_and_fetch import ensure

UNKNOWN_ID = UUID("c0ffee00-0000-4000-8000-000000000001")


def ask(client: RawClient, version: int, *topics: MetadataRequestTopic, **fields: Any) -> Any:
    request = MetadataRequest(topics=list(topics), allow_auto_topic_creation=False, **fields)
    return client.call(ApiKey.METADATA, version, request)


def by_name(name: str | None) -> MetadataRequestTopic:
    return MetadataRequestTopic(name=name)


def by_id(topic_id: UUID, name: str | None = None) -> MetadataRequestTopic:
    return MetadataRequestTopic(name=name, topic_id=topic_id)


@pytest.mark.parametrize("version", [12, 13])
def test_names_beside_ids_are_not_looked_at(client: RawClient, topic: str, version: int) -> None:
    topic_id = ensure(client, topic).topic_id
    answer = ask(client, version, by_id(topic_id), by_name("unknown"), by_id(UNKNOWN_ID))
    assert [(found.name, found.error_code) for found in answer.topics] == [(topic, 0), (None, 100)]


@pytest.mark.parametrize("version", [10, 11])
def test_ids_are_refused_before_version_12(client: RawClient, topic: str, version: int) -> None:
    topic_id = ensure(client, topic).topic_id
    answer = ask(client, version, by_id(topic_id, topic))
    assert [(found.name, found.error_code) for found in answer.topics] == [(topic, 42)]
    assert answer.brokers == []


@pytest.mark.parametrize(("version", "code"), [(12, 0), (13, -1)])
def test_neither_name_nor_id(client: RawClient, version: int, code: int) -> None:
    answer = ask(client, version, by_name(None))
    assert (answer.error_code, answer.topics[0].error_code) == (code, -1)


def test_operations_on_topics_that_do_not_exist(client: RawClient, topic: str) -> None:
    asked = {"include_topic_authorized_operations": True}
    [found] = ask(client, 12, by_name(topic + "-unknown"), **asked).topics
    assert (found.error_code, found.topic_authorized_operations) == (3, 3576)
    [found] = ask(client, 12, by_id(UNKNOWN_ID), **asked).topics
    assert (found.error_code, found.topic_authorized_operations) == (100, -(2**31))


@pytest.mark.parametrize(("producer_id", "epoch"), [(5, -1), (-1, 3)])
def test_a_producer_id_and_its_epoch_come_together(
    client: RawClient, producer_id: int, epoch: int
) -> None:
    request = InitProducerIdRequest(
        transactional_id=None,
        transaction_timeout_ms=1000,
        producer_id=producer_id,
        producer_epoch=epoch,
    )
    answer = client.call(ApiKey.INIT_PRODUCER_ID, 4, request)
    assert (answer.error_code, answer.producer_id, answer.producer_epoch) == (42, -1, -1)


def test_an_unknown_topic_that_is_to_grow_is_not_explained(client: RawClient, topic: str) -> None:
    ensure(client, topic)
    request = CreatePartitionsRequest(
        topics=[
            CreatePartitionsTopic(name=name, count=1, assignments=None)
            for name in (topic, topic + "-unknown")
        ],
        timeout_ms=1000,
    )
    answer = client.call(ApiKey.CREATE_PARTITIONS, 3, request)
    assert [(found.error_code, bool(found.error_message)) for found in answer.results] == [
        (37, True),
        (3, False),
    ]


@pytest.mark.parametrize(("advertised", "lost"), [(None, 0), (Address("127.0.0.1", 9), 1)])
def test_who_is_told_the_address_that_it_has_come_by_is_not_taken_to_be_lost(
    advertised: Address | None, lost: int
) -> None:
    any_port = (Address("127.0.0.1", 0),)
    settings = Settings(data=None, kafka=any_port, http=(), advertise=(advertised,))
    with FakeBus.thread(settings) as bus, RawClient(str(bus.kafka_addresses[0])) as client:
        ask(client, 12)
        assert len(bus.broker.group_coordinator.history.astray({})) == lost
