"""Groups that change from the classic protocol to the new one and back while they have members."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from fakebus.broker.groups.requests import JoinResult, LeavingMember
from fakebus.errors import ErrorCode
from fakebus.protocol.consumer_protocol import assigned_partitions, encode_assignment
from fakebus.types import TopicPartition
from tests.unit.broker.groups.bench import SESSION_MS, Bench, protocols, subscription
from tests.unit.broker.groups.conftest import NewBench
from tests.unit.broker.groups.consumer.talk import Client


def owning(*numbers: int) -> bytes:
    """Return a subscription to ``t`` that names owned partitions."""
    listed = struct.pack(">i", len(numbers)) + b"".join(struct.pack(">i", n) for n in numbers)
    rows = struct.pack(">ih", 1, 1) + b"t" + listed if numbers else struct.pack(">i", 0)
    return subscription("t")[:-4] + rows


class OldClient:
    """Member that speaks the classic protocol and assigns cooperatively."""

    def __init__(self, bench: Bench, **fields: Any) -> None:
        self.bench = bench
        self.fields = fields
        self.joined = JoinResult()
        self.owned: set[int] = set()

    async def join(self) -> ErrorCode:
        fields = {"protocols": protocols("sticky", metadata=owning(*self.owned)), **self.fields}
        self.joined = await self.bench.join(self.joined.member_id, **fields)
        if self.joined.error is ErrorCode.MEMBER_ID_REQUIRED:
            return await self.join()
        return self.joined.error

    async def sync(self, assignments: dict[str, bytes] | None = None) -> ErrorCode:
        result = await self.bench.sync(self.joined, assignments, protocol_name="sticky")
        if result.error is ErrorCode.NONE:
            self.owned = {place.partition for place in assigned_partitions(result.assignment)}
        return result.error

    async def beat(self) -> None:
        """Send a heartbeat, and join and sync again as often as the coordinator asks for."""
        if self.bench.heartbeat(self.joined) is ErrorCode.REBALANCE_IN_PROGRESS:
            assert await self.join() is ErrorCode.NONE
            await self.sync()


async def classic_group(bench: Bench, **fields: Any) -> OldClient:
    """Return the only member of a classic group, which owns all of ``t``."""
    old = OldClient(bench, **fields)
    await old.join()
    every = encode_assignment([TopicPartition("t", n) for n in range(4)], 1)
    await old.sync({old.joined.member_id: every})
    assert old.owned == {0, 1, 2, 3}
    return old


def group_type(bench: Bench) -> str:
    described = bench.coordinator.describe("g")
    assert described is not None
    return described.group_type


async def test_a_group_is_upgraded_by_the_first_new_member_and_nothing_is_owned_twice(
    bench: Bench,
) -> None:
    old, new = await classic_group(bench), Client(bench, "n")
    await bench.commit(joined=old.joined)
    for _ in range(4):
        await bench.advance(1)
        assert (await new.acknowledge()).error is ErrorCode.NONE
        assert not old.owned & set(new.numbers)
        await old.beat()
        assert not old.owned & set(new.numbers)
    assert (len(old.owned), len(new.numbers)) == (2, 2)
    assert (bench.state(), group_type(bench)) == ("Stable", "consumer")
    described = bench.coordinator.describe("g")
    assert described is not None
    assert [each.modern and each.modern.is_classic for each in described.members] == [True, False]
    assert await bench.commit(joined=old.joined) == [ErrorCode.NONE]
    stale = JoinResult(member_id=old.joined.member_id, generation_id=99)
    assert await bench.commit(joined=stale) == [ErrorCode.ILLEGAL_GENERATION]


async def test_who_syncs_has_a_whole_session_again(bench: Bench) -> None:
    old, new = await classic_group(bench), Client(bench, "n")
    await new.acknowledge()
    await old.join()
    for _ in range(2):
        await bench.advance(SESSION_MS / 1000 * 0.7)
        assert await old.sync() is ErrorCode.NONE
        await new.acknowledge()
    assert group_type(bench) == "consumer"


async def test_a_group_is_downgraded_when_the_last_new_member_has_gone(bench: Bench) -> None:
    old, new = await classic_group(bench), Client(bench, "n")
    for _ in range(4):
        await bench.advance(1)
        await new.acknowledge()
        await old.beat()
    await new.leave()
    assert group_type(bench) == "classic"
    assert bench.heartbeat(old.joined) is ErrorCode.REBALANCE_IN_PROGRESS
    assert await old.join() is ErrorCode.NONE
    assert old.joined.members, "it leads again"
    await bench.restart()
    assert group_type(bench) == "classic"


async def test_members_of_both_protocols_survive_a_restart(bench: Bench) -> None:
    old, new = await classic_group(bench), Client(bench, "n")
    for _ in range(4):
        await bench.advance(1)
        await new.acknowledge()
        await old.beat()
    await bench.restart()
    assert bench.heartbeat(old.joined) is ErrorCode.NONE
    assert (await new.send()).error is ErrorCode.NONE
    await old.sync()
    assert old.owned == {0, 1, 2, 3} - set(new.numbers)


async def test_a_new_member_replaces_an_old_static_one_and_back(bench: Bench) -> None:
    old = await classic_group(bench, group_instance_id="i")
    new = Client(bench, "n", instance_id="i")
    await new.send()
    await new.acknowledge()
    assert (group_type(bench), new.numbers) == ("consumer", [0, 1, 2, 3])
    assert bench.heartbeat(old.joined, group_instance_id="i") is ErrorCode.FENCED_INSTANCE_ID
    again = OldClient(bench, group_instance_id="i")
    assert await again.join() is ErrorCode.NONE
    assert group_type(bench) == "classic"
    assert (await new.send()).error is ErrorCode.GROUP_ID_NOT_FOUND


async def test_an_old_member_that_does_not_join_again_is_removed(bench: Bench) -> None:
    old, new = await classic_group(bench, rebalance_timeout_ms=4000), Client(bench, "n")
    await bench.advance(1)
    await new.send()
    for _ in range(4):
        assert bench.heartbeat(old.joined) is ErrorCode.REBALANCE_IN_PROGRESS
        await bench.advance(1)
    assert bench.heartbeat(old.joined) is ErrorCode.UNKNOWN_MEMBER_ID
    await new.send()
    assert new.numbers == [0, 1, 2, 3]


@pytest.mark.parametrize("policy", ["disabled", "downgrade"])
async def test_a_policy_forbids_the_upgrade(new_bench: NewBench, policy: str) -> None:
    bench = await new_bench(group_consumer_migration_policy=policy)
    old = await classic_group(bench)
    result = await Client(bench, "n").send()
    assert (result.error, group_type(bench)) == (ErrorCode.GROUP_ID_NOT_FOUND, "classic")
    assert bench.heartbeat(old.joined) is ErrorCode.NONE


async def test_a_policy_forbids_the_downgrade(new_bench: NewBench) -> None:
    bench = await new_bench(group_consumer_migration_policy="upgrade")
    old, new = await classic_group(bench), Client(bench, "n")
    await new.send()
    await new.leave()
    assert group_type(bench) == "consumer"
    await bench.advance(1)
    assert await old.join() is ErrorCode.NONE
    assert (await bench.leave(LeavingMember(old.joined.member_id))) == [ErrorCode.NONE]
    assert bench.state() == "Empty"


async def test_groups_of_other_protocols_and_assignors_with_data_cannot_be_upgraded(
    bench: Bench,
) -> None:
    await bench.stable(protocol_type="connect", protocols=protocols("p"))
    assert (await Client(bench, "n").send()).error is ErrorCode.GROUP_ID_NOT_FOUND
    assert group_type(bench) == "classic"


async def test_joins_that_wait_are_asked_to_come_again(bench: Bench) -> None:
    await classic_group(bench)
    waiting: asyncio.Future[JoinResult] = bench.send_join(
        await bench.new_id(protocols=protocols("sticky", metadata=owning())),
        protocols=protocols("sticky", metadata=owning()),
    )
    await bench.advance(0.1)
    assert not waiting.done()
    await Client(bench, "n").send()
    assert (await bench.answer(waiting)).error is ErrorCode.REBALANCE_IN_PROGRESS


async def test_what_old_members_are_told_in_a_consumer_group(bench: Bench) -> None:
    old, new = await classic_group(bench), Client(bench, "n")
    await new.send()
    await bench.advance(1)
    other = await bench.join("", protocols=protocols("range", metadata=owning()))
    assert other.error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    broken = await bench.join("", protocols=protocols("sticky", metadata=b""))
    assert broken.error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert await old.join() is ErrorCode.NONE
    sync = await bench.sync(old.joined, generation_id=77)
    assert sync.error is ErrorCode.ILLEGAL_GENERATION
    sync = await bench.sync(old.joined, protocol_name="range")
    assert sync.error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert (await bench.sync(old.joined, member_id="n")).error is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.coordinator.heartbeat("g", "n", 2) is ErrorCode.UNKNOWN_MEMBER_ID
