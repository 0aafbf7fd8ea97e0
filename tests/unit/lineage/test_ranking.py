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
            order = likeness.order(effect, turn)
            ranks = [likeness.rank(effect, turn, cause) for cause in order]
            assert ranks == list(range(1, count + 1))
    assert likeness.rank(effect, 0, Place("others", 0, 0)) == 0


def test_the_same_key_and_ids_that_few_have_come_before_the_order() -> None:
    causes = [Place("orders", 0, offset) for offset in range(40)]
    told = {cause: Contents(b"%d" % cause.offset, frozenset(["shop"])) for cause in causes}
    told[causes[30]] = Contents(b"5", frozenset(["shop", "order-17"]))
    likeness = Likeness(causes, told)
    effect = Contents(b"5", frozenset(["shop", "order-17"]))
    assert likeness.order(effect, 12)[:4] == [causes[each] for each in (30, 5, 12, 13)]
    assert likeness.rank(effect, 12, causes[13]) == 4
