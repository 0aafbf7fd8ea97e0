"""JoinGroup: who gets in, and when the join phase ends."""

from __future__ import annotations

import pytest

from fakebus.broker.groups.requests import MAX_GROUP_BYTES, GroupProtocol, LeavingMember
from fakebus.errors import BrokerError, ErrorCode
from tests.unit.broker.groups.bench import Bench, protocols, subscription
from tests.unit.broker.groups.conftest import NewBench


async def test_new_member_is_given_an_id_and_is_no_member_yet(bench: Bench) -> None:
    result = await bench.join()
    assert result.error is ErrorCode.MEMBER_ID_REQUIRED
    assert result.member_id.startswith("c-")
    assert bench.coordinator.describe("g").members == ()
    assert bench.state() == "Empty"


async def test_ids_are_never_the_same(bench: Bench) -> None:
    assert await bench.new_id() != await bench.new_id()


async def test_member_joins_with_the_id_it_was_given_and_leads_generation_1(bench: Bench) -> None:
    member_id = await bench.new_id()
    result = await bench.join(member_id)
    assert result.error is ErrorCode.NONE
    assert (result.generation_id, result.leader) == (1, member_id)
    assert (result.protocol_type, result.protocol_name) == ("consumer", "range")
    assert [m.metadata for m in result.members] == [subscription("t")]
    assert bench.state() == "CompletingRebalance"


async def test_old_clients_become_members_with_their_first_request(bench: Bench) -> None:
    result = await bench.join(requires_known_member_id=False)
    assert result.error is ErrorCode.NONE
    assert result.generation_id == 1


@pytest.mark.parametrize("session_ms", [5_999, 1_800_001, -1])
async def test_session_timeout_outside_the_allowed_range_is_refused(
    bench: Bench, session_ms: int
) -> None:
    result = await bench.join("m", session_timeout_ms=session_ms)
    assert (result.error, result.member_id) == (ErrorCode.INVALID_SESSION_TIMEOUT, "m")
    assert bench.state() is None


async def test_allowed_range_of_session_timeouts_is_configured(new_bench: NewBench) -> None:
    bench = await new_bench(group_min_session_timeout_ms="100", group_max_session_timeout_ms="200")
    assert (await bench.join(session_timeout_ms=100)).error is ErrorCode.MEMBER_ID_REQUIRED
    assert (await bench.join(session_timeout_ms=200)).error is ErrorCode.MEMBER_ID_REQUIRED
    assert (await bench.join(session_timeout_ms=201)).error is ErrorCode.INVALID_SESSION_TIMEOUT


async def test_group_without_a_name_cannot_be_joined(bench: Bench) -> None:
    assert (await bench.join(group_id="")).error is ErrorCode.INVALID_GROUP_ID


async def test_unknown_member_id_is_refused(bench: Bench) -> None:
    assert (await bench.join("nobody")).error is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.state() is None
    await bench.stable()
    result = await bench.join("nobody")
    assert (result.error, result.member_id) == (ErrorCode.UNKNOWN_MEMBER_ID, "nobody")


async def test_member_without_protocols_or_protocol_type_is_refused(bench: Bench) -> None:
    assert (await bench.join(protocols=())).error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert (await bench.join(protocol_type="")).error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


async def test_member_without_a_protocol_in_common_is_refused(bench: Bench) -> None:
    await bench.stable()
    result = await bench.join(protocols=protocols("sticky"))
    assert result.error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    result = await bench.join(protocol_type="connect")
    assert result.error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert bench.state() == "Stable"


async def test_emptied_group_takes_any_protocol_type_again(bench: Bench) -> None:
    (member,) = await bench.stable()
    await bench.leave(LeavingMember(member.member_id))
    member_id = await bench.new_id(protocol_type="connect")
    result = await bench.join(member_id, protocol_type="connect")
    assert (result.protocol_type, result.generation_id) == ("connect", 3)


async def test_protocol_is_what_most_members_prefer_of_what_all_support(bench: Bench) -> None:
    ids = [await bench.new_id() for _ in range(3)]
    wishes = [("a", "b", "c"), ("x", "b", "c"), ("c", "b")]
    futures = [
        bench.send_join(member_id, protocols=protocols(*names))
        for member_id, names in zip(ids, wishes, strict=True)
    ]
    results = [await bench.answer(future) for future in futures]
    assert {result.protocol_name for result in results} == {"b"}


async def test_only_the_leader_gets_the_members(bench: Bench) -> None:
    results = await bench.stable(3)
    leaders = [result for result in results if result.members]
    assert len(leaders) == 1
    assert {m.member_id for m in leaders[0].members} == {r.member_id for r in results}
    assert {result.leader for result in results} == {leaders[0].member_id}


async def test_join_phase_waits_for_clients_that_were_given_an_id(bench: Bench) -> None:
    first, second = await bench.new_id(), await bench.new_id()
    joined = await bench.join(first)
    # The first rebalance has only its delay; the next one waits.
    again = bench.send_join(first, protocols=protocols("range", metadata=b"new"))
    assert joined.generation_id == 1
    assert not again.done()
    two = bench.send_join(second)
    assert (await bench.answer(again)).generation_id == (await bench.answer(two)).generation_id == 2


async def test_client_that_never_comes_back_is_waited_for_during_a_session_timeout(
    bench: Bench,
) -> None:
    (member,) = await bench.stable()
    await bench.new_id()
    future = bench.send_join(member.member_id)
    await bench.advance(9.9)
    assert not future.done()
    await bench.advance(0.1)
    assert (await bench.answer(future)).generation_id == 2


async def test_given_id_expires_after_the_session_timeout(bench: Bench) -> None:
    member_id = await bench.new_id()
    await bench.advance(10)
    assert (await bench.join(member_id)).error is ErrorCode.UNKNOWN_MEMBER_ID


async def test_first_rebalance_is_delayed_and_extended_by_newcomers(new_bench: NewBench) -> None:
    bench = await new_bench(group_initial_rebalance_delay_ms="3000")
    ids = [await bench.new_id() for _ in range(2)]
    first = bench.send_join(ids[0])
    await bench.advance(2)
    second = bench.send_join(ids[1])
    await bench.advance(1.5)
    assert not first.done()
    await bench.advance(2.5)
    assert (
        (await bench.answer(first)).generation_id == (await bench.answer(second)).generation_id == 1
    )


async def test_extension_of_the_first_rebalance_ends_with_the_rebalance_timeout(
    new_bench: NewBench,
) -> None:
    bench = await new_bench(group_initial_rebalance_delay_ms="3000")
    ids = [await bench.new_id() for _ in range(9)]
    first = bench.send_join(ids[0], rebalance_timeout_ms=7000)
    waited = 0
    for member_id in ids[1:]:
        if first.done():
            break
        bench.send_join(member_id, rebalance_timeout_ms=7000)
        await bench.advance(1)
        waited += 1
    assert waited == 7


async def test_first_rebalance_without_newcomers_takes_one_delay(new_bench: NewBench) -> None:
    bench = await new_bench(group_initial_rebalance_delay_ms="3000")
    future = bench.send_join(await bench.new_id())
    await bench.advance(2.9)
    assert not future.done()
    await bench.advance(0.1)
    assert (await bench.answer(future)).error is ErrorCode.NONE


async def test_rebalance_ends_when_all_members_have_rejoined(bench: Bench) -> None:
    members = await bench.stable(2)
    future = bench.send_join(await bench.new_id())
    rejoined = bench.send_join(members[0].member_id)
    assert not future.done()
    last = bench.send_join(members[1].member_id)
    for each in (future, rejoined, last):
        assert (await bench.answer(each)).generation_id == 2


async def test_rebalance_ends_after_the_largest_rebalance_timeout_without_the_late(
    bench: Bench,
) -> None:
    members = await bench.stable(2)
    new_id = await bench.new_id(rebalance_timeout_ms=1)
    future = bench.send_join(new_id, rebalance_timeout_ms=1)
    for _ in range(11):
        await bench.advance(5)
        for member in members:
            bench.heartbeat(member)
    assert not future.done()
    await bench.advance(5)
    result = await bench.answer(future)
    assert [m.member_id for m in result.members] == [new_id]
    assert result.generation_id == 2
    assert bench.heartbeat(members[0]) is ErrorCode.UNKNOWN_MEMBER_ID


async def test_late_leader_loses_the_leadership(bench: Bench) -> None:
    members = await bench.stable(2)
    leader = next(m for m in members if m.members)
    follower = next(m for m in members if not m.members)
    future = bench.send_join(follower.member_id, protocols=protocols("range", metadata=b"changed"))
    for _ in range(12):
        bench.heartbeat(leader)
        await bench.advance(5)
    result = await bench.answer(future)
    assert result.leader == follower.member_id
    assert len(result.members) == 1


async def test_generation_grows_even_if_nothing_changed(bench: Bench) -> None:
    (member,) = await bench.stable()
    assert (await bench.join(member.member_id)).generation_id == 2


async def test_generation_wraps_to_one(bench: Bench) -> None:
    (member,) = await bench.stable()
    group = bench.coordinator._groups.get("g")
    group.generation_id = 2**31 - 1
    assert (await bench.join(member.member_id)).generation_id == 1


async def test_follower_that_rejoins_unchanged_keeps_the_generation(bench: Bench) -> None:
    members = await bench.stable(2)
    follower = next(m for m in members if not m.members)
    result = await bench.join(follower.member_id)
    assert (result.generation_id, result.members) == (1, ())
    assert result.leader == follower.leader
    assert bench.state() == "Stable"


async def test_follower_with_new_metadata_starts_a_rebalance(bench: Bench) -> None:
    members = await bench.stable(2)
    follower = next(m for m in members if not m.members)
    future = bench.send_join(
        follower.member_id, protocols=protocols("range", metadata=subscription("u"))
    )
    assert bench.state() == "PreparingRebalance"
    assert not future.done()


async def test_leader_that_rejoins_a_stable_group_starts_a_rebalance(bench: Bench) -> None:
    members = await bench.stable(2)
    leader = next(m for m in members if m.members)
    future = bench.send_join(leader.member_id)
    assert bench.state() == "PreparingRebalance"
    assert not future.done()


async def test_members_that_rejoin_while_the_leader_assigns_get_the_same_answer(
    bench: Bench,
) -> None:
    ids = [await bench.new_id() for _ in range(2)]
    futures = [bench.send_join(member_id) for member_id in ids]
    first = [await bench.answer(future) for future in futures]
    assert [await bench.join(member_id) for member_id in ids] == first
    assert bench.state() == "CompletingRebalance"


async def test_new_metadata_while_the_leader_assigns_starts_over(bench: Bench) -> None:
    member_id = await bench.new_id()
    await bench.join(member_id)
    result = await bench.join(member_id, protocols=protocols("range", metadata=b"new"))
    assert result.generation_id == 2


async def test_repeated_join_takes_the_place_of_the_one_that_waits(bench: Bench) -> None:
    members = await bench.stable(2)
    lost = bench.send_join(members[0].member_id)
    again = bench.send_join(members[0].member_id)
    assert (await bench.answer(lost)).error is ErrorCode.REBALANCE_IN_PROGRESS
    bench.send_join(members[1].member_id)
    assert (await bench.answer(again)).generation_id == 2


async def test_group_that_is_full_turns_newcomers_away(new_bench: NewBench) -> None:
    bench = await new_bench(group_max_size="2")
    members = await bench.stable(2)
    assert (await bench.join()).error is ErrorCode.GROUP_MAX_SIZE_REACHED
    result = await bench.join(members[1].member_id)
    assert result.error is ErrorCode.NONE


async def test_last_members_to_rejoin_are_turned_away_when_the_limit_was_lowered(
    bench: Bench,
) -> None:
    members = await bench.stable(3)
    await bench.restart(group_max_size="2")
    assert bench.state() == "PreparingRebalance"
    futures = [bench.send_join(member.member_id) for member in members]
    assert (await bench.answer(futures[2])).error is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert (await bench.answer(futures[0])).generation_id == 2
    assert len(bench.coordinator.describe("g").members) == 2


async def test_member_that_waits_for_a_rebalance_does_not_time_out(bench: Bench) -> None:
    members = await bench.stable(2)
    future = bench.send_join(members[0].member_id)
    for _ in range(11):
        bench.heartbeat(members[1])
        await bench.advance(5)
    assert not future.done()
    bench.send_join(members[1].member_id)
    assert (await bench.answer(future)).error is ErrorCode.NONE


async def test_new_member_that_waits_too_long_is_told_to_join_anew(bench: Bench) -> None:
    members = await bench.stable(2, rebalance_timeout_ms=1_000_000)
    future = bench.send_join(await bench.new_id())
    for _ in range(60):
        assert not future.done()
        for member in members:
            bench.heartbeat(member)
        await bench.advance(5)
    assert (await bench.answer(future)).error is ErrorCode.UNKNOWN_MEMBER_ID
    assert len(bench.coordinator.describe("g").members) == 2


async def test_answer_waits_until_the_generation_is_stored(bench: Bench) -> None:
    member_id = await bench.new_id()
    bench.store.hold()
    future = bench.send_join(member_id)
    await bench.advance(0)
    assert not future.done()
    bench.store.release()
    assert (await bench.answer(future)).generation_id == 1


async def test_generation_that_cannot_be_stored_is_not_announced(bench: Bench) -> None:
    member_id = await bench.new_id()
    bench.store.fails = True
    result = await bench.join(member_id)
    assert (result.error, result.generation_id) == (ErrorCode.NOT_COORDINATOR, -1)
    bench.store.fails = False
    result = await bench.join(member_id, protocols=(GroupProtocol("range", b"new"),))
    assert result.error is ErrorCode.NONE


@pytest.mark.parametrize("offsets", [True, False])
async def test_client_whose_join_cannot_be_stored_leaves_no_member_behind(
    bench: Bench, offsets: bool
) -> None:
    if offsets:
        await bench.commit()
    bench.store.fails = True
    refused = await bench.join(requires_known_member_id=False)
    assert refused.error is ErrorCode.NOT_COORDINATOR
    assert bench.state() == ("Empty" if offsets else None)
    bench.store.fails = False
    # It knows no member id, and does not wait for what it has been.
    again = await bench.join(requires_known_member_id=False)
    assert (again.error, len(again.members)) == (ErrorCode.NONE, 1)


async def test_members_stay_when_what_they_join_for_cannot_be_stored(bench: Bench) -> None:
    leader, follower = await bench.stable(2)
    joins = [bench.send_join(leader.member_id), bench.send_join()]
    bench.store.fails = True
    joins.append(bench.send_join(follower.member_id))
    new_id = (await bench.answer(joins[1])).member_id
    for join in (bench.send_join(new_id), joins[0], joins[2]):
        assert (await bench.answer(join)).error is ErrorCode.NOT_COORDINATOR
    assert bench.state() == "Stable"
    assert bench.heartbeat(leader) is bench.heartbeat(follower) is ErrorCode.NONE
    assert (await bench.sync(follower)).assignment == b"A1"
    bench.store.fails = False
    joins = [bench.send_join(each) for each in (new_id, leader.member_id, follower.member_id)]
    joined = [await bench.answer(join) for join in joins]
    assert {(each.error, each.generation_id) for each in joined} == {(ErrorCode.NONE, 2)}


async def test_members_that_leave_are_there_if_that_cannot_be_stored(bench: Bench) -> None:
    (member,) = await bench.stable()
    bench.store.fails = True
    with pytest.raises(BrokerError) as refused:
        await bench.leave(LeavingMember(member.member_id))
    assert refused.value.error_code is ErrorCode.NOT_COORDINATOR
    assert bench.heartbeat(member) is ErrorCode.NONE
    bench.store.fails = False
    assert await bench.leave(LeavingMember(member.member_id)) == [ErrorCode.NONE]
    assert bench.state() == "Empty"


async def test_close_lets_go_of_everybody_who_waits(bench: Bench) -> None:
    members = await bench.stable(2)
    joining = bench.send_join(members[0].member_id)
    bench.coordinator.close()
    assert (await bench.answer(joining)).error is ErrorCode.NOT_COORDINATOR
    await bench.advance(10_000)


async def test_what_members_bring_together_is_bounded(bench: Bench) -> None:
    large = protocols("range", metadata=subscription("t") + bytes(MAX_GROUP_BYTES // 2))
    assert (await bench.join(protocols=large + large)).error is ErrorCode.UNKNOWN_SERVER_ERROR
    member_id = await bench.new_id(protocols=large)
    first = bench.send_join(member_id, protocols=large)
    second = await bench.join(group_instance_id="i", protocols=large)
    assert second.error is ErrorCode.UNKNOWN_SERVER_ERROR
    assert (await bench.answer(first)).error is ErrorCode.NONE
    assert (await bench.join(member_id, protocols=large)).error is ErrorCode.NONE


async def test_as_many_small_protocols_as_fit_are_compared_at_once(bench: Bench) -> None:
    many = tuple(GroupProtocol(f"p{number}", b"") for number in range(30_000))
    ids = [await bench.new_id(protocols=many) for _ in range(5)]
    joins = [bench.send_join(member_id, protocols=many) for member_id in ids]
    results = [await bench.answer(join) for join in joins]
    assert {(result.error, result.protocol_name) for result in results} == {(ErrorCode.NONE, "p0")}
