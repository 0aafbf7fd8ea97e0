"""Hands of processes: what each had in them when it produced a record, as far as it is noted.

The history of a process is worked out in blocks of notes, each of them once for a question, however
many records it is asked about: one block goes on where the one before it has ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby, starmap
from typing import NamedTuple

from fakebus.lineage.clients import THE_BUS
from fakebus.lineage.history import (
    LOST_TRACK,
    NEWEST,
    PRODUCED,
    VERBS,
    Candidates,
    History,
    SentRange,
)
from fakebus.lineage.known import Clients, Known
from fakebus.lineage.notes import MERGE_MS
from fakebus.lineage.place import Place
from fakebus.storage.lineage_interface import NoteRow

_BLOCK = 2000
"""Notes of all processes, of which those of one are read in one go."""
_MOST_BLOCKS = 10
"""That are looked at after a record was sent."""
_MOST_BEFORE = 2
_MOST_LOSSES = 100
_MOST_NOTES = 2000
"""Notes of a process that are looked at before the first block."""


class Produced(NamedTuple):
    """Note of what a process has produced, and what it had in its hands then."""

    note: NoteRow
    candidates: Candidates
    turn: int
    """Which of the candidates the first record is due to if each of them caused one, from 0."""


class _Block:
    """Block of what a process has produced, to be found by what it had in its hands then.

    Args:
        produced: in order.
    """

    def __init__(self, produced: Iterable[Produced]) -> None:
        self.produced = list(produced)
        self._levels: set[int] = set()
        self._holding: dict[tuple[str, int, int, int], list[tuple[int, SentRange]]]
        self._holding = defaultdict(list)
        """Ranges by the smallest aligned one that holds each, and what was produced with it."""
        for at, each in enumerate(self.produced):
            for sent in each.candidates.ranges:
                level = (sent.first ^ sent.last).bit_length()
                self._levels.add(level)
                aligned = sent.topic, sent.partition, level, sent.last >> level
                self._holding[aligned].append((at, sent))

    def holding(self, cause: Place) -> list[Produced]:
        """Return what was produced with a record in the hands."""
        topic, partition, offset = cause
        found = {
            at
            for level in self._levels
            for at, sent in self._holding.get((topic, partition, level, offset >> level), ())
            if sent.first <= offset <= sent.last
        }
        return [self.produced[at] for at in sorted(found)]


class Hands:
    """Hands of all processes, for the time of one question.

    Args:
        store: what is known of what clients did.
        clients: which of them are one process.
        window_ms: for how long a committed record may still be a cause.
    """

    def __init__(self, store: Known, clients: Clients, window_ms: int) -> None:
        self._store = store
        self._clients = clients
        self._window_ms = window_ms
        self._known: dict[int, Produced] = {}
        """By the number of the note."""
        self._blocks: dict[tuple[tuple[int, ...], int], _Block] = {}
        self._notes: dict[tuple[tuple[int, ...], int], list[NoteRow]] = {}
        self._losses: list[NoteRow] | None = None
        """When something may have been done that is not noted, as the bus was killed."""
        self._busy: set[tuple[int, ...]] = set()
        self._histories: dict[tuple[tuple[int, ...], int], History] = {}
        """Histories that can go on with a block."""

    def is_empty(self, note: NoteRow) -> bool:
        """Whether nothing is known of what a process had in its hands when it produced."""
        known = self._known.get(note.seq)
        return known is None or not known.candidates.ranges

    async def at(self, note: NoteRow) -> Produced | None:
        """Return what a process had in its hands when it produced something."""
        if note.verb == PRODUCED and note.seq not in self._known:
            await self._block(tuple(self._clients.of_process(note.client)), note.seq // _BLOCK)
        return self._known.get(note.seq)

    async def holding(self, cause: Place, sent: NoteRow) -> list[Produced]:
        """Return what a process has produced with a record in its hands since it was sent it."""
        clients, number = tuple(self._clients.of_process(sent.client)), sent.seq // _BLOCK
        held: list[Produced] = []
        # A note of several records may have begun before.
        for before in range(number - 1, number - 1 - _MOST_BEFORE, -1):
            notes = await self._notes_in(clients, before + 1)
            if before < 0 or (notes and notes[0].at_ms < sent.at_ms - MERGE_MS):
                break
            held += (await self._block(clients, before)).holding(cause)
        for behind in range(number, number + _MOST_BLOCKS):
            block = await self._block(clients, behind)
            more = block.holding(cause)
            held += more
            if block.produced and (not more or more[-1] is not block.produced[-1]):
                break
        return held

    async def _block(self, clients: tuple[int, ...], number: int) -> _Block:
        if (clients, number) not in self._blocks:
            self._blocks[clients, number] = await self._block_anew(clients, number)
        return self._blocks[clients, number]

    async def _block_anew(self, clients: tuple[int, ...], number: int) -> _Block:
        notes, ahead = await self._notes_in(clients, number), list[NoteRow]()
        if any(note.verb == PRODUCED and note.until_ms >= notes[-1].at_ms for note in notes):
            ahead = await self._notes_in(clients, number + 1)
        history = self._histories.pop((clients, number), None)
        if history is None:
            late = {(each, topic) for each in clients for topic in self._clients.late_topics(each)}
            history, seqs = History(self._window_ms, late), (0, number * _BLOCK - 1)
            before = await self._read(clients, seqs, _MOST_NOTES) if number else []
            for _ in history.go_on(before, notes):
                pass
        block = _Block(starmap(Produced, history.go_on(notes, ahead)))
        self._histories[clients, number + 1] = history
        self._known.update((each.note.seq, each) for each in block.produced)
        return block

    async def _notes_in(self, clients: tuple[int, ...], number: int) -> list[NoteRow]:
        if (clients, number) not in self._notes:
            # Of a process that does little, what it did in many blocks is read in one go.
            count = 1 if clients in self._busy else 1 + _MOST_BLOCKS
            seqs = number * _BLOCK, (number + count) * _BLOCK - 1
            notes = await self._read(clients, seqs, _BLOCK)
            if count > 1 and len(notes) >= _BLOCK:
                self._busy.add(clients)
                return await self._notes_in(clients, number)
            for each in range(number, number + count):
                self._notes.setdefault((clients, each), [])
            for at, of_block in groupby(notes, lambda note: note.seq // _BLOCK):
                self._notes[clients, at] = list(of_block)
        return self._notes[clients, number]

    async def _read(
        self, clients: Sequence[int], seqs: tuple[int, int], most: int
    ) -> list[NoteRow]:
        notes = await self._store.notes_of_clients(clients, seqs, VERBS, most)
        if self._losses is None:
            of_all = (THE_BUS,), (0, NEWEST), (LOST_TRACK,), _MOST_LOSSES
            self._losses = await self._store.notes_of_clients(*of_all)
        told = list(map(self._clients.completed, reversed(notes)))
        losses = [note for note in self._losses if seqs[0] <= note.seq <= seqs[1]]
        return sorted((*told, *losses), key=lambda note: note.seq) if losses else told
