"""The event loop is shared: work beyond the budget of a turn waits for the next ones."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from fakebus.broker import turns as turns_module
from fakebus.broker.turns import (
    SLICE_S,
    Pace,
    Rounds,
    SharedWork,
    SharedWorks,
    TurnBudget,
    Turnstile,
    in_turns,
)


async def test_work_within_the_budget_is_done_at_once() -> None:
    done: list[int] = []
    turns = TurnBudget(units=3)
    for number in range(3):
        turns.run(1, lambda number=number: done.append(number))  # type: ignore[misc]
    assert done == [0, 1, 2]


async def test_work_beyond_the_budget_waits_for_the_next_turns_in_order() -> None:
    done: list[int] = []
    turns = TurnBudget(units=2)
    for number in range(7):
        turns.run(1, lambda number=number: done.append(number))  # type: ignore[misc]
    seen = [len(done)]
    while len(done) < 7:
        await asyncio.sleep(0)
        seen.append(len(done))
    assert done == list(range(7))
    assert seen == [2, 4, 6, 7]


async def test_work_does_not_overtake_what_stands_in_line() -> None:
    done: list[str] = []
    turns = TurnBudget()
    turns.run_later(1, lambda: done.append("first"))
    turns.run(1, lambda: done.append("second"))
    assert done == []
    await asyncio.sleep(0)
    assert done == ["first", "second"]


async def test_the_budget_is_new_in_the_next_turn() -> None:
    done: list[int] = []
    turns = TurnBudget(units=2)
    turns.run(2, lambda: done.append(1))
    await asyncio.sleep(0)
    turns.run(2, lambda: done.append(2))
    assert done == [1, 2]


async def test_a_piece_larger_than_the_budget_has_a_turn_of_its_own() -> None:
    done: list[str] = []
    turns = TurnBudget(units=10)
    turns.run(1000, lambda: done.append("large"))
    turns.run(1, lambda: done.append("small"))
    assert done == ["large"]
    await asyncio.sleep(0)
    assert done == ["large", "small"]


async def test_later_means_not_in_this_turn() -> None:
    done: list[int] = []
    turns = TurnBudget()
    turns.run_later(1, lambda: done.append(1))
    assert done == []
    await asyncio.sleep(0)
    assert done == [1]


async def test_a_piece_that_fails_does_not_hold_up_the_others() -> None:
    failures: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))
    done: list[int] = []
    turns = TurnBudget()

    def fail() -> None:
        raise ValueError("broken")

    turns.run_later(1, fail)
    turns.run_later(1, lambda: done.append(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert done == [1]
    with pytest.raises(ValueError, match="broken"):
        raise failures[0]  # type: ignore[misc]


async def test_a_slice_that_is_used_up_leaves_the_loop_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others: list[int] = []
    seen: list[int] = []
    now = 0.0
    monkeypatch.setattr(turns_module, "monotonic", lambda: now)
    asyncio.get_running_loop().call_soon(others.append, 1)
    async for item in in_turns(range(4)):
        now += SLICE_S / 2 + 0.0001
        seen.append(len(others))
        asyncio.get_running_loop().call_soon(others.append, item)
    assert seen == [0, 0, 3, 3]


async def test_work_that_can_wait_rests_only_while_others_have_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    now = requests_s = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds + requests_s

    monkeypatch.setattr(turns_module, "monotonic", lambda: now)
    monkeypatch.setattr(turns_module.asyncio, "sleep", sleep)
    pace = Pace(rest_s=2)
    await pace.keep()
    assert slept == []
    for others_s in (0.0, 0.001, 0.0, 0.0):
        requests_s = others_s
        now += 0.001
        await pace.keep()
    # While it rests nothing tells that others have work, until it has rested for long enough.
    assert slept == [0, 0, 2, 0]


async def test_of_many_who_wait_for_a_turn_one_goes_on_in_each() -> None:
    turnstile, log = Turnstile(), list[str]()

    async def go(number: int) -> None:
        await turnstile.turn()
        log.append(f"{number} goes on")

    async def others() -> None:
        while sum(each != "turn" for each in log) < 3:
            log.append("turn")
            await asyncio.sleep(0)

    await asyncio.gather(*map(go, range(3)), others())
    assert [each for each in log if each != "turn"] == [f"{n} goes on" for n in range(3)]
    places = [log.index(f"{number} goes on") for number in range(3)]
    assert "turn" in log[places[0] : places[1]]
    assert "turn" in log[places[1] : places[2]]


async def test_behind_a_long_turn_others_have_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakebus.broker.turns._LONG_S", -1.0)
    turnstile, rests, sleep = Turnstile(), list[float](), asyncio.sleep

    async def noting(delay_s: float) -> None:
        rests.append(delay_s)
        await sleep(0)

    monkeypatch.setattr("fakebus.broker.turns.asyncio.sleep", noting)
    await turnstile.turn()
    assert rests == []
    await asyncio.gather(*(turnstile.turn() for _ in range(3)))
    assert len(rests) >= 2
    assert all(rests)


class Work:
    """Work that ends when it is told to, and returns how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.has_begun, self.may_end = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        self.has_begun.set()
        await self.may_end.wait()
        return number


async def test_who_asks_while_work_is_under_way_shares_the_next_one() -> None:
    shared, work = SharedWork(), Work()
    early = [asyncio.create_task(shared.outcome(work)) for _ in range(3)]
    await work.has_begun.wait()
    late = [asyncio.create_task(shared.outcome(work)) for _ in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert work.begun == 1, "it is under way once"
    work.may_end.set()
    assert await asyncio.gather(*early) == [1, 1, 1]
    assert await asyncio.gather(*late) == [2, 2, 2], "no answer is older than its question"
    assert await shared.outcome(work) == 3


async def test_who_gives_up_does_not_end_shared_work_for_the_others() -> None:
    shared, work = SharedWork(), Work()
    first, second = (asyncio.create_task(shared.outcome(work)) for _ in range(2))
    await work.has_begun.wait()
    first.cancel()
    work.may_end.set()
    assert await second == 1


async def test_all_who_share_work_are_told_that_it_has_failed() -> None:
    shared = SharedWork()

    async def fail() -> None:
        raise LookupError

    found = await asyncio.gather(*(shared.outcome(fail) for _ in range(2)), return_exceptions=True)
    assert [type(each) for each in found] == [LookupError] * 2


async def test_of_many_that_use_up_their_slices_one_goes_on_in_each_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns_module, "SLICE_S", -1.0)
    log = list[str]()

    async def work(name: str) -> None:
        async for _ in in_turns(range(2)):
            log.append(name)

    works = asyncio.gather(work("a"), work("b"), work("c"))
    while not works.done():
        log.append("turn")
        await asyncio.sleep(0)
    second = log[log.index("c") + 1 :]
    assert [each for each in second if each != "turn"] == ["a", "b", "c"]
    for before, after in (("a", "b"), ("b", "c")):
        assert "turn" in second[second.index(before) : second.index(after)]


async def test_shared_works_are_kept_only_while_they_are_under_way() -> None:
    works, done = SharedWorks(), list[str]()

    async def work(name: str) -> str:
        await asyncio.sleep(0)
        done.append(name)
        return name

    asked = [works.outcome(name, partial(work, name)) for name in "aabb"]
    assert await asyncio.gather(*asked) == ["a", "a", "b", "b"]
    assert sorted(done) == ["a", "b"]
    assert works.is_idle


class Question:
    """A question that is answered when it may be, and notes who was answered before it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(self, known: list[str]) -> str:
        self.has_begun.set()
        await self.may_end.wait()
        known.append(self.name)
        return "".join(known)


async def test_who_asks_while_a_round_is_under_way_is_answered_in_the_next_one() -> None:
    rounds = Rounds[list[str]](list, most_at_once=1)
    asked = [Question(name) for name in "abcd"]
    answers = [asyncio.create_task(rounds.ask(asked[0]))]
    await asked[0].has_begun.wait()
    answers += [asyncio.create_task(rounds.ask(each)) for each in asked[1:3]]
    for each in asked[1:3]:
        each.may_end.set()
    for _ in range(9):
        await asyncio.sleep(0)
    assert not asked[1].has_begun.is_set(), "no more rounds are under way at once"
    asked[0].may_end.set()
    assert await asyncio.gather(*answers) == ["a", "b", "bc"]
    asked[3].may_end.set()
    assert await rounds.ask(asked[3]) == "d", "what a round knew is forgotten"


async def test_a_large_round_lets_another_one_go_on_beside_it() -> None:
    rounds = Rounds[list[str]](list, most_at_once=2)
    large, small, third = (Question(name) for name in "lst")
    large_answer = asyncio.create_task(rounds.ask(large))
    await large.has_begun.wait()
    small.may_end.set()
    assert await rounds.ask(small) == "s"
    third.may_end.set()
    assert await rounds.ask(third) == "t"
    assert not large_answer.done()
    large.may_end.set()
    assert await large_answer == "l"


async def test_a_round_has_so_many_questions_and_the_others_are_of_the_next_one() -> None:
    rounds = Rounds[list[str]](list, most_at_once=1, most_askers=2)
    asked = [Question(name) for name in "abcdef"]
    answers = [asyncio.create_task(rounds.ask(each)) for each in asked]
    await asked[0].has_begun.wait()
    for each in asked:
        each.may_end.set()
    assert await asyncio.gather(*answers) == ["a", "b", "bc", "d", "de", "f"]


@pytest.mark.parametrize("has_begun", [False, True])
async def test_who_gives_up_a_question_holds_up_nobody(*, has_begun: bool) -> None:
    rounds = Rounds[list[str]](list, most_at_once=1)
    first, second, last = (Question(name) for name in "fsl")
    waiting = [asyncio.create_task(rounds.ask(each)) for each in (first, second)]
    if has_begun:
        await first.has_begun.wait()
    waiting[0].cancel()
    second.may_end.set()
    assert await waiting[1] == "s"
    last.may_end.set()
    assert await rounds.ask(last) == "l"


async def test_who_gives_up_before_a_round_begins_lets_no_other_round_begin() -> None:
    rounds = Rounds[list[str]](list, most_at_once=1)
    first, gone, last = (Question(name) for name in "fgl")
    answers = [asyncio.create_task(rounds.ask(first))]
    await first.has_begun.wait()
    asked = asyncio.create_task(rounds.ask(gone))
    await asyncio.sleep(0)
    asked.cancel()
    answers.append(asyncio.create_task(rounds.ask(last)))
    for _ in range(9):
        await asyncio.sleep(0)
    assert not last.has_begun.is_set()
    first.may_end.set()
    last.may_end.set()
    assert await asyncio.gather(*answers) == ["f", "l"]


async def test_a_question_that_fails_ends_no_other() -> None:
    rounds = Rounds[list[str]](list, most_at_once=1)

    async def fail(known: list[str]) -> str:
        raise LookupError

    good = Question("g")
    good.may_end.set()
    found = await asyncio.gather(rounds.ask(fail), rounds.ask(good), return_exceptions=True)
    assert [type(found[0]), found[1]] == [LookupError, "g"]
    assert await rounds.ask(good) == "g"
