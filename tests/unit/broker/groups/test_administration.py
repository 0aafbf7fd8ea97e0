"""Describing, listing and deleting groups."""

from __future__ import annotations

from fakebus.broker.groups.group import MemberDescription
from fakebus.broker.groups.requests import LeavingMember
from fakebus.errors import ErrorCode
from tests.unit.broker.groups.bench import Bench, subscription


async def test_stable_group_is_shown_with_protocol_metadata_and_assignments(bench: Bench) -> None:
    (member,) = await bench.stable()
    described = bench.coordinator.describe("g")
    assert (described.group_type, described.state) == ("classic", "Stable")
    assert (described.protocol_type, described.protocol_name) == ("consumer", "range")
    assert described.members == (
        MemberDescription(
            member_id=member.member_id,
            group_instance_id=None,
            client_id="c",
            client_host="/127.0.0.1",
            metadata=subscription("t"),
            assignment=b"A0",
        ),
    )


async def test_protocol_and_metadata_are_hidden_during_a_rebalance(bench: Bench) -> None:
    members = await bench.stable(2)
    bench.send_join(members[0].member_id)
    described = bench.coordinator.describe("g")
    assert (described.state, described.protocol_name) == ("PreparingRebalance", "")
    assert {m.metadata for m in described.members} == {b""}
    assert {m.assignment for m in described.members} == {b"A0", b"A1"}


async def test_group_that_does_not_exist_has_no_description(bench: Bench) -> None:
    assert bench.coordinator.describe("nope") is None


async def test_all_groups_are_listed(bench: Bench) -> None:
    await bench.stable()
    await bench.commit(group_id="simple")
    listed = [(g.group_id, g.protocol_type, g.state) for g in bench.coordinator.list_groups()]
    assert listed == [("g", "consumer", "Stable"), ("simple", "", "Empty")]


async def test_only_groups_without_members_can_be_deleted(bench: Bench) -> None:
    (member,) = await bench.stable()
    await bench.commit(joined=member)
    delete = bench.coordinator.delete_group
    assert await bench.answer(delete("g")) is ErrorCode.NON_EMPTY_GROUP
    assert await bench.answer(delete("nope")) is ErrorCode.GROUP_ID_NOT_FOUND
    await bench.leave(LeavingMember(member.member_id))
    assert await bench.answer(delete("g")) is ErrorCode.NONE
    assert bench.state() is None
    assert bench.coordinator.offsets("g") == {}
    assert await bench.answer(delete("g")) is ErrorCode.GROUP_ID_NOT_FOUND


async def test_given_ids_die_with_their_group(bench: Bench) -> None:
    member_id = await bench.new_id()
    await bench.answer(bench.coordinator.delete_group("g"))
    assert (await bench.join(member_id)).error is ErrorCode.UNKNOWN_MEMBER_ID
    await bench.advance(10)


async def test_group_can_be_founded_anew_while_the_old_one_is_being_deleted(bench: Bench) -> None:
    await bench.commit()
    bench.store.hold()
    deleting = bench.coordinator.delete_group("g")
    committing = bench.send_commit()
    bench.store.release()
    assert await bench.answer(deleting) is ErrorCode.NONE
    assert await bench.answer(committing) == [ErrorCode.NONE]
    assert bench.committed() == 5
    await bench.restart()
    assert bench.committed() == 5


async def test_group_that_cannot_be_deleted_in_storage_stays(bench: Bench) -> None:
    await bench.commit()
    bench.store.fails = True
    deleting = bench.coordinator.delete_group("g")
    assert await bench.answer(deleting) is ErrorCode.NOT_COORDINATOR
    assert bench.state() == "Empty"
    assert bench.committed() == 5
