"""Share consumers at the handlers: sessions, locks by the clock, waiting, and what is stored."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from fakebus.broker.broker import Broker
from fakebus.broker.groups.share.group import ShareGroup
from fakebus.errors import ErrorCode
from fakebus.kafka.api import ClientConnection
from fakebus.kafka.handlers.describe_share_group_offsets import (
    handle_describe_share_group_offsets,
)
from fakebus.kafka.handlers.share_acknowledge import handle_share_acknowledge
from fakebus.kafka.handlers.share_fetch import handle_share_fetch
from fakebus.kafka.handlers.share_group_heartbeat import handle_share_group_heartbeat
from fakebus.protocol.messages import (
    AcknowledgementBatch,
    AcknowledgePartition,
    AcknowledgeTopic,
    DescribeShareGroupOffsetsRequest,
    DescribeShareGroupOffsetsRequestGroup,
    DescribeShareGroupOffsetsRequestTopic,
    ShareAcknowledgeRequest,
    ShareFetchRequest,
    ShareFetchRequestFetchPartition,
    ShareFetchRequestFetchTopic,
    ShareGroupHeartbeatRequest,
)
from fakebus.records.reader import read_records
from fakebus.storage.sqlite import SqliteStorage
from fakebus.types import TopicPartition
from tests.batches import split_batches
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import batch
from tests.unit.broker.transactions.producer import TransactionalProducer
from tests.unit.kafka.handlers.calling import call

T0 = TopicPartition("t", 0)
ACCEPT, RELEASE, RENEW = 1, 2, 4
LOCK_S = 30


class ShareConsumer:
    """A member of group ``g`` that reads topic ``t``."""

    def __init__(self, broker: Broker, member_id: str = "a") -> None:
        self.broker = broker
        self.member_id = member_id
        self.epoch = 0
        self.connection = ClientConnection(ord(member_id[0]), "PLAINTEXT", "/127.0.0.1")

    async def heartbeat(self, epoch: int = 0) -> Any:
        request = ShareGroupHeartbeatRequest(
            group_id="g",
            member_id=self.member_id,
            member_epoch=epoch,
            subscribed_topic_names=["t"] if epoch == 0 else None,
        )
        return await call(
            handle_share_group_heartbeat, request, self.broker, connection=self.connection
        )

    def _partition(self, acknowledged: tuple[Any, ...]) -> dict[str, Any]:
        return {
            "partition_index": 0,
            "acknowledgement_batches": [
                AcknowledgementBatch(first_offset=first, last_offset=last, acknowledge_types=types)
                for first, last, *types in acknowledged
            ],
        }

    @property
    def _topic_id(self) -> UUID:
        topic = self.broker.topics.get("t")
        assert topic is not None
        return topic.topic_id

    def _next_epoch(self, epoch: int | None) -> int:
        used = self.epoch if epoch is None else epoch
        self.epoch = used + 1
        return used

    async def fetch(
        self, *acknowledged: Any, epoch: int | None = None, wait_ms: int = 0, **fields: Any
    ) -> Any:
        partition = ShareFetchRequestFetchPartition(**self._partition(acknowledged))
        request = ShareFetchRequest(
            group_id="g",
            member_id=self.member_id,
            share_session_epoch=self._next_epoch(epoch),
            max_wait_ms=wait_ms,
            **{"min_bytes": 1, "max_records": 100, "batch_size": 100} | fields,
            topics=[ShareFetchRequestFetchTopic(topic_id=self._topic_id, partitions=[partition])],
            forgotten_topics_data=[],
        )
        return await call(handle_share_fetch, request, self.broker, connection=self.connection)

    async def read(self, *acknowledged: Any, **fields: Any) -> list[tuple[int, int, int]]:
        """Fetch and return the ranges of offsets that were acquired, with their deliveries."""
        answer = await self.fetch(*acknowledged, **fields)
        assert answer.error_code == 0, answer
        return [
            (each.first_offset, each.last_offset, each.delivery_count)
            for topic in answer.responses
            for partition in topic.partitions
            for each in partition.acquired_records
        ]

    async def acknowledge(
        self, *acknowledged: Any, epoch: int | None = None, renews: bool = False
    ) -> Any:
        partition = AcknowledgePartition(**self._partition(acknowledged))
        request = ShareAcknowledgeRequest(
            group_id="g",
            member_id=self.member_id,
            share_session_epoch=self._next_epoch(epoch),
            is_renew_ack=renews,
            topics=[AcknowledgeTopic(topic_id=self._topic_id, partitions=[partition])]
            if acknowledged
            else [],
        )
        answer = await call(
            handle_share_acknowledge, request, self.broker, connection=self.connection
        )
        codes = [row.error_code for topic in answer.responses for row in topic.partitions]
        return answer.error_code, *codes

    def disconnect(self) -> None:
        for close in self.connection.on_close:
            close()


async def produce(broker: Broker, count: int) -> None:
    for number in range(count):
        await broker.produce(T0, batch(b"%d" % number))


@pytest.fixture
async def consumer(broker: Broker) -> ShareConsumer:
    """A share consumer that reads a topic from its beginning."""
    await broker.topics.create("t", 1, {})
    broker.config.group_overrides["g"] = {"share.auto.offset.reset": "earliest"}
    consumer = ShareConsumer(broker)
    await consumer.heartbeat()
    return consumer


async def test_records_whose_lock_times_out_are_given_to_another(
    broker: Broker, clock: ManualClock, consumer: ShareConsumer
) -> None:
    other = ShareConsumer(broker, "b")
    await produce(broker, 3)

    first = await consumer.read()
    clock.advance(LOCK_S - 1)
    too_early = await other.read()
    clock.advance(1)
    second = await other.read()
    late = await consumer.acknowledge((0, 2, ACCEPT))

    assert (first, too_early, second) == ([(0, 2, 1)], [], [(0, 2, 2)])
    assert late == (0, ErrorCode.INVALID_RECORD_STATE.code)
    assert await other.acknowledge((0, 2, ACCEPT)) == (0, 0)


async def test_a_renewed_lock_lasts_as_long_again(
    broker: Broker, clock: ManualClock, consumer: ShareConsumer
) -> None:
    other = ShareConsumer(broker, "b")
    await produce(broker, 1)
    await consumer.read()

    clock.advance(LOCK_S - 1)
    renewed = await consumer.acknowledge((0, 0, RENEW), renews=True)
    await consumer.heartbeat()
    clock.advance(LOCK_S - 1)

    assert renewed == (0, 0)
    assert await other.read() == []
    clock.advance(1)
    assert await other.read() == [(0, 0, 2)]


async def test_only_a_request_that_says_so_renews_locks(
    broker: Broker, consumer: ShareConsumer
) -> None:
    await produce(broker, 1)
    await consumer.read()

    assert await consumer.acknowledge((0, 0, RENEW)) == (0, ErrorCode.INVALID_REQUEST.code)


@pytest.mark.parametrize("way", ["closing its session", "disconnecting", "leaving the group"])
async def test_a_member_that_goes_gives_back_what_it_has(
    broker: Broker, consumer: ShareConsumer, way: str
) -> None:
    other = ShareConsumer(broker, "b")
    await produce(broker, 2)
    await consumer.read()

    if way == "closing its session":
        assert await consumer.acknowledge(epoch=-1) == (0,)
    elif way == "disconnecting":
        consumer.disconnect()
    else:
        await consumer.heartbeat(-1)

    assert await other.read() == [(0, 1, 2)]
    assert (await consumer.fetch(epoch=-1)).error_code == ErrorCode.SHARE_SESSION_NOT_FOUND.code


async def test_a_fetch_waits_for_a_record_that_is_produced(
    broker: Broker, consumer: ShareConsumer
) -> None:
    waiting = asyncio.create_task(consumer.read(wait_ms=60_000))
    await asyncio.sleep(0)

    await produce(broker, 1)

    assert await asyncio.wait_for(waiting, 60) == [(0, 0, 1)]


@pytest.mark.parametrize("way", ["released", "left behind", "its lock timed out"])
async def test_a_fetch_waits_for_a_record_that_is_given_back(
    broker: Broker, clock: ManualClock, consumer: ShareConsumer, way: str
) -> None:
    other = ShareConsumer(broker, "b")
    await produce(broker, 1)
    await consumer.read()
    waiting = asyncio.create_task(other.read(wait_ms=60_000))
    await asyncio.sleep(0)

    if way == "released":
        await consumer.acknowledge((0, 0, RELEASE))
    elif way == "left behind":
        consumer.disconnect()
    else:
        clock.advance(LOCK_S)

    assert await asyncio.wait_for(waiting, 60) == [(0, 0, 2)]


async def test_a_fetch_that_waits_ends_with_its_session(
    broker: Broker, consumer: ShareConsumer
) -> None:
    waiting = asyncio.create_task(consumer.read(wait_ms=60_000))
    await asyncio.sleep(0)

    consumer.disconnect()

    assert await asyncio.wait_for(waiting, 60) == []


async def test_a_fetch_that_was_given_up_is_not_answered_when_another_of_its_session_is(
    broker: Broker, consumer: ShareConsumer
) -> None:
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    given_up, waiting = (
        asyncio.create_task(consumer.read(wait_ms=60_000, epoch=epoch)) for epoch in (0, 1)
    )
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait([given_up])

    await produce(broker, 1)

    assert await asyncio.wait_for(waiting, 60) == [(0, 0, 1)]
    await asyncio.sleep(0)
    assert failures == []


async def test_offsets_are_told_without_a_look_at_each_member(
    broker: Broker, consumer: ShareConsumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await produce(broker, 3)
    await consumer.read()
    await consumer.acknowledge((0, 2, ACCEPT))
    # Thousands of partitions, each with a description of thousands of members, stop the bus.
    monkeypatch.setattr(ShareGroup, "describe_member", None)
    topic = DescribeShareGroupOffsetsRequestTopic(topic_name="t", partitions=[0])
    group = DescribeShareGroupOffsetsRequestGroup(group_id="g", topics=[topic])

    answer = await call(
        handle_describe_share_group_offsets,
        DescribeShareGroupOffsetsRequest(groups=[group]),
        broker,
    )

    [row] = answer.groups[0].topics[0].partitions
    assert (row.error_code, row.start_offset) == (0, 3)


async def test_no_more_records_are_in_flight_than_the_group_may_have(
    broker: Broker, consumer: ShareConsumer
) -> None:
    broker.config.group_overrides["g"] |= {"share.partition.max.record.locks": "100"}
    other = ShareConsumer(broker, "b")
    for _ in range(3):
        await broker.produce(T0, batch(*[b"x"] * 60))

    assert await consumer.read(max_records=500) == [(0, 99, 1)]
    assert await other.read(max_records=500) == []
    await consumer.acknowledge((0, 9, ACCEPT))
    assert await other.read(max_records=500) == [(100, 109, 1)]


@pytest.mark.parametrize(
    ("released", "sent"), [((0, 0), [0, 1, 2]), ((2, 2), [0, 1, 2]), ((3, 3), [3]), ((4, 4), [4])]
)
async def test_batches_are_sent_that_hold_what_was_acquired_and_no_others(
    broker: Broker, consumer: ShareConsumer, released: tuple[int, int], sent: list[int]
) -> None:
    await broker.produce(T0, batch(b"a", b"b", b"c"))
    await produce(broker, 2)
    assert await consumer.read() == [(0, 4, 1)]
    await consumer.acknowledge((*released, RELEASE))

    answer = await ShareConsumer(broker, "b").fetch()

    [partition] = answer.responses[0].partitions
    assert [(each.first_offset, each.last_offset) for each in partition.acquired_records] == [
        released
    ]
    batches = split_batches(bytes(partition.records))
    assert [each.offset for one in batches for each in read_records(one)] == sent


async def test_what_was_aborted_is_given_to_nobody_who_reads_committed_records(
    broker: Broker, consumer: ShareConsumer
) -> None:
    broker.config.group_overrides["g"] |= {"share.isolation.level": "read_committed"}
    aborts = await TransactionalProducer(broker, "aborts").init()
    commits = await TransactionalProducer(broker, "commits").init()
    for producer in (aborts, commits, commits, aborts):
        await producer.write(b"x")
    assert await consumer.read() == []

    await aborts.end(commit=False)
    await commits.end(commit=True)
    await aborts.write(b"y")
    await aborts.end(commit=True)

    got = []
    while acquired := await consumer.read():
        got += [offset for first, last, _ in acquired for offset in range(first, last + 1)]
    # Behind the four there are the two markers, then what is written and its marker.
    assert [offset for offset in got if offset not in (4, 5, 7)] == [1, 2, 6]


async def test_a_batch_is_divided_only_where_the_number_of_records_is_exact(
    broker: Broker, consumer: ShareConsumer
) -> None:
    await broker.produce(T0, batch(*[b"x"] * 10))
    await broker.produce(T0, batch(*[b"y"] * 10))

    assert await consumer.read(max_records=3, share_acquire_mode=1) == [(0, 2, 1)]
    assert await consumer.read(max_records=3) == [(3, 9, 1)]


async def test_sessions_are_told_apart_by_their_epochs_and_are_limited(
    broker: Broker, consumer: ShareConsumer
) -> None:
    broker.config.set_static({"group.share.max.share.sessions": "1"})
    await consumer.read()

    other = await ShareConsumer(broker, "b").fetch()
    wrong = await consumer.fetch(epoch=7)
    begins_with_acknowledgements = await consumer.fetch((0, 0, ACCEPT), epoch=0)

    assert other.error_code == ErrorCode.SHARE_SESSION_LIMIT_REACHED.code
    assert wrong.error_code == ErrorCode.INVALID_SHARE_SESSION_EPOCH.code
    assert begins_with_acknowledgements.error_code == ErrorCode.INVALID_REQUEST.code


@pytest.mark.parametrize("fields", [{"group_id": None}, {"member_id": ""}, {"member_id": "m" * 37}])
async def test_a_share_consumer_says_who_it_is_in_the_length_of_a_uuid(
    broker: Broker, fields: dict[str, Any]
) -> None:
    who = {"group_id": "g", "member_id": "m" * 36} | fields
    refused = ErrorCode.INVALID_REQUEST.code
    for handler, request in (
        (handle_share_fetch, ShareFetchRequest),
        (handle_share_acknowledge, ShareAcknowledgeRequest),
    ):
        assert (await call(handler, request(**who), broker)).error_code == refused
        known = request(group_id="g", member_id="m" * 36)
        assert (await call(handler, known, broker)).error_code != refused
    if who["group_id"] is not None:
        joins = {"member_epoch": 0, "subscribed_topic_names": ["t"]}
        request = ShareGroupHeartbeatRequest(**who, **joins)
        assert (await call(handle_share_group_heartbeat, request, broker)).error_code == refused


async def test_acknowledgements_that_say_nothing_clear_are_refused(
    broker: Broker, consumer: ShareConsumer
) -> None:
    await produce(broker, 5)
    await consumer.read()

    for ranges in (
        [(3, 4, ACCEPT), (1, 2, ACCEPT)],
        [(4, 3, ACCEPT)],
        [(0, 4, ACCEPT, ACCEPT)],
        [(0, 0)],
        [(0, 0, 9)],
        [(-1, 0, ACCEPT)],
    ):
        assert await consumer.acknowledge(*ranges) == (0, ErrorCode.INVALID_REQUEST.code)
    assert await consumer.acknowledge((0, 4, ACCEPT)) == (0, 0)


async def test_what_was_acknowledged_is_there_after_a_restart(clock: ManualClock) -> None:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, clock=clock)
    await broker.start()
    await broker.topics.create("t", 1, {})
    broker.config.group_overrides["g"] = {"share.auto.offset.reset": "earliest"}
    consumer = ShareConsumer(broker)
    await consumer.heartbeat()
    await produce(broker, 4)
    await consumer.read()
    await consumer.acknowledge((0, 0, ACCEPT), (1, 1, RELEASE), (2, 2, ACCEPT))
    await broker.close()

    again = Broker(storage, clock=clock)
    await again.start()
    described = again.group_coordinator.describe("g")
    read = await ShareConsumer(again, "a").read()
    await again.close()
    await storage.close()

    assert described is not None
    assert [member.member_id for member in described.members] == ["a"]
    assert read == [(1, 1, 2), (3, 3, 1)]


async def test_a_rollback_takes_acknowledgements_back(
    broker: Broker, consumer: ShareConsumer
) -> None:
    await produce(broker, 3)
    await consumer.read()
    await consumer.acknowledge((0, 0, ACCEPT), (1, 1, RELEASE))
    snapshot = await broker.snapshots.take()
    await produce(broker, 2)
    await consumer.read()
    await consumer.acknowledge((1, 2, ACCEPT))

    await broker.snapshots.roll_back(snapshot)
    fresh = ShareConsumer(broker, "b")
    await fresh.heartbeat()

    assert await fresh.read() == [(1, 1, 2), (2, 2, 1)]


async def test_a_rollback_brings_a_deleted_share_group_back(
    broker: Broker, consumer: ShareConsumer
) -> None:
    await produce(broker, 2)
    await consumer.read()
    await consumer.acknowledge((0, 0, ACCEPT))
    await consumer.heartbeat(-1)
    snapshot = await broker.snapshots.take()
    assert await broker.group_coordinator.delete_group("g") is ErrorCode.NONE

    await broker.snapshots.roll_back(snapshot)
    fresh = ShareConsumer(broker, "b")

    assert (await fresh.heartbeat()).error_code == 0
    assert await fresh.read() == [(1, 1, 2)]


@pytest.mark.parametrize(
    ("reset", "first"), [("latest", 4), ("earliest", 0), ("by_duration:PT1M30S", 2)]
)
async def test_a_group_without_offsets_begins_where_its_config_says(
    broker: Broker, clock: ManualClock, consumer: ShareConsumer, reset: str, first: int
) -> None:
    broker.config.group_overrides["g"] = {"share.auto.offset.reset": reset}
    now_ms = clock.now_ms()
    for age_s in (200, 100, 80, 60):
        await broker.produce(T0, batch(b"x", at=now_ms - age_s * 1000))

    await consumer.read(wait_ms=0, max_records=1, share_acquire_mode=1, epoch=0)
    await produce(broker, 1)
    await broker.group_coordinator.offsets_settled("g")
    fresh = ShareConsumer(broker, "b")
    consumer.disconnect()

    assert (await fresh.read())[0][0] == first


async def test_deleted_records_are_not_waited_for(broker: Broker, consumer: ShareConsumer) -> None:
    await produce(broker, 4)
    await consumer.read()

    await broker.partition_log(T0).delete_records(3)
    assert await consumer.acknowledge((0, 3, ACCEPT)) == (0, 0)
    await produce(broker, 1)

    assert await consumer.read() == [(4, 4, 1)]


async def test_records_of_a_topic_that_is_made_anew_are_others(
    broker: Broker, consumer: ShareConsumer
) -> None:
    await produce(broker, 3)
    await consumer.read()
    await consumer.acknowledge((0, 2, ACCEPT))
    topic = broker.topics.get("t")
    assert topic is not None

    await broker.topics.delete(topic)
    await broker.topics.create("t", 1, {})
    await produce(broker, 1)
    fresh = ShareConsumer(broker, "b")
    await fresh.heartbeat()

    assert await fresh.read() == [(0, 0, 1)]
