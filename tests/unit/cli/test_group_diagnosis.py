"""What the doctor says of a consumer group, from what a cluster would tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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


def told(*causes: str) -> dict[str, Any]:
    """Return what ``fakebus why`` says of the group."""
    found = [
        {"code": each, "text": f"{each} it is", "remedies": ["do this", "or that"]}
        for each in causes
    ]
    return {"well": not causes, "causes": found}


class Examination:
    """Runs the checks on a state of the group, and on what is said of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def findings(
        self,
        state: GroupDetails | None,
        *causes: str,
        topics: tuple[str, ...] = (),
        why: Callable[[], Any] | None = None,
    ) -> list[Finding]:
        replace = self._monkeypatch.setattr
        replace(groups, "group_details", lambda *_: state)
        replace(groups, "list_groups", lambda _: [SimpleNamespace(group_id="billing")])
        replace(groups, "partitions_of", lambda *_: ORDERS)
        replace(
            groups, "log_ranges", lambda *_: {part: LogRange(start=0, end=4) for part in ORDERS}
        )
        connection: Any = SimpleNamespace(metadata=SimpleNamespace(topics={"orders": None}))
        why = why or (lambda: None if state is None else told(*causes))
        return list(groups.check_group(connection, "billing", topics, why))

    def problem(self, state: GroupDetails | None, *causes: str, **more: Any) -> Finding:
        found = self.findings(state, *causes, **more)
        (problem,) = (item for item in found if item.severity is Severity.PROBLEM)
        assert problem.advice
        return problem


@pytest.fixture
def examination(monkeypatch: pytest.MonkeyPatch) -> Examination:
    return Examination(monkeypatch)


def test_an_unknown_group_is_a_problem_that_names_the_nearest(examination: Examination) -> None:
    assert "did you mean billing" in examination.problem(None).text


def test_causes_are_told_in_the_words_of_why(examination: Examination) -> None:
    found = examination.problem(group(state="empty"), "no member")
    assert found == Finding(Severity.PROBLEM, "no member it is", ("do this", "or that"))


def test_a_group_that_is_only_slow_is_no_problem(examination: Examination) -> None:
    found = examination.findings(group(member("a", *ORDERS)), "slow")
    assert {item.severity for item in found} == {Severity.FINE, Severity.NOTE}


def test_a_group_that_its_clients_have_not_reached_is_told_too(
    examination: Examination,
) -> None:
    found = examination.findings(None, why=lambda: told("unreachable address"))
    assert [item.text for item in found] == ["unreachable address it is"]


@pytest.mark.parametrize(
    ("shown", "sooner"),
    [
        (progress(7), False),
        # It has nothing to do, or has done something.
        (progress(10), True),
        (progress(8), True),
    ],
)
def test_a_group_is_watched_until_it_moves_or_something_is_found(
    monkeypatch: pytest.MonkeyPatch, shown: GroupPartition, sooner: bool
) -> None:
    reader = member("a", *ORDERS)
    states = iter([replace(each, member=reader) for each in (progress(7), shown)])
    first = group(reader, partitions=(next(states),))
    after = group(reader, partitions=(next(states),))
    answers = iter([first if shown.lag else after])
    monkeypatch.setattr(groups, "group_details", lambda *_: next(answers, after))
    pauses: list[float] = []
    causes = iter([told(), told(), told("poison record")])
    connection: Any = None
    found = groups.watched(connection, "billing", lambda: next(causes, told()), pause=pauses.append)
    assert found is not None
    assert (len(pauses), found["well"]) == ((0, True) if sooner else (2, False))


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


def test_what_a_cause_says_is_not_said_again(examination: Examination) -> None:
    state = group(member("a", *ORDERS), partitions=(progress(None), progress(7, number=1)))
    found = examination.findings(state, "waits at latest")
    assert [item.severity for item in found] == [Severity.FINE, Severity.PROBLEM]


def test_a_topic_that_the_group_never_touched_counts_as_not_committed(
    examination: Examination,
) -> None:
    found = examination.findings(group(member("a")), topics=("orders",))
    assert any("committed nothing for orders, where 8 records are" in item.text for item in found)


def test_a_group_that_gets_on_is_only_noted_with_its_lag(examination: Examination) -> None:
    partitions = (progress(7), progress(9, number=1))
    found = examination.findings(group(member("a", *ORDERS), partitions=partitions))
    assert "has 4 records of orders before it" in found[-1].text
    assert found[-1].severity is Severity.NOTE


def test_offsets_of_a_deleted_topic_are_a_problem(examination: Examination) -> None:
    gone = GroupPartition(topic_partition=ORDERS[0], committed=3, log=None, member=None)
    assert gone.lag is None
    assert progress(2, start=8).lag == 2
    found = examination.problem(group(member("a", *ORDERS), partitions=(gone,)))
    assert "no longer exists" in found.text


def test_a_group_at_the_end_is_fine_and_told_how_to_read_again(examination: Examination) -> None:
    found = examination.findings(group(member("a", *ORDERS), partitions=(progress(10),)))
    assert {item.severity for item in found} == {Severity.FINE}
    assert "--reset orders=earliest" in found[-1].text
