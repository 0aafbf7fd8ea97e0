"""What the test handle can do, as coroutines in the cluster's own event loop.

:class:`~fakebus.testing.handle.TestBus` and its ``aio`` twin offer these methods under the
same names, so the arguments, results and errors of both are written down here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fakebus.broker.verbs import TRANSACTION_ENDS
from fakebus.cluster.events import Event, Headers, encode, header_pairs
from fakebus.escaping import printable_lines
from fakebus.real_time import monotonic
from fakebus.records.record import NewRecord
from fakebus.testing.cluster import ScopedCluster
from fakebus.testing.flows import LOOK_AGAIN_S, Effects, drawn_flows
from fakebus.testing.group_waiting import GroupWatch
from fakebus.testing.groups import Until
from fakebus.testing.matching import Match, Wanted
from fakebus.testing.naming import Namespace
from fakebus.testing.timeline import draw_timeline
from fakebus.testing.typed import Schema, check_compatible, framed
from fakebus.types import TopicPartition
from fakebus.wording import counted

DEFAULT_TIMEOUT_S = 5.0
GROUP_TIMEOUT_S = 10.0
"""Twice what clients let pass between commits by default (auto.commit.interval.ms)."""
_SHOWN_EVENTS = 5
_TURN_S = 0.005
"""For how long events are looked at before others get their turn."""


_Judged = tuple[Event, list[str]]
"""An event, and why it is not what is wanted."""


def _by_time(event: Event) -> tuple[int, str, int, int]:
    return event.timestamp_ms, event.topic, event.partition, event.offset


class Observer:
    """One test's view of a cluster.

    Args:
        cluster: the cluster, from the beginning of the test on.
        namespace: the prefix of the test's topics and groups, if it has one.
        fixtures: directories of the fixture files that the test finds.
    """

    def __init__(
        self,
        cluster: ScopedCluster,
        namespace: Namespace | None = None,
        fixtures: Sequence[Path] = (),
    ) -> None:
        self.cluster = cluster
        self.namespace = namespace if namespace is not None else Namespace()
        self.fixtures = dict.fromkeys(fixtures)
        """The directories that the test finds the fixture files of."""
        self._began_ms = cluster.now_ms()
        self.published: set[tuple[str, int, int]] = set()
        """The topics, partitions and offsets of what the test has written itself."""

    async def publish(
        self,
        topic: str,
        value: Any = None,
        *,
        key: Any = None,
        headers: Headers | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Event:
        """Write one record and return it as it was stored.

        Args:
            topic: created when it does not exist, if the bus auto-creates topics.
            value: bytes, text, anything that JSON can say, or ``None`` for a tombstone.
            key: like ``value``; ``None`` for none.
            headers: names and values, in order.
            partition: which partition; chosen from the key as librdkafka does when left out.
            timestamp_ms: milliseconds since the epoch; now when left out.

        Raises:
            BrokerError: the broker refuses the record.
        """
        record = NewRecord(
            key=encode(key),
            value=encode(value),
            headers=header_pairs(headers),
            timestamp_ms=self.cluster.now_ms() if timestamp_ms is None else timestamp_ms,
        )
        event = await self.cluster.produce(self.namespace.real(topic), partition, record)
        self.published.add((event.topic, event.partition, event.offset))
        return event

    async def publish_event(
        self,
        topic: str,
        data: Any,
        *,
        subject: str | None = None,
        schema: Schema | None = None,
        schema_type: str = "AVRO",
        key: Any = None,
        key_subject: str | None = None,
        key_schema: Schema | None = None,
        headers: Headers | None = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Event:
        """Write one record whose value is coded with a schema, as serializers do.

        Args:
            topic: as for :meth:`publish`, and so are ``headers``, ``partition`` and
                ``timestamp_ms``.
            data: what the schema describes.
            subject: whose latest schema codes the data; ``<topic>-value`` when left out.
            schema: registered under the subject first, if given; a text, or data.
            schema_type: of ``schema``: ``AVRO``, ``JSON`` or ``PROTOBUF``.
            key: as for :meth:`publish`; coded with a schema if ``key_subject`` names one.
            key_subject: whose latest schema codes the key.
            key_schema: registered under ``key_subject`` first, if given.

        Raises:
            AssertionError: there is no such subject, the schema is refused, or the data
                does not fit it.
            NotOnThisCluster: the cluster is somebody else's, and no registry was named.
        """
        name = self._subject(topic, subject or f"{topic}-value")
        value = await framed(self.cluster.schemas, name, data, schema, schema_type)
        if key_subject is not None:
            wanted = self._subject(topic, key_subject)
            key = await framed(self.cluster.schemas, wanted, key, key_schema, schema_type)
        return await self.publish(
            topic,
            value,
            key=key,
            headers=headers,
            partition=partition,
            timestamp_ms=timestamp_ms,
        )

    def _subject(self, topic: str, name: str) -> str:
        # Subjects that are named after a topic follow it into the test's namespace.
        return self.namespace.real(name) if name.startswith(f"{topic}-") else name

    async def take(self, topic: str, group: str, *, timeout: float = 0.0) -> list[Event]:
        """Return what a consumer group has not read yet, and commit that it has.

        A group that has committed nothing begins where the test began.

        Args:
            topic: where to read.
            group: the group; it must have no running members.
            timeout: how long to wait for a first record, in seconds.

        Raises:
            NotOnThisCluster: the cluster is somebody else's.
        """
        name = self.namespace.real(topic)
        return await self.cluster.take(name, self.namespace.real(group), timeout)

    async def assert_schema_compatible(
        self, subject: str, schema: Schema, *, schema_type: str = "AVRO"
    ) -> None:
        """Make sure that a schema may become a subject's next version.

        Args:
            subject: checked under its own level, or the registry's.
            schema: a text, or data.
            schema_type: ``AVRO``, ``JSON`` or ``PROTOBUF``.

        Raises:
            AssertionError: it may not; the message gives every reason.
            NotOnThisCluster: the cluster is somebody else's.
        """
        real = self.namespace.real(subject)
        topics = await self.cluster.topic_names()
        if any(self.namespace.holds(name) and real.startswith(f"{name}-") for name in topics):
            # Subjects that are named after a topic follow it into the test's namespace.
            subject = real
        await check_compatible(self.cluster.schemas, subject, schema, schema_type)

    async def events(self, topic: str) -> list[Event]:
        """Return the topic's records since the test began, by timestamp.

        Args:
            topic: which topic; one that does not exist has no records.
        """
        return sorted(await self._read(self.namespace.real(topic)), key=_by_time)

    async def emitted(self) -> list[Event]:
        """Return the records of all topics since the test began, by timestamp."""
        found: list[Event] = []
        for name in await self.cluster.topic_names():
            if self.namespace.holds(name):
                found += await self._read(name)
        return sorted(found, key=_by_time)

    async def _read(self, name: str) -> list[Event]:
        found: list[Event] = []
        with self.cluster.follow(name) as cursor:
            while events := await cursor.ready():
                found += events
        return found

    async def expect(
        self,
        topic: str,
        match: Match | None = None,
        *,
        key: Any = None,
        headers: Headers | None = None,
        caused_by: Event | str | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
    ) -> Event:
        """Wait until the topic has a matching record, and return the first one.

        Only records written since the test began count.

        Args:
            topic: where to look.
            match: see :func:`fakebus.testing.matching.mismatches`.
            key: the exact key, as :meth:`publish` would take it; any when left out.
            headers: headers that the record must have among others.
            caused_by: an event that has caused the record, itself or by others in between, as
                :func:`fakebus.testing.flows.flow` tells.
            timeout: how long to wait, in seconds.

        Raises:
            AssertionError: none came; the message shows the nearest records and why they
                do not match.
            NotOnThisCluster: an external cluster, where no header could tell the cause.
        """
        wanted = Wanted(match=match, key=key, headers=headers)
        effects = None if caused_by is None else Effects(self, caused_by)
        event = await self._wait_for(topic, wanted, timeout, effects)
        if event is None:
            if effects is not None:
                await effects.check()
            report = await self._report(topic, wanted, timeout)
            raise AssertionError(report if effects is None else report + effects.report())
        return event

    async def expect_none(
        self,
        topic: str,
        match: Match | None = None,
        *,
        key: Any = None,
        headers: Headers | None = None,
        within: float = 0.2,
    ) -> None:
        """Make sure that no matching record is there or comes.

        Args:
            topic: where to look; ``match``, ``key`` and ``headers`` are as for :meth:`expect`.
            within: how long to wait for one, in seconds.

        Raises:
            AssertionError: one came.
        """
        wanted = Wanted(match=match, key=key, headers=headers)
        event = await self._wait_for(topic, wanted, within)
        if event is not None:
            raise AssertionError(f"expected no such event on {topic}, but there is {event}")

    async def _wait_for(
        self, topic: str, wanted: Wanted, timeout: float, effects: Effects | None = None
    ) -> Event | None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        found: list[Event] = []
        with self.cluster.follow(self.namespace.real(topic)) as cursor:
            while True:
                while events := await cursor.ready():
                    judged = await _judged(events, wanted)
                    found += [event for event, problems in judged if not problems]
                    found = sorted(found, key=_by_time)
                    if effects is None:
                        del found[1:]
                fit = found if effects is None else await effects.among(found)
                left = deadline - loop.time()
                if fit or left <= 0:
                    return fit[0] if fit else None
                # What has caused an event may be known later than that it came.
                await cursor.wait(min(left, LOOK_AGAIN_S) if found else left)

    async def _report(self, topic: str, wanted: Wanted, timeout: float) -> str:
        lines = [f"no matching event came to {topic} within {timeout:g} s"]
        if str(wanted):
            lines.append(f"wanted: {wanted}")
        names, real = await self.cluster.topic_names(), self.namespace.real(topic)
        if real != topic and topic in names:
            lines += await self._came_to_plain_name(topic, wanted)
        if real not in names:
            known = ", ".join(sorted(filter(self.namespace.holds, names))) or "none"
            return printable_lines([*lines, f"there is no topic of that name; topics: {known}"])
        count, nearest = await self._nearest(real, wanted)
        if not count:
            lines.append("nothing was written to it since the test began")
        for event, problems in nearest:
            lines.append(f"  {event}")
            lines += [f"      {problem}" for problem in problems]
        if count > len(nearest):
            lines.append(f"  … and {count - len(nearest)} more")
        return printable_lines(lines)

    async def _came_to_plain_name(self, topic: str, wanted: Wanted) -> list[str]:
        """Return what a service has written that does not know the test's namespace."""
        count, nearest = await self._nearest(topic, wanted)
        if not count:
            return []
        came = counted(count, "event") + " came"
        if not nearest[0][1]:
            came = f"a matching one ({nearest[0][0]}) came"
        return [
            f"{came} to {topic} itself, without this test's prefix: give the service "
            f'fakebus.topic("{topic}"), or use the isolation topics'
        ]

    async def _nearest(self, name: str, wanted: Wanted) -> tuple[int, list[_Judged]]:
        """Return how many events there are, and those that have the fewest problems."""
        count = 0
        nearest: list[_Judged] = []
        with self.cluster.follow(name) as cursor:
            while events := await cursor.ready():
                count += len(events)
                nearest += await _judged(events, wanted)
                nearest.sort(key=lambda each: (len(each[1]), _by_time(each[0])))
                del nearest[_SHOWN_EVENTS:]
        return count, nearest

    async def wait_for_group(
        self, group: str, *, until: Until = "committed", timeout: float = GROUP_TIMEOUT_S
    ) -> None:
        """Wait until a consumer group has caught up.

        It has when it is at the end of every partition that it has committed or that a member
        is assigned, and there is at least one.

        Args:
            group: the consumer group.
            until: ``fetched`` is content when members have fetched everything, of which their
                code may not have seen all; only a bus of our own knows that.
            timeout: how long to wait, in seconds; clients commit every 5 s unless their
                auto.commit.interval.ms says otherwise, or they commit themselves.

        Raises:
            AssertionError: it has not; the message says in which partitions, whether the fetch
                or the commit is missing, and what helps.
            NotOnThisCluster: ``fetched`` on an external cluster.
        """
        await self._watch(group).caught_up(until, timeout)

    async def wait_for_members(
        self, group: str, count: int = 1, *, timeout: float = GROUP_TIMEOUT_S
    ) -> None:
        """Wait until a consumer group has members, and they have shared out their partitions.

        Args:
            group: the consumer group.
            count: how many members, at least.
            timeout: how long to wait, in seconds.

        Raises:
            AssertionError: it has too few; the message says who is in it.
        """
        await self._watch(group).has_members(count, timeout)

    def _watch(self, group: str) -> GroupWatch:
        return GroupWatch(self.cluster, group, self.namespace.real(group))

    async def lag(self, group: str) -> dict[TopicPartition, int]:
        """Return how many offsets a group has still to commit, for each of its partitions.

        Args:
            group: the consumer group; one that does not exist has no partitions.
        """
        progress = await self.cluster.progress(self.namespace.real(group))
        return {} if progress is None else {p: at.lag for p, at in progress.partitions.items()}

    async def seed(self, *sets: str | Path) -> None:
        """Load more fixture sets, together as one; they are gone again after the test.

        Args:
            sets: each a directory with a ``fakebus.yaml`` or that file, a pack, ``openedx``, or
                ``package:NAME``.

        Raises:
            FixtureError: the set has problems, or does not fit what is on the bus.
        """
        paths = [Path(each) for each in sets]
        named = [path.parent if path.name == "fakebus.yaml" else path for path in paths]
        await self.cluster.seed(named, self.namespace)
        self.fixtures |= dict.fromkeys(named)

    async def timeline(self) -> str:
        """Return what has happened since the test began, for people to read."""
        # A topic that is not there may be missing because its name lacks the prefix.
        activities = [
            each
            for each in self.cluster.activities()
            if each.verb in ("asked for", *TRANSACTION_ENDS)
            or self.namespace.holds(each.topic or each.group)
        ]
        topics = await self.cluster.topic_names()
        events = await self.emitted()
        timeline = draw_timeline(events, activities, topics, self.published, self._began_ms)
        return timeline + await drawn_flows(self)

    async def snapshot(self, name: str | None = None) -> None:
        """Remember everything as it is now, for :meth:`rollback`.

        Args:
            name: under which name; the test has one snapshot without a name.

        Raises:
            NotOnThisCluster: the cluster is an external one.
        """
        await self.cluster.snapshot(name)

    async def rollback(self, name: str | None = None) -> None:
        """Make everything as it was: records, offsets, groups, topics, configs, schemas.

        Args:
            name: a snapshot; without a name it is the one that was taken without a name,
                or the beginning of the test if there is none.

        Raises:
            LookupError: there is no snapshot of that name.
            NotOnThisCluster: the cluster is an external one.
        """
        await self.cluster.rollback(name)


async def _judged(events: Sequence[Event], wanted: Wanted) -> list[_Judged]:
    found, began = [], monotonic()
    for event in events:
        found.append((event, wanted.problems(event)))
        if monotonic() - began > _TURN_S:
            await asyncio.sleep(0)
            began = monotonic()
    return found
