"""Heartbeats of share consumers: epochs, assignments by the clock, and what is stored."""

from __future__ import annotations

from typing import Any

import pytest

from fakebus.broker.groups.requests import ConsumerHeartbeat, HeartbeatResult, LeavingMember
from fakebus.errors import ErrorCode
from tests.unit.broker.groups.bench import Bench
from tests.unit.broker.groups.conftest import NewBench
from tests.unit.broker.groups.consumer.talk import Client


async def beat(bench: Bench, member_id: str = "a", epoch: int = 0, **fields: Any) -> Any:
    """Send a heartbeat of a member of group ``g``; the first subscribes it to ``t``."""
    said = {"topics": frozenset({"t"})} if epoch == 0 else {}
    request = ConsumerHeartbeat(
        group_id="g", member_id=member_id, member_epoch=epoch, **said | fields
    )
    result: HeartbeatResult = await bench.answer(bench.coordinator.share_heartbeat(request))
    return result


def numbers(result: HeartbeatResult) -> list[int] | None:
    if result.assignment is None:
        return None
    return sorted(place.partition for place in result.assignment)


async def test_a_group_takes_as_many_members_as_the_config_says(new_bench: NewBench) -> None:
    bench = await new_bench(group_share_max_size="2")
    assert (await beat(bench, "a")).error is ErrorCode.NONE
    assert (await beat(bench, "b")).error is ErrorCode.NONE
    refused = await beat(bench, "c")
    assert refused.error is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert "maximum capacity of 2 members" in refused.message
    assert (await beat(bench, "a")).error is ErrorCode.NONE


async def test_partitions_are_given_out_anew_only_when_the_interval_is_over(bench: Bench) -> None:
    first = await beat(bench)
    assert numbers(first) == [0, 1, 2, 3]
    # The second member's epoch is not made yet.
    second = await beat(bench, "b")
    assert (second.member_epoch, numbers(second)) == (first.member_epoch, [])
    await bench.advance(0.999)
    early = await beat(bench, "b", second.member_epoch)
    assert (early.member_epoch, numbers(early)) == (second.member_epoch, None)
    await bench.advance(0.001)
    due = await beat(bench, "b", early.member_epoch)
    assert due.member_epoch == first.member_epoch + 1
    assert len(numbers(due) or ()) == 2


async def test_what_a_heartbeat_changes_is_stored_also_where_no_assignment_is_due(
    bench: Bench,
) -> None:
    first = await beat(bench)
    await beat(bench, "b")
    bench.store.writes.clear()
    await beat(bench, "a", first.member_epoch)
    assert bench.store.writes == []
    await beat(bench, "a", first.member_epoch, topics=frozenset({"t", "u"}), rack_id="r")
    assert bench.store.writes == ["save_group"]
    await bench.restart()
    described = {each.member_id: each for each in described_members(bench)}
    assert described["a"].modern.named_topics == {"t", "u"}
    assert described["a"].modern.rack_id == "r"


def described_members(bench: Bench) -> Any:
    description = bench.coordinator.describe("g")
    assert description is not None
    return description.members


async def test_a_member_that_says_nothing_of_its_rack_keeps_it(bench: Bench) -> None:
    first = await beat(bench, rack_id="r")
    await beat(bench, "a", first.member_epoch)
    assert [each.modern.rack_id for each in described_members(bench)] == ["r"]


async def test_the_topics_of_a_member_that_has_left_are_none_of_the_groups(bench: Bench) -> None:
    first = await beat(bench)
    await beat(bench, "b", topics=frozenset({"u"}))
    assert (await beat(bench, "b", -1)).error is ErrorCode.NONE
    await bench.advance(2)
    after = await beat(bench, "a", first.member_epoch)
    # A topic that has changed makes an epoch; that of the member that left makes none.
    bench.topics.put("u", 9)
    bench.topics.put("t", 4)
    await bench.advance(2)
    assert (await beat(bench, "a", after.member_epoch)).member_epoch == after.member_epoch


async def test_members_of_a_stored_group_are_told_once_more_what_they_read(bench: Bench) -> None:
    first = await beat(bench)
    assert numbers(await beat(bench, "b")) == []
    # The interval is not over yet, and a topic grows.
    bench.topics.put("t", 6)
    await bench.restart()
    told = [numbers(await beat(bench, each, first.member_epoch)) for each in "ab"]
    assert sorted(told[0] + told[1]) == [0, 1, 2, 3, 4, 5]


async def test_a_topic_that_has_changed_before_a_restart_makes_an_epoch_after_it(
    bench: Bench,
) -> None:
    first = await beat(bench)
    bench.topics.put("t", 6)
    await bench.restart()
    await bench.advance(2)
    again = await beat(bench, "a", first.member_epoch)
    assert again.member_epoch == first.member_epoch + 1
    assert numbers(await beat(bench, "a", again.member_epoch)) is None


async def test_members_of_a_stored_group_time_out(bench: Bench) -> None:
    await beat(bench)
    await bench.restart()
    await bench.advance(44)
    assert bench.state() == "Stable"
    await bench.advance(1.1)
    assert bench.state() == "Empty"


async def test_what_was_delivered_to_a_deleted_group_is_forgotten(bench: Bench) -> None:
    forgotten: list[str] = []
    bench.coordinator.share.forget = forgotten.append
    await beat(bench)
    await beat(bench, "a", -1)
    assert forgotten == []
    assert await bench.coordinator.delete_group("g") is ErrorCode.NONE
    assert "g" in forgotten


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"member_id": " "}, "MemberId can't be empty."),
        ({"rack_id": " "}, "RackId can't be empty."),
        ({"epoch": -2}, "MemberEpoch is invalid."),
        ({"topics": frozenset()}, "SubscribedTopicNames must be set in first request."),
    ],
)
async def test_a_heartbeat_that_no_client_sends_is_refused(
    bench: Bench, fields: dict[str, Any], message: str
) -> None:
    refused = await beat(bench, **fields)
    assert (refused.error, refused.message) == (ErrorCode.INVALID_REQUEST, message)
    assert bench.state() is None


@pytest.mark.parametrize("existed", ["offsets", "classic", "consumer"])
async def test_a_group_of_another_type_becomes_none_of_shares_even_without_members(
    bench: Bench, existed: str
) -> None:
    if existed == "offsets":
        await bench.commit()
    elif existed == "classic":
        (member,) = await bench.stable()
        await bench.leave(LeavingMember(member.member_id))
    else:
        client = Client(bench, "n")
        await client.send()
        await client.leave()
    assert (await beat(bench)).error is ErrorCode.GROUP_ID_NOT_FOUND
    await bench.answer(bench.coordinator.delete_group("g"))
    assert (await beat(bench)).error is ErrorCode.NONE


async def test_a_share_group_keeps_no_commits(bench: Bench) -> None:
    await beat(bench)
    for version_knows in (False, True):
        refused = await bench.commit(generation_id=1, knows_member_epochs=version_knows)
        assert refused == [ErrorCode.GROUP_ID_NOT_FOUND]
    assert bench.coordinator.check_fetch("g", "a", 1) is ErrorCode.NONE
    assert not bench.coordinator.keeps_commits("g")
    assert bench.coordinator.keeps_commits("another")
