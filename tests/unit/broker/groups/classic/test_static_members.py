"""Members with a group.instance.id (KIP-345), which may go and come back."""

from __future__ import annotations

from fakebus.broker.groups.requests import JoinResult, LeavingMember
from fakebus.errors import ErrorCode
from tests.unit.broker.groups.bench import Bench, protocols
from tests.unit.broker.groups.conftest import NewBench


async def stable_statics(bench: Bench, count: int = 2) -> list[JoinResult]:
    """Make a stable group of static members ``i0``, ``i1``...; the first one leads."""
    joins = [bench.send_join(group_instance_id=f"i{n}") for n in range(count)]
    joined = [await bench.answer(join) for join in joins]
    assignments = {result.member_id: b"A%d" % n for n, result in enumerate(joined)}
    syncs = [bench.send_sync(r, assignments if r.members else {}) for r in joined]
    for sync in syncs:
        assert (await bench.answer(sync)).error is ErrorCode.NONE
    return joined


async def test_static_member_joins_at_once_with_an_id_of_its_instance(bench: Bench) -> None:
    result = await bench.join(group_instance_id="i0")
    assert result.error is ErrorCode.NONE
    assert result.member_id.startswith("i0-")
    assert [m.group_instance_id for m in result.members] == ["i0"]


async def test_returning_follower_takes_its_place_without_a_rebalance(bench: Bench) -> None:
    leader, follower = await stable_statics(bench)
    back = await bench.join(group_instance_id="i1")
    assert back.member_id != follower.member_id
    assert (back.generation_id, back.leader, back.members) == (1, leader.member_id, ())
    assert not back.skip_assignment
    assert bench.heartbeat(leader) is ErrorCode.NONE
    assert (await bench.sync(back, group_instance_id="i1")).assignment == b"A1"


async def test_returning_leader_gets_the_members_and_need_not_assign(bench: Bench) -> None:
    old, _ = await stable_statics(bench)
    back = await bench.join(group_instance_id="i0")
    assert (back.generation_id, back.leader) == (1, back.member_id)
    assert back.skip_assignment
    assert {m.group_instance_id for m in back.members} == {"i0", "i1"}
    assert (await bench.sync(back)).assignment == b"A0"
    assert old.member_id not in {m.member_id for m in back.members}


async def test_returning_leader_that_cannot_skip_is_not_told_that_it_leads(bench: Bench) -> None:
    old, _ = await stable_statics(bench)
    back = await bench.join(group_instance_id="i0", supports_skip_assignment=False)
    assert (back.leader, back.members, back.skip_assignment) == (old.member_id, (), False)


async def test_old_id_is_fenced_everywhere(bench: Bench) -> None:
    _, old = await stable_statics(bench)
    await bench.join(group_instance_id="i1")
    fenced = ErrorCode.FENCED_INSTANCE_ID
    assert bench.heartbeat(old, group_instance_id="i1") is fenced
    assert (await bench.join(old.member_id, group_instance_id="i1")).error is fenced
    assert (await bench.sync(old, group_instance_id="i1")).error is fenced
    assert await bench.commit(joined=old, group_instance_id="i1") == [fenced]
    assert await bench.leave(LeavingMember(old.member_id, "i1")) == [fenced]
    assert bench.heartbeat(old) is ErrorCode.UNKNOWN_MEMBER_ID


async def test_unknown_instance_is_an_unknown_member(bench: Bench) -> None:
    member, _ = await stable_statics(bench)
    assert bench.heartbeat(member, group_instance_id="x") is ErrorCode.UNKNOWN_MEMBER_ID


async def test_second_process_with_the_same_instance_fences_the_one_that_waits(
    bench: Bench,
) -> None:
    leader, follower = await stable_statics(bench)
    waiting = bench.send_join(leader.member_id, group_instance_id="i0")
    assert bench.state() == "PreparingRebalance"
    newer = bench.send_join(group_instance_id="i0")
    result = await bench.answer(waiting)
    assert (result.error, result.member_id) == (ErrorCode.FENCED_INSTANCE_ID, leader.member_id)
    bench.send_join(follower.member_id, group_instance_id="i1")
    assert (await bench.answer(newer)).generation_id == 2


async def test_waiting_sync_of_a_replaced_member_is_fenced_and_the_group_starts_over(
    bench: Bench,
) -> None:
    joins = [bench.send_join(group_instance_id=f"i{n}") for n in range(2)]
    leader, follower = [await bench.answer(join) for join in joins]
    waiting = bench.send_sync(follower, group_instance_id="i1")
    back = bench.send_join(group_instance_id="i1")
    assert (await bench.answer(waiting)).error is ErrorCode.FENCED_INSTANCE_ID
    assert bench.heartbeat(leader) is ErrorCode.REBALANCE_IN_PROGRESS
    bench.send_join(leader.member_id, group_instance_id="i0")
    assert (await bench.answer(back)).generation_id == 2


async def test_return_that_changes_the_protocol_rebalances(bench: Bench) -> None:
    both = protocols("a", "b")
    joins = [bench.send_join(group_instance_id=f"i{n}", protocols=both) for n in range(2)]
    leader, follower = [await bench.answer(join) for join in joins]
    assert leader.protocol_name == "a"
    await bench.sync(leader)
    await bench.sync(follower)
    back = bench.send_join(group_instance_id="i1", protocols=protocols("b"))
    assert bench.heartbeat(leader) is ErrorCode.REBALANCE_IN_PROGRESS
    bench.send_join(leader.member_id, group_instance_id="i0", protocols=both)
    assert (await bench.answer(back)).protocol_name == "b"


async def test_return_is_answered_when_the_new_id_is_stored(bench: Bench) -> None:
    await stable_statics(bench)
    bench.store.hold()
    back = bench.send_join(group_instance_id="i1")
    await bench.advance(0)
    assert not back.done()
    bench.store.release()
    result = await bench.answer(back)
    await bench.restart()
    assert bench.heartbeat(result, group_instance_id="i1") is ErrorCode.NONE


async def test_return_that_cannot_be_stored_is_refused_and_can_be_repeated(bench: Bench) -> None:
    _, late = await stable_statics(bench)
    bench.store.fails = True
    assert (await bench.join(group_instance_id="i1")).error is ErrorCode.NOT_COORDINATOR
    # The first incarnation is the member again, as in Kafka.
    assert bench.heartbeat(late, group_instance_id="i1") is ErrorCode.NONE
    bench.store.fails = False
    back = await bench.join(group_instance_id="i1")
    assert (await bench.sync(back)).assignment == b"A1"


async def test_static_member_that_is_late_keeps_its_place(bench: Bench) -> None:
    leader, late = await stable_statics(bench)
    joining = bench.send_join(leader.member_id, group_instance_id="i0")
    for _ in range(12):
        bench.heartbeat(late)
        await bench.advance(5)
    result = await bench.answer(joining)
    assert {m.group_instance_id for m in result.members} == {"i0", "i1"}


async def test_group_whose_static_members_are_all_late_waits_for_them(bench: Bench) -> None:
    members = await stable_statics(bench)
    bench.send_join(await bench.new_id())
    newcomer = bench.coordinator.describe("g").members[-1].member_id
    await bench.leave(LeavingMember(newcomer))
    assert bench.state() == "PreparingRebalance"
    for _ in range(20):
        for member in members:
            assert bench.heartbeat(member) is ErrorCode.REBALANCE_IN_PROGRESS
        await bench.advance(9)
    joins = [bench.send_join(m.member_id) for m in members]
    assert {(await bench.answer(join)).generation_id for join in joins} == {2}


async def test_administrator_removes_a_member_by_its_instance(bench: Bench) -> None:
    leader, follower = await stable_statics(bench)
    assert await bench.leave(LeavingMember("", "i1")) == [ErrorCode.NONE]
    assert bench.heartbeat(follower) is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.heartbeat(leader) is ErrorCode.REBALANCE_IN_PROGRESS


async def test_who_has_left_with_the_same_request_is_not_known_and_others_are_still_fenced(
    bench: Bench,
) -> None:
    leader, follower = await stable_statics(bench)
    leaving = [(leader.member_id, None), (leader.member_id, "i1"), (follower.member_id, "i0")]
    assert await bench.leave(*(LeavingMember(*each) for each in leaving)) == [
        ErrorCode.NONE,
        ErrorCode.FENCED_INSTANCE_ID,
        ErrorCode.UNKNOWN_MEMBER_ID,
    ]


async def test_static_member_that_stays_away_is_removed_after_its_session_timeout(
    bench: Bench,
) -> None:
    leader, follower = await stable_statics(bench)
    await bench.advance(6)
    bench.heartbeat(leader)
    await bench.advance(5)
    assert bench.heartbeat(follower) is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.heartbeat(leader) is ErrorCode.REBALANCE_IN_PROGRESS


async def test_static_member_that_came_back_and_vanished_is_removed_too(bench: Bench) -> None:
    leader, _ = await stable_statics(bench)
    await bench.join(group_instance_id="i1")
    await bench.advance(6)
    bench.heartbeat(leader)
    await bench.advance(4)
    assert bench.heartbeat(leader) is ErrorCode.REBALANCE_IN_PROGRESS


async def test_returning_member_is_shown_with_the_address_of_its_first_incarnation(
    bench: Bench,
) -> None:
    await stable_statics(bench, 1)
    await bench.join(group_instance_id="i0", client_id="new", client_host="/10.0.0.1")
    (member,) = bench.coordinator.describe("g").members
    assert (member.client_id, member.client_host) == ("c", "/127.0.0.1")


async def test_given_id_cannot_be_used_by_a_static_member(bench: Bench) -> None:
    await bench.stable()
    pending = await bench.new_id()
    result = await bench.join(pending, group_instance_id="i9")
    assert result.error is ErrorCode.UNKNOWN_SERVER_ERROR


async def test_full_group_has_no_room_for_another_static_member(new_bench: NewBench) -> None:
    bench = await new_bench(group_max_size="2")
    await stable_statics(bench)
    result = await bench.join(group_instance_id="i2")
    assert result.error is ErrorCode.GROUP_MAX_SIZE_REACHED
