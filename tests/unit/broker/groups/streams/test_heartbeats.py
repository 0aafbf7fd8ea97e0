"""Heartbeats of members of streams groups: who is let in."""

from __future__ import annotations

from fakebus.broker.groups.streams.requests import StreamsHeartbeat, StreamsResult
from fakebus.broker.groups.streams.topology import Subtopology, Topology
from fakebus.errors import ErrorCode
from tests.unit.broker.groups.bench import Bench
from tests.unit.broker.groups.conftest import NewBench

TOPOLOGY = Topology(epoch=0, subtopologies=(Subtopology(subtopology_id="0", source_topics=("t",)),))


async def beat(bench: Bench, member_id: str, epoch: int) -> StreamsResult:
    """Send a heartbeat of a member of group ``app``, as Kafka Streams does."""
    request = StreamsHeartbeat(
        group_id="app",
        member_id=member_id,
        member_epoch=epoch,
        rebalance_timeout_ms=10_000,
        process_id="p",
        topology=None if epoch else TOPOLOGY,
        active=frozenset(),
        standby=frozenset(),
        warmup=frozenset(),
    )
    return await bench.answer(bench.coordinator.streams_heartbeat(request))


async def test_a_full_group_takes_nobody_in_not_even_who_is_in_it(new_bench: NewBench) -> None:
    bench = await new_bench(group_streams_max_size="2")
    joined = [await beat(bench, name, 0) for name in "ab"]
    assert [each.error for each in joined] == [ErrorCode.NONE, ErrorCode.NONE]

    assert (await beat(bench, "c", 0)).error is ErrorCode.GROUP_MAX_SIZE_REACHED
    again = await beat(bench, "a", 0)
    assert again.error is ErrorCode.GROUP_MAX_SIZE_REACHED
    assert "maximum capacity of 2 members" in (again.message or "")
    # Who is not to be let in is told what it is.
    assert (await beat(bench, "c", 1)).error is ErrorCode.UNKNOWN_MEMBER_ID
    assert (await beat(bench, "a", joined[0].member_epoch)).error is ErrorCode.NONE


async def test_who_stays_in_no_streams_group_is_told_what_there_is(bench: Bench) -> None:
    said = await beat(bench, "a", 1)
    assert (said.error, said.message) == (
        ErrorCode.GROUP_ID_NOT_FOUND,
        "Streams group app not found.",
    )
    await bench.commit(group_id="app")
    said = await beat(bench, "a", 1)
    assert (said.error, said.message) == (
        ErrorCode.GROUP_ID_NOT_FOUND,
        "Group app is not a streams group.",
    )
    # Where there are only offsets, it may become one.
    assert (await beat(bench, "a", 0)).error is ErrorCode.NONE
