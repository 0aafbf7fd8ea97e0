"""When a fetch waits and what wakes it, beside a real Kafka."""

from __future__ import annotations

import time
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from fakebus.protocol.api_keys import ApiKey
from fakebus.protocol.messages import (
    CreatePartitionsRequest,
    CreatePartitionsTopic,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
    DeleteTopicsRequest,
    FetchRequest,
    FetchRequestFetchPartition,
    FetchRequestFetchTopic,
)
from tests.differential.fetch_cases import fetch_topics, wanted
from tests.differential.produce_cases import batch, produce, produce_request
from tests.differential.sides import Side, Sides
from tests.wire.client import RawClient

pytestmark = pytest.mark.kafka

WAIT_MS = 400
UNKNOWN_ID = UUID("c0ffee00-0000-4000-8000-000000000001")

# (offsets asked for, bytes to wait for, other fields); the log holds one batch of 70 bytes.
CASES: dict[str, tuple[tuple[int, ...], int, dict[str, Any]]] = {
    "nothing new": ((1,), 1, {}),
    "nothing is waited for": ((1,), 0, {}),
    "something new": ((0,), 1, {}),
    "just enough": ((0,), 70, {}),
    "too little": ((0,), 100_000, {}),
    "too little in two partitions": ((0, 0), 150, {}),
    "enough in two partitions": ((0, 0), 140, {}),
    "more than the limits allow": ((0,), 100_000, {"max_bytes": 10}),
    "beyond the end": ((9,), 1, {}),
    "before the start": ((-1,), 1, {}),
    "one of two is beyond the end": ((1, 9), 1, {}),
    "unknown partition": ((1, 1, 1), 1, {}),
    "old epoch": ((1,), 1, {"current_leader_epoch": 0}),
    "new epoch": ((1,), 1, {"current_leader_epoch": 5}),
    "diverging epoch": ((1,), 1, {"last_fetched_epoch": 5, "current_leader_epoch": 0}),
    "committed": ((1,), 1, {"isolation_level": 1}),
}


def timed(ask: Any) -> Any:
    """Return the answer, and whether it has waited for its time."""
    begun = time.monotonic()
    answer = ask()
    return answer, time.monotonic() - begun > WAIT_MS / 1000 * 0.9


@pytest.mark.parametrize("version", [4, 12, 13])
@pytest.mark.parametrize("name", CASES)
def test_a_fetch_waits_or_does_not(sides: Sides, name: str, version: int) -> None:
    offsets, min_bytes, fields = CASES[name]

    def scenario(side: Side) -> Any:
        topic = side.new_topic(2)
        produce(side, topic, batch(b"x"), batch(b"y"))
        options = dict(fields)
        asked = wanted(
            side,
            topic,
            *offsets,
            version=version,
            **{
                field: options.pop(field)
                for field in ("current_leader_epoch", "last_fetched_epoch")
                if field in options
            },
        )
        return timed(
            lambda: fetch_topics(
                side, [asked], version, max_wait_ms=WAIT_MS, min_bytes=min_bytes, **options
            )
        )

    sides.compare(scenario)


@pytest.mark.parametrize("version", [13, 18])
def test_unknown_topic_ids(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic()
        nowhere = FetchRequestFetchTopic(
            topic_id=UNKNOWN_ID, partitions=[FetchRequestFetchPartition(fetch_offset=0)]
        )
        both = [wanted(side, topic, 0, version=version), nowhere]
        return [
            timed(partial(fetch_topics, side, asked, version, max_wait_ms=WAIT_MS, min_bytes=1))
            for asked in (both, [nowhere])
        ]

    sides.compare(scenario)


@pytest.mark.parametrize("version", [7, 12, 13])
def test_sessions(sides: Sides, version: int) -> None:
    def scenario(side: Side) -> Any:
        topic = side.new_topic(2)
        produce(side, topic, batch(b"x"))
        fields = {"max_wait_ms": WAIT_MS, "min_bytes": 1}
        asked = [wanted(side, topic, 1, 0, 0, version=version)]
        opened = side.call(
            ApiKey.FETCH,
            version,
            FetchRequest(topics=asked, session_id=0, session_epoch=0, max_bytes=10_000, **fields),
        )
        session = {"session_id": opened.session_id, "max_bytes": 10_000, **fields}
        return [
            timed(lambda: fetch_topics(side, [], version, session_epoch=1, **session)),
            timed(lambda: fetch_topics(side, [], version, session_epoch=9, **session)),
        ]

    sides.compare(scenario)


def produced(topic: str, side: Side) -> tuple[ApiKey, int, Any]:
    return ApiKey.PRODUCE, 9, produce_request(side, topic, batch(b"new"))


def deleted(topic: str, _: Side) -> tuple[ApiKey, int, Any]:
    return ApiKey.DELETE_TOPICS, 3, DeleteTopicsRequest(topic_names=[topic], timeout_ms=5000)


def cut(topic: str, _: Side) -> tuple[ApiKey, int, Any]:
    partition = DeleteRecordsPartition(partition_index=0, offset=1)
    asked = DeleteRecordsTopic(name=topic, partitions=[partition])
    return ApiKey.DELETE_RECORDS, 2, DeleteRecordsRequest(topics=[asked], timeout_ms=5000)


def grown(topic: str, _: Side) -> tuple[ApiKey, int, Any]:
    asked = CreatePartitionsTopic(name=topic, count=3, assignments=None)
    return ApiKey.CREATE_PARTITIONS, 3, CreatePartitionsRequest(topics=[asked], timeout_ms=5000)


@pytest.mark.parametrize("version", [12, 13])
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("happens", [produced, deleted, cut, grown])
def test_what_happens_during_the_wait(
    sides: Sides, version: int, offset: int, happens: Any
) -> None:
    if happens is cut and offset == 0:
        # Kafka lets a consumer wait whose records are gone; fakebus tells it at once.
        return

    def scenario(side: Side) -> Any:
        topic = side.new_topic()
        produce(side, topic, batch(b"x"))
        asked = wanted(side, topic, offset, version=version)
        request = FetchRequest(
            topics=[asked], max_wait_ms=1500, min_bytes=80, max_bytes=10_000, session_epoch=-1
        )
        begun = time.monotonic()
        side.client.send(ApiKey.FETCH, version, request)
        with RawClient(side.bootstrap_servers) as other:
            other.call(*happens(topic, side))
        answer = side.plain(side.client.receive(ApiKey.FETCH, version)[1])
        if happens is produced and side is sides.kafka:
            # It may tell where the log ended a moment before.
            for each in answer["responses"][0]["partitions"]:
                assert each["high_watermark"] == each["last_stable_offset"] in (1, 2)
                each["high_watermark"] = each["last_stable_offset"] = 2
        return answer, time.monotonic() - begun > 1.4

    sides.compare(scenario)
