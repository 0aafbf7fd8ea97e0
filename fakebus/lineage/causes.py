"""Causes of a record, and how each of them is known.

*Stated* is what a record says itself: the id of its cause, where it was put aside from, which
request it answers; and what the transaction has committed that it was written in. *Correlated* are
records of one trace or one business transaction; of those only direct causes are joined, which is
settled by what was stated and by which process was sent what, and by time where nothing is known of
that. *Observed* is what :mod:`fakebus.lineage.history` tells. A cause that is stated, or correlated
and observed, leaves no room for others that are only observed.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import starmap

from fakebus.broker.activity import READ_UNCOMMITTED
from fakebus.broker.verbs import WRITTEN
from fakebus.lineage.candidates import Candidates, SentRange
from fakebus.lineage.findings import Findings
from fakebus.lineage.hands import Hands
from fakebus.lineage.history import COMMITTED, SENT, WINDOW_MS
from fakebus.lineage.known import Clients, Known, is_former_name
from fakebus.lineage.links import CORRELATED, HINTED, NOTHING_KNOWN, STATED, Link, Possible
from fakebus.lineage.place import Place, parse_place
from fakebus.lineage.ranking import Likeness, Ranking
from fakebus.lineage.records import Records
from fakebus.lineage.same_keys import MOST_SAME, SameKeys
from fakebus.lineage.transactions import Transactions
from fakebus.storage.lineage_interface import IdentityRow, NoteRow

MOST_OF_A_FLOW = 100
"""Records of one trace or transaction whose order is worked out."""
MOST_RIVALS = MOST_EFFECTS = 500
"""Possible causes of one record that are told, and possible effects."""
_MOST_LIKENESSES = 8
"""That are remembered, since they may be those of other records in part."""
_FEW = 100
"""Of more: those that are likeliest by their order."""
_BELONGING = ("trace", "correlation")


class Causes:
    """Causes and effects of records, for the time of some questions that come one after the other.

    Args:
        store: what is known of records and clients.
        clients: which of them are one process.
        records: what is in the records.
        window_ms: for how long a committed record may still be a cause, and how long after each
            other records with the same key are written that hint at one.
    """

    def __init__(
        self, store: Known, clients: Clients, records: Records, window_ms: int = WINDOW_MS
    ) -> None:
        self._store = store
        self._clients = clients
        self._records = records
        self._same_keys = SameKeys(store, records, window_ms)
        self._written: dict[Place, NoteRow | None] = {}
        self._identities: dict[Place, list[IdentityRow]] = {}
        self.transactions = Transactions(store, clients)
        """The transactions that records were written in."""
        self._hands = Hands(store, clients, window_ms)
        self._possible: dict[int, Possible] = {}
        """By the number of the note of what was produced."""
        self._rankings: dict[Place, Ranking] = {}
        self._alike: dict[tuple[int, int], Likeness] = {}
        """By the number of a note, and where some of many candidates begin."""
        self._likenesses: deque[Likeness] = deque(maxlen=_MOST_LIKENESSES)
        self._findings = Findings()
        self.begin = self._findings.begin
        """Begins another question."""

    @property
    def cut(self) -> Counter[str]:
        """What was left out of the answer to the present question, and how much of it."""
        return self._findings.cut()

    @property
    def not_found(self) -> Mapping[Place, Mapping[str, str]]:
        """The ids of causes that records state and nothing else has, by what states them."""
        return self._findings.notes

    async def written(self, place: Place) -> NoteRow | None:
        """Return the note of who wrote a record, ``None`` if it is not known any more."""
        if place not in self._written:
            notes = await self._store.notes_at(*place, WRITTEN, MOST_RIVALS)
            # A topic of that name may have been there before.
            self._written[place] = notes[-1] if notes else None
        return self._written[place]

    async def identities(self, place: Place) -> list[IdentityRow]:
        """Return what a record says of itself."""
        if place not in self._identities:
            self._identities[place] = await self._store.identities_of(*place)
        return self._identities[place]

    async def of(self, effect: Place) -> list[Link]:
        """Return the links to a record from its causes, the likeliest first."""
        return await self._findings.once(("causes", effect), partial(self._find, effect))

    async def _find(self, effect: Place) -> list[Link]:
        found = {cause: (STATED, by) for cause, by in (await self._stated(effect)).items()}
        possible, evidence, by = await self.possible(effect)
        left_out = 0
        settled = evidence != STATED if found else False
        for cause in found:
            settled = settled or possible.holds(*cause)
        for row in () if found else await self.identities(effect):
            if row.kind in _BELONGING:
                for cause in (await self._direct_causes(row)).get(effect, ()):
                    is_sure = possible.holds(*cause)
                    settled = settled or is_sure
                    is_stated = is_sure and evidence == STATED
                    found.setdefault(cause, (STATED, by) if is_stated else (CORRELATED, row.rule))
        if possible.count and not settled:
            # Those of a topic that another has the name of now count, and have no name to be told.
            ranked = (await self._ranking(effect)).order()
            unsure = [place for place in ranked if not is_former_name(place.topic)]
            for place in unsure:
                found.setdefault(place, (evidence, by))
            left_out = possible.count - len(unsure)
        elif not found:
            hinted = await self._hinted(effect)
            found = dict.fromkeys(hinted[:MOST_SAME], (HINTED, "key"))
            left_out = len(hinted) - len(found)
        self._findings.left_out["possible causes", effect] = left_out
        rivals = len(found) + left_out - 1
        return [
            Link(cause, effect, evidence, by, rank, rivals)
            for rank, (cause, (evidence, by)) in enumerate(found.items(), 1)
        ]

    # -- stated --

    async def _stated(self, effect: Place) -> dict[Place, str]:
        found: dict[Place, str] = {}
        rows, lacking = await self.identities(effect), dict[str, bytes]()
        for row in rows:
            if row.kind == "origin":
                origin = parse_place(row.value.decode("utf-8", "replace"))
                if origin is not None and origin != effect and await self._was(origin, effect):
                    found[origin] = row.rule
            elif row.kind in ("cause", "reply"):
                kind = "identity" if row.kind == "cause" else "request"
                named = await self._named(effect, kind, row.value)
                found.update(dict.fromkeys(named, row.rule))
                if row.kind == "cause" and not named:
                    lacking[row.rule] = row.value
        own = {row.value for row in rows if row.kind == "identity"}
        # What has no cause may name itself.
        self._findings.notes[effect] = {
            by: value.decode("utf-8", "replace")
            for by, value in lacking.items()
            if value not in own
        }
        return found

    async def _was(self, place: Place, effect: Place) -> bool:
        """Whether there is, or was, such a record when another one was written."""
        note = await self.written(effect)
        if note is not None and await self._store.is_former(place.topic, note):
            return False
        return self._records.ever_was(place) or await self.written(place) is not None

    async def _named(self, effect: Place, kind: str, value: bytes) -> list[Place]:
        """Return what had an id before a record named it: copies only where it is not settled."""
        rows = await self._store.with_identity([kind], value, MOST_OF_A_FLOW)
        earlier = await self._before(effect, {Place(*row[2:5]) for row in rows})
        sent = await self._sent_to_writer(effect, earlier)
        return sent or earlier

    async def _before(self, effect: Place, places: Iterable[Place]) -> list[Place]:
        """Return those of some records that are older than another one, in their order."""
        end = await self._moment(effect)
        moments = [(await self._moment(place), place) for place in places if place != effect]
        return [place for moment, place in sorted(moments) if moment < end]

    async def _moment(self, place: Place) -> tuple[int, int, int]:
        """Return what orders records by when they came; their own time only if nothing else is."""
        note = await self.written(place)
        if note is not None:
            return note.at_ms, note.seq, place.offset
        record = await self._records.read(place)
        return (0 if record is None else record.timestamp, 0, place.offset)

    async def _sent_to_writer(self, effect: Place, places: Sequence[Place]) -> list[Place]:
        """Return those of some records that the process which wrote another one was sent before."""
        note = await self.written(effect)
        if note is None:
            return []
        clients = set(self._clients.of_process(note.client))
        found = []
        for place in places:
            sent = await self._store.notes_at(*place, [SENT], MOST_RIVALS)
            mine = [each for each in sent if each.client in clients and each.seq < note.seq]
            if mine and await self._is_read(place, mine):
                found.append(place)
        return found

    async def _is_read(self, place: Place, sent: Sequence[NoteRow]) -> bool:
        """Whether any of those who were sent a record was given it by its library."""
        sees_aborted = any(each.detail == READ_UNCOMMITTED for each in sent)
        at = SentRange(*place, place.offset, 0, "", 0, sees_aborted)
        return bool(await self._records.given([at]))

    # -- correlated --

    async def _direct_causes(self, row: IdentityRow) -> dict[Place, list[Place]]:
        """Return, for each record of a trace or transaction, its direct causes among them."""

        async def find() -> dict[Place, list[Place]]:
            rows = await self._store.with_identity([row.kind], row.value, MOST_OF_A_FLOW + 1)
            if len(rows) > MOST_OF_A_FLOW:
                what = f"{row.kind} with older records than its newest {MOST_OF_A_FLOW}"
                self._findings.left_out[what, row.value] = 1
                # Of another question the record that is asked about first is another one.
                self._findings.is_own = True
            members = {Place(*each[2:5]) for each in rows[:MOST_OF_A_FLOW]} | {Place(*row[2:5])}
            return await self._joined(members)

        return await self._findings.once((row.kind, row.value), find)

    async def _joined(self, members: set[Place]) -> dict[Place, list[Place]]:
        moments = sorted([(await self._moment(place), place) for place in members])
        order = [place for _, place in moments]
        direct: dict[Place, list[Place]] = {}
        ancestors: dict[Place, set[Place]] = {}
        for at, effect in enumerate(order):
            earlier = order[:at]
            causes = [cause for cause in await self._stated(effect) if cause in ancestors]
            if not causes:
                sent = await self._sent_to_writer(effect, earlier)
                note = await self.written(effect) if sent else None
                produced = await self._hands.at(note) if note is not None else None
                causes = [
                    cause for cause in sent if produced and produced.candidates.holds(*cause)
                ] or sent
            if not causes:
                causes = earlier[-1:]
            nearest = [
                cause
                for cause in causes
                if not any(cause in ancestors[other] for other in causes if other != cause)
            ]
            direct[effect] = nearest
            ancestors[effect] = set(nearest).union(*(ancestors[cause] for cause in nearest))
        return direct

    # -- observed --

    async def possible(self, effect: Place) -> Possible:
        """Return what may have caused a record by what its process was sent, and committed."""
        note = await self.written(effect)
        if note is None:
            return NOTHING_KNOWN
        if note.seq not in self._possible:
            inputs = await self._given(await self.transactions.inputs(note))
            found = Possible(inputs, STATED, "transaction")
            if not inputs.count and (produced := await self._hands.at(note)) is not None:
                observed = await self._given(produced.candidates)
                found = NOTHING_KNOWN._replace(candidates=observed)
            self._possible[note.seq] = found
        return self._possible[note.seq]

    async def _given(self, candidates: Candidates) -> Candidates:
        """Return candidates without what no program is given."""
        given = await self._records.given(candidates.ranges)
        return candidates if given is candidates.ranges else Candidates(tuple(given))

    async def _ranking(self, effect: Place) -> Ranking:
        """Return how likely the possible causes of a record are, those that are told."""
        if effect not in self._rankings:
            contents = await self._records.contents([effect])
            turn, likeness = await self._likeness(effect)
            self._rankings[effect] = likeness.ranking(contents[effect], turn)
        return self._rankings[effect]

    async def _likeness(self, effect: Place) -> tuple[int, Likeness]:
        """Return the place of a record in the order of those of its process, and its causes."""
        note, (candidates, evidence, _) = await self.written(effect), await self.possible(effect)
        turn, number = 0, -1
        if note is not None and evidence == STATED:
            transaction = await self.transactions.of(note)
            turn = 0 if transaction is None else transaction.turn(note, effect.offset)
        elif note is not None:
            produced = await self._hands.at(note)
            turn = (produced.turn if produced else 0) + effect.offset - note.first
        number = -1 if note is None else note.seq
        most = _told(candidates.count, MOST_RIVALS)
        begin = candidates.begin_around(turn, most)
        if (number, begin) not in self._alike:
            some = candidates.some(begin, most)
            parts = (each.part(some) for each in self._likenesses)
            likeness = next((part for part in parts if part is not None), None)
            if likeness is None:
                causes = list(starmap(Place, some))
                likeness = Likeness(causes, await self._records.contents(causes))
                self._likenesses.appendleft(likeness)
            self._alike[number, begin] = likeness
        return turn - begin, self._alike[number, begin]

    # -- hinted --

    async def _hinted(self, effect: Place) -> list[Place]:
        """Return what has the same key and was written just before; first what had been sent."""
        note = await self.written(effect)
        if note is None or note.verb != "produced":
            return []
        found = await self._same_keys.before(effect, note)
        had_been_sent = set()
        for place in found[:MOST_SAME]:
            rows = await self._store.notes_at(*place, [SENT], MOST_RIVALS)
            sent = [each for each in rows if each.seq < note.seq]
            if sent and await self._is_read(place, sent):
                had_been_sent.add(place)
        return sorted(found, key=lambda place: place not in had_been_sent)

    async def _hinted_effects(self, cause: Place) -> list[Place]:
        """Return what has the same key and was written just after, and no other cause so far."""
        note = await self.written(cause)
        if note is None:
            return []
        return await self._same_keys.after(cause, note, self._hands.is_empty)

    async def _link(self, cause: Place, effect: Place) -> Link | None:
        """Return the link of two records, ``None`` if there is none."""
        candidates, evidence, by = await self.possible(effect)
        is_told = self._findings.has(("causes", effect)) or await self.identities(effect)
        if candidates.count and not is_told and not candidates.has_former:
            # Nothing can be stated or correlated, so that the others need not be told.
            if not candidates.holds(*cause):
                return None
            rank, rivals = (await self._ranking(effect)).rank(cause), candidates.count - 1
            return Link(cause, effect, evidence, by, rank, rivals) if rank else None
        return next((link for link in await self.of(effect) if link.cause == cause), None)

    # -- effects --

    async def effects(self, cause: Place) -> list[Link]:
        """Return the links from a record to its effects, in the order in which they came."""
        return await self._findings.once(("effects", cause), partial(self._find_effects, cause))

    async def _find_effects(self, cause: Place) -> list[Link]:
        found: dict[Place, None] = {}
        for row in await self.identities(cause):
            if row.kind in ("identity", "request"):
                kind = "cause" if row.kind == "identity" else "reply"
                found.update(await self._with(kind, row.value))
            elif row.kind in _BELONGING:
                direct = await self._direct_causes(row)
                found.update(dict.fromkeys(each for each in direct if cause in direct[each]))
        aside = await self._store.put_aside(*cause, MOST_EFFECTS)
        found.update({Place(*row[2:5]): None for row in reversed(aside)})
        found.update(await self._observed_effects(cause))
        for note in await self._store.notes_at(*cause, [COMMITTED], MOST_RIVALS):
            transaction = await self.transactions.of(note)
            if transaction is not None and transaction.written:
                inputs = await self.transactions.inputs(transaction.written[-1])
                place = inputs.place_of(*cause)
                found.update(dict.fromkeys(self._around(place, transaction.written)))
        found.update(dict.fromkeys(await self._hinted_effects(cause)))
        await self._records.contents(found)
        named = [effect for effect in found if not is_former_name(effect.topic)]
        links = [link for effect in named if (link := await self._link(cause, effect))]
        moments = {link.effect: await self._moment(link.effect) for link in links}
        return sorted(links, key=lambda link: moments[link.effect])

    async def _with(self, kind: str, value: bytes) -> dict[Place, None]:
        rows = await self._store.with_identity([kind], value, MOST_EFFECTS)
        return {Place(*row[2:5]): None for row in reversed(rows)}

    async def _observed_effects(self, cause: Place) -> dict[Place, None]:
        """Return what was produced by processes that had a record in their hands.

        Of very many those are returned that stand where the record does, counted in the order in
        which it was sent.
        """
        sent = await self._store.notes_at(*cause, [SENT], MOST_RIVALS)
        found: dict[Place, None] = {}
        for produced in filter(None, await self._hands.holding(cause, sent)):
            place = produced[0].candidates.place_of(*cause) - produced[0].turn
            found.update(dict.fromkeys(self._around(place, [each.note for each in produced])))
        return found

    def _around(self, place: int, notes: Sequence[NoteRow]) -> Iterator[Place]:
        """Yield what is noted in some notes; of very much what stands around a place."""
        by_topic: dict[str, list[NoteRow]] = defaultdict(list)
        for note in notes:
            by_topic[note.topic].append(note)
        for noted in by_topic.values():
            count = sum(note.last - note.first + 1 for note in noted)
            most = _told(count, MOST_EFFECTS // len(by_topic))
            begin = max(0, min(place - most // 2, count - most))
            left_out = max(0, count - most)
            self._findings.left_out["possible effects", (noted[0].seq, place)] = left_out
            for note in noted:
                first = note.first + begin
                last = min(note.last, first + most - 1)
                begin = max(0, begin - (note.last - note.first + 1))
                for offset in range(first, last + 1):
                    most -= 1
                    found = Place(note.topic, note.partition, offset)
                    self._written.setdefault(found, note)
                    yield found


def _told(count: int, most: int) -> int:
    """Return how many of several are told."""
    return count if count <= most else _FEW
