"""Fixtures: the sets that the bus was seeded from, and where they and the bus differ."""

from __future__ import annotations

from collections import Counter

from fakebus.catalogue.of_cluster import shared
from fakebus.cluster.loaded_sets import MOST_COMPARED, LoadedSet, loaded_sets
from fakebus.web.console.call import Call, Page

_MOST_ROWS = 500


async def index(call: Call) -> Page:
    """Show each set with its topics, files, lock and drift."""
    sets = await shared(call.cluster, "fixtures", lambda: loaded_sets(call.cluster))
    return Page(
        template="fixtures.html",
        values={
            "sets": sets,
            "events": {each.place: _events(each) for each in sets},
            "most_rows": _MOST_ROWS,
            "most_compared": MOST_COMPARED,
        },
    )


def _events(one: LoadedSet) -> Counter[str]:
    """Return how many events a set has for each topic."""
    found: Counter[str] = Counter()
    for stream in one.found.streams if one.found is not None else ():
        found[stream.topic] += len(stream.events)
    return found
