"""What the doctor says of a consumer group, from what a cluster would tell."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fakebus.cli.diagnosis import groups
from fakebus.cli.diagnosis.finding import Finding, Severity
from fakebus.client.groups import GroupDetails, GroupMember, GroupPartition
from fakebus.client.offsets import LogRange
from fakebus.types import TopicPartition

ORDERS = [TopicPartition("orders", number) for number in range(2)]


def member(client_id: str, *partitions: TopicPartition) -> GroupMember:
    return GroupMember(
        member_id=f"{client_id}-1", client_id=client_id, host="/127.0.0.1", partitions=partitions
    )


def progress(
    committed: int | None, *, start: int = 0, end: int = 10, number: int = 0
) -> GroupPartition:
    return GroupPartition(
        topic_partition=ORDERS[number],
        committed=committed,
        log=LogRange(start=start, end=end),
        member=None,
    )


def group(
    *members: GroupMember, state: str = "stable", partitions: tuple[GroupPartition, ...] = ()
) -> GroupDetails:
    return GroupDetails(
        name="billing",
        state=state,
        kind="classic",
        assignor="range",
        members=members,
        partitions=partitions,
    )


class Examination:
    """Runs the checks on a series of states that the cluster shows one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.pauses = 0

    def findings(self, *states: GroupDetails | None, topics: tuple[str, ...] = ()) -> list[Finding]:
        shown = iter(states)
        last = states[-1]
        replace = self._monkeypatch.setattr
        replace(groups, "group_details", lambda *_: next(shown, last))
        replace(groups, "list_groups", lambda _: [SimpleNamespace(group_id="billing")])
        replace(groups, "partitions_of", lambda *_: ORDERS)
        replace(
            groups, "log_ranges", lambda *_: {part: LogRange(start=0, end=4) for part in ORDERS}
        )
        connection: Any = SimpleNamespace(metadata=SimpleNamespace(topics={"orders": None}))
        return list(groups.check_group(connection, "billing", topics, pause=self._pause))

    def problem(self, *states: GroupDetails | None, topics: tuple[str, ...] = ()) -> Finding:
        found = self.findings(*states, topics=topics)
        (problem,) = (item for item in found if item.severity is Severity.PROBLEM)
        assert problem.advice
        return problem

    def _pause(self, _: float) -> None:
        self.pauses += 1


@pytest.fixture
def examination(monkeypatch: pytest.MonkeyPatch) -> Examination:
    return Examination(monkeypatch)


def test_an_unknown_group_is_a_problem_that_names_the_nearest(examination: Examination) -> None:
    assert "did you mean billing" in examination.problem(None).text


def test_a_group_without_members_is_a_problem(examination: Examination) -> None:
    assert "has no members" in examination.problem(group(state="empty")).text


def test_a_group_that_stays_rebalancing_is_stuck(examination: Examination) -> None:
    rebalancing = group(member("a"), state="preparing_rebalancing")
    assert "stuck rebalancing" in examination.problem(rebalancing).text
    assert examination.pauses * groups.LOOK_AGAIN_S == pytest.approx(groups.PATIENCE_S)


def test_a_group_that_has_just_rebalanced_is_fine(examination: Examination) -> None:
    rebalancing = group(member("a"), state="preparing_rebalancing")
    stable = group(member("a", *ORDERS), partitions=(progress(10),))
    found = examination.findings(rebalancing, stable)
    assert {item.severity for item in found} == {Severity.FINE}
    assert examination.pauses == 1


def test_more_members_than_partitions_is_a_problem(examination: Examination) -> None:
    found = examination.problem(group(member("busy", *ORDERS), member("idle")))
    assert "1 of 2 members have no partition (idle)" in found.text
    assert "more members than partitions" in found.advice[0]


def test_a_group_that_reads_something_else_is_a_problem(examination: Examination) -> None:
    other = TopicPartition("payments", 0)
    found = examination.findings(group(member("a", other)), topics=("orders",))
    assert any("does not read orders; it reads payments" in item.text for item in found)


def test_nothing_committed_where_records_are_explains_auto_offset_reset(
    examination: Examination,
) -> None:
    found = examination.problem(group(member("a", *ORDERS), partitions=(progress(None),)))
    assert "has committed nothing for orders, where 10 records are" in found.text
    assert "auto.offset.reset=earliest" in found.advice[0]
    assert "fakebus.new.groups=earliest" in found.advice[1]


def test_a_topic_that_the_group_never_touched_counts_as_not_committed(
    examination: Examination,
) -> None:
    found = examination.findings(group(member("a")), topics=("orders",))
    assert any("committed nothing for orders, where 8 records are" in item.text for item in found)


def test_lag_is_counted_over_all_partitions(examination: Examination) -> None:
    partitions = (progress(7), progress(9, number=1))
    found = examination.problem(group(member("a", *ORDERS), partitions=partitions))
    assert "lags behind: 4 records wait in orders" in found.text


def test_deleted_records_are_no_lag(examination: Examination) -> None:
    assert progress(2, start=8).lag == 2
    found = examination.findings(
        group(member("a", *ORDERS), partitions=(progress(2, start=8),)), topics=("orders",)
    )
    assert any("the log begins at 8" in item.text for item in found)


def test_a_committed_offset_beyond_the_end_hints_at_a_topic_made_anew(
    examination: Examination,
) -> None:
    found = examination.problem(group(member("a", *ORDERS), partitions=(progress(50),)))
    assert "has committed 50 for orders-0, but the log ends at 10" in found.text


def test_offsets_of_a_deleted_topic_are_a_problem(examination: Examination) -> None:
    gone = GroupPartition(topic_partition=ORDERS[0], committed=3, log=None, member=None)
    assert gone.lag is None
    found = examination.problem(group(member("a", *ORDERS), partitions=(gone,)))
    assert "no longer exists" in found.text


def test_a_group_at_the_end_is_fine_and_told_how_to_read_again(examination: Examination) -> None:
    found = examination.findings(group(member("a", *ORDERS), partitions=(progress(10),)))
    assert {item.severity for item in found} == {Severity.FINE}
    assert "--reset orders=earliest" in found[-1].text
