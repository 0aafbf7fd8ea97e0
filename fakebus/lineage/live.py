"""Activities as they happen, for those who watch a bus.

Nothing is kept for a watcher but the number of the activity that it has seen last: who is too slow
for what the bus remembers is told how many it has missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from typing import Any

from fakebus.broker.activity import Activity
from fakebus.lineage.clients import Client
from fakebus.lineage.lineage import Lineage

MOST_AT_ONCE = 500
"""Activities that a watcher is given without letting others have their turn."""
_QUIET_S = 15.0
"""After how long without anything it is looked whether the watcher is still there."""

Wanted = Callable[[Activity], bool]


async def watch(
    lineage: Lineage, after: int | None, wanted: Wanted
) -> AsyncGenerator[tuple[str, object] | tuple[str, object, int] | None, None]:
    """Yield what happens: what it is, its fields, and its number; now and then ``None``.

    Args:
        lineage: of the bus.
        after: the number of the last activity that was seen; from now on when left out. What the
            bus does not remember any more is yielded as ``missed``.
        wanted: says which activities are.
    """
    activities = lineage.activity
    seen = activities.number if after is None else min(after, activities.number)
    while True:
        number, missed, found = activities.after(seen, MOST_AT_ONCE)
        if missed:
            yield "missed", {"activities": missed}, number - len(found)
        for at, told in _merged(filter(lambda each: wanted(each[1]), enumerate(found, 1))):
            yield "message", _told(lineage, told), number - len(found) + at
        is_quiet = number == seen
        seen = number
        if is_quiet and not await lineage.noted_within(_QUIET_S):
            yield None
        elif not is_quiet:
            await asyncio.sleep(0)


def _merged(activities: Iterable[tuple[int, Activity]]) -> Iterator[tuple[int, Activity]]:
    """Yield activities, one for those that go on where the one before has ended."""
    before: tuple[int, Activity] | None = None
    for at, each in activities:
        if before is not None:
            last = before[1]
            if (
                each.verb in ("produced", "fetched")
                and (last.verb, last.origin, last.topic, last.partition, last.group)
                == (each.verb, each.origin, each.topic, each.partition, each.group)
                and last.last_offset + 1 == each.offset
            ):
                before = at, last._replace(last_offset=each.last_offset)
                continue
            yield before
        before = at, each
    if before is not None:
        yield before


def _told(lineage: Lineage, activity: Activity) -> dict[str, Any]:
    client: Client | None = activity.origin.client
    return {
        "verb": activity.verb,
        "at_ms": activity.at_ms,
        "client_id": activity.origin.client_id,
        "service": lineage.clients.service_of(client) if client is not None else "",
        "topic": activity.topic,
        "partition": activity.partition,
        "offset": activity.offset,
        "last_offset": activity.last_offset,
        "group": activity.group,
        "member": activity.member,
        "detail": activity.detail,
    }
