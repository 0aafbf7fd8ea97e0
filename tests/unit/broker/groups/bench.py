"""A coordinator on a clock that stands still, spoken to as members do."""

from __future__ import annotations

import asyncio
import struct
from types import SimpleNamespace
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from fakebus.broker.configs.broker_config import BrokerConfig
from fakebus.broker.groups.coordinator import GroupCoordinator
from fakebus.broker.groups.requests import (
    GroupProtocol,
    JoinRequest,
    JoinResult,
    LeavingMember,
    OffsetCommit,
    PartitionOffset,
    SyncRequest,
    SyncResult,
)
from fakebus.errors import ErrorCode
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.groups.store import HeldStore

SESSION_MS = 10_000
REBALANCE_MS = 60_000


def subscription(*topics: str) -> bytes:
    """Return what a consumer joins with."""
    names = b"".join(struct.pack(">h", len(t)) + t.encode() for t in topics)
    return struct.pack(">hi", 1, len(topics)) + names + struct.pack(">ii", -1, 0)


def protocols(*names: str, metadata: bytes = b"m") -> tuple[GroupProtocol, ...]:
    return tuple(GroupProtocol(name, metadata) for name in names)


class FakeTopics:
    """Topics ``t`` and ``u`` with four partitions each, whose logs go from 7 to 9."""

    def __init__(self) -> None:
        self.on_deleting: list[Any] = []
        self.on_deleted: list[Any] = []
        self.on_changed: list[Any] = []
        self._topics: dict[str, Any] = {}
        self._deletions: list[asyncio.Future[None]] = []
        for name in ("t", "u"):
            self.put(name, 4)

    def put(self, name: str, size: int) -> Any:
        """Create a topic, or give it more partitions."""
        logs = [
            SimpleNamespace(
                topic_partition=TopicPartition(name, index), log_start_offset=7, high_watermark=9
            )
            for index in range(size)
        ]
        topic = self._topics[name] = SimpleNamespace(
            name=name,
            topic_id=uuid5(NAMESPACE_OID, name),
            is_internal=False,
            partitions=logs,
            partition=lambda index: logs[index] if 0 <= index < len(logs) else None,
        )
        for changed in self.on_changed:
            changed(topic)
        return topic

    def __iter__(self) -> Any:
        return iter(tuple(self._topics.values()))

    def get(self, name: str) -> Any:
        return self._topics.get(name)

    def by_id(self, topic_id: UUID) -> Any:
        return next((topic for topic in self if topic.topic_id == topic_id), None)

    def named(self, places: Any) -> Any:
        known = ((self.by_id(place.topic_id), place.partition) for place in sorted(places))
        return tuple(TopicPartition(topic.name, number) for topic, number in known if topic)

    def lose(self, name: str) -> None:
        """Let a topic be gone, as after a kill."""
        del self._topics[name]

    def delete(self, name: str) -> None:
        topic = self._topics[name]
        finishing = [deleting(topic) for deleting in self.on_deleting]
        self.lose(name)
        self._deletions = [asyncio.ensure_future(finish(True)) for finish in finishing]


async def turns() -> None:
    """Let everything happen that can without time passing."""
    for _ in range(5):
        await asyncio.sleep(0)


class Bench:
    """One coordinator, its clock, its storage and its topics."""

    def __init__(self, **config: str) -> None:
        self.clock = ManualClock()
        self.store = HeldStore()
        self.topics = FakeTopics()
        self.settings = {"group.initial.rebalance.delay.ms": "1"}
        self.settings |= {key.replace("_", "."): value for key, value in config.items()}
        self.coordinator = self._new_coordinator()

    def _new_coordinator(self) -> GroupCoordinator:
        return GroupCoordinator(
            config=BrokerConfig(self.settings),
            clock=self.clock,
            storage=self.store,
            topics=self.topics,  # type: ignore[arg-type]
        )

    async def start(self) -> None:
        await self.coordinator.load()

    async def restart(self, **config: str) -> None:
        """Come back with what is in storage, as after a kill."""
        for hooks in (self.topics.on_deleting, self.topics.on_deleted, self.topics.on_changed):
            hooks.clear()
        self.clock = ManualClock(self.clock.now_ms())
        self.settings |= {key.replace("_", "."): value for key, value in config.items()}
        self.coordinator = self._new_coordinator()
        await self.coordinator.load()

    async def advance(self, seconds: float) -> None:
        await turns()
        self.clock.advance(seconds)
        await turns()

    async def answer(self, future: asyncio.Future[Any]) -> Any:
        """Return a result that has to be there at once, or after the short delay of a new group."""
        await turns()
        if not future.done():
            await self.advance(0.01)
        assert future.done(), "the request still waits"
        return future.result()

    # -- members --

    def send_join(self, member_id: str = "", **fields: Any) -> asyncio.Future[JoinResult]:
        request: dict[str, Any] = {
            "group_id": "g",
            "member_id": member_id,
            "session_timeout_ms": SESSION_MS,
            "rebalance_timeout_ms": REBALANCE_MS,
            "protocol_type": "consumer",
            "protocols": protocols("range", metadata=subscription("t")),
            "client_id": "c",
            "client_host": "/127.0.0.1",
        }
        return self.coordinator.join_group(JoinRequest(**(request | fields)))

    async def join(self, member_id: str = "", **fields: Any) -> JoinResult:
        """Join and return the answer, which must come without anybody else's doing."""
        return await self.answer(self.send_join(member_id, **fields))

    async def new_id(self, **fields: Any) -> str:
        """Return a member id that was given out for the next JoinGroup."""
        result = await self.join(**fields)
        assert result.error is ErrorCode.MEMBER_ID_REQUIRED
        return result.member_id

    def send_sync(
        self, joined: JoinResult, assignments: dict[str, bytes] | None = None, **fields: Any
    ) -> asyncio.Future[SyncResult]:
        request: dict[str, Any] = {
            "group_id": "g",
            "member_id": joined.member_id,
            "generation_id": joined.generation_id,
            "assignments": tuple((assignments or {}).items()),
        }
        return self.coordinator.sync_group(SyncRequest(**(request | fields)))

    async def sync(
        self, joined: JoinResult, assignments: dict[str, bytes] | None = None, **fields: Any
    ) -> SyncResult:
        return await self.answer(self.send_sync(joined, assignments, **fields))

    async def stable(self, count: int = 1, **fields: Any) -> list[JoinResult]:
        """Make a stable group of dynamic members; the first leads, ``n`` is assigned ``An``."""
        ids = [await self.new_id(**fields) for _ in range(count)]
        joins = [self.send_join(member_id, **fields) for member_id in ids]
        results = [await self.answer(future) for future in joins]
        leader = next(result for result in results if result.members)
        assignments = {member_id: b"A%d" % number for number, member_id in enumerate(ids)}
        syncs = [self.send_sync(r) for r in results if r is not leader]
        await self.sync(leader, assignments)
        for sync in syncs:
            assert (await self.answer(sync)).error is ErrorCode.NONE
        return results

    def heartbeat(self, joined: JoinResult, **fields: Any) -> ErrorCode:
        request = {"member_id": joined.member_id, "generation_id": joined.generation_id}
        return self.coordinator.heartbeat("g", **(request | fields))

    async def leave(self, *members: LeavingMember) -> list[ErrorCode]:
        return await self.answer(self.coordinator.leave_group("g", members))

    # -- offsets --

    def send_commit(
        self, *offsets: PartitionOffset, joined: JoinResult | None = None, **fields: Any
    ) -> asyncio.Future[list[ErrorCode]]:
        future: asyncio.Future[list[ErrorCode]] = asyncio.get_running_loop().create_future()
        request: dict[str, Any] = {
            "group_id": "g",
            "offsets": list(offsets) or [PartitionOffset("t", 0, 5)],
        }
        if joined is not None:
            request |= {"member_id": joined.member_id, "generation_id": joined.generation_id}
        self.coordinator.commit_offsets(OffsetCommit(**(request | fields)), future.set_result)
        return future

    async def commit(
        self, *offsets: PartitionOffset, joined: JoinResult | None = None, **fields: Any
    ) -> list[ErrorCode]:
        return await self.answer(self.send_commit(*offsets, joined=joined, **fields))

    def committed(self, partition: int = 0, topic: str = "t", group: str = "g") -> int | None:
        return self.coordinator.committed_offset(group, TopicPartition(topic, partition))

    def state(self, group: str = "g") -> str | None:
        description = self.coordinator.describe(group)
        return None if description is None else description.state
