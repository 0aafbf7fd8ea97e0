"""Waiting for a consumer group, and telling what keeps it from what it was waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import get_args

from fakebus.broker.activity import Activity
from fakebus.cluster.interface import NotOnThisCluster
from fakebus.escaping import printable_lines
from fakebus.testing.cluster import ScopedCluster
from fakebus.testing.groups import (
    GroupProgress,
    PartitionProgress,
    Until,
    missing_topic,
    starts,
)
from fakebus.types import TopicPartition
from fakebus.wording import counted

_POLL_S = 0.01


class GroupWatch:
    """Watch over one consumer group.

    Args:
        cluster: has the group.
        name: the group as the test calls it.
        real: the group as the cluster calls it.
    """

    def __init__(self, cluster: ScopedCluster, name: str, real: str) -> None:
        self._cluster = cluster
        self._name = name
        self._real = real

    async def caught_up(self, until: Until, timeout: float) -> None:
        """Wait until the group has done with every record what it is waited for.

        Raises:
            AssertionError, ValueError, NotOnThisCluster: see
                :meth:`fakebus.testing.observer.Observer.wait_for_group`.
        """
        if until not in get_args(Until):
            raise ValueError(f"until is one of {', '.join(get_args(Until))}, not {until!r}")
        if until == "fetched" and self._cluster.is_external:
            raise NotOnThisCluster(
                "what consumers have fetched is known on a bus of our own only; wait until it is "
                "committed, which does not take long with fakebus.client_config(group)"
            )
        what = "caught up" if until == "committed" else "fetched everything"
        await self._wait(what, timeout, lambda p: p.has_caught_up(until), until)

    async def has_members(self, count: int, timeout: float) -> None:
        """Wait until the group has members that have shared out their partitions.

        Raises:
            AssertionError: it has too few.
        """
        await self._wait(
            f"{counted(count, 'member')} with their partitions",
            timeout,
            lambda p: p.state == "Stable" and len(p.members) >= count,
        )

    async def _wait(
        self,
        what: str,
        timeout: float,
        is_done: Callable[[GroupProgress], bool],
        until: Until | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            progress = await self._cluster.progress(self._real)
            if progress is not None and is_done(progress):
                return
            if loop.time() >= deadline:
                break
            await asyncio.sleep(_POLL_S)
        lines = [f"group {self._name} has not {what} within {timeout:g} s"]
        if progress is None:
            lines.append("there is no such group: no consumer has joined it under that group.id")
        else:
            lines.append(
                f"state {progress.state}, members: {', '.join(progress.members) or 'none'}"
            )
            lines += self._obstacles(progress, until) if until is not None else ()
        lines += await self._missing_topics(() if progress is None else progress.members)
        raise AssertionError(printable_lines(lines))

    def _obstacles(self, progress: GroupProgress, until: Until) -> list[str]:
        """Return what the group still has to do, and what helps."""
        if not progress.partitions:
            return ["nothing is assigned to it and it has committed nothing"]
        resets = {
            TopicPartition(start.at.topic, start.at.partition): start.at
            for start in starts(self._cluster.activities())
            if start.group == self._real and start.reset == "latest"
        }
        lines: list[str] = []
        hints: dict[str, None] = {}
        for place, at in progress.partitions.items():
            if not at.is_done(until):
                lines.append(f"  {place} hangs: {at}")
                hints[_hint(at, resets.get(place))] = None
        return [*lines, *hints]

    async def _missing_topics(self, members: tuple[str, ...]) -> list[str]:
        """Return what was asked for in vain by members, or by clients that may want to be."""
        topics = await self._cluster.topic_names()
        return [
            f"{asked.topic} was {missing_topic(asked, topics)}"
            for asked in self._cluster.activities()
            if asked.verb == "asked for" and asked.topic not in topics
            if not members or asked.origin.client_id in members
        ]


def _hint(at: PartitionProgress, reset: Activity | None) -> str:
    if reset is not None and at.committed is None and reset.offset >= at.end:
        return (
            f"{reset.origin} began at the latest offset, {reset.offset}, since the group had "
            "committed nothing: what was written before never comes to it. Set its "
            "auto.offset.reset=earliest, or fakebus.new.groups=earliest on the bus"
        )
    if not at.member:
        return "the fetch is missing: no consumer of the group has the partition"
    if at.fetched is not None and at.fetched < at.end:
        return (
            f"the fetch is missing: {at.member} has the partition and does not ask for more; it "
            "may be paused, or busy with a record"
        )
    missing = (
        "the commit is missing: what was fetched counts once it is committed. With "
        "enable.auto.commit a consumer does so every 5 s, or as often as its "
        "auto.commit.interval.ms says; without, when its code commits. "
        "fakebus.client_config(group) has settings for tests"
    )
    if at.fetched is not None:
        return f'{missing}, and until="fetched" does not wait for commits'
    return (
        f"{missing}. Or the fetch is, which a Kafka elsewhere does not tell: if {at.member} began "
        "behind the records, set its auto.offset.reset=earliest"
    )
