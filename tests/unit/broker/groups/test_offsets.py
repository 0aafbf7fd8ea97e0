"""Committed offsets: who may commit, what can be fetched, what can be deleted."""

from __future__ import annotations

import asyncio
import struct

import pytest

from fakebus.broker.groups.requests import LeavingMember, PartitionOffset
from fakebus.errors import BrokerError, ErrorCode, StorageError
from fakebus.types import TopicPartition
from tests.unit.broker.groups.bench import Bench, protocols, turns
from tests.unit.broker.groups.conftest import NewBench

OK = [ErrorCode.NONE]
T0, T1, U0 = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("u", 0)


async def test_consumer_without_membership_commits_and_founds_a_group(bench: Bench) -> None:
    assert await bench.commit(PartitionOffset("t", 0, 5, 3, "note")) == OK
    row = bench.coordinator.fetch_offset("g", T0)
    assert row is not None
    assert (row.offset, row.leader_epoch, row.metadata) == (5, 3, "note")
    assert row.commit_timestamp_ms == bench.clock.now_ms()
    described = bench.coordinator.describe("g")
    assert (described.state, described.protocol_type) == ("Empty", "")


async def test_one_commit_is_one_write(bench: Bench) -> None:
    (member,) = await bench.stable()
    bench.store.writes.clear()
    await bench.commit(PartitionOffset("t", 0, 1), PartitionOffset("u", 3, 2), joined=member)
    assert bench.store.writes == ["commit_offsets"]


async def test_group_without_a_name_can_commit(bench: Bench) -> None:
    assert await bench.commit(group_id="") == OK
    assert bench.committed(group="") == 5


async def test_member_commits_in_a_stable_group_and_during_the_join_phase(bench: Bench) -> None:
    members = await bench.stable(2)
    assert await bench.commit(joined=members[0]) == OK
    bench.send_join(members[1].member_id)
    bench.send_join(await bench.new_id())
    assert bench.state() == "PreparingRebalance"
    assert await bench.commit(PartitionOffset("t", 0, 9), joined=members[0]) == OK
    assert bench.committed() == 9


async def test_member_cannot_commit_while_the_leader_assigns(bench: Bench) -> None:
    member = await bench.join(await bench.new_id())
    assert await bench.commit(joined=member) == [ErrorCode.REBALANCE_IN_PROGRESS]
    assert bench.committed() is None


async def test_commit_of_another_generation_or_member_is_refused(bench: Bench) -> None:
    (member,) = await bench.stable()
    for generation_id in (0, 2, -1):
        refused = await bench.commit(joined=member, generation_id=generation_id)
        assert refused == [ErrorCode.ILLEGAL_GENERATION]
    assert await bench.commit(joined=member, member_id="x") == [ErrorCode.UNKNOWN_MEMBER_ID]
    assert await bench.commit(joined=member, member_id="") == [ErrorCode.UNKNOWN_MEMBER_ID]


async def test_nobody_commits_from_outside_while_there_are_members(bench: Bench) -> None:
    (member,) = await bench.stable()
    assert await bench.commit() == [ErrorCode.UNKNOWN_MEMBER_ID]
    await bench.leave(LeavingMember(member.member_id))
    assert await bench.commit() == OK
    assert await bench.commit(member_id=member.member_id) == OK


async def test_member_of_a_group_that_is_gone_cannot_commit(bench: Bench) -> None:
    assert await bench.commit(generation_id=1, member_id="m") == [ErrorCode.GROUP_ID_NOT_FOUND]
    assert bench.state() is None


async def test_unknown_partitions_fail_alone(bench: Bench) -> None:
    errors = await bench.commit(
        PartitionOffset("nope", 0, 1),
        PartitionOffset("t", 4, 1),
        PartitionOffset("t", -1, 1),
        PartitionOffset("t", 3, 1),
    )
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert errors == [unknown, unknown, unknown, ErrorCode.NONE]
    assert list(bench.coordinator.offsets("g")) == [("t", 3)]


async def test_commit_of_unknown_partitions_only_founds_no_group(bench: Bench) -> None:
    await bench.commit(PartitionOffset("nope", 0, 1))
    assert bench.state() is None


async def test_metadata_may_be_as_long_as_configured(new_bench: NewBench) -> None:
    bench = await new_bench(offset_metadata_max_bytes="3")
    errors = await bench.commit(
        PartitionOffset("t", 0, 1, -1, "four"), PartitionOffset("t", 1, 1, -1, "abc")
    )
    assert errors == [ErrorCode.OFFSET_METADATA_TOO_LARGE, ErrorCode.NONE]
    assert list(bench.coordinator.offsets("g")) == [T1]


async def test_offsets_are_seen_when_they_are_stored_and_not_before(bench: Bench) -> None:
    await bench.commit()
    bench.store.hold()
    committing = bench.send_commit(PartitionOffset("t", 0, 6))
    await turns()
    assert not committing.done()
    assert bench.committed() == 5
    bench.store.release()
    assert await bench.answer(committing) == OK
    assert bench.committed() == 6


async def test_commit_that_cannot_be_stored_leaves_the_old_offset(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.commit()
    bench.store.fails = True
    assert await bench.commit(PartitionOffset("t", 0, 6)) == [ErrorCode.NOT_COORDINATOR]
    assert bench.committed() == 5
    assert caplog.messages == ["group g could not be stored: the disk is full"]


async def test_fetch_can_wait_for_commits_under_way(bench: Bench) -> None:
    bench.store.hold()
    bench.send_commit(PartitionOffset("t", 0, 1))
    bench.send_commit(PartitionOffset("t", 0, 2))
    settled = asyncio.ensure_future(bench.coordinator.offsets_settled("g"))
    await turns()
    assert not settled.done()
    bench.store.release()
    await bench.answer(settled)
    assert bench.committed() == 2
    await bench.coordinator.offsets_settled("another group")


async def test_partition_without_a_commit_has_no_offset(bench: Bench) -> None:
    await bench.commit()
    assert bench.coordinator.fetch_offset("g", T1) is None
    assert bench.coordinator.fetch_offset("other", T0) is None


async def test_new_groups_can_be_made_to_start_at_the_beginning(new_bench: NewBench) -> None:
    bench = await new_bench(fakebus_new_groups="earliest")
    row = bench.coordinator.fetch_offset("g", T0)
    assert (row.offset, row.leader_epoch, row.metadata) == (7, -1, "")
    assert bench.coordinator.fetch_offset("g", TopicPartition("t", 4)) is None
    assert bench.state() is None
    await bench.commit()
    assert bench.coordinator.fetch_offset("g", T0).offset == 5
    assert bench.coordinator.fetch_offset("g", T1).offset == 7
    assert list(bench.coordinator.offsets("g")) == [T0]


async def test_offsets_of_a_deleted_topic_are_forgotten(bench: Bench) -> None:
    await bench.commit(PartitionOffset("t", 0, 1), PartitionOffset("u", 0, 2))
    await bench.commit(PartitionOffset("u", 0, 2), group_id="untouched")
    bench.store.writes.clear()
    bench.topics.delete("t")
    await turns()
    assert list(bench.coordinator.offsets("g")) == [U0]
    assert list(bench.store.offsets["g"]) == [("u", 0)]
    assert bench.store.writes == ["delete_offsets"]


async def test_commit_under_way_does_not_outlive_its_topic(bench: Bench) -> None:
    bench.store.hold()
    committing = bench.send_commit()
    bench.topics.delete("t")
    bench.store.release()
    assert await bench.answer(committing) == OK
    assert bench.coordinator.offsets("g") == {}
    assert bench.store.offsets["g"] == {}


async def test_very_many_offsets_of_a_deleted_topic_are_forgotten_a_part_at_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakebus.broker.groups.offsets.SLICE", 2)
    await bench.commit(*(PartitionOffset("t", index, 1) for index in range(3)))
    await bench.commit(*(PartitionOffset("t", index, 1) for index in range(2)), group_id="h")
    bench.store.hold()
    bench.store.writes.clear()
    bench.topics.delete("t")
    for _ in range(3):
        await turns()
        assert bench.store.writes == ["delete_offsets"], "the next part waits for this one"
        bench.store.writes.clear()
        bench.store.release_one()
    await turns()
    assert bench.store.writes == []
    assert bench.store.offsets == {"g": {}, "h": {}}
    assert bench.coordinator.all_offsets() == {"g": {}, "h": {}}


async def test_offsets_of_a_new_topic_are_not_taken_for_those_of_the_one_before(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakebus.broker.groups.offsets.SLICE", 1)
    await bench.commit(*(PartitionOffset("t", index, 1) for index in range(3)))
    bench.store.hold()
    bench.topics.delete("t")
    await turns()
    topic = bench.topics.put("t", 4)
    for changed in bench.topics.on_changed:
        changed(topic)
    committing = bench.send_commit(PartitionOffset("t", 2, 8))
    bench.store.release()
    assert await bench.answer(committing) == OK
    await turns()
    assert {place: row.offset for place, row in bench.store.offsets["g"].items()} == {("t", 2): 8}
    assert bench.committed(2) == 8


async def test_offsets_stay_where_their_topic_could_not_be_deleted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakebus.broker.groups.offsets.SLICE", 1)
    await bench.commit(PartitionOffset("t", 0, 5), PartitionOffset("t", 1, 6))
    [deleting] = bench.topics.on_deleting
    topic = bench.topics.get("t")
    await deleting(topic)(False)
    for changed in bench.topics.on_changed:
        changed(topic)
    await turns()
    assert (bench.committed(0), bench.committed(1)) == (5, 6)


async def test_offsets_of_a_topic_that_is_gone_at_a_start_are_forgotten(bench: Bench) -> None:
    await bench.commit(PartitionOffset("t", 0, 1), PartitionOffset("u", 0, 2))
    bench.topics.lose("t")
    await bench.restart()
    assert list(bench.coordinator.offsets("g")) == [U0]
    assert list(bench.store.offsets["g"]) == [("u", 0)]


async def test_offsets_can_be_deleted_unless_a_member_subscribes_to_the_topic(
    bench: Bench,
) -> None:
    (member,) = await bench.stable()
    await bench.commit(PartitionOffset("t", 0, 1), PartitionOffset("u", 0, 1), joined=member)
    delete = bench.coordinator.delete_offsets
    errors = await bench.answer(delete("g", [T0, U0, TopicPartition("nope", 0)]))
    assert errors == [
        ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC,
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    ]
    assert list(bench.coordinator.offsets("g")) == [T0]
    await bench.leave(LeavingMember(member.member_id))
    assert await bench.answer(delete("g", [T0])) == OK
    assert bench.coordinator.offsets("g") == {}
    assert bench.store.offsets["g"] == {}


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b"\0",
        struct.pack(">hi", 0, -1),
        struct.pack(">hi", 0, 2**31 - 1),
        struct.pack(">hih", 0, 2**31 - 1, -2),
        struct.pack(">hih", 0, 1, -1) + bytes(10),
        struct.pack(">hi", 0, 2**31 - 1) + bytes(100_000),
        struct.pack(">hih", 3, 1, 2**15 - 1) + b"t",
        struct.pack(">hih", 0, 1, 2) + b"\xff\xff" + bytes(4),
    ],
)
async def test_unreadable_subscriptions_protect_all_offsets(bench: Bench, metadata: bytes) -> None:
    (member,) = await bench.stable(protocols=protocols("range", metadata=metadata))
    await bench.commit(joined=member)
    errors = await bench.answer(bench.coordinator.delete_offsets("g", [T0]))
    assert errors == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC]


async def test_offsets_of_members_that_are_no_consumers_cannot_be_deleted(bench: Bench) -> None:
    (member,) = await bench.stable(protocol_type="connect")
    with pytest.raises(BrokerError) as caught:
        bench.coordinator.delete_offsets("g", [T0])
    assert caught.value.error_code is ErrorCode.NON_EMPTY_GROUP
    await bench.leave(LeavingMember(member.member_id))
    assert await bench.answer(bench.coordinator.delete_offsets("g", [T0])) == OK


@pytest.mark.parametrize(
    ("group", "error"), [("", ErrorCode.INVALID_GROUP_ID), ("x", ErrorCode.GROUP_ID_NOT_FOUND)]
)
async def test_offsets_of_a_group_that_is_not_there_cannot_be_deleted(
    bench: Bench, group: str, error: ErrorCode
) -> None:
    with pytest.raises(BrokerError) as caught:
        bench.coordinator.delete_offsets(group, [T0])
    assert caught.value.error_code is error


async def test_offsets_that_cannot_be_deleted_in_storage_stay(bench: Bench) -> None:
    await bench.commit()
    bench.store.fails = True
    errors = await bench.answer(bench.coordinator.delete_offsets("g", [T0]))
    assert errors == [ErrorCode.NOT_COORDINATOR]
    assert bench.committed() == 5


def offsets_of(bench: Bench) -> dict[str, dict[TopicPartition, int]]:
    found = bench.coordinator.all_offsets()
    return {group: {at: row.offset for at, row in rows.items()} for group, rows in found.items()}


async def test_tests_can_set_and_list_offsets(bench: Bench) -> None:
    (member,) = await bench.stable()
    await bench.coordinator.set_offsets("g", {T0: 3, U0: 4})
    await bench.coordinator.set_offsets("h", {T1: 1})
    assert offsets_of(bench) == {"g": {T0: 3, U0: 4}, "h": {T1: 1}}
    assert bench.heartbeat(member) is ErrorCode.NONE
    bench.store.fails = True
    with pytest.raises(StorageError, match="group g could not be stored"):
        await bench.coordinator.set_offsets("g", {T0: 9})
    assert bench.committed() == 3


async def test_set_offsets_enqueues_before_it_returns(bench: Bench) -> None:
    setting = bench.coordinator.set_offsets("g", {T0: 3})
    assert bench.store.writes == ["commit_offsets"]
    await setting


async def test_offsets_and_groups_can_be_put_back(bench: Bench) -> None:
    await bench.coordinator.set_offsets("kept", {T0: 1})
    await bench.commit(PartitionOffset("t", 1, 1, 5, "note"), group_id="kept")
    mark = bench.coordinator.all_offsets()
    await bench.coordinator.set_offsets("kept", {T0: 2, T1: 1, U0: 9})
    assert bench.coordinator.fetch_offset("kept", T1).metadata == ""
    (member,) = await bench.stable()
    waiting = bench.send_join(await bench.new_id())
    await bench.commit(joined=member)
    await bench.coordinator.restore_offsets(mark)
    assert (await bench.answer(waiting)).error is ErrorCode.UNKNOWN_MEMBER_ID
    assert bench.coordinator.all_offsets() == mark
    assert offsets_of(bench) == {"kept": {T0: 1, T1: 1}}
    assert bench.coordinator.fetch_offset("kept", T1).metadata == "note"
    assert bench.heartbeat(member) is ErrorCode.UNKNOWN_MEMBER_ID
    await bench.restart()
    assert bench.coordinator.all_offsets() == mark


async def test_put_back_groups_lose_their_members(bench: Bench) -> None:
    (member,) = await bench.stable()
    mark = bench.coordinator.all_offsets()
    await bench.coordinator.restore_offsets(mark)
    assert bench.state() == "Empty"
    assert bench.heartbeat(member) is ErrorCode.UNKNOWN_MEMBER_ID
    bench.store.fails = True
    with pytest.raises(StorageError):
        await bench.coordinator.restore_offsets({})


async def test_groups_without_offsets_in_a_topic_are_not_looked_through_for_it(
    bench: Bench,
) -> None:
    offsets = bench.coordinator._offsets
    for group, topic in (("a", "t"), ("b", "u"), ("c", "t"), ("d", "t")):
        await bench.commit(
            PartitionOffset(topic, 0, 1), PartitionOffset(topic, 1, 1), group_id=group
        )
    await bench.commit(PartitionOffset("t", 0, 2), group_id="a")
    await bench.coordinator.delete_offsets("c", [T0])
    await bench.coordinator.delete_group("d")
    assert sorted(offsets.groups_with("t")) == ["a", "c"]
    await bench.coordinator.delete_offsets("c", [T1])
    assert offsets.groups_with("t") == ["a"]
    bench.store.fails = True
    await bench.commit(PartitionOffset("t", 0, 1), group_id="b")
    assert offsets.groups_with("t") == ["a"]


async def test_offsets_that_somebody_has_are_copied_only_when_they_change(bench: Bench) -> None:
    await bench.commit(PartitionOffset("t", 0, 1), PartitionOffset("t", 1, 1))
    had = bench.coordinator.all_offsets()["g"]
    assert bench.coordinator.offsets("g") is had
    await bench.commit(PartitionOffset("t", 0, 2))
    await bench.coordinator.delete_offsets("g", [T1])
    assert {place: row.offset for place, row in had.items()} == {T0: 1, T1: 1}
    assert (bench.committed(0), bench.committed(1)) == (2, None)
    now = bench.coordinator.offsets("g")
    await bench.coordinator.delete_group("g")
    assert list(now) == [T0]
    assert bench.coordinator.offsets("g") == {}
