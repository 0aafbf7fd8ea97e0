"""Ranges of what a process was sent, against the same records one by one."""

from __future__ import annotations

import random

import pytest

from fakebus.lineage.candidates import Candidates, SentRange, distinct
from fakebus.lineage.history import History, _Held
from fakebus.storage.lineage_interface import NoteRow


def ranges(chosen: random.Random) -> list[SentRange]:
    found = []
    for client in range(chosen.randrange(2, 12)):
        first = chosen.randrange(20)
        last, at_ms = first + chosen.randrange(6), chosen.randrange(100)
        found.append(SentRange("orders", chosen.randrange(2), first, last, client, "g", at_ms))
    return found


def records_of(sent: SentRange) -> list[tuple[str, int, int]]:
    return [(sent.topic, sent.partition, at) for at in range(sent.first, sent.last + 1)]


@pytest.mark.parametrize("seed", range(50))
def test_each_record_is_told_once_as_it_was_sent_first(seed: int) -> None:
    some = ranges(random.Random(seed))
    first_sent = dict[tuple[str, int, int], int]()
    for sent in some:
        for record in records_of(sent):
            first_sent.setdefault(record, sent.client)
    left = list(distinct(some))
    told = [(record, sent.client) for sent in left for record in records_of(sent)]
    assert told == list(first_sent.items())
    for sent in left:
        # As many as were cut off before it.
        assert sent.passed == sent.first - next(
            whole.first for whole in some if whole.client == sent.client
        )


@pytest.mark.parametrize("seed", range(50))
def test_a_record_is_found_where_it_stands(seed: int) -> None:
    candidates = Candidates(tuple(distinct(ranges(random.Random(seed)))))
    order = candidates.some(0, 1000)
    assert candidates.count == len(order)
    for record in [("orders", partition, at) for partition in (0, 1, 2) for at in range(30)]:
        assert candidates.holds(*record) == (record in order)
        place = order.index(record) if record in order else len(order)
        assert candidates.place_of(*record) == place


def test_what_some_groups_have_in_their_hands_is_not_looked_at_when_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process may read for hundreds of groups; each note concerns one of them."""
    looked, expire = [0], _Held.expire

    def counted(held: _Held, before_ms: int, *, but_last: bool = False) -> None:
        looked[0] += 1
        expire(held, before_ms, but_last=but_last)

    monkeypatch.setattr(_Held, "expire", counted)
    notes, groups = list[NoteRow](), 200

    def note(verb: str, client: int, topic: str, at: int, group: str = "") -> None:
        number = len(notes) + 1
        notes.append(NoteRow(number, number, number, verb, client, topic, 0, at, at, group))

    for at in range(3):
        for client in range(groups):
            note("fetched", client, "orders", at, f"group-{client}")
        for client in range(groups):
            note("produced", groups, "invoices", at * groups + client)
            note("committed", client, "orders", at, f"group-{client}")
    told = [candidates for _, candidates, _ in filter(None, History().go_on(notes))]
    assert {each.count for each in told} == {1}
    assert looked[0] < 10 * len(notes)
