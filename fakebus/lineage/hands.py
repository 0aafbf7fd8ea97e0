"""Hands of processes: what each had in them when it produced a record, as far as it is noted.

The history of a process is worked out in blocks of notes, each of them once for a question, however
many records it is asked about: one block goes on where the one before it has ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from fakebus.broker.turns import Slices
from fakebus.lineage.candidates import Candidates, SentRange
from fakebus.lineage.clients import THE_BUS
from fakebus.lineage.history import LOST_TRACK, NEWEST, PRODUCED, VERBS, History
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

    def __init__(self, produced: Sequence[Produced]) -> None:
        self.produced = produced
        self._runs = list[tuple[int, int]]()
        """Between which places what was produced has the same candidates."""
        self._levels: set[int] = set()
        self._holding: dict[tuple[str, int, int, int], list[tuple[int, SentRange]]]
        self._holding = defaultdict(list)
        """Ranges by the smallest aligned one that holds each, and the run that has it."""

    async def index(self, slices: Slices) -> None:
        """Let what was produced be found; others get their turns."""
        begin = 0
        for _, run in groupby(self.produced, lambda each: id(each.candidates)):
            await slices.keep()
            some = list(run)
            for sent in some[0].candidates.ranges:
                level = (sent.first ^ sent.last).bit_length()
                self._levels.add(level)
                aligned = sent.topic, sent.partition, level, sent.last >> level
                self._holding[aligned].append((len(self._runs), sent))
            self._runs.append((begin, begin + len(some)))
            begin += len(some)

    def holding(self, cause: Place) -> list[Produced]:
        """Return what was produced with a record in the hands."""
        topic, partition, offset = cause
        runs = {
            run
            for level in self._levels
            for run, sent in self._holding.get((topic, partition, level, offset >> level), ())
            if sent.first <= offset <= sent.last
        }
        places = [self._runs[run] for run in sorted(runs)]
        return [each for begin, end in places for each in self.produced[begin:end]]


class _Process(NamedTuple):
    """Clients of a process."""

    number: int
    """Stands for all of them, as there may be hundreds."""
    clients: Sequence[int]


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
        self._processes: dict[tuple[int, ...], _Process] = {}
        self._process_of: dict[int, _Process] = {}
        self._blocks: dict[tuple[int, int], _Block] = {}
        self._notes: dict[tuple[int, int], list[NoteRow]] = {}
        self._losses: list[NoteRow] | None = None
        """When something may have been done that is not noted, as the bus was killed."""
        self._busy: set[int] = set()
        self._slices = Slices()
        self._histories: dict[tuple[int, int], History] = {}
        """Histories that can go on with a block."""

    def is_empty(self, note: NoteRow) -> bool:
        """Whether nothing is known of what a process had in its hands when it produced."""
        known = self._known.get(note.seq)
        return known is None or not known.candidates.ranges

    async def at(self, note: NoteRow) -> Produced | None:
        """Return what a process had in its hands when it produced something."""
        if note.verb == PRODUCED and note.seq not in self._known:
            await self._block(self._process(note.client), note.seq // _BLOCK)
        return self._known.get(note.seq)

    async def holding(self, cause: Place, sent: Iterable[NoteRow]) -> list[list[Produced]]:
        """Return what processes have produced with a record in their hands, each one's by itself.

        Args:
            cause: the record.
            sent: the notes of who was sent it.
        """
        since: dict[int, dict[int, int]] = defaultdict(dict)
        for each in sent:
            begun = since[self._process(each.client).number]
            number = each.seq // _BLOCK
            begun[number] = min(each.at_ms, begun.get(number, each.at_ms))
        processes = {each.number: each for each in self._processes.values()}
        return [await self._held_by(processes[each], cause, since[each]) for each in since]

    async def _held_by(
        self, process: _Process, cause: Place, since: Mapping[int, int]
    ) -> list[Produced]:
        """Return what a process has produced with a record in its hands, in order.

        Args:
            process: the process.
            cause: the record.
            since: the blocks in which it was sent it, and when that was for the first time.
        """
        held: dict[int, list[Produced]] = {}

        async def look(number: int) -> bool:
            """Look into a block; return whether it was in the hands at the end of it, or may be."""
            block = await self._block(process, number)
            if number not in held:
                held[number] = block.holding(cause)
            more = held[number]
            return not block.produced or (bool(more) and more[-1] is block.produced[-1])

        for number, at_ms in since.items():
            # A note of several records may have begun before.
            for before in range(number - 1, number - 1 - _MOST_BEFORE, -1):
                notes = await self._notes_in(process, before + 1)
                if before < 0 or (notes and notes[0].at_ms < at_ms - MERGE_MS):
                    break
                await look(before)
            for behind in range(number, number + _MOST_BLOCKS):
                if not await look(behind):
                    break
        found = {each.note.seq: each for some in held.values() for each in some}
        return [found[seq] for seq in sorted(found)]

    def _process(self, client: int) -> _Process:
        if client not in self._process_of:
            clients = tuple(self._clients.of_process(client))
            new = _Process(len(self._processes), clients)
            self._process_of[client] = self._processes.setdefault(clients, new)
        return self._process_of[client]

    async def _block(self, process: _Process, number: int) -> _Block:
        key = process.number, number
        if key not in self._blocks:
            self._blocks[key] = await self._block_anew(process, number)
        return self._blocks[key]

    async def _block_anew(self, process: _Process, number: int) -> _Block:
        notes, ahead = await self._notes_in(process, number), list[NoteRow]()
        if any(note.verb == PRODUCED and note.until_ms >= notes[-1].at_ms for note in notes):
            ahead = await self._notes_in(process, number + 1)
        history = self._histories.pop((process.number, number), None)
        if history is None:
            clients = process.clients
            late = {(each, topic) for each in clients for topic in self._clients.late_topics(each)}
            is_behind = any(map(self._clients.is_behind, clients))
            is_unsure = any(map(self._clients.is_unsure, clients))
            history = History(self._window_ms, late, is_behind=is_behind, is_unsure=is_unsure)
            seqs = 0, number * _BLOCK - 1
            before = await self._read(clients, seqs, _MOST_NOTES) if number else []
            for _ in history.go_on(before, notes):
                await self._slices.keep()
        produced = []
        for found in history.go_on(notes, ahead):
            # Of a process with hundreds of groups each note takes its time.
            await self._slices.keep()
            if found is not None:
                produced.append(Produced(*found))
        block = _Block(produced)
        await block.index(self._slices)
        self._histories[process.number, number + 1] = history
        self._known.update((each.note.seq, each) for each in block.produced)
        return block

    async def _notes_in(self, process: _Process, number: int) -> list[NoteRow]:
        own = process.number
        if (own, number) not in self._notes:
            # Of a process that does little, what it did in many blocks is read in one go.
            count = 1 if own in self._busy else 1 + _MOST_BLOCKS
            seqs = number * _BLOCK, (number + count) * _BLOCK - 1
            notes = await self._read(process.clients, seqs, _BLOCK)
            if count > 1 and len(notes) >= _BLOCK:
                self._busy.add(own)
                return await self._notes_in(process, number)
            for each in range(number, number + count):
                self._notes.setdefault((own, each), [])
            for at, of_block in groupby(notes, lambda note: note.seq // _BLOCK):
                self._notes[own, at] = list(of_block)
        return self._notes[own, number]

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
