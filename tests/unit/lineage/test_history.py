"""What a process had in its hands when it produced a record."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from fakebus.lineage.history import History
from fakebus.storage.lineage_interface import NoteRow

CONSUMER, PRODUCER, OTHER = 1, 2, 3


class Told:
    """Story of a process, told note by note."""

    def __init__(self) -> None:
        self.notes: list[NoteRow] = []

    def _note(
        self,
        verb: str,
        at_ms: int,
        client: int,
        topic: str,
        first: int,
        last: int,
        *,
        group: str = "",
        until_ms: int | None = None,
    ) -> None:
        until_ms = at_ms if until_ms is None else until_ms
        seq = len(self.notes) + 1
        self.notes.append(NoteRow(seq, at_ms, until_ms, verb, client, topic, 0, first, last, group))

    def sent(
        self,
        at_ms: int,
        first: int,
        last: int | None = None,
        *,
        topic: str = "orders",
        client: int = CONSUMER,
        group: str = "",
    ) -> None:
        last = first if last is None else last
        self._note("fetched", at_ms, client, topic, first, last, group=group)

    def commits(
        self,
        at_ms: int,
        first: int,
        last: int | None = None,
        group: str = "g",
        client: int = CONSUMER,
    ) -> None:
        last = first if last is None else last
        self._note("committed", at_ms, client, "orders", first, last, group=group)

    def says(self, verb: str, at_ms: int, offset: int) -> None:
        """Let a member of the group say something of one record."""
        self._note(verb, at_ms, CONSUMER, "orders", offset, offset, group="g")

    def produces(
        self, at_ms: int, until_ms: int | None = None, topic: str = "invoices"
    ) -> list[str]:
        """Return what may have caused what is produced now."""
        self._note("produced", at_ms, PRODUCER, topic, 0, 0, until_ms=until_ms)
        return self.causes()

    def bus_was_killed(self, at_ms: int) -> None:
        self._note("lost track", at_ms, 0, "", -1, -1)

    def causes(self) -> list[str]:
        *_, (_, candidates, _) = filter(None, History().go_on(self.notes))
        return [f"{topic}@{offset}" for topic, _, offset in candidates.some(0, 100)]


def test_a_record_that_was_sent_and_not_committed_is_a_cause() -> None:
    told = Told()
    told.sent(0, 5)
    assert told.produces(60_000) == ["orders@5"]


def test_what_was_produced_before_anything_was_sent_has_no_cause() -> None:
    told = Told()
    assert told.produces(0) == []
    told.sent(1, 5)


def test_a_committed_record_is_a_cause_for_a_second() -> None:
    told = Told()
    told.sent(0, 5)
    told.commits(10, 5)
    assert told.produces(1010) == ["orders@5"]
    assert told.produces(1011) == []


def test_a_record_produced_three_seconds_after_the_last_commit_has_no_cause() -> None:
    told = Told()
    told.sent(0, 5)
    told.commits(10, 5)
    assert told.produces(3010) == []


@pytest.mark.parametrize("verb", ["acknowledged", "released"])
def test_what_is_acknowledged_or_given_back_one_by_one_ends_like_what_is_committed(
    verb: str,
) -> None:
    told = Told()
    told.sent(0, 0, 4, group="g")
    for at, offset in enumerate([3, 0, 1], 1):
        told.says(verb, at, offset)
    assert told.produces(500) == [f"orders@{offset}" for offset in range(5)]
    assert told.produces(1010) == ["orders@2", "orders@4"]
    told.says(verb, 1020, 4)
    told.sent(1030, 7, group="g")
    assert told.produces(1040) == ["orders@2", "orders@7"]


def test_a_committed_record_is_no_cause_any_more_when_a_newer_one_was_sent() -> None:
    told = Told()
    told.sent(0, 5)
    told.commits(10, 5)
    told.sent(20, 6)
    assert told.produces(30) == ["orders@6"]


def test_a_client_that_has_fetched_ahead_may_still_be_at_what_it_has_committed() -> None:
    """It commits before it produces, and was sent the next record in the meantime."""
    told = Told()
    told.sent(0, 5)
    told.sent(5, 6)
    told.commits(10, 5)
    assert told.produces(30) == ["orders@5", "orders@6"]


def test_records_that_wait_for_a_commit_by_timer_are_all_causes() -> None:
    told = Told()
    told.sent(0, 5)
    assert told.produces(10) == ["orders@5"]
    told.sent(1000, 6)
    assert told.produces(1010) == ["orders@5", "orders@6"]
    told.commits(5000, 5, 6)
    told.sent(5500, 7)
    assert told.produces(5510) == ["orders@7"]


def test_all_records_of_a_batch_in_flight_are_causes() -> None:
    told = Told()
    told.sent(0, 0, 499)
    told.commits(5, 0, 99)
    *_, (_, candidates, _) = [told.produces(10), *filter(None, History().go_on(told.notes))]
    assert candidates.count == 500  # type: ignore[union-attr]
    told.sent(20, 500, 509)
    told.commits(500, 100, 199)
    for at_ms, count in ((600, 510), (1501, 410)):
        told.produces(at_ms)
        *_, (_, candidates, _) = filter(None, History().go_on(told.notes))
        assert candidates.count == count
    last = [("orders", 0, offset) for offset in (507, 508, 509)]
    assert candidates.begin_around(10_000, 4) == candidates.count - 4
    assert candidates.some(candidates.count - 3, 4) == last


def test_a_record_that_is_sent_again_is_one_cause() -> None:
    told = Told()
    told.sent(0, 5)
    told.sent(10, 5)
    assert told.produces(20) == ["orders@5"]


def test_a_replay_makes_an_old_record_a_cause_again() -> None:
    told = Told()
    told.sent(0, 5, 6)
    told.commits(10, 5, 6)
    assert told.produces(5000) == []
    told.sent(6000, 5)
    assert told.produces(6010) == ["orders@5"]


def test_what_two_groups_of_a_process_were_sent_in_part_counts_once() -> None:
    told = Told()
    told.sent(0, 3, 5, group="one")
    told.sent(1, 1, 7, group="two")
    assert told.produces(30) == [f"orders@{offset}" for offset in (3, 4, 5, 1, 2, 6, 7)]


def test_what_another_consumer_of_the_process_was_sent_ends_nothing() -> None:
    told = Told()
    told.sent(0, 5)
    told.commits(10, 5)
    told.sent(20, 9, topic="ticks", client=OTHER)
    assert told.produces(30) == ["orders@5", "ticks@9"]


def test_a_commit_of_one_of_two_groups_behind_one_client_ends_nothing() -> None:
    """Two consumers that call themselves the same: each was sent the record."""
    told = Told()
    told.sent(0, 5, group="one")
    told.sent(1, 5, group="two")
    told.commits(10, 5, group="one")
    told.sent(20, 6, group="one")
    assert told.produces(30) == ["orders@5", "orders@6"]
    told.commits(40, 5, group="two")
    told.sent(50, 6, group="two")
    assert told.produces(60) == ["orders@6"]


def test_where_a_fetch_names_no_group_all_that_commit_have_to() -> None:
    told = Told()
    told.sent(0, 5)
    told.commits(10, 5, group="one")
    told.sent(20, 6)
    told.produces(30)
    told.commits(40, 5, group="two")
    *_, (_, candidates, _) = filter(None, History().go_on(told.notes))
    assert [each[2] for each in candidates.some(0, 100)] == [5, 6]


def test_a_commit_by_another_process_leaves_the_record_in_the_hands_of_this_one() -> None:
    told = Told()
    told.sent(0, 5)
    told.commits(10, 5, client=OTHER)
    told.sent(20, 6)
    assert told.produces(30) == ["orders@5", "orders@6"]


def test_a_commit_that_passes_a_part_of_what_was_sent_leaves_the_rest() -> None:
    told = Told()
    told.sent(0, 0, 9)
    told.commits(10, 0, 3)
    told.commits(11, 6, 7)
    told.sent(20, 10)
    of_the_last_commits = *range(4), 6, 7
    left = sorted((*of_the_last_commits, 4, 5, 8, 9, 10))
    assert told.produces(1012) == [f"orders@{offset}" for offset in left]


def test_what_a_library_commits_by_a_timer_may_be_handled_still_when_more_is_sent() -> None:
    told = Told()
    told.sent(0, 0, 4)
    told.commits(10, 0, 1)
    told.sent(20, 5)
    assert told.produces(300) == [f"orders@{offset}" for offset in range(6)]
    told.commits(310, 2, 5)
    told.sent(320, 6)
    assert told.produces(330) == ["orders@6"]


def test_a_program_may_be_for_long_at_what_a_timer_has_committed_last() -> None:
    told = Told()
    told.sent(0, 0, 4)
    told.commits(5000, 0, 1)
    assert told.produces(9000) == [f"orders@{offset}" for offset in range(5)]
    told.commits(10_000, 2, 3)
    assert told.produces(10_500) == [f"orders@{offset}" for offset in (2, 3, 4)]
    assert told.produces(13_000) == [f"orders@{offset}" for offset in (2, 3, 4)]
    told.sent(13_500, 5, 9)
    told.commits(15_000, 4)
    assert told.produces(19_000) == [f"orders@{offset}" for offset in range(4, 10)]
    told.commits(20_000, 5)
    assert told.produces(24_000) == [f"orders@{offset}" for offset in range(5, 10)]
    told.commits(25_000, 6, 9)
    assert told.produces(29_000) == []


def test_what_was_sent_in_parts_and_committed_at_once_is_of_one_commit() -> None:
    told = Told()
    told.sent(0, 0, 1)
    told.sent(10, 2, 4)
    told.commits(5000, 0, 1)
    told.commits(5000, 2, 3)
    assert told.produces(9000) == [f"orders@{offset}" for offset in range(5)]
    told.commits(10_000, 4)
    told.sent(10_100, 5, 6)
    assert told.produces(14_000) == ["orders@5", "orders@6"]


@pytest.mark.parametrize("verb", ["acknowledged", "released"])
def test_what_is_acknowledged_is_done_with_whatever_else_was_sent(verb: str) -> None:
    told = Told()
    told.sent(0, 0, 4)
    told.says(verb, 10, 0)
    assert told.produces(2000) == [f"orders@{offset}" for offset in (1, 2, 3, 4)]


def test_a_commit_of_nothing_changes_nothing() -> None:
    told = Told()
    told.sent(0, 5)
    told.commits(10, 5, 4)
    assert told.produces(5000) == ["orders@5"]


def test_what_was_sent_while_several_records_were_produced_may_have_caused_the_last() -> None:
    told = Told()
    told.sent(0, 5)
    told.produces(10, until_ms=50)
    told.sent(30, 6, client=OTHER)
    assert told.causes() == ["orders@5", "orders@6"]
    told.sent(60, 7, client=OTHER)
    assert told.causes() == ["orders@5", "orders@6"]


def _ranges(notes: Sequence[NoteRow]) -> int:
    *_, (_, candidates, _) = filter(None, History().go_on(notes))
    return len(candidates.ranges)


def test_a_consumer_that_never_commits_keeps_ranges_and_not_records() -> None:
    told = Told()
    for at in range(20):
        told.sent(at, at * 1000, at * 1000 + 999)
    told.produces(100)
    assert _ranges(told.notes) == 20


def test_records_that_are_committed_one_by_one_stay_one_range_of_candidates() -> None:
    notes = [NoteRow(1, 0, 0, "fetched", 1, "orders", 0, 0, 299, "g")]
    for at in range(300):
        seq = len(notes) + 1
        notes.append(NoteRow(seq, at, at, "produced", 1, "invoices", 0, at, at))
        notes.append(NoteRow(seq + 1, at, at, "committed", 1, "orders", 0, at, at, "g"))
    found = [candidates for _, candidates, _ in filter(None, History().go_on(notes))]
    assert {len(each.ranges) for each in found} == {1}
    assert [each.count for each in found] == [300] * 300
    assert [each.count for _, each, _ in filter(None, History(99).go_on(notes))][-1] == 100


def test_after_the_bus_was_killed_nothing_is_a_cause_until_it_is_sure_what_a_process_has() -> None:
    """What it was sent, and what it has committed, just before is not noted."""
    told = Told()
    told.sent(0, 5, 9, group="g")
    told.bus_was_killed(10)
    assert told.produces(20) == []
    told.sent(30, 15, 16, group="g")
    assert told.produces(40) == []
    told.commits(50, 15)
    assert told.produces(1050) == []
    assert told.produces(1051) == ["orders@15", "orders@16"]
    told.sent(1060, 17)
    assert told.produces(1070) == ["orders@15", "orders@16", "orders@17"]


def test_what_a_process_does_that_came_after_the_bus_was_killed_is_known() -> None:
    told = Told()
    told.bus_was_killed(10)
    told.sent(20, 5)
    assert told.produces(30) == ["orders@5"]


def of_each(told: Told, *late: str) -> list[list[str]]:
    """Return the causes of all that was produced; what goes to some topics after a commit."""
    history = History(late={(PRODUCER, topic) for topic in late})
    return [
        [f"{topic}@{offset}" for topic, _, offset in candidates.some(0, 100)]
        for _, candidates, _ in filter(None, history.go_on(told.notes))
    ]


def test_only_what_is_written_after_the_commit_goes_back_behind_it() -> None:
    told = Told()
    told.sent(0, 0, group="g")
    told.commits(10, 0)
    told.sent(20, 1, group="g")
    told.produces(30, topic="invoices")
    told.produces(31, topic="mails")
    assert of_each(told, "invoices") == [["orders@0", "orders@1"], ["orders@1"]]


def test_what_is_sent_during_a_long_note_is_no_cause_of_a_short_one_before() -> None:
    told = Told()
    told.sent(0, 0)
    told.produces(10, until_ms=50)
    told.produces(20, topic="mails")
    told.sent(30, 1)
    assert of_each(told) == [["orders@0", "orders@1"], ["orders@0"]]


def test_who_writes_after_the_commit_may_be_long_at_what_it_was_of() -> None:
    told = Told()
    told.sent(0, 0, group="g")
    told.commits(10, 0)
    told.produces(5000)
    assert of_each(told, "invoices") == [["orders@0"]]
    assert of_each(told) == [[]]


def test_who_works_behind_what_it_commits_may_be_at_anything_for_long() -> None:
    told = Told()
    for offset in range(5):
        told.sent(offset * 100, offset, group="g")
        told.commits(offset * 100 + 10, offset)
    told.produces(30_000)
    told.produces(100_000)
    found = [
        [offset for _, _, offset in candidates.some(0, 100)]
        for _, candidates, _ in filter(None, History(is_behind=True).go_on(told.notes))
    ]
    assert found == [[0, 1, 2, 3, 4], [4]]


def unsure(told: Told) -> list[list[int]]:
    found = filter(None, History(is_unsure=True).go_on(told.notes))
    return [[offset for _, _, offset in candidates.some(0, 100)] for _, candidates, _ in found]


def test_of_whom_it_cannot_be_known_the_last_commit_stays_possible_until_the_next() -> None:
    told = Told()
    told.sent(0, 0, group="g")
    told.commits(10, 0)
    told.sent(500, 1, group="g")
    told.produces(600)
    told.produces(5000)
    told.commits(5010, 1)
    told.produces(5020)
    told.sent(5030, 2, group="g")
    told.produces(5040)
    assert unsure(told) == [[0, 1], [0, 1], [1], [1, 2]]


def test_of_whom_it_cannot_be_known_what_is_long_committed_is_possible_beside_others_only() -> None:
    told = Told()
    told.sent(0, 0, group="g")
    told.commits(10, 0)
    told.produces(3010)
    told.sent(3020, 1, group="g")
    told.produces(3030)
    told.produces(100_000)
    assert unsure(told) == [[], [0, 1], [1]]


def test_what_is_sent_and_committed_one_by_one_is_held_as_one() -> None:
    """Of whoever works behind there may be thousands, which would be gone through at each."""
    told, history = Told(), History(is_behind=True)
    for offset in range(50):
        told.sent(offset, offset, group="g")
        told.commits(offset, offset)
    told.sent(50, 50, group="g")
    told.produces(60)
    [(_, candidates, _)] = filter(None, history.go_on(told.notes))
    assert candidates.count == 51
    assert len(candidates.ranges) <= 3


def test_what_it_was_never_sent_is_not_held_with_what_is_around_it() -> None:
    told, history = Told(), History(is_behind=True)
    for offset in (*range(5), *range(20, 25)):
        told.sent(offset, offset, group="g")
        told.commits(offset, offset)
    told.sent(45, 45, group="g")
    told.produces(60)
    [(_, candidates, _)] = filter(None, history.go_on(told.notes))
    found = {offset for _, _, offset in candidates.some(0, 100)}
    assert found == {*range(5), *range(20, 25), 45}


@pytest.mark.parametrize("habit", ["is_behind", "is_unsure", "late"])
def test_of_what_is_kept_for_a_window_no_more_than_a_few_ranges_are_gone_through(
    habit: str,
) -> None:
    """A service that commits first has committed hundreds of batches within a second."""
    told = Told()
    for offset in range(300):
        told.sent(offset, offset, group="g")
        told.commits(offset, offset)
        told.produces(offset)
    known = {"late": {(PRODUCER, "invoices")}} if habit == "late" else {habit: True}
    history = History(**known)  # type: ignore[arg-type]
    found = [candidates for _, candidates, _ in filter(None, history.go_on(told.notes))]
    assert [each.count for each in found] == list(range(1, 301))
    assert max(len(each.ranges) for each in found) <= 10


def test_what_was_passed_over_stays_so_when_ranges_are_joined() -> None:
    told = Told()
    for offset in range(50):
        told.sent(offset, offset, group="g")
        told.commits(offset, offset)
    told.sent(50, 50, group="g")
    told.produces(51, topic="mails")
    assert of_each(told, "invoices") == [["orders@50"]]
