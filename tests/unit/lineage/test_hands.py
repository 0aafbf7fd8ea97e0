"""What processes have in their hands is worked out in turns with everybody else's work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fakebus.broker import turns
from fakebus.lineage.hands import Hands
from fakebus.lineage.place import Place
from fakebus.storage.lineage_interface import NoteRow

GROUPS = 30


class Told:
    """A process with some groups that are all sent an order, and cause an invoice each."""

    def __init__(self) -> None:
        self.notes: list[NoteRow] = []
        for group in range(GROUPS):
            self._tell("fetched", group, "orders", 0, f"group-{group}")
        for group in range(GROUPS):
            self._tell("produced", GROUPS, "invoices", group)

    def _tell(self, verb: str, client: int, topic: str, at: int, group: str = "") -> None:
        seq = len(self.notes) + 1
        self.notes.append(NoteRow(seq, seq, seq, verb, client, topic, 0, at, at, group))

    def of_process(self, client: int) -> Sequence[int]:
        return range(GROUPS + 1)

    def completed(self, note: NoteRow) -> NoteRow:
        return note

    def late_topics(self, client: int) -> Sequence[str]:
        return ()

    def is_behind(self, client: int) -> bool:
        return False

    def is_unsure(self, client: int) -> bool:
        return False

    async def notes_of_clients(
        self, clients: Sequence[int], seqs: tuple[int, int], verbs: Sequence[str], most: int
    ) -> list[NoteRow]:
        first, last = seqs
        found = [each for each in self.notes if first <= each.seq <= last and each.verb in verbs]
        return found[::-1][:most]


async def test_each_note_is_worked_out_in_a_turn_of_its_own_if_it_takes_that_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "SLICE_S", 0.0)
    told = Told()
    hands = Hands(told, told, window_ms=1000)  # type: ignore[arg-type]  # what is asked of them
    turns_of_others = 0

    async def others() -> None:
        nonlocal turns_of_others
        while True:
            turns_of_others += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    [held] = await hands.holding(Place("orders", 0, 0), told.notes[:1])
    task.cancel()
    assert [each.note for each in held] == told.notes[GROUPS:]
    assert turns_of_others >= len(told.notes)
