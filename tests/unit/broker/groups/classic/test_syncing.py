"""SyncGroup: how assignments reach the members."""

from __future__ import annotations

from fakebus.broker.groups.requests import MAX_GROUP_BYTES, JoinResult
from fakebus.errors import ErrorCode
from tests.unit.broker.groups.bench import Bench, protocols
from tests.unit.broker.groups.conftest import NewBench


async def joined_pair(bench: Bench) -> tuple[JoinResult, ...]:
    """Return the leader and the follower of a group that waits for assignments."""
    ids = [await bench.new_id() for _ in range(2)]
    futures = [bench.send_join(member_id) for member_id in ids]
    results = [await bench.answer(future) for future in futures]
    return tuple(sorted(results, key=lambda result: not result.members))


async def test_follower_waits_for_the_leader_and_gets_its_own_assignment(bench: Bench) -> None:
    leader, follower = await joined_pair(bench)
    waiting = bench.send_sync(follower)
    await bench.advance(1)
    assert not waiting.done()
    mine = await bench.sync(leader, {leader.member_id: b"L", follower.member_id: b"F"})
    assert (mine.assignment, mine.protocol_type, mine.protocol_name) == (b"L", "consumer", "range")
    assert (await bench.answer(waiting)).assignment == b"F"
    assert bench.state() == "Stable"


async def test_follower_that_comes_after_the_leader_gets_its_assignment_at_once(
    bench: Bench,
) -> None:
    leader, follower = await joined_pair(bench)
    await bench.sync(leader, {follower.member_id: b"F"})
    assert (await bench.sync(follower)).assignment == b"F"


async def test_member_that_the_leader_left_out_gets_empty_bytes(bench: Bench) -> None:
    leader, follower = await joined_pair(bench)
    await bench.sync(leader, {leader.member_id: b"L", "a stranger": b"X"})
    result = await bench.sync(follower)
    assert (result.error, result.assignment) == (ErrorCode.NONE, b"")


async def test_assignments_of_a_follower_are_ignored(bench: Bench) -> None:
    leader, follower = await joined_pair(bench)
    waiting = bench.send_sync(follower, {follower.member_id: b"mine!"})
    await bench.advance(0)
    assert not waiting.done()
    await bench.sync(leader, {follower.member_id: b"F"})
    assert (await bench.answer(waiting)).assignment == b"F"


async def test_sync_is_refused_for_groups_and_members_that_do_not_exist(bench: Bench) -> None:
    (member,) = await bench.stable()
    result = await bench.sync(member, group_id="")
    assert result.error is ErrorCode.INVALID_GROUP_ID
    result = await bench.sync(member, group_id="other")
    assert result.error is ErrorCode.UNKNOWN_MEMBER_ID
    result = await bench.sync(member, member_id="stranger")
    assert result.error is ErrorCode.UNKNOWN_MEMBER_ID


async def test_sync_of_another_generation_is_refused(bench: Bench) -> None:
    (member,) = await bench.stable()
    for generation_id in (0, 2, -1):
        result = await bench.sync(member, generation_id=generation_id)
        assert result.error is ErrorCode.ILLEGAL_GENERATION


async def test_sync_for_another_protocol_is_refused(bench: Bench) -> None:
    (member,) = await bench.stable()
    result = await bench.sync(member, protocol_name="roundrobin")
    assert result.error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    result = await bench.sync(member, protocol_type="connect")
    assert result.error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    result = await bench.sync(member, protocol_type="consumer", protocol_name="range")
    assert result.assignment == b"A0"


async def test_sync_while_members_are_to_join_says_so(bench: Bench) -> None:
    members = await bench.stable(2)
    bench.send_join(members[0].member_id)
    result = await bench.sync(members[1])
    assert result.error is ErrorCode.REBALANCE_IN_PROGRESS


async def test_new_rebalance_lets_go_of_those_who_wait_for_an_assignment(bench: Bench) -> None:
    leader, follower = await joined_pair(bench)
    waiting = bench.send_sync(follower)
    bench.send_join(await bench.new_id())
    assert (await bench.answer(waiting)).error is ErrorCode.REBALANCE_IN_PROGRESS
    assert bench.heartbeat(leader) is ErrorCode.REBALANCE_IN_PROGRESS


async def test_assignments_are_taken_back_when_the_leader_is_interrupted(bench: Bench) -> None:
    (member,) = await bench.stable()
    joined = await bench.join(member.member_id)
    assert [m.assignment for m in bench.coordinator.describe("g").members] == [b"A0"]
    bench.send_join(joined.member_id, protocols=protocols("range", metadata=b"changed"))
    assert [m.assignment for m in bench.coordinator.describe("g").members] == [b""]


async def test_repeated_sync_takes_the_place_of_the_one_that_waits(bench: Bench) -> None:
    leader, follower = await joined_pair(bench)
    lost, again = bench.send_sync(follower), bench.send_sync(follower)
    assert (await bench.answer(lost)).error is ErrorCode.REBALANCE_IN_PROGRESS
    await bench.sync(leader, {follower.member_id: b"F"})
    assert (await bench.answer(again)).assignment == b"F"


async def test_members_that_never_sync_are_removed_after_the_rebalance_timeout(
    bench: Bench,
) -> None:
    leader, follower = await joined_pair(bench)
    await bench.sync(leader, {leader.member_id: b"L"})
    for _ in range(12):
        assert bench.heartbeat(leader) is ErrorCode.NONE
        assert bench.heartbeat(follower) is ErrorCode.NONE
        await bench.advance(5)
    assert bench.heartbeat(follower) is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.heartbeat(leader) is ErrorCode.REBALANCE_IN_PROGRESS


async def test_leader_that_never_syncs_is_replaced(bench: Bench) -> None:
    leader, follower = await joined_pair(bench)
    waiting = bench.send_sync(follower)
    for _ in range(12):
        bench.heartbeat(leader)
        await bench.advance(5)
    assert (await bench.answer(waiting)).error is ErrorCode.REBALANCE_IN_PROGRESS
    result = await bench.join(follower.member_id)
    assert (result.leader, result.generation_id) == (follower.member_id, 2)


async def test_member_that_waits_for_its_assignment_does_not_time_out(bench: Bench) -> None:
    leader, follower = await joined_pair(bench)
    waiting = bench.send_sync(follower)
    for _ in range(5):
        bench.heartbeat(leader)
        await bench.advance(9)
    await bench.sync(leader, {follower.member_id: b"F"})
    assert (await bench.answer(waiting)).assignment == b"F"
    await bench.advance(9)
    assert bench.heartbeat(follower) is ErrorCode.NONE


async def test_nobody_sees_assignments_before_they_are_stored(bench: Bench) -> None:
    leader, follower = await joined_pair(bench)
    waiting = bench.send_sync(follower)
    bench.store.hold()
    leading = bench.send_sync(leader, {follower.member_id: b"F"})
    await bench.advance(0)
    assert not leading.done()
    assert not waiting.done()
    assert bench.state() == "CompletingRebalance"
    bench.store.release()
    assert (await bench.answer(waiting)).assignment == b"F"


async def test_assignments_that_cannot_be_stored_start_a_rebalance(bench: Bench) -> None:
    leader, follower = await joined_pair(bench)
    waiting = bench.send_sync(follower)
    bench.store.fails = True
    result = await bench.sync(leader, {follower.member_id: b"F"})
    assert (result.error, result.assignment) == (ErrorCode.NOT_COORDINATOR, b"")
    assert (await bench.answer(waiting)).error is ErrorCode.NOT_COORDINATOR
    assert bench.state() == "PreparingRebalance"


async def test_assignments_of_an_overtaken_generation_are_dropped(bench: Bench) -> None:
    leader, follower = await joined_pair(bench)
    bench.store.hold()
    late = bench.send_sync(leader, {leader.member_id: b"old"})
    changed = protocols("range", metadata=b"changed")
    joins = [bench.send_join(m.member_id, protocols=changed) for m in (leader, follower)]
    bench.store.release()
    assert (await bench.answer(late)).error is ErrorCode.REBALANCE_IN_PROGRESS
    assert {(await bench.answer(join)).generation_id for join in joins} == {2}
    assert bench.state() == "CompletingRebalance"


async def test_delay_of_zero_ends_the_first_join_phase_at_once(new_bench: NewBench) -> None:
    bench = await new_bench(group_initial_rebalance_delay_ms="0")
    joining = bench.send_join(await bench.new_id())
    before = bench.clock.monotonic()
    assert (await bench.answer(joining)).generation_id == 1
    assert bench.clock.monotonic() == before


async def test_assignments_that_no_record_of_a_group_can_hold_are_refused(bench: Bench) -> None:
    joined = await bench.join(await bench.new_id())
    too_much = {joined.member_id: bytes(MAX_GROUP_BYTES + 1)}
    assert (await bench.sync(joined, too_much)).error is ErrorCode.UNKNOWN_SERVER_ERROR
    assert (await bench.sync(joined, {joined.member_id: b"A"})).assignment == b"A"
