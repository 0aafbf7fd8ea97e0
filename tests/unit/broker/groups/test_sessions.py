"""Heartbeats, session timeouts, LeaveGroup and closed connections."""

from __future__ import annotations

import pytest

from fakebus.broker.groups.requests import LeavingMember
from fakebus.errors import BrokerError, ErrorCode
from tests.unit.broker.groups.bench import Bench, protocols
from tests.unit.broker.groups.conftest import NewBench


async def test_heartbeat_of_unknown_groups_and_members(bench: Bench) -> None:
    (member,) = await bench.stable()
    assert bench.coordinator.heartbeat("", "m", 1) is ErrorCode.INVALID_GROUP_ID
    assert bench.coordinator.heartbeat("other", "m", 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.heartbeat(member, member_id="stranger") is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.heartbeat(member, generation_id=0) is ErrorCode.ILLEGAL_GENERATION
    assert bench.heartbeat(member, generation_id=2) is ErrorCode.ILLEGAL_GENERATION


async def test_heartbeat_in_an_empty_group_is_from_an_unknown_member(bench: Bench) -> None:
    (member,) = await bench.stable()
    await bench.leave(LeavingMember(member.member_id))
    assert bench.heartbeat(member, generation_id=2) is ErrorCode.UNKNOWN_MEMBER_ID


async def test_heartbeat_reports_a_rebalance_only_while_members_are_to_join(bench: Bench) -> None:
    members = await bench.stable(2)
    assert [bench.heartbeat(m) for m in members] == [ErrorCode.NONE] * 2
    joins = [bench.send_join(members[0].member_id)]
    assert bench.heartbeat(members[1]) is ErrorCode.REBALANCE_IN_PROGRESS
    joins.append(bench.send_join(members[1].member_id))
    rejoined = [await bench.answer(join) for join in joins]
    assert bench.state() == "CompletingRebalance"
    assert [bench.heartbeat(m) for m in rejoined] == [ErrorCode.NONE] * 2


async def test_silent_member_is_removed_after_its_session_timeout(bench: Bench) -> None:
    members = await bench.stable(2)
    await bench.advance(6)
    assert bench.heartbeat(members[0]) is ErrorCode.NONE
    await bench.advance(3.9)
    assert bench.heartbeat(members[0]) is ErrorCode.NONE
    await bench.advance(0.2)
    assert bench.heartbeat(members[1]) is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.heartbeat(members[0]) is ErrorCode.REBALANCE_IN_PROGRESS


async def test_last_silent_member_leaves_an_empty_group_of_the_next_generation(
    bench: Bench,
) -> None:
    await bench.stable()
    await bench.advance(10)
    assert bench.state() == "Empty"
    assert bench.coordinator.describe("g").generation_id == 2


async def test_heartbeat_sync_join_and_commit_all_keep_the_session(bench: Bench) -> None:
    members = await bench.stable(2)
    follower = next(m for m in members if not m.members)
    leader = next(m for m in members if m.members)

    async def rejoin() -> object:
        return await bench.join(follower.member_id)

    async def sync() -> object:
        return await bench.sync(follower)

    async def commit() -> object:
        return await bench.commit(joined=follower)

    for keep in (rejoin, sync, commit, rejoin, commit, sync):
        bench.heartbeat(leader)
        await bench.advance(9)
        await keep()
    assert bench.heartbeat(follower) is ErrorCode.NONE


async def test_member_that_vanishes_after_the_join_phase_times_out_before_the_sync_phase(
    bench: Bench,
) -> None:
    members = await bench.stable(2)
    waiting = bench.send_join(members[0].member_id)
    await bench.advance(9)
    bench.heartbeat(members[1])
    await bench.advance(9)
    bench.send_join(members[1].member_id)
    assert (await bench.answer(waiting)).generation_id == 2
    await bench.advance(10)
    assert bench.state() == "Empty"


async def test_member_that_vanishes_after_a_failed_sync_times_out(bench: Bench) -> None:
    ids = [await bench.new_id() for _ in range(2)]
    joins = [bench.send_join(member_id) for member_id in ids]
    leader, follower = sorted(
        [await bench.answer(join) for join in joins], key=lambda result: not result.members
    )
    waiting = bench.send_sync(follower)
    for _ in range(3):
        await bench.advance(9)
        bench.heartbeat(leader)
    rejoined = bench.send_join(leader.member_id, protocols=protocols("range", metadata=b"changed"))
    assert (await bench.answer(waiting)).error is ErrorCode.REBALANCE_IN_PROGRESS
    await bench.advance(9.9)
    assert not rejoined.done()
    await bench.advance(0.1)
    assert len((await bench.answer(rejoined)).members) == 1


async def test_commit_that_is_refused_does_not_keep_the_session(bench: Bench) -> None:
    (member,) = await bench.stable()
    await bench.advance(6)
    await bench.commit(joined=member, generation_id=0)
    await bench.advance(4)
    assert bench.state() == "Empty"


async def test_shorter_session_timeout_counts_from_the_next_join(bench: Bench) -> None:
    (member,) = await bench.stable()
    again = await bench.join(member.member_id, session_timeout_ms=6000)
    await bench.sync(again)
    await bench.advance(6)
    assert bench.heartbeat(again) is ErrorCode.UNKNOWN_MEMBER_ID


async def test_leaving_starts_a_rebalance_at_once(bench: Bench) -> None:
    members = await bench.stable(2)
    assert await bench.leave(LeavingMember(members[0].member_id)) == [ErrorCode.NONE]
    assert bench.heartbeat(members[1]) is ErrorCode.REBALANCE_IN_PROGRESS
    assert bench.heartbeat(members[0]) is ErrorCode.UNKNOWN_MEMBER_ID


async def test_several_members_leave_with_an_error_each_and_one_rebalance(bench: Bench) -> None:
    members = await bench.stable(3)
    errors = await bench.leave(
        LeavingMember(members[0].member_id),
        LeavingMember("stranger"),
        LeavingMember("", "no such instance"),
        LeavingMember(""),
        LeavingMember(members[1].member_id, "not static"),
        LeavingMember(members[2].member_id),
    )
    unknown = ErrorCode.UNKNOWN_MEMBER_ID
    assert errors == [ErrorCode.NONE, unknown, unknown, unknown, unknown, ErrorCode.NONE]
    assert (await bench.join(members[1].member_id)).generation_id == 2


async def test_nobody_can_leave_what_does_not_exist(bench: Bench) -> None:
    unknown = [ErrorCode.UNKNOWN_MEMBER_ID]
    assert await bench.leave(LeavingMember("m")) == unknown
    with pytest.raises(BrokerError) as caught:
        bench.coordinator.leave_group("", [])
    assert caught.value.error_code is ErrorCode.INVALID_GROUP_ID


async def test_leaving_ends_the_join_phase_if_only_the_one_who_left_was_missing(
    bench: Bench,
) -> None:
    members = await bench.stable(2)
    joining = bench.send_join(members[0].member_id)
    await bench.leave(LeavingMember(members[1].member_id))
    assert (await bench.answer(joining)).generation_id == 2


async def test_client_that_was_given_an_id_can_leave(bench: Bench) -> None:
    (member,) = await bench.stable()
    pending = await bench.new_id()
    joining = bench.send_join(member.member_id)
    assert not joining.done()
    assert await bench.leave(LeavingMember(pending)) == [ErrorCode.NONE]
    assert (await bench.answer(joining)).generation_id == 2


async def test_who_leaves_while_waiting_is_told_to_join_anew(bench: Bench) -> None:
    members = await bench.stable(2)
    joining = bench.send_join(members[0].member_id)
    await bench.leave(LeavingMember(members[0].member_id))
    assert (await bench.answer(joining)).error is ErrorCode.UNKNOWN_MEMBER_ID
    await bench.join(members[1].member_id)
    other = bench.send_join(await bench.new_id())
    joined = await bench.join(members[1].member_id)
    follower = await bench.answer(other)
    assert joined.members
    waiting = bench.send_sync(follower)
    await bench.leave(LeavingMember(follower.member_id))
    assert (await bench.answer(waiting)).error is ErrorCode.UNKNOWN_MEMBER_ID


async def test_emptied_group_is_stored_before_the_last_member_is_answered(bench: Bench) -> None:
    (member,) = await bench.stable()
    bench.store.hold()
    leaving = bench.coordinator.leave_group("g", [LeavingMember(member.member_id)])
    await bench.advance(0)
    assert not leaving.done()
    bench.store.release()
    assert await bench.answer(leaving) == [ErrorCode.NONE]


async def test_closed_connection_removes_nobody_unless_asked_to(bench: Bench) -> None:
    connection = object()
    (member,) = await bench.stable(connection=connection)
    assert not bench.coordinator.connections.watch(connection)
    assert bench.heartbeat(member) is ErrorCode.NONE


async def test_closed_connection_removes_its_members_and_given_ids(new_bench: NewBench) -> None:
    bench = await new_bench(fakebus_evict_on_disconnect="true")
    lost, kept = object(), object()
    assert bench.coordinator.connections.watch(lost)
    assert not bench.coordinator.connections.watch(lost)
    assert bench.coordinator.connections.watch(kept)
    ids = [await bench.new_id(connection=c) for c in (lost, kept)]
    await bench.new_id(connection=lost)
    joins = [bench.send_join(m, connection=c) for m, c in zip(ids, (lost, kept), strict=True)]
    first, second = [await bench.answer(join) for join in joins]
    bench.coordinator.connections.closed(lost)
    assert bench.heartbeat(first) is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.heartbeat(second) is ErrorCode.REBALANCE_IN_PROGRESS
    result = await bench.join(second.member_id, connection=kept)
    assert [m.member_id for m in result.members] == [second.member_id]
    assert bench.coordinator.connections.watch(lost)


async def test_member_that_joined_again_elsewhere_survives_its_old_connection(
    new_bench: NewBench,
) -> None:
    bench = await new_bench(fakebus_evict_on_disconnect="true")
    old, new = object(), object()
    (member,) = await bench.stable(connection=old)
    again = await bench.join(member.member_id, connection=new)
    bench.coordinator.connections.closed(old)
    assert bench.heartbeat(again) is ErrorCode.NONE
    bench.coordinator.connections.closed(new)
    assert bench.state() == "Empty"


async def test_static_member_survives_its_connection(new_bench: NewBench) -> None:
    bench = await new_bench(fakebus_evict_on_disconnect="true")
    connection = object()
    member = await bench.join(connection=connection, group_instance_id="i")
    bench.coordinator.connections.closed(connection)
    assert bench.heartbeat(member) is ErrorCode.NONE
