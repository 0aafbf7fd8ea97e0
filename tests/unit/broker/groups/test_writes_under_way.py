"""What holds while writes of a group are under way, and when one of them ends before others."""

from __future__ import annotations

import asyncio
from typing import cast

from fakebus.broker.groups.journal import GroupJournal
from fakebus.broker.groups.requests import LeavingMember, PartitionOffset
from fakebus.errors import ErrorCode
from fakebus.storage.interface import OffsetStore
from tests.unit.broker.groups.bench import Bench, protocols, subscription, turns
from tests.unit.broker.groups.conftest import NewBench
from tests.unit.broker.groups.store import HeldStore

TOPIC = subscription("t")


async def test_offsets_are_settled_when_the_last_commit_under_way_is_stored(bench: Bench) -> None:
    bench.store.hold()
    for offset in (1, 2):
        bench.send_commit(PartitionOffset("t", 0, offset))
    settled = asyncio.ensure_future(bench.coordinator.offsets_settled("g"))
    bench.store.release_one()
    await turns()
    later = asyncio.ensure_future(bench.coordinator.offsets_settled("g"))
    await turns()
    assert not later.done()
    bench.store.release()
    await settled
    await later
    assert bench.committed() == 2


async def test_an_answer_waits_for_the_last_snapshot_under_way() -> None:
    store = HeldStore()
    journal = GroupJournal(cast(OffsetStore, store))
    store.hold()
    journal.save("g", b"1")
    journal.save("g", b"2")
    store.release_one()
    await turns()
    told: list[ErrorCode] = []
    journal.when_stored("g", told.append)
    assert told == []
    store.release()
    await turns()
    assert told == [ErrorCode.NONE]


async def test_a_refused_commit_is_not_counted_as_committed(bench: Bench) -> None:
    (member,) = await bench.stable()
    assert await bench.commit(joined=member, generation_id=7) == [ErrorCode.ILLEGAL_GENERATION]
    assert await bench.commit(member_id="nobody", generation_id=1) == [ErrorCode.UNKNOWN_MEMBER_ID]
    assert bench.committed() is None
    assert "commit_offsets" not in bench.store.writes


async def test_assignments_are_not_handed_out_once_the_next_rebalance_has_begun(
    bench: Bench,
) -> None:
    joined = await bench.join(await bench.new_id())
    bench.store.hold()
    sync = bench.send_sync(joined, {joined.member_id: b"A"})
    bench.send_join(protocols=protocols("range"), group_instance_id="i")
    bench.store.release()
    assert (await bench.answer(sync)).error is ErrorCode.REBALANCE_IN_PROGRESS
    assert bench.state() == "PreparingRebalance"
    description = bench.coordinator.describe("g")
    assert description is not None
    assert {member.assignment for member in description.members} == {b""}


async def test_a_new_group_stays_when_the_old_one_of_its_name_could_not_be_deleted(
    bench: Bench,
) -> None:
    await bench.commit()
    bench.store.hold()
    deleted = bench.coordinator.delete_group("g")
    member_id = (await bench.join()).member_id
    bench.store.fails = True
    bench.store.release()
    assert await bench.answer(deleted) is ErrorCode.NOT_COORDINATOR
    bench.store.fails = False
    assert (await bench.join(member_id)).error is ErrorCode.NONE


async def test_a_group_with_members_stays_though_it_has_no_offsets(new_bench: NewBench) -> None:
    bench = await new_bench(offsets_retention_check_interval_ms="1000")
    await bench.stable()
    await bench.advance(2)
    assert bench.state() == "Stable"


async def test_a_member_that_leaves_twice_in_a_request_has_left_once(bench: Bench) -> None:
    (member,) = await bench.stable()
    leaving = LeavingMember(member.member_id)
    assert await bench.leave(leaving, leaving) == [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID]


async def test_a_member_that_waits_may_repeat_its_join_in_a_full_group(
    new_bench: NewBench,
) -> None:
    bench = await new_bench(group_max_size="2", group_initial_rebalance_delay_ms="5000")
    ids = [await bench.new_id() for _ in range(2)]
    first, second = [bench.send_join(member_id) for member_id in ids]
    again = bench.send_join(ids[0])
    await bench.advance(60)
    assert first.result().error is ErrorCode.REBALANCE_IN_PROGRESS
    assert (again.result().error, second.result().error) == (ErrorCode.NONE, ErrorCode.NONE)


async def test_a_static_member_that_came_back_has_to_sync_in_time_too(bench: Bench) -> None:
    patient = {"session_timeout_ms": 300_000, "protocols": protocols("range", metadata=TOPIC)}
    joins = [bench.send_join(group_instance_id=name, **patient) for name in ("a", "b")]
    leader, follower = [await bench.answer(join) for join in joins]
    await bench.sync(leader, {leader.member_id: b"L", follower.member_id: b"F"})
    came_back = await bench.join(group_instance_id="b", **patient)
    assert came_back.error is ErrorCode.NONE
    await bench.advance(60)
    description = bench.coordinator.describe("g")
    assert description is not None
    assert [member.group_instance_id for member in description.members] == ["a"]


async def test_absent_static_members_are_waited_for_without_filling_the_loop(
    bench: Bench,
) -> None:
    joined = await bench.join(group_instance_id="a")
    hasty = await bench.join(joined.member_id, group_instance_id="a", rebalance_timeout_ms=0)
    await bench.sync(hasty, {joined.member_id: b"A"})
    assert bench.state() == "Stable"
    bench.coordinator.rebalance("g")
    await bench.advance(0.0005)
    assert bench.state() == "PreparingRebalance"
