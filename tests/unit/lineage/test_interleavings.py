"""Random interleavings of services whose true causes are known: no edge may leave them out."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.unit.lineage.stories import Story


class Process:
    """Process of a service: it fetches ahead, works in threads and commits what is done."""

    def __init__(self, story: Story, name: str, chosen: random.Random) -> None:
        self.story, self.name, self.chosen = story, name, chosen
        self.producers = [f"{name} producer-{number}" for number in range(chosen.choice([1, 3]))]
        self.in_hand: list[str] = []
        self.done: set[str] = set()

    def fetch(self, orders: list[str], most: int) -> None:
        if orders:
            batch = [orders.pop(0) for _ in range(min(len(orders), most))]
            self.story.sent(f"{self.name} consumer", *batch, group="g")
            self.in_hand += batch

    def work(self, truth: dict[str, str]) -> None:
        left = [order for order in self.in_hand if order not in self.done]
        if left:
            order = self.chosen.choice(left)
            for _ in range(self.chosen.choice([1, 1, 2])):
                truth[self.story.writes(self.chosen.choice(self.producers), "invoices")] = order
            self.done.add(order)

    def commit(self) -> None:
        passed = []
        while self.in_hand and self.in_hand[0] in self.done:
            passed.append(self.in_hand.pop(0))
        if passed:
            self.story.commits(f"{self.name} consumer", *passed, group="g")

    def die(self, orders: list[str]) -> None:
        """Leave what is not committed to whoever comes next."""
        orders[:0] = self.in_hand
        self.in_hand.clear()
        self.done.clear()


@pytest.mark.parametrize("seed", range(12))
async def test_the_true_cause_is_told_alone_or_among_its_rivals(seed: int) -> None:
    chosen, story = random.Random(seed), Story()
    orders = [story.writes("shop", "orders") for _ in range(60)]
    waiting, truth, number = list(orders), dict[str, str](), 0
    process = Process(story, "billing0", chosen)
    most = chosen.choice([1, 1, 5, 20])
    while waiting or process.in_hand:
        step = chosen.random()
        if step < 0.02:
            process.die(waiting)
            number += 1
            process = Process(story, f"billing{number}", chosen)
        elif step < 0.3 and (most > 1 or not process.in_hand):
            process.fetch(waiting, most)
        elif step < 0.8:
            process.work(truth)
        else:
            process.commit()
        story.later(chosen.choice([0, 1, 50, 700]))
    outcome: Counter[str] = Counter()
    causes = story.causes
    for effect, cause in truth.items():
        links = await causes.of(story.place(effect))
        told = [str(link.cause) for link in links]
        assert {link.rivals for link in links} == {len(links) - 1}
        assert cause in told, (effect, cause, told)
        outcome["alone" if len(links) == 1 else "among rivals"] += 1
    if most == 1:
        # The next record ends what a committed one may have caused, so that nothing is left open.
        assert outcome["among rivals"] == 0
