"""A write that storage does not keep leaves no trace in memory, whatever else is under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakebus.broker.broker import Broker
from fakebus.broker.config_requests import ConfigChange, ConfigResourceType, ResourceChange
from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.requests import OffsetCommit, PartitionOffset
from fakebus.broker.log_rewriting import LogContent, cut_off, replace_logs
from fakebus.broker.security.acls import Acl, AclFilter, PatternType
from fakebus.broker.security.authorizer import Authorizer
from fakebus.broker.security.quotas import ClientQuotaAlteration
from fakebus.broker.security.resources import Operation, ResourceType
from fakebus.broker.security.scram import ScramChange, ScramMechanism
from fakebus.broker.topic_requests import NewPartitions, NewTopic, TopicToDelete
from fakebus.broker.topics import Topic
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.storage.sqlite import SqliteStorage
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.batches import T0, batch, filled, keep
from tests.unit.broker.conftest import NOW_MS

U0 = TopicPartition("u", 0)
GROUP = "g"


class Disk:
    """Lets the commits of a storage fail; the reads go on.

    Every unit of writes is committed by itself, so that one may fail and the other not.
    """

    def __init__(self, storage: SqliteStorage) -> None:
        self.full = False
        self.room: int | None = None
        """After how many commits the disk is full."""
        writer: Any = storage._writer
        commit, inline = writer._commit, writer._commit_inline

        async def fail_or_commit(writes: Any) -> None:
            await asyncio.sleep(0)
            self._use_room()
            await commit(writes)

        def fail_or_commit_inline(writes: Any) -> bool:
            if self.full:
                raise StorageError("disk full")
            return self.room is None and bool(inline(writes))

        def take_one() -> Any:
            unit = writer._queue.popleft()
            return list(unit) if isinstance(unit, list) else [unit]

        writer._commit, writer._commit_inline = fail_or_commit, fail_or_commit_inline
        writer._take_group = take_one

    def _use_room(self) -> None:
        if self.room is not None:
            self.full, self.room = self.room <= 0, self.room - 1
        if self.full:
            raise StorageError("disk full")


def state(broker: Broker) -> dict[str, Any]:
    """Return all that is stored, as memory has it."""
    return {
        "topics": {
            topic.name: (
                topic.topic_id,
                dict(topic.config.overrides),
                [
                    (
                        log.log_id,
                        log.log_start_offset,
                        log.log_end_offset,
                        log.high_watermark,
                        log.first_dirty_offset,
                        [log.end_of_epoch(epoch) for epoch in range(log.leader_epoch + 1)],
                        log.deleted,
                        dict(log.config.overrides),
                        {n: list(entry.batches) for n, entry in log.producers.entries.items()},
                    )
                    for log in topic.partitions
                ],
            )
            for topic in broker.topics
        },
        "ids": {topic.topic_id for topic in broker.topics if broker.topics.by_id(topic.topic_id)},
        "configs": {key: value for key, value in broker.config_admin.changed().items() if value},
        "offsets": broker.group_coordinator.all_offsets(),
        "acls": sorted(authorizer(broker).find(ALL_ACLS)),
        "quotas": dict(broker.security.quotas.by_entity),
        "users": broker.security.scram.by_user(),
        "tokens": broker.security.tokens.all(),
    }


def authorizer(broker: Broker) -> Authorizer:
    assert broker.security.authorizer is not None
    return broker.security.authorizer


ALL_ACLS = AclFilter(ResourceType.ANY, None, PatternType.ANY, None, None, Operation.ANY, 1)
ACL = Acl(ResourceType.TOPIC, "t", PatternType.LITERAL, "User:a", "*", Operation.READ, 3)
SECURE = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "delegation.token.secret.key": "s",
}


async def create_acl(broker: Broker) -> None:
    await authorizer(broker).create([ACL, ACL._replace(name=f"{len(state(broker)['acls'])}")])


async def delete_acl(broker: Broker) -> None:
    await authorizer(broker).delete([ACL])


async def set_quota(broker: Broker) -> None:
    quotas = broker.security.quotas
    value = 1.0 + sum(one.get("request_percentage", 0) for one in quotas.by_entity.values())
    change = ClientQuotaAlteration((("user", "a"),), [("request_percentage", value)])
    await quotas.alter([change], validate_only=False)


async def set_password(broker: Broker) -> None:
    iterations = 4096 + len(broker.topics)
    change = ScramChange("a", ScramMechanism.SCRAM_SHA_256, iterations, b"salt", b"p" * 32)
    await broker.security.scram.alter([change])


async def create_token(broker: Broker) -> None:
    await broker.security.tokens.create("User:a", "User:a", [], -1)


async def fill(broker: Broker) -> None:
    """Give the broker something of everything."""
    for name in ("t", "u"):
        await broker.topics.create(name, 2, {"retention.ms": "5000", "cleanup.policy": "delete"})
    for number in range(3):
        data = batch(b"x", producer_id=7, producer_epoch=0, base_sequence=number)
        await broker.produce(T0, data)
        await broker.produce(U0, batch(b"y"))
    await broker.group_coordinator.set_offsets(GROUP, {T0: 1, U0: 2})
    for give in (create_acl, set_quota, set_password, create_token):
        await give(broker)
    for kind, name, config, value in CONFIGS:
        await alter(broker, kind, name, config, value)


CONFIGS = (
    (ConfigResourceType.BROKER, "1", "message.max.bytes", "2000000"),
    (ConfigResourceType.BROKER, "", "message.max.bytes", "3000000"),
    (ConfigResourceType.GROUP, GROUP, "consumer.session.timeout.ms", "50000"),
    (ConfigResourceType.CLIENT_METRICS, "m", "interval.ms", "5000"),
)


async def alter(
    broker: Broker, kind: ConfigResourceType, name: str, config: str, value: str
) -> None:
    change = ResourceChange(
        resource_type=kind.value,
        resource_name=name,
        changes=[ConfigChange(name=config, value=value)],
    )
    (result,) = await broker.config_admin.alter([change], node_id=1)
    raise_for(result.error_code)


def raise_for(error: ErrorCode) -> None:
    if error is not ErrorCode.NONE:
        raise BrokerError(error)


def topic(broker: Broker, name: str = "t") -> Topic:
    found = broker.topics.get(name)
    if found is None:
        raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    return found


async def create(broker: Broker) -> None:
    (result,) = await broker.topic_admin.create_topics([NewTopic(name="new", partitions=1)])
    raise_for(result.error_code)


async def delete(broker: Broker) -> None:
    (result,) = await broker.topic_admin.delete_topics([TopicToDelete(name="t")])
    raise_for(result.error_code)


async def create_again(broker: Broker) -> None:
    (result,) = await broker.topic_admin.create_topics([NewTopic(name="t", partitions=1)])
    raise_for(result.error_code)


async def grow(broker: Broker) -> None:
    wanted = [NewPartitions(name="t", count=len(topic(broker).partitions) + 2)]
    (result,) = await broker.topic_admin.create_partitions(wanted)
    raise_for(result.error_code)


async def produce(broker: Broker) -> None:
    await broker.produce(T0, batch(b"z"))


async def produce_in_sequence(broker: Broker) -> None:
    entry = broker.partition_log(T0).producers.entries.get(7)
    following = 0 if entry is None else entry.last_sequence + 1
    data = batch(b"z", producer_id=7, producer_epoch=0, base_sequence=following)
    await broker.produce(T0, data)


async def produce_to_new_partition(broker: Broker) -> None:
    await broker.produce(TopicPartition("t", len(topic(broker).partitions) - 1), batch(b"z"))


async def delete_records(broker: Broker) -> None:
    await broker.topic_admin.delete_records(T0, -1)


async def mark_compacted(broker: Broker) -> None:
    log = broker.partition_log(T0)
    await log.mark_compacted(log.first_dirty_offset + 1)


async def set_topic_config(broker: Broker) -> None:
    await alter(broker, ConfigResourceType.TOPIC, "t", "retention.ms", "1234")


async def commit(broker: Broker) -> None:
    done: asyncio.Future[list[ErrorCode]] = asyncio.get_running_loop().create_future()
    offset = PartitionOffset("t", 0, 3)
    broker.group_coordinator.commit_offsets(
        OffsetCommit(group_id=GROUP, offsets=[offset]), done.set_result
    )
    raise_for(*await done)


async def delete_offsets(broker: Broker) -> None:
    raise_for(*await broker.group_coordinator.delete_offsets(GROUP, [T0]))


async def delete_group(broker: Broker) -> None:
    raise_for(await broker.group_coordinator.delete_group(GROUP))


def changing(kind: ConfigResourceType, name: str, config: str, value: str) -> Callable[..., Any]:
    async def change(broker: Broker) -> None:
        await alter(broker, kind, name, config, value + "1")

    change.__name__ = f"change_{kind.name.lower()}_{name or 'cluster'}"
    return change


async def rewrite(broker: Broker) -> None:
    log = broker.partition_log(T0)
    await cut_off(log, 1, log_start_offset=1, log_end_offset=1)


Change = Callable[[Broker], Awaitable[None]]
CHANGES: tuple[Change, ...] = (
    create,
    delete,
    create_again,
    grow,
    produce,
    produce_in_sequence,
    produce_to_new_partition,
    delete_records,
    mark_compacted,
    set_topic_config,
    commit,
    delete_offsets,
    delete_group,
    create_acl,
    delete_acl,
    set_quota,
    set_password,
    create_token,
    *(changing(*one) for one in CONFIGS),
)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def secure_broker(storage: SqliteStorage) -> Broker:
    return Broker(storage, config=BrokerConfig(SECURE), clock=ManualClock(NOW_MS))


@asynccontextmanager
async def filled_broker() -> AsyncIterator[tuple[Broker, SqliteStorage, Disk]]:
    storage = await SqliteStorage.open(None)
    broker = secure_broker(storage)
    try:
        await broker.start()
        await fill(broker)
        yield broker, storage, Disk(storage)
    finally:
        await broker.close()
        await storage.close()


async def check(changes: list[Change]) -> None:
    """Begin changes at the same time on a disk that is full; all must be as it was."""
    async with filled_broker() as (broker, storage, disk):
        before = state(broker)
        disk.full = True
        ends = await asyncio.gather(*(change(broker) for change in changes), return_exceptions=True)
        assert all(end is None or isinstance(end, BrokerError | StorageError) for end in ends)
        await settle()
        assert state(broker) == before
        disk.full = False
        # What was taken back is in nobody's way, and memory is what a restart finds.
        for change in (produce_in_sequence, grow, set_topic_config, create, commit):
            await asyncio.wait_for(change(broker), 60)
        again = secure_broker(storage)
        await again.start()
        assert state(again) == state(broker)
        await again.close()


@pytest.mark.parametrize("change", [*CHANGES[:2], *CHANGES[3:], rewrite], ids=lambda c: c.__name__)
async def test_a_change_that_is_not_stored_is_taken_back(change: Change) -> None:
    await check([change])


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(CHANGES), min_size=2, max_size=8))
async def test_all_that_is_under_way_when_storage_fails_is_taken_back(
    changes: list[Change],
) -> None:
    await check(changes)


async def test_what_is_written_behind_a_rewrite_goes_with_it() -> None:
    await check([rewrite, produce, produce_in_sequence, delete_records])


@pytest.mark.parametrize("room", range(5))
async def test_of_a_rewrite_that_has_overtaken_appends_memory_has_what_is_stored(room: int) -> None:
    async with filled_broker() as (broker, storage, disk):
        disk.room = room
        changes = (produce, produce_in_sequence, rewrite, produce)
        ends = await asyncio.gather(*(each(broker) for each in changes), return_exceptions=True)
        assert [end is None for end in ends] == [stored < room for stored in range(4)]
        await settle()
        disk.full, disk.room = False, None
        again = secure_broker(storage)
        await again.start()
        assert state(again)["topics"]["t"][2][0][:4] == state(broker)["topics"]["t"][2][0][:4]
        await again.close()
        await produce(broker)


async def test_what_is_asked_of_a_closed_storage_changes_nothing() -> None:
    async with filled_broker() as (broker, storage, _):
        before = state(broker)
        await storage.close()
        for change in (produce, delete, grow, delete_records, mark_compacted, rewrite):
            with pytest.raises((BrokerError, StorageError)):
                await change(broker)
            assert state(broker) == before, change.__name__


async def test_a_topic_is_gone_for_its_followers_only_when_that_is_stored() -> None:
    async with filled_broker() as (broker, _, disk):
        heard: list[str] = []
        broker.topics.on_deleted.append(lambda one: heard.append(one.name))
        disk.full = True
        with pytest.raises(BrokerError):
            await delete(broker)
        await settle()
        assert heard == []
        assert broker.group_coordinator.committed_offset(GROUP, T0) == 1
        disk.full = False
        await delete(broker)
        assert heard == ["t"]
        assert broker.group_coordinator.committed_offset(GROUP, T0) is None


async def test_a_topic_and_its_committed_offsets_go_in_one_transaction() -> None:
    async with filled_broker() as (broker, _, disk):
        disk.room = 1
        await delete(broker)
        await settle()
        assert broker.topics.get("t") is None
        assert broker.group_coordinator.committed_offset(GROUP, T0) is None


@pytest.mark.parametrize("room", range(4))
async def test_offsets_of_a_topic_that_is_gone_are_gone_whenever_the_disk_is_full(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakebus.broker.groups.offsets.SLICE", 1)
    async with filled_broker() as (broker, storage, disk):
        # Too many to go with the topic.
        await broker.group_coordinator.set_offsets(GROUP, {T0: 1, TopicPartition("t", 1): 0, U0: 2})
        disk.room = room
        with suppress(BrokerError):
            await delete(broker)
        await settle()
        assert (broker.topics.get("t") is None) == (room > 0)
        left = [T0, TopicPartition("t", 1), U0] if room == 0 else [U0]
        assert sorted(broker.group_coordinator.offsets(GROUP)) == left
        disk.full, disk.room = False, None
        if room:
            # They would be found by the next topic of that name.
            await broker.topics.create("t", 2, {})
        again = secure_broker(storage)
        await again.start()
        assert sorted(again.group_coordinator.offsets(GROUP)) == left
        await again.close()


@pytest.mark.parametrize("room", range(2))
async def test_a_topic_is_where_it_was_to_be_or_is_not_there(room: int) -> None:
    storage = await SqliteStorage.open(None)
    broker = Broker(storage, nodes=3)
    await broker.start()
    admin, disk = broker.topic_admin, Disk(storage)

    async def places() -> list[list[list[list[int]]]]:
        found = []
        again = Broker(storage, nodes=3)
        await again.start()
        for each in (broker, again):
            there = each.topics.get("t")
            logs = there.partitions if there is not None else ()
            found.append([each.nodes.replicas(there, n) for n, _ in enumerate(logs) if there])
        await again.close()
        return found

    async def on_little_room(change: Awaitable[Any]) -> None:
        disk.room = room
        await change
        await settle()
        disk.full, disk.room = False, None

    placed = [[3, 1], [2, 3]]
    await on_little_room(admin.create_topics([NewTopic("t", assignments=[(0, placed[0])])]))
    assert await places() == [placed[:1] if room else []] * 2
    await broker.topic_admin.create_topics([NewTopic("t", assignments=[(0, placed[0])])])
    await on_little_room(
        admin.create_partitions([NewPartitions(name="t", count=2, assignments=placed[1:])])
    )
    assert await places() == [placed if room else placed[:1]] * 2
    await on_little_room(admin.delete_topics([TopicToDelete(name="t")]))
    assert await places() == [[] if room else placed[:1]] * 2
    await broker.close()
    await storage.close()


async def test_the_parts_of_a_rewrite_go_in_one_transaction() -> None:
    async with filled_broker() as (broker, _, disk):
        log = broker.partition_log(T0)
        topic = broker.topics.get("t")
        assert topic is not None
        log_id = await filled(broker, await keep(broker, await log.read(1, 2, 10_000)))
        disk.room = 1
        await replace_logs(broker.topics, topic, {log: LogContent(log_id, 1, 1, 2)})
        assert (log.log_start_offset, log.log_end_offset) == (1, 2)


async def test_what_is_deleted_of_the_access_has_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "fakebus")
    async with filled_broker() as (broker, _, _):
        security = broker.security
        (token,) = security.tokens.all()
        caplog.clear()
        await authorizer(broker).delete([ACL, ACL._replace(name="unknown")])
        await authorizer(broker).delete([ACL])
        await security.scram.alter([ScramChange("a", ScramMechanism.SCRAM_SHA_256)])
        await security.tokens.expire(security.tokens.hmac_of(token.token_id), "User:a", -1)
        assert caplog.messages == [
            "1 ACL is deleted, as a client has asked: of User:a",
            "deleted, as a client has asked: the SCRAM keys of a",
            f"deleted, as User:a has asked: the token {token.token_id}",
        ]
