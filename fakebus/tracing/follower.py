"""Follower of what clients do: it makes the spans of each record's way.

A record is sent, polled by each reader, processed from then until it is committed, and committed.
Its spans belong to the trace that its headers name; without one, to that of its likeliest cause, as
the lineage tells it, and else to one of its own.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from fakebus.broker.activity import LIBRARY, MOST_REMEMBERED, READ_UNCOMMITTED, Activity
from fakebus.broker.broker import Broker
from fakebus.broker.chores import FailureLog
from fakebus.broker.tail import LogCursor
from fakebus.broker.turns import Pace
from fakebus.broker.verbs import WRITTEN
from fakebus.lineage.clients import Client, Run
from fakebus.lineage.lineage import PEERS_MS, Lineage
from fakebus.lineage.place import Place
from fakebus.records.record import Record
from fakebus.tracing.spans import (
    CLUSTER_ID,
    Context,
    Span,
    attributes_of,
    child_of,
    context_in,
    root_context,
    sent_since,
)
from fakebus.types import TopicPartition

if TYPE_CHECKING:
    from fakebus.lineage.flow import Flows
    from fakebus.lineage.identities import Identities
    from fakebus.lineage.links import Link
    from fakebus.tracing.exporter import Exporter

_AT_ONCE = 200
"""Records of an activity that are looked at together."""
_MOST_KNOWN = 20_000
"""Records whose contexts are known, and records that are being processed."""
_MOST_LINKS = 8
_QUIET_S = 15.0
_LAST_S = 0.3
"""How long it is looked at what clients did last when the bus ends."""
_BEFORE = "produced", 0, LIBRARY
"""What was done before the bus began to look."""

K = TypeVar("K")


class _Held(NamedTuple):
    """Record that a client was sent and has not committed."""

    sent: Context
    record: Record
    process: Context
    since_ms: int


@dataclass(eq=False, slots=True)
class _Delivery:
    """Delivery of records to a client, until they are committed."""

    activity: Activity
    client: Client
    group: str
    records: dict[Place, _Held]

    def is_of(self, activity: Activity, client: Client) -> bool:
        """Whether what a client does with the partition concerns it."""
        if self.group and activity.group:
            return self.group == activity.group
        return self.client.run is client.run


class Tracing:
    """Follower of one bus that has spans sent of what clients do.

    Args:
        broker: the bus.
        lineage: knows which services clients are.
        identities: knows what headers say.
        flows: gives what knows the causes of records.
        exporter: takes the spans.
    """

    def __init__(
        self,
        broker: Broker,
        lineage: Lineage,
        identities: Identities,
        flows: Callable[[], Flows],
        exporter: Exporter,
    ) -> None:
        self._broker = broker
        self._lineage = lineage
        self._identities = identities
        self._flows = flows
        self._exporter = exporter
        self.counts = exporter.counts
        """How many spans were exported, dropped and not taken."""
        self._seen = lineage.activity.number
        self._sent: OrderedDict[Place, Context] = OrderedDict()
        """The contexts of ``send`` spans, the newest last."""
        self._processed: OrderedDict[tuple[Place, Run], Context] = OrderedDict()
        """The contexts of ``process`` spans, by the process that was sent the record."""
        self._deliveries: OrderedDict[_Delivery, None] = OrderedDict()
        self._by_partition: dict[tuple[str, int], dict[_Delivery, None]] = {}
        self._held_records = 0
        self._pace = Pace()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with what clients do from now on."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """Look at what is left, as far as that is soon done, and stop."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait((task,))
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                await self._pass()
        while self._deliveries:
            self._let_go(next(iter(self._deliveries)))
        await self._exporter.close()

    async def _follow(self) -> None:
        failures = FailureLog("making spans")
        while True:
            failures.begin_run()
            is_quiet = False
            with failures.catch("all topics"):
                is_quiet = not await self._pass()
            if is_quiet:
                await self._lineage.noted_within(_QUIET_S)

    async def _pass(self) -> bool:
        """Make spans of what clients did since; return whether there was anything."""
        self._seen, missed, found = self._lineage.activity.after(self._seen, MOST_REMEMBERED)
        self._exporter.drop(missed)
        # A client's service, and what it was sent before it wrote, is told by its process, which is
        # looked up beside.
        with suppress(TimeoutError):
            async with asyncio.timeout(PEERS_MS / 1000):
                for peer in {each.origin.peer for each in found if each.origin.peer is not None}:
                    await peer.known()
        # Of what is written behind it is to be known that the client was sent something before.
        self._lineage.write_all()
        for activity in found:
            if activity.topic.startswith("_"):
                continue
            if activity.verb in WRITTEN or activity.verb == "fetched":
                take = self._poll if activity.verb == "fetched" else self._send
                for part in _parts(activity):
                    count = part.last_offset - part.offset + 1
                    if self._exporter.room() < count:
                        self._exporter.drop(count)
                    else:
                        await take(part)
            elif activity.verb == "committed":
                await self._commit(activity, 0, activity.offset - 1)
            elif activity.verb == "acknowledged":
                await self._commit(activity, activity.offset, activity.last_offset)
        return bool(found)

    # -- what is sent --

    async def _send(self, activity: Activity) -> None:
        client = self._client_of(activity)
        records = await self._records(activity)
        parents = await self._parents(records, is_caused=bool(client.run.fetched), run=client.run)
        for place, record in records.items():
            parent, links = parents[place]
            context = child_of(parent, "send", place)
            _remember(self._sent, place, context)
            told = attributes_of("send", activity, record.offset, record)
            if links:
                told |= {"fakebus.evidence": links[0].evidence, "fakebus.rivals": links[0].rivals}
            others = [self._sent[each.cause] for each in links[1:] if each.cause in self._sent]
            since_ms = sent_since(record, activity.at_ms)
            self._put("send", activity, client, context, parent, since_ms, told, others)
            await self._pace.keep()

    async def _parents(
        self, records: Mapping[Place, Record], *, is_caused: bool, run: Run | None = None
    ) -> dict[Place, tuple[Context, Sequence[Link]]]:
        """Return the contexts that records were written in, and the causes that say so, if any.

        Args:
            records: what was written.
            is_caused: whether what wrote them was sent records, too.
            run: the process that wrote them, if it is known.
        """
        found: dict[Place, tuple[Context, Sequence[Link]]] = {}
        asked = []
        for place, record in records.items():
            context = context_in(record, self._identities.reader, place.topic)
            if context is None and (is_caused or record.headers):
                asked.append(place)
            found[place] = context or self._root(place, record), ()
        causes = await self._flows().direct_causes(asked) if asked else {}
        for place, links in causes.items():
            if links:
                found[place] = await self._of_cause(links[0].cause, run), links[:_MOST_LINKS]
        return found

    async def _of_cause(self, place: Place, run: Run | None) -> Context:
        """Return the context of what a process has done with a record."""
        known = (run and self._processed.get((place, run))) or self._sent.get(place)
        if known is None:
            # It was sent before the bus began to look.
            contexts = await self._sent_contexts(Activity(*_BEFORE, *place, place.offset))
            known = contexts[place][0] if contexts else Context(0, 0)
        return known

    async def _sent_contexts(self, activity: Activity) -> dict[Place, tuple[Context, Record]]:
        """Return the contexts of the ``send`` spans of some offsets, and the records."""
        records = await self._records(activity)
        unknown = {place: record for place, record in records.items() if place not in self._sent}
        for place, (parent, _) in (await self._parents(unknown, is_caused=False)).items():
            _remember(self._sent, place, child_of(parent, "send", place))
        return {place: (self._sent[place], record) for place, record in records.items()}

    def _root(self, place: Place, record: Record) -> Context:
        topic = self._broker.topics.get(place.topic)
        return root_context(b"" if topic is None else topic.topic_id.bytes, place, record)

    async def _records(self, activity: Activity) -> dict[Place, Record]:
        """Return the records of an activity that clients are given."""
        place = TopicPartition(activity.topic, activity.partition)
        log = self._broker.topics.logs.get(place)
        if log is None:
            return {}
        sees_all = activity.verb != "fetched" or activity.detail == READ_UNCOMMITTED
        end = activity.last_offset + 1
        cursor = LogCursor(log, activity.offset, end=end, committed=not sees_all)
        found: dict[Place, Record] = {}
        while records := await cursor.records():
            found |= {Place(*place, record.offset): record for record in records}
        return found

    # -- what is delivered --

    async def _poll(self, activity: Activity) -> None:
        client = self._client_of(activity)
        groups = client.facts["groups"]
        group = activity.group or (groups[0] if len(groups) == 1 else "")
        contexts = await self._sent_contexts(activity)
        delivery = _Delivery(activity, client, group, self._held_before(activity, client))
        for place, (sent, record) in contexts.items():
            told = attributes_of("poll", activity, place.offset, record, group)
            what = place, client.number, activity.at_ms
            context, process = child_of(sent, "poll", *what), child_of(sent, "process", *what)
            self._put("poll", activity, client, context, sent, activity.at_ms, told)
            held = _Held(sent, record, process, activity.at_ms)
            _remember(
                self._processed,
                (place, client.run),
                delivery.records.setdefault(place, held).process,
            )
            await self._pace.keep()
        if delivery.records and group:
            self._deliveries[delivery] = None
            self._by_partition.setdefault((activity.topic, activity.partition), {})[delivery] = None
            self._held_records += len(delivery.records)
        while self._held_records > _MOST_KNOWN:
            self._let_go(next(iter(self._deliveries)))

    def _held_before(self, activity: Activity, client: Client) -> dict[Place, _Held]:
        """Take what a client is sent once more out of where it was; another one's ends there."""
        found: dict[Place, _Held] = {}
        for delivery in self._deliveries_of(activity, client):
            first, last = activity.offset, activity.last_offset
            again = [place for place in delivery.records if first <= place.offset <= last]
            for place in again:
                if delivery.client.run is client.run:
                    found[place] = delivery.records[place]
                else:
                    self._process(delivery, place, activity.at_ms)
            self._take_out(delivery, again)
        return found

    def _deliveries_of(self, activity: Activity, client: Client) -> list[_Delivery]:
        there = self._by_partition.get((activity.topic, activity.partition), ())
        return [each for each in there if each.is_of(activity, client)]

    async def _commit(self, activity: Activity, first: int, last: int) -> None:
        client = self._client_of(activity)
        for delivery in self._deliveries_of(activity, client):
            done = [place for place in delivery.records if first <= place.offset <= last]
            for place in done:
                process = self._process(delivery, place, activity.at_ms)
                told = attributes_of("commit", activity, place.offset, None, activity.group)
                context = child_of(process, "commit", activity.at_ms)
                self._put("commit", activity, client, context, process, activity.at_ms, told)
                await self._pace.keep()
            self._take_out(delivery, done)

    def _process(self, delivery: _Delivery, place: Place, end_ms: int) -> Context:
        """Have the span of a record's processing sent; return its context."""
        polled, client, held = delivery.activity, delivery.client, delivery.records[place]
        told = attributes_of("process", polled, place.offset, held.record, delivery.group)
        ended = polled._replace(at_ms=end_ms)
        self._put("process", ended, client, held.process, held.sent, held.since_ms, told)
        return held.process

    def _let_go(self, delivery: _Delivery) -> None:
        """Wait for no commit of a delivery any more: its processing ends without one."""
        for place in delivery.records:
            self._process(delivery, place, self._broker.clock.now_ms())
        self._take_out(delivery, tuple(delivery.records))

    def _take_out(self, delivery: _Delivery, places: Sequence[Place]) -> None:
        for place in places:
            del delivery.records[place]
        self._held_records -= len(places)
        if delivery.records:
            return
        self._deliveries.pop(delivery)
        where = delivery.activity.topic, delivery.activity.partition
        del self._by_partition[where][delivery]
        if not self._by_partition[where]:
            del self._by_partition[where]

    def _client_of(self, activity: Activity) -> Client:
        return self._lineage.clients.of(activity.origin, activity.at_ms)

    def _put(
        self,
        operation: str,
        activity: Activity,
        client: Client,
        context: Context,
        parent: Context,
        start_ms: int,
        told: Mapping[str, str | int | bool],
        links: Sequence[Context] = (),
    ) -> None:
        service = self._lineage.clients.service_of(client)
        told = {**told, CLUSTER_ID: self._broker.cluster_id}
        times = min(start_ms, activity.at_ms), activity.at_ms
        span = Span(operation, activity.topic, service, context, parent, *times, told, links)
        self._exporter.put(span)


def _parts(activity: Activity) -> Iterator[Activity]:
    for first in range(activity.offset, activity.last_offset + 1, _AT_ONCE):
        last = min(first + _AT_ONCE - 1, activity.last_offset)
        yield activity._replace(offset=first, last_offset=last)


def _remember(known: OrderedDict[K, Context], key: K, context: Context) -> None:
    known[key] = context
    known.move_to_end(key)
    if len(known) > _MOST_KNOWN:
        known.popitem(last=False)
