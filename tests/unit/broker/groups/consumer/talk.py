"""Members of a consumer group, as they speak to a bench's coordinator."""

from __future__ import annotations

from typing import Any

from fakebus.broker.groups.requests import ConsumerHeartbeat, HeartbeatResult
from fakebus.errors import ErrorCode
from fakebus.types import TopicIdPartition
from tests.unit.broker.groups.bench import REBALANCE_MS, Bench

Owned = frozenset[TopicIdPartition]


class Client:
    """Member that does what it is told, at once or when it is told to acknowledge.

    Args:
        bench: the coordinator it speaks to.
        member_id: its id.
        fields: what else it joins with.
    """

    def __init__(self, bench: Bench, member_id: str, **fields: Any) -> None:
        self.bench = bench
        self.member_id = member_id
        self.fields = {"topics": frozenset({"t"}), "rebalance_timeout_ms": REBALANCE_MS, **fields}
        self.epoch = 0
        self.owned: Owned = frozenset()
        self.wanted: Owned = frozenset()

    async def send(self, **fields: Any) -> HeartbeatResult:
        """Send a heartbeat and take over the answer, but for what is to be given up."""
        request: dict[str, Any] = {
            "group_id": "g",
            "member_id": self.member_id,
            "member_epoch": self.epoch,
            "owned": self.owned,
            "client_id": "c",
            "client_host": "/127.0.0.1",
            "instance_id": self.fields.get("instance_id"),
        }
        if self.epoch == 0:
            request |= self.fields
        beat = ConsumerHeartbeat(**(request | fields))
        result: HeartbeatResult = await self.bench.answer(
            self.bench.coordinator.consumer_heartbeat(beat)
        )
        if result.error is ErrorCode.NONE:
            self.member_id = result.member_id or self.member_id
            self.epoch = max(result.member_epoch, 0)
            if result.assignment is not None:
                self.wanted = result.assignment
                self.owned |= self.wanted
        return result

    async def acknowledge(self) -> HeartbeatResult:
        """Give up what is not the member's any more, and say so."""
        self.owned &= self.wanted
        return await self.send()

    async def leave(self, epoch: int = -1) -> HeartbeatResult:
        result = await self.send(member_epoch=epoch)
        self.owned = self.wanted = frozenset()
        return result

    @property
    def numbers(self) -> list[int]:
        """The partitions of ``t`` that it has."""
        topic_id = self.bench.topics.get("t").topic_id
        return sorted(place.partition for place in self.owned if place.topic_id == topic_id)


async def settle(*clients: Client) -> None:
    """Let clients beat until the group is stable."""
    for _ in range(6):
        await clients[0].bench.advance(1)
        for client in clients:
            result = await client.acknowledge()
            assert result.error is ErrorCode.NONE, result.message
    assert clients[0].bench.state() == "Stable"
