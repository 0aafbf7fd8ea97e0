"""What is remembered of groups."""

from __future__ import annotations

from fakebus.broker.groups.history import CommitPoint, GroupHistory
from fakebus.broker.groups.requests import LeavingMember
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.groups.bench import SESSION_MS, Bench

PLACE = TopicPartition("t", 0)


def _verbs(bench: Bench) -> list[tuple[str, str]]:
    return [(each.verb, each.detail) for each in bench.coordinator.history.events("g")]


async def test_a_member_that_leaves_says_why(bench: Bench) -> None:
    (member,) = await bench.stable()
    leaving = LeavingMember(member.member_id, None, "poll timeout has expired")
    await bench.coordinator.leave_group("g", [leaving])
    verbs = [verb for verb, _ in _verbs(bench)]
    assert verbs[:3] == ["joined", "rebalancing", "stable"]
    assert ("left", "it left: poll timeout has expired") in _verbs(bench)


async def test_a_member_that_falls_silent_is_expelled(bench: Bench) -> None:
    await bench.stable()
    await bench.advance(SESSION_MS / 1000 + 1)
    assert ("expelled", "its session timed out") in _verbs(bench)


async def test_the_member_that_a_rebalance_waits_for_is_told(bench: Bench) -> None:
    first, second = await bench.stable(2)
    bench.send_join(first.member_id)
    await bench.advance(1)
    described = bench.coordinator.describe("g")
    missing = {each.member_id: each.is_missing for each in described.members}
    assert missing == {first.member_id: False, second.member_id: True}
    silent = {each.member_id: each.silent_ms for each in described.members}
    assert silent[second.member_id] >= 1000


async def test_a_commit_that_is_refused_is_remembered_with_its_error(bench: Bench) -> None:
    (member,) = await bench.stable()
    await bench.commit(joined=member, generation_id=77)
    (refused,) = [each for each in bench.coordinator.history.events("g") if each.verb == "refused"]
    assert (refused.detail, refused.member_id) == ("ILLEGAL_GENERATION", member.member_id)


def test_of_many_commits_those_of_different_seconds_and_the_newest_are_remembered() -> None:
    clock = ManualClock(0)
    history = GroupHistory(clock)
    for offset in range(1, 31):
        history.committed("g", PLACE, offset, 100)
        history.committed("g", PLACE, offset, 100)
        clock.advance(0.1)
    assert [each.offset for each in history.commits("g", PLACE)] == [1, 10, 19, 28, 30]
    assert history.commits("g", PLACE)[-1] == CommitPoint(2900, 30, 100)


def test_a_search_ends_when_a_client_comes_to_the_coordinator() -> None:
    clock = ManualClock(500)
    history = GroupHistory(clock)
    history.looked_for("g", "c", "elsewhere:9092")
    clock.advance(1)
    history.looked_for("g", "c", "elsewhere:9092")
    search = history.search("g")
    assert search is not None
    assert (search.times, search.since_ms, search.address) == (2, 500, "elsewhere:9092")
    history.reached("g")
    assert history.search("g") is None


def test_what_is_remembered_is_bounded_in_groups_events_and_letters() -> None:
    history = GroupHistory(ManualClock(0))
    for number in range(10_002):
        history.note("joined", f"g{number}", "c" * 2000)
        history.looked_for(f"g{number}", "c" * 2000, "a:1")
        history.committed(f"g{number}", PLACE, 1, 1)
    assert not history.events("g0")
    assert history.search("g1") is None
    assert not history.commits("g1", PLACE)
    for _ in range(100):
        history.note("joined", "g9999", "c" * 2000)
    assert len(history.events("g9999")) == 64
    assert len(history.events("g9999")[0].client_id) == 1000
