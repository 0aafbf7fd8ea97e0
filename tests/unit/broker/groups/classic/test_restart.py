"""What survives a restart of the broker, also one by SIGKILL."""

from __future__ import annotations

import json

import pytest

from fakebus.broker.groups.requests import LeavingMember
from fakebus.errors import ErrorCode, StorageError
from fakebus.types import TopicPartition
from tests.unit.broker.groups.bench import Bench, protocols


async def test_stable_members_go_on_where_they_were(bench: Bench) -> None:
    members = await bench.stable(2)
    await bench.commit(joined=members[0])
    before = bench.coordinator.describe("g")
    await bench.restart()
    assert bench.coordinator.describe("g") == before
    assert [bench.heartbeat(m) for m in members] == [ErrorCode.NONE] * 2
    assert {(await bench.sync(m)).assignment for m in members} == {b"A0", b"A1"}
    assert await bench.commit(joined=members[1]) == [ErrorCode.NONE]
    assert bench.committed() == 5


async def test_members_that_do_not_come_back_are_removed_after_their_session_timeout(
    bench: Bench,
) -> None:
    members = await bench.stable(2)
    await bench.advance(9)
    await bench.restart()
    await bench.advance(9)
    assert bench.heartbeat(members[0]) is ErrorCode.NONE
    await bench.advance(1)
    assert bench.heartbeat(members[1]) is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.heartbeat(members[0]) is ErrorCode.REBALANCE_IN_PROGRESS


async def test_generation_never_goes_back(bench: Bench) -> None:
    (member,) = await bench.stable()
    for generation_id in range(2, 6):
        changed = protocols("range", metadata=b"%d" % generation_id)
        member = await bench.join(member.member_id, protocols=changed)
        assert member.generation_id == generation_id
        await bench.restart()
        assert bench.coordinator.describe("g").generation_id == generation_id


async def test_members_can_sync_after_a_restart_between_join_and_sync(bench: Bench) -> None:
    ids = [await bench.new_id() for _ in range(2)]
    joins = [bench.send_join(member_id) for member_id in ids]
    members = [await bench.answer(join) for join in joins]
    await bench.restart()
    assert bench.state() == "CompletingRebalance"
    leader = next(m for m in members if m.members)
    follower = next(m for m in members if not m.members)
    waiting = bench.send_sync(follower)
    await bench.sync(leader, {follower.member_id: b"F"})
    assert (await bench.answer(waiting)).assignment == b"F"


async def test_members_that_never_sync_after_a_restart_are_removed(bench: Bench) -> None:
    member = await bench.join(await bench.new_id())
    await bench.restart()
    for _ in range(12):
        assert bench.heartbeat(member) is ErrorCode.NONE
        await bench.advance(5)
    assert bench.heartbeat(member) is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.state() == "Empty"


async def test_empty_group_keeps_its_generation_and_when_it_became_empty(bench: Bench) -> None:
    (member,) = await bench.stable()
    await bench.commit(joined=member)
    await bench.leave(LeavingMember(member.member_id))
    await bench.advance(4 * 86_400)
    await bench.restart()
    assert bench.coordinator.describe("g").generation_id == 2
    assert bench.coordinator.describe("g").protocol_type == "consumer"
    await bench.advance(3 * 86_400)
    assert bench.state() is None


async def test_static_members_are_still_static(bench: Bench) -> None:
    member = await bench.join(group_instance_id="i")
    await bench.sync(member, {member.member_id: b"A"})
    await bench.restart()
    back = await bench.join(group_instance_id="i")
    assert (back.generation_id, back.skip_assignment) == (1, True)
    assert bench.heartbeat(member, group_instance_id="i") is ErrorCode.FENCED_INSTANCE_ID
    assert (await bench.sync(back)).assignment == b"A"


async def test_follower_that_rejoins_unchanged_after_a_restart_causes_no_rebalance(
    bench: Bench,
) -> None:
    members = await bench.stable(2)
    await bench.restart()
    follower = next(m for m in members if not m.members)
    assert (await bench.join(follower.member_id)).generation_id == 1


async def test_subscriptions_are_known_after_a_restart(bench: Bench) -> None:
    (member,) = await bench.stable()
    await bench.commit(joined=member)
    await bench.restart()
    deleting = bench.coordinator.delete_offsets("g", [TopicPartition("t", 0)])
    assert await bench.answer(deleting) == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC]


async def test_group_that_was_only_asked_for_is_listed(bench: Bench) -> None:
    pending = await bench.new_id()
    await bench.restart()
    assert bench.state() == "Empty"
    assert (await bench.join(pending)).error is ErrorCode.UNKNOWN_MEMBER_ID


async def test_deleted_group_stays_deleted(bench: Bench) -> None:
    await bench.commit()
    assert await bench.answer(bench.coordinator.delete_group("g")) is ErrorCode.NONE
    await bench.restart()
    assert bench.state() is None


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"state": "PreparingRebalance"}, {"state": "Odd"}, {"members": [{}]}],
)
async def test_state_that_cannot_be_read_is_reported(
    bench: Bench, change: dict[str, object]
) -> None:
    await bench.stable()
    fields = json.loads(bench.store.snapshots["g"] or b"")
    bench.store.snapshots["g"] = json.dumps(fields | change).encode()
    with pytest.raises(StorageError, match="stored state of group g cannot be read"):
        await bench.restart()
