"""What is remembered of groups."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakebus.broker.groups.history import CommitPoint, GroupHistory, Whereabouts, _Found
from fakebus.broker.groups.requests import LeavingMember, PartitionOffset
from fakebus.broker.peer import Peer
from fakebus.processes import Process
from fakebus.types import TopicPartition
from tests.manual_clock import ManualClock
from tests.unit.broker.groups.bench import SESSION_MS, Bench

PLACE = TopicPartition("t", 0)


@pytest.fixture
def noted(bench: Bench) -> list[tuple[str, ...]]:
    """Take down what becomes of members and groups."""
    found: list[tuple[str, ...]] = []
    bench.coordinator.history.note = lambda *event: found.append(event)
    return found


async def test_a_member_that_leaves_says_why(bench: Bench, noted: list[tuple[str, ...]]) -> None:
    (member,) = await bench.stable()
    leaving = LeavingMember(member.member_id, None, "poll timeout has expired")
    await bench.coordinator.leave_group("g", [leaving])
    assert [verb for verb, *_ in noted] == ["rebalancing", "left", "rebalancing"]
    assert noted[1][1:] == (
        "g",
        "c",
        member.member_id,
        "it left: poll timeout has expired",
    )


async def test_a_member_that_falls_silent_is_expelled(
    bench: Bench, noted: list[tuple[str, ...]]
) -> None:
    await bench.stable()
    await bench.advance(SESSION_MS / 1000 + 1)
    assert ("expelled", "its session timed out") in [(each[0], each[-1]) for each in noted]


async def test_the_member_that_a_rebalance_waits_for_is_told(bench: Bench) -> None:
    first, second = await bench.stable(2)
    bench.send_join(first.member_id)
    await bench.advance(1)
    described = bench.coordinator.describe("g")
    missing = {each.member_id: each.is_missing for each in described.members}
    assert missing == {first.member_id: False, second.member_id: True}
    silent = {each.member_id: each.silent_ms for each in described.members}
    assert silent[second.member_id] >= 1000


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
    # A connection that was idle is closed, and then it is asked again.
    history.looked_for("g", "c", "elsewhere:9092")
    assert history.search("g") is None
    clock.advance(60)
    history.looked_for("g", "c", "elsewhere:9092")
    assert history.search("g") is not None


def test_what_is_remembered_is_bounded_in_groups_and_letters() -> None:
    history = GroupHistory(ManualClock(0))
    for number in range(10_002):
        history.looked_for(f"g{number}", "c" * 2000, "a:1")
        history.committed(f"g{number}", PLACE, 1, 1)
    assert history.search("g1") is None
    assert not history.commits("g1", PLACE)
    search = history.search("g9999")
    assert search is not None
    assert len(search.client_id) == 1000


A, B = Whereabouts("a", "", None), Whereabouts("b", "", None)


def test_programs_with_one_client_id_are_astray_each_by_itself() -> None:
    """Many call themselves ``rdkafka``: that one gets on does not tell that the others do."""
    clock = ManualClock()
    history = GroupHistory(clock)

    def peer(pid: int | None, host: str = "127.0.0.1") -> Peer:
        process = None if pid is None else Process(pid, ("python",), "/srv", 1)
        return Peer(host=host, port=1, local_port=9, process=process)

    for each in (peer(1), peer(2), peer(1), peer(3), peer(None, "10.0.0.7")):
        clock.advance(1)
        history.looked_around("rdkafka", "10.0.0.1:9", each)
    now_ms = clock.now_ms()

    def astray(done: Peer | None) -> list[tuple[str, int | None, int]]:
        found = history.astray({} if done is None else {Whereabouts.of("rdkafka", done): now_ms})
        return [
            (each.peer.host, each.peer.process and each.peer.process.pid, each.times)  # type: ignore[union-attr, misc]
            for each in found
        ]

    elsewhere, three = ("10.0.0.7", None, 1), ("127.0.0.1", 3, 1)
    assert astray(None) == [elsewhere, three, ("127.0.0.1", 1, 2), ("127.0.0.1", 2, 1)]
    assert astray(peer(1)) == [elsewhere, three, ("127.0.0.1", 2, 1)]
    # Who may be any of a machine may have been each of them.
    assert astray(peer(None)) == [elsewhere]
    assert astray(peer(None, "10.0.0.7")) == [three, ("127.0.0.1", 1, 2), ("127.0.0.1", 2, 1)]
    assert [each.since_ms for each in history.astray({})][2] == now_ms - 4000


def test_a_client_that_was_told_where_the_brokers_are_and_does_nothing_is_astray() -> None:
    clock = ManualClock()
    history = GroupHistory(clock)
    for client_id in ("a", "b", "a"):
        clock.advance(1)
        history.looked_around(client_id, "10.0.0.1:9")
    now_ms = clock.now_ms()
    found = history.astray({B: now_ms - 1000})
    assert [(each.client_id, each.times, each.since_ms) for each in found] == [
        ("a", 2, now_ms - 2000)
    ]
    # What it did before does not tell that it has come.
    assert [each.client_id for each in history.astray({B: now_ms - 1001})] == ["a", "b"]
    assert history.astray({A: now_ms - 2000, B: now_ms})[0].times == 1
    clock.advance(601)
    assert history.astray({}) == []
    for number in range(20):
        history.looked_around("a", f"10.0.0.1:{number}")
    assert (history.astray({})[0].times, history.astray({})[0].address) == (16, "10.0.0.1:19")


async def test_what_one_request_commits_in_thousands_of_partitions_is_noted_in_turns(
    bench: Bench,
) -> None:
    history, asked = bench.coordinator.history, []

    def end_of(place: TopicPartition) -> int:
        asked.append(place.partition)
        return 9

    offsets = [PartitionOffset("t", partition, 5) for partition in range(1000)]
    history.committed_all("g", offsets, end_of)
    assert 0 < len(asked) < 1000
    while len(asked) < 1000:
        before = len(asked)
        await asyncio.sleep(0)
        assert len(asked) > before
    assert asked == list(range(1000))


SOMEWHERE = st.builds(
    Whereabouts,
    st.sampled_from(["a", "b"]),
    st.sampled_from(["", "10.0.0.1", "10.0.0.2"]),
    st.sampled_from([None, Process(1, ("x",), "/", 1), Process(2, ("x",), "/", 1)]),
)


@given(st.lists(st.tuples(SOMEWHERE, st.integers(0, 9)), max_size=8), SOMEWHERE)
def test_what_may_be_of_the_same_program_is_found_as_by_comparing_pairs(
    known: list[tuple[Whereabouts, int]], who: Whereabouts
) -> None:
    found = _Found(max)
    for each, number in known:
        found.put(each, number)
    alike = [
        number
        for each, number in known
        if each.client_id == who.client_id
        and not (each.host and who.host and each.host != who.host)
        and not (each.process and who.process and each.process != who.process)
    ]
    assert found.get(who) == max(alike, default=None)
