"""Likeness of possible causes."""

from __future__ import annotations

import random

from fakebus.lineage.place import Place
from fakebus.lineage.ranking import Contents, Likeness


def test_the_rank_of_a_cause_is_its_place_in_the_order() -> None:
    chosen = random.Random(1)

    def contents() -> Contents:
        key = chosen.choice([None, b"a", b"b", b"c"])
        return Contents(key, frozenset(chosen.sample(["17", "18", "19", 20, 21, 22], 2)))

    for count in (1, 2, 3, 7, 40):
        causes = [Place("orders", 0, offset) for offset in range(count)]
        likeness = Likeness(causes, {cause: contents() for cause in causes})
        for turn in range(-1, count + 2):
            effect = contents()
            order = likeness.ranking(effect, turn).order()
            ranks = [likeness.ranking(effect, turn).rank(cause) for cause in order]
            assert ranks == list(range(1, count + 1))
    assert likeness.ranking(effect, 0).rank(Place("others", 0, 0)) == 0


def test_the_same_key_and_ids_that_few_have_come_before_the_order() -> None:
    causes = [Place("orders", 0, offset) for offset in range(40)]
    told = {cause: Contents(b"%d" % cause.offset, frozenset(["shop"])) for cause in causes}
    told[causes[30]] = Contents(b"5", frozenset(["shop", "order-17"]))
    likeness = Likeness(causes, told)
    effect = Contents(b"5", frozenset(["shop", "order-17"]))
    assert likeness.ranking(effect, 12).order()[:4] == [causes[each] for each in (30, 5, 12, 13)]
    assert likeness.ranking(effect, 12).rank(causes[13]) == 4


def test_the_likeness_of_causes_that_stand_together_is_that_of_these_alone() -> None:
    causes = [Place("orders", 0, offset) for offset in range(60)]
    told = {
        cause: Contents(b"%d" % (cause.offset % 7), frozenset([cause.offset % 20 + 10]))
        for cause in causes
    }
    all_of_them = Likeness(causes, told)
    effect = Contents(b"5", frozenset([12, 13]))
    for begin, end in ((0, 60), (0, 1), (17, 44), (59, 60)):
        part = all_of_them.part([tuple(cause) for cause in causes[begin:end]])
        assert part is not None
        alone = Likeness(causes[begin:end], told)
        for turn in (0, 5, 90):
            order = alone.ranking(effect, turn).order()
            assert part.ranking(effect, turn).order() == order
            assert [part.ranking(effect, turn).rank(cause) for cause in causes] == [
                order.index(cause) + 1 if cause in order else 0 for cause in causes
            ]
    assert all_of_them.part(causes[:2] + causes[3:4]) is None
    assert all_of_them.part([Place("others", 0, 0)]) is None
