"""What the log says of groups: who is refused and removed, and where rebalances end."""

from __future__ import annotations

import logging

import pytest

from fakebus.broker.groups.requests import LeavingMember, PartitionOffset
from tests.unit.broker.groups.bench import Bench, protocols
from tests.unit.broker.groups.conftest import NewBench


@pytest.fixture(autouse=True)
def level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fakebus")


async def test_a_rebalance_is_told_at_its_beginning_and_at_its_end(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    (member,) = await bench.stable()
    assert caplog.messages == [
        f"preparing to rebalance group g, generation 0: member {member.member_id} joins; "
        "the client's reason: none",
        "group g is stable: generation 1, 1 member, protocol range",
    ]


async def test_a_session_that_times_out_is_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    (member,) = await bench.stable()
    caplog.clear()
    await bench.advance(11)
    assert caplog.messages == [
        f"group g: member {member.member_id} is removed: its session timed out",
        f"preparing to rebalance group g, generation 1: {member.member_id} was removed: "
        "its session timed out",
        "group g has no members any more",
    ]


async def test_members_that_do_not_sync_in_time_are_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    joined = await bench.join(await bench.new_id(), session_timeout_ms=100_000)
    await bench.advance(60)
    assert (
        f"group g: member {joined.member_id} is removed: it has not sent SyncGroup in time"
        in caplog.messages
    )


async def test_a_member_whose_connection_is_closed_is_told(
    new_bench: NewBench, caplog: pytest.LogCaptureFixture
) -> None:
    bench = await new_bench(fakebus_evict_on_disconnect="true")
    connection = object()
    (member,) = await bench.stable(connection=connection)
    bench.coordinator.connections.closed(connection)
    assert (
        f"group g: member {member.member_id} is removed: its connection was closed"
        in caplog.messages
    )


async def test_every_refused_request_has_one_line(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    (member,) = await bench.stable()
    caplog.clear()
    await bench.join(session_timeout_ms=1)
    await bench.join("nobody-1")
    await bench.join(protocols=protocols("other"))
    await bench.sync(member, member_id="nobody-2")
    await bench.sync(member, generation_id=7)
    bench.heartbeat(member, generation_id=7)
    await bench.leave(LeavingMember("nobody-3"))
    await bench.commit(member_id="nobody-4", generation_id=1)
    await bench.commit(PartitionOffset("t", 99, 1), PartitionOffset("x", 0, 1), joined=member)
    await bench.answer(bench.coordinator.delete_group("g"))
    asked = f"of {member.member_id}"
    assert caplog.messages == [
        "group g answers JoinGroup of c: INVALID_SESSION_TIMEOUT",
        "group g answers JoinGroup of nobody-1: UNKNOWN_MEMBER_ID",
        "group g answers JoinGroup of c: INCONSISTENT_GROUP_PROTOCOL",
        "group g answers SyncGroup of nobody-2: UNKNOWN_MEMBER_ID",
        f"group g answers SyncGroup {asked}: ILLEGAL_GENERATION",
        f"group g answers Heartbeat {asked}: ILLEGAL_GENERATION",
        "group g answers LeaveGroup of nobody-3: UNKNOWN_MEMBER_ID",
        "group g answers OffsetCommit of nobody-4: UNKNOWN_MEMBER_ID",
        f"group g answers OffsetCommit {asked}: UNKNOWN_TOPIC_OR_PARTITION",
        "group g answers DeleteGroups of a client without a member id: NON_EMPTY_GROUP",
    ]


async def test_of_many_members_that_leave_one_line_is_written_for_each_error(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.stable()
    caplog.clear()
    await bench.leave(*(LeavingMember(f"nobody-{number}") for number in range(1000)))
    assert caplog.messages == [
        "group g answers LeaveGroup of nobody-0 and 999 more: UNKNOWN_MEMBER_ID"
    ]


async def test_the_usual_course_is_told_only_with_the_level_debug(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "fakebus")
    (member,) = await bench.stable()
    await bench.commit(joined=member)
    answers = [r for r in caplog.records if "answers" in r.getMessage()]
    assert {record.levelno for record in answers} == {logging.DEBUG}
    assert [record.getMessage().split(": ")[-1] for record in answers] == [
        "MEMBER_ID_REQUIRED",
        "NONE",
        "NONE",
        "NONE",
    ]


async def test_one_group_that_cannot_expire_does_not_keep_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for group_id in ("g", "h"):
        await bench.commit(group_id=group_id)
    of_group = bench.coordinator._offsets.of_group

    def broken(group_id: str) -> object:
        if group_id == "g":
            raise KeyError("surprise")
        return of_group(group_id)

    monkeypatch.setattr(bench.coordinator._offsets, "of_group", broken)
    await bench.advance(8 * 24 * 3600)
    assert (bench.state("g"), bench.state("h")) == ("Empty", None)
    failures = [m for m in caplog.messages if "failed" in m]
    assert failures == ["the expiry of offsets failed for group g: 'surprise'"]
