"""Causes that are not there any more: they are named still, and no other record in their stead."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from fakebus.app import BusThread, FakeBus
from fakebus.config import Settings
from tests.clients.cluster import SETTINGS
from tests.clients.flow_scene import ANY_PORT, CONFLUENT, TRACEPARENT, Scene, edges
from tests.clients.python.client import wait_until

pytestmark = [pytest.mark.clients, pytest.mark.timeout(150)]

SEGMENT_MS = 10_000_000
"""So long that none grows too old while the tests run."""
START_MS = int(time.time() * 1000) - 5 * SEGMENT_MS
SET = AlterConfigOpType.SET
HEADERS = [{}, {"traceparent": TRACEPARENT % 1}, {"ce_id": "order-2"}, {}, {"ce_id": "order-4"}]
EVIDENCE = ["observed", "correlated", "stated", "observed", "stated"]


def write(servers: str, timestamp_ms: int, headers: dict[str, str]) -> None:
    producer = Producer({"bootstrap.servers": servers, "client.id": "shop"})
    told = list(headers.items())
    producer.produce("orders", b"{}", b"k", partition=0, timestamp=timestamp_ms, headers=told)
    assert producer.flush(60) == 0


def begin(servers: str) -> int:
    admin = AdminClient({"bootstrap.servers": servers})
    [future] = admin.list_offsets({TopicPartition("orders", 0): OffsetSpec.earliest()}).values()
    return int(future.result(60).offset)


def by_time(scene: Scene) -> None:
    """Let retention take what is old; a record of a later time begins another segment."""
    entry = ConfigEntry("retention.ms", str(4 * SEGMENT_MS), incremental_operation=SET)
    resource = ConfigResource(ResourceType.TOPIC, "orders", incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": scene.servers})
    [future] = admin.incremental_alter_configs([resource]).values()
    future.result(60)
    wait_until(lambda: begin(scene.servers) == len(HEADERS), "retention has taken it")


def by_keys(scene: Scene) -> None:
    def is_compacted() -> bool:
        return all(
            scene.flow(f"orders[0]@{at}", 0)["records"][0]["gone"] for at in range(len(HEADERS) - 1)
        )

    wait_until(is_compacted, "the topic is compacted")


def by_a_client(scene: Scene) -> None:
    admin = AdminClient({"bootstrap.servers": scene.servers})
    [future] = admin.delete_records([TopicPartition("orders", 0, len(HEADERS))]).values()
    future.result(60)


WAYS = {
    "compaction": ({"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"}, by_keys),
    "retention": ({"retention.ms": "-1"}, by_time),
    "deletion": ({}, by_a_client),
}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    settings = Settings(
        data=None,
        kafka=ANY_PORT,
        http=ANY_PORT,
        set=SETTINGS | {"log.retention.check.interval.ms": "200"},
    )
    with BusThread(FakeBus(settings)) as running, contextlib.ExitStack() as stack:
        yield Scene(running.bus, stack, tmp_path)


def create(scene: Scene, configs: dict[str, str]) -> AdminClient:
    admin = AdminClient({"bootstrap.servers": scene.servers})
    new = [NewTopic("orders", 1, config=configs), NewTopic("invoices", 1), NewTopic("parcels", 1)]
    for future in admin.create_topics(new).values():
        future.result(60)
    return admin


def surely_told(flow: Mapping[str, Any]) -> list[tuple[str, str, str, int]]:
    """Return causes, effects, evidence and rivals, but for what is only hinted at by the key."""
    told = [(cause, effect, how, rivals) for cause, effect, how, _, rivals in edges(flow)]
    return [edge for edge in told if edge[2] != "hinted"]


def effects(scene: Scene, record: str) -> set[str]:
    return {edge[1] for edge in surely_told(scene.flow(record))}


def is_effect(scene: Scene, record: str, effect: str) -> bool:
    return effect in effects(scene, record)


@pytest.mark.parametrize("way", WAYS)
def test_causes_are_named_when_they_are_gone(scene: Scene, way: str) -> None:
    configs, take_away = WAYS[way]
    create(scene, configs | {"segment.ms": str(SEGMENT_MS)})
    scene.service(CONFLUENT, "billing", "orders", "invoices")
    for number, headers in enumerate(HEADERS):
        write(scene.servers, START_MS + number, headers)
        scene.flow_of(f"orders[0]@{number}", 2)
    # Behind it another segment begins.
    write(scene.servers, START_MS + 2 * SEGMENT_MS, {})
    scene.flow_of(f"orders[0]@{len(HEADERS)}", 2)
    take_away(scene)
    for number, evidence in enumerate(EVIDENCE):
        order, invoice = f"orders[0]@{number}", f"invoices[0]@{number}"
        for asked in (order, invoice):
            flow = scene.flow(asked)
            assert surely_told(flow) == [(order, invoice, evidence, 0)]
            records = {each["record"]: each for each in flow["records"]}
            assert records[order]["gone"] or way == "compaction"
            assert records[order]["client_id"] == "shop"
            assert not records[invoice]["gone"]


def test_records_of_a_topic_that_was_made_anew_are_not_blamed_for_what_others_have_caused(
    scene: Scene,
) -> None:
    admin = create(scene, {})
    scene.service(CONFLUENT, "billing", "orders", "invoices")
    for number, headers in enumerate(HEADERS):
        write(scene.servers, START_MS + number, headers)
        scene.flow_of(f"orders[0]@{number}", 2)
    admin.delete_topics(["orders"])["orders"].result(60)
    for number in range(len(HEADERS)):
        order, invoice = f"orders[0]@{number}", f"invoices[0]@{number}"
        assert surely_told(scene.flow(invoice)) == [(order, invoice, "observed", 0)]
    admin.create_topics([NewTopic("orders", 1)])["orders"].result(60)
    for number in range(len(HEADERS)):
        write(scene.servers, START_MS + number, {})
    # The topic of that name that is there now has caused nothing of it.
    for number in range(len(HEADERS)):
        assert surely_told(scene.flow(f"invoices[0]@{number}")) == []
    scene.service(CONFLUENT, "shipping", "orders", "parcels")
    for number in range(len(HEADERS)):
        order, parcel = f"orders[0]@{number}", f"parcels[0]@{number}"
        wait_until(partial(is_effect, scene, order, parcel), "it is passed along")
        assert effects(scene, order) <= {f"parcels[0]@{number}" for number in range(len(HEADERS))}
        assert scene.group(order, "shipping", "handled")["attempts"] == 1
