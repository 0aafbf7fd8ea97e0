"""Single records, by their places."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol

from fakebus.broker.partition_log import PartitionLog
from fakebus.broker.tail import LogCursor
from fakebus.broker.topics import Topics
from fakebus.broker.transactions.state import TransactionState
from fakebus.lineage.candidates import SentRange, without
from fakebus.lineage.place import Place
from fakebus.lineage.ranking import NOTHING, Contents, contents_of
from fakebus.records.batch import CONTROL_BIT, TRANSACTIONAL_BIT
from fakebus.records.record import Record
from fakebus.storage.interface import ABORT_FLAG, BatchSummary
from fakebus.types import TopicPartition

Decode = Callable[[str, bytes | None], Awaitable[object]]
"""Returns what the value of a topic's record stands for."""
_LARGEST_VALUE = 64 * 1024
"""Values above this are not compared."""
_GAP = 20
"""Offsets between two records that are read in one go."""
_BESIDE = 16
"""Offsets whose records are read together."""
_SMALL = 4096
"""Bytes of values on average up to which more records are read than are asked for."""
_WINDOW = 256
"""Offsets whose batches are looked at in one go."""
_NOWHERE = Place("\uffff", -1, -1)
"""A place behind all others."""


class PartOfTransaction(NamedTuple):
    """Part that a record, or a marker, has in a transaction."""

    transactional_id: str
    """Empty if it is not known any more."""
    producer_id: int
    state: str
    """``open``, ``committed`` or ``aborted``."""
    is_marker: bool = False

    def told(self) -> dict[str, object]:
        """Return what flows tell of it."""
        return {name: getattr(self, name) for name in self._fields[:3]}


class Records(Protocol):
    """Records, as far as their causes depend on them."""

    def ever_was(self, place: Place) -> bool:
        """Whether a topic that exists has, or had, a record there."""

    async def read(self, place: Place) -> Record | None:
        """Return a record, ``None`` if it is gone or never was."""

    async def load(self, places: Iterable[Place]) -> None:
        """Read records in one go, as far as that is possible."""

    async def contents(self, places: Iterable[Place]) -> dict[Place, Contents]:
        """Return what is compared of records; nothing of those that are gone."""

    async def given(self, ranges: Sequence[SentRange]) -> Sequence[SentRange]:
        """Return what was sent without what no consumer is given of it; the same if it is all.

        Markers of transactions are no records, and what was aborted is left out by consumers that
        read committed records only.
        """

    async def transaction_at(self, place: Place) -> PartOfTransaction | None:
        """Return what part a record has in a transaction; ``None`` if it is in none, or gone."""


class LogRecords:
    """Reader of single records in the logs of a bus, for the time of one question.

    Args:
        topics: the broker's topics.
        decode: understands values.
        transactions: all transactional ids, with the producers that have them.
    """

    def __init__(
        self, topics: Topics, decode: Decode, transactions: Iterable[TransactionState] = ()
    ) -> None:
        self._topics = topics
        self._decode = decode
        self._transactions = transactions
        self._read: dict[Place, Record | None] = {}
        self._has_small: set[PartitionLog] = set()
        self._contents: dict[Place, Contents] = {}
        self._batches: dict[tuple[str, int, int], Sequence[BatchSummary]] = {}

    def ever_was(self, place: Place) -> bool:
        """Whether a topic that exists has, or had, a record there."""
        log = self._topics.logs.get(TopicPartition(place.topic, place.partition))
        return log is not None and place.offset < log.high_watermark

    async def read(self, place: Place) -> Record | None:
        """Return a record, ``None`` if it is gone or never was."""
        if place not in self._read:
            await self._read_run([place])
        return self._read[place]

    async def contents(self, places: Iterable[Place]) -> dict[Place, Contents]:
        """Return what is compared of records; nothing of those that are gone."""
        known, wanted = self._contents, list(places)
        missing = [place for place in wanted if place not in known]
        if missing:
            await self.load(missing)
            for place in missing:
                known[place] = await self._contents_at(place)
        return {place: known[place] for place in wanted}

    async def load(self, places: Iterable[Place]) -> None:
        """Read records that lie close together in one go."""
        wanted = {each for each in places if each not in self._read}
        run: list[Place] = []
        for place in (*sorted(wanted), _NOWHERE) if wanted else ():
            if run and (place[:2] != run[0][:2] or place.offset - run[-1].offset > _GAP):
                await self._read_run(run)
                run = []
            run.append(place)

    async def _read_run(self, run: Sequence[Place]) -> None:
        topic, partition, first = run[0]
        log = self._topics.logs.get(TopicPartition(topic, partition))
        self._read.update(dict.fromkeys(run))
        if log is None:
            return
        # What lies beside it is next to be asked for, as a rule.
        begin, end = first // _BESIDE * _BESIDE, (run[-1].offset // _BESIDE + 1) * _BESIDE
        begin = begin if log in self._has_small else first
        cursor = LogCursor(log, max(begin, log.log_start_offset), end=end)
        while cursor.position <= run[-1].offset and (records := await cursor.records()):
            for record in records:
                self._read[Place(topic, partition, record.offset)] = record
            if sum(len(record.value or b"") for record in records) <= _SMALL * len(records):
                self._has_small.add(log)

    async def given(self, ranges: Sequence[SentRange]) -> Sequence[SentRange]:
        """Return what was sent without what no consumer is given of it; the same if it is all."""
        logs: dict[tuple[str, int], PartitionLog] = {}
        for place in {(sent.topic, sent.partition) for sent in ranges}:
            log = self._topics.logs.get(TopicPartition(*place))
            if log is not None and log.producers.transactions is not None:
                logs[place] = log
        if not logs:
            return ranges
        left: list[SentRange] = []
        for sent in ranges:
            parts = [sent]
            if (sent.topic, sent.partition) in logs:
                for first, last in await self._not_given(logs[sent.topic, sent.partition], sent):
                    parts = [rest for part in parts for rest in without(part, first, last)]
            left += parts
        return left

    async def _not_given(self, log: PartitionLog, sent: SentRange) -> Iterable[tuple[int, int]]:
        found: dict[int, int] = {}
        for at in range(sent.first // _WINDOW, sent.last // _WINDOW + 1):
            for batch in await self._batches_in(log, at):
                is_aborted = not sent.sees_aborted and log.producers.is_aborted(batch)
                if batch.attributes & CONTROL_BIT or is_aborted:
                    found[batch.base_offset] = batch.last_offset
        return found.items()

    async def transaction_at(self, place: Place) -> PartOfTransaction | None:
        """Return what part a record has in a transaction; ``None`` if it is in none, or gone."""
        log = self._topics.logs.get(TopicPartition(place.topic, place.partition))
        if log is None or (transactions := log.producers.transactions) is None:
            return None
        for batch in await self._batches_in(log, place.offset // _WINDOW):
            if batch.base_offset <= place.offset <= batch.last_offset:
                state = "committed"
                if not batch.attributes & TRANSACTIONAL_BIT:
                    return None
                if log.producers.is_aborted(batch) or batch.attributes & ABORT_FLAG:
                    state = "aborted"
                elif any(
                    producer_id == batch.producer_id and first <= place.offset
                    for first, producer_id in transactions.open.items()
                ):
                    state = "open"
                is_marker = bool(batch.attributes & CONTROL_BIT)
                name = self._names.get(batch.producer_id, "")
                return PartOfTransaction(name, batch.producer_id, state, is_marker)
        return None

    @cached_property
    def _names(self) -> Mapping[int, str]:
        return {each.producer_id: each.transactional_id for each in self._transactions}

    async def _batches_in(self, log: PartitionLog, window: int) -> Sequence[BatchSummary]:
        key = *log.topic_partition, window
        if key not in self._batches:
            found = await log.summaries(max(window * _WINDOW, log.log_start_offset), _WINDOW)
            self._batches[key] = found
        return self._batches[key]

    async def _contents_at(self, place: Place) -> Contents:
        record = await self.read(place)
        if record is None:
            return NOTHING
        if record.value is not None and len(record.value) > _LARGEST_VALUE:
            return Contents(record.key, frozenset())
        return contents_of(record.key, await self._decode(place.topic, record.value))
