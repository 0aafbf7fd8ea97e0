"""Services that commit first are told from those that write first, by what they owe."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

import pytest

from fakebus.lineage.owing import MOST_STEPS, TIMES, Owing

ONE = 1
"""Client."""
AFTER = [[("write", 1), ("commit", 1)]] * 20
FIRST = [[("commit", 1), ("write", 1)]] * 20
BATCHES = [[("write", 5), ("commit", 5)]] * 20
BATCHES_FIRST = [[("commit", 5), ("write", 5)]] * 20
TIMER = [[("write", 1), ("commit", 5), ("write", 4)]] * 20
MANY_EACH = [[("write", 3), ("commit", 1)]] * 20
SOME = [[("commit", 4), ("write", 1)]] * 20
BACKLOG = [[("commit", 4), ("write", 2)]] * 20 + [[("write", 2)]] * 20
NOTHING_NOW_AND_THEN = [[("commit", 1)], *[[("write", 1), ("commit", 1)]] * (TIMES - 1)] * 4


def seen(steps: Iterable[list[tuple[str, int]]]) -> list[bool]:
    owing = Owing()
    taken = ((what, count) for step in steps for what, count in step)
    return [owing.write(count, ONE) for what, count in taken if _does(owing, what, count)]


def _does(owing: Owing, what: str, count: int) -> bool:
    if what == "commit":
        owing.commit(count, ONE)
    return what == "write"


@pytest.mark.parametrize("steps", [AFTER, BATCHES, MANY_EACH, NOTHING_NOW_AND_THEN])
def test_who_writes_before_it_commits_owes_nothing(steps: list[list[tuple[str, int]]]) -> None:
    assert not any(seen(steps))


@pytest.mark.parametrize("steps", [FIRST, BATCHES_FIRST, TIMER])
def test_who_commits_first_is_seen_to_after_some_commits(
    steps: list[list[tuple[str, int]]],
) -> None:
    found = seen(steps)
    assert found.index(True) >= TIMES - 1
    assert any(found[-2:])


def test_what_nothing_came_of_at_two_commits_was_passed_over() -> None:
    owing = Owing()
    for _ in range(TIMES * 3):
        owing.commit(1, ONE)
        owing.commit(1, ONE)
        assert not owing.write(1, ONE)


def test_what_is_written_beyond_what_was_owed_is_not_late() -> None:
    owing = Owing()
    for _ in range(TIMES):
        owing.commit(1, ONE)
        is_late = owing.write(1, ONE)
    assert is_late
    assert not owing.write(1, ONE)


def test_what_is_written_in_pieces_after_one_commit_is_late_once() -> None:
    owing = Owing()
    owing.commit(TIMES * 2, ONE)
    assert not any(owing.write(1, ONE) for _ in range(TIMES * 2))


def test_a_commit_that_owes_nothing_begins_the_count_anew() -> None:
    owing = Owing()
    for _ in range(TIMES - 1):
        owing.commit(1, ONE)
        owing.write(1, ONE)
    owing.write(2, ONE)
    owing.commit(1, ONE)
    owing.write(1, ONE)
    owing.commit(5, ONE)
    assert not owing.write(1, ONE)


def test_what_was_passed_over_is_not_owed_at_the_next_commit() -> None:
    owing = Owing()
    for _ in range(TIMES):
        owing.commit(10, ONE)
        owing.write(1, ONE)
        owing.commit(1, ONE)
        is_late = owing.write(1, ONE)
        assert not owing.write(1, ONE)
    assert is_late


def is_behind(steps: Iterable[list[tuple[str, int]]]) -> bool:
    owing, found = Owing(), False
    for what, count in (each for step in steps for each in step):
        if _does(owing, what, count):
            owing.write(count, ONE)
        found = found or owing.is_behind
    return found


@pytest.mark.parametrize("steps", [FIRST, BATCHES_FIRST, TIMER, MANY_EACH, SOME, BACKLOG[:20]])
def test_who_writes_no_more_than_the_last_commit_was_of_is_not_behind(
    steps: list[list[tuple[str, int]]],
) -> None:
    assert not is_behind(steps)


def test_who_writes_more_than_the_last_commit_was_of_is_at_what_was_committed_before() -> None:
    assert is_behind(BACKLOG)


def account(steps: Iterable[list[tuple[str, int]]]) -> Owing:
    owing = Owing()
    for what, count in (each for step in steps for each in step):
        _does(owing, what, count) and owing.write(count, ONE)
    return owing


@pytest.mark.parametrize(
    ("steps", "is_unsure"),
    [
        (AFTER, False),
        (BATCHES, False),
        (MANY_EACH, False),
        ([[("write", 5), ("commit", 2), ("commit", 3)]] * 3, False),
        ([[("commit", 1)]] * 20, False),
        ([[("commit", 1), ("write", 1)]], True),
        ([[("commit", 1), ("write", 2)]], True),
        (TIMER, True),
        (SOME, True),
        ([[("write", 5), ("commit", 2), ("commit", 4)], [("write", 1)]], True),
        (NOTHING_NOW_AND_THEN, True),
        ([*FIRST, *AFTER], True),
    ],
)
def test_who_writes_when_it_has_committed_more_than_it_had_written_is_not_sure(
    steps: list[list[tuple[str, int]]], is_unsure: bool
) -> None:
    assert account(steps).is_unsure is is_unsure


@pytest.mark.parametrize("steps", [AFTER, FIRST, BACKLOG, MANY_EACH])
def test_accounts_of_one_process_that_were_kept_apart_become_one(
    steps: list[list[tuple[str, int]]],
) -> None:
    apart, whole = {"write": Owing(), "commit": Owing()}, account(steps)
    for what, count in (each for step in steps for each in step):
        _does(apart[what], what, count) and apart[what].write(count, ONE)
    writing, committing = apart.values()
    assert committing.join(writing, ONE) is is_behind(steps)
    for joined_again in range(2):
        got, wanted = asdict(committing), asdict(whole)
        assert [*got.pop("past")] != [*wanted.pop("past")]
        assert got == wanted, joined_again
        committing.join(writing, ONE)


def test_what_is_remembered_of_an_account_is_bounded() -> None:
    owing, other = (account([[("write", 1), ("commit", 1)]] * MOST_STEPS) for _ in range(2))
    owing.join(other, ONE)
    assert len(owing.past) == MOST_STEPS


def test_what_another_process_has_written_is_no_credit_when_accounts_become_one() -> None:
    own, of_both = Owing(), Owing()
    of_both.write(5, 2)
    own.commit(1, 1)
    of_both.write(1, 3)
    own.join(of_both, 3)
    assert own.is_unsure


def test_what_was_written_for_what_is_sent_again_is_no_credit() -> None:
    owing, other = Owing(), Owing()
    owing.write(5, ONE)
    owing.send_again(ONE)
    owing.commit(5, ONE)
    assert not owing.is_unsure
    owing.write(1, ONE)
    assert owing.is_unsure
    other.join(owing, ONE)
    assert other.is_unsure


def test_who_has_done_nothing_changes_no_account() -> None:
    own, other = account(AFTER), account(FIRST)
    before = asdict(own)
    assert not own.join(other, ONE + 1)
    assert asdict(own) == before
