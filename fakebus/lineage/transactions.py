"""Transactions as flows see them: what one has read, what it has written, and how it ended.

A transaction is told by the notes of its producer's process. What was written has its transactional
id, what it has committed says so, and its end stands behind both. So of the transactions of one
producer, which follow each other, a note belongs to the one whose end comes next.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from fakebus.broker.activity import READ_UNCOMMITTED, Origin, in_transaction
from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.transactions.coordinator import TransactionCoordinator
from fakebus.broker.transactions.state import TransactionState
from fakebus.broker.verbs import TRANSACTION_ENDS
from fakebus.escaping import printable
from fakebus.lineage.candidates import Candidates, SentRange, distinct
from fakebus.lineage.history import COMMITTED, PRODUCED, SENT
from fakebus.lineage.known import Clients, Known
from fakebus.lineage.records import PartOfTransaction
from fakebus.storage.lineage_interface import NoteRow

_VERBS = (PRODUCED, COMMITTED, *TRANSACTION_ENDS)
_CHUNK = 2000
"""Notes that are read in one go."""
_MOST_CHUNKS = 20


class OpenTransaction(NamedTuple):
    """Transaction that holds back a partition, and whose it is."""

    transactional_id: str
    """Empty for one that the coordinator does not know."""
    producer_id: int
    client_id: str
    since_ms: int
    timeout_ms: int
    service: str = ""

    def __str__(self) -> str:
        if not self.transactional_id:
            return f"a transaction of producer {self.producer_id}"
        named = {"client": self.client_id, "service": self.service}
        who = ", ".join(f"{what} {printable(name)}" for what, name in named.items() if name)
        whose = printable(self.transactional_id)
        return f"the transaction of {whose} ({who})" if who else f"the transaction of {whose}"


def holding_back(
    coordinator: TransactionCoordinator,
    log: PartitionLog,
    service_of: Callable[[Origin], str] = lambda _: "",
) -> OpenTransaction | None:
    """Return the transaction that the last stable offset of a log stands before."""
    transactions = log.producers.transactions
    if transactions is None or not transactions.open:
        return None
    producer_id = next(iter(transactions.open.values()))
    for state in coordinator.ongoing:
        if state.producer_id == producer_id:
            return open_transaction(coordinator, state, service_of)
    return OpenTransaction("", producer_id, "", -1, -1)


def open_transaction(
    coordinator: TransactionCoordinator,
    state: TransactionState,
    service_of: Callable[[Origin], str],
) -> OpenTransaction:
    """Return whose the open transaction of a transactional id is."""
    name, times = state.transactional_id, (state.start_ms, state.timeout_ms)
    origin = coordinator.origins.get(name)
    who = ("", "") if origin is None else (origin.client_id, service_of(origin))
    return OpenTransaction(name, state.producer_id, who[0], *times, who[1])


class _Span(NamedTuple):
    """Numbers between which the notes of a transaction lie: the end before it, and its own."""

    after: int
    upto: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """Transaction that has ended."""

    written: Sequence[NoteRow]
    """Notes of what it has written, oldest first."""
    read: Sequence[NoteRow]
    """Notes of what it has committed for groups, oldest first."""
    state: str
    """``committed`` or ``aborted``."""

    def turn(self, note: NoteRow, offset: int) -> int:
        """Return how many records it has written to the same topic before one of a note."""
        earlier = (
            each for each in self.written if each.topic == note.topic and each.seq < note.seq
        )
        return sum(each.last - each.first + 1 for each in earlier) + offset - note.first


class Transactions:
    """Transactions of records, for the time of one question.

    Args:
        store: what is known of what clients did.
        clients: which of them are one process or one group.
    """

    def __init__(self, store: Known, clients: Clients) -> None:
        self._store = store
        self._clients = clients
        self._found: dict[str, dict[_Span, Transaction]] = {}
        self._open: dict[str, int] = {}
        """From which number on no end of a producer's transaction is known."""

    async def of(self, note: NoteRow) -> Transaction | None:
        """Return the transaction that a note of what was written or committed belongs to.

        Returns:
            ``None`` if it belongs to none, or to one that is open or not known any more.
        """
        name = name_of(note)
        if not name:
            return None
        known = self._found.setdefault(name, {})
        for span, transaction in known.items():
            if span.after < note.seq <= span.upto:
                return transaction
        if note.seq >= self._open.get(name, note.seq + 1):
            return None
        found = await self._find(name, note)
        if found is None:
            self._open[name] = note.seq
            return None
        span, transaction = found
        known[span] = transaction
        return transaction

    async def part_of(self, note: NoteRow) -> PartOfTransaction | None:
        """Return what part a record that is gone had in a transaction, by the note of it."""
        name, transaction = name_of(note), await self.of(note)
        state = "open" if transaction is None else transaction.state
        return PartOfTransaction(name, -1, state) if name else None

    async def _find(self, name: str, note: NoteRow) -> tuple[_Span, Transaction] | None:
        clients = self._clients.of_process(note.client)
        notes: list[NoteRow] = []
        async for each in self._behind(clients, note.seq):
            if name_of(each) == name:
                notes.append(each)
                if each.verb in TRANSACTION_ENDS:
                    break
        else:
            return None
        end, after = notes.pop(), -1
        async for each in self._before(clients, note.seq):
            if name_of(each) == name:
                if each.verb in TRANSACTION_ENDS:
                    after = each.seq
                    break
                notes.append(each)
        notes.sort()
        return _Span(after, end.seq), Transaction(
            [each for each in notes if each.verb == PRODUCED],
            [each for each in notes if each.verb == COMMITTED],
            end.verb.rpartition(" ")[2],
        )

    async def inputs(self, note: NoteRow) -> Candidates:
        """Return what the transaction of a written record has committed, as it was sent before.

        What its producer's process was sent counts; where nothing is known of that, what the
        group's members were.
        """
        transaction = await self.of(note)
        own: Collection[int] = self._clients.of_process(note.client)
        found: list[tuple[int, SentRange]] = []
        for read in transaction.read if transaction is not None else ():
            where = read.topic, read.partition, read.first, read.last
            rows = await self._store.notes_in(*where, _CHUNK)
            sent = [self._clients.completed(each) for each in rows if each.verb == SENT]
            is_own = any(each.client in own for each in sent)
            readers = own if is_own else self._clients.of_group(read.group)
            for each in sent:
                if each.client in readers and _is_before(each, note):
                    first, last = max(each.first, read.first), min(each.last, read.last)
                    sees_all = each.detail == READ_UNCOMMITTED
                    at = *where[:2], first, last
                    who = each.client, read.group, each.at_ms
                    found.append((each.seq, SentRange(*at, *who, sees_all)))
        found.sort(key=itemgetter(0))
        return Candidates(tuple(distinct([each for _, each in found])))

    async def _behind(self, clients: Sequence[int], seq: int) -> AsyncIterator[NoteRow]:
        """Yield the notes of a process from a number on, oldest first."""
        for begin in range(seq, seq + _MOST_CHUNKS * _CHUNK, _CHUNK):
            seqs = begin, begin + _CHUNK - 1
            notes = await self._store.notes_of_clients(clients, seqs, _VERBS, _CHUNK)
            for note in reversed(notes):
                yield note

    async def _before(self, clients: Sequence[int], seq: int) -> AsyncIterator[NoteRow]:
        """Yield the notes of a process before a number, newest first."""
        for _ in range(_MOST_CHUNKS):
            notes = await self._store.notes_of_clients(clients, (0, seq - 1), _VERBS, _CHUNK)
            for note in notes:
                yield note
            if len(notes) < _CHUNK:
                return
            seq = notes[-1].seq


def name_of(note: NoteRow) -> str:
    """Return the transactional id of a note's transaction; empty if it is part of none."""
    if note.verb == PRODUCED or note.verb in TRANSACTION_ENDS:
        return note.member
    prefix = in_transaction("")
    return note.detail.removeprefix(prefix) if note.detail.startswith(prefix) else ""


def _is_before(sent: NoteRow, written: NoteRow) -> bool:
    """Whether something was sent before at least some of what was written."""
    in_between = written.at_ms < written.until_ms and sent.at_ms <= written.until_ms
    return sent.seq < written.seq or in_between
