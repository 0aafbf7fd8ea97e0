"""offsets.retention.minutes: when offsets and groups are forgotten."""

from __future__ import annotations

from fakebus.broker.groups.requests import LeavingMember, PartitionOffset
from fakebus.errors import ErrorCode
from fakebus.types import TopicPartition
from tests.unit.broker.groups.bench import Bench, protocols
from tests.unit.broker.groups.conftest import NewBench

DAY = 86_400.0
CHECK = 600.0


async def test_offsets_of_an_emptied_group_count_from_when_it_became_empty(bench: Bench) -> None:
    (member,) = await bench.stable(session_timeout_ms=1_800_000)
    await bench.commit(joined=member)
    for _ in range(8 * 48):
        await bench.advance(1799)
        assert bench.heartbeat(member) is ErrorCode.NONE
    await bench.leave(LeavingMember(member.member_id))
    await bench.advance(7 * DAY - CHECK)
    assert bench.committed() == 5
    await bench.advance(2 * CHECK)
    assert bench.committed() is None
    assert bench.state() is None
    assert bench.store.snapshots == {}
    assert bench.store.offsets == {}


async def test_offsets_of_a_consumer_without_membership_count_from_their_commit(
    bench: Bench,
) -> None:
    await bench.commit(PartitionOffset("t", 0, 1), PartitionOffset("t", 1, 1))
    await bench.advance(3 * DAY)
    await bench.commit(PartitionOffset("t", 1, 2))
    await bench.advance(4 * DAY + CHECK)
    assert list(bench.coordinator.offsets("g")) == [TopicPartition("t", 1)]
    assert list(bench.store.offsets["g"]) == [("t", 1)]
    await bench.advance(3 * DAY)
    assert bench.state() is None


async def test_retention_and_interval_are_configured(new_bench: NewBench) -> None:
    bench = await new_bench(
        offsets_retention_minutes="1", offsets_retention_check_interval_ms="1000"
    )
    await bench.commit()
    await bench.advance(59)
    assert bench.committed() == 5
    await bench.advance(1)
    assert bench.state() is None


async def test_stable_consumers_keep_offsets_of_their_topics_and_lose_the_others(
    new_bench: NewBench,
) -> None:
    bench = await new_bench(offsets_retention_minutes="1")
    (member,) = await bench.stable(session_timeout_ms=1_800_000)
    await bench.commit(PartitionOffset("t", 0, 1), PartitionOffset("u", 0, 1), joined=member)
    await bench.advance(CHECK)
    assert list(bench.coordinator.offsets("g")) == [TopicPartition("t", 0)]
    assert bench.heartbeat(member) is ErrorCode.NONE


async def test_nothing_expires_during_a_rebalance(new_bench: NewBench) -> None:
    bench = await new_bench(offsets_retention_minutes="1")
    members = await bench.stable(2, session_timeout_ms=1_800_000, rebalance_timeout_ms=10**6)
    await bench.commit(PartitionOffset("u", 0, 1), joined=members[0])
    bench.send_join(members[0].member_id, rebalance_timeout_ms=10**6, session_timeout_ms=1_800_000)
    await bench.advance(CHECK)
    assert bench.state() == "PreparingRebalance"
    assert bench.committed(topic="u") == 1


async def test_nothing_expires_for_members_that_are_no_consumers(new_bench: NewBench) -> None:
    bench = await new_bench(offsets_retention_minutes="1")
    (member,) = await bench.stable(
        protocol_type="connect", protocols=protocols("x"), session_timeout_ms=1_800_000
    )
    await bench.commit(joined=member)
    await bench.advance(CHECK)
    assert bench.committed() == 5


async def test_empty_group_without_offsets_goes_at_the_next_check(bench: Bench) -> None:
    (member,) = await bench.stable()
    await bench.leave(LeavingMember(member.member_id))
    await bench.advance(CHECK)
    assert bench.state() is None
    assert bench.store.snapshots == {}


async def test_group_that_is_committing_is_left_alone(new_bench: NewBench) -> None:
    bench = await new_bench(offsets_retention_minutes="1")
    await bench.commit()
    bench.store.hold()
    committing = bench.send_commit(PartitionOffset("t", 0, 6))
    await bench.advance(CHECK)
    bench.store.release()
    await bench.answer(committing)
    assert bench.committed() == 6
    await bench.advance(CHECK)
    assert bench.state() is None


async def test_group_comes_back_if_its_deletion_fails(new_bench: NewBench) -> None:
    bench = await new_bench(offsets_retention_minutes="1")
    await bench.commit()
    bench.store.fails = True
    await bench.advance(CHECK)
    assert bench.committed() == 5
    assert bench.state() == "Empty"
    bench.store.fails = False
    await bench.advance(CHECK)
    assert bench.state() is None


async def test_a_retention_time_of_its_own_expires_an_offset_earlier(bench: Bench) -> None:
    await bench.commit(PartitionOffset("t", 0, 1), retention_ms=600_000)
    await bench.commit(PartitionOffset("t", 1, 1))
    await bench.advance(CHECK - 1)
    assert bench.committed() == 1
    await bench.advance(1)
    assert list(bench.coordinator.offsets("g")) == [TopicPartition("t", 1)]


async def test_a_retention_time_of_its_own_outlasts_the_configured_one(
    new_bench: NewBench,
) -> None:
    bench = await new_bench(offsets_retention_minutes="1")
    await bench.commit(retention_ms=86_400_000)
    await bench.advance(DAY - 1)
    assert bench.committed() == 5
    await bench.advance(CHECK)
    assert bench.state() is None


async def test_a_later_commit_without_a_retention_time_has_the_configured_one(
    bench: Bench,
) -> None:
    await bench.commit(retention_ms=1000)
    await bench.commit(PartitionOffset("t", 0, 6))
    await bench.advance(DAY)
    assert bench.committed() == 6


async def test_an_own_retention_time_spares_topics_that_are_read(bench: Bench) -> None:
    (member,) = await bench.stable(session_timeout_ms=1_800_000)
    await bench.commit(
        PartitionOffset("t", 0, 1), PartitionOffset("u", 0, 1), joined=member, retention_ms=1000
    )
    await bench.advance(CHECK)
    assert list(bench.coordinator.offsets("g")) == [TopicPartition("t", 0)]


async def test_the_longest_retention_time_is_for_ever(bench: Bench) -> None:
    await bench.commit(retention_ms=2**63 - 1)
    await bench.advance(400 * DAY)
    assert bench.committed() == 5
    assert bench.store.offsets["g"][("t", 0)].expire_timestamp_ms == 2**63 - 1
